"""Selection of rows that leave no row far away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._points import centred_rows
from curalab.neighbors import nearest
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["KCenter"]


@dataclass(frozen=True, kw_only=True)
class KCenter:
    """Farthest-first traversal: the next pick is the row farthest from all picks so far.

    The largest distance from any row to its nearest pick is at most twice the smallest possible.
    It covers the whole pool with few rows, and therefore picks outliers early.

    The first pick is farthest from `chosen`; without `chosen` it is the row nearest the mean,
    so that nothing is random (the papers start anywhere). Gain is the distance to the nearest
    earlier pick or chosen row (1 - cosine, or Euclidean), NaN for a first pick without `chosen`,
    0 once only copies of picks are left. `details["radius"]` is the largest distance from a row
    of the pool to its nearest pick.

    References
    ----------
    .. [1] Sener, Savarese (2018), "Active Learning for Convolutional Neural Networks: A Core-Set
       Approach", ICLR, arXiv:1708.00489.
    .. [2] Gonzalez (1985), "Clustering to minimize the maximum intercluster distance",
       Theoretical Computer Science 38.
    """

    cost: ClassVar[str] = "one pass over the vectors a pick"

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers in the order of the traversal, their gain and the radius."""
        metric = pool.embedding.metric
        points = _centred(pool.embedding.points, metric)
        rows, gain, radius = _traverse(points, pool.chosen, k)
        if metric == "cosine":  # of unit vectors
            gain, radius = gain**2 / 2, radius**2 / 2
        return rows, {"gain": gain, "radius": radius}


def _centred(points: FloatArray, metric: str) -> FloatArray:
    """Move Euclidean points to their mean: |x|² + |y|² - 2xy cancels badly far from the origin."""
    if metric == "cosine":
        return points
    return centred_rows(points, points.mean(axis=0, dtype=np.float64), np.float32)


def _traverse(
    points: FloatArray, chosen: IntArray | None, k: int
) -> tuple[IntArray, FloatArray, float]:
    """Return the picks, the distance of each when picked, and the radius that they leave.

    Each pick costs one matrix-vector product, which reads the points once. Picked rows have a
    squared distance of -inf, so that even copies of them come first.
    """
    from tqdm.auto import tqdm

    length = np.einsum("ij,ij->i", points, points)
    square, owner = _to_chosen(points, chosen)
    rows, gain = np.empty(k, dtype=np.int64), np.full(k, np.nan)
    for i in tqdm(range(k), desc="k_center", delay=2, disable=None):
        if i == 0 and owner[0] < 0:
            row = _nearest_to_mean(points, length)
        else:
            row = int(square.argmax())
            gain[i] = np.linalg.norm(points[row] - points[owner[row]])
        rows[i] = row
        new = points @ (-2 * points[row])
        new += length
        new += length[row]
        owner[new < square] = row
        np.minimum(square, np.maximum(new, 0, out=new), out=square)
        square[row] = -np.inf
    last = int(square.argmax())
    is_left = square[last] > -np.inf
    radius = float(np.linalg.norm(points[last] - points[owner[last]])) if is_left else 0.0
    return rows, gain, radius


def _to_chosen(points: FloatArray, chosen: IntArray | None) -> tuple[FloatArray, IntArray]:
    """Return the squared distance to the nearest chosen row and which it is: inf, -1 without."""
    if chosen is None or not len(chosen):
        return np.full(len(points), np.inf, dtype=np.float32), np.full(len(points), -1)
    found = nearest(points[chosen], 1, metric="euclidean", queries=points)
    square = found.distance[:, 0] ** 2
    square[chosen] = -np.inf
    return square, chosen[found.indices[:, 0]]


def _nearest_to_mean(points: FloatArray, length: FloatArray) -> int:
    mean = points.mean(axis=0, dtype=np.float64).astype(np.float32)
    return int(np.argmin(length - 2 * (points @ mean)))
