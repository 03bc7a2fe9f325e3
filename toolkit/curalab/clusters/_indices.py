"""What clusterers share to say how firm a row's place and how far apart clusters are."""

from __future__ import annotations

import numpy as np

from curalab.pool import FloatArray, IntArray

__all__ = ["silhouette", "strength"]


def silhouette(points: FloatArray, labels: IntArray) -> float:
    """Return the mean silhouette, -1 to 1; -1 where there is no second cluster."""
    from sklearn.metrics import silhouette_score

    if not 1 < len(np.unique(labels)) < len(points):
        return -1.0
    return float(silhouette_score(points, labels))


def strength(distance: FloatArray) -> FloatArray:
    """Return 1 - d1 / d2 for the two nearest centres of each row, given its distances to all."""
    if distance.shape[1] < 2:
        return np.ones(len(distance))
    two = np.sort(np.partition(distance, 1, axis=1)[:, :2], axis=1)
    return np.asarray(1 - two[:, 0] / np.maximum(two[:, 1], np.finfo(np.float32).tiny))
