"""Selection of the middles of cells, which are smaller where a model is in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._cells import k_means, nearest_centre, rank_within
from curalab._check import check_real
from curalab.heads import fit_head
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["CoveragePlusUncertainty"]

_MOST = 2_000  # cells


@dataclass(frozen=True, kw_only=True)
class CoveragePlusUncertainty:
    """The row in the middle of each of k cells; with labels, more cells where they leave doubt.

    Where nothing is labelled, k-means splits the pool into as many cells as there are rows in
    `chosen` and picks together, and the row nearest the centre of each cell without a chosen row is
    picked, the largest cells first. Such rows stand for many others, and no two for the same: with
    few labels that teaches more than doubt does, which a model of few labels is wrong about [1]_.

    Once rows are labelled, a linear head trained on them (or the pool's `proba`) says how doubtful
    each other row is: 1 minus the gap of its two likeliest classes. k-means then splits the rows
    that are not chosen into k cells, each row counting by its doubt to the power of `doubt` [2]_.
    Regions that are understood get no picks, doubtful ones several that differ.

    Parameters
    ----------
    doubt : float, default=2.0
        How much doubt weighs against coverage. 0 looks at coverage alone, also with labels.

    Notes
    -----
    Gain is the share of the rows (of their doubt, with labels) in the cell that the pick stands
    for. What is our own is the join: [2]_ clusters the most doubtful rows only, starts from rows
    drawn by chance, and weighs by doubt itself; squared doubt was better in a trial on four sets.

    References
    ----------
    .. [1] Hacohen, Dekel, Weinshall (2022), "Active Learning on a Budget: Opposite Strategies Suit
       High and Low Budgets", ICML, arXiv:2202.02794.
    .. [2] Zhdanov (2019), "Diverse Mini-Batch Active Learning", arXiv:1901.05954.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import CoveragePlusUncertainty
    >>> x = np.random.default_rng(0).normal(size=(90, 2)) + 20 * np.eye(2)[[0] * 60 + [1] * 30]
    >>> pool = cl.Embedding(vectors=x, metric="euclidean")
    >>> rows = cl.select(pool, 2, method=CoveragePlusUncertainty(), random_state=0).rows
    >>> (rows < 60).tolist()
    [True, False]
    """

    cost: ClassVar[str] = "k-means, and a linear head once there are labels"

    doubt: float = 2.0

    def __post_init__(self) -> None:
        check_real("doubt", self.doubt, low=0, high=10)

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers, those that stand for most first, and their gain."""
        chosen = np.zeros(0, dtype=np.int64) if pool.chosen is None else pool.chosen
        free = np.setdiff1d(np.arange(len(pool)), chosen)
        weight = _doubt(pool)[free] ** self.doubt if self.doubt else np.ones(len(free))
        is_even = bool(np.ptp(weight) == 0)
        rows = np.arange(len(pool)) if is_even else free
        weight = np.ones(len(pool)) if is_even else weight
        points = pool.embedding.points[rows]
        number = min(len(chosen) + k if is_even else k, _MOST, len(rows))
        centres = k_means(points, number, rng=rng, weight=None if is_even else weight)
        cell, square = nearest_centre(points, centres, offset=centres.mean(axis=0))
        share = np.bincount(cell, weights=weight, minlength=number)[cell] / weight.sum()
        # A cell's m-th row from its centre is due once all others have m rows picked or chosen.
        is_chosen = np.isin(rows, chosen)
        due = rank_within(cell, 1 - is_chosen, square)
        order = np.lexsort((rng.random(len(rows)), -weight, -share, due))
        order = order[~is_chosen[order]][:k]
        return rows[order], {"gain": share[order]}


def _doubt(pool: Pool) -> FloatArray:
    """Return 1 minus the gap of the two likeliest classes, all 1 where nothing is known."""
    if pool.proba is not None:
        proba = np.asarray(pool.proba)
    else:
        known = np.flatnonzero(pool.codes >= 0)
        classes, codes = np.unique(pool.codes[known], return_inverse=True)
        if len(classes) < 2:
            return np.ones(len(pool))
        points = pool.embedding.points
        proba = fit_head(points[known], codes, len(classes)).predict_proba(points)
    if proba.shape[1] < 2:
        return np.ones(len(pool))
    best = np.partition(proba, -2, axis=1)
    return np.asarray(1 - (best[:, -1] - best[:, -2]))
