"""Intervals of paired differences, over seeds and test rows at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curalab._check import BoolArray, FloatArray

__all__ = ["Gain", "gain_of"]


class Gain(NamedTuple):
    """A mean difference of two sides and its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def gain_of(
    one: BoolArray,
    other: BoolArray,
    *,
    weight: FloatArray | None = None,
    chance: float = 0.0,
    n_looks: int = 1,
) -> Gain:
    """Return the mean of `one` less that of `other`, and how far off it may be.

    Parameters
    ----------
    one, other : ndarray of shape (n_test, n_seeds), bool
        Whether each test row was classified rightly under each seed.
    weight : ndarray of shape (n_test,), default=None
        Weight of each test row, with sum 1. None weighs all alike.
    chance : float, default=0.0
        Standard deviation of what the mean is for steps drawn at random.
    n_looks : int, default=1
        So many intervals shall hold together (Bonferroni).

    Returns
    -------
    Gain

    Notes
    -----
    Student's interval over the seeds and the normal one over the test rows; their half-widths add
    as independent errors do. The latter counts two rows more, one won and one lost (Bonett and
    Price (2012), "Adjusted Wald Confidence Interval for a Difference of Binomial Proportions
    Based on Paired Data", Journal of Educational and Behavioral Statistics 37): three rows on
    which nothing changed do not prove that nothing does. It is therefore not quite symmetric.
    `chance` is measured on the same rows and holds their noise already, so the larger counts.
    """
    from scipy.special import ndtri, stdtrit

    gaps = one.astype(np.int8) - other.astype(np.int8)
    n_test, n_seeds = gaps.shape
    weight = np.full(n_test, 1 / n_test) if weight is None else weight
    of_row, of_seed = gaps.mean(axis=1), weight @ gaps
    mean, shrink = float(of_seed.mean()), n_test / (n_test + 2)
    middle = shrink * mean
    far = np.square(of_row - middle) + (2 + 2 * middle**2) / n_test
    by_row = shrink * float(np.sqrt(np.square(weight) @ far))
    by_seed = float(of_seed.std(ddof=1)) / n_seeds**0.5
    below = 1 - 0.025 / n_looks
    student, normal = float(stdtrit(n_seeds - 1, below)), float(ndtri(below))
    half = float(np.hypot(student * by_seed, max(normal * by_row, student * chance)))
    return Gain(mean, max(middle - half, -1.0), min(middle + half, 1.0))
