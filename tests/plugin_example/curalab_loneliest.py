"""A selector for curalab: the rows whose neighbours are far away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab.pool import IntArray, Pool

__all__ = ["Loneliest"]


@dataclass(frozen=True, kw_only=True)
class Loneliest:
    """Take the rows whose nearest neighbours are farthest away.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours whose mean distance counts, fewer in a pool that has fewer.

    References
    ----------
    .. [1] Ramaswamy, Rastogi, Shim (2000), "Efficient Algorithms for Mining Outliers from Large
       Data Sets", SIGMOD.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> line = cl.Embedding(vectors=np.array([[0.0], [1], [2], [9]]), metric="euclidean")
    >>> pick = cl.select(line, 2, method=Loneliest(n_neighbors=1), random_state=0)
    >>> int(pick.ids[0]), float(pick.gain[0])
    (3, 7.0)
    """

    needs: ClassVar[tuple[str, ...]] = ()  # or ("labels",), ("proba",), ("target",), …
    cost: ClassVar[str] = "the neighbour graph"

    n_neighbors: int = 5

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers, the loneliest first, and their mean distance as gain."""
        n_neighbors = min(self.n_neighbors, len(pool) - 1)
        distance = pool.embedding.neighbors(n_neighbors).distance.mean(axis=1)
        order = np.lexsort((rng.random(len(pool)), -distance))  # ties fall by chance
        if pool.chosen is not None:
            order = order[~np.isin(order, pool.chosen)]
        return order[:k], {"gain": distance[order[:k]]}
