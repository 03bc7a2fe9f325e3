"""Intervals of paired differences, over seeds and test rows at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curalab._check import FloatArray, IntArray

__all__ = ["Resampled", "resample", "span"]

_DRAWS = 1_000
_AT_ONCE = 2**22  # numbers a block of draws may hold


class Resampled(NamedTuple):
    """Draws of mean differences.

    Attributes
    ----------
    mean : ndarray of shape (n_draws, n_differences)
        Over all test rows.
    balanced : ndarray of shape (n_draws, n_differences)
        Mean of the classes' means.
    by_class : ndarray of shape (n_draws, n_differences, n_classes)
        NaN where a draw has no row of the class.
    """

    mean: FloatArray
    balanced: FloatArray
    by_class: FloatArray


def resample(gaps: FloatArray, codes: IntArray, *, rng: np.random.Generator) -> Resampled:
    """Draw seeds and test rows with replacement, independently of each other.

    Parameters
    ----------
    gaps : ndarray of shape (n_differences, n_seeds, n_test)
        Differences of two arms on each test row under each seed.
    codes : ndarray of shape (n_test,), int
        Class of each test row, from 0, without gaps.
    rng : numpy.random.Generator
        Draws.

    Returns
    -------
    Resampled
        All differences see the same draws.

    Notes
    -----
    The two-way ("pigeonhole") bootstrap of Owen (2007), "The pigeonhole bootstrap", Annals of
    Applied Statistics; it is slightly too wide rather than too narrow.
    """
    order = np.argsort(codes, kind="stable")
    gaps = gaps[:, :, order].astype(np.float32)
    first = np.flatnonzero(np.diff(codes[order], prepend=-1))
    n_differences, n_seeds, n_test = gaps.shape
    block = max(1, _AT_ONCE // (n_test * n_differences))
    sums, counts = [], []
    for at in range(0, _DRAWS, block):
        n = min(block, _DRAWS - at)
        seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n) / n_seeds
        rows = rng.multinomial(n_test, np.full(n_test, 1 / n_test), size=n)
        over_seeds = np.einsum("bs,gst->bgt", seeds.astype(np.float32), gaps, optimize=True)
        sums.append(np.add.reduceat(over_seeds * rows[:, None], first, axis=2, dtype=np.float64))
        counts.append(np.add.reduceat(rows, first, axis=1))
    total, size = np.concatenate(sums), np.concatenate(counts)[:, None]
    by_class = np.divide(total, size, out=np.full(total.shape, np.nan), where=size > 0)
    return Resampled(total.sum(axis=2) / n_test, np.nanmean(by_class, axis=2), by_class)


def span(draws: FloatArray) -> tuple[float, float]:
    """Return the middle 95 % of the draws."""
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return float(low), float(high)
