"""The scaling law of data filtering, and the small runs that it is fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, complain

__all__ = ["FilteringLaw", "fit_law", "sgd_errors"]

_BATCH = 16
_RATE = 2.0  # of vectors of unit mean length
_EXAM_ERROR = 0.005  # least deviation of a measured error


@dataclass(frozen=True, kw_only=True, eq=False)
class FilteringLaw:
    """Error = d + a n_1^-u ∏ (n_j / n_j-1)^(-u 2^(-(j-1)/tau)), u mixed from the slices'.

    Attributes
    ----------
    shares : tuple of float
        Shares of the best rows.
    sizes : tuple of int
        The rows they have.
    utility : tuple of float
        Exponent of the slice that each share adds to the one before; higher teaches more.
    a, d, tau : float
        Error at the start above the part that no training removes; that part; and the passes after
        which a row teaches half as much.
    """

    shares: tuple[float, ...]
    sizes: tuple[int, ...]
    utility: tuple[float, ...]
    a: float
    d: float
    tau: float

    def predict(self, share: float, seen: int) -> float:
        """Return the error of training on a share of the best rows until `seen` rows were seen."""
        if share not in self.shares:
            raise ValueError(complain("share", f"one of {', '.join(map(str, self.shares))}", share))
        at = self.shares.index(share)
        mixed = float(_mixture(self.sizes)[at] @ np.array(self.utility))
        return float(self.d + self.a * np.exp(-mixed * _worn(self.sizes[at], seen, self.tau)))


def _mixture(sizes: Sequence[int]) -> FloatArray:
    """Return the part that each slice (columns) has in each share (rows)."""
    slices = np.diff([0, *sizes])
    size = np.asarray(sizes, dtype=np.float64)
    return np.asarray(np.tril(np.tile(slices, (len(size), 1))) / size[:, None])


def _worn(n_rows: int, seen: int, tau: float) -> float:
    """Return log n_1 + Σ 2^(-(j-1)/τ) log(n_j / n_j-1): the log of rows seen, less as repeated."""
    after = np.minimum(np.arange(1, -(-seen // n_rows) + 1) * float(n_rows), seen)
    steps = np.diff(np.log(after), prepend=0.0)
    return float(steps @ 2.0 ** (-np.arange(len(after)) / tau))


def fit_law(runs: pd.DataFrame, shares: Sequence[float], n: int) -> FilteringLaw:
    """Fit the law to runs by least squares of the relative error."""
    from scipy.optimize import least_squares

    sizes = [max(round(share * n), 1) for share in shares]
    mean = runs.groupby(["share", "seen"])["error"].mean().reset_index()
    at = pd.Index(shares).get_indexer(pd.Index(mean["share"]))
    seen, y = mean["seen"].to_numpy(), mean["error"].to_numpy()
    mixture, m = _mixture(sizes)[at], len(sizes)
    weight = 1 / np.maximum(y, _EXAM_ERROR)

    def predicted(theta: FloatArray) -> FloatArray:
        tau = float(np.exp(theta[m]))
        worn = [_worn(sizes[i], s, tau) for i, s in zip(at, seen, strict=True)]
        return np.asarray(theta[m + 2] + np.exp(theta[m + 1] - mixture @ theta[:m] * worn))

    least = max(float(y.min()), 1e-3)
    low = np.r_[np.zeros(m), np.log(0.05), np.log(1e-2), 0.0]
    high = np.r_[np.full(m, 3.0), np.log(1e3), np.log(1e3), least]
    starts = [
        np.r_[np.full(m, u), np.log(tau), np.log(max(float(y.max()), 0.02)) + 3 * u, part * least]
        for u in (0.2, 0.5)
        for tau in (1.0, 10.0)
        for part in (0.1, 0.7)
    ]
    tried = [
        least_squares(
            lambda t: (predicted(t) - y) * weight, start, bounds=(low, high), loss="soft_l1"
        )
        for start in starts
    ]
    best = min(tried, key=lambda one: float(one.cost)).x
    return FilteringLaw(
        shares=tuple(shares),
        sizes=tuple(sizes),
        utility=tuple(best[:m].tolist()),
        tau=float(np.exp(best[m])),
        a=float(np.exp(best[m + 1])),
        d=float(best[m + 2]),
    )


def sgd_errors(
    train: tuple[FloatArray, IntArray],
    exam: tuple[FloatArray, IntArray],
    n_classes: int,
    checkpoints: Sequence[int],
    rng: np.random.Generator,
) -> list[float]:
    """Train a linear head by plain SGD; return its error on the exam after so many rows seen.

    One run of a constant rate serves all checkpoints. Each pass takes the rows in a new order.
    """
    points, codes = train
    centre = points.mean(axis=0)
    scale = float(np.sqrt(np.square(points - centre).sum(axis=1).mean())) or 1.0
    x, held = ((some - centre) / scale for some in (points, exam[0]))
    one_hot = np.eye(n_classes, dtype=np.float32)[codes]
    weight = np.zeros((x.shape[1], n_classes), dtype=np.float32)
    bias = np.zeros(n_classes, dtype=np.float32)
    errors, seen, order = [], 0, np.zeros(0, dtype=np.int64)
    for stop in checkpoints:
        while seen < stop:
            if not len(order):
                order = rng.permutation(len(x))
            n = min(_BATCH, stop - seen)
            rows, order = order[:n], order[n:]
            logits = x[rows] @ weight + bias
            proba = np.exp(logits - logits.max(axis=1, keepdims=True))
            gap = proba / proba.sum(axis=1, keepdims=True) - one_hot[rows]
            step = np.float32(_RATE / _BATCH)
            weight -= step * (x[rows].T @ gap)
            bias -= step * gap.sum(axis=0)
            seen += len(rows)
        errors.append(float(((held @ weight + bias).argmax(axis=1) != exam[1]).mean()))
    return errors
