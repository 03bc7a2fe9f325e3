"""k-means cells of many vectors, in blocks: never a second copy of the vectors, never n x k."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from curalab._check import FloatArray, IntArray
from curalab._points import unit_rows
from curalab.embedding import Embedding

__all__ = ["Rows", "k_means", "means_of", "nearest_centre", "rank_within"]

_BLOCK = 4_096  # rows at a time
_ROWS_A_CENTRE = 256  # that k-means looks at; more move the centres little
_STEPS = 10
_FEW, _STARTS = 200, 10  # of few rows the best of ten seedings: one alone may split badly


class _Points(Protocol):
    def __getitem__(self, rows: IntArray) -> FloatArray: ...


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of an embedding as its metric sees them, made when asked for.

    `Embedding.points` is a copy under cosine; this is none.
    """

    vectors: FloatArray
    is_unit: bool

    @classmethod
    def of(cls, embedding: Embedding) -> Rows:
        """Return the rows of an embedding: of unit length under cosine."""
        return cls(embedding.vectors, embedding.metric == "cosine")

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: slice | IntArray) -> FloatArray:
        some = np.asarray(self.vectors[rows], dtype=np.float32)
        return unit_rows(some) if self.is_unit else some

    def mean(self) -> FloatArray:
        """Return the mean row, shape (d,)."""
        steps = range(0, len(self), _BLOCK)
        total = sum(self[i : i + _BLOCK].sum(axis=0, dtype=np.float64) for i in steps)
        return np.asarray(total / len(self), dtype=np.float32)


def k_means(
    rows: Rows | FloatArray, k: int, *, rng: np.random.Generator, steps: int = _STEPS
) -> FloatArray:
    """Return `k` centres, seeded by k-means++ and moved by Lloyd's steps; shape (k, d), float32.

    Of more than 256 rows a centre, so many drawn ones are looked at.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    n, most = len(rows), _ROWS_A_CENTRE * k
    points = rows[np.sort(rng.choice(n, most, replace=False)) if n > most else slice(None)]
    seed = int(rng.integers(2**31))
    n_init = _STARTS if len(points) <= _FEW else 1
    lloyd = KMeans(k, init=_seeds, n_init=n_init, max_iter=steps, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than centres
        return np.asarray(lloyd.fit(points).cluster_centers_, dtype=np.float32)


def _seeds(points: FloatArray, k: int, random_state: np.random.RandomState) -> FloatArray:
    """Draw rows by their squared distance to those drawn (scikit-learn's does it in float64)."""
    length = np.einsum("ij,ij->i", points, points)
    square = np.ones(len(points), dtype=np.float32)
    picked: list[int] = []
    for i in range(k):
        total = np.cumsum(square, dtype=np.float64)
        if total[-1] <= 0:  # copies alone are left
            total = np.arange(1.0, len(points) + 1)
        draw = random_state.random_sample() * total[-1]
        row = int(min(np.searchsorted(total, draw, side="right"), len(points) - 1))
        picked.append(row)
        new = points @ (-2 * points[row])
        new += length
        new += length[row]
        np.maximum(new, 0, out=new)
        new[row] = 0
        square = np.minimum(square, new) if i else new
    return points[picked]


def means_of(rows: _Points, group: IntArray, n_groups: int) -> FloatArray:
    """Return the mean of each group's rows, (n_groups, d), float64; those of group -1 are left out.

    Parameters
    ----------
    rows : object
        ``rows[numbers]`` are some of the rows, (m, d); not more than a block is asked for.
    group : ndarray of shape (n,), int
    n_groups : int
        Each has a row at least.
    """
    from scipy.sparse import csr_matrix

    some, total = np.flatnonzero(group >= 0), np.float64(0)
    for at in range(0, len(some), _BLOCK):
        block = some[at : at + _BLOCK]
        held = np.ones(len(block)), group[block], np.arange(len(block) + 1)
        total = total + csr_matrix(held, shape=(len(block), n_groups)).T @ rows[block]
    return np.asarray(total / np.bincount(group[some], minlength=n_groups)[:, None])


def nearest_centre(
    rows: Rows | FloatArray, centres: FloatArray, *, offset: FloatArray | float = 0.0
) -> tuple[IntArray, FloatArray]:
    """Return the nearest centre of each row and the squared distance to it, each (n,).

    `offset` is taken off both sides first: |x|² + |c|² - 2xc cancels badly far from the origin.
    """
    about = np.asarray(centres - offset, dtype=np.float32)
    half = np.square(about).sum(axis=1) / 2
    cell, square = np.empty(len(rows), dtype=np.int32), np.empty(len(rows), dtype=np.float32)
    for at in range(0, len(rows), _BLOCK):
        block = np.asarray(rows[at : at + _BLOCK] - offset, dtype=np.float32)
        gap = half - block @ about.T  # (|x - c|² - |x|²) / 2
        best = gap.argmin(axis=1)
        least = gap[np.arange(len(block)), best]
        cell[at : at + _BLOCK] = best
        square[at : at + _BLOCK] = np.maximum(2 * least + np.square(block).sum(axis=1), 0)
    return cell, square


def rank_within(cell: IntArray, *keys: FloatArray | IntArray) -> IntArray:
    """Return each row's rank in its cell, from 0, by the first key, ties by the next ones."""
    order = np.lexsort((*keys[::-1], cell))
    start = np.searchsorted(cell[order], cell[order])
    rank = np.empty(len(cell), dtype=np.int64)
    rank[order] = np.arange(len(cell)) - start
    return rank
