"""Stages that say something of each row, judged against the truth."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import AnyArray, FloatArray, IntArray, complain
from curalab.leaderboard._cost import Cost
from curalab.leaderboard._runs import Run, halves_of
from curalab.pool import Pool, find_stage

__all__ = ["JUDGES", "Finding"]


class Judge(NamedTuple):
    """How one stage is judged.

    `metrics` get the truth and the answer of some rows, and higher is better; the first one
    ranks. `prepare` returns the truth of each row and which rows count; `answer` is what a
    result says of each row.
    """

    metrics: Mapping[str, Callable[[AnyArray, AnyArray], float]]
    prepare: Callable[[Pool, AnyArray], tuple[AnyArray, IntArray]]
    answer: Callable[[Any], AnyArray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Finding:
    """Run a method of a stage under a seed, and judge its answer.

    Attributes
    ----------
    stage : str
        One of `JUDGES`.
    pool : Pool
        What the methods see.
    truth : ndarray of shape (n_items,)
        What is right, in the order of the pool.
    """

    stage: str
    pool: Pool
    truth: AnyArray

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what is measured; the first one ranks."""
        return tuple(JUDGES[self.stage].metrics)

    @cached_property
    def right(self) -> tuple[AnyArray, IntArray]:
        """The truth in the judge's form, and the rows that count."""
        return JUDGES[self.stage].prepare(self.pool, self.truth)

    @cached_property
    def _halves(self) -> list[IntArray]:
        return halves_of(self.right[1])

    @cached_property
    def _known(self) -> list[tuple[AnyArray, dict[str, float], FloatArray]]:
        return []

    def __call__(self, method: Any, seed: int) -> list[Run]:
        """Return the one run that there is."""
        verb = getattr(
            importlib.import_module(f"curalab.{self.stage}"), find_stage(self.stage).verb
        )
        with Cost() as cost:
            result = verb(self.pool, method=method, random_state=seed)
        judged = self._judged(JUDGES[self.stage].answer(result))
        return [Run(None, *judged, cost.seconds, cost.peak_mib)]

    def _judged(self, answer: AnyArray) -> tuple[dict[str, float], FloatArray]:
        for known, metrics, values in self._known:
            if np.array_equal(known, answer, equal_nan=answer.dtype.kind == "f"):
                return metrics, values
        (right, rows), measures = self.right, JUDGES[self.stage].metrics
        metrics = {
            name: float(metric(right[rows], answer[rows])) for name, metric in measures.items()
        }
        ranking = next(iter(measures.values()))
        values = np.array([ranking(right[half], answer[half]) for half in self._halves])
        self._known.append((answer, metrics, values))
        return metrics, values


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


# ---- metrics -------------------------------------------------------------------------------------


def _auroc(truth: AnyArray, answer: AnyArray) -> float:
    from sklearn.metrics import roc_auc_score

    is_defined = truth.any() and not truth.all()
    return float(roc_auc_score(truth, answer)) if is_defined else np.nan


def _average_precision(truth: AnyArray, answer: AnyArray) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, answer)) if truth.any() else np.nan


def _precision(truth: AnyArray, answer: AnyArray) -> float:
    first = np.argsort(-answer, kind="stable")[: int(truth.sum())]
    return float(truth[first].mean()) if len(first) else np.nan


def _rand(truth: AnyArray, answer: AnyArray) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(truth, answer))


def _information(truth: AnyArray, answer: AnyArray) -> float:
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(truth, answer))


def _accuracy(truth: AnyArray, answer: AnyArray) -> float:
    return float((truth == answer).mean())


def _balanced(truth: AnyArray, answer: AnyArray) -> float:
    return float(pd.Series(truth == answer).groupby(truth).mean().mean())


def _pairs(truth: AnyArray, answer: AnyArray) -> tuple[int, int, int]:
    """Return the numbers of pairs that are real and found, found, and real."""
    groups = pd.DataFrame({"truth": truth, "answer": answer})
    is_real, is_found = truth >= 0, answer >= 0
    sizes = (groups[is_real & is_found], groups[["answer"]][is_found], groups[["truth"]][is_real])
    both, found, real = (int((s * (s - 1) // 2).sum()) for s in map(_sizes, sizes))
    return both, found, real


def _sizes(groups: pd.DataFrame) -> IntArray:
    return groups.value_counts().to_numpy()


def _pair_f1(truth: AnyArray, answer: AnyArray) -> float:
    both, found, real = _pairs(truth, answer)
    return 2 * both / (found + real) if real else np.nan


def _pair_precision(truth: AnyArray, answer: AnyArray) -> float:
    both, found, _ = _pairs(truth, answer)
    return both / found if found else np.nan


def _pair_recall(truth: AnyArray, answer: AnyArray) -> float:
    both, _, real = _pairs(truth, answer)
    return both / real if real else np.nan


JUDGES = {
    "outliers": Judge(
        {"auroc": _auroc, "average_precision": _average_precision},
        _outliers,
        lambda r: r.oddness,
    ),
    "label_errors": Judge(
        {"average_precision": _average_precision, "precision_at_n_errors": _precision},
        _wrong_labels,
        lambda r: 1 - r.quality,
    ),
    "clusters": Judge(
        {"adjusted_rand": _rand, "mutual_information": _information},
        _groups,
        lambda r: r.labels,
    ),
    "duplicates": Judge(
        {"pair_f1": _pair_f1, "precision": _pair_precision, "recall": _pair_recall},
        _copies,
        lambda r: r.group,
    ),
    "pseudo_labels": Judge(
        {"accuracy": _accuracy, "balanced_accuracy": _balanced},
        _hidden_labels,
        lambda r: r.labels,
    ),
}
