"""Duplicates by the similarity of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curalab._check import check_integer
from curalab.duplicates._graph import similar_pairs
from curalab.duplicates._measured import similarity_of
from curalab.embedding import Embedding
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["Semantic"]


@dataclass(frozen=True, kw_only=True)
class Semantic:
    """Pairs of rows whose vectors are at least as similar as the threshold.

    Read off the neighbour graph, with more neighbours where a row's last one is still above the
    threshold. From 16,384 rows on, where the graph is approximate and may miss a few of the least
    similar pairs, it is read only if it is there already. Else all pairs are found without it,
    exactly: rows that are near each other are so in a few principal coordinates as well, and
    products of these tell which pairs need not be measured.

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
       farthest from its cluster's centre is kept. Here all pairs count by default, the threshold
       comes from the data, and the most central row of a group is kept, as the one that stands
       for it best.)
    """

    cost: ClassVar[str] = "one neighbour pass; with a threshold, products of few coordinates"

    partitions: int | None = None

    def __call__(
        self, pool: Pool, threshold: float, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray]:
        """Return pairs of row numbers (m, 2) and their similarity (m,), from `threshold` up."""
        embedding = pool.embedding
        if self.partitions is None:
            return similar_pairs(embedding, threshold)
        parts = check_integer("partitions", self.partitions, low=1, high=len(pool))
        pairs, similarity = [], []
        for rows in _clusters(embedding.points, parts, rng):
            part = Embedding(vectors=embedding.vectors[rows], metric=embedding.metric)
            found = similar_pairs(part, threshold)
            pairs.append(rows[found[0]])
            similarity.append(found[1])
        return np.concatenate(pairs), np.concatenate(similarity)

    def similarity(self, pool: Pool, pairs: IntArray) -> FloatArray:
        """Return the similarity of pairs of row numbers (m, 2), shape (m,)."""
        return similarity_of(pool.embedding, pairs)


def _clusters(points: FloatArray, n_clusters: int, rng: np.random.Generator) -> list[IntArray]:
    from sklearn.cluster import MiniBatchKMeans

    made = MiniBatchKMeans(n_clusters, n_init=1, random_state=int(rng.integers(2**31)))
    label = made.fit_predict(points)
    return [np.flatnonzero(label == cluster) for cluster in np.unique(label)]
