"""How similar rows must be to be duplicates, judged by how similar ordinary neighbours are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from curalab._check import FloatArray
from curalab._dimension import dimension_of

__all__ = ["FIRST", "ordinary_threshold"]

_SHARE = 0.05  # of the rows called duplicates, how many may be so by chance
_ORDINARY = 5  # ordinary neighbours that set the scale of a row
FIRST, _MOST = 30, 120  # neighbours looked at, and where these are not enough
_ROWS = 20_000  # judged; more add nothing to a threshold
_STEPS = 128
_NEAR = 0.5  # of the usual distance of the last neighbour looked at; beyond, rows are merely alike
_ROUNDING = 1e-6  # of ordinary distances: copies whose vectors were computed in other batches


def to_similarity(distance: float, metric: str) -> float:
    """Return the similarity that `Neighbors` gives a distance."""
    return 1 - distance if metric == "cosine" else 1 / (1 + distance)


def ordinary_threshold(
    distances: Callable[[int, int], FloatArray], n_rows: int, n_others: int, *, metric: str
) -> tuple[float, dict[str, Any]]:
    """Find the similarity above which neighbours are too near to be so by chance.

    Around a row, ordinary neighbours within a distance t number about ``k (t / r)**m``, where r is
    the distance of the row's k-th neighbour beyond t and m the local dimension of the data. That
    tells how many rows would have a neighbour within t by chance. Of the t at which these are at
    most 5 % of the rows that do have one, the cut is the t with most rows found in excess of
    chance, less those by chance; it is then moved half-way to the next distance seen. Neighbours
    within t do not count towards r, so that a group of copies (of up to about 100; exact copies:
    any number) says nothing about what is ordinary, while a dense cluster, which goes on beyond
    t, stays ordinary. The law is the same for any power of a distance, so that it holds for
    1 - cosine as well.

    Parameters
    ----------
    distances : callable
        Called with k and a step, returns the distances of the k nearest others of every so-manieth
        row, k a row, ascending.
    n_rows : int
        Rows there are; 20,000 and fewer are all judged.
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
    The cut is at most half the usual distance of the last neighbour looked at: in few rows of many
    dimensions, rows that share a phrase stand out too, and are no copies.

    The power law of neighbour counts is the one behind maximum-likelihood estimates of dimension
    (Levina and Bickel 2004, "Maximum Likelihood Estimation of Intrinsic Dimension", NIPS).
    """
    for k in (min(FIRST, n_others), min(_MOST, n_others)):
        near = distances(k, -(-n_rows // _ROWS))
        cut, record, is_short = _cut(near.astype(np.float64))
        if not is_short:
            break
    rule = f"at most {_SHARE:.0%} of the rows with a duplicate by chance"
    threshold = to_similarity(cut, metric)
    return threshold, {"rule": rule, "threshold": threshold, "distance": cut, **record}


def _cut(near: FloatArray) -> tuple[float, dict[str, Any], bool]:
    """Return the distance to cut at, its record, and whether more neighbours may move it."""
    near = np.where(near <= _ROUNDING * np.quantile(near[:, -1], 0.9), 0.0, near)
    m, n_all = dimension_of(near), len(near)
    near = near[near[:, -1] > 0]  # rows with nothing but exact copies around them tell nothing
    cut, found, chance, is_short = 0.0, int((near[:, 0] == 0).sum()), 0.0, False
    farthest = _NEAR * float(np.median(near[:, -1])) if len(near) else 0.0
    for t in _candidates(near[:, 0]) if m else ():
        if t > farthest:
            break
        expected, unknown = _by_chance(near, t, m)
        n_found = int((near[:, 0] <= t).sum())
        if _is_better(n_found, expected, than=found - 2 * chance):
            cut, found, chance, is_short = float(t), n_found, expected, False
        else:
            is_short |= _is_better(n_found, expected - unknown, than=found - 2 * chance)
        if expected - unknown > len(near) / 2:
            break
    found += n_all - len(near)
    record = {"dimension": m, "rows_found": found, "rows_by_chance": chance}
    cut = near[near <= cut].max(initial=0.0)
    beyond = near[near > cut]
    return float(cut + (beyond.min() if beyond.size else cut)) / 2, record, is_short


def _is_better(found: int, by_chance: float, *, than: float) -> bool:
    """Whether a cut has few by chance, and more right over wrong than the best so far."""
    return by_chance <= _SHARE * found and found - 2 * by_chance > than


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
    """Return cuts to try, ascending: where a row gets its first neighbour, and in gaps between."""
    seen = np.unique(first[first > 0])
    if not seen.size:
        return seen
    steps = np.geomspace(1, len(seen), _STEPS).astype(np.intp) - 1
    steps = np.concatenate([np.arange(min(32, len(seen))), steps])
    between = np.geomspace(seen[0], seen[-1], _STEPS // 2)
    return np.unique(np.concatenate([seen[steps], between]))
