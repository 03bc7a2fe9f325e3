"""The graph of some rows and of others that came later, without searching it all again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from curalab._check import AnyArray, FloatArray
from curalab.neighbors import Neighbors, nearest, without_own

__all__ = ["grown", "opened_graph"]

_MOST = 1 / 12  # of the rows may be new: beyond, a search of its own costs less
_ROWS = 65_536  # looked at together


def grown(known: Neighbors, points: FloatArray) -> Neighbors | None:
    """Return the neighbours of all points, where those of the first ones are known.

    The new points are searched exactly, in both directions; between the others nothing changes.

    Parameters
    ----------
    known : Neighbors
        Of the first m points.
    points : ndarray of shape (n, d), float32
        As `nearest` takes them.

    Returns
    -------
    Neighbors or None
        As many neighbours a row as are known; None where so many points are new that searching
        everything costs less.
    """
    m, n, k = len(known.indices), len(points), known.k
    if n - m > _MOST * n:
        return None
    seen = nearest(points, k + 1, metric=known.metric, queries=points[m:])
    fresh = without_own(seen.indices, seen.distance, np.arange(m, n))
    back = nearest(points[m:], min(k, n - m), metric=known.metric, queries=points[:m])
    indices = np.empty((n, k), dtype=known.indices.dtype)
    distance = np.empty((n, k), dtype=known.distance.dtype)
    indices[m:], distance[m:] = fresh
    for at in range(0, m, _ROWS):
        rows = slice(at, min(at + _ROWS, m))
        both = np.concatenate([known.distance[rows], back.distance[rows]], axis=1)
        order = np.argsort(both, axis=1, kind="stable")[:, :k]  # of equals, the lower row first
        distance[rows] = np.take_along_axis(both, order, axis=1)
        named = np.concatenate([known.indices[rows], back.indices[rows] + m], axis=1)
        indices[rows] = np.take_along_axis(named, order, axis=1)
    return replace(known, indices=indices, distance=distance)


def opened_graph(
    n: int, *, metric: str, indices: AnyArray, distance: AnyArray, recall: Any
) -> Neighbors:
    """Return a graph of the first of `n` points, as it was kept on disk, or say what is wrong."""
    m = len(indices)
    if indices.ndim != 2 or indices.shape != distance.shape or indices.dtype.kind not in "iu":
        raise ValueError("a graph whose parts do not fit together")
    if m > n or not (indices.min() >= 0 and indices.max() < m):
        raise ValueError(f"{n:,} ids, and a graph of other rows")
    return Neighbors(indices=indices, distance=distance, metric=metric, recall=float(recall))
