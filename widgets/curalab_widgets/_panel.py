"""The box that every panel is: what is selected, keys, what it says, its picture without a kernel."""

from __future__ import annotations

import getpass
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import ipywidgets
import pandas as pd
import traitlets
from IPython.display import publish_display_data

from curalab._check import complain, rows_of
from curalab_widgets._cards import plain

__all__ = ["Ids", "Panel", "class_keys", "person"]

logger = logging.getLogger(__name__)

_VIEW = "application/vnd.jupyter.widget-view+json"


def class_keys(classes: Sequence[Any]) -> dict[str, Any]:
    """Return the class that each number key stands for.

    The first nine in their order; where classes are themselves called by single digits, a key
    stands for the class of its name.
    """
    names = {str(c): c for c in classes}
    if names and all(len(name) == 1 and name.isdigit() for name in names):
        return names
    return {str(i): c for i, c in enumerate(classes[:9], start=1)}


def person() -> str:
    """Return the name of who sits here, for decisions that do not say another."""
    return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()


class Ids(traitlets.TraitType[list[Any], Any]):
    """Ids of the panel's items, as a list; anything that lists ids may be set."""

    default_value: ClassVar[list[Any]] = []

    def make_dynamic_default(self) -> list[Any]:
        """Return a list of its own for each panel."""
        return []

    def validate(self, obj: Any, value: Any) -> list[Any]:
        """Return `value` as a list of known ids."""
        if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
            raise TypeError(complain(self.name or "ids", "a list of ids", value))
        rows = rows_of(obj.ids, value, name=self.name or "ids")
        return list(obj.ids[pd.unique(rows)].tolist())


class _Ear(anywidget.AnyWidget):
    """What listens in the browser."""

    _esm = Path(__file__).parent / "_panel.js"
    _css = Path(__file__).parent / "_panel.css"
    wanted = traitlets.List(traitlets.Unicode()).tag(sync=True)
    still = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)


class Panel(ipywidgets.VBox):
    """A box with `selected` ids, keys that work while it has the focus, and a line that it says.

    Parameters
    ----------
    ids : Index
        The ids that may be selected.
    title : str
        What a screen reader calls the panel.
    """

    selected = Ids()

    def __init__(self, *, ids: pd.Index, title: str) -> None:
        self.ids = ids
        self._keys: dict[str, Callable[[], object]] = {}
        self._said = ipywidgets.HTML()
        self._ear = _Ear(title=title)
        self._ear.on_msg(self._hear)
        super().__init__()
        self._ear.still = str(self.model_id)
        self.add_class("curalab-panel")

    def _show(self, *children: ipywidgets.Widget) -> None:
        self._ear.wanted = list(self._keys)
        self.children = [*children, self._said, self._ear]

    def _button(
        self,
        text: str,
        tooltip: str,
        does: Callable[[], object],
        *,
        key: str = "",
        style: str = "",
    ) -> ipywidgets.Button:
        """Return a button; `key`, if given, does the same and stands on it."""
        label = f"{text} ({key.upper()})" if key else text
        button = ipywidgets.Button(description=label, tooltip=tooltip, button_style=style)
        button.on_click(lambda _: self._try(does))
        if key:
            self._keys[key] = does
        return button

    # ---- what comes from the browser -------------------------------------------------------------

    def _hear(self, _: Any, message: Mapping[str, str], __: Any) -> None:
        if "key" in message and message["key"] in self._keys:
            self._try(self._keys[message["key"]])
        elif "pick" in message:
            what, _, number = message["pick"].partition(":")
            self._try(lambda: self._pick(what, int(number)))

    def _pick(self, what: str, number: int) -> None:
        """Do what a click on an element with ``data-pick="what:number"`` asks for."""

    def _try(self, does: Callable[[], object]) -> None:
        """Do what a hand asked for; where it fails, say so in the panel: a log is not seen."""
        try:
            does()
        except Exception as error:
            logger.exception("A panel could not do what was asked.")
            told = error.args[0] if error.args else error
            self._say(str(told), is_wrong=True)

    def _say(self, text: str, *, is_wrong: bool = False) -> None:
        kind, role = ("curalab-wrong", "alert") if is_wrong else ("curalab-said", "status")
        self._said.value = f"<div class='{kind}' role='{role}'>{plain(text, limit=500)}</div>"

    # ---- without a kernel ------------------------------------------------------------------------

    def _still(self) -> str:
        """Return the panel as it stands, as HTML without anything live in it."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return {**bundle, "text/html": f"<div class='{self._still_class}'>{self._still()}</div>"}

    @property
    def _still_class(self) -> str:
        return f"curalab-still-{self.model_id}"

    def _ipython_display_(self) -> None:
        # Two outputs, because nbconvert shows a widget it has the state of and then nothing beside
        # it, and without the network that widget stays empty. The live panel hides the picture.
        bundle = self._repr_mimebundle_()
        view = bundle.pop(_VIEW)
        publish_display_data(bundle)
        publish_display_data({_VIEW: view, "text/html": ""})
