"""What selectors picked, side by side, and what that does to the mix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab_widgets._cards import plain
from curalab_widgets._points import COLORS, GREY
from curalab_widgets.figures._plot import plot
from curalab_widgets.figures._worth import learning_curves

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = [
    "mark",
    "mix_and_curves",
    "tell_budget",
    "tell_mix",
]

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
_SIGNS = "●■◆▲✚✖"
_WIDTH = 820  # pixels
_CLASSES = 20
_NAME = 28  # characters


def mark(i: int) -> str:
    """Return what stands for selector `i` everywhere, as HTML: its symbol in its colour."""
    return f"<span style='color:{COLORS[i]}'>{_SIGNS[i]}</span>"


# ---- side effects --------------------------------------------------------------------------------


def mix_and_curves(names: list[str], *, has_mix: bool = True, board: Any = None) -> go.Figure:
    """Return a figure for the mix among the picks, and learning curves beside it.

    Parameters
    ----------
    names : list of str
        The selectors. Their symbols are those of the maps.
    has_mix : bool, default=True
        Leave room for what `tell_mix` draws: trace 0 for the pool, trace i + 1 for name i.
    board : Leaderboard, default=None
        From ``bench`` of selectors. None leaves the curves away.
    """
    curves = [] if board is None else _curves(board, names, is_alone=not has_mix)
    figure = plot([*(_mix(names) if has_mix else []), *curves], title="", x="", y="")
    figure.update_layout(
        title=None,
        width=_WIDTH,
        height=330,
        barmode="overlay",
        legend={"orientation": "h", "y": 1.13, "yanchor": "bottom", "x": 0},
        margin={"l": 44, "r": 12, "t": 70, "b": 56},
    )
    left = (0.62 if has_mix else 0.08) if curves else 1.08
    figure.update_layout(
        xaxis={
            "domain": [0, min(left - 0.08, 1)],
            "visible": has_mix,
            "showgrid": False,
            "zeroline": False,
        },
        yaxis={"rangemode": "tozero", "visible": has_mix},
    )
    if has_mix:
        figure.add_annotation(_above(0, ""))
    if curves:
        grid = {"gridcolor": "rgba(128,128,128,.25)", "zeroline": False}
        x2 = {**grid, "domain": [left, 1], "anchor": "y2", "title": {"text": "rows picked"}}
        figure.update_layout(xaxis2=x2, yaxis2={**grid, "anchor": "x2"})
        figure.add_annotation(_above(left, f"{board.metrics[0].replace('_', ' ')}, %"))
        line = {"width": 2, "dash": "dash", "color": GREY}
        figure.add_shape({"type": "line", "xref": "x2", "yref": "y2 domain", "y0": 0, "y1": 1})
        figure.layout.shapes[0].line = line
    return figure


def _above(x: float, text: str) -> dict[str, Any]:
    place = {"xref": "paper", "yref": "paper", "x": x, "y": 1.0, "yanchor": "bottom"}
    return {"text": text, "xanchor": "left", "showarrow": False, "font": {"size": 13}, **place}


def _mix(names: list[str]) -> list[dict[str, Any]]:
    said = "%{text}: %{y:.1f} %<extra>%{fullData.name}</extra>"
    pool = {"type": "bar", "name": "the pool", "width": 0.92, "textposition": "none"}
    pool |= {"marker": {"color": "rgba(138,143,152,.3)"}, "hovertemplate": said}
    dots = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": plain(name[:_NAME]),
            "legendgroup": name,
            "marker": {"size": 8, "color": COLORS[i], "symbol": _SYMBOLS[i]},
            "hovertemplate": said,
        }
        for i, name in enumerate(names)
    ]
    return [pool, *dots]


def _curves(board: Any, names: list[str], *, is_alone: bool) -> list[dict[str, Any]]:
    """Return the learning curves, those of `names` as on the maps, the others in grey."""
    drawn = []
    for curve in learning_curves(board).data:
        line = curve.to_plotly_json()
        name = line["name"]
        at = names.index(name) if name in names else None
        color = GREY if at is None else COLORS[at]
        symbol = "line-ns-open" if at is None else _SYMBOLS[at]
        line["line"] = {"color": color, "dash": "dot" if at is None else "solid"}
        line["marker"] = {"color": color, "symbol": symbol, "size": 8}
        line |= {"legendgroup": name, "name": plain(name[:_NAME]), "xaxis": "x2", "yaxis": "y2"}
        line["error_y"] |= {"width": 3, "thickness": 1}
        drawn.append({**line, "showlegend": is_alone or at is None})
    return drawn


def tell_budget(figure: Any, budget: int) -> None:
    """Move the line that stands at the budget in the learning curves."""
    for shape in figure.layout.shapes:
        shape.update(x0=budget, x1=budget)


def tell_mix(figure: Any, mixes: Mapping[str, pd.DataFrame], *, by: str) -> None:
    """Draw the shares of values in the pool and among the picks of each selector.

    Parameters
    ----------
    figure : Figure or FigureWidget
        From `mix_and_curves`.
    mixes : mapping of str to DataFrame
        By the name of the selector, what ``Selection.mix`` says. The values on which they differ
        most from the pool are drawn, 20 at most.
    by : str
        What the values are.
    """
    first = next(iter(mixes.values()))
    shares = np.column_stack([mix["selection"] for mix in mixes.values()])
    away = np.abs(shares - first["pool"].to_numpy()[:, None]).max(axis=1)
    drawn = np.sort(np.argsort(-away, kind="stable")[:_CLASSES])
    values = first["value"].astype(object).iloc[drawn]
    named = [plain(value) for value in values.where(values.notna(), "missing")]
    at = np.arange(len(drawn))
    pool, *dots = figure.data[: len(mixes) + 1]
    pool.update(x=at, y=100 * first["pool"].to_numpy()[drawn], text=named)
    for i, dot in enumerate(dots):
        beside = 0.8 * ((i + 0.5) / len(dots) - 0.5)
        dot.update(x=at + beside, y=100 * shares[drawn, i], text=named)
    short = [name if len(name) <= 14 else f"{name[:13]}…" for name in named]
    figure.update_layout(xaxis={"tickvals": at, "ticktext": short})
    few = f", the {_CLASSES} that differ most" if len(first) > _CLASSES else ""
    figure.layout.annotations[0].text = f"share of each {plain(by[:_NAME])}, %{few}"
