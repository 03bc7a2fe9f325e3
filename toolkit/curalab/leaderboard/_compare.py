"""Which of two methods is better, and which methods nobody has shown to be worse than the best."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray
from curalab.leaderboard._runs import Runs, spread, values_of

__all__ = ["pairs_of", "tops"]

_LEAST = 1e-9  # no p-value is told below this
COLUMNS = ["method", "other", "gap", "low", "high", "p_value", "p_adjusted"]


def pairs_of(ran: Runs, ranked: Iterable[str]) -> pd.DataFrame:
    """Return one row for each pair of methods that finished, the better one first.

    The gap is paired: the same seeds, budgets and judged rows. `p_value` is the level whose
    interval just reaches 0; `p_adjusted` is Holm's (1979) over all pairs of the board.
    """
    names = list(ranked)
    values = values_of(ran, names, slice(None))
    rows = []
    for name, other in combinations(names, 2):
        gap = values[name] - values[other]
        rows.append((name, other, gap[:, 0].mean(), *spread(gap), _p_value(gap)))
    frame = pd.DataFrame(rows, columns=COLUMNS[:-1]).astype(dict.fromkeys(COLUMNS[2:-1], float))
    frame["p_adjusted"] = _holm(frame["p_value"].to_numpy())
    return frame


def tops(pairs: pd.DataFrame, ids: pd.Index, finished: BoolArray) -> BoolArray:
    """Return which methods are not below the best one by more than chance explains (5 %)."""
    if not finished.any():
        return finished
    to_best = pairs[pairs["method"] == ids[0]].set_index("other")["p_adjusted"]
    is_below = to_best.reindex(ids).to_numpy() <= 0.05
    return np.asarray(finished & ~is_below)


def _p_value(gap: FloatArray) -> float:
    """Return the p-value of a mean gap of 0, from values (n_seeds, 1 + n_halves)."""
    from scipy.optimize import brentq

    def past_zero(level: float) -> float:
        low, high = spread(gap, level=level)
        return min(-low, high)

    if gap[:, 0].mean() == 0 or np.isnan(past_zero(0.5)):
        return 1.0  # the same, or nobody can tell how sure this is
    if past_zero(1 - _LEAST) < 0:
        return _LEAST
    return 1 - float(brentq(past_zero, 0.0, 1 - _LEAST))


def _holm(p: FloatArray) -> FloatArray:
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)) if len(p) else p
    adjusted = np.empty_like(raised)
    adjusted[order] = np.minimum(raised, 1)
    return adjusted
