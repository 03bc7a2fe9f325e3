"""The plain probe on the labelled rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._blocks import by_blocks
from curalab._check import FloatArray, IntArray, check_real
from curalab.heads import Head, fit_head
from curalab.pool import Pool

__all__ = ["LowShotProbe"]


@dataclass(frozen=True, kw_only=True)
class LowShotProbe:
    """Logistic regression on the labelled rows alone: the baseline to beat.

    The same numbers as scikit-learn's on vectors of unit length (cosine) or of unit total
    variance (euclidean), solved in a few steps whatever the number of classes.

    Parameters
    ----------
    C : float, default=10
        Inverse strength of the penalty.

    References
    ----------
    .. [1] Cox (1958), "The Regression Analysis of Binary Sequences", Journal of the Royal
       Statistical Society B 20.
    """

    cost: ClassVar[str] = "one fit on the labelled rows"
    needs: ClassVar[str] = "labels"

    C: float = 10.0

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes)."""
        predict = probe_of(pool, C=self.C)
        return predict(pool.embedding.points), {"predict": predict}


def probe_of(pool: Pool, *, C: float) -> Callable[[FloatArray], FloatArray]:
    """Fit logistic regression on the labelled rows; return what gives probabilities of points."""
    check_real("C", C, low=1e-6, high=1e6)
    return fit_probe(pool, pool.codes, C=C).predict_proba


def fit_probe(
    pool: Pool, codes: IntArray, *, C: float, gold: float = 0.0, start: Head | None = None
) -> Head:
    """Fit logistic regression as scikit-learn does for `C` on the rows with codes from 0.

    The rows with labels given weigh at least the share `gold` of all together.
    """
    rows = np.flatnonzero(codes >= 0)
    some = pool.embedding.points[rows]
    spread = variance_of(some) / some.shape[1]
    if pool.embedding.metric == "euclidean":
        spread /= variance_of(pool.embedding.points) or 1.0
    given = pool.is_labelled[rows]
    least = gold / (1 - gold) * (~given).sum() / max(int(given.sum()), 1)
    return fit_head(
        some,
        codes[rows],
        len(pool.classes),
        penalty=1 / (C * len(rows) * max(spread, 1e-12)),
        sample_weight=np.where(given, max(1.0, float(least)), 1.0),
        start=start,
    )


def variance_of(points: FloatArray) -> float:
    """Return the variance of rows, summed over dimensions, in double precision block by block."""
    centre = points.mean(axis=0, dtype=np.float64)
    square = by_blocks(lambda rows: np.square(points[rows] - centre).sum(axis=1), points)
    return float(square.mean())
