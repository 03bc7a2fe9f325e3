"""Figures that panels change while they are seen."""

from __future__ import annotations

import uuid
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import traitlets

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["live", "wide"]

_LEAST = 200  # pixels
_CHANGES = ("_send_restyle_msg", "_send_relayout_msg", "_send_update_msg")


def live(figure: go.Figure) -> go.FigureWidget:
    """Return a figure as plotly's FigureWidget, of which a browser never misses anything.

    plotly itself sends what a figure holds, and each change, in messages of their own. Those that
    come while the browser loads the script go lost, and what is drawn then stays: an empty figure.
    Here the widget's state is the figure as it stands, from the first message on.
    """
    for trace in figure.data:
        trace.uid = str(uuid.uuid4())
    return _class()(figure)


@cache
def _class() -> Any:
    import plotly.graph_objects as go

    class Live(go.FigureWidget):  # type: ignore[misc]
        def __init__(self, figure: go.Figure) -> None:
            self._first = figure  # before the widget is announced, which reads the defaults below
            super().__init__(figure)
            for mine, first in zip(self._data, figure.data, strict=True):
                mine["uid"] = first.uid  # by which the browser names traces to Python
            self._stand()

        @traitlets.default("_widget_data")
        def _first_data(self) -> list[dict[str, Any]]:
            return [trace.to_plotly_json() for trace in self._first.data]

        @traitlets.default("_widget_layout")
        def _first_layout(self) -> dict[str, Any]:
            layout: dict[str, Any] = self._first.layout.to_plotly_json()
            return layout

        def _stand(self) -> None:
            """Make the state what the figure is."""
            self._widget_data = deepcopy(self._data)
            self._widget_layout = deepcopy(self._layout_obj._props)

    def telling(name: str) -> Any:
        def tell(self: Any, *args: Any, **kwargs: Any) -> None:
            getattr(super(Live, self), name)(*args, **kwargs)
            self._stand()

        return tell

    for name in _CHANGES:
        setattr(Live, name, telling(name))
    return Live


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


def wide(figure: go.FigureWidget) -> ipywidgets.Box:
    """Return a box that holds a figure, and makes it as wide as itself."""
    room = _Room()

    def fit(change: Any) -> None:
        figure.layout.width = max(change["new"], _LEAST)

    room.observe(fit, "wide")
    return ipywidgets.VBox([room, figure])
