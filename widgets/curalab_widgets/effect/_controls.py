"""The widgets around the steps of a curation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets
import traitlets

if TYPE_CHECKING:
    from curalab_widgets.effect import EffectPanel

__all__ = ["CLASS", "controls"]

CLASS = "class"  # what the table is by at first


def controls(panel: EffectPanel) -> list[list[ipywidgets.Widget]]:
    """Return the rows of a panel of effects."""
    side = ipywidgets.VBox([panel._card, panel._tiles])
    named = {"forest": panel._forest, "side": side, "said": panel._said_of, "parts": panel._table}
    for name, widget in named.items():
        widget.add_class(f"curalab-effect-{name}")
    tables = [panel._table, side]
    return [[panel._headline], [panel._forest], _choosing(panel), [panel._said_of], tables]


def _choosing(panel: EffectPanel) -> list[ipywidgets.Widget]:
    panel._choice = ipywidgets.Dropdown(description="Step", tooltip="The step to look at")
    panel._choice.observe(panel._chosen, "value")
    options = [CLASS, *panel._groups]
    by = ipywidgets.Dropdown(options=options, description="By", tooltip="What the table is by")
    traitlets.link((panel, "by"), (by, "value"))
    bar = [panel._choice, *([by] if panel._groups else [])]
    if panel._ledger is not None:
        take = "Take back all its decisions"
        panel._toggle = panel._button("Undo this step", take, panel.toggle_step)
        again = "Take back what was done here last"
        bar += [panel._toggle, panel._button("Undo", again, panel.undo, key="u")]
    if not panel._source.lacking:
        measure = "Measure all steps of the ledger as it is now"
        bar.append(panel._button("Measure", measure, panel.measure))
    return bar
