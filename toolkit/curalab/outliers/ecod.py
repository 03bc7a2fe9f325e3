"""Outliers by the tails of each column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curalab.outliers._tails import tails_of
from curalab.outliers._views import known_points
from curalab.pool import FloatArray, Pool

__all__ = ["ECOD"]


@dataclass(frozen=True, kw_only=True)
class ECOD:
    """How far out in the tails of the columns a row lies, summed over columns.

    For each column the share of rows at least as small, and at least as large; oddness adds up
    -log of the smaller share, or of the tail that the column is skewed to where that is more.
    Takes each column by itself: for tables whose columns mean something. With a reference, the
    shares are those of the reference rows.

    References
    ----------
    .. [1] Li, Zhao, Hu, Botta, Ionescu, Chen (2022), "ECOD: Unsupervised Outlier Detection Using
       Empirical Cumulative Distribution Functions", IEEE Transactions on Knowledge and Data
       Engineering. arXiv:2201.00382. (There the largest of three sums over the columns: left
       tails, right tails, skewed tails. Here, as in its authors' code, the largest of the three
       in each column, then the sum.)
    """

    cost: ClassVar[str] = "a sort of each column"

    def __call__(self, pool: Pool, *, rng: np.random.Generator) -> FloatArray:
        """Return oddness, shape (n_items,); higher is odder."""
        known = None if pool.reference is None else known_points(pool)
        oddness = np.zeros(len(pool))
        for at, column in enumerate(pool.embedding.points.T):
            found = tails_of(column, None if known is None else known[:, at])
            oddness += np.maximum(np.maximum(found.low, found.high), found.skewed)
        return oddness
