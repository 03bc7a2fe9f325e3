"""Principal components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab.pool import FloatArray, Pool

__all__ = ["PCA"]


@dataclass(frozen=True, kw_only=True)
class PCA:
    """Project onto the directions of largest variance; ready at once, and linear.

    A wrapper of scikit-learn's PCA, which takes the exact or the randomised solver by size. The
    share of the variance that the map keeps is in ``details["explained_variance_ratio"]``.

    References
    ----------
    .. [1] Hotelling (1933), "Analysis of a Complex of Statistical Variables into Principal
       Components", Journal of Educational Psychology 24.
    """

    cost: ClassVar[str] = "one pass over the vectors"

    def __call__(
        self, pool: Pool, n_components: int, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the map, shape (n_items, n_components)."""
        from sklearn.decomposition import PCA as Components

        points = pool.embedding.points
        fitted = Components(min(n_components, *points.shape), random_state=0)
        found = fitted.fit_transform(points)
        flat = n_components - found.shape[1]  # fewer rows or dimensions than the map has

        def transform(new: FloatArray) -> FloatArray:
            return np.pad(fitted.transform(new), ((0, 0), (0, flat)))

        return np.pad(found, ((0, 0), (0, flat))), {
            "explained_variance_ratio": fitted.explained_variance_ratio_.tolist(),
            "transform": transform,
        }
