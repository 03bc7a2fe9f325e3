"""Figures that panels change while they are seen."""

from __future__ import annotations

import uuid
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any

import traitlets

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["live"]


def live(figure: go.Figure) -> go.FigureWidget:
    """Return a figure as plotly's FigureWidget, with all that it holds in its first message.

    plotly itself sends traces and layout in a second one. In the browser that one waits until the
    script has loaded, and what is drawn at that moment is an empty figure, which stays.
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
            self._widget_data = deepcopy(self._data)

        @traitlets.default("_widget_data")
        def _first_data(self) -> list[dict[str, Any]]:
            return [trace.to_plotly_json() for trace in self._first.data]

        @traitlets.default("_widget_layout")
        def _first_layout(self) -> dict[str, Any]:
            layout: dict[str, Any] = self._first.layout.to_plotly_json()
            return layout

    return Live
