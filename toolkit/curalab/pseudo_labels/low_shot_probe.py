"""The plain probe on the labelled rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab.pool import FloatArray, Pool

__all__ = ["LowShotProbe"]


@dataclass(frozen=True, kw_only=True)
class LowShotProbe:
    """Logistic regression on the labelled rows alone, through scikit-learn: the baseline to beat.

    Parameters
    ----------
    C : float, default=10
        Inverse strength of the penalty, on vectors of unit length (cosine) or of unit mean
        variance (euclidean).

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
        from sklearn.linear_model import LogisticRegression

        points = pool.embedding.points
        scale = 1.0 if pool.embedding.metric == "cosine" else float(points.std()) or 1.0
        known = pool.is_labelled
        fitted = LogisticRegression(C=self.C, max_iter=1_000)
        fitted.fit(points[known] / scale, pool.codes[known])

        def predict(new: FloatArray) -> FloatArray:
            proba = np.zeros((len(new), len(pool.classes)))
            proba[:, fitted.classes_] = fitted.predict_proba(new / scale)
            return proba

        return predict(points), {"predict": predict}
