"""The shortest tree that spans all rows, sought among the neighbours first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curalab._cells import means_of
from curalab.clusters._outside import Outside
from curalab.neighbors import nearest
from curalab.pool import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["chained", "joined", "shortest_forest", "spanning_tree"]

_BLOCK = 1_000  # rows compared with all others at once
_COPY = 1e-9  # length of an edge between copies; 0 would be no edge
_ASKED = 512  # rows compared with all others to join parts, about
_FACED = 8  # parts nearest to a part, towards which its rows are chosen


def spanning_tree(
    points: FloatArray, neighbors: IntArray, length: FloatArray, core: FloatArray
) -> csr_matrix:
    """Return the shortest tree by mutual reachability, max(d, core, core), shape (n, n).

    Parts grow by their shortest edge to the outside (Borůvka 1926). A row that is not among the
    neighbours of another is no nearer than the last of these: where that proves the shortest edge
    known to be the shortest there is, nothing is searched, else the rows in doubt are compared
    with all others.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    neighbors : ndarray of shape (n, k)
        Nearest rows, nearest first.
    length : ndarray of shape (n, k)
        Their Euclidean distances.
    core : ndarray of shape (n,)
        Distance of each row within which it has its `min_samples` neighbours.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    n = len(points)
    known = _reachability(neighbors, length, core)
    unlisted = np.maximum(length[:, -1], core)  # no row that is not listed is nearer
    search = Outside(points, core)
    tree, n_parts, part = csr_matrix((n, n)), n, np.arange(n, dtype=np.int32)
    while n_parts > 1:
        away = part[neighbors] != part[:, None]
        cost = np.where(away, known, np.inf)
        at = cost.argmin(axis=1)
        edge = cost.min(axis=1)
        end = np.take_along_axis(neighbors, at[:, None], axis=1)[:, 0]
        best = np.full(n_parts, np.inf)
        np.minimum.at(best, part, edge)
        waiting = np.argsort(unlisted, kind="stable")
        while len(waiting := waiting[unlisted[waiting] < best[part[waiting]]]):
            rows, waiting = waiting[:_BLOCK], waiting[_BLOCK:]
            found, reach = search.nearest(rows, part)
            closer = reach < edge[rows]
            edge[rows[closer]], end[rows[closer]] = reach[closer], found[closer]
            np.minimum.at(best, part[rows], edge[rows])
        first = _first(edge, part)
        tree = minimum_spanning_tree(tree.maximum(_edges(first, end[first], edge[first], n)))
        n_parts, part = connected_components(tree, directed=False)
    return tree


def shortest_forest(neighbors: IntArray, length: FloatArray, core: FloatArray) -> csr_matrix:
    """Return the shortest forest of the neighbour graph by mutual reachability, shape (n, n).

    Parameters are those of `spanning_tree`; `neighbors` may lack some of the nearest.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import minimum_spanning_tree

    n, k = neighbors.shape
    known = np.maximum(_reachability(neighbors, length, core), _COPY)
    held = known.ravel(), neighbors.ravel(), np.arange(0, n * k + 1, k)
    return minimum_spanning_tree(csr_matrix(held, shape=(n, n)))


def chained(forest: csr_matrix) -> csr_matrix:
    """Return a forest, its parts joined one to the next by edges longer than all others."""
    from scipy.sparse.csgraph import connected_components

    firsts = np.unique(connected_components(forest, directed=False)[1], return_index=True)[1]
    far = np.full(len(firsts) - 1, 2 * forest.max())
    return forest + _edges(firsts[:-1], firsts[1:], far, forest.shape[0])


def joined(forest: csr_matrix, part: IntArray, search: Outside) -> csr_matrix:
    """Return the shortest forest of the edges of another one and of edges that join its parts.

    Of up to 512 rows outside the largest part, all are compared with the rows of other parts,
    and the edges that join are the shortest there are. Of more, about so many are, an equal number
    from each part: those that are nearest to the middle of another part, among the eight whose
    middles are nearest to its own.

    Parameters
    ----------
    forest : csr_matrix of shape (n, n)
    part : ndarray of shape (n,), int
        Part of each row, from 0; rows of part -1 are left out.
    search : Outside
    """
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    if part.max() < 1:
        return forest
    home = int(np.bincount(part[part >= 0]).argmax())  # the others join it, so it asks nothing
    rows = _facing(search, part, home)
    found, reach = rows.copy(), np.full(len(rows), np.inf)
    while len(rows):
        stale = np.flatnonzero(part[rows] == part[found])
        found[stale], reach[stale] = search.nearest(rows[stale], part)
        forest = forest.maximum(_edges(rows[stale], found[stale], reach[stale], len(part)))
        first = _first(reach, part[rows])
        links = _edges(part[rows[first]], part[found[first]], reach[first], part.max() + 1)
        of_part = connected_components(links, directed=False)[1]
        home, part = int(of_part[home]), np.where(part < 0, part, of_part[part])
        away = part[rows] != home
        rows, found, reach = rows[away], found[away], reach[away]
    return minimum_spanning_tree(forest)


def _facing(search: Outside, part: IntArray, largest: int) -> IntArray:
    """Return rows of every part but the largest: all, or those that face other parts."""
    sizes = np.bincount(part[part >= 0])
    others = np.flatnonzero((part >= 0) & (part != largest))
    if len(others) <= _ASKED:
        return others
    order = np.argsort(part, kind="stable")
    groups = np.split(order[part[order] >= 0], sizes.cumsum()[:-1])
    middles = means_of(search, part, len(sizes))
    faced = nearest(middles, min(_FACED, len(sizes) - 1), metric="euclidean").indices
    share, chosen = -(-_ASKED // len(sizes)), []
    for number in np.flatnonzero(np.arange(len(sizes)) != largest):
        group = groups[number]
        if len(group) > share:
            parts = np.array_split(group, -(-len(group) // _BLOCK))
            gap = [_squared_gap(search[some], middles[faced[number]]) for some in parts]
            group = group[np.argsort(np.concatenate(gap), kind="stable")[:share]]
        chosen.append(group)
    return np.concatenate(chosen)


def _squared_gap(points: FloatArray, centres: FloatArray) -> FloatArray:
    """Return half the squared distance of each point from the nearest centre."""
    gap = np.square(centres).sum(axis=1) / 2 - points @ centres.T
    return np.asarray(gap.min(axis=1) + np.square(points).sum(axis=1) / 2)


def _reachability(neighbors: IntArray, length: FloatArray, core: FloatArray) -> FloatArray:
    return np.maximum(np.maximum(length, core[:, None]), core[neighbors])


def _first(length: FloatArray, part: IntArray) -> IntArray:
    """Return where each part has its shortest edge."""
    order = np.lexsort((length, part))
    return order[np.unique(part[order], return_index=True)[1]]


def _edges(begin: IntArray, end: IntArray, length: FloatArray, n: int) -> csr_matrix:
    from scipy.sparse import csr_matrix

    return csr_matrix((np.maximum(length, _COPY), (begin, end)), shape=(n, n))
