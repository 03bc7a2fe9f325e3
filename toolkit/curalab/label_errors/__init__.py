"""Label errors: rows whose label is probably wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, FloatArray, check_integer, complain, rows_of
from curalab.heads import with_proba
from curalab.label_errors.confident_learning import ConfidentLearning
from curalab.label_errors.knn_agreement import KNNAgreement
from curalab.label_errors.relation_graph import RelationGraph
from curalab.pool import Array, Pool, Stage, as_pool, run
from curalab.results import StageResult

__all__ = [
    "STAGE",
    "ConfidentLearning",
    "KNNAgreement",
    "LabelErrors",
    "RelationGraph",
    "find_label_errors",
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
        "relation_graph": RelationGraph,
        "confident_learning": ConfidentLearning,
        "knn_agreement": KNNAgreement,
    },
    start_here="relation_graph",
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LabelErrors(StageResult):
    """How far each label can be trusted.

    Attributes
    ----------
    quality : ndarray of shape (n_items,), float
        From 0 (surely wrong) to 1 (clean); NaN where a row has no label.
    suggested : ndarray of shape (n_items,)
        The label that the method would give; None where a row has no label.
    is_error : ndarray of shape (n_items,), bool
        Labels past the cut that ``details["cut"]`` describes.
    """

    prefix: ClassVar[str] = "label"

    quality: FloatArray
    suggested: AnyArray
    is_error: BoolArray
    pool: Pool | None = field(default=None, metadata={"unsaved": True})

    @property
    def summary(self) -> str:  # noqa: D102
        return f"{int(self.is_error.sum()):,} label errors"

    def worst(self, n: int) -> pd.Index:
        """Return the ids of the `n` least trusted labels, the least trusted first."""
        judged = int(np.isfinite(self.quality).sum())
        n = check_integer("n", n, low=0, high=judged, hint=f"{judged:,} rows have a label.")
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
            `given`, `suggested`, `quality`, the `rule` that marked rows, `proba` (a Series by
            class, None where the method needed none) and `neighbors` (a DataFrame: the ten
            nearest rows with their label and similarity).
        """
        if self.pool is None or self.pool.labels is None:
            raise ValueError("A result that was opened from disk cannot tell why: it has no rows.")
        row = int(rows_of(self.ids, [id], name="id")[0])
        pool = self.pool
        near = pool.embedding.neighbors(min(10, len(pool) - 1))
        around = near.indices[row]
        neighbors = pd.DataFrame(
            {"label": self.pool.labels[around], "similarity": near.similarity[row]},
            index=self.ids[around],
        )
        proba = None if pool.proba is None else pd.Series(pool.proba[row], index=pool.classes)
        return {
            "given": self.pool.labels[row],
            "suggested": self.suggested[row],
            "quality": float(self.quality[row]),
            "is_error": bool(self.is_error[row]),
            "rule": self.details["cut"]["rule"],
            "proba": proba,
            "neighbors": neighbors,
        }


def find_label_errors(
    embedding: Any,
    labels: Any = None,
    *,
    proba: Any = None,
    method: str | Callable[..., Any] = "relation_graph",
    random_state: int | None = None,
) -> LabelErrors:
    """Find labels that are probably wrong.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    labels : array-like of shape (n_items,), default=None
        Their labels; None or NaN is missing, and not judged. May be left out where a Pool brings
        them.
    proba : array-like of shape (n_items, n_classes), default=None
        Probability of each class from a model that did not train on the row. None makes them
        where the method needs them: a linear head on the vectors, cross-fitted in five folds.
    method : str or callable, default="relation_graph"
        A name in ``cl.methods("label_errors")``, a method with settings, or a function
        ``(pool, *, rng)`` that returns quality in [0, 1] and suggested labels.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    LabelErrors
        Without a cut of the method's own, the rows of least quality are marked, as many as the
        confident joint of labels and probabilities estimates to be wrong, as far as another
        label is suggested.

    Raises
    ------
    ValueError
        No row has a label, or all labels are of one class.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(60, 3)) + np.repeat([[0], [6]], 30, axis=0)
    >>> labels = np.repeat(["a", "b"], 30)
    >>> labels[4] = "b"
    >>> bad = cl.find_label_errors(
    ...     cl.Embedding(vectors=x, metric="euclidean"), labels, method="knn_agreement"
    ... )
    >>> bad.worst(1).tolist()
    [4]
    """
    pool = as_pool(embedding, labels=labels, proba=proba)
    n_known = len(np.unique(pool.codes[pool.is_labelled]))
    if pool.labels is None or n_known < 2:
        rule = "labels of at least two classes"
        raise ValueError(complain("labels", rule, what=f"{n_known} classes"))
    answer = run(STAGE, method, pool, random_state=random_state)
    judged = pool.is_labelled
    quality = np.where(judged, answer.arrays["quality"], np.nan)
    suggested = answer.arrays["suggested"].astype(object)
    suggested[~judged] = None
    details = dict(answer.details)
    own = details.pop("is_error", None)
    if own is not None:
        is_error = np.asarray(own, dtype=bool) & judged
        cut = {"rule": details.pop("rule", "the method's own"), "marked": int(is_error.sum())}
    else:
        is_error, cut = _cut(quality, suggested, answer.pool, answer.params["random_state"])
    return LabelErrors(
        ids=pool.ids,
        quality=quality,
        suggested=suggested,
        is_error=is_error,
        pool=answer.pool,
        params=answer.params,
        details={**details, "cut": cut},
    )


def _cut(
    quality: FloatArray, suggested: AnyArray, pool: Pool, seed: int
) -> tuple[BoolArray, dict[str, Any]]:
    """Mark as many rows as confident learning estimates to be wrong, least quality first."""
    from cleanlab.count import num_label_issues

    if pool.proba is None:
        pool, _ = with_proba(pool, seed)
    judged = np.flatnonzero(pool.is_labelled)
    estimated = int(num_label_issues(pool.codes[judged], np.asarray(pool.proba)[judged]))
    worst = judged[np.argsort(quality[judged], kind="stable")[:estimated]]
    is_error = np.zeros(len(pool), dtype=bool)
    is_error[worst] = suggested[worst] != np.asarray(pool.labels)[worst]
    rule = (
        "least quality, as many as the confident joint estimates, where another label is likelier"
    )
    return is_error, {"rule": rule, "estimated": estimated, "marked": int(is_error.sum())}
