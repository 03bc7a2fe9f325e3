"""Methods for more rows than one pass takes: parts by k-means, worked on apart from each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._cells import k_means, nearest_centre
from curalab._check import FloatArray, IntArray, check_integer
from curalab.duplicates import Semantic
from curalab.pool import Pool
from curalab.scale._blocks import blocks_of, parts_of
from curalab.scale._run import Where, mapped

__all__ = ["HierarchicalKMeans", "PartitionedDuplicates"]

_Part = tuple[int, IntArray, FloatArray]
_ROWS = 20_000  # a part
_LOOKED = 2  # parts that a row is in: a border cuts a pair only where both of its sides do


@dataclass(frozen=True, kw_only=True)
class HierarchicalKMeans:
    """k-means of many clusters in two levels: coarse ones, each split by itself.

    Needs rows · √k products where k-means needs rows · k, and the coarse clusters are split on as
    many machines as there are. Strength is 1 - d1 / d2, with d1 and d2 the distances to the nearest
    and second-nearest centre within the coarse cluster.

    Parameters
    ----------
    n_clusters : int
        Clusters; each coarse one is split into as many as its share of the rows, at least one.
    backend, address
        As in `map_batches`.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(900, 4)) + 9 * np.eye(4)[np.arange(900) % 3]
    >>> method = cl.scale.HierarchicalKMeans(n_clusters=9)
    >>> cl.cluster(x, method=method, random_state=0).n_clusters
    9
    """

    cost: ClassVar[str] = "√k products a row; on one machine or many"

    n_clusters: int
    backend: str = "local"
    address: str | None = None

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, dict[str, Any]]:
        """Return labels and strength in [0, 1], each (n_items,)."""
        points, n = pool.embedding.points, len(pool)
        k = check_integer("n_clusters", self.n_clusters, low=1, high=n)
        where, seed = Where(self.backend, self.address), int(rng.integers(2**32))
        centres = k_means(points, max(1, round(k**0.5)), rng=rng)
        nearest = partial(_cells, centres=centres, n=1)
        cell = mapped(nearest, blocks_of(points, None), where, seed=seed)[:, 0]
        groups = [rows for c in range(len(centres)) if len(rows := np.flatnonzero(cell == c))]
        parts = list(zip(_shares([len(rows) for rows in groups], k), groups, strict=True))
        made = mapped(_split, parts_of(points, parts), where, seed=seed).sort_values("row")
        first = np.cumsum([0, *(number for number, _ in parts[:-1])])
        offset = np.empty(n, dtype=np.int64)
        for start, rows in zip(first, groups, strict=True):
            offset[rows] = start
        return made["label"].to_numpy() + offset, made["strength"].to_numpy(), {}


@dataclass(frozen=True, kw_only=True)
class PartitionedDuplicates:
    """Pairs of similar rows, sought in parts by k-means; each row is in the two nearest parts.

    For `find_duplicates`, with a threshold: setting one from the data takes the whole graph. A pair
    is lost where its rows share neither part.

    Parameters
    ----------
    n_partitions : int, default=None
        None makes one for each 20,000 rows.
    backend, address
        As in `map_batches`.

    References
    ----------
    .. [1] Abbas, Tirumala, Simig, Ganguli, Morcos (2023), "SemDeDup: Data-efficient learning at
       web-scale through semantic deduplication", arXiv:2303.09540. (There a row is in one part.)

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(300, 8))
    >>> x[200:] = x[:100]
    >>> method = cl.scale.PartitionedDuplicates(n_partitions=5)
    >>> len(cl.find_duplicates(x, threshold=0.99, method=method, random_state=0).pairs())
    100
    """

    cost: ClassVar[str] = "twice the rows of a part, squared, a part; on one machine or many"

    n_partitions: int | None = None
    backend: str = "local"
    address: str | None = None

    def __call__(
        self, pool: Pool, threshold: float, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray]:
        """Return pairs of row numbers (m, 2) and their similarity (m,), from `threshold` up."""
        points, n = pool.embedding.points, len(pool)
        number = -(-n // _ROWS) if self.n_partitions is None else self.n_partitions
        number = check_integer("n_partitions", number, low=1, high=n)
        where, seed = Where(self.backend, self.address), int(rng.integers(2**32))
        cells = np.zeros((n, 1), dtype=np.int32)
        if number > 1:
            near = partial(_cells, centres=k_means(points, number, rng=rng), n=_LOOKED)
            cells = mapped(near, blocks_of(points, None), where, seed=seed)
        groups = [np.flatnonzero((cells == c).any(axis=1)) for c in range(number)]
        parts = parts_of(pool.embedding.vectors, [(0, rows) for rows in groups if len(rows)])
        alike = partial(_alike, metric=pool.embedding.metric, threshold=threshold)
        found = mapped(alike, parts, where, seed=seed).drop_duplicates(["a", "b"])
        return found[["a", "b"]].to_numpy(), found["similarity"].to_numpy()

    similarity = Semantic.similarity


def _shares(sizes: list[int], k: int) -> list[int]:
    """Return how many of `k` clusters each part is split into, one at least, all in proportion."""
    given = np.ones(len(sizes), dtype=int)
    want = np.array(sizes) * (k / sum(sizes))
    for _ in range(k - len(sizes)):
        given[np.argmax(np.where(given < sizes, want - given, -np.inf))] += 1
    return [int(number) for number in given]


# ---- what is done to a batch or part -------------------------------------------------------------


def _cells(batch: FloatArray, *, centres: FloatArray, n: int) -> IntArray:
    """Return the `n` centres nearest to each row, nearest first."""
    middle = centres.mean(axis=0)  # |c|² / 2 - x·c cancels badly far from the origin
    about = centres - middle
    gap = np.square(about).sum(axis=1) / 2 - (batch - middle) @ about.T
    return np.argsort(gap, axis=1, kind="stable")[:, :n].astype(np.int32)


def _split(batch: _Part, rng: np.random.Generator) -> pd.DataFrame:
    number, rows, points = batch
    centres = k_means(points, number, rng=rng)
    label, square = nearest_centre(points, centres, offset=points.mean(axis=0))
    strength = np.ones(len(points))
    if number > 1:
        second = _cells(points, centres=centres, n=2)
        other = np.where(second[:, 0] == label, second[:, 1], second[:, 0])
        away = np.linalg.norm(points - centres[other], axis=1)
        strength = np.clip(1 - np.sqrt(square) / np.maximum(away, 1e-30), 0, 1)
    return pd.DataFrame({"row": rows, "label": label, "strength": strength})


def _alike(batch: _Part, *, metric: str, threshold: float) -> pd.DataFrame:
    from curalab.duplicates._graph import similar_pairs
    from curalab.embedding import Embedding

    _, rows, vectors = batch
    pairs, similarity = similar_pairs(Embedding(vectors=vectors, metric=metric), threshold)
    a, b = np.sort(rows[pairs], axis=1).T
    return pd.DataFrame({"a": a, "b": b, "similarity": similarity})
