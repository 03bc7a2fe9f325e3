"""Labels spread over the neighbour graph, and a head that learns with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_integer, check_real
from curalab.heads import fit_head
from curalab.pool import FloatArray, Pool
from curalab.pseudo_labels._balance import balance_of, calmed, rows_to_one, sinkhorn, sized
from curalab.pseudo_labels._graph import graph_of, is_reached, spread
from curalab.pseudo_labels.low_shot_probe import probe_of

__all__ = ["Propagation"]

_C = 10.0
_PENALTY = 0.1
_SHORT = 0.8  # alpha of the rounds, in which every row has something to say
_EVEN = 0.5  # from this balance on the rounds are made
_MOST = 10_000  # rows that the heads of the rounds are fitted on


@dataclass(frozen=True, kw_only=True)
class Propagation:
    """Rows take the labels of the rows around them, and a head learns from what they took.

    Solves (I - alpha·S) F = Y for all classes at once by conjugate gradients. S is the graph of
    the `k` nearest neighbours with weights similarity^power, made symmetric by the sum of both
    directions as in [2]_, and normalised by its degrees as in [1]_; Y holds the given labels.
    Rows of F that sum to 1 are the graph's probabilities f. Without `probe` that is all.

    With it (ours) they are joined with the probabilities p of logistic regression on the labelled
    rows, as two independent witnesses are: p·f / share, where share is that of each class among
    the labels. Then, `rounds` times, a head is fitted on all rows (10,000 drawn ones where there
    are more) with their likeliest classes, weighed by their probability; the graph spreads these
    probabilities a short way; both are joined. The graph is better with one label a class, the
    head with many, and each teaches the other. They also talk each other into confidence, so the
    probabilities are flattened until their mean confidence is halfway to what it was before.

    How large the classes are matters as much, and few labels do not say. Classes held to the
    shares that the labels have (`balance`, by Sinkhorn's scaling [3]_) gain a lot where that is
    true, and lose more where it is not. None asks the data: balancing that makes neighbours
    disagree cuts through groups, and is let go; then the sizes are estimated, and no rounds are
    made, in which the largest classes would swallow the others.

    A row in a part of the graph that holds no label gets the shares of the classes;
    ``details["unreached"]`` counts them, ``details["balance"]`` is the balance used. New rows take
    what their `k` nearest have, joined with what the head says.

    Parameters
    ----------
    k : int, default=15
        Neighbours a row, fewer where there are fewer rows.
    alpha : float, default=0.95
        Share of the neighbours' opinion, from 0 to 0.999.
    power : float, default=3
        Larger trusts the closest neighbours more.
    probe : bool, default=True
        Whether to join a head. False is label spreading as published.
    rounds : int, default=3
        How often head and graph teach each other, where `balance` is 1/2 or more.
    balance : float or None, default=None
        How far classes are held to the shares of the labels, from 0 to 1. None decides by the
        data; without `probe` it is 0.

    References
    ----------
    .. [1] Zhou, Bousquet, Lal, Weston, Schölkopf (2004), "Learning with Local and Global
       Consistency", NeurIPS 16.
    .. [2] Iscen, Tolias, Avrithis, Chum (2019), "Label Propagation for Deep Semi-supervised
       Learning", CVPR. arXiv:1904.04717.
    .. [3] Cuturi (2013), "Sinkhorn Distances: Lightspeed Computation of Optimal Transport",
       NeurIPS 26. arXiv:1306.0895.
    """

    cost: ClassVar[str] = "one neighbour pass, sparse solves, a few heads fitted on all rows"
    needs: ClassVar[str] = "labels"

    k: int = 15
    alpha: float = 0.95
    power: float = 3.0
    probe: bool = True
    rounds: int = 3
    balance: float | None = None

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes)."""
        self._check()
        known, k = np.flatnonzero(pool.is_labelled), min(self.k, len(pool) - 1)
        given = np.zeros((len(pool), len(pool.classes)), dtype=np.float32)
        given[known, pool.codes[known]] = 1
        share = given.sum(axis=0, dtype=np.float64) / len(known)
        graph = graph_of(pool, k, self.power)
        two = _Witnesses(heard=spread(graph, given, self.alpha, share))
        if self.probe:
            two, proba, balance = self._taught(pool, graph, two, given, rng=rng)
        else:
            balance = self.balance or 0.0
            proba, two.factor = sinkhorn(two.heard, share, strength=balance)
        apart = ~is_reached(graph, pool.is_labelled)
        proba[apart] = share

        def predict(new: FloatArray) -> FloatArray:
            found = pool.embedding.search(new, min(self.k, len(pool)))
            weight = np.maximum(found.similarity, 1e-6) ** self.power
            seen = np.einsum("nk,nkc->nc", weight, two.heard[found.indices])
            return two.joined(seen / weight.sum(axis=1, keepdims=True), new)

        return proba, {"predict": predict, "unreached": int(apart.sum()), "balance": balance}

    def _check(self) -> None:
        check_integer("k", self.k, low=1)
        check_integer("rounds", self.rounds, low=0)
        check_real("alpha", self.alpha, low=0, high=0.999)
        check_real("power", self.power, low=0, high=100)
        if self.balance is not None:
            check_real("balance", self.balance, low=0, high=1)

    def _taught(
        self, pool: Pool, graph: Any, two: _Witnesses, given: FloatArray, *, rng: Any
    ) -> tuple[_Witnesses, FloatArray, float]:
        """Return head and graph after all rounds, what they say, and the balance."""
        points, known = pool.embedding.points, np.flatnonzero(pool.is_labelled)
        count = given.sum(axis=0, dtype=np.float64)
        share = (count + 1) / (count + 1).sum()  # a class without labels is not of size 0
        two.head = probe_of(pool, C=_C)
        two.factor = 1 / np.maximum(count / count.sum(), 1e-12)
        proba = two.joined(two.heard, points)
        balance = self.balance
        if balance is None:
            balance = balance_of(proba, share, pool.embedding.neighbors(self._k(pool)).indices)
            if balance < _EVEN:
                witness = two.head(points) * two.factor
                proba, held = sized(witness, two.heard, share, balance=balance)
                two.factor = two.factor * held
        proba, scaled = sinkhorn(proba, share, strength=balance)
        two.factor = two.factor * scaled
        before = proba.copy()
        for _ in range(self.rounds if balance >= _EVEN else 0):
            proba[known] = given[known]
            two.head = _learned(points, proba, known, rng)
            sure = proba.max(axis=1, keepdims=True)
            two.heard = spread(graph, (proba * sure).astype(np.float32), _SHORT, share)
            two.factor = np.ones(len(share))
            proba, two.factor = sinkhorn(two.joined(two.heard, points), share, strength=balance)
        two.calm = calmed(proba, before)
        return two, rows_to_one(proba**two.calm), balance

    def _k(self, pool: Pool) -> int:
        return min(self.k, len(pool) - 1)


@dataclass(kw_only=True)
class _Witnesses:
    """What the graph says of each row, what the head says of points, a factor for each class."""

    heard: FloatArray
    head: Callable[[FloatArray], FloatArray] | None = None
    factor: Any = 1.0
    calm: float = 1.0

    def joined(self, heard: FloatArray, points: FloatArray) -> FloatArray:
        seen = heard if self.head is None else heard * self.head(points)
        return rows_to_one((seen * self.factor) ** self.calm)


def _learned(
    points: FloatArray, proba: FloatArray, known: Any, rng: np.random.Generator
) -> Callable[[FloatArray], FloatArray]:
    """Fit a head on all rows' likeliest classes; return what gives probabilities of points."""
    rows = np.arange(len(points))
    if len(rows) > _MOST:
        rows = np.union1d(known, rng.choice(rows, _MOST, replace=False))
    best, sure = proba[rows].argmax(axis=1), proba[rows].max(axis=1)
    made = fit_head(points[rows], best, proba.shape[1], penalty=_PENALTY, sample_weight=sure)
    return made.predict_proba
