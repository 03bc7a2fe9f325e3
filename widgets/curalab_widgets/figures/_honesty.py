"""What held-out labels say of proposed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from curalab_widgets._points import COLORS, GREY
from curalab_widgets.figures._plot import plot

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["accuracy_over_rounds", "coverage_accuracy", "reliability_diagram"]


def accuracy_over_rounds(rounds: Any) -> go.Figure:
    """Show what the accuracy of the proposed labels was after each round of labelling.

    Parameters
    ----------
    rounds : DataFrame
        From ``curalab.pseudo_labels.over_rounds``. The dashed lines are 95 % intervals.
    """
    at = [f"round {number}, {n:.0f} rows judged" for number, n in rounds["n"].items()]
    lines = _within(rounds, rounds["n_labels"], at)
    return plot(lines, title="What more labels brought", x="labels given", y="right, %")


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
    return plot(lines, title="What is accepted, and how right it is", x="accepted, %", y=y)


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
    return plot(dots, title=title, x="confidence", y="accuracy")


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
