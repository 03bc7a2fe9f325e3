"""Selectors: which rows to label next, or to keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import (
    AnyArray,
    FloatArray,
    IntArray,
    carried_ids,
    check_integer,
    complain,
    first_few,
    rows_of,
)
from curalab.neighbors import nearest
from curalab.pool import Array, Pool, Stage, as_pool, run
from curalab.results import StageResult
from curalab.selectors._allocation import GroupAllocation, group_allocation
from curalab.selectors._cascade import Cascade, cascade, funnel
from curalab.selectors._frontier import BudgetFrontier, budget_frontier
from curalab.selectors._signals import signals
from curalab.selectors._top_k import TopK, top_k
from curalab.selectors.anomaly_query import AnomalyQuery
from curalab.selectors.badge import Badge
from curalab.selectors.complexity_pruning import ComplexityPruning
from curalab.selectors.confidence_mixup import ConfidenceMixup
from curalab.selectors.coverage_plus_uncertainty import CoveragePlusUncertainty
from curalab.selectors.entropy import Entropy
from curalab.selectors.facility_location import FacilityLocation
from curalab.selectors.herding import Herding
from curalab.selectors.hierarchical_balance import HierarchicalBalance
from curalab.selectors.importance_resampling import ImportanceResampling
from curalab.selectors.k_center import KCenter
from curalab.selectors.label_entropy import LabelEntropy
from curalab.selectors.learned_filter import LearnedFilter
from curalab.selectors.loss_reduction import LossReduction
from curalab.selectors.margin import Margin
from curalab.selectors.nearest_to_target import NearestToTarget
from curalab.selectors.pair_alignment import PairAlignment
from curalab.selectors.prob_cover import ProbCover
from curalab.selectors.random import Random
from curalab.selectors.seed_retrieval import SeedRetrieval
from curalab.selectors.stratified import Stratified
from curalab.selectors.typicality import Typicality

__all__ = [
    "STAGE",
    "AnomalyQuery",
    "Badge",
    "BudgetFrontier",
    "Cascade",
    "ComplexityPruning",
    "ConfidenceMixup",
    "CoveragePlusUncertainty",
    "Entropy",
    "FacilityLocation",
    "GroupAllocation",
    "Herding",
    "HierarchicalBalance",
    "ImportanceResampling",
    "KCenter",
    "LabelEntropy",
    "LearnedFilter",
    "LossReduction",
    "Margin",
    "NearestToTarget",
    "PairAlignment",
    "ProbCover",
    "Random",
    "SeedRetrieval",
    "Selection",
    "Stratified",
    "TopK",
    "Typicality",
    "budget_frontier",
    "cascade",
    "funnel",
    "group_allocation",
    "select",
    "signals",
    "top_k",
]


def _promise(pool: Pool, arguments: tuple[Any, ...], arrays: dict[str, IntArray]) -> str:
    """Say which rows a selector must not have returned, "" where all is well."""
    rows, n = arrays["rows"], len(pool)
    outside = rows[(rows < 0) | (rows >= n)]
    twice = np.unique(rows[pd.Index(rows).duplicated()])
    chosen = rows[np.isin(rows, [] if pool.chosen is None else pool.chosen)]
    faults = [
        (outside, f"it returned {first_few(outside)}, and row numbers go from 0 to {n - 1:,}"),
        (twice, f"it returned {first_few(twice)} more than once"),
        (chosen, f"it returned {first_few(chosen)}, which pool.chosen holds already"),
    ]
    return "; ".join(text for rows_at_fault, text in faults if len(rows_at_fault))


STAGE = Stage(
    name="selectors",
    verb="select",
    contract="A selector gets (pool, k, *, rng) and returns k distinct row numbers, best first.",
    returns=(Array(name="rows", kind="int", rows="argument"),),
    methods={
        "coverage_plus_uncertainty": CoveragePlusUncertainty,
        "facility_location": FacilityLocation,
        "typicality": Typicality,
        "stratified": Stratified,
        "prob_cover": ProbCover,
        "herding": Herding,
        "margin": Margin,
        "badge": Badge,
        "entropy": Entropy,
        "k_center": KCenter,
        "hierarchical_balance": HierarchicalBalance,
        "complexity_pruning": ComplexityPruning,
        "label_entropy": LabelEntropy,
        "confidence_mixup": ConfidenceMixup,
        "learned_filter": LearnedFilter,
        "nearest_to_target": NearestToTarget,
        "importance_resampling": ImportanceResampling,
        "loss_reduction": LossReduction,
        "seed_retrieval": SeedRetrieval,
        "pair_alignment": PairAlignment,
        "anomaly_query": AnomalyQuery,
        "random": Random,
    },
    functions={
        "top_k": top_k,
        "signals": signals,
        "cascade": cascade,
        "funnel": funnel,
        "group_allocation": group_allocation,
        "budget_frontier": budget_frontier,
    },
    start_here="coverage_plus_uncertainty",
    promise=_promise,
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Selection(StageResult):
    """The picked items, best first.

    Attributes
    ----------
    ids : pandas.Index of shape (k,)
        Ids of the picked items, best first.
    rows : ndarray of shape (k,), int
        Their row numbers in the pool.
    gain : ndarray of shape (k,), float
        What each pick added when it was made, in the method's own unit; higher is more. NaN
        where the method does not say.
    details : mapping
        With labels, `classes`: a DataFrame with the shares of each class in the pool and in the
        selection (the last row is of rows without a label); the same as `groups` where the pool
        has some. `missed` lists what has rows in the pool and was never picked. `n_pool` is the
        size of the pool.
    """

    prefix: ClassVar[str] = "selection"

    rows: IntArray
    gain: FloatArray

    @property
    def summary(self) -> str:  # noqa: D102
        missed = self.details.get("missed", {})
        parts = [f"{name} never picked: {len(v):,}" for name, v in missed.items() if v]
        return ", ".join([f"of {self.details['n_pool']:,}", *parts])

    def to_frame(self) -> pd.DataFrame:
        """Return one row a pick, best first, with its rank from 1 and its gain."""
        rank = np.arange(1, len(self) + 1)
        columns = {"selection_rank": rank, "selection_gain": self.gain}
        return pd.DataFrame(columns, index=self.ids)

    def mix(self, values: Any) -> pd.DataFrame:
        """Compare the picks with the pool by any value that each row of the pool has.

        Parameters
        ----------
        values : Clustering, Series or array-like of shape (n_pool,)
            Clusters, sources, languages: one value a row of the pool. What carries ids goes by
            id, the rest by position.

        Returns
        -------
        pandas.DataFrame
            One row a value: `value`, and its share of the `pool` and of the `selection` (0 where
            it was never picked).
        """
        column, picked = self._placed(values)
        return _mix(column, picked, "value")

    def _placed(self, values: Any) -> tuple[AnyArray, IntArray]:
        """Return the values of all rows, and where the picks are among them."""
        ids = carried_ids(values)
        column = getattr(values, "labels", values)
        if ids is None:
            rule = f"{self.details['n_pool']:,} values, one for each row of the pool"
            if len(column) != self.details["n_pool"]:
                raise ValueError(complain("values", rule, what=f"{len(column):,} values"))
            return np.asarray(column), self.rows
        picked = ids.get_indexer(self.ids)
        if (picked < 0).any():
            rule = "values for every row of the pool"
            got = f"none for the ids {first_few(self.ids[picked < 0])}"
            raise ValueError(complain("values", rule, what=got))
        return np.asarray(column), picked

    def uncovered(self, embedding: Any, n: int = 10) -> pd.DataFrame:
        """Return the rows that are farthest from every pick, the farthest first.

        Parameters
        ----------
        embedding : Embedding or Pool
            What the rows were picked from, or another view of the same rows.
        n : int, default=10
            Rows to return, at most as many as were not picked.

        Returns
        -------
        pandas.DataFrame
            Indexed by id: `distance` to the nearest pick (1 - cosine, or Euclidean), and
            `nearest`, the id of that pick.
        """
        space = as_pool(embedding).embedding
        n = check_integer("n", n, low=1)
        picked = rows_of(space.ids, self.ids, name="embedding")
        left = np.setdiff1d(np.arange(len(space)), picked)
        if not len(left):
            return pd.DataFrame({"distance": [], "nearest": []}, index=space.ids[left])
        found = nearest(space.points[picked], 1, metric=space.metric, queries=space.points[left])
        columns = {
            "distance": found.distance[:, 0],
            "nearest": self.ids[found.indices[:, 0]],
        }
        frame = pd.DataFrame(columns, index=space.ids[left])
        return frame.sort_values("distance", ascending=False, kind="stable").head(n)


def _mix(values: AnyArray, rows: IntArray, name: str) -> pd.DataFrame:
    shares = {
        part: pd.Series(some).value_counts(normalize=True, dropna=False)
        for part, some in (("pool", values), ("selection", values[rows]))
    }
    frame = pd.DataFrame(shares).fillna(0.0).sort_index(na_position="last")
    return frame.rename_axis(name).reset_index()


def select(
    embedding: Any,
    k: int,
    *,
    labels: Any = None,
    target: Any = None,
    chosen: Any = None,
    method: str | Callable[..., Any] = "coverage_plus_uncertainty",
    random_state: int | None = None,
) -> Selection:
    """Choose `k` rows to label, to keep or to look at.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The pool to choose from.
    k : int
        Rows to pick, from 1 to the number of rows not in `chosen`.
    labels : array-like of shape (n_items,), default=None
        Labels as far as they are known, None or NaN elsewhere. Labelled rows may be picked: to
        leave them out, name them in `chosen`.
    target : Embedding or array-like of shape (m, d), default=None
        Rows that the choice should resemble, for methods that look at them.
    chosen : sequence of ids, or boolean array of shape (n_items,), default=None
        Rows already labelled or kept. They are not picked again; methods may look at them.
    method : str or callable, default="coverage_plus_uncertainty"
        A name in ``cl.methods("selectors")``, a method with settings, ``cl.top_k(scorer)``, or a
        function ``(pool, k, *, rng)`` that returns k distinct row numbers, best first.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    Selection

    Raises
    ------
    ValueError
        `k` is out of bounds, or the method returned rows that break its contract.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.array([[0.0], [1], [2], [9], [10], [11]])
    >>> line = cl.Embedding(vectors=x, metric="euclidean")
    >>> cl.select(line, 1, chosen=[0]).ids.tolist()
    [4]
    >>> cl.select(line, 1, chosen=[0], method="k_center").ids.tolist()
    [5]
    """
    pool = as_pool(embedding, labels=labels, target=target, chosen=chosen)
    n_chosen = 0 if pool.chosen is None else len(pool.chosen)
    if n_chosen == len(pool):
        got = f"all {n_chosen:,} of them"
        raise ValueError(complain("chosen", "some of the rows, to leave others to pick", what=got))
    hint = f"There are {len(pool):,} rows, of which {n_chosen:,} are chosen already."
    k = check_integer("k", k, low=1, high=len(pool) - n_chosen, hint=hint)
    answer = run(STAGE, method, pool, k, random_state=random_state)
    rows, details = answer.arrays["rows"], dict(answer.details)
    gain = details.pop("gain", None)
    gain = np.full(k, np.nan) if gain is None else np.asarray(gain, dtype=np.float64)
    if gain.shape != (k,):
        rule = f"{k:,} numbers, one for each pick"
        raise ValueError(
            f"The method {answer.params['method']!r} must return 'gain' as {rule}. "
            f"Got shape {gain.shape} instead."
        )
    missed: dict[str, list[Any]] = {}
    for name, one, values in (("classes", "class", pool.labels), ("groups", "group", pool.groups)):
        if values is not None:
            details[name] = mix = _mix(np.asarray(values), rows, one)
            missed[name] = mix.loc[(mix["selection"] == 0) & mix[one].notna(), one].tolist()
    return Selection(
        ids=pool.ids[rows],
        rows=rows,
        gain=gain,
        params={**answer.params, "k": k, "n_chosen": n_chosen},
        details={**details, **({"missed": missed} if missed else {}), "n_pool": len(pool)},
    )
