"""The widgets around several selectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets
import traitlets

from curalab_widgets.selectors._picks import ALL, NONE

if TYPE_CHECKING:
    from curalab_widgets.selectors import SelectorPanel

__all__ = ["controls"]


def controls(panel: SelectorPanel) -> list[list[ipywidgets.Widget]]:
    """Return the rows of a panel of selectors."""
    panel._keys["Escape"] = panel.clear
    figure = [] if panel._figure is None else [panel._figure]
    side, beside = (
        ipywidgets.VBox([panel._told, panel._card, panel._tiles]),
        ipywidgets.HBox(figure),
    )
    rows = [
        _choosing(panel),
        [ipywidgets.HTML(panel._drawn.back), panel._maps],
        [panel._overlap, side],
        _deciding(panel),
    ]
    named = {"maps": panel._maps, "overlap": panel._overlap, "effects": beside, "side": side}
    for name, widget in {**named, "budget": panel._slider}.items():
        widget.add_class(f"curalab-selectors-{name}")
    if panel._columns:
        by = ipywidgets.Dropdown(options=panel._columns, description="Mix of")
        traitlets.link((panel, "by"), (by, "value"))
        rows.append([by] if len(panel._columns) > 1 else [])
    return [*rows, [beside] if figure else []]


def _choosing(panel: SelectorPanel) -> list[ipywidgets.Widget]:
    panel._slider = ipywidgets.IntSlider(
        min=1, max=max(panel._picks.sizes), description="Budget", tooltip="First picks of each"
    )
    panel._choice = ipywidgets.Dropdown(
        options=[*panel._picks.names, ALL, NONE], description="Show", tooltip="What to show below"
    )
    for moved in (panel._slider, panel._choice):
        moved.observe(lambda _: panel._asked(), "value")
    panel._take = panel._button("Select these", "Select all that is shown", panel.select_shown)
    common = "Select what all selectors picked"
    return [
        panel._slider,
        panel._choice,
        panel._take,
        panel._button("Select common picks", common, panel.select_common),
        panel._button("Clear", "Select nothing (Esc)", panel.clear),
    ]


def _deciding(panel: SelectorPanel) -> list[ipywidgets.Widget]:
    if panel._ledger is None:
        return []
    return [
        panel._button("Choose these", "Tag the picks shown as selected", panel.choose, key="t"),
        panel._button("Keep", "The selected items are right as they are", panel.keep, key="k"),
        panel._button("Undo", "Take back the last decision", panel.undo, key="u"),
    ]
