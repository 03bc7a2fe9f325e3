"""Pairs of similar rows, read off the neighbour graph."""

from __future__ import annotations

import numpy as np

from curalab._check import FloatArray, IntArray
from curalab.duplicates._pairs import COMPLETE, components, distinct, expanded, spanning
from curalab.embedding import Embedding
from curalab.neighbors import Neighbors, nearest

__all__ = ["similar_pairs", "similarity_of", "without_copies"]

_FIRST = 30
_BLOCK = 8_192  # pairs measured at a time


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
    for k in (min(_FIRST, n - 1), min(COMPLETE, n - 1)):
        graph = embedding.neighbors(k)
        near = graph.similarity >= np.float64(threshold)
        rows, at = np.nonzero(near)
        pairs = np.column_stack([rows, graph.indices[rows, at]])
        pairs, similarity = distinct(n, pairs, graph.similarity[rows, at])
        part = components(n, pairs)
        is_large = np.bincount(part)[part] > COMPLETE
        if not (near[:, -1] & ~is_large).any():
            break
    if not is_large.any():
        return pairs, similarity
    return _thinned(embedding, threshold, pairs, similarity, np.where(is_large, part, -1))


def without_copies(embedding: Embedding) -> tuple[Embedding, IntArray] | None:
    """Return the distinct rows, and which of them each row is, where most rows are exact copies.

    None where they are not: then the graph of all rows is worth having.
    """
    vectors = np.ascontiguousarray(embedding.vectors + np.float32(0))  # -0.0 is 0.0
    n = len(vectors)
    if 2 * len(np.unique(vectors[:, 0])) > n:
        return None
    rows = vectors.view(np.dtype((np.void, vectors.strides[0]))).ravel()
    _, first, label = np.unique(rows, return_index=True, return_inverse=True)
    if 2 * len(first) > n:
        return None
    return Embedding(vectors=vectors[first], metric=embedding.metric), label


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
    n, points, large = len(embedding), embedding.points, np.flatnonzero(part >= 0)
    is_linked = np.zeros(n, dtype=bool)
    stars, found = [], []
    for group in np.unique(part[large]):
        members = np.flatnonzero(part == group)
        away = np.linalg.norm(points[members] - points[members].mean(axis=0), axis=1)
        centre = members[np.flatnonzero(away <= away.min() + 1e-6)[0]]
        near = nearest(points[large], len(large), metric=embedding.metric, queries=points[[centre]])
        other = large[near.indices[0]]
        is_near = near.similarity[0] >= np.float64(threshold)
        is_linked[other[is_near & (part[other] == group)]] = True
        is_near &= other != centre
        stars.append(np.column_stack([np.full(len(other), centre), other])[is_near])
        found.append(near.similarity[0][is_near])
    star, to_centre = distinct(n, np.concatenate(stars), np.concatenate(found))
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


def similarity_of(embedding: Embedding, pairs: IntArray) -> FloatArray:
    """Return how similar the rows of each pair are, shape (m,), float64.

    Step by step what `nearest` computes: the same pair gets the same number from both.
    """
    import torch

    points: FloatArray = embedding.points
    if embedding.metric == "euclidean":
        points = points - points.mean(axis=0, dtype=np.float64)
    distance = np.empty(len(pairs), dtype=points.dtype)
    for at in range(0, len(pairs), _BLOCK):
        one, other = pairs[at : at + _BLOCK].T
        gap = torch.from_numpy(points[other] - points[one])
        distance[at : at + _BLOCK] = torch.linalg.vector_norm(gap, dim=1).numpy()
    if embedding.metric == "cosine":
        distance = distance**2 / 2
    found = Neighbors(indices=pairs, distance=distance.astype(np.float32), metric=embedding.metric)
    return found.similarity.astype(np.float64)
