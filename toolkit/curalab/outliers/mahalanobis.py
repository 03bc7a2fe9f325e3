"""Outliers by their distance from the centre of a class, in units of its spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curalab._cells import means_of
from curalab._check import FloatArray, IntArray, check_real
from curalab._shape import inverse_root, shaped_gaps
from curalab.outliers._views import View
from curalab.pool import Pool

__all__ = ["Mahalanobis", "class_distances", "means_and_root"]

_STEPS = 3
_TRIM = 0.25


@dataclass(frozen=True, kw_only=True)
class Mahalanobis:
    """Mahalanobis distance to the nearest class centre, or to the one centre without labels.

    Centres and the covariance around them, one for all classes, come from the labelled rows: those
    of the reference where there is one, else those of the pool; of all its rows where none has a
    label. The covariance is shrunk towards a multiple of the identity (Ledoit and Wolf), so
    that it also serves in many dimensions. Robust by concentration: the share `trim` of the rows
    that lie farthest is left out, and centre and covariance are fitted anew, three times.

    A row with a label is judged by the nearest class as well, not by its own: a wrong label makes
    no outlier. It does not count in the centre of its own class.

    Parameters
    ----------
    trim : float, default=None
        Share of the known rows left out, from 0 (not robust) to 0.5. None takes 0.25 without
        labels and 0 with labels, where the far members of a class are worth knowing.

    References
    ----------
    .. [1] Lee, Lee, Lee, Shin (2018), "A Simple Unified Framework for Detecting
       Out-of-Distribution Samples and Adversarial Attacks", NeurIPS. arXiv:1807.03888.
    .. [2] Boudt, Rousseeuw, Vanduffel, Verdonck (2020), "The Minimum Regularized Covariance
       Determinant Estimator", Statistics and Computing 30. arXiv:1701.07086. (There from several
       starts, with the share of shrinkage set by the condition number.)
    """

    cost: ClassVar[str] = "a product of the vectors with themselves, four times"

    trim: float | None = None

    def __call__(self, pool: Pool, *, rng: np.random.Generator) -> FloatArray:
        """Return oddness, shape (n_items,); higher is odder."""
        if self.trim is not None:
            check_real("trim", self.trim, low=0, high=0.5)
        return class_distances(pool, trim=self.trim).judged


def class_distances(pool: Pool, *, trim: float | None = None, by_class: bool = True) -> View:
    """See the Mahalanobis distance to the nearest class, or to the centre of all known rows."""
    known, codes, is_own = _known_rows(pool, by_class)
    if trim is None:
        trim = 0.0 if codes.any() else _TRIM
    kept = np.ones(len(known), dtype=bool)
    for _ in range(1 + (_STEPS if trim else 0)):
        means, root = means_and_root(known, np.where(kept, codes, -1))
        gaps = shaped_gaps(known, means, root)
        size = np.bincount(codes[kept], minlength=len(means))[codes]
        own = np.arange(len(known)), codes
        # without the row itself its class mean lies n / (n - 1) times as far away
        alone = kept & (size < 2)
        gaps[own] *= np.where(kept & ~alone, size / np.maximum(size - 1, 1), 1.0) ** 2
        gaps[own] = np.where(alone & (len(means) > 1), np.inf, gaps[own])
        distance = np.sqrt(gaps.min(axis=1))
        kept = distance <= np.quantile(distance, 1 - trim)
        kept |= np.bincount(codes[kept], minlength=len(means))[codes] == 0  # no class is emptied
    judged = np.sqrt(shaped_gaps(pool.embedding.points, means, root).min(axis=1))
    if is_own is None:
        return View(judged, distance)
    judged[is_own] = distance
    return View(judged, judged)


def _known_rows(pool: Pool, by_class: bool) -> tuple[FloatArray, IntArray, IntArray | None]:
    """Return the rows fitted on, their class numbers, and which rows of the pool they are."""
    known = pool if pool.reference is None else pool.reference
    points = known.embedding.points
    if by_class and known.labels is not None and known.is_labelled.any():
        rows = np.flatnonzero(known.is_labelled)
        codes = np.unique(known.codes[rows], return_inverse=True)[1]
    else:
        rows = np.arange(len(points))
        codes = np.zeros(len(points), dtype=np.int64)
    every = len(rows) == len(points)
    return points if every else points[rows], codes, rows if known is pool else None


def means_and_root(points: FloatArray, codes: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the class means (c, d) and a root of the inverse covariance around them (d, d).

    Rows with a code of -1 are left out; each class has one that is not.
    """
    means = means_of(points, codes, int(codes.max()) + 1)
    return means, inverse_root(points, means, codes)
