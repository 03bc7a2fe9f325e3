"""Distances in units of the spread around several centres."""

from __future__ import annotations

import numpy as np

from curalab._check import FloatArray, IntArray

__all__: list[str] = []

_NONE = 1e-20  # a variance that is none, but rounding
_MOST = 20_000  # rows; more add nothing to a covariance of some hundred columns
_BLOCK = 8_192  # rows looked at together


def inverse_root(points: FloatArray, centres: FloatArray, group: IntArray) -> FloatArray:
    """Return a root of the inverse of the shrunk covariance around centres, shape (d, d).

    `group`, of shape (n,), has the number of each row's centre; -1 leaves the row out.
    """
    from sklearn.covariance import ledoit_wolf

    rows = np.flatnonzero(group >= 0)
    rows = rows[:: max(1, -(-len(rows) // _MOST))]
    if len(rows) < 2:
        return np.eye(points.shape[1])
    covariance = ledoit_wolf(points[rows] - centres[group[rows]], assume_centered=True)[0]
    value, vector = np.linalg.eigh(covariance)
    if value[-1] < _NONE:  # copies: nothing spreads, and all directions count alike
        return np.eye(points.shape[1])
    return np.asarray(vector / np.sqrt(np.maximum(value, value[-1] * 1e-9)))


def shaped_gaps(points: FloatArray, centres: FloatArray, root: FloatArray) -> FloatArray:
    """Return the squared Mahalanobis distance of each row from each centre, shape (n, c)."""
    kind = points.dtype
    middle, root = centres.mean(axis=0).astype(kind), root.astype(kind)
    away, gaps = (centres.astype(kind) - middle) @ root, np.empty((len(points), len(centres)), kind)
    for at in range(0, len(points), _BLOCK):
        rows = (points[at : at + _BLOCK] - middle) @ root
        square = np.square(rows).sum(axis=1)[:, None] + np.square(away).sum(axis=1)
        gaps[at : at + _BLOCK] = np.maximum(square - 2 * rows @ away.T, 0)
    return gaps
