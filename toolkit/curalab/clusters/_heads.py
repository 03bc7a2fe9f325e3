"""Linear heads on frozen vectors: what clusterers that train some share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from curalab._check import check_integer
from curalab.clusters._number import choose_number
from curalab.clusters._tree import Tree, smoothed
from curalab.pool import FloatArray, IntArray, Pool

if TYPE_CHECKING:
    import torch

__all__ = ["Scale", "neighbours_of", "number_for"]

_NEAR = 15  # neighbours that rows are smoothed over, as in `Agglomerative`


def number_for(
    pool: Pool, n_clusters: int | None, rng: np.random.Generator
) -> tuple[int, dict[str, Any]]:
    """Return the number asked for, or the one that `Agglomerative` would choose and its curve."""
    n = len(pool)
    if n_clusters is not None:
        return check_integer("n_clusters", n_clusters, low=1, high=n), {}
    points, metric, k = pool.embedding.points, pool.embedding.metric, min(_NEAR, n - 1)
    near = pool.embedding.neighbors(k).indices[:, : n // 10]

    def grow(rows: FloatArray) -> Tree:
        return Tree(rows, linkage="ward", n_neighbors=k, metric=metric)

    number, curve = choose_number(smoothed(points, near, metric=metric), points, grow=grow, rng=rng)
    return number, {"numbers": curve}


class Scale:
    """Put rows into the range that heads learn from: centred, and 1 in the mean square.

    One factor for all columns, so that angles and distances keep their proportions.
    """

    def __init__(self, points: FloatArray, device: torch.device) -> None:
        self._mean = points.mean(axis=0)
        self._size = float(np.sqrt(np.mean((points - self._mean) ** 2))) or 1.0
        self._device = device

    def __call__(self, points: FloatArray) -> torch.Tensor:
        """Return the rows as a tensor on the device."""
        import torch

        scaled = (points - self._mean) / self._size
        return torch.from_numpy(np.asarray(scaled, dtype=np.float32)).to(self._device)


def neighbours_of(rows: IntArray, near: IntArray, rng: np.random.Generator) -> IntArray:
    """Return one neighbour of each of the rows, drawn at random."""
    return np.asarray(near[rows, rng.integers(near.shape[1], size=len(rows))])
