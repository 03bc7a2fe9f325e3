"""Ways to see how far a row lies from known rows, and how to put them on one scale."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from curalab._check import FloatArray, IntArray
from curalab._points import unit_rows
from curalab._shape import inverse_root, shaped_gaps
from curalab.pool import Pool

__all__ = [
    "View",
    "in_logs",
    "known_points",
    "near",
    "sampled",
    "scaled",
    "together",
]

_NEIGHBORS = 10
_PARTS = 2  # times that the rows are dealt into two halves
_ROWS_A_CENTRE = 50
_MOST_ROWS = 5_000  # of a half that centres are fitted on
_BLOCK = 8_192  # rows looked at together
_DRAWS, _DRAWN = 30, 256
_ALIKE = 1e-4  # a spread that is none, but rounding
_FLOOR = 0.1  # of the median: logarithms of smaller values are all but alike


class View(NamedTuple):
    """How far rows lie from the known ones, as one way of looking sees it."""

    judged: FloatArray  # one number a row of the pool, higher is farther
    known: FloatArray  # the same of the rows that are ordinary for the most part


def together(views: list[View]) -> View:
    """Return the mean of views, each in units of the spread of its known rows."""
    found = [scaled(view) for view in views]
    return View(
        np.mean([view.judged for view in found], axis=0),
        np.mean([view.known for view in found], axis=0),
    )


def scaled(view: View) -> View:
    """Return a view in units of the spread of its known rows, from their mean."""
    middle, spread = view.known.mean(), view.known.std()
    if spread < _ALIKE * max(1.0, abs(middle)):  # all alike: what differs from them is odd
        spread = max(float(np.abs(view.judged - middle).mean()), 1.0)
    return View((view.judged - middle) / spread, (view.known - middle) / spread)


def in_logs(judged: FloatArray, known: FloatArray) -> View:
    """Return a view of distances as logarithms, in which far rows do not drown the others."""
    usual = float(np.median(known)) or float(known.mean()) or 1.0
    return View(np.log(judged / usual + _FLOOR), np.log(known / usual + _FLOOR))


def known_points(pool: Pool) -> FloatArray:
    """Return the rows that others are compared with: the reference, or the pool itself."""
    return (pool if pool.reference is None else pool.reference).embedding.points


def near(pool: Pool) -> View:
    """See the mean distance to the ten nearest known rows."""
    known = pool.embedding if pool.reference is None else pool.reference.embedding
    own = known.neighbors(min(_NEIGHBORS, len(known) - 1)).distance.mean(axis=1)
    if pool.reference is None:
        return View(own, own)
    found = known.search(pool.embedding, min(_NEIGHBORS, len(known) - 1))
    return View(found.distance.mean(axis=1), own)


def of_centres(pool: Pool, rng: np.random.Generator) -> tuple[View, View]:
    """See the distance to the nearest centre of k-means, fitted on halves without the row.

    Rows of an odd group make no centre of their own in a half unless there are many of them, and
    none makes one by itself. The second view measures in units of the spread around the centres:
    Mahalanobis distances, with one covariance for all centres of a half.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    points, known = pool.embedding.points, known_points(pool)  # of length 1
    judged, own = np.zeros((2, len(points))), np.zeros((2, len(known)))
    for _ in range(_PARTS):
        dealt = rng.permutation(len(known))
        for fit, left in _two(dealt):
            some = known[fit[:_MOST_ROWS]]
            n_centres = max(1, len(some) // _ROWS_A_CENTRE)
            seed = int(rng.integers(2**31))
            means = KMeans(n_centres, init="random", n_init=1, max_iter=10, random_state=seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows: copies
                found = means.fit(some)
            centres = found.cluster_centers_
            root = inverse_root(some, centres, found.labels_)
            own[:, left] += _away(known, left, centres, root)
            if pool.reference is not None:  # by both halves
                judged += _away(points, np.arange(len(points)), centres, root) / 2
    pairs = zip(own if pool.reference is None else judged, own, strict=True)
    plain, shaped = (View(*pair) for pair in pairs)
    return plain, shaped


def _away(points: FloatArray, rows: IntArray, centres: FloatArray, root: FloatArray) -> FloatArray:
    """Return the distances to the nearest centre, as 1 - cosine and in spreads; shape (2, n)."""
    unit, away = unit_rows(centres).T, np.empty((2, len(rows)))
    for at in range(0, len(rows), _BLOCK):
        part = points[rows[at : at + _BLOCK]]
        away[0, at : at + _BLOCK] = np.maximum(1 - (part @ unit).max(axis=1), 0)
        away[1, at : at + _BLOCK] = np.sqrt(shaped_gaps(part, centres, root).min(axis=1))
    return away


def _two(rows: IntArray) -> tuple[tuple[IntArray, IntArray], tuple[IntArray, IntArray]]:
    first, second = np.array_split(rows, 2)
    return (first, second), (second, first)


def sampled(points: FloatArray, known: FloatArray | None, rng: np.random.Generator) -> View:
    """See the mean distance to the ten nearest of 256 rows drawn, over thirty draws.

    Among few rows drawn the members of an odd group are no longer each other's neighbours.
    """
    import torch

    is_own = known is None
    everyone = points if known is None else np.concatenate([known, points])
    n_known = len(points) if known is None else len(known)
    size = min(_DRAWN, max(2, n_known // 2))
    k = min(_NEIGHBORS, size - 1)
    rows = torch.from_numpy(np.asarray(everyone, dtype=np.float32))
    total = torch.zeros(len(rows), dtype=torch.float64)
    for _ in range(_DRAWS):
        drawn = torch.from_numpy(np.sort(rng.choice(n_known, size, replace=False)))
        for at in range(0, len(rows), _BLOCK):
            gap = torch.cdist(rows[at : at + _BLOCK], rows[drawn])
            own = ((drawn >= at) & (drawn < at + _BLOCK)).nonzero()[:, 0]
            gap[drawn[own] - at, own] = torch.inf  # a row is no neighbour of itself
            nearest = gap.topk(k, dim=1, largest=False).values
            total[at : at + _BLOCK] += nearest.double().mean(dim=1)
    found = (total / _DRAWS).numpy()
    return in_logs(found if is_own else found[n_known:], found[:n_known])
