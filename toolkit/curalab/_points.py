"""Rows moved or scaled, in memory or on disk as they came, or where they are asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from curalab._check import FloatArray

__all__ = ["UnitRows", "centred_rows", "is_large", "unit_rows"]

_SCALED = 1_024  # rows made wide and scaled at a time
_MAPPED = 1 << 28  # bytes of vectors from which their points are kept on disk, as they are


def unit_rows(vectors: FloatArray) -> FloatArray:
    """Return the rows scaled to length 1; rows of zeros stay as they are.

    Where many vectors are mapped from a file, so are the points: from one without a name, which is
    gone with them.
    """
    return _made(_scaled, vectors, np.float32)


def centred_rows(
    vectors: FloatArray, centre: FloatArray, dtype: npt.DTypeLike = np.float64
) -> FloatArray:
    """Return the rows moved by a centre in double precision, mapped as `unit_rows` does."""
    return _made(
        lambda rows: np.subtract(rows, centre, dtype=np.float64).astype(dtype, copy=False),
        vectors,
        dtype,
    )


class UnitRows:
    """Rows scaled to length 1 where they are asked for, none of them kept."""

    def __init__(self, vectors: FloatArray) -> None:
        self._vectors, self.shape = vectors, vectors.shape

    def __len__(self) -> int:
        return len(self._vectors)

    def __getitem__(self, rows: slice) -> FloatArray:
        return unit_rows(np.asarray(self._vectors[rows]))


def is_large(vectors: FloatArray) -> bool:
    """Whether vectors are mapped from a file and so many that no copy shall be in memory."""
    return isinstance(vectors, np.memmap) and vectors.nbytes > _MAPPED


def _made(
    change: Callable[[FloatArray], FloatArray], vectors: FloatArray, dtype: npt.DTypeLike
) -> FloatArray:
    parts = (change(vectors[at : at + _SCALED]) for at in range(0, len(vectors), _SCALED))
    if is_large(vectors):
        with tempfile.TemporaryFile(prefix="curalab-points-") as file:
            for part in parts:  # not through the map: a full disk would kill the process
                part.tofile(file)
            return np.memmap(file, dtype=dtype, mode="r", shape=vectors.shape)
    points = np.empty(vectors.shape, dtype=dtype)
    for number, part in enumerate(parts):
        points[number * _SCALED : (number + 1) * _SCALED] = part
    return points


def _scaled(rows: FloatArray) -> FloatArray:
    wide = np.array(rows, dtype=np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    wide /= np.where(length > 0, length, 1.0)
    return wide.astype(np.float32)
