"""A place for a plotly figure that moves: as wide as there is room, however late the browser is."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import anywidget
import ipywidgets
import traitlets

__all__ = ["figure_box", "keep"]

_TRIES = 3
_LEAST = 200  # pixels


class _Room(anywidget.AnyWidget):
    """Tells how wide the box is."""

    _esm = """
    export default { render({ model, el }) {
      const watch = new ResizeObserver(([seen]) => {
        const wide = Math.floor(seen.contentRect.width);
        if (wide && Math.abs(wide - model.get("wide")) > 8) {
          model.set("wide", wide);
          model.save_changes();
        }
      });
      watch.observe(el);
      return () => watch.disconnect();
    } };
    """
    wide = traitlets.Int(0).tag(sync=True)


def keep(figure: Any) -> None:
    """Tell what a FigureWidget shows to views that are made later: they do not hear of updates."""
    figure._widget_data = deepcopy(figure._data)
    figure._widget_layout = deepcopy(figure._layout_obj._props)


def figure_box(figure: Any) -> ipywidgets.Box:
    """Return a box that holds a FigureWidget, and makes it as wide as itself.

    What is sent while the browser still loads plotly is lost, the whole figure with it. A view
    says how many traces it has drawn: one that has none gets all again, and is made anew.
    """
    room = _Room()
    box = ipywidgets.VBox([room, figure])
    tries = iter(range(_TRIES))

    def drawn(change: Any) -> None:
        told = change["new"]
        if told and not told.get("trace_deltas") and figure.data and next(tries, None) is not None:
            keep(figure)
            figure.send_state(["_widget_data", "_widget_layout"])
            box.children = [room]
            box.children = [room, figure]

    def fit(change: Any) -> None:
        figure.layout.width = max(change["new"], _LEAST)
        keep(figure)

    figure.observe(drawn, "_js2py_traceDeltas")
    room.observe(fit, "wide")
    return box
