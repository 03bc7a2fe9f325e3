"""What a person knows of pairs: rows that belong together, and rows that do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import complain
from curalab.pool import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Links", "keep_links", "propagated", "read_links", "split_by_links"]

_REACH = 0.6  # share of a link that a row hands on to its neighbours
_STEPS = 12  # what is left after these is below _LEAST
_LEAST = 1e-3
_CLOSE = 10  # rows around a linked one that its must-links join
_JOIN = 0.1  # weight of such an edge at most; heavier ones mislead where classes overlap


@dataclass(frozen=True, eq=False)
class Links:
    """Parts of rows that belong together, and which parts do not.

    Attributes
    ----------
    rows : ndarray of shape (n_linked,), int
        The rows named, in rising order.
    part : ndarray of shape (n_linked,), int
        The part of each, from 0.
    apart : ndarray of shape (n_parts, n_parts), bool
        Parts that must not share a cluster.
    """

    rows: IntArray
    part: IntArray
    apart: BoolArray

    def fewest(self) -> int:
        """Return a number of clusters that is enough to keep the parts apart."""
        return int(_coloured(self.apart).max(initial=0)) + 1


def read_links(ids: pd.Index, must_link: Any, cannot_link: Any) -> Links:
    """Return the links as parts: a must-link holds for whatever it reaches over others."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    must = _positions(ids, must_link, "must_link")
    cannot = _positions(ids, cannot_link, "cannot_link")
    pairs = [(one, other) for group in must for one, other in pairwise(group)]
    rows = np.unique(np.concatenate([np.zeros(0, dtype=int), *must, *cannot]).astype(int))
    ends = np.searchsorted(rows, np.array(pairs, dtype=int).reshape(-1, 2))
    joined = csr_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(rows),) * 2)
    n_parts, part = connected_components(joined, directed=False)
    apart = np.zeros((n_parts, n_parts), dtype=bool)
    for group in cannot:
        of = part[np.searchsorted(rows, group)]
        seen, first = np.unique(of, return_index=True)
        if len(seen) < len(of):
            again = next(at for at in range(len(of)) if at not in first)
            one, other = ids[group[first[seen == of[again]][0]]], ids[group[again]]
            raise ValueError(
                f"The 'cannot_link' parameter must not part rows that 'must_link' joins. Got "
                f"{one!r} and {other!r}."
            )
        apart[np.ix_(of, of)] = True
    np.fill_diagonal(apart, False)
    return Links(rows=rows, part=part, apart=apart)


def _positions(ids: pd.Index, groups: Any, name: str) -> list[IntArray]:
    rule = "groups of two or more ids"
    if isinstance(groups, str) or not isinstance(groups, Iterable):
        raise TypeError(complain(name, rule, groups))
    found: list[IntArray] = []
    for group in groups:
        if isinstance(group, str) or not isinstance(group, Sequence | np.ndarray | pd.Index):
            raise TypeError(complain(name, rule, group))
        if len(group) < 2:
            raise ValueError(complain(name, rule, list(group)))
        rows = ids.get_indexer(pd.Index(group))
        if (rows < 0).any():
            unknown = [one for one, row in zip(group, rows, strict=True) if row < 0]
            raise ValueError(complain(name, "made of ids of the embedding", unknown[:5]))
        found.append(rows)
    return found


def propagated(graph: csr_matrix, links: Links) -> tuple[csr_matrix, csr_matrix]:
    """Return the graph with edges that the links raise or lower, and how far each part reaches.

    The second has a row for each row and a column for each part: how much of the part arrives
    there when rows hand it on to their neighbours.

    With F between -1 and 1 what the links say of a pair, an edge w becomes 1 - (1 - F)(1 - w)
    where F is positive, and (1 + F) w where it is negative. Must-linked rows and the rows close
    to them get edges to one another, since an edge of weight 0 is not there to be raised.
    """
    from scipy.sparse import csr_matrix

    n, n_parts = graph.shape[0], len(links.apart)
    reach = _reach(graph, links.rows)
    of = csr_matrix((np.ones(len(links.rows)), (np.arange(len(links.rows)), links.part)))
    size = np.bincount(links.part, minlength=n_parts)
    says = csr_matrix(np.diag((size > 1).astype(float)) - links.apart)
    by_part = reach @ of
    edges = graph.tocoo()
    said = np.asarray(
        (by_part @ says)[edges.row].multiply(by_part[edges.col]).sum(axis=1)
    ).ravel().clip(-1, 1)  # fmt: skip
    raised = 1 - (1 - said) * (1 - edges.data)
    weight = np.where(said >= 0, raised, (1 + said) * edges.data)
    moved = csr_matrix((weight, (edges.row, edges.col)), shape=(n, n))
    close = _largest_of_each_column(reach, _CLOSE) @ of[:, size > 1]
    between = (close @ close.T).tocsr()
    between.data = _JOIN * np.minimum(between.data, 1)
    between.setdiag(0)
    between.eliminate_zeros()
    return moved.maximum(between), by_part


def _reach(graph: csr_matrix, rows: IntArray) -> csr_matrix:
    """Return how much of each linked row arrives at each row; the row itself has 1."""
    from scipy.sparse import csr_matrix, diags

    n, m = graph.shape[0], len(rows)
    scale = diags(1 / np.sqrt(np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1e-300)))
    walk = _REACH * (scale @ graph @ scale)
    start = csr_matrix((np.ones(m), (rows, np.arange(m))), shape=(n, m))
    reach = start
    for _ in range(_STEPS):
        reach = (walk @ reach + start).tocsr()
        reach.data[reach.data < _LEAST] = 0
        reach.eliminate_zeros()
    own = np.asarray(reach[rows, np.arange(m)]).ravel()
    return (reach @ diags(1 / own)).tocsr()


def _largest_of_each_column(matrix: csr_matrix, k: int) -> csr_matrix:
    from scipy.sparse import csr_matrix

    kept = matrix.tocoo()
    order = np.lexsort((-kept.data, kept.col))
    first = np.searchsorted(kept.col[order], kept.col[order])
    order = order[np.arange(len(order)) - first < k]
    return csr_matrix((kept.data[order], (kept.row[order], kept.col[order])), shape=matrix.shape)


def keep_links(labels: IntArray, distance: FloatArray, links: Links) -> IntArray:
    """Return the labels with every link kept, given the distances of each row to each centre.

    A part goes as a whole to the centre nearest to its rows that no part it is kept apart from
    has taken.
    """
    labels = labels.copy()
    column = _assigned(_cost(distance, links), links.apart)
    labels[links.rows] = column[links.part]
    return labels


def split_by_links(
    labels: IntArray, distance: FloatArray, links: Links, reach: csr_matrix
) -> IntArray:
    """Return the labels with every link kept; a cluster in which parts must be apart is split.

    Its rows go with the part that reaches them most, and stay where none does.
    """
    labels, n_clusters = labels.copy(), distance.shape[1]
    column = _cost(distance, links).argmin(axis=1)
    labels[links.rows] = column[links.part]
    for at in range(distance.shape[1]):
        parts = np.flatnonzero(column == at)
        apart = links.apart[np.ix_(parts, parts)]
        if not apart.any():
            continue
        side = _coloured(apart)
        rows = np.flatnonzero(labels == at)
        share = np.column_stack([
            reach[rows][:, parts[side == each]].max(axis=1).toarray().ravel()
            for each in range(side.max() + 1)
        ])  # fmt: skip
        moved = share.argmax(axis=1)
        own = np.isin(links.part, parts)
        moved[np.searchsorted(rows, links.rows[own])] = side[
            np.searchsorted(parts, links.part[own])
        ]
        new = np.r_[at, n_clusters + np.arange(side.max())]
        labels[rows] = new[moved]
        n_clusters += side.max()
    return labels


def _cost(distance: FloatArray, links: Links) -> FloatArray:
    cost = np.zeros((len(links.apart), distance.shape[1]))
    np.add.at(cost, links.part, distance[links.rows])
    return cost


def _coloured(apart: BoolArray) -> IntArray:
    """Return a number from 0 for each part, two numbers for two that are kept apart."""
    most = int(apart.sum(axis=1).max(initial=0)) + 1
    return _assigned(np.zeros((len(apart), most)), apart)


def _assigned(cost: FloatArray, apart: BoolArray) -> IntArray:
    """Return the column of each part: the cheapest one that is free, most restricted part first."""
    n_parts, n_columns = cost.shape
    taken = np.zeros((n_parts, n_columns), dtype=bool)  # by a part that it is kept apart from
    column = np.full(n_parts, -1)
    degree = apart.sum(axis=1) / (n_parts + 1)
    for _ in range(n_parts):
        at = np.where(column < 0, taken.sum(axis=1) + degree, -1).argmax()
        if taken[at].all():
            raise ValueError(
                f"The 'n_clusters' parameter must be large enough to keep all of 'cannot_link'. "
                f"Got {n_columns} instead."
            )
        column[at] = np.where(taken[at], np.inf, cost[at]).argmin()
        taken[apart[at], column[at]] = True
    return column
