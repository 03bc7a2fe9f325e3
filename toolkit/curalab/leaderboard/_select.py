"""Selectors, judged by the accuracy of a linear head on what they picked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import (
    BoolArray,
    IntArray,
    are_invented,
    check_integer,
    check_labels,
    complain,
    first_few,
)
from curalab.effect._train import PENALTY, side_by_side
from curalab.heads import fit_head, with_proba
from curalab.leaderboard._runs import Run, halves_of
from curalab.pool import Pool, as_pool, find_stage, resolve
from curalab.selectors import select

__all__ = ["METRICS", "check_budgets", "check_test", "selecting"]

METRICS = ("accuracy", "balanced_accuracy")


class _Pick(NamedTuple):
    budget: int
    rows: IntArray
    seconds: float
    start: str


def check_budgets(budgets: Any, pool: Pool, protocol: str) -> list[int]:
    """Return the budgets, or those that suit the pool where none are given."""
    free = len(pool) - len(_chosen(pool))
    if budgets is None:
        if protocol == "keep":
            return [max(1, free * percent // 100) for percent in (10, 25, 50)]
        n_classes = len(pool.classes) if pool.classes is not None else 1
        wanted = [times * n_classes for times in (1, 2, 5, 10)]
        return [budget for budget in wanted if budget <= free] or [free]
    given = [check_integer("budgets", budget, low=1, high=free) for budget in budgets]
    if not given or given != sorted(set(given)):
        raise ValueError(complain("budgets", "one or more numbers, each above the last", given))
    return given


def check_test(pool: Pool, test: Any) -> Pool:
    """Return the test pool if it belongs to `pool`, whose rows must all have a label."""
    asked = as_pool(test)
    if not asked.is_labelled.any():
        raise ValueError(complain("test", "a Pool with labels", what="one without"))
    if not pool.is_labelled.all():
        got = f"none for the ids {first_few(pool.ids[~pool.is_labelled])}"
        raise ValueError(complain("pool", "a Pool with a label for every row", what=got))
    sides = [f"{p.embedding.shape[1]:,} dimensions, {p.embedding.metric}" for p in (pool, asked)]
    if sides[0] != sides[1]:
        rule = f"of the pool's space ({sides[0]})"
        raise ValueError(complain("test", rule, what=sides[1]))
    shared = asked.ids.intersection(pool.ids)
    if len(shared) and not are_invented(asked.ids) and not are_invented(pool.ids):
        got = f"shared ids {first_few(shared)}"
        raise ValueError(complain("test", "of rows that are not in the pool", what=got))
    return asked


def selecting(
    pool: Pool, test: Pool, budgets: list[int], protocol: str
) -> Callable[[Any, int], list[Run]]:
    """Return the function that lets a selector pick under a seed and trains on its picks."""
    labels = np.concatenate([np.asarray(pool.labels, object), np.asarray(test.labels, object)])
    codes, test_codes = np.split(check_labels(labels)[1], [len(pool)])
    rows = np.flatnonzero(test_codes >= 0)
    halves = halves_of(rows)
    n_classes = int(codes.max()) + 1
    points, asked = pool.embedding.points, test.embedding.points
    known: dict[bytes, BoolArray] = {}

    def train(picked: IntArray) -> None:
        key = np.sort(picked).tobytes()
        if key not in known:
            head = fit_head(points[picked], codes[picked], n_classes, penalty=PENALTY)
            known[key] = head.predict_proba(asked).argmax(axis=1) == test_codes

    def judged(pick: _Pick) -> Run:
        right = known[np.sort(pick.rows).tobytes()]
        by_class = pd.Series(right[rows]).groupby(test_codes[rows]).mean()
        metrics = dict(zip(METRICS, (right[rows].mean(), by_class.mean()), strict=True))
        values = np.array([right[part].mean() for part in halves])
        return Run(pick.budget, metrics, values, pick.seconds, pick.start)

    def runs(method: Any, seed: int) -> list[Run]:
        picks = list(_picks(method, pool, budgets, protocol, seed))
        side_by_side(train, [pick.rows for pick in picks], "training")
        return [judged(pick) for pick in picks]

    return runs


def _chosen(pool: Pool) -> IntArray:
    return np.empty(0, dtype=np.intp) if pool.chosen is None else pool.chosen


def _picks(
    method: Any, pool: Pool, budgets: list[int], protocol: str, seed: int
) -> Iterator[_Pick]:
    """Let a method pick up to each budget: anew where it prunes, onwards where it labels."""
    needs = getattr(resolve(find_stage("selectors"), method)[1], "needs", ())
    needs = {needs} if isinstance(needs, str) else set(needs)
    pick = _pruned if protocol == "keep" else _labelled
    return pick(method, needs, pool, budgets, seed)


def _pruned(
    method: Any, needs: set[str], pool: Pool, budgets: list[int], seed: int
) -> Iterator[_Pick]:
    began = time.perf_counter()
    if "proba" in needs and pool.proba is None:
        pool, _ = with_proba(pool, seed)  # once for all budgets
    making = time.perf_counter() - began
    for i, budget in enumerate(budgets):
        began = time.perf_counter()
        picked = select(pool, budget, method=method, random_state=_mixed(seed, i))
        seconds = making + time.perf_counter() - began
        yield _Pick(budget, np.concatenate([_chosen(pool), picked.rows]), seconds, "")


def _labelled(
    method: Any, needs: set[str], pool: Pool, budgets: list[int], seed: int
) -> Iterator[_Pick]:
    """Reveal the labels of what was picked, budget by budget.

    A method that needs labels when there are none starts from random picks, the same as those of
    the method "random".
    """
    rows, seconds, start = _chosen(pool), 0.0, ""
    for i, more in enumerate(np.diff(budgets, prepend=0)):
        by = method
        if not len(rows) and needs & {"labels", "proba"}:
            by, start = "random", "random"
        seen = _visible(pool, rows)
        began = time.perf_counter()
        picked = select(seen, int(more), method=by, random_state=_mixed(seed, i))
        seconds += time.perf_counter() - began
        rows = np.concatenate([rows, picked.rows])
        yield _Pick(budgets[i], rows, seconds, start)


def _mixed(seed: int, i: int) -> int:
    return int(np.random.SeedSequence([seed, i]).generate_state(1)[0])


def _visible(pool: Pool, rows: IntArray) -> Pool:
    """Return the pool with the labels of `rows` only, which are chosen."""
    if not len(rows):
        return pool.replace(labels=None, classes=None, proba=None, chosen=None)
    labels = np.full(len(pool), None, dtype=object)
    labels[rows] = np.asarray(pool.labels)[rows]
    return pool.replace(labels=labels, classes=None, proba=None, chosen=pool.ids[rows])
