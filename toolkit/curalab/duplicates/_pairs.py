"""Pairs of rows, and the groups that they make."""

from __future__ import annotations

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray
from curalab.embedding import Embedding

__all__ = [
    "COMPLETE",
    "components",
    "distinct",
    "expanded",
    "group_rows",
    "kept_rows",
    "pairs_within",
    "spanning",
    "without_copies",
]

COMPLETE = 100  # members up to which a group comes with all its pairs


def distinct(n: int, pairs: IntArray, similarity: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return each pair of the `n` rows once, the smaller row number first, in ascending order."""
    low, high = pairs.min(axis=1, initial=n), pairs.max(axis=1, initial=0)
    _, first = np.unique(low * n + high, return_index=True)
    return np.column_stack([low[first], high[first]]), similarity[first].astype(np.float64)


def components(n: int, pairs: IntArray) -> IntArray:
    """Return the number of the connected part that each of `n` rows belongs to, shape (n,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def spanning(n: int, pairs: IntArray) -> BoolArray:
    """Mark the pairs that are enough to connect what all do, the first ones preferred.

    The pairs must be distinct.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    rank = np.arange(1, len(pairs) + 1, dtype=np.float64)
    tree = minimum_spanning_tree(coo_array((rank, (pairs[:, 0], pairs[:, 1])), shape=(n, n)))
    chosen = np.zeros(len(pairs), dtype=bool)
    chosen[tree.data.astype(np.int64) - 1] = True
    return chosen


def without_copies(embedding: Embedding) -> tuple[Embedding, IntArray] | None:
    """Return the distinct rows, and which of them each row is, where most rows are exact copies.

    None where they are not: then the graph of all rows is worth having.
    """
    n = len(embedding)
    if 2 * len(np.unique(embedding.vectors[:, 0])) > n:
        return None
    vectors = np.ascontiguousarray(embedding.vectors + np.float32(0))  # -0.0 is 0.0
    rows = vectors.view(np.dtype((np.void, vectors.strides[0]))).ravel()
    _, first, label = np.unique(rows, return_index=True, return_inverse=True)
    if 2 * len(first) > n:
        return None
    return Embedding(vectors=vectors[first], metric=embedding.metric), label


def pairs_within(label: IntArray) -> IntArray:
    """Return all pairs of rows with the same label, shape (m, 2); -1 is in no pair.

    For a label of more than 100 rows, its first row with every other.
    """
    order = np.argsort(label, kind="stable")
    order = order[label[order] >= 0]
    made = [np.empty((0, 2), dtype=np.int64)]
    for rows in np.split(order, np.flatnonzero(np.diff(label[order])) + 1):
        if len(rows) > COMPLETE:
            made.append(np.column_stack([np.full(len(rows) - 1, rows[0]), rows[1:]]))
        elif len(rows) > 1:
            made.append(rows[np.column_stack(np.triu_indices(len(rows), 1))])
    return np.concatenate(made)


def expanded(
    label: IntArray, pairs: IntArray, similarity: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Return pairs of rows, made of pairs of labels; rows of one label are of similarity 1.

    `label` numbers rows of equal content from 0, -1 is in no pair. Of groups of more than 100 rows
    a pair of labels links the first row of each.
    """
    order = np.argsort(label, kind="stable")
    order = order[label[order] >= 0]
    size = np.bincount(label[order])
    first = np.cumsum(size) - size
    part = components(len(size), pairs)
    is_large = np.bincount(part, size, minlength=1)[part] > COMPLETE
    wide = np.where(is_large, 1, size)[pairs]
    times = wide.prod(axis=1)
    at = np.repeat(np.arange(len(pairs)), times)
    step = np.arange(len(at)) - np.repeat(np.cumsum(times) - times, times)
    one, other = np.divmod(step, wide[at, 1])
    made = np.column_stack([order[first[pairs[at, 0]] + one], order[first[pairs[at, 1]] + other]])
    same = pairs_within(label)
    return np.concatenate([made, same]), np.concatenate([similarity[at], np.ones(len(same))])


def group_rows(n: int, found: pd.DataFrame) -> tuple[IntArray, BoolArray, FloatArray]:
    """Return the group of each row, whether it is kept, and its similarity to the kept one.

    `found` has the pairs: `row_a`, `row_b`, `similarity`. Kept is the member with the largest sum
    of similarities over its pairs: where a group has all its pairs, the medoid. Ties go to the
    first row.
    """
    pairs = found[["row_a", "row_b"]].to_numpy(dtype=np.int64)
    part = components(n, pairs)
    is_member = np.bincount(part)[part] > 1
    group = np.full(n, -1)
    group[is_member] = pd.factorize(part[is_member])[0]
    twice = np.repeat(found["similarity"].to_numpy(dtype=np.float64), 2)
    central = np.asarray(np.bincount(pairs.ravel(), twice, minlength=n).round(6), dtype=np.float64)
    return group, *kept_rows(group, central, found)


def kept_rows(
    group: IntArray, worth: FloatArray, found: pd.DataFrame
) -> tuple[BoolArray, FloatArray]:
    """Return whether each row is kept, the one of most worth in its group, and how like it it is.

    Ties go to the first row. The similarity of rows that are no pair with the kept one is NaN.
    """
    pairs = found[["row_a", "row_b"]].to_numpy(dtype=np.int64)
    order = np.lexsort((-worth, group))  # stable: ties stay in the order of rows
    order = order[group[order] >= 0]
    kept = order[np.unique(group[order], return_index=True)[1]]
    keep = group < 0
    keep[kept] = True
    to_kept = np.full(len(group), np.nan)
    for one, other in ((0, 1), (1, 0)):
        linked = np.isin(pairs[:, one], kept)
        to_kept[pairs[linked, other]] = found["similarity"].to_numpy()[linked]
    to_kept[kept] = 1.0
    return keep, to_kept
