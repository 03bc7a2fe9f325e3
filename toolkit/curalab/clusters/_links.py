"""Clusters that keep links, and links handed on to the rows around."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curalab._check import FloatArray, IntArray
from curalab._links import Links, assigned, coloured, read_links

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Links", "keep_links", "propagated", "read_links", "split_by_links"]

_REACH = 0.6  # share of a link that a row hands on to its neighbours
_STEPS = 12  # what is left after these is below _LEAST
_LEAST = 1e-3
_CLOSE = 10  # rows around a linked one that its must-links join
_JOIN = 0.1  # weight of such an edge at most; heavier ones mislead where classes overlap


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
    column = assigned(_cost(distance, links), links.apart)
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
        side = coloured(apart)
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
