"""Vectors of length 1, in memory or on disk as they came."""

from __future__ import annotations

import tempfile

import numpy as np

from curalab._check import FloatArray

__all__ = ["unit_rows"]

_SCALED = 1_024  # rows made wide and scaled at a time
_MAPPED = 1 << 28  # bytes of vectors from which their points are kept on disk, as they are


def unit_rows(vectors: FloatArray) -> FloatArray:
    """Return the rows scaled to length 1; rows of zeros stay as they are.

    Where many vectors are mapped from a file, so are the points: from one without a name, which is
    gone with them.
    """
    parts = (_scaled(vectors[at : at + _SCALED]) for at in range(0, len(vectors), _SCALED))
    if isinstance(vectors, np.memmap) and vectors.nbytes > _MAPPED:
        with tempfile.TemporaryFile(prefix="curalab-points-") as file:
            for part in parts:  # not through the map: a full disk would kill the process
                part.tofile(file)
            return np.memmap(file, dtype=np.float32, mode="r", shape=vectors.shape)
    points = np.empty(vectors.shape, dtype=np.float32)
    for number, part in enumerate(parts):
        points[number * _SCALED : (number + 1) * _SCALED] = part
    return points


def _scaled(rows: FloatArray) -> FloatArray:
    wide = np.array(rows, dtype=np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    wide /= np.where(length > 0, length, 1.0)
    return wide.astype(np.float32)
