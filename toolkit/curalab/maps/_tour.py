"""A walk through all rows on which neighbours are alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, check_seed
from curalab.embedding import Embedding
from curalab.neighbors import nearest
from curalab.pool import as_pool

__all__ = ["tour"]

_NEAR = 8  # neighbours that a better way may lead to
_SEGMENT = 3  # longest stretch that moves as a whole
_SWEEPS = 100
_KICKS = 100
_WINDOW = 30  # places that a kick stirs
_BLOCK = 65_536
_LEAST = 1e-6  # share of the mean step that counts as a gain


def tour(embedding: Any, *, random_state: int | None = None) -> pd.Index:
    """Order rows so that neighbours in the order are alike: for galleries and review queues.

    A short round trip through all rows (the travelling salesman's), cut once at its longest gap.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows. Distances are Euclidean; under "cosine", those of the unit vectors.
    random_state : int, default=None
        Seed. None draws one.

    Returns
    -------
    pandas.Index of shape (n_items,)
        All ids, in the order of the tour.

    Notes
    -----
    The paper solves the problem with LKH. Here the tour is put together from the shortest edges
    of the neighbour graph, then shortened by 2-opt and Or-opt moves towards a row's 8 nearest
    until none helps, then stirred and mended 100 times at random places, which matters for small
    sets. On random points in the plane it is about 5 % longer than the shortest.

    References
    ----------
    .. [1] Sato (2022), "Word Tour: One-dimensional Word Embeddings via the Traveling Salesman
       Problem", NAACL, arXiv:2205.01954.
    .. [2] Bentley (1992), "Fast Algorithms for Geometric Traveling Salesman Problems", ORSA
       Journal on Computing 4. (Greedy start and moves on neighbour lists.)

    Examples
    --------
    >>> import curalab as cl
    >>> from curalab.maps import tour
    >>> emb = cl.Embedding(vectors=[[5.0], [1], [4], [2], [3]], metric="euclidean")
    >>> tour(emb, random_state=0).tolist()
    [0, 2, 4, 3, 1]
    """
    whole = as_pool(embedding).embedding
    rng = np.random.default_rng(check_seed(random_state))
    if len(whole) < 2:
        return whole.ids
    first, group, near = _distinct(whole)
    points, n = whole.points[first], len(first)
    order: IntArray = np.arange(n)
    if n > 3:
        search = _Search(points, near, rng)
        order = search.stir(search.improve(_greedy(points, near), order)[0])
    step = _length(points, order, np.roll(order, -1))
    order = np.roll(order, -1 - int(step.argmax()))
    place = np.empty(n, dtype=np.intp)
    place[order] = np.arange(n)
    rows = np.argsort(place[group], kind="stable")
    return whole.ids[rows if rows[0] <= rows[-1] else rows[::-1]]


def _distinct(embedding: Embedding) -> tuple[IntArray, IntArray, IntArray]:
    """Return one row of each set of copies, each row's set, and the near rows among those.

    The graph of many copies leads to copies only, so they go as one.
    """
    n = len(embedding)
    near = embedding.neighbors(min(_NEAR, n - 1))
    if (near.distance[:, 0] > 0).all():
        return np.arange(n), np.arange(n), near.indices
    _, first, group = np.unique(embedding.points, axis=0, return_index=True, return_inverse=True)
    k = min(_NEAR, len(first) - 1)
    if k == 0:
        return first, group.ravel(), np.empty((1, 0), dtype=np.intp)
    near = nearest(embedding.points[first], k, metric="euclidean")
    return first, group.ravel(), near.indices


def _length(points: FloatArray, a: IntArray, b: IntArray) -> FloatArray:
    """Return the distances of pairs of rows."""
    found = np.empty(len(a))
    for at in range(0, len(a), _BLOCK):
        part = slice(at, at + _BLOCK)
        found[part] = np.linalg.norm(points[a[part]] - points[b[part]], axis=1)
    return found


# ---- a first tour --------------------------------------------------------------------------------


def _greedy(points: FloatArray, near: IntArray) -> IntArray:
    """Return a tour put together from short edges, the shortest first.

    Paths grow along the neighbour graph; what is left are ends of paths, which get a graph of
    their own, until there is one path.
    """
    n = len(points)
    links: list[list[int]] = [[] for _ in range(n)]
    root = list(range(n))

    def path(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    ends, n_paths = np.arange(n), n
    while n_paths > 1:
        a, b = np.repeat(ends, near.shape[1]), ends[near].ravel()
        pairs = np.unique(np.sort(np.stack([a, b], axis=1), axis=1), axis=0)
        length = _length(points, pairs[:, 0], pairs[:, 1])
        for i, j in pairs[np.argsort(length, kind="stable")].tolist():
            if len(links[i]) < 2 and len(links[j]) < 2 and path(i) != path(j):
                links[i].append(j)
                links[j].append(i)
                root[path(i)] = path(j)
                n_paths -= 1
        ends = np.array([i for i in range(n) if len(links[i]) < 2])
        if n_paths > 1:
            k = min(_NEAR, len(ends) - 1)
            near = nearest(points[ends], k, metric="euclidean").indices
    return _walk(links, int(ends[0]))


def _walk(links: list[list[int]], at: int) -> IntArray:
    order, last = [at], -1
    while len(order) < len(links):
        following = [i for i in links[at] if i != last]
        last, at = at, following[0]
        order.append(at)
    return np.array(order)


# ---- a better one --------------------------------------------------------------------------------


class _Search:
    """Looks for moves that shorten a tour, each towards a near row."""

    def __init__(self, points: FloatArray, near: IntArray, rng: np.random.Generator) -> None:
        n, k = near.shape
        self.points, self.near, self.rng = points, near, rng
        own = np.repeat(np.arange(n), k)
        self.reach = _length(points, own, near.ravel()).reshape(n, k)
        self.least = _LEAST * float(self.reach.mean())

    def improve(self, order: IntArray, active: IntArray) -> tuple[IntArray, float]:
        """Return the tour after moves around the `active` rows until none helps, and the gain."""
        n, gained = len(order), 0.0
        place = np.empty(n, dtype=np.intp)
        for _ in range(_SWEEPS):
            # What spans the ends of the array cannot move; elsewhere next time.
            order = np.roll(order, int(self.rng.integers(n)))
            place[order] = np.arange(n)
            gain, moves = self._moves(order, place, active)
            if not len(gain):
                break
            for saved, move in zip(gain.tolist(), moves.tolist(), strict=True):
                if _reverse(order, place, *move) if move[0] == 0 else _shift(order, place, *move):
                    gained += saved
            active = np.unique(moves[:, 1:])
        return order, gained

    def stir(self, order: IntArray) -> IntArray:
        """Return the tour after swapping short stretches at random places, where that helps."""
        n = len(order)
        width = min(_WINDOW, n)
        for _ in range(_KICKS):
            order = np.roll(order, int(self.rng.integers(n)))
            i, j, k = np.sort(self.rng.permutation(width - 1)[:3]) + 1
            other = np.concatenate([order[:i], order[j:k], order[i:j], order[k:]])
            ends, new_ends = np.array([i, j, k]), np.array([i, i + k - j, k])
            lost = self._steps(other, new_ends) - self._steps(order, ends)
            active = np.unique(other[np.concatenate([new_ends - 1, new_ends])])
            better, gained = self.improve(other, active)
            if gained - lost > self.least:
                order = better
        return order

    def _steps(self, order: IntArray, to: IntArray) -> float:
        return float(_length(self.points, order[to - 1], order[to]).sum())

    def _moves(
        self, order: IntArray, place: IntArray, active: IntArray
    ) -> tuple[FloatArray, IntArray]:
        """Return the best move of each active row, the one that gains most first.

        Row a leaves its neighbour e for a nearer row c. A move is (size, a, e, c, d, s, q): with
        size 0 the stretch between is reversed (c leaves d, d gets e); else the stretch a … s of
        that size goes between c and d, and e gets q, that came after s.
        """
        n = len(order)
        gains, moves = [], []

        def keep(gain: FloatArray, good: Any, size: int, *rows: IntArray) -> None:
            at = np.flatnonzero(good & (gain > self.least))
            gains.append(gain[at])
            moves.append(np.stack([np.full(len(at), size), *(row[at] for row in rows)], axis=1))

        for way in (1, -1):

            def along(rows: IntArray, steps: int, way: int = way) -> IntArray:
                return order[(place[rows] + way * steps) % n]

            left = _length(self.points, active, along(active, 1))
            i, j = np.nonzero(self.reach[active] < left[:, None])
            a, c = active[i], self.near[active[i], j]
            e, d = along(a, 1), along(c, 1)
            saved = left[i] - self.reach[a, j]
            opened = {side: _length(self.points, c, along(c, side)) for side in (1, -1)}
            keep(saved + opened[1] - _length(self.points, e, d), True, 0, a, e, c, d, a, a)
            behind = (way * (place[a] - place[c])) % n
            for size in range(1, min(_SEGMENT, n - 3) + 1):
                s, q = along(a, 1 - size), along(a, -size)
                base = saved + _length(self.points, s, q) - _length(self.points, e, q)
                for side in (1, -1):
                    d = along(c, side)
                    outside = (behind >= size) & ((behind - side) % n >= size)
                    gain = base + opened[side] - _length(self.points, s, d)
                    keep(gain, outside, size, a, e, c, d, s, q)
        gain, move = np.concatenate(gains), np.concatenate(moves)
        best = np.argsort(-gain, kind="stable")
        _, first = np.unique(move[best, 1], return_index=True)
        best = best[np.sort(first)]
        return gain[best], move[best]


def _reverse(
    order: IntArray, place: IntArray, size: int, a: int, e: int, c: int, d: int, s: int, q: int
) -> bool:
    """Exchange the steps a-e and c-d for a-c and e-d, where both are still there."""
    n = len(order)
    way = (place[e] - place[a]) % n
    if way not in (1, n - 1) or (place[d] - place[c]) % n != way:
        return False
    first, last = sorted((place[a], place[c]) if way == 1 else (place[e], place[d]))
    part = slice(first + 1, last + 1)
    order[part] = order[part][::-1].copy()
    place[order[part]] = np.arange(first + 1, last + 1)
    return True


def _shift(
    order: IntArray, place: IntArray, size: int, a: int, e: int, c: int, d: int, s: int, q: int
) -> bool:
    """Put the stretch a … s between c and d, where all is still as it was found."""
    way = place[a] - place[e]
    first, last = sorted((place[a], place[s]))
    here = min(place[c], place[d])
    if (
        abs(way) != 1
        or place[s] - place[a] != way * (size - 1)
        or place[q] - place[s] != way
        or abs(place[c] - place[d]) != 1
        or first - 1 <= here <= last
    ):
        return False
    moved = order[first : last + 1]
    if (place[c] == here) != (way == 1):
        moved = moved[::-1]
    if here > last:
        part, parts = slice(first, here + 1), [order[last + 1 : here + 1], moved]
    else:
        part, parts = slice(here + 1, last + 1), [moved, order[here + 1 : first]]
    order[part] = np.concatenate(parts)
    place[order[part]] = np.arange(part.start, part.stop)
    return True
