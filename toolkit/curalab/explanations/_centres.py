"""Members of clusters, from the centre outwards."""

from __future__ import annotations

import numpy as np

from curalab.pool import FloatArray, IntArray


def by_centrality(points: FloatArray, labels: IntArray) -> list[IntArray]:
    """Return the rows of each cluster from 0, those nearest to its mean first."""
    found: list[IntArray] = []
    for number in range(int(labels.max(initial=-1)) + 1):
        rows = np.flatnonzero(labels == number)
        members = points[rows]
        away = np.linalg.norm(members - members.mean(axis=0), axis=1) if len(rows) else rows
        found.append(rows[np.argsort(away, kind="stable")])
    return found
