"""The line above which proposed labels are accepted, drawn and told: live and still."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray
from curalab_widgets._points import COLORS, GREY
from curalab_widgets.figures._plot import plot
from curalab_widgets.pseudo._line import Line

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from curalab_widgets.pseudo import PseudoLabelPanel

__all__ = ["figure", "redraw", "shapes", "still", "told_facts"]

_ACCURACY, _COVERAGE = COLORS[0], COLORS[1]
_RIGHT, _ABOVE = "right, of those above", "above the line, of the unlabelled"
_FAINT = "rgba(72,120,208,.22)"  # of _ACCURACY
_WIDE, _HIGH = 470, 280  # of the still picture, in pixels
_X, _Y = (44, 458), (240, 34)  # where its axes begin and end


def figure(line: Line, *, discovered: bool) -> go.Figure:
    """Return accuracy, if anything was judged, and coverage over the place of the line."""
    made = plot(_traces(line, discovered=discovered), title="", x="confidence from", y="%")
    made.update_layout(
        width=470,
        height=340,
        margin={"t": 36, "r": 16, "l": 52, "b": 44},
        hovermode="x unified",
        hoverdistance=-1,
        hoverlabel={"bgcolor": "rgba(45,48,56,.95)", "font": {"color": "#fff"}},
        dragmode=False,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        showlegend=True,
    )
    made.update_xaxes(range=[line.lowest, 1.005], fixedrange=True, zeroline=False)
    made.update_yaxes(range=[0, 103], fixedrange=True)
    return made


def redraw(made: go.Figure, line: Line, *, discovered: bool) -> None:
    """Draw the curves anew in a figure that shows."""
    for old, new in zip(made.data, _traces(line, discovered=discovered), strict=True):
        old.update({part: new[part] for part in ("x", "y", "text") if part in new})


def _traces(line: Line, *, discovered: bool) -> list[dict[str, Any]]:
    """Return what is drawn: accuracy with its interval where rows were judged; coverage last."""
    covered = line.coverage(discovered=discovered)
    covering = {
        "x": covered.index,
        "y": covered,
        "name": _ABOVE,
        "hovertemplate": "%{y:.1f} %<extra>above</extra>",
        "line": {"color": _COVERAGE, "width": 2.5, "dash": "dash"},
    }
    right = _accuracy(line.curve(discovered=discovered)) if line.judged is not None else []
    return [{"type": "scatter", "mode": "lines", **trace} for trace in (*right, covering)]


def _accuracy(seen: pd.DataFrame) -> list[dict[str, Any]]:
    edge = {"x": seen.index, "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    told = [f"{r.accuracy:.1f} % ({r.low:.1f} to {r.high:.1f})" for r in seen.itertuples()]
    return [
        {**edge, "y": seen["low"]},
        {**edge, "y": seen["high"], "fill": "tonexty", "fillcolor": _FAINT},
        {
            "mode": "lines+markers",
            "x": seen.index,
            "y": seen["accuracy"],
            "name": _RIGHT,
            "text": told,
            "hovertemplate": "%{text}<extra>right</extra>",
            "line": {"color": _ACCURACY, "width": 2.5},
            "marker": {"size": 5},
        },
    ]


def shapes(threshold: float) -> list[dict[str, Any]]:
    """Return the line, and what lies above it, for plotly."""
    whole = {"yref": "paper", "y0": 0, "y1": 1, "x0": threshold}
    zone = {"type": "rect", "x1": 1.005, "line": {"width": 0}, "layer": "below"}
    mark = {"type": "line", "x1": threshold, "line": {"color": GREY, "width": 2.5}}
    return [{**whole, **zone, "fillcolor": "rgba(128,128,128,.14)"}, {**whole, **mark}]


def _numbers(panel: PseudoLabelPanel, above: BoolArray) -> list[tuple[str, str]]:
    """Return the numbers of the line, and of the ledger."""
    numbers = panel._line.numbers(panel.threshold, above, discovered=panel.discovered)
    return [*numbers, panel._standing.number(above)] if panel._standing else numbers


def told_facts(panel: PseudoLabelPanel, above: BoolArray) -> str:
    """Return the numbers, and what to beware of."""
    told = [f"<div><b>{n}</b><span>{what}</span></div>" for n, what in _numbers(panel, above)]
    notes = panel._line.notes(above, discovered=panel.discovered)
    warned = "".join(f"<div class='curalab-pseudo-note'>{note}</div>" for note in notes)
    return f"<div class='curalab-pseudo-numbers'>{''.join(told)}</div>{warned}"


# ---- without a kernel ----------------------------------------------------------------------------


def _picture(line: Line, threshold: float, *, discovered: bool) -> str:
    """Return the same drawn small, as HTML without anything live in it."""
    low, seen = line.lowest, line.curve(discovered=discovered)
    covered = line.coverage(discovered=discovered)

    def path(x: Any, y: Any) -> str:
        kept = np.asarray(x) >= low
        across = np.interp(np.asarray(x)[kept], (low, 1), _X)
        up = np.interp(np.asarray(y)[kept], (0, 100), _Y)
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, up, strict=True))

    def stroke(x: Any, y: Any, color: str, more: str = "") -> str:
        look = f"fill='none' stroke='{color}' stroke-width='2' {more}"
        return f"<polyline points='{path(x, y)}' {look}/>"

    drawn = [stroke((low, 1), (p, p), "#8884") for p in (0, 50, 100)]
    drawn += [_text(38, np.interp(p, (0, 100), _Y) + 4, f"{p} %", at="end") for p in (0, 50, 100)]
    drawn += [
        _text(x, 258, f"{t:.2f}", at=at) for x, t, at in ((44, low, "start"), (458, 1, "end"))
    ]
    drawn += [_text(251, 276, "confidence from", at="middle"), _text(458, 16, _ABOVE, _COVERAGE)]
    drawn.append(stroke(covered.index, covered, _COVERAGE, "stroke-dasharray='7 5'"))
    drawn.append(stroke([max(threshold, low)] * 2, (0, 100), GREY))
    if len(seen):
        edge = path([*seen.index, *seen.index[::-1]], [*seen["low"], *seen["high"][::-1]])
        drawn.append(f"<polygon points='{edge}' fill='{_ACCURACY}' fill-opacity='.22'/>")
        drawn.append(stroke(seen.index, seen["accuracy"], _ACCURACY))
        drawn.append(_text(44, 16, _RIGHT, _ACCURACY, at="start"))
    size = f"width='{_WIDE}' height='{_HIGH}' viewBox='0 0 {_WIDE} {_HIGH}'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size} font-family='sans-serif'"
    svg = f"{head} font-size='12'>{''.join(drawn)}</svg>"
    data = base64.b64encode(svg.encode()).decode()
    about = "What is above the line and how right it is, over the place of the line"
    return f"<img alt='{about}' src='data:image/svg+xml;base64,{data}' width='{_WIDE}'>"


def _text(x: float, y: float, words: str, color: str = GREY, *, at: str = "end") -> str:
    return f"<text x='{x}' y='{y:.0f}' fill='{color}' text-anchor='{at}'>{words}</text>"


def still(panel: PseudoLabelPanel) -> str:
    """Return the panel as a picture and a table."""
    above, line = panel._above(), panel._line
    told = "".join(f"<li><b>{n}</b> {what}</li>" for n, what in _numbers(panel, above))
    notes = line.notes(above, discovered=panel.discovered)
    look = "display:flex;gap:16px;flex-wrap:wrap;align-items:flex-start"
    return (
        f"<p>Accepted from a confidence of {panel.threshold:.3f} on:</p><ul>{told}</ul>"
        f"{''.join(f'<p>{note}</p>' for note in notes)}<div style='{look}'>"
        f"{_picture(line, panel.threshold, discovered=panel.discovered)}"
        f"<div>{line.table(panel.threshold, above, tag='span')}</div></div>"
    )
