"""The buttons, lists and sliders of a comparison."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets

from curalab_widgets._controls import dropdown, labelling, tools
from curalab_widgets.compare._views import color_columns

if TYPE_CHECKING:
    from curalab_widgets.compare import ComparePanel

__all__ = ["controls"]

_MOST_K = 50  # of the slider


def controls(panel: ComparePanel) -> list[list[ipywidgets.Widget]]:
    """Return the rows of a comparison."""
    parts = [panel._boards, panel._list]
    for part in parts:
        part.add_class("curalab-compare-part")
    panel._card.add_class("curalab-compare-card")
    panel._keys["Escape"] = panel.clear
    walking = [
        panel._button("Next", "Show the next of the rows that differ", panel.show_next, key="n"),
        panel._button("Clear", "Select nothing (Esc)", panel.clear),
    ]
    halves = [half.box for half in panel._halves]
    rows = [[*_tools(panel), *walking], halves, _near(panel), parts]
    return [*rows, [panel._card], _deciding(panel)]


def _tools(panel: ComparePanel) -> list[ipywidgets.Widget]:
    if not panel._halves:
        return []
    by = dropdown(panel, "color", "Colour by", color_columns(panel), none="what is compared")
    return [
        tools(panel.use),
        panel._button("Show all", "Zoom out to all points", panel.show_all),
        by,
    ]


def _near(panel: ComparePanel) -> list[ipywidgets.Widget]:
    """Return how many neighbours count, and buttons that select those of the row shown."""
    if not panel._sides.are_vectors:
        return []
    most = max(min(_MOST_K, len(panel.ids) - 1), panel._k)
    slider = ipywidgets.IntSlider(panel._k, 1, most, description="Neighbours")
    panel._slider = slider

    def moved(change: Any) -> None:
        if (k := change["new"]) == panel._k:
            panel._work.stop()  # moved back
            return
        what, done = f"Comparing {k} neighbours of each row", partial(setattr, panel, "k")
        panel._work.ask(partial(panel._compare, k=k), lambda _: done(k), what=what)

    def follow(_: Any) -> None:
        slider.max, slider.value = max(slider.max, panel._k), panel._k

    slider.observe(moved, "value")
    panel.observe(follow, "k")
    tip = "Select the row shown and its nearest rows on the {}; see where the other side has them"
    sides = [
        panel._button(f"Near it on the {s}", tip.format(s), partial(panel.near, s), key=s[0])
        for s in ("left", "right")
    ]
    return [slider, *sides]


def _deciding(panel: ComparePanel) -> list[ipywidgets.Widget]:
    if panel._ledger is None:
        return []
    return [
        panel._button("Keep", "The selected items are right as they are", panel.keep, key="k"),
        panel._button("Drop", "The selected items do not belong here", panel.drop, key="d"),
        panel._button("Undo", "Take back the last decision", panel.undo, key="u"),
        *labelling(panel),
    ]
