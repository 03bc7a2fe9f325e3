"""What the steps of a curation were worth, one below the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from curalab_widgets._cards import plain
from curalab_widgets._points import COLORS, GREY
from curalab_widgets.figures._plot import plot

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["effect_steps"]

_WIDTH = 820  # pixels
_NAME = 36  # characters
_SERIES = (  # what, its attribute or None, symbol, colour
    ("this step, over doing nothing", "circle", COLORS[0]),
    ("this step, over as much at random", "square", COLORS[1]),
    ("all up to here, over doing nothing", "diamond", GREY),
)


def effect_steps(effects: Mapping[str, Any]) -> go.Figure:
    """Show what each step was worth with its 95 % interval, one below the other.

    Parameters
    ----------
    effects : mapping of str to Effect
        By the name of the step, as from ``effect_by_step``. Filled marks: the interval leaves
        zero out.
    """
    names = list(effects)
    found = [_gains(effect) for effect in effects.values()]
    traces = []
    for i, (what, symbol, color) in enumerate(_SERIES):
        gain, low, high = 100 * np.array([gains[i] for gains in found], dtype=float).T
        if np.isnan(gain).all():
            continue
        is_clear = (low > 0) | (high < 0)
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": what,
                "x": gain,
                "y": np.arange(len(names)) + 0.22 * (i - 1),
                "customdata": np.column_stack([low, high]),
                "text": [plain(name) for name in names],
                "hovertemplate": "%{text}<br>%{x:+.1f} points, from %{customdata[0]:+.1f} "
                "to %{customdata[1]:+.1f}<extra></extra>",
                "marker": {
                    "size": 10,
                    "color": color,
                    "symbol": [symbol if clear else f"{symbol}-open" for clear in is_clear],
                },
                "error_x": {
                    "symmetric": False,
                    "array": high - gain,
                    "arrayminus": gain - low,
                    "thickness": 1.5,
                    "width": 0,
                },
            }
        )
    figure = plot(traces, title="", x="gain in accuracy, points (filled: differs from zero)", y="")
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[plain(name if len(name) <= _NAME else f"{name[: _NAME - 1]}…") for name in names],
        range=[len(names) - 0.5, -0.5],
        zeroline=False,
        showgrid=False,
        automargin=True,
    )
    figure.update_xaxes(zerolinewidth=2)
    return figure.update_layout(
        title=None,
        width=_WIDTH,
        height=130 + 64 * len(names),
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        margin={"l": 20, "r": 12, "t": 34, "b": 50},
    )


def _gains(effect: Any) -> list[tuple[float, float, float]]:
    """Return gain, low and high of each series; NaN where it is not known."""
    so_far = effect.details.get("step", {}).get("so_far", {})
    return [
        (effect.gain, *effect.interval),
        (effect.gain_over_random, *effect.interval_over_random),
        tuple(so_far.get(name, np.nan) for name in ("gain", "low", "high")),
    ]
