"""What rows add to a cover, compiled: one pass over a row's similarities, nothing in between."""

from __future__ import annotations

import numba
import numpy as np

from curalab._check import AnyArray, FloatArray, IntArray

__all__ = ["gains"]


@numba.njit(cache=True, fastmath=True, nogil=True)
def gains(similarity: AnyArray, rows: IntArray, best: FloatArray, share: FloatArray) -> FloatArray:
    """Return Σ_j share[j] · max(similarity[row, j] - best[j], 0) for each of the `rows`."""
    found = np.empty(len(rows), dtype=np.float32)
    for i in range(len(rows)):
        row = similarity[rows[i]]
        total = np.float32(0)
        for j in range(len(best)):
            total += max(np.float32(row[j]) - best[j], np.float32(0)) * share[j]
        found[i] = total
    return found
