"""k-means, with its number of clusters chosen by silhouette where it is not given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab.clusters._indices import silhouette, strength
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["KMeans"]

_SAMPLE = 2_000
_LARGE = 20_000


@dataclass(frozen=True, kw_only=True)
class KMeans:
    """Round clusters of like size; every row belongs to one.

    Under "cosine" the rows have unit length, so that clusters are cones. Above 20,000 rows in
    mini-batches. Strength is 1 - d1 / d2, with d1 and d2 the distances to the nearest and the
    second-nearest centre.

    Parameters
    ----------
    n_clusters : int, default=None
        None tries numbers from 2 to √n, each a third above the last, and takes the one with the
        largest mean silhouette of 2,000 rows; the curve is in ``details["silhouette"]``.

    References
    ----------
    .. [1] Lloyd (1982), "Least Squares Quantization in PCM", IEEE Transactions on Information
       Theory 28.
    .. [2] Rousseeuw (1987), "Silhouettes: a graphical aid to the interpretation and validation of
       cluster analysis", Journal of Computational and Applied Mathematics 20.
    """

    cost: ClassVar[str] = "a few passes over the vectors a number tried"

    n_clusters: int | None = None

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, dict[str, Any]]:
        """Return labels and strength in [0, 1], each (n_items,)."""
        from sklearn.metrics import pairwise_distances

        points = pool.embedding.points
        seed = int(rng.integers(2**31))
        details: dict[str, Any] = {}
        if self.n_clusters is None:
            sample = rng.permutation(len(points))[:_SAMPLE]
            curve, distance = {}, pairwise_distances(points[sample])
            for k in _grid(len(points), len(np.unique(points[sample], axis=0))):
                fitted = _fit(points, k, seed, n_init=1)
                curve[k] = silhouette(distance, fitted.predict(points[sample]))
            details["silhouette"] = curve
            k = max(curve, key=lambda number: curve[number]) if curve else 1
        else:
            k = self.n_clusters
            if not 1 <= k <= len(points):
                raise ValueError(
                    f"The 'n_clusters' parameter must be an integer from 1 to {len(points)}, the "
                    f"number of rows. Got {k} instead."
                )
        fitted = _fit(points, k, seed)
        details["predict"] = fitted.predict
        return fitted.predict(points), strength(fitted.transform(points)), details


def _grid(n: int, n_distinct: int) -> list[int]:
    numbers, k = [], 2.0
    while k <= min(np.sqrt(n), n_distinct - 1):
        numbers.append(round(k))
        k = max(k * 4 / 3, k + 1)
    return numbers


def _fit(points: FloatArray, k: int, seed: int, *, n_init: int = 3) -> Any:
    from sklearn.cluster import KMeans as Lloyd
    from sklearn.cluster import MiniBatchKMeans

    made = MiniBatchKMeans if len(points) > _LARGE else Lloyd
    return made(k, n_init=n_init, random_state=seed).fit(points)
