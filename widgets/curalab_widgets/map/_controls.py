"""The buttons, lists and sliders around a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from curalab_widgets.map._finding import RULES

if TYPE_CHECKING:
    from curalab_widgets.map import MapPanel

__all__ = ["controls"]

_TOOLS = {
    "lasso": "Draw around points to select them",
    "box": "Drag a rectangle over points to select them",
    "move": "Drag the map; the wheel zooms",
}


def controls(panel: MapPanel) -> list[list[ipywidgets.Widget]]:
    """Return the rows of a map panel."""
    side = ipywidgets.VBox(
        [ipywidgets.HTML(panel._trusted()), panel._card, panel._legend, panel._gallery]
    )
    side.add_class("curalab-side")
    panel._gallery.add_class("curalab-gallery")
    rows = [_selecting(panel), _finding(panel), [panel._points.box, side], _looks(panel)]
    return [*rows, _deciding(panel)]


def _toggles(words: dict[str, str]) -> ipywidgets.ToggleButtons:
    options = [(name.title(), name) for name in words]
    return ipywidgets.ToggleButtons(options=options, tooltips=list(words.values()))


def _selecting(panel: MapPanel) -> list[ipywidgets.Widget]:
    tool, rule = _toggles(_TOOLS), _toggles(RULES)
    tool.observe(lambda change: panel._points.use(change["new"]), "value")
    traitlets.link((panel, "combine"), (rule, "value"))
    return [
        tool,
        rule,
        panel._button("Clear", "Select nothing (Esc)", panel.clear),
        panel._button("Zoom in", "Zoom in on the selected points", panel.zoom_in),
        panel._button("Show all", "Zoom out to all points", panel.show_all),
    ]


def _finding(panel: MapPanel) -> list[ipywidgets.Widget]:
    query = panel._query
    query.description, query.continuous_update = "Find", False
    query.placeholder = "ids, a value, low..high, words"
    query.observe(lambda change: panel._try(lambda: panel.find(change["new"])), "value")
    names = [name for name in panel._items.columns if name not in panel._cards.images]
    row = [panel._dropdown("color", "Colour by", names, none="nothing"), query]
    if panel._embedding is None:
        return row
    near = "The items nearest to the one, or to the text, in Find; else to the one selected"
    return [
        *row,
        panel._button("Nearest", near, panel._nearest_to_query),
        panel._button("More like these", "What belongs with the selected items", panel._grow),
    ]


def _looks(panel: MapPanel) -> list[ipywidgets.Widget]:
    """Return what changes the look of the points, and the views that were kept."""
    numbers = list(panel._items.select_dtypes("number").columns)
    row = [panel._dropdown("size", "Size by", numbers, none="nothing")] if numbers else []
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
        *panel._labelling(),
    ]
