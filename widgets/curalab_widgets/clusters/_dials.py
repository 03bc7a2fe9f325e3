"""Sliders and lists for the settings of a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

import ipywidgets

__all__ = ["Dials", "settings_of"]

_CHOICES = {"selection": ("eom", "leaf"), "linkage": ("ward", "average")}
_TOLD = {
    "min_cluster_size": "Rows below which a group is no cluster: larger finds fewer clusters",
    "min_samples": "Larger leaves more rows as noise; distances are computed anew",
    "selection": "eom: clusters of most persistence; leaf: the finest ones",
    "n_clusters": "How many clusters",
    "n_neighbors": "Neighbours in the graph: more joins what is near",
    "resolution": "Larger finds more and smaller clusters",
    "linkage": "What joining two clusters costs",
}


def settings_of(method: Any) -> dict[str, Any]:
    """Return the settings of a method that can be moved: numbers, and choices among names."""
    if not is_dataclass(method) or isinstance(method, type):
        return {}
    hints = get_type_hints(type(method))
    found = {}
    for field in fields(method):
        kinds = set(get_args(hints[field.name]) or (hints[field.name],)) - {type(None)}
        if field.init and (kinds in ({int}, {float}) or field.name in _CHOICES):
            found[field.name] = getattr(method, field.name)
    return found


class Dials:
    """One widget a setting.

    Parameters
    ----------
    settings : mapping
        Names and values; None is chosen by the method.
    n : int
        Rows.
    moved : callable
        Called with the name and the value of what a hand has moved.

    Attributes
    ----------
    widgets : list
        To place in a panel.
    """

    def __init__(
        self, settings: Mapping[str, Any], n: int, moved: Callable[[str, Any], None]
    ) -> None:
        self._moved, self._n, self._is_showing = moved, n, False
        self._of = {name: self._made(name, value) for name, value in settings.items()}
        self.widgets = list(self._of.values())

    def _made(self, name: str, value: Any) -> Any:
        about = {"description": name.replace("_", " ").capitalize(), "tooltip": _TOLD.get(name, "")}
        style = {"description_width": "initial"}
        made: Any
        if name in _CHOICES:
            made = ipywidgets.Dropdown(options=_CHOICES[name], style=style, **about)
        elif isinstance(value, float):
            top = max(5.0, 4 * value)
            made = ipywidgets.FloatSlider(min=0.0, max=top, step=top / 100, style=style, **about)
        else:
            low, high = self._ends(name)
            made = ipywidgets.IntSlider(min=low, max=high, style=style, **about)
        made.observe(lambda change: self._heard(name, change["new"]), "value")
        return made

    def _ends(self, name: str) -> tuple[int, int]:
        n = self._n
        ends = {
            "min_cluster_size": (2, max(20, min(n // 10, 400))),
            "min_samples": (1, max(10, min(n // 20, 100))),
            "n_clusters": (1, max(10, min(n // 5, 100))),
            "n_neighbors": (1, max(10, min(n // 5, 60))),
        }
        low, high = ends.get(name, (0, 20))
        return low, max(low, min(high, n))

    def _heard(self, name: str, value: Any) -> None:
        if not self._is_showing:
            self._moved(name, value)

    def show(self, settings: Mapping[str, Any], *, found: int) -> None:
        """Show these settings; `found` is the number of clusters where the method chose it."""
        self._is_showing = True
        try:
            for name, dial in self._of.items():
                value = settings[name]
                if value is None:
                    value = found if name == "n_clusters" else dial.value
                if hasattr(dial, "max"):
                    dial.min, dial.max = min(dial.min, value), max(dial.max, value)
                dial.value = value
        finally:
            self._is_showing = False
