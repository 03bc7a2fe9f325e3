"""Which rows of an embedding are measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from curalab._check import FloatArray, IntArray, complain
from curalab.embedding import Embedding, as_embedding

__all__: list[str] = []

FEWEST = 5
_MOST = 5_000
_MOST_WIDE = 2_000  # above 1,024 dimensions: the principal axes cost the cube of it


def checked(embedding: Any) -> Embedding:
    """Return the embedding, or say that it has too few rows to measure anything."""
    made = as_embedding(embedding)
    if len(made) < FEWEST:
        rows = f"{len(made)} row{'s' if len(made) > 1 else ''}"
        raise ValueError(complain("embedding", f"of at least {FEWEST} rows", what=rows))
    return made


def first_of_each(vectors: FloatArray) -> IntArray:
    """Return the numbers of the rows that equal no row before them."""
    rows = np.ascontiguousarray(vectors + np.float32(0))  # -0.0 and 0.0 are the same number
    as_bytes = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    return np.sort(np.unique(as_bytes, return_index=True)[1])


def sample(embedding: Embedding, rng: np.random.Generator) -> tuple[FloatArray, bool]:
    """Return distinct points of the embedding, and whether they are a sample.

    Shape (m, d), float64; all of them up to 5,000 (2,000 above 1,024 dimensions), else as many
    drawn. Copies count once: they say how the data were collected, not what the encoder makes of
    them.
    """
    rows = first_of_each(embedding.points)
    most = _MOST if embedding.shape[1] <= 1_024 else _MOST_WIDE
    is_sampled = len(rows) > most
    if is_sampled:
        rows = np.sort(rng.choice(rows, size=most, replace=False))
    return np.asarray(embedding.points[rows], dtype=np.float64), is_sampled


def principal_axes(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the singular values of the centred points, largest first, and the axes (d, m).

    m is what so many rows can span: the smaller of d and rows - 1.
    """
    from scipy.linalg import eigh

    points = points - points.mean(axis=0)
    n, d = points.shape
    m = min(n - 1, d)
    if d <= n:
        square, axes = eigh(points.T @ points, driver="evd", overwrite_a=True)
    else:
        square, left = eigh(points @ points.T, driver="evd", overwrite_a=True)
        axes = points.T @ left
        axes /= np.maximum(np.sqrt(np.maximum(square, 0)), np.finfo(float).tiny)
    values = np.sqrt(np.maximum(square, 0))[::-1][:m]
    return values, np.asarray(axes[:, ::-1][:, :m])
