"""What the methods that discover classes share: the space, and k-means in which labels stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from curalab._blocks import by_blocks
from curalab.pool import FloatArray, IntArray, Pool

__all__ = [
    "Found",
    "Space",
    "averaged",
    "begin",
    "blurred",
    "compact",
    "constrained",
    "in_order",
    "space_of",
    "square_gaps",
]

_WIDE = 384  # dimensions; of more these are kept
_BASIS = 96  # principal components looked at
_GUESS, _GUESSED_ROWS = 0.3, 10  # share of the variance within classes, where nobody knows
_FEWEST = 5  # rows; fewer are no class
_TRIES = 6


class Space(NamedTuple):
    """A linear map of the points; within a class the variance is about 1 in every direction."""

    middle: FloatArray
    turn: FloatArray
    gain: FloatArray  # variance of all rows over that within classes, one a dimension

    def of(self, points: FloatArray) -> FloatArray:
        return np.asarray((points - self.middle) @ self.turn, dtype=np.float64)


class Found(NamedTuple):
    """Clusters: the known classes first, each with its centre in the space."""

    space: Space
    centres: FloatArray
    n_known: int
    n_rows: IntArray  # without label, of each cluster
    details: dict[str, Any]


def blurred(pool: Pool, k: int, new: FloatArray | None = None) -> FloatArray:
    """Return the mean of each point and its `k` nearest rows, of unit length under cosine."""
    points = pool.embedding.points
    here = points if new is None else new
    if k > 0:
        near = pool.embedding.neighbors(k) if new is None else pool.embedding.search(new, k)
        total = here.astype(np.float64)
        for column in near.indices.T:
            total += points[column]
        here = total / (k + 1)
        if pool.embedding.metric == "cosine":
            here /= np.maximum(np.linalg.norm(here, axis=1, keepdims=True), 1e-12)
    return np.asarray(here, dtype=np.float32)


def averaged(
    pool: Pool, k: int, rng: np.random.Generator
) -> tuple[FloatArray, Callable[[FloatArray], FloatArray]]:
    """Return the points to look for classes in, and what makes such of other rows.

    Wide points are those of their first principal components: all that follows finds a space anew
    some hundred times, each with an eigenproblem of as many dimensions.
    """
    points = blurred(pool, k)
    if points.shape[1] <= _WIDE:
        return points, lambda new: blurred(pool, k, new)
    from sklearn.decomposition import PCA

    seed = int(rng.integers(2**31))
    pca = PCA(min(_WIDE, len(points)), random_state=seed).fit(points)
    return pca.transform(points), lambda new: pca.transform(blurred(pool, k, new))


def space_of(points: FloatArray, codes: IntArray, *, n_dims: int, shrink: float) -> Space:
    """Return the directions in which all rows vary most, against rows of one class."""
    from scipy.linalg import eigh
    from sklearn.covariance import ledoit_wolf

    middle = points.mean(axis=0, dtype=np.float64)
    centred = (points - middle).astype(np.float64)
    value, basis = np.linalg.eigh(centred.T @ centred / len(points))
    kept = np.flatnonzero(value > max(1e-9 * value[-1], 1e-12))[::-1][:_BASIS]
    if not len(kept):  # copies of one row
        return Space(middle, np.zeros((points.shape[1], 1)), np.ones(1))
    value, basis = value[kept], basis[:, kept]
    rows = np.flatnonzero(codes >= 0)
    group, n = compact(codes[rows])
    low = centred[rows] @ basis
    low = low - _means(low, group, n)[group]
    free = len(rows) - n
    guess = _GUESS * value.mean() * np.eye(len(value))
    within = ledoit_wolf(low, assume_centered=True)[0] * len(rows) if free > 0 else 0 * guess
    within = (within + _GUESSED_ROWS * guess) / (free + _GUESSED_ROWS)
    round_ = np.trace(within) / len(within) * np.eye(len(within))
    gain, turn = eigh(np.diag(value), (1 - shrink) * within + shrink * round_)
    best = np.arange(len(gain))[::-1][:n_dims]
    return Space(middle, basis @ turn[:, best], gain[best])


def compact(codes: IntArray) -> tuple[IntArray, int]:
    """Return the codes that occur numbered from 0, -1 kept, and how many there are."""
    seen = np.unique(codes[codes >= 0])
    return np.where(codes >= 0, np.searchsorted(seen, codes), -1), len(seen)


def _means(z: FloatArray, group: IntArray, n: int) -> FloatArray:
    from scipy.sparse import csr_array

    here = csr_array((np.ones(len(z)), (group, np.arange(len(z)))), shape=(n, len(z)))
    return np.asarray((here @ z) / np.maximum(np.bincount(group, minlength=n), 1)[:, None])


def square_gaps(z: FloatArray, centres: FloatArray) -> FloatArray:
    """Return squared distances, (n, n_centres)."""
    gap = np.square(z).sum(axis=1)[:, None] + np.square(centres).sum(axis=1)
    gap -= 2 * z @ centres.T
    return np.asarray(np.maximum(gap, 0, out=gap))


def _nearest(z: FloatArray, centres: FloatArray) -> IntArray:
    return by_blocks(lambda rows: square_gaps(z[rows], centres).argmin(axis=1), z)


def begin(z: FloatArray, codes: IntArray, n: int, rng: np.random.Generator) -> FloatArray:
    """Return the means of the known classes and, up to `n`, rows far from all before them."""
    from scipy.spatial.distance import cdist

    known = np.flatnonzero(codes >= 0)
    centres = _means(z[known], codes[known], int(codes.max()) + 1)
    free = z[codes < 0]
    gap = square_gaps(free, centres).min(axis=1)
    while len(centres) < n and gap.sum() > 0:
        tried = rng.choice(len(free), size=_TRIES, p=gap / gap.sum())
        each = np.minimum(gap, cdist(free[tried], free, "sqeuclidean"))  # copies are 0 apart
        best = int(each.sum(axis=1).argmin())
        gap, centres = each[best], np.vstack([centres, free[tried[best]]])
    return centres


def constrained(
    z: FloatArray, codes: IntArray, centres: FloatArray, *, n_steps: int = 20
) -> tuple[IntArray, FloatArray]:
    """k-means in which labelled rows stay; return each row's cluster, and the centres left."""
    n_known, known = int(codes.max()) + 1, codes >= 0
    before: IntArray | None = None
    for _ in range(n_steps):
        cluster = _nearest(z, centres)
        cluster[known] = codes[known]
        size = np.bincount(cluster, minlength=len(centres))
        kept = (size > 0) | (np.arange(len(centres)) < n_known)
        cluster = (np.cumsum(kept) - 1)[cluster]
        if before is not None and np.array_equal(cluster, before):
            break
        before, centres = cluster, _means(z, cluster, int(kept.sum()))
    return cluster, centres


def in_order(
    space: Space,
    z: FloatArray,
    codes: IntArray,
    cluster: IntArray,
    centres: FloatArray,
    details: dict[str, Any],
) -> Found:
    """Return what was found, largest new cluster first; a few odd rows together are no class.

    The centre of a new cluster is its median: no label keeps a far row from pulling at it.
    """
    n_known = int(codes.max()) + 1
    size = np.bincount(cluster[codes < 0], minlength=len(centres))
    new = n_known + np.argsort(-size[n_known:], kind="stable")
    order = np.concatenate([np.arange(n_known), new[size[new] > _FEWEST]])
    centres = centres.copy()
    for i in new:
        centres[i] = np.median(z[cluster == i], axis=0)
    return Found(space, centres[order], n_known, size[order], details)
