"""Outliers: rows unlike the others, or unlike a clean reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, check_integer, check_real, complain, rows_of
from curalab.outliers._cut import (
    FALSE_ALARMS,
    cut_by_false_alarms,
    cut_by_share,
    cut_by_spread,
    held_out,
)
from curalab.outliers.consensus import Consensus
from curalab.outliers.ecod import ECOD
from curalab.outliers.gradient_subspace import GradientSubspace
from curalab.outliers.isolation_forest import IsolationForest
from curalab.outliers.knn import KNN
from curalab.outliers.mahalanobis import Mahalanobis
from curalab.outliers.mutual_scoring import MutualScoring
from curalab.outliers.prototype_mixture import PrototypeMixture
from curalab.outliers.relation_graph import RelationGraph
from curalab.pool import Array, Pool, Stage, as_pool, run
from curalab.results import StageResult

__all__ = [
    "ECOD",
    "KNN",
    "STAGE",
    "Consensus",
    "GradientSubspace",
    "IsolationForest",
    "Mahalanobis",
    "MutualScoring",
    "Outliers",
    "PrototypeMixture",
    "RelationGraph",
    "find_outliers",
]

STAGE = Stage(
    name="outliers",
    verb="find_outliers",
    contract="A method gets (pool, *, rng) and returns oddness, one number a row, higher is odder.",
    returns=(Array(name="oddness"),),
    methods={
        "consensus": Consensus,
        "mahalanobis": Mahalanobis,
        "knn": KNN,
        "isolation_forest": IsolationForest,
        "ecod": ECOD,
        "gradient_subspace": GradientSubspace,
        "prototype_mixture": PrototypeMixture,
        "mutual_scoring": MutualScoring,
        "relation_graph": RelationGraph,
    },
    start_here="consensus",
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Outliers(StageResult):
    """How odd each item is.

    Attributes
    ----------
    oddness : ndarray of shape (n_items,), float
        Higher is odder. Scales differ between methods; ranks compare.
    is_outlier : ndarray of shape (n_items,), bool
        Items past the cut that ``details["cut"]`` describes: the one that `expected_share` or
        `false_alarms` asks for, the method's own, or a robust one.
    pool : Pool or None
        What was judged; None after `open`.
    """

    prefix: ClassVar[str] = "outlier"
    columns: ClassVar[dict[str, str]] = {"is_outlier": "is_outlier"}

    oddness: FloatArray
    is_outlier: BoolArray
    pool: Pool | None = field(default=None, repr=False, metadata={"unsaved": True})

    @property
    def summary(self) -> str:  # noqa: D102
        n = int(self.is_outlier.sum())
        return f"{n:,} outlier{'s' * (n != 1)}"

    def top(self, n: int) -> pd.Index:
        """Return the ids of the `n` oddest items, oddest first."""
        n = check_integer("n", n, low=0, high=len(self))
        return self.ids[np.argsort(-self.oddness, kind="stable")[:n]]

    def why(self, id: Any) -> dict[str, Any]:
        """Return what makes a row odd, or not.

        Parameters
        ----------
        id : hashable
            Id of the row.

        Returns
        -------
        dict
            `oddness` and `is_outlier` of the row; `odder_than`, the share of the other rows that
            are less odd; the `rule` of the cut; `views`, a Series of how odd each way of looking
            finds the row, in spreads of the rows it is compared with, the oddest first (None for
            methods of one view); `neighbors`, a DataFrame of the ten nearest rows it is compared
            with (of the reference, where there is one) and their `similarity`.

        Raises
        ------
        ValueError
            The result comes from disk, where the rows are not kept.
        """
        if self.pool is None:
            raise ValueError(
                "This result was opened from disk, which keeps no vectors, so it cannot tell why. "
                "Call find_outliers again on the same rows."
            )
        row = int(rows_of(self.ids, [id], name="id")[0])
        views = self.details.get("views")
        told = None
        if views is not None:
            told = views.iloc[row].sort_values(ascending=False, kind="stable")
        return {
            "oddness": float(self.oddness[row]),
            "is_outlier": bool(self.is_outlier[row]),
            "odder_than": float((self.oddness < self.oddness[row]).sum() / max(len(self) - 1, 1)),
            "rule": self.details["cut"]["rule"],
            "views": told,
            "neighbors": _neighbors(self.pool, row),
        }


def find_outliers(
    embedding: Any,
    *,
    labels: Any = None,
    reference: Any = None,
    expected_share: float | None = None,
    false_alarms: float | None = None,
    method: str | Callable[..., Any] = "consensus",
    random_state: int | None = None,
) -> Outliers:
    """Find rows that are unlike the others, or unlike clean reference rows.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows judged.
    labels : array-like of shape (n_items,), default=None
        Classes of the rows judged, as far as they are known, for methods that look within classes.
    reference : Embedding, Pool or array-like of shape (m, d), default=None
        Rows known to be clean; those of a Pool may have labels. None compares the rows with each
        other.
    expected_share : float, default=None
        Share of rows to mark, from 0 to 1: the oddest.
    false_alarms : float, default=None
        With a reference: the chance, from 0 to 1, that a clean row is marked. The cut is set on
        reference rows that are judged as unseen ones. Not together with `expected_share`. None
        takes 0.02 where there is a reference, or as little as its rows can tell. Where there is
        none, rows are marked whose oddness lies two robust standard deviations (of the upper half)
        above the median: of ordinary rows about 2 %, if their oddness is roughly normal. A method
        may have a cut of its own, which then holds.
    method : str or callable, default="consensus"
        A name in ``cl.methods("outliers")``, a method with settings, or a function
        ``(pool, *, rng)`` that returns one number a row, higher is odder. With a reference it may
        add a mapping with `reference_oddness`, how odd each reference row would be as an unseen
        one; without that, the verb judges a fifth of the reference at a time by the rest.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    Outliers

    Notes
    -----
    Without a reference, rows that have company are no outliers: a group of more than ten
    near-copies of an odd thing stays below the cut. Remove copies first (`find_duplicates`).

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(100, 4))
    >>> x[7] += 20
    >>> odd = cl.find_outliers(cl.Embedding(vectors=x, metric="euclidean"), random_state=0)
    >>> odd.top(1).tolist()
    [7]
    >>> odd.why(7)["views"].index.tolist()
    ['samples', 'spread', 'tails']
    """
    pool = as_pool(embedding, labels=labels, reference=reference)
    _refuse(pool, expected_share, false_alarms)
    answer = run(STAGE, method, pool, random_state=random_state)
    oddness, details = answer.arrays["oddness"], dict(answer.details)
    own, clean = details.pop("is_outlier", None), details.pop("reference_oddness", None)
    if expected_share is not None:
        is_outlier, cut = cut_by_share(oddness, expected_share)
    elif own is not None and false_alarms is None:
        is_outlier, cut = np.asarray(own, dtype=bool), {"rule": "the method's own"}
    elif pool.reference is not None:
        if clean is None:
            clean = held_out(STAGE, method, pool, seed=answer.params["random_state"])
        share = _false_alarms(false_alarms, len(clean))
        is_outlier, cut = cut_by_false_alarms(oddness, np.asarray(clean), share)
    else:
        is_outlier, cut = cut_by_spread(oddness)
    return Outliers(
        ids=pool.ids,
        oddness=oddness,
        is_outlier=is_outlier,
        pool=answer.pool,
        params={
            **answer.params,
            "expected_share": expected_share,
            "false_alarms": false_alarms,
        },
        details={**details, "cut": cut},
    )


def _refuse(pool: Pool, expected_share: float | None, false_alarms: float | None) -> None:
    if expected_share is not None:
        check_real("expected_share", expected_share, low=0, high=1)
    if false_alarms is not None:
        check_real("false_alarms", false_alarms, low=0, high=1)
        if expected_share is not None:
            rule = "None where expected_share is given: each sets the cut"
            raise ValueError(complain("false_alarms", rule, false_alarms))
        if pool.reference is None:
            rule = "None without a reference of clean rows, on which it is measured"
            raise ValueError(complain("false_alarms", rule, false_alarms))
    if pool.reference is not None and len(pool.reference) < 2:
        rule = "of at least 2 rows, to tell how far apart clean rows are"
        raise ValueError(complain("reference", rule, what="1 row"))
    if len(pool) < 2 and pool.reference is None:
        rule = "of at least 2 rows, to compare them with each other"
        raise ValueError(complain("embedding", rule, what="1 row", hint="Or pass reference=…."))


def _false_alarms(asked: float | None, n_clean: int) -> float:
    """Return the chance of a false alarm: as asked, or the least that so few rows can tell."""
    return max(FALSE_ALARMS, 1 / (n_clean + 1)) if asked is None else asked


def _neighbors(pool: Pool, row: int) -> pd.DataFrame:
    if pool.reference is None:
        ids = pool.ids
        near = pool.embedding.neighbors(min(10, len(pool) - 1))
        indices, similarity = near.indices[row], near.similarity[row]
    else:
        known = pool.reference.embedding
        ids = known.ids
        one = pool.embedding.take(pool.ids[[row]])
        found = known.search(one, min(10, len(known)))
        indices, similarity = found.indices[0], found.similarity[0]
    return pd.DataFrame({"similarity": similarity}, index=ids[indices])
