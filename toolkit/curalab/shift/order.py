"""A nearest-neighbour test of whether the order of rows matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import check_integer, complain, first_few
from curalab.pool import FloatArray, IntArray, Pool
from curalab.shift._tell_apart import is_settled, permutation_p, refuse_few_rows

__all__ = ["Order"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """Whether like rows stand near each other in the data.

    They do where data drift, where a source ends and another begins, or where rows follow from
    their predecessors; in independent draws from one distribution they do not. Looks at the
    pool's `order`, or at the order of its rows where there is none. Scores say how near a row's
    neighbours stand to it: up to 1 next to it, 0 as far away as rows are on average, less than 0
    farther.

    Parameters
    ----------
    k : int, default=10
        Neighbours a row, fewer where there are fewer rows.
    n_permutations : int, default=199
        Shuffles of the order; the smallest p-value there can be is 1 / (n_permutations + 1).

    Notes
    -----
    Neighbours that tie with the first one left out are left out too: which of them are listed
    depends on the order of rows, and would make copies look like a shift.

    References
    ----------
    .. [1] Cummings, Snorrason, Mueller (2023), "Detecting Dataset Drift and Non-IID Sampling via
       k-Nearest Neighbors", arXiv:2305.15696. (The statistic is theirs;
       the p-value is counted over more shuffles instead of smoothed over 25, ties in the order
       count as no distance, and the score compares means instead of areas.)
    """

    cost: ClassVar[str] = "one neighbour pass, then a pass over the graph for each shuffle"

    k: int = 10
    n_permutations: int = 199

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[float, FloatArray, dict[str, Any]]:
        """Return the p-value, a score for each row, and the statistic."""
        from tqdm.auto import tqdm

        n_permutations = check_integer("n_permutations", self.n_permutations, low=1)
        refuse_few_rows(len(pool))
        place = _places(pool)
        rows, others = _neighbors(pool, check_integer("k", self.k, low=1))
        chance = _gaps_of_all(place)
        seen = _statistic(place, rows, others, chance)
        by_chance = np.empty(0)
        for _ in tqdm(range(n_permutations), "permutations", delay=2, disable=None):
            shuffled = _statistic(rng.permutation(place), rows, others, chance)
            by_chance = np.append(by_chance, shuffled)
            if is_settled(seen, by_chance):
                break
        details = {"ks": seen, "n_pairs": len(rows)}
        return permutation_p(seen, by_chance), _score(place, rows, others), details


def _places(pool: Pool) -> IntArray:
    """Return twice the rank of each row, from 0; ties share their mean rank."""
    if pool.order is None:
        return 2 * np.arange(len(pool))
    order = pd.Series(pool.order)
    if order.isna().any():
        without = pool.ids[order.isna().to_numpy()]
        got = f"none in {len(without):,} rows (ids {first_few(without)})"
        raise ValueError(complain("order", "present for every row", what=got))
    try:
        return np.asarray(2 * order.rank() - 2, dtype=np.int64)
    except TypeError as error:
        kinds = ", ".join(sorted({type(value).__name__ for value in order}))
        raise TypeError(complain("order", "of values that compare", what=kinds)) from error


def _neighbors(pool: Pool, k: int) -> tuple[IntArray, IntArray]:
    found = pool.embedding.neighbors(min(k + 1, len(pool) - 1))
    nearer = found.distance[:, :-1] < found.distance[:, -1:]
    rows, at = np.nonzero(nearer)
    return rows, found.indices[rows, at]


def _gaps_of_all(place: IntArray) -> FloatArray:
    """Return how the distances in the order of all pairs are distributed: P(gap <= i)."""
    size = place.max() + 1
    taken = np.bincount(place, minlength=2 * size)
    # the number of pairs at each gap is the autocorrelation of the places taken
    pairs = np.fft.irfft(np.square(np.abs(np.fft.rfft(taken))), 2 * size)[:size].round()
    pairs[0] = (pairs[0] - len(place)) / 2
    return np.asarray(pairs.cumsum() / max(pairs.sum(), 1))


def _statistic(place: IntArray, rows: IntArray, others: IntArray, chance: FloatArray) -> float:
    """Return the Kolmogorov-Smirnov distance of neighbours' gaps from those of all pairs."""
    gaps = np.bincount(np.abs(place[rows] - place[others]), minlength=len(chance))
    return float(np.abs(gaps.cumsum() / max(len(rows), 1) - chance).max()) if len(rows) else 0.0


def _score(place: IntArray, rows: IntArray, others: IntArray) -> FloatArray:
    n = len(place)
    behind = np.sort(place)
    rank = np.searchsorted(behind, place)
    below = np.concatenate([[0], behind.cumsum()])[rank]
    expected = ((2 * rank - n) * place + behind.sum() - 2 * below) / (n - 1)
    n_neighbors = np.bincount(rows, minlength=n)
    gap = np.bincount(rows, np.abs(place[rows] - place[others]), minlength=n)
    known = (n_neighbors > 0) & (expected > 0)
    score = np.zeros(n)
    score[known] = 1 - gap[known] / n_neighbors[known] / expected[known]
    return score
