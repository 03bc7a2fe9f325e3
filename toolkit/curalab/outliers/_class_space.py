"""A space in which directions count by how well they tell known classes apart."""

from __future__ import annotations

import numpy as np

from curalab._check import FloatArray, IntArray
from curalab._points import unit_rows
from curalab._shape import inverse_root, shaped_gaps
from curalab.embedding import Embedding
from curalab.neighbors import Neighbors
from curalab.outliers.mahalanobis import means_and_root

__all__ = ["seen_by_class"]

_FOLDS = 3
_MOST_ROWS = 5_000  # of the other folds, that the space is made of
_CLASS_FREE = 0.95  # of the class-free distance is taken off
_NEIGHBORS = 5
_BLOCK = 16_384  # rows judged together


def seen_by_class(points: FloatArray, codes: IntArray, rng: np.random.Generator) -> FloatArray:
    """Return how far rows lie from the nearest class, and from rows for where they lie.

    The square of a distance in this space is the Mahalanobis one around class centres, less most
    of the one around the centre of all rows, as in the relative Mahalanobis distance: directions
    in which all rows vary alike hardly count. The second distance is the mean of 1 - cosine to
    the five nearest labelled rows, less what is usual for these.

    A space follows the rows that made it, so a labelled row is judged in one made without it, by
    the rows of other folds; any other row is judged in all of them.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Vectors of all rows.
    codes : ndarray of shape (n,), int
        Class numbers, -1 where a row has no label. Two rows or more have one.
    rng : numpy.random.Generator
        Deals the rows into folds.

    Returns
    -------
    ndarray of shape (2, n)
    """
    from curalab.heads import folds_of

    labelled = np.flatnonzero(codes >= 0)
    n_folds = min(_FOLDS, len(labelled))
    fold = np.full(len(codes), -1)
    fold[labelled] = folds_of(codes[labelled], n_folds, rng=rng)
    found = np.zeros((2, len(points)))
    for part in range(n_folds):
        fit = rng.permutation(np.flatnonzero((fold >= 0) & (fold != part)))[:_MOST_ROWS]
        rows = np.flatnonzero((fold < 0) | (fold == part))
        seen = _seen(points, rows, points[fit], np.unique(codes[fit], return_inverse=True)[1])
        found[:, rows] += seen / np.where(fold[rows] < 0, n_folds, 1)
    return found


def _seen(points: FloatArray, rows: IntArray, known: FloatArray, codes: IntArray) -> FloatArray:
    """Return both distances of rows from known ones that are others, shape (2, len(rows))."""
    means, around_classes = means_and_root(known, codes)
    middle = known.mean(axis=0)
    around_all = inverse_root(known, middle[None], np.zeros(len(known), dtype=np.int64))
    metric = around_classes @ around_classes.T - _CLASS_FREE * around_all @ around_all.T
    value, vector = np.linalg.eigh(metric)
    root = vector * np.sqrt(np.maximum(value, 0))

    def placed(some: FloatArray) -> Embedding:
        return Embedding(vectors=unit_rows((some - middle) @ root), metric="euclidean")

    usual, seen, n_near = placed(known), np.empty((2, len(rows))), min(_NEIGHBORS, len(known))
    beside: FloatArray = np.zeros(1)
    if len(known) > 1:
        beside = _mean_gap(usual.neighbors(min(_NEIGHBORS, len(known) - 1)))
    for at in range(0, len(rows), _BLOCK):
        block = points[rows[at : at + _BLOCK]]
        found = usual.search(placed(block), n_near)
        seen[0, at : at + _BLOCK] = np.sqrt(shaped_gaps(block, means, root).min(axis=1))
        seen[1, at : at + _BLOCK] = _mean_gap(found) - beside[found.indices].mean(axis=1)
    return seen


def _mean_gap(near: Neighbors) -> FloatArray:
    """Return the mean of 1 - cosine to the neighbours, which are of length 1, shape (n,)."""
    return np.asarray(np.square(near.distance).mean(axis=1) / 2)
