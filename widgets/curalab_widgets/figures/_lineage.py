"""What datasets were made of, as a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curalab._check import complain
from curalab.documents._chain import Lineage
from curalab_widgets._cards import plain
from curalab_widgets._points import COLORS, GREY
from curalab_widgets.figures._plot import plot

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["lineage_graph"]

_NAME = 28  # characters
_LOOKS = {  # colour and symbol by what the chain permits
    "commercial": (COLORS[2], "circle"),
    "unspecified": (GREY, "circle-open"),
    "non-commercial": (COLORS[1], "square"),
    "academic-only": (COLORS[1], "diamond"),
    "by-permission": (COLORS[3], "x"),
}


def lineage_graph(lineage: Any) -> go.Figure:
    """Draw datasets from the first, left, to what was made of them, right.

    Parameters
    ----------
    lineage : Lineage
        The colour, the symbol and the legend say what may be done with each dataset, all that it
        was made of considered; its name and number of problems stand beside it.
    """
    if not isinstance(lineage, Lineage):
        raise TypeError(complain("lineage", "a Lineage", lineage))
    at = _places(lineage)
    use = lineage.to_frame()["use"]
    n_problems = lineage.problems["dataset"].value_counts()
    ends = [(at[p], at[name]) for name, r in lineage.records.items() for p in r["parents"]]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [x for a, b in ends for x in (a[0], b[0], None)],
            "y": [y for a, b in ends for y in (a[1], b[1], None)],
            "line": {"color": GREY, "width": 1.5},
            "hoverinfo": "skip",
            "showlegend": False,
        }
    ]
    for kind, (color, symbol) in _LOOKS.items():
        names = [name for name in lineage.ids if use[name] == kind]
        if names:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers+text",
                    "name": kind,
                    "x": [at[name][0] for name in names],
                    "y": [at[name][1] for name in names],
                    "text": [_label(name, int(n_problems.get(name, 0))) for name in names],
                    "textposition": "top center",
                    "hovertext": [_told(lineage, name) for name in names],
                    "hoverinfo": "text",
                    "marker": {"size": 14, "color": color, "symbol": symbol},
                }
            )
    figure = plot(traces, title="What each dataset was made of", x="generation", y="")
    deepest = max(lineage.generation.values())
    ticks = list(range(deepest + 1))
    figure.update_xaxes(tickvals=ticks, range=[-0.5, deepest + 0.5], zeroline=False)
    low, high = min(y for _, y in at.values()), max(y for _, y in at.values())
    figure.update_yaxes(visible=False, range=[low - 0.4, high + 0.7])  # names stand above
    return figure.update_layout(height=int(min(2000, 220 + 70 * (high - low + 1))))


def _places(lineage: Lineage) -> dict[str, tuple[int, float]]:
    """Put each generation into a column, centred, in the order of the first parent's row."""
    at: dict[str, tuple[int, float]] = {}
    for column in range(max(lineage.generation.values()) + 1):
        names = [name for name, depth in lineage.generation.items() if depth == column]
        above = {n: [at[p][1] for p in lineage.records[n]["parents"]] for n in names}
        names.sort(key=lambda n: -sum(above[n]) / len(above[n]) if above[n] else 0.0)
        at |= {name: (column, (len(names) - 1) / 2 - row) for row, name in enumerate(names)}
    return at


def _label(name: str, n_problems: int) -> str:
    short = plain(name if len(name) <= _NAME else f"{name[: _NAME - 1]}…")
    return f"{short}<br>{n_problems} problem{'s' * (n_problems > 1)}" if n_problems else short


def _told(lineage: Lineage, name: str) -> str:
    problems = lineage.problems[lineage.problems["dataset"] == name]
    lines = [name, f"licence: {lineage.records[name]['licence'] or 'none stated'}"]
    lines += [f"{p}: {e}" for p, e in zip(problems["problem"], problems["evidence"], strict=True)]
    return "<br>".join(plain(line, limit=200) for line in lines)
