"""Outliers by their relations to all other rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curalab._check import check_real
from curalab._points import unit_rows
from curalab.pool import FloatArray, Pool

__all__ = ["RelationGraph"]

_EXACT = 20_000
_NEIGHBORS = 100
_BLOCK = 512
_LEAST = 1e-6


@dataclass(frozen=True, kw_only=True)
class RelationGraph:
    """Rows that have little to do with any other: the inverse of the sum of their relations.

    The relation of two rows is max(cosine, 0), times the inner product of their class
    probabilities where the pool has such (and the reference too, if there is one); small ones
    count as 0. Sees rows that lie far from the mass of the data, and misses those in a small group
    that lies among the others. With a reference, only relations to its rows count.

    Ours: a row's relation with itself is left out; up to 20,000 rows all pairs count, above that
    the 100 nearest neighbours of each row. With a reference it is the mean relation that counts:
    the ranks are those of the sum, and rows judged against a part of the reference, from which the
    cut comes, compare with rows judged against all of it.

    Parameters
    ----------
    threshold : float, default=0.03
        Relations up to this count as 0.

    References
    ----------
    .. [1] Kim, Yun, Song (2023), "Neural Relation Graph: A Unified Framework for
       Identifying Label Noise and Outlier Data", NeurIPS. arXiv:2301.12321.
    """

    cost: ClassVar[str] = "all pairs of rows in blocks, above 20,000 rows one neighbour pass"

    threshold: float = 0.03

    def __call__(self, pool: Pool, *, rng: np.random.Generator) -> FloatArray:
        """Return oddness, shape (n_items,); higher is odder."""
        least = check_real("threshold", self.threshold, low=0, high=1)
        known = pool if pool.reference is None else pool.reference
        features, others = unit_rows(pool.embedding.points), unit_rows(known.embedding.points)
        is_told = pool.proba is not None and known.proba is not None
        proba = np.asarray(pool.proba, dtype=np.float32) if is_told else None
        beside = np.asarray(known.proba, dtype=np.float32) if is_told else None
        k = min(_NEIGHBORS, len(known) - (known is pool))
        near = None
        if len(known) > _EXACT:
            graph = pool.embedding.neighbors(k) if known is pool else None
            near = graph or known.embedding.search(pool.embedding, k)
        total = np.empty(len(pool))
        for at in range(0, len(pool), _BLOCK):
            rows = slice(at, at + _BLOCK)
            if near is not None:
                found = near.indices[rows]
                relation = np.einsum("nd,nkd->nk", features[rows], others[found])
                if proba is not None and beside is not None:
                    relation *= np.einsum("nc,nkc->nk", proba[rows], beside[found])
            else:
                relation = features[rows] @ others.T
                if proba is not None and beside is not None:
                    relation *= proba[rows] @ beside.T
                if known is pool:
                    own = np.arange(len(relation))
                    relation[own, at + own] = 0
            total[rows] = relation.sum(axis=1, where=relation > least, dtype=np.float64)
        if known is not pool:
            total /= len(known) if near is None else k
        return np.asarray(1 / (total + _LEAST))
