"""Distances in units of the spread around several centres."""

from __future__ import annotations

import numpy as np

from curalab._check import FloatArray

__all__: list[str] = []

_NONE = 1e-20  # a variance that is none, but rounding
_MOST = 20_000  # rows; more add nothing to a covariance of some hundred columns


def inverse_root(residuals: FloatArray) -> FloatArray:
    """Return a root of the inverse of the shrunk covariance around 0, shape (d, d)."""
    from sklearn.covariance import ledoit_wolf

    if len(residuals) < 2:
        return np.eye(residuals.shape[1])
    residuals = residuals[:: -(-len(residuals) // _MOST)]
    covariance = ledoit_wolf(residuals, assume_centered=True)[0]
    value, vector = np.linalg.eigh(covariance)
    if value[-1] < _NONE:  # copies: nothing spreads, and all directions count alike
        return np.eye(residuals.shape[1])
    return np.asarray(vector / np.sqrt(np.maximum(value, value[-1] * 1e-9)))


def shaped_gaps(points: FloatArray, centres: FloatArray, root: FloatArray) -> FloatArray:
    """Return the squared Mahalanobis distance of each row from each centre, shape (n, c)."""
    middle, root = centres.mean(axis=0).astype(points.dtype), root.astype(points.dtype)
    rows, away = (points - middle) @ root, (centres.astype(points.dtype) - middle) @ root
    square = np.square(rows).sum(axis=1)[:, None] + np.square(away).sum(axis=1)
    return np.asarray(np.maximum(square - 2 * rows @ away.T, 0))
