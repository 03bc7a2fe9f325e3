"""How far raters agree beyond chance."""

from __future__ import annotations

import numpy as np

from curalab._check import AnyArray, FloatArray, IntArray

__all__ = ["alpha_of", "kappa_of", "rank_agreement"]

_FEWEST = 5  # items that two ratings share, below which no agreement is computed


def alpha_of(item: IntArray, value: AnyArray, *, numeric: bool) -> float:
    """Return Krippendorff's alpha of ratings, NaN where no two can be compared or all are equal.

    The interval difference of scores is (x - y)². Labels differ by 0 or 1, which is half the
    squared distance of their indicator vectors; so both are sums of squares around a mean.
    """
    several = np.bincount(item)[item] > 1
    unit, value = np.unique(item[several], return_inverse=True)[1], value[several]
    n = len(value)
    if n == 0:
        return float("nan")
    size = np.bincount(unit)
    if numeric:
        value = value - value.mean()
        square = np.bincount(unit, np.square(value))
        within = square - np.square(np.bincount(unit, value)) / size
        total = float(np.square(value).sum())
    else:
        cell, count = np.unique(np.stack([unit, value]), axis=1, return_counts=True)
        within = size - np.bincount(cell[0], np.square(count)) / size
        total = n - float((np.square(np.bincount(value)) / n).sum())
    observed = float((within * size / (size - 1)).sum()) / n
    expected = total / (n - 1)
    return 1 - observed / expected if expected > 0 else float("nan")


def kappa_of(one: AnyArray, other: AnyArray) -> float:
    """Return Cohen's kappa; NaN on fewer than five items, or where all labels are the same."""
    from sklearn.metrics import cohen_kappa_score

    if len(one) < _FEWEST or len(np.unique(np.concatenate([one, other]))) < 2:
        return float("nan")
    return float(cohen_kappa_score(one, other))


def rank_agreement(one: FloatArray, other: FloatArray) -> float:
    """Return Spearman's correlation; 0 for one score only against others that differ."""
    from scipy.stats import spearmanr

    if len(one) < _FEWEST or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other).statistic) if np.ptp(one) else 0.0
