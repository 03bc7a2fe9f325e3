"""UMAP on the neighbour graph, without compiling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_integer, check_real
from curalab.neighbors import nearest
from curalab.pool import FloatArray, Pool

__all__ = ["UMAP"]

_SMALL = 10_000  # rows up to which the original makes more steps


@dataclass(frozen=True, kw_only=True)
class UMAP:
    """Uniform manifold approximation and projection.

    The neighbours come from the embedding's graph, and nothing is compiled: a first map takes
    seconds. ``result.transform(new)`` places new rows among those that lie.

    Parameters
    ----------
    n_neighbors : int, default=15
        Fewer shows finer structure, more the larger shape. The row itself counts as one.
    min_dist : float, default=0.1
        How close points may lie in the map, from 0 to 1.
    n_epochs : int, default=None
        Steps. None takes 500 up to 10,000 rows and 200 above, as umap-learn does.

    Notes
    -----
    Strengths of the graph and forces are those of umap-learn. It differs in two ways. All rows
    move in each step, by Adam with the forces that the original's samples have on average
    ([2]_ has such a mode), so that several cores may work on a map that is seeded. And the start
    is the principal components, smoothed over the graph, in place of its eigenvectors.
    ``method="umap_learn"`` is the original.

    References
    ----------
    .. [1] McInnes, Healy, Melville (2018), "UMAP: Uniform Manifold Approximation and Projection
       for Dimension Reduction", arXiv:1802.03426.
    .. [2] Melville (2020), "uwot: The Uniform Manifold Approximation and Projection (UMAP) Method
       for Dimensionality Reduction", R package, option `batch`.
    """

    cost: ClassVar[str] = "one neighbour pass, and 200 to 500 passes over its edges"

    n_neighbors: int = 15
    min_dist: float = 0.1
    n_epochs: int | None = None

    def __call__(
        self, pool: Pool, n_components: int, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the map, shape (n_items, n_components)."""
        from curalab.maps._layout import curve, joined, laid_out, smoothed_start, strengths

        n = len(pool)
        k = check_integer("n_neighbors", self.n_neighbors, low=2) - 1
        shape = curve(check_real("min_dist", self.min_dist, low=0, high=1))
        asked = 500 if n <= _SMALL else 200
        if self.n_epochs is not None:
            asked = check_integer("n_epochs", self.n_epochs, low=1)
        metric, points = pool.embedding.metric, pool.embedding.points
        near = pool.embedding.neighbors(min(k, n - 1))
        graph = joined(strengths(near, n))
        start = smoothed_start(points, graph, n_components, rng)
        made = laid_out(graph, start, shape=shape, n_epochs=asked, rng=rng)
        seed = int(rng.integers(2**31))

        def transform(new: FloatArray) -> FloatArray:
            found = nearest(points, min(k + 1, n), metric=metric, queries=new)
            among = strengths(found, n)
            mean = among @ made / np.asarray(among.sum(axis=1)).reshape(-1, 1)
            steps = max(asked // 5, 30) if len(new) > _SMALL else max(asked // 5, 100)
            fresh = np.random.default_rng(seed)
            return laid_out(among, mean, shape=shape, n_epochs=steps, rng=fresh, fixed=made)

        return made, {"transform": transform}
