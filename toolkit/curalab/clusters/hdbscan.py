"""Hierarchical density clustering, through the hdbscan package."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["HDBSCAN"]


@dataclass(frozen=True, kw_only=True)
class HDBSCAN:
    """Clusters are dense regions that persist; the rest is noise. The number need not be known.

    Works best on few dimensions: map an embedding to 5 or so with `reduce` first. On hundreds of
    dimensions most rows become noise, and time grows with the square of the rows.

    Parameters
    ----------
    min_cluster_size : int, default=15
        Rows below which a group is not a cluster.
    min_samples : int, default=None
        Larger leaves more rows as noise. None takes `min_cluster_size`.
    selection : {"eom", "leaf"}, default="eom"
        Clusters of most persistence, or the finest ones.

    References
    ----------
    .. [1] Campello, Moulavi, Sander (2013), "Density-Based Clustering Based on Hierarchical
       Density Estimates", PAKDD.
    .. [2] McInnes, Healy, Astels (2017), "hdbscan: Hierarchical density based clustering", JOSS 2.
    """

    cost: ClassVar[str] = "n log n on few dimensions, n² on many"

    min_cluster_size: int = 15
    min_samples: int | None = None
    selection: str = "eom"

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, dict[str, Any]]:
        """Return labels (-1 is noise) and strength in [0, 1], each (n_items,)."""
        points = pool.embedding.points.astype(np.float64)
        if len(pool) < self.min_cluster_size:
            return np.full(len(pool), -1), np.zeros(len(pool)), {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own dependencies
            import hdbscan

            fitted = hdbscan.HDBSCAN(
                min_cluster_size=self.min_cluster_size,
                min_samples=min(self.min_samples or self.min_cluster_size, len(pool) - 1),
                cluster_selection_method=self.selection,
                core_dist_n_jobs=1,
            ).fit(points)

        def predict(new: FloatArray) -> IntArray:
            fitted.generate_prediction_data()
            return np.asarray(hdbscan.approximate_predict(fitted, new.astype(np.float64))[0])

        tree = fitted.condensed_tree_.to_pandas()
        return fitted.labels_, fitted.probabilities_, {"tree": tree, "predict": predict}
