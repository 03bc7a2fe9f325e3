"""What steps and methods are worth: effects, benches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from curalab._check import complain
from curalab_widgets._points import COLORS, GREY
from curalab_widgets.figures._plot import plot

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["effect_intervals", "learning_curves", "rank_intervals"]

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
_MOST_CURVES = 8


def effect_intervals(effect: Any) -> go.Figure:
    """Show the gain of a curation step with its intervals, over all and for each class.

    Parameters
    ----------
    effect : Effect
        From ``measure_effect``.
    """
    rows = [
        ("over doing nothing", effect.gain, *effect.interval),
        ("over as much at random", effect.gain_over_random, *effect.interval_over_random),
    ]
    classes = effect.per_class[["class", "gain", "low", "high"]].itertuples(index=False)
    rows += [(f"class {name}", gain, low, high) for name, gain, low, high in classes]
    names, gain, low, high = (list(part) for part in zip(*rows, strict=True))
    middle = 100 * np.array(gain, dtype=float)
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": middle,
        "y": names,
        "marker": {"size": 9, "color": [COLORS[0]] * 2 + [GREY] * (len(rows) - 2)},
        "error_x": {
            "symmetric": False,
            "array": 100 * np.array(high, dtype=float) - middle,
            "arrayminus": middle - 100 * np.array(low, dtype=float),
        },
    }
    figure = plot([dots], title=effect.sentence, x="gain in accuracy, points", y="")
    return figure.update_layout(
        yaxis_autorange="reversed", height=160 + 26 * len(rows), title_font_size=12
    )


def learning_curves(board: Any) -> go.Figure:
    """Show what each selector of a bench was worth at each budget, with 95 % intervals.

    Parameters
    ----------
    board : Leaderboard
        From ``bench`` of selectors. The eight best methods and "random" are drawn.
    """
    if not len(board.curve) or board.curve["budget"].isna().any():
        rule = "a Leaderboard of selectors, of which one finished"
        raise ValueError(complain("board", rule, what=repr(board)))
    names = [name for i, name in enumerate(board.ids) if i < _MOST_CURVES or name == "random"]
    traces = []
    for i, name in enumerate(names):
        seen = board.curve[board.curve["method"] == name]
        middle = 100 * seen["score"]
        is_random = name == "random"
        color = GREY if is_random else COLORS[i]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": str(name),
                "x": seen["budget"],
                "y": middle,
                "line": {"color": color, "dash": "dash" if is_random else "solid"},
                "marker": {"symbol": _SYMBOLS[i % len(_SYMBOLS)], "size": 8},
                "error_y": {
                    "symmetric": False,
                    "array": 100 * seen["high"] - middle,
                    "arrayminus": middle - 100 * seen["low"],
                    "thickness": 1,
                },
            }
        )
    title = f"What {len(board)} selectors picked is worth"
    figure = plot(traces, title=title, x="rows picked", y=f"{board.metrics[0]}, %")
    return figure.update_layout(height=440)


def rank_intervals(board: Any) -> go.Figure:
    """Show the score of each method of a bench with its 95 % interval, best first.

    Parameters
    ----------
    board : Leaderboard
        From ``bench``. Filled dots: the best method, and those not shown to be below it.
    """
    frame = board.to_frame().query("error == ''")
    middle = frame[board.metrics[0]]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": middle,
        "y": frame.index.astype(str),
        "marker": {
            "size": 9,
            "color": COLORS[0],
            "symbol": ["circle" if is_top else "circle-open" for is_top in frame["top"]],
        },
        "error_x": {
            "symmetric": False,
            "array": frame["high"] - middle,
            "arrayminus": middle - frame["low"],
        },
    }
    title = "Filled: not shown to be below the best"
    figure = plot([dots], title=title, x=board.metrics[0].replace("_", " "), y="")
    return figure.update_layout(yaxis_autorange="reversed", height=160 + 26 * len(frame))
