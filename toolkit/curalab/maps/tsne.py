"""t-SNE on the neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curalab.pool import FloatArray, Pool

__all__ = ["TSNE"]


@dataclass(frozen=True, kw_only=True)
class TSNE:
    """Keep neighbours together, with scikit-learn's Barnes-Hut t-SNE; nothing compiles first.

    Distances between groups and the sizes of groups mean little in such a map. Works for two or
    three components; starts from the principal components, which keeps runs alike.

    Parameters
    ----------
    perplexity : float, default=30
        Neighbours that count for a row, about; three times as many are looked at.

    References
    ----------
    .. [1] van der Maaten (2014), "Accelerating t-SNE using Tree-Based Algorithms", JMLR 15.
    """

    cost: ClassVar[str] = "one neighbour pass and n log n steps: 10 s for 2,000 rows"

    perplexity: float = 30.0

    def __call__(self, pool: Pool, n_components: int, *, rng: np.random.Generator) -> FloatArray:
        """Return the map, shape (n_items, n_components)."""
        from scipy.sparse import csr_matrix
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE as Layout

        n = len(pool)
        perplexity = min(self.perplexity, (n - 1) / 3)
        near = pool.embedding.neighbors(min(int(3 * perplexity) + 1, n - 1))
        own = np.arange(n)[:, None]  # scikit-learn counts the row itself, at an explicit 0
        index = np.hstack([own, near.indices])
        distance = np.hstack([np.zeros_like(own, np.float32), near.distance])
        starts = np.arange(0, index.size + 1, index.shape[1])
        graph = csr_matrix((distance.ravel(), index.ravel(), starts), shape=(n, n))
        points = pool.embedding.points
        start = PCA(n_components, random_state=0).fit_transform(points)
        start = 1e-4 * start / max(start[:, 0].std(), np.finfo(np.float32).tiny)
        layout = Layout(
            n_components,
            perplexity=perplexity,
            metric="precomputed",
            init=start.astype(np.float32),
            learning_rate="auto",
            random_state=int(rng.integers(2**31)),
            method="barnes_hut",
        )
        return np.asarray(layout.fit_transform(graph))
