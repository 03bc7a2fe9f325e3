"""Selection of rows whose mean stays close to the mean of the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_choice
from curalab._points import centred_rows
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["Herding"]

_BLOCK, _CELLS = 2_048, 1 << 25  # rows at a time, and kernels at a time


@dataclass(frozen=True, kw_only=True)
class Herding:
    """The row that brings the mean of all picks closest to the mean of the pool.

    Every pick makes up for what the earlier ones lack. Rows in `chosen` count as picks already
    made, so that chosen and picked rows together stand for the pool. It draws nothing.

    Parameters
    ----------
    kernel : {"linear", "gaussian"}, default="linear"
        Whose mean is matched: that of the vectors, or that of their Gaussian kernel, whose
        width is the root mean square distance between rows. The second matches the whole
        distribution, at one pass over all pairs.

    Notes
    -----
    Gain is by how much the pick shrinks the distance between the two means; it may be negative.
    ``details["gap"]`` is that distance at the end. For vectors of unit length and for the Gaussian
    kernel this is kernel herding with a step of 1/t; other vectors are penalised by their length,
    without which long ones would always win. No row is picked twice.

    References
    ----------
    .. [1] Welling (2009), "Herding Dynamical Weights to Learn", ICML.
    .. [2] Chen, Welling, Smola (2010), "Super-Samples from Kernel Herding", UAI, arXiv:1203.3472.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import Herding
    >>> line = cl.Embedding(vectors=np.array([[0.0], [4], [5], [6], [10]]), metric="euclidean")
    >>> cl.select(line, 2, chosen=[0], method=Herding()).ids.tolist()
    [4, 2]
    """

    cost: ClassVar[str] = "one pass over the vectors a pick"

    kernel: str = "linear"

    def __post_init__(self) -> None:
        check_choice("kernel", self.kernel, ["linear", "gaussian"])

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers in the order of picking, their gain and the gap that is left."""
        points = pool.embedding.points
        points = centred_rows(points, points.mean(axis=0, dtype=np.float64), np.float32)
        length = np.einsum("ij,ij->i", points, points)
        width = max(2 * float(length.mean()), 1e-12)  # the mean squared distance between rows

        def kernel(rows: IntArray) -> FloatArray:
            product: FloatArray = points @ points[rows].T
            if self.kernel == "linear":
                return product
            square = length[:, None] + length[rows]
            square -= 2 * product
            np.maximum(square, 0, out=square)
            square /= -width
            return np.asarray(np.exp(square, out=square))

        n = len(points)
        own = length if self.kernel == "linear" else np.ones(n)
        mean = np.zeros(n)  # of the kernel with each row; the linear one's is 0 after centring
        if self.kernel == "gaussian":
            mean = _total(kernel, np.arange(n), n) / n
        chosen = np.zeros(0, dtype=np.int64) if pool.chosen is None else pool.chosen
        return _herd(kernel, mean, own.astype(np.float64), chosen, k)


def _total(kernel: Any, rows: IntArray, n: int) -> FloatArray:
    """Return the sum of the kernels of all `n` rows with these, (n,)."""
    total, step = np.zeros(n), min(_BLOCK, max(1, _CELLS // n))
    for i in range(0, len(rows), step):
        total += kernel(rows[i : i + step]).sum(axis=1, dtype=np.float64)
    return total


def _herd(
    kernel: Any, mean: FloatArray, own: FloatArray, chosen: IntArray, k: int
) -> tuple[IntArray, dict[str, Any]]:
    """Pick the row that leaves |Σ picks / t - mean|² least, in the space of the kernel."""
    n = len(mean)
    done = _total(kernel, chosen, n)  # Σ kernel(row, pick)
    inner, cross, t = 0.0, 0.0, len(chosen)  # |Σ picks|², Σ picks · mean
    if t:
        inner, cross = float(done[chosen].sum()), float(mean[chosen].sum())
    of_mean = float(mean.mean())
    is_free = ~np.isin(np.arange(n), chosen)
    rows, gaps = np.empty(k, dtype=np.int64), np.empty(k + 1)
    gaps[0] = inner / t**2 - 2 * cross / t + of_mean if t else np.nan
    for i in range(k):
        t += 1
        square = (inner + 2 * done + own) / t**2 - 2 * (cross + mean) / t + of_mean
        rows[i] = row = int(np.where(is_free, square, np.inf).argmin())
        gaps[i + 1] = square[row]
        inner, cross = inner + 2 * done[row] + own[row], cross + mean[row]
        done += kernel(rows[i : i + 1])[:, 0]
        is_free[row] = False
    gaps = np.sqrt(np.maximum(gaps, 0))
    return rows, {"gain": -np.diff(gaps), "gap": float(gaps[-1])}
