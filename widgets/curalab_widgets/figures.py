"""Results as plotly figures, legible on a white page and on a black one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import align, check_labels, complain
from curalab_widgets._points import COLORS, GREY, paint

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = [
    "accuracy_over_rounds",
    "coverage_accuracy",
    "effect_intervals",
    "error_confusion",
    "histogram",
    "learning_curves",
    "map_points",
    "rank_intervals",
    "reliability_diagram",
]

_BINS = 50
_MEANING = {"quality": "label quality (1 is clean)", "oddness": "oddness (higher is odder)"}


def _figure(traces: list[dict[str, Any]], *, title: str, x: str, y: str) -> go.Figure:
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
    return _figure(bars, title=f"{result!r}", x=_MEANING[name], y="items")


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
    figure = _figure([heat], title=title, x="suggested", y="given")
    return figure.update_layout(xaxis_type="category", yaxis_type="category")


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
    figure = _figure([dots], title=effect.sentence, x="gain in accuracy, points", y="")
    return figure.update_layout(
        yaxis_autorange="reversed", height=160 + 26 * len(rows), title_font_size=12
    )


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
    figure = _figure(traces, title=f"Map of {len(xy):,} items", x="", y="")
    figure.update_yaxes(visible=False, scaleanchor="x").update_xaxes(visible=False)
    return figure.update_layout(height=480)


def coverage_accuracy(honesty: Any) -> go.Figure:
    """Show how many labels a threshold accepts, and how many of these are right.

    Parameters
    ----------
    honesty : Honesty
        From ``curalab.pseudo_labels.honesty``. The dashed lines are 95 % intervals, each for its
        threshold alone.
    """
    seen = honesty.curve().query("n > 0")
    at = [f"confidence from {t:g}, {n:.0f} rows judged" for t, n in seen["n"].items()]
    lines = _within(seen, 100 * seen["coverage"], at)
    y = "of these right, %"
    return _figure(lines, title="What is accepted, and how right it is", x="accepted, %", y=y)


def accuracy_over_rounds(rounds: Any) -> go.Figure:
    """Show what the accuracy of the proposed labels was after each round of labelling.

    Parameters
    ----------
    rounds : DataFrame
        From ``curalab.pseudo_labels.over_rounds``. The dashed lines are 95 % intervals.
    """
    at = [f"round {number}, {n:.0f} rows judged" for number, n in rounds["n"].items()]
    lines = _within(rounds, rounds["n_labels"], at)
    return _figure(lines, title="What more labels brought", x="labels given", y="right, %")


def _within(seen: pd.DataFrame, x: Any, text: list[str]) -> list[dict[str, Any]]:
    """Return the lines of the accuracy and of the ends of its interval."""
    return [
        {
            "type": "scatter",
            "mode": mode,
            "x": x,
            "y": 100 * seen[column],
            "name": name,
            "text": text,
            "line": {"color": color, "dash": dash},
        }
        for column, name, mode, color, dash in (
            ("accuracy", "accuracy", "lines+markers", COLORS[0], "solid"),
            ("low", "at least", "lines", GREY, "dash"),
            ("high", "at most", "lines", GREY, "dash"),
        )
    ]


def reliability_diagram(honesty: Any) -> go.Figure:
    """Show the accuracy of judged rows by their confidence, before and after calibration.

    Parameters
    ----------
    honesty : Honesty
        From ``curalab.pseudo_labels.honesty``. On the diagonal confidence is true.
    """
    dots = []
    for is_calibrated, name, color, symbol in (
        (False, "as the method says", COLORS[1], "x"),
        (True, "calibrated", COLORS[0], "circle"),
    ):
        bins = honesty.reliability(calibrated=is_calibrated)
        dots.append(
            {
                "type": "scatter",
                "mode": "markers+lines",
                "x": bins["confidence"],
                "y": bins["accuracy"],
                "name": name,
                "text": [f"{n:.0f} rows" for n in bins["n"]],
                "marker": {"color": color, "symbol": symbol, "size": 9},
                "line": {"color": color, "width": 1},
                "error_y": {
                    "symmetric": False,
                    "array": bins["high"] - bins["accuracy"],
                    "arrayminus": bins["accuracy"] - bins["low"],
                    "width": 3,
                    "thickness": 1,
                },
            }
        )
    ideal = {"x": [0, 1], "y": [0, 1], "name": "true", "mode": "lines", "type": "scatter"}
    dots.append({**ideal, "line": {"color": GREY, "dash": "dot"}})
    error = honesty.calibration_error
    title = f"Confidence is off by {error['before']:.3f}, calibrated by {error['after']:.3f}"
    return _figure(dots, title=title, x="confidence", y="accuracy")


_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
_MOST_CURVES = 8


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
    figure = _figure(traces, title=title, x="rows picked", y=f"{board.metrics[0]}, %")
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
    figure = _figure([dots], title=title, x=board.metrics[0].replace("_", " "), y="")
    return figure.update_layout(yaxis_autorange="reversed", height=160 + 26 * len(frame))
