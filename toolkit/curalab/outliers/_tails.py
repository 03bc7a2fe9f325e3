"""How far out in the tails of each column a row lies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curalab._check import FloatArray

__all__ = ["Tails", "compressed", "tails_of"]


class Tails(NamedTuple):
    """Surprise at the values of one column, -log of a share of the known rows, each (n,)."""

    low: FloatArray  # the share of known values up to this one
    high: FloatArray  # the share from this one on
    skewed: FloatArray  # whichever tail the column leans to


def tails_of(column: FloatArray, known: FloatArray | None) -> Tails:
    """Return how surprising the values of a column are among the known ones.

    Parameters
    ----------
    column : ndarray of shape (n,)
        The values judged.
    known : ndarray of shape (m,) or None
        The values that they are compared with. None compares them with each other. The value
        judged counts as known, so that no share is 0.
    """
    usual = np.sort(column if known is None else known)
    extra, n = (0, len(usual)) if known is None else (1, len(usual) + 1)
    up_to = np.searchsorted(usual, column, side="right") + extra
    since = len(usual) - np.searchsorted(usual, column, side="left") + extra
    low, high = -np.log(up_to / n), -np.log(since / n)
    gap = usual - usual.mean()
    lean = np.sign((gap**3).mean()) if gap.any() else 0.0
    skewed = low if lean < 0 else high if lean > 0 else low + high
    return Tails(low, high, skewed)


def compressed(points: FloatArray, known: FloatArray) -> FloatArray:
    """Return columns on a scale that is linear in the middle and logarithmic far out.

    The inverse hyperbolic sine of the distance from the median, in units of the spread of the
    middle half of the known rows (where that is 0, of their standard deviation).
    """
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75], axis=0)
    spread = np.where(high > low, (high - low) / 1.349, known.std(axis=0))  # 1.349: of the normal
    return np.asarray(np.arcsinh((points - middle) / np.where(spread > 0, spread, 1.0)))
