"""Pairs of similar rows: read off the neighbour graph, or measured where there is none yet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from curalab._cells import Rows, means_of
from curalab._check import FloatArray, IntArray
from curalab.duplicates._measured import measured_pairs, similarity_of, squared_reach
from curalab.duplicates._pairs import (
    COMPLETE,
    components,
    distinct,
    expanded,
    spanning,
    without_copies,
)
from curalab.embedding import Embedding
from curalab.neighbors import Neighbors, without_own

__all__ = ["nearest_of", "similar_pairs"]

_FIRST = 30
_FEW = 1 / 8  # of the rows: a search for these alone costs less than the graph of all
_MANY = 16_384  # rows from which the graph is approximate
_CELLS = 1 << 22  # numbers of rows looked at together


def similar_pairs(embedding: Embedding, threshold: float) -> tuple[IntArray, FloatArray]:
    """Return all pairs of rows at least as similar as `threshold`, and how similar they are.

    Of groups of more than 100 rows only enough pairs to connect them.

    Returns
    -------
    pairs : ndarray of shape (m, 2), int
        Row numbers.
    similarity : ndarray of shape (m,), float64
    """
    n = len(embedding)
    if n < 2:
        return np.empty((0, 2), dtype=np.int64), np.empty(0)
    few = without_copies(embedding)
    if few is not None:
        return expanded(few[1], *similar_pairs(few[0], threshold))
    found = None
    if n >= _MANY and not embedding.has_graph:
        found = measured_pairs(embedding, threshold)
    pairs, similarity = _read(embedding, threshold) if found is None else found
    part = components(n, pairs)
    is_large = np.bincount(part)[part] > COMPLETE
    if not is_large.any():
        return pairs, similarity
    return _thinned(embedding, threshold, pairs, similarity, np.where(is_large, part, -1))


def nearest_of(embedding: Embedding, rows: IntArray, k: int) -> Neighbors:
    """Return the `k` nearest others of some rows, by the graph of all where that costs no more."""
    is_there = embedding.has_graph and k <= _FIRST
    if is_there or len(rows) > _FEW * len(embedding):
        graph = embedding.neighbors(k)
        if len(rows) == len(embedding):
            return graph
        return replace(graph, indices=graph.indices[rows], distance=graph.distance[rows])
    seen = embedding.search(embedding.vectors[rows], k + 1)
    indices, distance = without_own(seen.indices, seen.distance, rows)
    return replace(seen, indices=indices, distance=distance)


def _read(embedding: Embedding, threshold: float) -> tuple[IntArray, FloatArray]:
    """Return the pairs in the graph, with more neighbours where a row's last one is still one."""
    n, rows = len(embedding), np.arange(len(embedding))
    pairs: IntArray = np.empty((0, 2), dtype=np.int64)
    similarity: FloatArray = np.empty(0)
    for k in (min(_FIRST, n - 1), min(COMPLETE, n - 1)):
        graph = nearest_of(embedding, rows, k)
        near = graph.similarity >= np.float64(threshold)
        of, at = np.nonzero(near)
        pairs = np.concatenate([pairs, np.column_stack([rows[of], graph.indices[of, at]])])
        pairs, similarity = distinct(n, pairs, np.r_[similarity, graph.similarity[of, at]])
        part = components(n, pairs)
        size = np.bincount(part)[part]
        rows = rows[near[:, -1] & (size[rows] <= COMPLETE)]
        if not len(rows):
            break
    return pairs, similarity


def _thinned(
    embedding: Embedding,
    threshold: float,
    pairs: IntArray,
    similarity: FloatArray,
    part: IntArray,
) -> tuple[IntArray, FloatArray]:
    """Link each member of a large group (`part` >= 0) to the central one, else to others.

    A member may have more neighbours than were looked at, and one group may have come as two:
    the central one is compared with the rows of all large groups.
    """
    n, star = len(embedding), _stars(embedding, threshold, part)
    to_centre = similarity_of(embedding, star)
    is_pair = to_centre >= np.float64(threshold)
    star, to_centre = star[is_pair], to_centre[is_pair]
    is_linked = np.zeros(n, dtype=bool)
    is_linked[star[part[star[:, 0]] == part[star[:, 1]], 1]] = True
    is_other = star[:, 0] != star[:, 1]
    star, to_centre = distinct(n, star[is_other], to_centre[is_other])
    is_small = part[pairs[:, 0]] < 0
    other = np.flatnonzero(~is_small & ~is_linked[pairs].all(axis=1))
    other = other[np.argsort(-similarity[other], kind="stable")]
    links = np.concatenate([star, pairs[other]])
    weight = np.concatenate([to_centre, similarity[other]])
    enough = spanning(n, links)
    return (
        np.concatenate([pairs[is_small], links[enough]]),
        np.concatenate([similarity[is_small], weight[enough]]),
    )


def _stars(embedding: Embedding, threshold: float, part: IntArray) -> IntArray:
    """Return the central row of each large group beside rows that may be as similar to it.

    It is the one nearest to the mean. Of the rows of large groups a block is looked at at a time.
    """
    large = np.flatnonzero(part >= 0)
    group, rows = np.unique(part[large], return_inverse=True)[1], Rows.of(embedding)
    size = np.bincount(group)
    step = max(1, _CELLS // max(len(size), embedding.shape[1]))
    blocks = [slice(at, at + step) for at in range(0, len(large), step)]
    of_group = np.full(len(embedding), -1)
    of_group[large] = group
    mean = means_of(rows, of_group, len(size))
    away = [np.linalg.norm(rows[large[block]] - mean[group[block]], axis=1) for block in blocks]
    far = np.concatenate(away)
    least = np.full(len(size), np.inf)
    np.minimum.at(least, group, far)
    middle = np.flatnonzero(far <= least[group] + 1e-6)
    centre = large[middle[np.unique(group[middle], return_index=True)[1]]]
    about = size @ mean / size.sum()
    middles, reach = rows[centre] - about, squared_reach(threshold, embedding.metric)
    square, found = np.square(middles).sum(axis=1), []
    for block in blocks:
        some = rows[large[block]] - about
        both = np.square(some).sum(axis=1)[:, None] + square
        near, of = np.nonzero(both - 2 * some @ middles.T <= reach + 1e-5 * both)
        found.append(np.column_stack([centre[of], large[block][near]]))
    return np.concatenate(found)
