"""The plain probe on the labelled rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_real
from curalab.heads import fit_head
from curalab.pool import FloatArray, Pool

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
    points, known = pool.embedding.points, np.flatnonzero(pool.is_labelled)
    some = points[known]
    # fit_head divides vectors by their spread and takes a mean loss; scikit-learn does neither.
    spread = float(np.square(some - some.mean(axis=0)).mean())
    if pool.embedding.metric == "euclidean":
        spread /= float(points.var(axis=0, dtype=np.float64).sum()) or 1.0
    penalty = 1 / (C * len(known) * max(spread, 1e-12))
    return fit_head(some, pool.codes[known], len(pool.classes), penalty=penalty).predict_proba
