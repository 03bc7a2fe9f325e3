"""What the methods that select towards a target have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from curalab.embedding import check_space
from curalab.neighbors import nearest
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["check_space", "free_rows", "in_turns", "texts_of"]


def free_rows(pool: Pool) -> IntArray:
    """Return the rows that may be picked."""
    rows = np.arange(len(pool))
    return rows if pool.chosen is None else np.delete(rows, pool.chosen)


def texts_of(data: Any) -> list[str] | None:
    """Return what was embedded where it is texts, None where it is anything else or unknown."""
    if data is None or isinstance(data, str) or getattr(data, "ndim", 1) != 1:
        return None
    cells = list(data)
    return cells if cells and all(isinstance(cell, str) for cell in cells) else None


def in_turns(
    points: FloatArray, askers: FloatArray, k: int, *, metric: str
) -> tuple[IntArray, IntArray, FloatArray, IntArray]:
    """Deal out rows: in each round every asker takes the row nearest to it that is still there.

    Where askers want the same row, the nearest of them gets it and the others wait for the next
    round. Within a round the row with the nearest asker comes first.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32
        The rows.
    askers : ndarray of shape (m, d), float32
        Who asks for rows.
    k : int
        Rows to deal, at most n.
    metric : {"cosine", "euclidean"}
        As `nearest` takes it.

    Returns
    -------
    rows, asker, similarity, turn : ndarray of shape (k,)
        Row numbers in the order dealt, who took each, how similar the two are, and the round,
        from 0.
    """
    if k == 0:
        none = np.zeros(0, dtype=np.int64)
        return none, none, none.astype(np.float64), none
    # Of the k nearest rows of an asker at least one is there until k have been dealt.
    found = nearest(points, k, metric=metric, queries=askers)
    wanted, similarity = found.indices, found.similarity
    is_there = np.ones(len(points), dtype=bool)
    place = np.zeros(len(askers), dtype=np.int64)
    dealt: list[tuple[int, int, float, int]] = []
    turn = 0
    while len(dealt) < k:
        for i, row in enumerate(wanted):
            while place[i] < k and not is_there[row[place[i]]]:
                place[i] += 1
        asking = np.flatnonzero(place < k)
        order = asking[np.argsort(-similarity[asking, place[asking]], kind="stable")]
        for i in order:
            row = wanted[i, place[i]]
            if is_there[row] and len(dealt) < k:
                is_there[row] = False
                dealt.append((row, i, similarity[i, place[i]], turn))
        turn += 1
    rows, asker, near, turns = zip(*dealt, strict=True)
    return np.array(rows), np.array(asker), np.array(near, dtype=np.float64), np.array(turns)
