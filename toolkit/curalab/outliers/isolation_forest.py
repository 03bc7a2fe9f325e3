"""Outliers by how soon random splits isolate a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curalab._check import check_integer
from curalab.outliers._views import known_points
from curalab.pool import FloatArray, Pool

__all__ = ["IsolationForest"]


@dataclass(frozen=True, kw_only=True)
class IsolationForest:
    """How few random splits of random columns it takes to isolate a row.

    scikit-learn's, with its settings; oddness is the paper's score, from 0 to 1. With a reference,
    the trees are grown on the reference rows.

    Parameters
    ----------
    n_trees : int, default=100
        Trees averaged over.
    sample : int, default=256
        Rows that each tree sees, fewer where there are fewer.

    References
    ----------
    .. [1] Liu, Ting, Zhou (2008), "Isolation Forest", ICDM.
    """

    cost: ClassVar[str] = "a hundred small trees"

    n_trees: int = 100
    sample: int = 256

    def __call__(self, pool: Pool, *, rng: np.random.Generator) -> FloatArray:
        """Return oddness, shape (n_items,); higher is odder."""
        from sklearn import ensemble

        known = known_points(pool)
        forest = ensemble.IsolationForest(
            n_estimators=check_integer("n_trees", self.n_trees, low=1),
            max_samples=min(check_integer("sample", self.sample, low=2), len(known)),
            random_state=int(rng.integers(2**31)),
        )
        return np.asarray(-forest.fit(known).score_samples(pool.embedding.points))
