"""Label errors by confident learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_choice
from curalab.label_errors._joint import label_issues, label_scores, likeliest
from curalab.pool import AnyArray, BoolArray, FloatArray, Pool

__all__ = ["ConfidentLearning"]

_RANKS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
_FILTERS = ("prune_by_noise_rate", "confident_learning", "prune_by_class", "both")


@dataclass(frozen=True, kw_only=True)
class ConfidentLearning:
    """Ranks rows by the held-out probability of their label; counts errors by the confident joint.

    A row counts as confidently of a class if its probability reaches the mean of that class over
    the rows labelled so; the counts of (given label, confident class) estimate how many labels of
    each kind are wrong. Ours: whole arrays at a time; scores and marks are the same as cleanlab's.

    Parameters
    ----------
    rank : {"self_confidence", "normalized_margin", "confidence_weighted_entropy"}
        What orders the rows: the probability of the given label, how far it leads, or the same
        weighed by entropy.
    filter_by : {"prune_by_noise_rate", "confident_learning", "prune_by_class", "both"}
        What marks rows: the largest margins of each off-diagonal count, the rows counted off
        the diagonal, the least confident of each class, or what the first and third share.

    References
    ----------
    .. [1] Northcutt, Athalye, Mueller (2021), "Pervasive Label Errors in Test Sets Destabilize
       Machine Learning Benchmarks", NeurIPS Datasets and Benchmarks. arXiv:2103.14749.
    .. [2] Northcutt, Jiang, Chuang (2021), "Confident Learning: Estimating Uncertainty in Dataset
       Labels", Journal of Artificial Intelligence Research 70. arXiv:1911.00068.
    """

    cost: ClassVar[str] = "a head for each fold"
    needs: ClassVar[tuple[str, ...]] = ("labels", "proba")

    rank: str = "self_confidence"
    filter_by: str = "prune_by_noise_rate"

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, AnyArray, dict[str, Any]]:
        """Return quality in [0, 1] and suggested labels, each (n_items,)."""
        check_choice("rank", self.rank, _RANKS)
        check_choice("filter_by", self.filter_by, _FILTERS)
        judged, codes, proba = pool.is_labelled, pool.codes, np.asarray(pool.proba)
        best = likeliest(proba)
        suggested = pool.classes[best]
        if not judged.all():
            codes, proba, best = codes[judged], proba[judged], best[judged]
        score = label_scores(codes, proba, self.rank)
        own = score if self.rank == "self_confidence" else None
        is_error = label_issues(codes, proba, self.filter_by, best=best, own=own)
        quality = np.clip(score, 0, 1, out=score)
        if not judged.all():
            quality, is_error = _spread(quality, judged, 1.0), _spread(is_error, judged, False)
        details = {"is_error": is_error, "cut": {"rule": f"cleanlab, {self.filter_by}"}}
        return quality, suggested, details


def _spread(values: AnyArray, judged: BoolArray, other: float) -> AnyArray:
    spread = np.full(len(judged), other, dtype=values.dtype)
    spread[judged] = values
    return spread
