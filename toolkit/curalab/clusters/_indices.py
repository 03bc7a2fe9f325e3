"""What clusterers share to say how firm a row's place and how far apart clusters are."""

from __future__ import annotations

import numpy as np

from curalab.pool import FloatArray, IntArray

__all__ = ["silhouette", "strength"]


def silhouette(distance: FloatArray, labels: IntArray) -> float:
    """Return the mean silhouette, -1 to 1; -1 where there is no second cluster.

    It takes the distances between all rows, so that many groupings can be judged by the same;
    scikit-learn's, which adds them up row by row, takes several times as long.
    """
    names, code, size = np.unique(labels, return_inverse=True, return_counts=True)
    if not 1 < len(names) < len(distance):
        return -1.0
    total = distance @ np.eye(len(names), dtype=distance.dtype)[code]
    row = np.arange(len(code))
    own = total[row, code] / np.maximum(size[code] - 1, 1)
    total /= size
    total[row, code] = np.inf
    other = total.min(axis=1)
    gap = (other - own) / np.maximum(np.maximum(own, other), np.finfo(np.float32).tiny)
    return float(gap[size[code] > 1].sum() / len(gap))


def strength(distance: FloatArray) -> FloatArray:
    """Return 1 - d1 / d2 for the two nearest centres of each row, given its distances to all."""
    if distance.shape[1] < 2:
        return np.ones(len(distance))
    two = np.sort(np.partition(distance, 1, axis=1)[:, :2], axis=1)
    return np.asarray(1 - two[:, 0] / np.maximum(two[:, 1], np.finfo(np.float32).tiny))
