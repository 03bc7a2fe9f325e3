"""UMAP through umap-learn, the reference."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curalab.pool import FloatArray, Pool

__all__ = ["UMAPLearn"]

_log = logging.getLogger(__name__)
_told: list[bool] = []


@dataclass(frozen=True, kw_only=True)
class UMAPLearn:
    """Uniform manifold approximation and projection as umap-learn computes it.

    The neighbours come from the embedding's graph; umap-learn lays them out. Compiles for about
    half a minute in each new process; ``method="umap"`` does not. New rows cannot be placed:
    umap-learn needs its own neighbour search for that.

    Parameters
    ----------
    n_neighbors : int, default=15
        Fewer shows finer structure, more the larger shape.
    min_dist : float, default=0.1
        How close points may lie in the map, from 0 to 1.

    References
    ----------
    .. [1] McInnes, Healy, Melville (2018), "UMAP: Uniform Manifold Approximation and Projection
       for Dimension Reduction", arXiv:1802.03426.
    """

    cost: ClassVar[str] = "one neighbour pass, half a minute of compiling, a layout on one core"

    n_neighbors: int = 15
    min_dist: float = 0.1

    def __call__(self, pool: Pool, n_components: int, *, rng: np.random.Generator) -> FloatArray:
        """Return the map, shape (n_items, n_components)."""
        if not _told:
            _told.append(True)
            _log.warning("umap-learn compiles for about 30 s in each new process; then it is quick")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="umap")
            from umap import UMAP as Layout

            n = len(pool)
            near = pool.embedding.neighbors(min(self.n_neighbors - 1, n - 1))
            own = np.arange(n)[:, None]
            layout = Layout(
                n_neighbors=near.k + 1,
                n_components=n_components,
                min_dist=self.min_dist,
                random_state=int(rng.integers(2**31)),
                n_jobs=1,
                init="spectral" if n > 2 * n_components + 2 else "random",
                precomputed_knn=(  # umap-learn counts the row itself as its first neighbour
                    np.hstack([own, near.indices]).astype(np.int64),
                    np.hstack([np.zeros_like(own, np.float32), near.distance]),
                ),
            )
            return np.asarray(layout.fit_transform(pool.embedding.points))
