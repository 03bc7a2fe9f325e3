"""Stages that say something of each row, judged against the truth."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import AnyArray, IntArray, align, complain
from curalab.leaderboard._runs import Run, halves_of
from curalab.pool import Pool, find_stage

__all__ = ["JUDGES", "finding"]


class Judge(NamedTuple):
    """How one stage is judged.

    `metrics` are their names, the one that ranks first; higher is better for all. `prepare`
    returns the truth of each row and the rows judged; `answer` says what a result holds for each
    row; `score` returns the metrics of some rows.
    """

    metrics: tuple[str, ...]
    prepare: Callable[[Pool, AnyArray], tuple[AnyArray, IntArray]]
    answer: Callable[[Any], AnyArray]
    score: Callable[[AnyArray, AnyArray], tuple[float, ...]]


def finding(stage: str, pool: Pool, truth: Any) -> Callable[[Any, int], list[Run]]:
    """Return the function that runs a method of `stage` under a seed and judges its answer."""
    judge = JUDGES[stage]
    right, rows = judge.prepare(pool, np.asarray(align("truth", truth, pool.ids)))
    halves = halves_of(rows)
    verb = getattr(importlib.import_module(f"curalab.{stage}"), find_stage(stage).verb)
    judged: list[tuple[AnyArray, list[tuple[float, ...]]]] = []

    def judged_once(answer: AnyArray) -> list[tuple[float, ...]]:
        for known, scores in judged:
            if np.array_equal(known, answer, equal_nan=answer.dtype.kind == "f"):
                return scores
        judged.append((answer, [judge.score(right[part], answer[part]) for part in halves]))
        return judged[-1][1]

    def runs(method: Any, seed: int) -> list[Run]:
        began = time.perf_counter()
        result = verb(pool, method=method, random_state=seed)
        seconds = time.perf_counter() - began
        scores = judged_once(judge.answer(result))
        metrics = dict(zip(judge.metrics, scores[0], strict=True))
        return [Run(None, metrics, np.array([score[0] for score in scores]), seconds)]

    return runs


# ---- truths --------------------------------------------------------------------------------------


def _outliers(pool: Pool, truth: AnyArray) -> tuple[AnyArray, IntArray]:
    if truth.dtype != np.bool_:
        rule = "a bool for each row: whether it is an outlier"
        raise TypeError(complain("truth", rule, what=f"dtype {truth.dtype}"))
    return _of_both_kinds(truth, np.arange(len(truth)))


def _wrong_labels(pool: Pool, truth: AnyArray) -> tuple[AnyArray, IntArray]:
    is_wrong = truth if truth.dtype == np.bool_ else truth != np.asarray(pool.labels)
    return _of_both_kinds(is_wrong, np.flatnonzero(pool.is_labelled))


def _of_both_kinds(mask: AnyArray, rows: IntArray) -> tuple[AnyArray, IntArray]:
    n = int(mask[rows].sum())
    if not 0 < n < len(rows):
        got = f"{n:,} of {len(rows):,}"
        raise ValueError(complain("truth", "true for some rows, and not for all", what=got))
    return mask, rows


def _groups(pool: Pool, truth: AnyArray) -> tuple[AnyArray, IntArray]:
    return pd.factorize(truth, use_na_sentinel=False)[0], np.arange(len(truth))


def _copies(pool: Pool, truth: AnyArray) -> tuple[AnyArray, IntArray]:
    if truth.dtype.kind not in "iu":
        rule = "a group number for each row, -1 for a row that is in none"
        raise TypeError(complain("truth", rule, what=f"dtype {truth.dtype}"))
    return truth, np.arange(len(truth))


def _hidden_labels(pool: Pool, truth: AnyArray) -> tuple[AnyArray, IntArray]:
    rows = np.flatnonzero(~pool.is_labelled & ~pd.isna(truth))
    if not len(rows):
        rule = "given for rows that have no label in the pool"
        raise ValueError(complain("truth", rule, what="none of those"))
    return truth, rows


# ---- scores --------------------------------------------------------------------------------------


def _ranking(truth: AnyArray, answer: AnyArray) -> tuple[float, ...]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    if truth.all() or not truth.any():
        return np.nan, np.nan
    return float(roc_auc_score(truth, answer)), float(average_precision_score(truth, answer))


def _suspects(truth: AnyArray, answer: AnyArray) -> tuple[float, ...]:
    from sklearn.metrics import average_precision_score

    if not truth.any():
        return np.nan, np.nan
    worst = np.argsort(-answer, kind="stable")[: int(truth.sum())]
    return float(average_precision_score(truth, answer)), float(truth[worst].mean())


def _partition(truth: AnyArray, answer: AnyArray) -> tuple[float, ...]:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    rand = adjusted_rand_score(truth, answer)
    return float(rand), float(normalized_mutual_info_score(truth, answer))


def _agreement(truth: AnyArray, answer: AnyArray) -> tuple[float, ...]:
    right = pd.Series(truth == answer)
    return float(right.mean()), float(right.groupby(truth).mean().mean())


def _pair_f1(truth: AnyArray, answer: AnyArray) -> tuple[float, ...]:
    groups = pd.DataFrame({"truth": truth, "answer": answer})
    both = _n_pairs(groups[(truth >= 0) & (answer >= 0)])
    found, real = _n_pairs(groups[["answer"]][answer >= 0]), _n_pairs(groups[["truth"]][truth >= 0])
    if not real:
        return np.nan, np.nan, np.nan
    return 2 * both / (found + real), both / found if found else 0.0, both / real


def _n_pairs(groups: pd.DataFrame) -> int:
    size = groups.value_counts().to_numpy()
    return int((size * (size - 1) // 2).sum())


JUDGES = {
    "outliers": Judge(("auroc", "average_precision"), _outliers, lambda r: r.oddness, _ranking),
    "label_errors": Judge(
        ("average_precision", "precision_at_n_errors"),
        _wrong_labels,
        lambda r: 1 - r.quality,
        _suspects,
    ),
    "clusters": Judge(
        ("adjusted_rand", "mutual_information"), _groups, lambda r: r.labels, _partition
    ),
    "duplicates": Judge(("pair_f1", "precision", "recall"), _copies, lambda r: r.group, _pair_f1),
    "pseudo_labels": Judge(
        ("accuracy", "balanced_accuracy"), _hidden_labels, lambda r: r.labels, _agreement
    ),
}
