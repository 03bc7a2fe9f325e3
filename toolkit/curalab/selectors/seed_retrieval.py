"""Retrieval of a pool's rows for curated seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_integer, check_real, complain
from curalab.embedding import Embedding
from curalab.neighbors import nearest
from curalab.pool import FloatArray, IntArray, Pool
from curalab.selectors._target import check_space, free_rows, in_turns

__all__ = ["SeedRetrieval"]

_GRAPH = 10  # neighbours in which copies are looked for; copies of copies are found over others


@dataclass(frozen=True, kw_only=True)
class SeedRetrieval:
    """Rows of a large, uncurated pool that resemble the seeds, each seed bringing about as many.

    `target` holds the seeds. Copies in the pool are put into groups, and of each group only the
    row nearest to a seed is picked. Groups with a copy of a row in `avoid` (the test set) are never
    picked. Then the seeds take turns: each takes the row nearest to it that is still there, or,
    with `n_clusters`, one drawn from its cluster. What differs from the paper: `select` asks for
    `k` rows, so that seeds go on taking turns until there are as many (the paper takes 4 a seed of
    large seed sets); copies, also of `chosen` rows, come last and rows of clusters without a seed
    just before them, instead of never; cosine of the pool's own vectors stands for that of a
    network trained to find copies, so that the threshold is higher than the paper's 0.6.

    Parameters
    ----------
    avoid : Embedding, default=None
        Rows of which no copy may be picked.
    copy : float, default=0.95
        Similarity (cosine, or 1 / (1 + distance)) from which two rows count as copies, in [0, 1].
    n_clusters : int, default=None
        Clusters of the pool, from those of which that hold a seed rows are drawn: more varied, and
        farther from the seeds. None takes the nearest rows.

    Notes
    -----
    Gain is the similarity to the seed. In `details`, `seed` is the id of the seed that brought
    each row, `n_avoided` how many rows resemble `avoid`, `n_distinct` how many picks come before
    the first copy.

    Raises
    ------
    ValueError
        `k` is more than the rows that do not resemble `avoid`.

    References
    ----------
    .. [1] Oquab, Darcet, Moutakanni et al. (2024), "DINOv2: Learning Robust Visual Features without
       Supervision", TMLR, arXiv:2304.07193.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import SeedRetrieval
    >>> line = cl.Embedding(vectors=np.array([[0.0], [0.01], [1], [9]]), metric="euclidean")
    >>> pick = cl.select(line, 3, target=np.array([[0.0], [8]]), method=SeedRetrieval())
    >>> pick.ids.tolist(), pick.details["seed"].tolist()
    ([0, 3, 2], [0, 1, 0])
    """

    needs: ClassVar[tuple[str, ...]] = ("target",)
    cost: ClassVar[str] = "neighbour graph"

    avoid: Embedding | None = None
    copy: float = 0.95
    n_clusters: int | None = None

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers, each seed's in turn, and the seed that brought each."""
        check_real("copy", self.copy, low=0, high=1)
        seeds: Any = pool.target
        check_space("target", seeds, pool.embedding)
        points, metric = pool.embedding.points, seeds.metric
        group = self._groups(pool)
        free, n_avoided = self._allowed(pool, group, k)
        distinct = _one_a_group(free, group, points, seeds, pool.chosen)
        # Each source is used up before the next: drawn rows, rows without a copy, copies.
        rows, seed = self._drawn(points, distinct, seeds, rng)
        rows, seed = rows[:k], seed[:k]
        for source in (distinct, free):
            rest = np.setdiff1d(source, rows)
            more = min(k - len(rows), len(rest))
            taken, by, _, _ = in_turns(points[rest], seeds.points, more, metric=metric)
            rows, seed = np.append(rows, rest[taken]), np.append(seed, by)
        return rows, {
            "gain": _similarity(points[rows], seeds.points[seed], metric),
            "seed": seeds.ids[seed].to_numpy(),
            "n_avoided": n_avoided,
            "n_distinct": min(k, len(distinct)),
        }

    def _groups(self, pool: Pool) -> IntArray:
        """Return a number for each row, the same for copies."""
        from scipy.sparse import csr_matrix
        from scipy.sparse.csgraph import connected_components

        n = len(pool)
        if n == 1:
            return np.zeros(1, dtype=np.int64)
        graph = pool.embedding.neighbors(min(_GRAPH, n - 1))
        one, at = np.nonzero(graph.similarity >= self.copy)
        links = csr_matrix((np.ones(len(one)), (one, graph.indices[one, at])), shape=(n, n))
        return np.asarray(connected_components(links, directed=False)[1])

    def _allowed(self, pool: Pool, group: IntArray, k: int) -> tuple[IntArray, int]:
        """Return the free rows that do not resemble `avoid`, and how many rows of the pool do."""
        free, own = free_rows(pool), pool.embedding
        if self.avoid is None:
            return free, 0
        if not isinstance(self.avoid, Embedding):
            raise TypeError(complain("avoid", "an Embedding or None", self.avoid))
        check_space("avoid", self.avoid, own)
        found = nearest(self.avoid.points, 1, metric=own.metric, queries=own.points)
        is_leak = np.isin(group, group[found.similarity[:, 0] >= self.copy])
        free = free[~is_leak[free]]
        if k > len(free):
            rule = f"at most {len(free):,}: {is_leak.sum():,} rows resemble 'avoid'"
            raise ValueError(complain("k", rule, k))
        return free, int(is_leak.sum())

    def _drawn(
        self, points: FloatArray, rows: IntArray, seeds: Embedding, rng: np.random.Generator
    ) -> tuple[IntArray, IntArray]:
        """Return the rows of the seeds' clusters, drawn by the seeds in turn, and by which."""
        if self.n_clusters is None or not len(rows):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        from sklearn.cluster import KMeans

        number = check_integer("n_clusters", self.n_clusters, low=1)
        number = min(number, len(np.unique(points[rows], axis=0)))
        made = KMeans(number, n_init=1, random_state=int(rng.integers(2**31))).fit(points[rows])
        home = made.predict(seeds.points)
        drawn, by, turn = [], [], []
        for cluster in np.unique(home):
            asking = np.flatnonzero(home == cluster)
            found = rng.permutation(rows[made.labels_ == cluster])
            drawn.append(found)
            by.append(asking[np.arange(len(found)) % len(asking)])
            turn.append(np.arange(len(found)) // len(asking))
        order = np.argsort(np.concatenate(turn), kind="stable")
        return np.concatenate(drawn)[order], np.concatenate(by)[order]


def _one_a_group(
    free: IntArray, group: IntArray, points: FloatArray, seeds: Embedding, chosen: IntArray | None
) -> IntArray:
    """Return of each group of copies the row nearest to a seed; none of groups of chosen rows."""
    distance = nearest(seeds.points, 1, metric=seeds.metric, queries=points[free]).distance[:, 0]
    by_nearness = free[np.argsort(distance, kind="stable")]
    found, first = np.unique(group[by_nearness], return_index=True)
    is_new = ~np.isin(found, [] if chosen is None else group[chosen])
    return np.sort(by_nearness[first[is_new]])


def _similarity(points: FloatArray, others: FloatArray, metric: str) -> FloatArray:
    """Return the similarity of each row to the other of the same number."""
    if metric == "cosine":
        return np.asarray(np.einsum("ij,ij->i", points, others), dtype=np.float64)
    return np.asarray(1 / (1 + np.linalg.norm(points - others, axis=1)), dtype=np.float64)
