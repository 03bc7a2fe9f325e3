"""Selection of rows that would move a linear head far, each in another direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._points import centred_rows
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["Badge"]


@dataclass(frozen=True, kw_only=True)
class Badge:
    """BADGE: rows drawn far apart, as k-means++ does it, among gradients of a linear head.

    A row's gradient is what it would teach the head if the likeliest class were its label: the
    outer product of (probabilities - 1 at the likeliest class) and the vector. It is long where the
    head is in doubt and points where the row lies, so that picks are doubtful and differ.

    What differs from the paper: the head is the linear one on the vectors, which are centred, as
    the head centres them. The origin, where the gradients of understood rows lie, counts as
    picked already, so that no pick is spent on it; also the first pick is drawn by squared length.
    The outer products (classes x dimensions numbers a row) are never made: the product of two of
    them is the product of their parts' products.

    Notes
    -----
    Gain is the squared distance of the gradient to the nearest earlier one, 0 for a row that taught
    nothing new when it was drawn.

    References
    ----------
    .. [1] Ash, Zhang, Krishnamurthy, Langford, Agarwal (2020), "Deep Batch Active Learning by
       Diverse, Uncertain Gradient Lower Bounds", ICLR, arXiv:1906.03671.
    """

    needs: ClassVar[tuple[str, ...]] = ("proba",)
    cost: ClassVar[str] = "out-of-fold probabilities, one pass over vectors and them a pick"

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers in the order in which they were drawn, and their gain."""
        points = pool.embedding.points
        points = centred_rows(points, points.mean(axis=0, dtype=np.float64), np.float32)
        error = np.array(pool.proba, dtype=np.float32)
        error[np.arange(len(error)), error.argmax(axis=1)] -= 1
        free = np.ones(len(pool), dtype=bool)
        if pool.chosen is not None:
            free[pool.chosen] = False
        return _spread(points, error, free, k, rng)


def _spread(
    points: FloatArray, error: FloatArray, free: Any, k: int, rng: np.random.Generator
) -> tuple[IntArray, dict[str, Any]]:
    """Draw free rows by the squared distance of (error x point) to the nearest drawn or to 0."""
    length = np.einsum("ij,ij->i", points, points) * np.einsum("ij,ij->i", error, error)
    square = np.where(free, length, 0)
    floor = 1e-6 * length  # below this a difference of two lengths is rounding
    rows, gain = np.empty(k, dtype=np.int64), np.empty(k)
    for i in range(k):
        total = np.cumsum(square, dtype=np.float64)
        if total[-1] <= 0:  # nothing new is left
            rest = np.setdiff1d(np.flatnonzero(free), rows[:i])
            rows[i:], gain[i:] = rng.permutation(rest)[: k - i], 0
            break
        row = int(np.searchsorted(total, rng.random() * total[-1], side="right"))
        row = min(row, int(np.flatnonzero(square)[-1]))  # the draw may round up to the total
        rows[i], gain[i] = row, square[row]
        new = length + length[row] - 2 * (points @ points[row]) * (error @ error[row])
        new[new <= floor + floor[row]] = 0
        new[row] = 0
        np.minimum(square, new, out=square)
    return rows, {"gain": gain}
