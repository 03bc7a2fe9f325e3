"""Buttons and lists that several panels have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from curalab._check import check_labels
from curalab_widgets._cards import plain

if TYPE_CHECKING:
    from curalab_widgets._panel import Panel

__all__ = ["dropdown", "labelling", "toggles", "tools"]

_TOOLS = {
    "lasso": "Draw around points to select them",
    "box": "Drag a rectangle over points to select them",
    "move": "Drag the map; the wheel zooms",
}


def toggles(words: Mapping[str, str]) -> ipywidgets.ToggleButtons:
    """Return a choice between names, each with what it means."""
    options = [(name.title(), name) for name in words]
    return ipywidgets.ToggleButtons(options=options, tooltips=list(words.values()))


def tools(use: Callable[[str], object]) -> ipywidgets.ToggleButtons:
    """Return a choice of what the mouse does on a map; `use` gets the name of the tool."""
    made = toggles(_TOOLS)
    made.observe(lambda change: use(change["new"]), "value")
    return made


def dropdown(
    panel: Panel, trait: str, text: str, names: Sequence[Any], *, none: str
) -> ipywidgets.Dropdown:
    """Return a list of names for a trait; `none` stands for None, which no list would show."""
    nothing = object()
    options = [(none, nothing), *((str(name), name) for name in names)]
    choice = ipywidgets.Dropdown(options=options, description=text)
    known = (
        lambda name: nothing if name is None else name,
        lambda name: None if name is nothing else name,
    )
    traitlets.link((panel, trait), (choice, "value"), transform=known)
    return choice


def labelling(panel: Panel) -> list[ipywidgets.Widget]:
    """Return a list of the classes to relabel to, and give them keys.

    Number keys are the first nine classes; where classes are themselves called by single digits,
    each key is the class of its name.
    """
    if panel._labels is None:
        return []
    classes = check_labels(panel._items[panel._labels])[2].tolist()
    by_name = all(len(str(c)) == 1 and str(c).isdigit() for c in classes)
    keys = {str(c) if by_name else str(i): c for i, c in enumerate(classes[:10], start=1)}
    keys.pop("10", None)
    panel._keys |= {key: partial(panel.relabel, name) for key, name in keys.items()}
    hint = " ".join(f"<kbd>{k}</kbd>{'' if by_name else plain(c)}" for k, c in keys.items())
    choice = ipywidgets.Dropdown(options=[(str(c)[:60], c) for c in classes])
    return [
        panel._button("Relabel to", "Give this label", lambda: panel.relabel(choice.value)),
        choice,
        ipywidgets.HTML(f"<span class='curalab-said'>Keys: {hint}</span>"),
    ]
