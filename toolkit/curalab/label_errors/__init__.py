"""Label errors: rows whose label is probably wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import (
    AnyArray,
    BoolArray,
    FloatArray,
    check_integer,
    complain,
    first_few,
    rows_of,
)
from curalab.label_errors._chance import beyond_chance
from curalab.label_errors._joint import label_issues
from curalab.label_errors._multilabel import MultilabelErrors, multilabel_errors
from curalab.label_errors._rank_stability import RankStability, rank_stability
from curalab.label_errors._raters import RaterConsensus, raters
from curalab.label_errors._review import ReviewBudget, review_budget
from curalab.label_errors._targets import TargetErrors, target_errors
from curalab.label_errors._weak_groups import weak_groups
from curalab.label_errors.area_under_margin import AreaUnderMargin
from curalab.label_errors.calibrated_gaussians import CalibratedGaussians
from curalab.label_errors.confident_learning import ConfidentLearning
from curalab.label_errors.consensus import Consensus
from curalab.label_errors.judges import Judges
from curalab.label_errors.knn_agreement import KNNAgreement
from curalab.label_errors.linear_separation import LinearSeparation
from curalab.label_errors.metadata_archaeology import MetadataArchaeology
from curalab.label_errors.relation_graph import RelationGraph
from curalab.label_errors.trusted_prototypes import TrustedPrototypes
from curalab.pool import Array, Pool, Stage, as_pool, run
from curalab.results import StageResult

__all__ = [
    "STAGE",
    "AreaUnderMargin",
    "CalibratedGaussians",
    "ConfidentLearning",
    "Consensus",
    "Judges",
    "KNNAgreement",
    "LabelErrors",
    "LinearSeparation",
    "MetadataArchaeology",
    "MultilabelErrors",
    "RankStability",
    "RaterConsensus",
    "RelationGraph",
    "ReviewBudget",
    "TargetErrors",
    "TrustedPrototypes",
    "find_label_errors",
    "multilabel_errors",
    "rank_stability",
    "raters",
    "review_budget",
    "target_errors",
    "weak_groups",
]

STAGE = Stage(
    name="label_errors",
    verb="find_label_errors",
    contract=(
        "A method gets (pool, *, rng) and returns quality in [0, 1] (1 is clean) and a suggested "
        "label out of pool.classes, one of each a row."
    ),
    returns=(
        Array(name="quality", rows="labelled", low=0, high=1),
        Array(name="suggested", kind="class", rows="labelled"),
    ),
    methods={
        "consensus": Consensus,
        "confident_learning": ConfidentLearning,
        "relation_graph": RelationGraph,
        "knn_agreement": KNNAgreement,
        "area_under_margin": AreaUnderMargin,
        "metadata_archaeology": MetadataArchaeology,
        "calibrated_gaussians": CalibratedGaussians,
        "trusted_prototypes": TrustedPrototypes,
        "linear_separation": LinearSeparation,
        "judges": Judges,
    },
    functions={
        "raters": raters,
        "review_budget": review_budget,
        "rank_stability": rank_stability,
        "multilabel_errors": multilabel_errors,
        "target_errors": target_errors,
    },
    start_here="consensus",
)


_log = logging.getLogger(__name__)
_FEWEST = 3  # rows of a class below which nothing is left to compare a row with


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LabelErrors(StageResult):
    """How far each label can be trusted.

    Attributes
    ----------
    quality : ndarray of shape (n_items,), float
        From 0 (surely wrong) to 1 (clean); NaN where a row has no label, or its class has fewer
        than three rows (those are listed in ``details["not_judged"]``).
    suggested : ndarray of shape (n_items,)
        The label that the method would give; None where quality is NaN.
    is_error : ndarray of shape (n_items,), bool
        Labels past the cut that ``details["cut"]`` describes.
    pool : Pool or None
        What was judged, with the probabilities used; None after `open`.
    """

    prefix: ClassVar[str] = "label"

    quality: FloatArray
    suggested: AnyArray
    is_error: BoolArray
    pool: Pool | None = field(default=None, repr=False, metadata={"unsaved": True})

    @property
    def summary(self) -> str:  # noqa: D102
        n = int(self.is_error.sum())
        return f"{n:,} label error{'s' * (n != 1)}"

    def worst(self, n: int) -> pd.Index:
        """Return the ids of the `n` least trusted labels, the least trusted first."""
        judged = int(np.isfinite(self.quality).sum())
        n = check_integer("n", n, low=0, high=judged, hint=f"{judged:,} labels were judged.")
        return self.ids[np.argsort(self.quality, kind="stable")[:n]]

    def why(self, id: Any) -> dict[str, Any]:
        """Return what speaks for and against the label of one row.

        Parameters
        ----------
        id : hashable
            Id of the row.

        Returns
        -------
        dict
            `given`, `suggested`, `quality` and `is_error` of the row; the `rule` that marked
            rows; `proba`, a Series of the held-out probability of each class, likeliest first
            (None where the method needed none); `neighbors`, a DataFrame of the ten nearest rows:
            their `label`, their `similarity` and the `quality` of their label.

        Raises
        ------
        ValueError
            The result comes from disk, where the rows are not kept.
        """
        if self.pool is None or self.pool.labels is None:
            raise ValueError(
                "This result was opened from disk, which keeps neither vectors nor labels, so it "
                "cannot tell why. Call find_label_errors again on the same rows."
            )
        row = int(rows_of(self.ids, [id], name="id")[0])
        near = self.pool.embedding.neighbors(min(10, len(self) - 1))
        around = near.indices[row]
        beside = {
            "label": self.pool.labels[around],
            "similarity": near.similarity[row],
            "quality": self.quality[around],
        }
        proba = None
        if self.pool.proba is not None:
            told = pd.Series(self.pool.proba[row], index=self.pool.classes)
            proba = told.sort_values(ascending=False, kind="stable")
        return {
            "given": self.pool.labels[row],
            "suggested": self.suggested[row],
            "quality": float(self.quality[row]),
            "is_error": bool(self.is_error[row]),
            "rule": self.details["cut"]["rule"],
            "proba": proba,
            "neighbors": pd.DataFrame(beside, index=self.ids[around]),
        }


def find_label_errors(
    embedding: Any,
    labels: Any = None,
    *,
    proba: Any = None,
    method: str | Callable[..., Any] = "consensus",
    random_state: int | None = None,
) -> LabelErrors:
    """Find labels that are probably wrong.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    labels : array-like of shape (n_items,), default=None
        Their labels, of at least two classes; None or NaN is missing, and not judged. May be left
        out where a Pool brings them.
    proba : array-like of shape (n_items, n_classes), default=None
        Probability of each class from a model that did not train on the row. None makes them
        where the method needs them: by heads on the vectors, cross-fitted in five folds.
    method : str or callable, default="consensus"
        A name in ``cl.methods("label_errors")``, a method with settings, or a function
        ``(pool, *, rng)`` that returns quality in [0, 1] and suggested labels.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    LabelErrors
        Without a cut of the method's own, the rows of least quality are marked: as many as the
        confident joint of labels and probabilities estimates to be wrong, or without
        probabilities those of quality below 1/2; in both cases only where another label is
        suggested, and none where the labels of 20 rows or more agree with the probabilities, or
        with the labels suggested, no more than by chance.

    Raises
    ------
    ValueError
        No row has a label, all labels are of one class, or no class has three rows.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(60, 3)) + np.repeat([[0], [6]], 30, axis=0)
    >>> labels = np.repeat(["a", "b"], 30)
    >>> labels[4] = "b"
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> bad = cl.find_label_errors(emb, labels, method="knn_agreement")
    >>> bad.worst(1).tolist(), bad.suggested[4]
    ([4], 'a')
    >>> bad.why(4)["neighbors"]["label"].value_counts().to_dict()
    {'a': 10}
    """
    pool = as_pool(embedding, labels=labels, proba=proba)
    judged, too_few = _judged(pool)
    answer = run(STAGE, method, pool, random_state=random_state)
    quality = np.where(judged, answer.arrays["quality"], np.nan)
    suggested = answer.arrays["suggested"].astype(object)
    suggested[~judged] = None
    details = {**answer.details, "not_judged": too_few}
    cut = dict(details.pop("cut", {"rule": "the method's own"}))
    if "is_error" in details:
        is_error = np.asarray(details.pop("is_error"), dtype=bool) & judged
    else:
        is_error, cut = _cut(quality, suggested, answer.pool)
    return LabelErrors(
        ids=pool.ids,
        quality=quality,
        suggested=suggested,
        is_error=is_error,
        pool=answer.pool,
        params=answer.params,
        details={**details, "cut": {**cut, "marked": int(is_error.sum())}},
    )


def _judged(pool: Pool) -> tuple[BoolArray, dict[str, int]]:
    """Return the rows whose label can be judged, and the classes too small for it."""
    size = np.bincount(pool.codes + 1, minlength=2)[1:]
    if (size > 0).sum() < 2:
        got = "no label" if not size.any() else "labels of 1 class"
        raise ValueError(complain("labels", "of at least 2 classes", what=got))
    small = np.flatnonzero((size > 0) & (size < _FEWEST))
    too_few = {str(pool.classes[c]): int(size[c]) for c in small}
    if size.max() < _FEWEST:
        rule = f"of a class with at least {_FEWEST} rows"
        most = int(size.max())
        got = f"{most} row{'s' * (most != 1)} in the largest"
        raise ValueError(complain("labels", rule, what=got))
    if not too_few:
        return pool.is_labelled, {}
    told = f"{first_few(too_few)} have fewer than {_FEWEST} rows, which are not judged."
    _log.warning("find_label_errors: the classes %s", told)
    return pool.is_labelled & ~np.isin(pool.codes, small), too_few


def _cut(quality: FloatArray, suggested: AnyArray, pool: Pool) -> tuple[BoolArray, dict[str, Any]]:
    """Mark rows of low quality where another label is suggested, and say by what rule."""
    judged = np.flatnonzero(np.isfinite(quality))
    other = np.zeros(len(pool), dtype=bool)
    other[judged] = suggested[judged] != np.asarray(pool.labels)[judged]
    codes = pool.codes[judged]
    if pool.proba is None:
        rule = "quality below 1/2, where another label is suggested"
        best = pd.Index(pool.classes).get_indexer(suggested[judged])
        told = np.eye(len(pool.classes), dtype=bool)[best]
        is_error, rule = beyond_chance(other & (quality < 0.5), rule, told, codes)
        return is_error, {"rule": rule}
    issues = label_issues(codes, pool.proba[judged], "confident_learning")
    estimated = int(issues.sum())
    worst = np.zeros(len(pool), dtype=bool)
    worst[judged[np.argsort(quality[judged], kind="stable")[:estimated]]] = True
    rule = (
        "least quality, as many as the confident joint of labels and probabilities estimates, "
        "where another label is suggested"
    )
    is_error, rule = beyond_chance(other & worst, rule, pool.proba[judged], codes)
    return is_error, {"rule": rule, "estimated": estimated}
