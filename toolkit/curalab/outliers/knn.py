"""Outliers by distance to the nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curalab.pool import FloatArray, Pool

__all__ = ["KNN"]


@dataclass(frozen=True, kw_only=True)
class KNN:
    """Mean distance to the `k` nearest neighbours.

    A plain, strong baseline that needs no training and no labels. With a reference, the
    neighbours are looked for among the reference rows.

    Parameters
    ----------
    k : int, default=10
        Neighbours averaged over, fewer where there are fewer rows. Larger sees larger odd groups
        as odd.

    References
    ----------
    .. [1] Ramaswamy, Rastogi, Shim (2000), "Efficient Algorithms for Mining
       Outliers from Large Data Sets", SIGMOD. (There the distance to the k-th neighbour ranks;
       the mean over k is steadier and used here.)
    """

    cost: ClassVar[str] = "one neighbour pass"

    k: int = 10

    def __call__(self, pool: Pool, *, rng: np.random.Generator) -> FloatArray:
        """Return oddness, shape (n_items,); higher is odder."""
        if pool.reference is not None:
            clean = pool.reference.embedding
            found = clean.search(pool.embedding, min(self.k, len(clean)))
        else:
            found = pool.embedding.neighbors(min(self.k, len(pool) - 1))
        return np.asarray(found.distance.mean(axis=1))
