"""Duplicates by the similarity of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curalab._check import check_integer
from curalab.duplicates._pairs import COMPLETE, components, distinct, spanning
from curalab.embedding import Embedding
from curalab.neighbors import nearest
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["Semantic"]

_FIRST = 30


@dataclass(frozen=True, kw_only=True)
class Semantic:
    """Pairs of rows whose vectors are at least as similar as the threshold.

    Exact: read off the neighbour graph, with more neighbours where a row's last one is still
    above the threshold.

    Parameters
    ----------
    partitions : int, default=None
        Look for pairs only inside each of this many k-means clusters, as the paper does to save
        time on millions of rows; pairs that a border cuts are lost. Give a threshold with it, as
        setting one from the data takes the whole graph. None finds all pairs.

    References
    ----------
    .. [1] Abbas, Tirumala, Simig, Ganguli, Morcos (2023), "SemDeDup: Data-efficient learning at
       web-scale through semantic deduplication", arXiv:2303.09540. (There k-means is always
       used, the threshold is chosen for the share of rows to keep, and of each group the row
       farthest from its cluster's centre is kept. Here the pairs are exact by default, the
       threshold comes from the data, and the most central row of a group is kept, as the one
       that stands for it best.)
    """

    cost: ClassVar[str] = "one neighbour pass"

    partitions: int | None = None

    def __call__(
        self, pool: Pool, threshold: float, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray]:
        """Return pairs of row numbers (m, 2) and their similarity (m,), from `threshold` up."""
        embedding = pool.embedding
        if self.partitions is None:
            return _similar(embedding, np.float64(threshold))
        parts = check_integer("partitions", self.partitions, low=1, high=len(pool))
        pairs, similarity = [], []
        for rows in _clusters(embedding.points, parts, rng):
            part = Embedding(vectors=embedding.vectors[rows], metric=embedding.metric)
            found = _similar(part, np.float64(threshold))
            pairs.append(rows[found[0]])
            similarity.append(found[1])
        return np.concatenate(pairs), np.concatenate(similarity)


def _clusters(points: FloatArray, n_clusters: int, rng: np.random.Generator) -> list[IntArray]:
    from sklearn.cluster import MiniBatchKMeans

    made = MiniBatchKMeans(n_clusters, n_init=1, random_state=int(rng.integers(2**31)))
    label = made.fit_predict(points)
    return [np.flatnonzero(label == cluster) for cluster in np.unique(label)]


def _similar(embedding: Embedding, threshold: np.float64) -> tuple[IntArray, FloatArray]:
    n, k = len(embedding), min(_FIRST, len(embedding) - 1)
    if n < 2:
        return np.empty((0, 2), dtype=np.int64), np.empty(0)
    while True:
        graph = embedding.neighbors(k)
        near = graph.similarity >= threshold
        rows, at = np.nonzero(near)
        pairs = np.column_stack([rows, graph.indices[rows, at]])
        pairs, similarity = distinct(n, pairs, graph.similarity[rows, at])
        part = components(n, pairs)
        is_large = np.bincount(part)[part] > COMPLETE
        if k >= min(COMPLETE, n - 1) or not (near[:, -1] & ~is_large).any():
            break
        k = min(2 * k, COMPLETE, n - 1)
    if not is_large.any():
        return pairs, similarity
    return _thinned(embedding, threshold, pairs, similarity, np.where(is_large, part, -1))


def _thinned(
    embedding: Embedding,
    threshold: np.float64,
    pairs: IntArray,
    similarity: FloatArray,
    part: IntArray,
) -> tuple[IntArray, FloatArray]:
    """Link each member of a large group (`part` >= 0) to the central one, else to others.

    A member may have more neighbours than were looked at, and one group may have come as two:
    the central one is compared with the rows of all large groups.
    """
    n, points, large = len(embedding), embedding.points, np.flatnonzero(part >= 0)
    is_small = part[pairs[:, 0]] < 0
    stars, found = [], []
    for group in np.unique(part[large]):
        members = np.flatnonzero(part == group)
        away = np.linalg.norm(points[members] - points[members].mean(axis=0), axis=1)
        centre = members[np.flatnonzero(away <= away.min() + 1e-6)[0]]
        near = nearest(points[large], len(large), metric=embedding.metric, queries=points[[centre]])
        other = large[near.indices[0]]
        linked = (near.similarity[0] >= threshold) & (other != centre)
        stars.append(np.column_stack([np.full(len(other), centre), other])[linked])
        found.append(near.similarity[0][linked])
    star, to_centre = distinct(n, np.concatenate(stars), np.concatenate(found))
    is_other = ~is_small & ~np.isin(pairs, star).all(axis=1)
    links = np.concatenate([star, pairs[is_other]])
    weights = np.concatenate([to_centre, similarity[is_other]])
    enough = spanning(n, links)
    return (
        np.concatenate([pairs[is_small], links[enough]]),
        np.concatenate([similarity[is_small], weights[enough]]),
    )
