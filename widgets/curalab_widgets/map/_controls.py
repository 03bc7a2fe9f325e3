"""The buttons, lists and sliders around a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from curalab_widgets._controls import dropdown, labelling, toggles, tools
from curalab_widgets.map._finding import RULES
from curalab_widgets.map._shown import told_trust

if TYPE_CHECKING:
    from curalab_widgets.map import MapPanel

__all__ = ["controls"]


def controls(panel: MapPanel) -> list[list[ipywidgets.Widget]]:
    """Return the rows of a map panel."""
    side = ipywidgets.VBox(
        [ipywidgets.HTML(told_trust(panel)), panel._card, panel._legend, panel._gallery]
    )
    side.add_class("curalab-side")
    panel._gallery.add_class("curalab-gallery")
    rows = [_selecting(panel), _finding(panel), [panel._points.box, side], _looks(panel)]
    return [*rows, _deciding(panel)]


def _selecting(panel: MapPanel) -> list[ipywidgets.Widget]:
    rule = toggles(RULES)
    traitlets.link((panel, "combine"), (rule, "value"))
    return [
        tools(panel._points.use),
        rule,
        panel._button("Clear", "Select nothing (Esc)", panel.clear),
        panel._button("Zoom in", "Zoom in on the selected points", panel.zoom_in),
        panel._button("Show all", "Zoom out to all points", panel.show_all),
    ]


def _finding(panel: MapPanel) -> list[ipywidgets.Widget]:
    query = ipywidgets.Text(description="Find", continuous_update=False)
    query.placeholder = "ids, a value, low..high, words"
    query.observe(lambda change: panel._try(lambda: panel.find(change["new"])), "value")
    names = [name for name in panel._items.columns if name not in panel._cards.images]
    row = [dropdown(panel, "color", "Colour by", names, none="nothing"), query]
    if panel._embedding is None:
        return row

    def nearest() -> None:
        panel.nearest(query.value.strip() or next(iter(panel.selected), ""))

    def grow() -> None:
        what = "Looking for more like these"
        panel._work.ask(panel._grown, lambda ids: setattr(panel, "selected", ids), what=what)

    near = "The items nearest to the one, or to the text, in Find; else to the one selected"
    return [
        *row,
        panel._button("Nearest", near, nearest),
        panel._button("More like these", "What belongs with the selected items", grow),
    ]


def _looks(panel: MapPanel) -> list[ipywidgets.Widget]:
    """Return what changes the look of the points, and the views that were kept."""
    numbers = list(panel._items.select_dtypes("number").columns)
    row = [dropdown(panel, "size", "Size by", numbers, none="nothing")] if numbers else []
    solid = ipywidgets.FloatSlider(min=0.05, max=1, step=0.05, description="Opacity")
    solid.readout, solid.continuous_update = False, False
    traitlets.link((panel, "opacity"), (solid, "value"))
    toggles = {"density": "How densely the points lie, in place of the points"}
    if panel._cards.images:
        toggles["pictures"] = "Images in place of points where few are in view: zoom in"
    for name, tooltip in toggles.items():
        toggle = ipywidgets.ToggleButton(description=name.title(), tooltip=tooltip)
        traitlets.link((panel, name), (toggle, "value"))
        row.append(toggle)
    return [*row, solid, *_views(panel)]


def _views(panel: MapPanel) -> list[ipywidgets.Widget]:
    name = ipywidgets.Text(placeholder="name of a view", layout={"flex": "0 1 130px"})
    kept = ipywidgets.Dropdown(options=["", *panel.views], description="Views")

    def go(change: Any) -> None:
        if change["new"]:
            panel._try(lambda: panel.show_view(change["new"]))

    kept.observe(go, "value")
    panel.observe(lambda change: setattr(kept, "options", ["", *change["new"]]), "views")
    what = "Keep what is selected, how it looks and what part is in view"
    return [panel._button("Save view", what, lambda: panel.save_view(name.value)), name, kept]


def _deciding(panel: MapPanel) -> list[ipywidgets.Widget]:
    if panel._ledger is None:
        return []
    return [
        panel._button("Keep", "The selected items are right as they are", panel.keep),
        panel._button("Drop", "The selected items do not belong in the dataset", panel.drop),
        panel._button("Undo", "Take back the last decision", panel.undo, key="u"),
        *labelling(panel),
    ]
