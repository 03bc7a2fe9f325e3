"""Selectors: which rows to label next, or to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import IntArray, check_integer, complain, first_few
from curalab.pool import Array, Pool, Stage, as_pool, run
from curalab.selectors._allocation import GroupAllocation, group_allocation
from curalab.selectors._cascade import Cascade, cascade, funnel
from curalab.selectors._frontier import BudgetFrontier, budget_frontier
from curalab.selectors._selection import Selection, mix_of
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
            details[name] = mix = mix_of(np.asarray(values), rows, one)
            missed[name] = mix.loc[(mix["selection"] == 0) & mix[one].notna(), one].tolist()
    return Selection(
        ids=pool.ids[rows],
        rows=rows,
        gain=gain,
        params={**answer.params, "k": k, "n_chosen": n_chosen},
        details={**details, **({"missed": missed} if missed else {}), "n_pool": len(pool)},
    )
