"""Selection of rows whose surroundings cover most of the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._cells import k_means, nearest_centre
from curalab._check import check_integer, check_real
from curalab._points import centred_rows
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["ProbCover"]

_BLOCK = 2_048  # rows at a time, on both sides
_MOST = 500  # clusters
_SERVED = 50_000  # rows that are counted


@dataclass(frozen=True, kw_only=True)
class ProbCover:
    """The row in whose ball lie most rows that no earlier ball covers.

    Greedy maximum coverage by balls of one radius. The radius is as large as it may be for most
    balls to hold one kind of row only, where the kinds are k-means clusters: then a label is likely
    to hold for the whole ball. Balls of rows in `chosen` cover from the start.

    Parameters
    ----------
    delta : float, default=None
        The radius (1 - cosine, or Euclidean). None finds it by `purity`.
    n_clusters : int, default=None
        Clusters by which purity is measured. None means the number of classes where it is known,
        else of rows in `chosen` and picks together, up to 500.
    purity : float, default=0.95
        Share of the balls that shall hold rows of one cluster only.

    Notes
    -----
    Gain is the number of rows newly covered. Once all are covered, the rest are drawn.
    ``details["delta"]`` is the radius and ``details["covered"]`` the share of covered rows.

    A ball is pure up to the distance to the nearest row of another cluster; delta is a quantile of
    these distances, where the authors try a grid. The graph of balls is not stored: every row is
    covered once, so two passes over all pairs, in blocks, are the most that it can cost. Of a pool
    of more than 50,000 rows, that many are drawn to be covered; gain is what they stand for.

    References
    ----------
    .. [1] Yehuda, Dekel, Hacohen, Weinshall (2022), "Active Learning Through a Covering Lens",
       NeurIPS, arXiv:2205.11320.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import ProbCover
    >>> line = cl.Embedding(vectors=np.array([[0.0], [1], [2], [8], [9]]), metric="euclidean")
    >>> cl.select(line, 2, method=ProbCover(delta=1.5), random_state=0).gain.tolist()
    [3.0, 2.0]
    """

    cost: ClassVar[str] = "neighbors, k-means and up to two passes over all pairs"

    delta: float | None = None
    n_clusters: int | None = None
    purity: float = 0.95

    def __post_init__(self) -> None:
        if self.delta is not None:
            check_real("delta", self.delta, low=0, high=np.inf)
        if self.n_clusters is not None:
            check_integer("n_clusters", self.n_clusters, low=2)
        check_real("purity", self.purity, low=0, high=1)

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers in the order of picking, what each covers, and the radius."""
        chosen = np.zeros(0, dtype=np.int64) if pool.chosen is None else pool.chosen
        delta = self._radius(pool, len(chosen) + k, rng) if self.delta is None else self.delta
        balls, n = _Balls(pool, delta), len(pool)
        served = np.arange(n) if n <= _SERVED else np.sort(rng.choice(n, _SERVED, replace=False))
        is_open = balls.counts(chosen, served) == 0
        gain_of = balls.counts(served[is_open])
        gain_of += rng.random(n) / 2  # counts are whole: this orders ties
        gain_of[chosen] = -np.inf
        rows, gain = np.empty(k, dtype=np.int64), np.empty(k)
        for i in range(k):
            rows[i] = row = int(gain_of.argmax())
            gain[i] = np.floor(gain_of[row]) * n / len(served)
            gain_of[row] = -np.inf
            is_new = is_open & (balls.counts(rows[i : i + 1], served) > 0)
            gain_of -= balls.counts(served[is_new])
            is_open &= ~is_new
        return rows, {"gain": gain, "delta": float(delta), "covered": 1 - is_open.mean()}

    def _radius(self, pool: Pool, n_labels: int, rng: np.random.Generator) -> float:
        """Return the largest radius up to which `purity` of the balls hold one cluster."""
        n, points = len(pool), pool.embedding.points
        known = 0 if pool.classes is None else len(pool.classes)
        number = self.n_clusters or (known if known > 1 else min(n_labels, _MOST))
        centres = k_means(points, min(max(number, 2), n), rng=rng)
        cluster, _ = nearest_centre(points, centres, offset=centres.mean(axis=0))
        if (cluster == cluster[0]).all():
            return np.inf
        place = min(int(np.round((1 - self.purity) * n, 6)), n - 1)  # .1 * 20 is below 2
        n_neighbors = min(20, n - 1)
        while True:  # farther neighbours matter only where the nearest are all of one cluster
            near = pool.embedding.neighbors(n_neighbors)
            differs = cluster[near.indices] != cluster[:, None]
            is_known = differs.any(axis=1)
            first = near.distance[np.arange(n), differs.argmax(axis=1)]
            reach = np.where(is_known, first, near.distance[:, -1])
            at = np.argsort(reach, kind="stable")[: place + 1]
            if is_known[at].all() or n_neighbors == n - 1:
                return float(reach[at[-1]])
            n_neighbors = min(4 * n_neighbors, n - 1)


class _Balls:
    """Which rows lie nearer than delta to others, found in blocks when asked for."""

    def __init__(self, pool: Pool, delta: float) -> None:
        points = pool.embedding.points
        is_unit = pool.embedding.metric == "cosine"
        # |x|² + |y|² - 2xy cancels badly far from the origin.
        if not is_unit:
            points = centred_rows(points, points.mean(axis=0, dtype=np.float64), np.float32)
        self.points = points
        self.half = np.einsum("ij,ij->i", self.points, self.points) / 2
        self.least = delta if is_unit else delta**2 / 2  # of |x - y|² / 2

    def counts(self, rows: IntArray, of: IntArray | None = None) -> FloatArray:
        """Return in how many of the balls of `rows` each row lies, or each in `of`.

        A row lies in its own ball, whatever the radius.
        """
        number = np.arange(len(self.points))
        total = np.zeros(len(number if of is None else of))
        for j in range(0, len(rows), _BLOCK):
            some = rows[j : j + _BLOCK]
            balls, half = self.points[some].T, self.half[some]
            for i in range(0, len(total), _BLOCK):
                block: Any = slice(i, i + _BLOCK) if of is None else of[i : i + _BLOCK]
                gap = self.half[block, None] + half
                gap -= self.points[block] @ balls
                gap[number[block, None] == some] = -np.inf
                total[i : i + _BLOCK] += (gap < self.least).sum(axis=1)
        return total
