"""Selectors, judged by the accuracy of what is trained on their picks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

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
from curalab.effect._train import find_copies
from curalab.heads import with_proba
from curalab.leaderboard._cost import Cost
from curalab.leaderboard._models import trained
from curalab.leaderboard._protocols import Protocol
from curalab.leaderboard._runs import Run, halves_of
from curalab.pool import Pool, as_pool, find_stage, resolve
from curalab.selectors import select

__all__ = ["Selecting", "check_budgets", "check_test", "leaked"]

_log = logging.getLogger(__name__)


class _Pick(NamedTuple):
    budget: int
    rows: IntArray
    seconds: float
    peak_mib: float
    start: str


def check_budgets(budgets: Any, pool: Pool, labels: str) -> list[int]:
    """Return the budgets, or those that suit the pool where none are given."""
    free = len(pool) - len(_chosen(pool))
    if budgets is None:
        if labels == "all":
            return [max(1, free * percent // 100) for percent in (10, 25, 50)]
        n_classes = len(pool.classes) if pool.classes is not None else 1
        wanted = [times * n_classes for times in (1, 2, 5, 10)]
        return [budget for budget in wanted if budget <= free] or [free]
    rule = "one or more numbers, each above the last"
    if np.ndim(budgets) != 1:
        raise TypeError(complain("budgets", rule, budgets))
    given = [check_integer("budgets", budget, low=1, high=free) for budget in budgets]
    if not given or given != sorted(set(given)):
        raise ValueError(complain("budgets", rule, given))
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
    if not pd.Index(pool.classes).isin(asked.classes).any():
        rule = f"labelled with classes of the pool ({first_few(pool.classes)})"
        raise ValueError(complain("test", rule, what=first_few(asked.classes)))
    return asked


def leaked(pool: Pool, test: Pool) -> list[Any]:
    """Return the ids of test rows whose vector is that of a row of the pool, with a warning."""
    metric = pool.embedding.metric
    is_copy = find_copies(pool.embedding.points, test.embedding.points, metric)
    ids = test.ids[is_copy & test.is_labelled]
    if len(ids):
        _log.warning(
            "%s test rows equal a row of the pool (ids %s), which favours whoever picks it. "
            "find_leakage lists them, and near copies too.",
            f"{len(ids):,}",
            first_few(ids),
        )
    return list(ids)


@dataclass(frozen=True, kw_only=True, eq=False)
class Selecting:
    """Let a selector pick under a seed, train on its picks, and judge what was trained.

    Attributes
    ----------
    pool, test : Pool
        Where rows are picked, all with labels; and the rows that judge.
    budgets : tuple of int
        How many rows are picked, increasing.
    protocol : Protocol
        What is visible, and what is trained.
    """

    stage: ClassVar[str] = "selectors"

    pool: Pool
    test: Pool
    budgets: tuple[int, ...]
    protocol: Protocol

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what is measured; the first one ranks."""
        worst = "worst_class" if self.test.groups is None else "worst_group"
        others = [f"accuracy_{model}" for model in self.protocol.models[1:]]
        return ("accuracy", "balanced_accuracy", worst, "balance", *others)

    @cached_property
    def _codes(self) -> tuple[IntArray, IntArray]:
        """Classes of the pool's and of the test's rows, as numbers of one list."""
        both = [np.asarray(side.labels, object) for side in (self.pool, self.test)]
        codes = check_labels(np.concatenate(both))[1]
        return codes[: len(self.pool)], codes[len(self.pool) :]

    @cached_property
    def _halves(self) -> list[IntArray]:
        return halves_of(np.flatnonzero(self._codes[1] >= 0))

    @cached_property
    def _known(self) -> dict[bytes, dict[str, BoolArray]]:
        return {}

    def __call__(self, method: Any, seed: int) -> list[Run]:
        """Return one run a budget."""
        runs = []
        for pick in _picks(method, self.pool, self.budgets, self.protocol.labels, seed):
            right = self._trained(np.sort(pick.rows))
            of_model = right[self.protocol.models[0]]
            values = np.array([of_model[part].mean() for part in self._halves])
            metrics = self._measured(right, pick.rows)
            runs.append(Run(pick.budget, metrics, values, pick.seconds, pick.peak_mib, pick.start))
        return runs

    def _trained(self, rows: IntArray) -> dict[str, BoolArray]:
        """Return which test rows each model gets right; the same rows are trained on once."""
        key = rows.tobytes()
        if key not in self._known:
            codes, asked = self._codes
            n_classes = int(codes.max()) + 1  # a class that only the test has is never right
            points, passes = self.pool.embedding.points[rows], self.protocol.passes
            n_seen = None if passes is None else max(1, round(passes * len(self.pool)))
            self._known[key] = {
                model: trained(model, points, codes[rows], n_classes, n_seen)(
                    self.test.embedding.points
                )
                == asked
                for model in self.protocol.models
            }
        return self._known[key]

    def _measured(self, right: dict[str, BoolArray], picked: IntArray) -> dict[str, float]:
        first, *others = self.protocol.models
        codes, asked = self._codes
        is_judged = asked >= 0
        by_class = pd.Series(right[first][is_judged]).groupby(asked[is_judged]).mean()
        worst = by_class
        if self.test.groups is not None:
            groups = np.asarray(self.test.groups)[is_judged]
            worst = pd.Series(right[first][is_judged]).groupby(groups).mean()
        values = (
            right[first][is_judged].mean(),
            by_class.mean(),
            worst.min(),
            _evenness(codes[picked], int(codes.max()) + 1),
            *(right[model][is_judged].mean() for model in others),
        )
        return dict(zip(self.metrics, map(float, values), strict=True))


def _evenness(codes: IntArray, n_classes: int) -> float:
    """Return the entropy of the classes as a share of the largest possible one."""
    share = np.bincount(codes, minlength=n_classes) / len(codes)
    share = share[share > 0]
    most = np.log(min(n_classes, len(codes)))
    return float(-(share * np.log(share)).sum() / most) if most > 0 else 1.0


def _chosen(pool: Pool) -> IntArray:
    return np.empty(0, dtype=np.intp) if pool.chosen is None else pool.chosen


def _picks(
    method: Any, pool: Pool, budgets: Sequence[int], labels: str, seed: int
) -> Iterator[_Pick]:
    """Let a method pick up to each budget: anew where it prunes, onwards where it labels."""
    needs = getattr(resolve(find_stage("selectors"), method)[1], "needs", ())
    needs = {needs} if isinstance(needs, str) else set(needs)
    pick = _pruned if labels == "all" else _labelled
    return pick(method, needs, pool, budgets, seed)


def _pruned(
    method: Any, needs: set[str], pool: Pool, budgets: Sequence[int], seed: int
) -> Iterator[_Pick]:
    with Cost() as making:
        if "proba" in needs and pool.proba is None:
            pool, _ = with_proba(pool, seed)  # once for all budgets
    for i, budget in enumerate(budgets):
        with Cost() as cost:
            picked = select(pool, budget, method=method, random_state=_mixed(seed, i))
        rows = np.concatenate([_chosen(pool), picked.rows])
        peak = float(np.maximum(making.peak_mib, cost.peak_mib))
        yield _Pick(budget, rows, making.seconds + cost.seconds, peak, "")


def _labelled(
    method: Any, needs: set[str], pool: Pool, budgets: Sequence[int], seed: int
) -> Iterator[_Pick]:
    """Reveal the labels of what was picked, budget by budget.

    A method that needs labels when there are none starts from random picks, the same as those of
    the method "random".
    """
    rows, seconds, peak, start = _chosen(pool), 0.0, 0.0, ""
    for i, more in enumerate(np.diff(budgets, prepend=0)):
        by = method
        if not len(rows) and needs & {"labels", "proba"}:
            by, start = "random", "random"
        seen = _visible(pool, rows)
        with Cost() as cost:
            picked = select(seen, int(more), method=by, random_state=_mixed(seed, i))
        seconds, peak = seconds + cost.seconds, float(np.maximum(peak, cost.peak_mib))
        rows = np.concatenate([rows, picked.rows])
        yield _Pick(budgets[i], rows, seconds, peak, start)


def _mixed(seed: int, i: int) -> int:
    return int(np.random.SeedSequence([seed, i]).generate_state(1)[0])


def _visible(pool: Pool, rows: IntArray) -> Pool:
    """Return the pool with the labels of `rows` only, which are chosen."""
    if not len(rows):
        return pool.replace(labels=None, classes=None, proba=None, chosen=None)
    labels = np.full(len(pool), None, dtype=object)
    labels[rows] = np.asarray(pool.labels)[rows]
    return pool.replace(labels=labels, classes=None, proba=None, chosen=pool.ids[rows])
