"""The widgets around proposed labels: what moves the line, what shows, and what decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from curalab_widgets.figures import reliability_diagram
from curalab_widgets.figures._live import live
from curalab_widgets.pseudo._rows import VIEWS

if TYPE_CHECKING:
    from curalab_widgets.pseudo import PseudoLabelPanel

__all__ = ["STEP", "controls"]

STEP = 0.001  # of the slider


def controls(panel: PseudoLabelPanel) -> list[list[ipywidgets.Widget]]:
    """Return the rows of a panel of proposed labels."""
    for name in ("gallery", "card", "plot", "facts", "classes"):
        getattr(panel, f"_{name}").add_class(f"curalab-pseudo-{name}")
    panel._card.value = "<i>Click an item to select it and to see it whole.</i>"
    panel._plot.data[-1].on_click(panel._clicked)
    panel._view = ipywidgets.ToggleButtons(options=list(VIEWS), tooltips=list(VIEWS.values()))
    panel._view.observe(panel._draw_gallery, "value")
    panel._keys["Escape"] = panel.clear
    return [
        [panel._facts],
        _moving(panel),
        [panel._plot, _placed_beside(panel)],
        [panel._view],
        [panel._gallery, panel._card],
        _deciding(panel),
    ]


def _moving(panel: PseudoLabelPanel) -> list[ipywidgets.Widget]:
    panel._slider = ipywidgets.FloatSlider(
        min=0, max=1, step=STEP, readout_format=".3f", description="Accept from"
    )
    panel._slider.add_class("curalab-pseudo-slider")
    panel._slider.observe(panel._slid, "value")
    bar: list[ipywidgets.Widget] = [panel._slider]
    if panel._line.has_discovered:
        tick = ipywidgets.Checkbox(description="Discovered classes too", indent=False)
        traitlets.link((panel, "discovered"), (tick, "value"))
        bar.append(tick)
    if panel._line.judged is None:
        return bar
    aim = ipywidgets.BoundedFloatText(value=95, min=3, max=100, description="Right, in %")
    aim.add_class("curalab-pseudo-aim")
    hint = "The lowest line above which so many are right: sure at 95 %, with 2 % to spare"
    go_there = panel._button("Move the line there", hint, lambda: panel.reach(aim.value / 100))
    return [*bar, aim, go_there]


def _placed_beside(panel: PseudoLabelPanel) -> ipywidgets.Widget:
    """Return the table of the classes, or in its place how true the confidence is."""
    panel._beside = ipywidgets.VBox([panel._classes])
    shown = [panel._beside]
    if panel._line.judged is not None:
        other = ipywidgets.ToggleButtons(
            options=["Classes", "Reliability"],
            tooltips=["What is above the line in each class", "How true the confidence is"],
        )
        drawn: list[ipywidgets.Widget] = []

        def put(change: Any) -> None:
            is_table = change["new"] == "Classes"
            if not is_table and not drawn:
                look = {"width": 350, "height": 300, "margin_l": 44}
                key = {"orientation": "h", "y": -0.3}
                figure = reliability_diagram(panel._line.judged)
                drawn.append(live(figure.update_layout(**look, legend=key)))
            panel._beside.children = [panel._classes] if is_table else drawn

        other.observe(put, "value")
        shown = [other, *shown]
    return ipywidgets.VBox(shown).add_class("curalab-pseudo-beside")


def _deciding(panel: PseudoLabelPanel) -> list[ipywidgets.Widget]:
    if panel._ledger is None:
        return []
    hint = "Record the labels of all rows above the line that are undecided"
    panel._accept = panel._button("Accept above the line", hint, panel.accept, key="a")
    panel._accept.button_style = "primary"
    one, no = "Record the proposed labels of these", "Record that these proposals are wrong"
    back = "Take back the last decision, an acceptance as a whole"
    return [
        panel._accept,
        panel._button("Accept selected", one, panel.accept_selected, key="s"),
        panel._button("Reject selected", f"{no}; the rows stay unlabelled", panel.reject, key="r"),
        panel._button("Undo", back, panel.undo, key="u"),
        panel._button("Clear", "Select nothing (Esc)", panel.clear),
    ]
