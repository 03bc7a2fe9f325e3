"""Maps that do not move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import align, complain
from curalab_widgets._points import paint
from curalab_widgets.figures._plot import plot

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["map_points"]


def map_points(view: Any, *, color: Any = None) -> go.Figure:
    """Draw a map as a still scatter.

    Parameters
    ----------
    view : Embedding of 2 columns or array-like of shape (n_items, 2)
        Where the items lie.
    color : Series or array-like of shape (n_items,), default=None
        What colours them, aligned by id.
    """
    xy = np.asarray(view, dtype=float)
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise ValueError(complain("view", "of shape (n, 2)", what=f"shape {xy.shape}"))
    ids = view.ids if hasattr(view, "ids") else pd.RangeIndex(len(xy), name="row")
    column = None if color is None else pd.Series(np.asarray(align("color", color, ids)))
    colored = paint(column, len(xy))
    traces = [
        {
            "type": "scattergl",
            "mode": "markers",
            "x": xy[colored.codes == code, 0],
            "y": xy[colored.codes == code, 1],
            "name": name or None,
            "showlegend": bool(name),
            "marker": {"size": 5, "color": colored.colors[code]},
        }
        for code, name in enumerate(colored.names)
        if (colored.codes == code).any()
    ]
    figure = plot(traces, title=f"Map of {len(xy):,} items", x="", y="")
    figure.update_yaxes(visible=False, scaleanchor="x").update_xaxes(visible=False)
    return figure.update_layout(height=480)
