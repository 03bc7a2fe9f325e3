"""Probabilities for rows that the head did not see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from curalab._check import FloatArray, IntArray
from curalab.heads._kernel import kernel_features
from curalab.heads._linear import Head, fit_head

if TYPE_CHECKING:
    from curalab.pool import Pool

__all__ = ["PENALTIES", "folds_of", "out_of_fold_proba", "with_proba"]

PENALTIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
_SMALL = 5_000  # rows up to which several deals are affordable, and worth it
_DEALS = 3
_MOST_ROWS = 50_000  # that the penalty is found on


def folds_of(codes: IntArray, n_folds: int, *, rng: np.random.Generator) -> IntArray:
    """Deal rows into folds, class by class, so that each fold has its share of each class."""
    shuffled = rng.permutation(len(codes))
    in_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    fold = np.empty(len(codes), dtype=np.int64)
    fold[in_class] = np.arange(len(codes)) % n_folds
    return fold


def out_of_fold_proba(
    points: FloatArray,
    codes: IntArray,
    n_classes: int,
    *,
    n_folds: int = 5,
    rng: np.random.Generator,
) -> tuple[FloatArray, dict[str, Any]]:
    """Return class probabilities from heads that did not train on the row.

    Linear heads on `kernel_features`. The penalty is the one of `PENALTIES` with the least mean
    loss on the rows left out; of more than 50,000 labelled rows, so many drawn ones say about which
    it is, and only smaller ones are tried on all. Up to 5,000 labelled rows the mean over three
    deals into folds is taken: it is steadier than one.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Vectors of all rows.
    codes : ndarray of shape (n,), int
        Class numbers, -1 where a row has no label: such rows get the mean over the heads.
    n_classes : int
        Columns of the answer.
    n_folds : int, default=5
        Parts; fewer where there are fewer labelled rows.
    rng : numpy.random.Generator
        Draws landmarks, deals the rows into folds, and draws those that the penalty is found on.

    Returns
    -------
    proba : ndarray of shape (n, n_classes), float64
        Rows sum to 1.
    record : dict
        Folds, deals, penalty and mean loss of the rows left out.
    """
    labelled = np.flatnonzero(codes >= 0)
    n_folds = max(2, min(n_folds, len(labelled)))
    if len(labelled) < 2 or len(np.unique(codes[labelled])) < 2:
        only = np.zeros((len(codes), n_classes))
        only[:, codes[labelled[0]]] = 1.0
        return only, {"folds": 0, "deals": 0, "penalty": None, "loss": 0.0}
    features = kernel_features(points, rng=rng)
    n_deals = _DEALS if len(labelled) <= _SMALL else 1
    folds = []
    for _ in range(n_deals):
        fold = np.full(len(codes), -1)
        fold[labelled] = folds_of(codes[labelled], n_folds, rng=rng)
        folds.append(fold)
    penalties: Sequence[float] = PENALTIES
    starts: dict[int, Head] = {}
    if len(labelled) > _MOST_ROWS:
        some = np.sort(rng.permutation(labelled)[:_MOST_ROWS])
        of_some = features[some], codes[some], n_classes, folds[0][some]
        most, _, starts = _best_penalty(*of_some, PENALTIES, {})
        penalties = PENALTIES[PENALTIES.index(most) :]
    found = _best_penalty(features, codes, n_classes, folds[0], penalties, starts)
    penalty, proba, heads = found[0], found[1], list(found[2].values())
    for fold in folds[1:]:
        left_out, others = _cross_fitted(features, codes, n_classes, fold, penalty, {})
        proba, heads = proba + left_out, [*heads, *others.values()]
    rest = features[codes < 0]
    for head in heads:  # of the penalty found alone: rows without a label say nothing of it
        proba[codes < 0] += head.predict_proba(rest) / n_folds
    proba = proba / n_deals
    loss = round(_mean_loss(proba, codes), 6)
    return proba, {"folds": n_folds, "deals": n_deals, "penalty": penalty, "loss": loss}


def _best_penalty(
    points: FloatArray,
    codes: IntArray,
    n_classes: int,
    fold: IntArray,
    penalties: Sequence[float],
    heads: dict[int, Head],
) -> tuple[float, FloatArray, dict[int, Head]]:
    """Follow the penalties from the largest down while the loss falls; each start is the last."""
    best: tuple[float, float, FloatArray, dict[int, Head]] | None = None
    for penalty in penalties:
        proba, heads = _cross_fitted(points, codes, n_classes, fold, penalty, heads)
        loss = _mean_loss(proba, codes)
        if best is not None and loss > best[0]:
            break
        best = loss, penalty, proba, heads
    return best[1:]  # type: ignore[index]  # there is a penalty


def _cross_fitted(
    points: FloatArray,
    codes: IntArray,
    n_classes: int,
    fold: IntArray,
    penalty: float,
    starts: dict[int, Head],
) -> tuple[FloatArray, dict[int, Head]]:
    """Return the probabilities of labelled rows by the head of the other folds, and the heads."""
    heads = {}
    proba = np.zeros((len(codes), n_classes))
    for i in range(int(fold.max()) + 1):
        train, left = (fold >= 0) & (fold != i), fold == i
        heads[i] = fit_head(
            points[train], codes[train], n_classes, penalty=penalty, start=starts.get(i)
        )
        proba[left] = heads[i].predict_proba(points[left])
    return proba, heads


def _mean_loss(proba: FloatArray, codes: IntArray) -> float:
    rows = np.flatnonzero(codes >= 0)
    return float(-np.log(np.clip(proba[rows, codes[rows]], 1e-12, 1)).mean())


def with_proba(pool: Pool, seed: int) -> tuple[Pool, dict[str, Any]]:
    """Return the pool with out-of-fold probabilities of its own labels, and their record."""
    n_classes = 0 if pool.classes is None else len(pool.classes)
    proba, record = out_of_fold_proba(
        pool.embedding.points, pool.codes, n_classes, rng=np.random.default_rng(seed)
    )
    return pool.replace(proba=proba), record
