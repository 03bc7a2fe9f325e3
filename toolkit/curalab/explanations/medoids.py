"""Clusters by their most central items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curalab.explanations._centres import by_centrality
from curalab.pool import IntArray, Pool

__all__ = ["Medoids"]


@dataclass(frozen=True, kw_only=True)
class Medoids:
    """The ids of the `n` items nearest to the mean of the cluster, most central first.

    Works for anything that has vectors. The paper's medoid minimises the sum of distances to the
    members; nearest to the mean is the same for squared distances, and linear in the rows.

    Parameters
    ----------
    n : int, default=5
        Items a cluster, fewer where it is smaller.

    References
    ----------
    .. [1] Kaufman, Rousseeuw (1990), "Finding Groups in Data", Wiley.
    """

    cost: ClassVar[str] = "one pass over the vectors"

    n: int = 5

    def __call__(
        self, pool: Pool, clustering: IntArray, *, rng: np.random.Generator
    ) -> list[list[str]]:
        """Return the ids as text, one list a cluster."""
        return [
            [str(i) for i in pool.ids[rows[: self.n]]]
            for rows in by_centrality(pool.embedding.points, clustering)
        ]
