"""Pseudo-labels of rows whose label is known, but was hidden from the method."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from curalab._check import (
    BoolArray,
    FloatArray,
    IntArray,
    check_labels,
    check_seed,
    complain,
    first_few,
    rows_of,
)
from curalab.pool import Pool, resolve
from curalab.pseudo_labels._calibration import Calibrator, fit, held_out, likeliest
from curalab.pseudo_labels._matching import counted, matched
from curalab.pseudo_labels._verb import with_classes

if TYPE_CHECKING:
    from curalab.pseudo_labels import PseudoLabels

__all__ = ["judge"]

# A run, the rows judged by it, their labels, and the column of each label.
Judged: TypeAlias = "tuple[PseudoLabels, IntArray, Any, IntArray]"

_ENOUGH, _MOST_ROUNDS = 200, 5


def judge(
    pool: Pool,
    truth: Any,
    method: str | Callable[..., Any] | None,
    n_folds: int,
    random_state: int | None,
) -> tuple[PseudoLabels, pd.DataFrame, Calibrator, int]:
    """Return the run with all labels, the rows judged, what calibrates and the seed."""
    from tqdm.auto import tqdm

    from curalab.pseudo_labels import STAGE, pseudo_label

    seed = check_seed(random_state)
    rng, method = np.random.default_rng(seed), method or STAGE.start_here
    folds = _folds(pool, n_folds, rng) if truth is None else []  # says what is missing, first
    full = pseudo_label(pool, method=method, random_state=seed)
    n_classes = len(with_classes(pool, resolve(STAGE, method)[1]).classes)
    if truth is not None:
        told = _told(pool, truth)
        rows = rows_of(pool.ids, told.index, name="truth")
        runs = [_named(full, rows, told.to_numpy(dtype=object), n_classes)]
        n_classes = full.proba.shape[1]  # what was discovered is judged, too
    else:
        runs = []
        for hidden in tqdm(folds, "labels hidden", delay=2, disable=None):
            rows = np.flatnonzero(hidden)
            run = pseudo_label(_without(pool, hidden), method=method, random_state=seed)
            runs.append((run, rows, pool.classes[pool.codes[rows]], pool.codes[rows]))
    return full, *_judged(runs, full, n_classes, rng), seed


def _judged(
    runs: list[Judged],
    full: PseudoLabels,
    n_classes: int,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, Calibrator]:
    width = max(run.proba.shape[1] for run, *_ in runs)
    parts = []
    probas: list[FloatArray] = []
    codes: list[IntArray] = []
    for run, rows, label, code in runs:
        codes.append(code)
        lacking = width - run.proba.shape[1]  # classes that another run discovered
        probas.append(np.pad(run.proba[rows], ((0, 0), (0, lacking))))
        predicted = run.labels[rows]
        told = {"row": rows, "label": label, "predicted": predicted, "is_new": run.is_new[rows]}
        right = run.proba[rows].argmax(axis=1) == code
        parts.append(pd.DataFrame({**told, "right": right, "raw": run.confidence[rows]}))
    judged = pd.concat(parts, ignore_index=True)
    weight = 1 / np.bincount(judged["row"])[judged["row"]]
    proba, code = np.concatenate(probas), np.concatenate(codes)
    how = fit(proba, code, weight, n_classes)
    judged["confidence"] = likeliest(proba, how)
    row = judged.pop("row").to_numpy()
    judged["held_out"] = held_out(proba, code, weight, row, n_classes, rng)
    judged["weight"] = weight
    return judged.set_index(full.ids[row]), how


def _named(full: PseudoLabels, rows: IntArray, label: Any, n_known: int) -> Judged:
    """Return the rows judged with the column of the label of each, -1 where it has none.

    A class that nobody named has the column that the other rows judged match it with (Hungarian):
    with its own, a single row would always be right. One of a class of no other row is left out.
    """
    code = pd.Index(full.classes[:n_known]).get_indexer(pd.Index(label))
    unnamed, n_new = np.flatnonzero(code < 0), full.proba.shape[1] - n_known
    if not len(unnamed) or not n_new:
        return full, rows, label, code
    of, names = pd.factorize(label[unnamed])
    column = full.proba[rows[unnamed]].argmax(axis=1) - n_known
    found = column >= 0
    table = counted(of[found], column[found], (len(names), n_new))
    for one, to in set(zip(of.tolist(), column.tolist(), strict=True)):
        rest = table.copy()
        if to >= 0:
            rest[one, to] -= 1
        other = matched(rest)[one]
        code[unnamed[(of == one) & (column == to)]] = n_known + other if other >= 0 else -1
    kept = np.full(len(rows), True)
    kept[unnamed] = np.bincount(of)[of] > 1
    if not kept.any():
        rule = "labels in 'labels', or of two rows or more each"
        raise ValueError(complain("truth", rule, what="one row each of other classes"))
    return full, rows[kept], label[kept], code[kept]


def _told(pool: Pool, truth: Any) -> pd.Series[Any]:
    if not isinstance(truth, pd.Series | dict):
        raise TypeError(complain("truth", "a Series or mapping of id to label", truth))
    told = pd.Series(truth, dtype=object).dropna()
    if not len(told):
        raise ValueError(complain("truth", "labels of at least one row", what="none"))
    known = [] if pool.classes is None else pool.classes.tolist()
    check_labels([*known, *told.unique()], name="truth")  # "1" is not 1
    if not told.index.is_unique:
        twice = told.index[told.index.duplicated()].unique()
        raise ValueError(complain("truth", "of distinct ids", what=f"twice {first_few(twice)}"))
    is_given = pool.is_labelled[rows_of(pool.ids, told.index, name="truth")]
    if is_given.any():
        rule = "of rows that have no label in 'labels'"
        got = f"rows that have one (ids {first_few(told.index[is_given])})"
        raise ValueError(complain("truth", rule, what=got))
    return told


def _folds(pool: Pool, n_folds: int, rng: np.random.Generator) -> list[BoolArray]:
    """Return which rows each run must not see: every row once a round, never all of a class."""
    codes = pool.codes
    count = np.bincount(codes[codes >= 0], minlength=1)
    several = np.flatnonzero(count > 1)
    if not len(several):
        got = "no label" if not count.any() else "none with two"
        hint = "Pass truth=…, labels of some rows for judging alone."
        rule = "of at least one class with two labels, to hide one"
        raise ValueError(complain("labels", rule, what=got, hint=hint))
    # As many folds as the classes have labels hides one of each at a time: a row whose class
    # alone is short of a label would be judged by a run that leans to the others.
    n = int(np.clip(np.median(count[several]), 2, n_folds))
    total = int(count[several].sum())
    folds = []
    for _ in range(min(_MOST_ROUNDS, -(-_ENOUGH // total))):
        fold = np.full(len(codes), -1)
        for c in several:
            members = rng.permutation(np.flatnonzero(codes == c))
            fold[members] = (np.arange(len(members)) + rng.integers(n)) % n
        folds += [fold == f for f in range(n) if (fold == f).any()]
    return folds


def _without(pool: Pool, hidden: BoolArray) -> Pool:
    labels = np.full(len(pool), None, dtype=object)
    shown = pool.is_labelled & ~hidden
    labels[shown] = pool.classes[pool.codes[shown]]
    return pool.replace(labels=labels, classes=pool.classes)
