"""t-SNE on the neighbour graph, through openTSNE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from curalab._check import check_real, complain
from curalab.neighbors import nearest
from curalab.pool import FloatArray, IntArray, Pool

if TYPE_CHECKING:
    from openTSNE.nearest_neighbors import KNNIndex

__all__ = ["TSNE"]

_MOST = 1_000  # neighbours
_SEVERAL = 3_000  # rows from which several processors are worth their waiting for each other
_GRID = 10_000  # rows from which the repulsion is interpolated on a grid


@dataclass(frozen=True, kw_only=True)
class TSNE:
    """Keep neighbours together; nothing compiles first, and new rows can be placed.

    Distances between groups and the sizes of groups mean little in such a map. Starts from the
    principal components, which keeps runs alike.

    Parameters
    ----------
    perplexity : float, default=30
        From 1 to 1,000. Neighbours that count for a row, about; three times as many are looked at.
    exaggeration : float, default=1
        From 1 to 100. How much more than in plain t-SNE rows attract their neighbours: 4 draws
        groups together and apart from one another, which helps with many rows.

    Notes
    -----
    From 10,000 rows on, and on two or fewer components, the repulsion is interpolated on a grid as
    in [1]_; below, a Barnes-Hut tree sums it up as in [2]_.

    References
    ----------
    .. [1] Linderman, Rachh, Hoskins, Steinerberger, Kluger (2019), "Fast interpolation-based t-SNE
       for improved visualization of single-cell RNA-seq data", Nature Methods 16,
       arXiv:1712.09005. (FIt-SNE. Our neighbours are those of the graph, exact up to 16,384 rows.)
    .. [2] van der Maaten (2014), "Accelerating t-SNE using Tree-Based Algorithms", JMLR 15.
    .. [3] Poličar, Stražar, Zupan (2024), "openTSNE: A Modular Python Library for t-SNE
       Dimensionality Reduction and Embedding", Journal of Statistical Software 109.
    """

    cost: ClassVar[str] = "one neighbour pass and 750 steps: 6 s for 3,000 rows, 35 s for 11,000"

    perplexity: float = 30.0
    exaggeration: float = 1.0

    def __call__(
        self, pool: Pool, n_components: int, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the map, shape (n_items, n_components), and what places new rows."""
        import openTSNE
        from sklearn.decomposition import PCA

        n, points = len(pool), pool.embedding.points
        perplexity = min(check_real("perplexity", self.perplexity, low=1, high=_MOST), (n - 1) / 3)
        exaggeration = check_real("exaggeration", self.exaggeration, low=1, high=100)
        if n_components > 3:
            raise ValueError(complain("n_components", "from 1 to 3 for 'tsne'", n_components))
        start = rng.normal(scale=1e-6, size=(n, n_components))
        linear = PCA(min(n_components, *points.shape), random_state=0).fit_transform(points)
        spread = max(linear[:, 0].std(), np.finfo(np.float32).tiny)
        start[:, : linear.shape[1]] += 1e-4 * linear / spread
        layout = openTSNE.TSNE(
            n_components,
            exaggeration=None if exaggeration == 1 else exaggeration,
            negative_gradient_method="fft" if n >= _GRID and n_components <= 2 else "bh",
            random_state=int(rng.integers(2**31)),
            n_jobs=-1 if n >= _SEVERAL else 1,
        ).fit(
            affinities=openTSNE.affinity.PerplexityBasedNN(
                knn_index=_graph_of(pool, min(int(3 * perplexity) + 1, n - 1)),
                perplexity=perplexity,
            ),
            initialization=start,
        )

        def transform(new: FloatArray) -> FloatArray:
            return np.asarray(layout.transform(new, perplexity=min(5, perplexity)))

        return np.asarray(layout), {"transform": transform}


def _graph_of(pool: Pool, k: int) -> KNNIndex:
    """Return the pool's neighbours as openTSNE asks for them."""
    from openTSNE.nearest_neighbors import KNNIndex

    class Graph(KNNIndex):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            self.k, self.n_samples = k, len(pool)

        def build(self) -> tuple[IntArray, FloatArray]:
            near = pool.embedding.neighbors(k)
            return near.indices, near.distance.astype(np.float64)

        def query(self, query: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
            near = nearest(pool.embedding.points, k, metric=pool.embedding.metric, queries=query)
            return near.indices, near.distance.astype(np.float64)

    return Graph()
