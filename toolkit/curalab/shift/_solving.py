"""How well one thing about a row tells its class, on rows that it was not fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, FloatArray, IntArray
from curalab.shift._features import Feature

__all__ = ["answers", "chance_of", "note_on", "summary"]

_LEAVES, _LEAF = 16, 5  # of a tree, and rows of a leaf
_PRIOR = 2.0  # rows of the whole set that each value of a category counts beside its own
_COPY = 0.99  # share of rows for which a copy holds


def answers(
    kind: str, values: AnyArray, codes: IntArray, classes: AnyArray, fold: IntArray
) -> tuple[FloatArray, IntArray]:
    """Return out-of-fold class probabilities, and the class that they say (-1 is none)."""
    if kind == "rule":
        proba = np.full((len(codes), len(classes)), 1 / len(classes))
        proba[values >= 0] = np.eye(len(classes))[values[values >= 0]]
        return proba, values
    judge = _by_category if values.dtype == object else _by_tree
    proba = judge(values, codes, len(classes), fold)
    return proba, proba.argmax(axis=1)


def _by_category(values: AnyArray, codes: IntArray, n_classes: int, fold: IntArray) -> FloatArray:
    value, _ = pd.factorize(pd.Series(values, dtype=object), use_na_sentinel=False)
    n_values = int(value.max()) + 1
    cell = value * n_classes + codes
    proba = np.empty((len(codes), n_classes))
    for part in np.unique(fold):
        out = fold == part
        count = np.bincount(cell[~out], minlength=n_values * n_classes).reshape(n_values, -1)
        count = count + _PRIOR * count.sum(axis=0) / count.sum()
        proba[out] = (count / count.sum(axis=1, keepdims=True))[value[out]]
    return proba


def _by_tree(values: AnyArray, codes: IntArray, n_classes: int, fold: IntArray) -> FloatArray:
    from sklearn.tree import DecisionTreeClassifier

    # places in the order, as trees round large numbers, and cannot take infinite ones
    place = pd.Series(values.astype(np.float64)).rank(method="dense").to_numpy()[:, None]
    proba = np.zeros((len(codes), n_classes))
    for part in np.unique(fold):
        out = fold == part
        tree = DecisionTreeClassifier(
            max_leaf_nodes=_LEAVES, min_samples_leaf=_LEAF, random_state=0
        )
        tree.fit(place[~out], codes[~out])
        proba[np.ix_(out, tree.classes_)] = tree.predict_proba(place[out])
    return proba


def summary(
    feature: Feature, codes: IntArray, proba: FloatArray, guess: IntArray, p_value: float, note: str
) -> dict[str, Any]:
    """Return the row of the table."""
    n, size = len(codes), np.bincount(codes, minlength=proba.shape[1])
    n_solved, baseline = int((guess == codes).sum()), float(size.max() / n)
    auc = [_ranked(proba[:, i], codes == i)[0] for i in np.flatnonzero(size)]
    return {
        "column": feature.name,
        "kind": feature.kind,
        "score": n_solved / n,
        "baseline": baseline,
        "gap": n_solved / n - baseline,
        "auc": float(np.mean(auc)),
        "p_value": p_value,
        "n_solved": n_solved,
        "note": note,
    }


def chance_of(
    kind: str, values: AnyArray, codes: IntArray, classes: AnyArray, half: IntArray
) -> float:
    """Return a p-value: how often so much would be told where the labels are dealt at random.

    What is fitted is tested on one half after the other, each by what the other half taught; the
    lesser p-value is doubled. Over overlapping folds the errors depend on each other.
    """
    proba, guess = answers(kind, values, codes, classes, half)
    parts = [np.arange(len(codes))] if kind == "rule" else [half == 0, half == 1]
    least = min(_test(proba[part], guess[part], codes[part]) for part in parts)
    return min(1.0, len(parts) * least)


def _test(proba: FloatArray, guess: IntArray, codes: IntArray) -> float:
    """Return the lesser p-value of two, doubled: of rows solved, and of ranks within classes."""
    from scipy.stats import binom

    n, size = len(codes), np.bincount(codes, minlength=proba.shape[1])
    solved = binom.sf((guess == codes).sum() - 1, n, size.max() / n)
    known = np.flatnonzero((size > 0) & (size < n))
    ranked = [_ranked(proba[:, i], codes == i)[1] for i in known]
    return 2 * min(float(solved), len(known) * min(ranked, default=1.0))


def _ranked(score: FloatArray, is_one: BoolArray) -> tuple[float, float]:
    """Return the area under the curve, and the one-sided p-value of Mann and Whitney."""
    from scipy.stats import norm, rankdata, tiecorrect

    ranks = rankdata(score.round(12))
    n, n_one = len(score), int(is_one.sum())
    pairs = n_one * (n - n_one)
    above = ranks[is_one].sum() - n_one * (n_one + 1) / 2
    spread = np.sqrt(tiecorrect(ranks) * pairs * (n + 1) / 12)
    p_value = norm.sf((above - pairs / 2 - 0.5) / spread) if spread > 0 else 1.0
    return float(above / pairs), float(p_value)


def note_on(feature: Feature, values: AnyArray, codes: IntArray, classes: AnyArray) -> str:
    if feature.kind in ("rule", "score", "order"):
        return feature.note
    value, known = pd.factorize(pd.Series(values), use_na_sentinel=True)
    if len(known) != len(classes):
        return feature.note
    present = value >= 0
    times = np.zeros((len(known), len(classes)))
    np.add.at(times, (value[present], codes[present]), 1)
    most = times.argmax(axis=1)
    n_same = times.max(axis=1).sum()
    if len(set(most.tolist())) < len(classes) or n_same < _COPY * len(codes):
        return feature.note
    pairs = [(one, classes[at]) for one, at in zip(known, most, strict=True)]
    is_copy = all(one == other or str(one) == str(other) for one, other in pairs)
    told = "copy of the label" if is_copy else "recoding of the label"
    n_off = len(codes) - int(n_same)
    return f"{told}, but for {n_off:,} rows" if n_off else told
