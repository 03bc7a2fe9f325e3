"""What all figures share: their look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curalab_widgets._points import GREY

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["plot"]


def plot(traces: list[dict[str, Any]], *, title: str, x: str, y: str) -> go.Figure:
    import plotly.graph_objects as go

    axis = {"gridcolor": "rgba(128,128,128,.25)", "zerolinecolor": "rgba(128,128,128,.6)"}
    return go.Figure(
        traces,
        {
            "title": {"text": title, "font": {"size": 15}},
            "xaxis": {**axis, "title": {"text": x}},
            "yaxis": {**axis, "title": {"text": y}},
            "font": {"color": GREY},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"t": 48, "r": 24},
            "barmode": "stack",
            "height": 360,
        },
    )
