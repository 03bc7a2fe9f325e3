"""Selection of one typical row from each cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._cells import k_means, nearest_centre, rank_within
from curalab._check import check_integer
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["Typicality"]

_SMALLEST = 5  # rows of a cluster that counts
_NEVER_INFINITE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Typicality:
    """The most typical row of the largest cluster that holds no pick yet (TypiClust).

    With few labels, rows in dense places teach more than doubtful or far ones, as long as no two
    come from the same place. k-means makes as many clusters as there are rows in `chosen` and picks
    together. The next pick is from the largest of the clusters with the fewest rows picked or
    chosen, and there the row with the highest typicality: one over the mean distance to its nearest
    neighbours. Clusters of fewer than five rows come last.

    Parameters
    ----------
    n_neighbors : int, default=20
        Neighbours that typicality is measured by; fewer where the pool is smaller.
    max_clusters : int, default=500
        With more picks than this, clusters are visited again.

    Notes
    -----
    Gain is the typicality. ``details["cluster"]``, shape (n_items,), is the cluster of each row.
    Neighbours are those in the pool's graph, whatever their cluster (the authors' code looks inside
    the cluster, and leaves out rows that were picked): the graph is at hand, and measures density.

    References
    ----------
    .. [1] Hacohen, Dekel, Weinshall (2022), "Active Learning on a Budget: Opposite Strategies Suit
       High and Low Budgets", ICML, arXiv:2202.02794.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import Typicality
    >>> x = np.random.default_rng(0).normal(size=(90, 2)) + 20 * np.eye(2)[[0] * 60 + [1] * 30]
    >>> pool = cl.Embedding(vectors=x, metric="euclidean")
    >>> rows = cl.select(pool, 2, method=Typicality(), random_state=0).rows
    >>> (rows < 60).tolist()
    [True, False]
    """

    cost: ClassVar[str] = "neighbors and k-means"

    n_neighbors: int = 20
    max_clusters: int = 500

    def __post_init__(self) -> None:
        check_integer("n_neighbors", self.n_neighbors, low=1)
        check_integer("max_clusters", self.max_clusters, low=1)

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers in the order of picking, their typicality and the clusters."""
        n = len(pool)
        chosen = np.zeros(0, dtype=np.int64) if pool.chosen is None else pool.chosen
        points = pool.embedding.points
        number = min(len(chosen) + k, self.max_clusters, n)
        centres = k_means(points, number, rng=rng)
        cluster, _ = nearest_centre(points, centres, offset=centres.mean(axis=0))
        typicality = self._typicality(pool)
        # A cluster's m-th row from the top is due once all others have m rows picked or chosen.
        is_chosen = np.isin(np.arange(n), chosen)
        due = rank_within(cluster, 1 - is_chosen, -typicality)
        size = np.bincount(cluster, minlength=number)[cluster]
        order = np.lexsort((rng.random(n), -size, due, size < _SMALLEST))
        rows = order[~is_chosen[order]][:k]
        return rows, {"gain": typicality[rows], "cluster": cluster}

    def _typicality(self, pool: Pool) -> FloatArray:
        n = len(pool)
        if n == 1:
            return np.ones(1)
        distance = pool.embedding.neighbors(min(self.n_neighbors, n - 1)).distance
        return np.asarray(1 / (distance.mean(axis=1, dtype=np.float64) + _NEVER_INFINITE))
