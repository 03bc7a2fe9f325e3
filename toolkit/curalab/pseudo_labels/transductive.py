"""Prototypes that move to the unlabelled rows, with neighbours that agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_integer, check_real
from curalab.pool import BoolArray, FloatArray, Pool
from curalab.pseudo_labels._balance import balance_of, rows_to_one, sinkhorn
from curalab.pseudo_labels._graph import graph_of
from curalab.pseudo_labels._held import Held, held_by
from curalab.pseudo_labels.low_shot_probe import variance_of

__all__ = ["Transductive"]

_STEPS = 30
_ENOUGH = 1e-3  # mean change of the probabilities in a step
_POWER = 3.0


@dataclass(frozen=True, kw_only=True)
class Transductive:
    """Soft k-means from the labelled rows, smooth over the neighbour graph.

    Minimises the squared distances of rows to the prototypes of their classes, with the labels
    given held, the entropy of the assignments, and, as far as `smooth` says, the disagreement of
    neighbours. In turn every row's probabilities are set to the softmax of
    -`sharpness`·d² / (2·mean d²) + `smooth`·(mean of its neighbours' probabilities), which is the
    paper's bound, and every prototype to the weighted mean of its rows. Without `smooth` that is
    k-means with seeds, which is its title's claim.

    Ours: distances count in units of their mean to the nearest prototype, so that one setting
    serves every kind of vectors; and the classes may be held to the shares of the labels by
    Sinkhorn's scaling (`balance`), None as far as neighbours go on agreeing.

    Links that a person knows are kept: rows of a must-link share their mean log odds in every step,
    and rows of a cannot-link get the exact probabilities of the pair, in which both having one
    class has none. What contradicts labels is refused.

    It is best where classes are single compact groups of about the same size; where a class is
    several groups, prefer `propagation`. A class without labels gets no row, unless links leave a
    row no other.

    Parameters
    ----------
    sharpness : float, default=10
        Larger makes assignments harder.
    smooth : float, default=8
        Weight of the neighbours, in log odds where all agree. 0 is seeded soft k-means.
    k : int, default=15
        Neighbours a row.
    balance : float or None, default=None
        How far classes are held to the shares of the labels, from 0 to 1; None asks the data.
    must_link, cannot_link : sequence of sequences of ids, default=()
        Each names two or more rows that are of one class, or of which no two are. A must-link
        holds over others: "a with b" and "b with c" put a with c. A row that labels and links
        leave a single class counts as labelled, with that class. Where two rows to keep apart
        want one class, the less sure one moves at the end; ``details["violated"]`` counts the
        pairs for which no way was found, 0 if all links are kept.

    References
    ----------
    .. [1] Ziko, Boudiaf, Dolz, Granger, Ben Ayed (2021), "Transductive Few-Shot Learning:
       Clustering is All You Need?". arXiv:2106.09516.
    """

    cost: ClassVar[str] = "one neighbour pass, up to 30 passes over rows and prototypes"
    needs: ClassVar[str] = "labels"

    sharpness: float = 10.0
    smooth: float = 8.0
    k: int = 15
    balance: float | None = None
    must_link: Sequence[Sequence[Any]] = ()
    cannot_link: Sequence[Sequence[Any]] = ()

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes)."""
        self._check()
        held = held_by(pool, self.must_link, self.cannot_link)
        known, codes = held.known, held.codes
        count = np.bincount(pool.codes[pool.is_labelled], minlength=len(pool.classes)).astype(float)
        there = _there(held, len(count))
        share = (count + 1) * there / ((count + 1) * there).sum()
        seen = _sight(pool)
        points = seen(pool.embedding.points)
        k = min(self.k, len(pool) - 1)
        graph = graph_of(pool, k, _POWER)
        proba: FloatArray = np.zeros((len(pool), len(count)))
        proba[known, codes] = 1
        near, balance = pool.embedding.neighbors(k).indices, self.balance
        is_round = pool.embedding.metric == "cosine"
        ask = _nearest(points, proba, there, self.sharpness, is_round=is_round)
        factor: FloatArray = np.ones(len(count))
        for _ in range(_STEPS):
            before = proba
            odds = ask(points) + self.smooth * (graph @ before)
            odds = held.linked(odds, factor)
            proba = np.exp(odds - odds.max(axis=1, keepdims=True))
            if balance is None:
                balance = balance_of(rows_to_one(proba), share, near)
            proba, factor = sinkhorn(proba, share, strength=balance)
            proba[known] = 0
            proba[known, codes] = 1
            ask = _nearest(points, proba, there, self.sharpness, is_round=is_round)
            if np.abs(proba - before).sum(axis=1).mean() < _ENOUGH:
                break
        proba, details = held.kept(proba)

        def predict(new: FloatArray) -> FloatArray:
            around = proba[pool.embedding.search(new, min(self.k, len(pool))).indices].mean(axis=1)
            odds = ask(seen(new)) + self.smooth * around
            return rows_to_one(np.exp(odds - odds.max(axis=1, keepdims=True)) * factor)

        return proba, {"predict": predict, "balance": float(balance or 0.0), **details}

    def _check(self) -> None:
        check_real("sharpness", self.sharpness, low=0, high=1e6)
        check_real("smooth", self.smooth, low=0, high=1e6)
        check_integer("k", self.k, low=1)
        if self.balance is not None:
            check_real("balance", self.balance, low=0, high=1)


def _there(held: Held, n_classes: int) -> BoolArray:
    """Return which classes may get rows: those that a row has, or that links leave to some alone.

    A class without rows has no prototype.
    """
    there = np.bincount(held.codes, minlength=n_classes) > 0
    stuck = (held.barred | ~there).all(axis=1)
    return np.asarray(there | ~held.barred[stuck].all(axis=0))


def _sight(pool: Pool) -> Callable[[FloatArray], FloatArray]:
    """Return what moves points to the origin, in units of their spread, as far as that is free.

    |x|² + |y|² - 2xy cancels badly where data lie far from the origin.
    """
    points = pool.embedding.points
    if pool.embedding.metric == "cosine":  # unit length already, which is to be kept
        return lambda points: points
    middle = points.mean(axis=0, dtype=np.float64).astype(np.float32)
    size = float(np.sqrt(variance_of(points))) or 1.0
    return lambda points: (points - middle) / size


def _nearest(
    points: FloatArray, proba: FloatArray, there: BoolArray, sharpness: float, *, is_round: bool
) -> Callable[[FloatArray], FloatArray]:
    """Return what gives the log odds of points by their distances to the classes' means."""
    weight = proba.sum(axis=0)
    middle = points.mean(axis=0, dtype=np.float64)  # of a class that only links call for
    means = (proba.T @ points + 1e-9 * middle) / (weight[:, None] + 1e-9)
    if is_round:
        means = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    means = means.astype(np.float32)

    def far(points: FloatArray) -> FloatArray:
        squares = np.square(points).sum(axis=1)[:, None] + np.square(means).sum(axis=1)
        return np.asarray(np.maximum(squares - 2 * points @ means.T, 0), dtype=np.float64)

    unit = max(float(far(points)[:, there].min(axis=1).mean()), 1e-12)
    return lambda points: np.where(there, -sharpness / 2 * far(points) / unit, -np.inf)
