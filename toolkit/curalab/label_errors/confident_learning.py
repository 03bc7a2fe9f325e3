"""Label errors by confident learning, through cleanlab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_choice
from curalab.pool import AnyArray, FloatArray, Pool

__all__ = ["ConfidentLearning"]

_RANKS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


@dataclass(frozen=True, kw_only=True)
class ConfidentLearning:
    """Ranks rows by the held-out probability of their label; counts errors by the confident joint.

    Quality is cleanlab's label quality score, and the rows marked are those of its
    `find_label_issues`, each class pruned by its estimated noise rates.

    Parameters
    ----------
    rank : {"self_confidence", "normalized_margin", "confidence_weighted_entropy"}
        What orders the rows.

    References
    ----------
    .. [1] Northcutt, Jiang, Chuang (2021), "Confident Learning: Estimating Uncertainty in Dataset
       Labels", Journal of Artificial Intelligence Research 70. arXiv:1911.00068.
    .. [2] Northcutt, Athalye, Mueller (2021), "Pervasive Label Errors in Test Sets Destabilize
       Machine Learning Benchmarks", NeurIPS Datasets and Benchmarks. arXiv:2103.14749.
    """

    cost: ClassVar[str] = "a linear head for each fold"
    needs: ClassVar[tuple[str, ...]] = ("labels", "proba")

    rank: str = "self_confidence"

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, AnyArray, dict[str, Any]]:
        """Return quality in [0, 1] and suggested labels, each (n_items,)."""
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores

        check_choice("rank", self.rank, _RANKS)
        judged = pool.is_labelled
        codes, proba = pool.codes[judged], np.asarray(pool.proba[judged])
        quality, is_error = np.ones(len(pool)), np.zeros(len(pool), dtype=bool)
        quality[judged] = get_label_quality_scores(
            codes, proba, method=self.rank, adjust_pred_probs=False
        )
        is_error[judged] = find_label_issues(codes, proba, n_jobs=1)
        details = {"is_error": is_error, "rule": "cleanlab, pruned by noise rate"}
        return np.clip(quality, 0, 1), pool.classes[pool.proba.argmax(axis=1)], details
