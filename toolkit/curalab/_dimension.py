"""How many dimensions rows fill locally, by the distances of their neighbours."""

from __future__ import annotations

import numpy as np

from curalab._check import FloatArray

__all__ = ["dimension_of"]


def dimension_of(near: FloatArray) -> float:
    """Estimate the local dimension m, 0 where that cannot be done.

    `near` holds the distances of rows to their neighbours, nearest first, shape (n, k); the
    farther half of the first 20 counts. There ``j log(d[j+1] / d[j])`` is exponential of mean 1/m.
    The median over rows passes by those whose neighbours are mostly copies.
    """
    last = min(20, near.shape[1])
    first = last // 2
    if first == 0:
        return 0.0
    part = near[near[:, first - 1] > 0][:, first - 1 : last]
    if not len(part):
        return 0.0
    spacing = np.arange(first, last) * np.log(part[:, 1:] / part[:, :-1])
    middle = float(np.median(spacing.sum(axis=1)))
    # the median of a sum of j exponentials is about j - 1/3
    return (last - first - 1 / 3) / middle if middle > 0 else 0.0
