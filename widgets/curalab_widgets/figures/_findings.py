"""What finders marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import align, check_labels
from curalab_widgets._points import COLORS
from curalab_widgets.figures._plot import plot

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["error_confusion", "histogram"]

_BINS = 50
_MEANING = {"quality": "label quality (1 is clean)", "oddness": "oddness (higher is odder)"}


def error_confusion(errors: Any, labels: Any) -> go.Figure:
    """Count the marked labels by what was given and what is suggested.

    Parameters
    ----------
    errors : LabelErrors
        From ``find_label_errors``.
    labels : array-like of shape (n_items,)
        The labels that were judged; a Series is aligned by id.
    """
    given = np.asarray(align("labels", labels, errors.ids), dtype=object)[errors.is_error]
    suggested = np.asarray(errors.suggested, dtype=object)[errors.is_error]
    classes = check_labels([*given, *suggested])[2]
    table = pd.crosstab(given, suggested).reindex(index=classes, columns=classes, fill_value=0)
    heat = {
        "type": "heatmap",
        "x": [str(c) for c in classes],
        "y": [str(c) for c in classes],
        "z": table.to_numpy(),
        "text": table.astype(str).where(table > 0, ""),
        "texttemplate": "%{text}",
        "colorscale": [[0, "#eef0f3"], [1, "#d9480f"]],
    }
    title = f"{len(given):,} labels marked as wrong"
    figure = plot([heat], title=title, x="suggested", y="given")
    return figure.update_layout(xaxis_type="category", yaxis_type="category")


def histogram(result: Any) -> go.Figure:
    """Count items by label quality or by oddness, those marked in another colour and hatched.

    Parameters
    ----------
    result : LabelErrors or Outliers
        From ``find_label_errors`` or ``find_outliers``. Rows without a number are left out.
    """
    name, marked = ("oddness", "is_outlier")
    if hasattr(result, "quality"):
        name, marked = ("quality", "is_error")
    values, is_marked = np.asarray(getattr(result, name)), np.asarray(getattr(result, marked))
    known = np.isfinite(values)
    edges = np.histogram_bin_edges(values[known], bins=_BINS)
    bars = [
        {
            "type": "bar",
            "x": (edges[1:] + edges[:-1]) / 2,
            "y": np.histogram(values[known & part], bins=edges)[0],
            "width": np.diff(edges),
            "name": word,
            "marker": {"color": color, "pattern": {"shape": shape}},
        }
        for part, word, color, shape in (
            (~is_marked, "not marked", COLORS[0], ""),
            (is_marked, "marked", COLORS[1], "/"),
        )
    ]
    return plot(bars, title=f"{result!r}", x=_MEANING[name], y="items")
