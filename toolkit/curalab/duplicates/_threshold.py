"""How similar rows must be to be duplicates, judged by how similar ordinary neighbours are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from curalab._check import FloatArray

__all__ = ["ordinary_threshold", "to_similarity"]

_SHARE = 0.05  # of the rows called duplicates, how many may be so by chance
_ORDINARY = 5  # ordinary neighbours that set the scale of a row
_FIRST, _MOST = 30, 120  # neighbours looked at
_ROWS = 20_000  # judged; more add nothing to a threshold
_STEPS = 256


def to_similarity(distance: float, metric: str) -> float:
    """Return the similarity that `Neighbors` gives a distance."""
    return 1 - distance if metric == "cosine" else 1 / (1 + distance)


def ordinary_threshold(
    distances: Callable[[int], FloatArray], n_others: int, *, metric: str
) -> tuple[float, dict[str, Any]]:
    """Find the similarity above which neighbours are too near to be so by chance.

    Around a row, ordinary neighbours within a distance t number about ``k (t / r)**m``, where r is
    the distance of the row's k-th neighbour beyond t and m the local dimension of the data. Summed
    over rows, that is how many would have a neighbour within t by chance. The cut is the largest
    t at which this is at most 5 % of the rows that do have one, moved half-way to the next
    distance seen. Neighbours within t do not count towards r, so that groups of copies say nothing
    about what is ordinary, while a dense cluster, which goes on beyond t, stays ordinary. The law
    is the same for any power of a distance, so that it holds for 1 - cosine as well.

    Parameters
    ----------
    distances : callable
        Called with k, returns the distances of the k nearest others of each row, shape (n, k),
        ascending.
    n_others : int
        The largest k there is.
    metric : {"cosine", "euclidean"}
        What the distances are.

    Returns
    -------
    threshold : float
        A similarity. Where no near-copies stand out, it lies half-way between the nearest pair
        and a perfect copy.
    record : dict
        The rule and its numbers, as plain values.

    Notes
    -----
    The power law of neighbour counts is the one behind maximum-likelihood estimates of dimension
    (Levina and Bickel 2004, "Maximum Likelihood Estimation of Intrinsic Dimension", NIPS).
    """
    k = min(_FIRST, n_others)
    while True:
        near = distances(k)
        every = -(-len(near) // _ROWS)
        cut, record, is_short = _cut(near[::every].astype(np.float64))
        if not is_short or k >= min(_MOST, n_others):
            break
        k = min(2 * k, _MOST, n_others)
    rule = f"at most {_SHARE:.0%} of the rows with a duplicate by chance"
    threshold = to_similarity(cut, metric)
    return threshold, {"rule": rule, "threshold": threshold, "distance": cut, **record}


def _cut(near: FloatArray) -> tuple[float, dict[str, Any], bool]:
    """Return the distance to cut at, its record, and whether more neighbours may move it."""
    m, n_exact = _dimension(near), int((near[:, 0] == 0).sum())
    near = near[near[:, -1] > 0]  # rows with nothing but exact copies around them tell nothing
    cut, found, chance, is_short = 0.0, n_exact, 0.0, False
    for t in _candidates(near[:, 0]) if m else ():
        expected, unknown = _by_chance(near, t, m)
        n_found = int((near[:, 0] <= t).sum())
        if expected <= _SHARE * n_found:
            cut, found, chance, is_short = t, n_found, expected, False
        else:
            is_short |= expected - unknown <= _SHARE * n_found
        if expected - unknown > _SHARE * len(near):
            break
    beyond = near[near > cut]
    record = {"dimension": m, "rows_found": found, "rows_by_chance": chance}
    return float((cut + beyond.min()) / 2 if beyond.size else cut), record, is_short


def _by_chance(near: FloatArray, t: float, m: float) -> tuple[float, float]:
    """Return how many rows would have a neighbour within t by chance.

    The second number is the part of the first for which all neighbours known lie within t.
    """
    n_neighbors = near.shape[1]
    within = (near <= t).sum(axis=1)
    k = np.minimum(max(1, min(_ORDINARY, n_neighbors // 2)), n_neighbors - within)
    r = near[np.arange(len(near)), within + k - 1]
    is_unknown = k == 0
    expected = 1 - np.exp(-k * (t / r) ** m)
    return float(expected[~is_unknown].sum() + is_unknown.sum()), float(is_unknown.sum())


def _candidates(first: FloatArray) -> FloatArray:
    """Return distances to the nearest neighbour to try as cuts, ascending, the small ones all."""
    seen = np.unique(first[first > 0])
    if not seen.size:
        return seen
    steps = np.geomspace(1, len(seen), _STEPS).astype(np.intp) - 1
    return np.asarray(seen[np.unique(np.concatenate([np.arange(min(32, len(seen))), steps]))])


def _dimension(near: FloatArray) -> float:
    """Estimate m from the farther half of the first 20 neighbours; 0 where that cannot be done.

    With m the dimension, ``j log(d[j+1] / d[j])`` is exponential of mean 1/m. The median over rows
    passes by those whose neighbours are mostly copies.
    """
    last = min(20, near.shape[1])
    first = last // 2
    if first == 0:
        return 0.0
    part = near[near[:, first - 1] > 0][:, first - 1 : last]
    if not len(part):
        return 0.0
    spacing = np.arange(first, last) * np.log(part[:, 1:] / part[:, :-1])
    middle = float(np.median(spacing.sum(axis=1)))
    # the median of a sum of a exponentials is about a - 1/3
    return (last - first - 1 / 3) / middle if middle > 0 else 0.0
