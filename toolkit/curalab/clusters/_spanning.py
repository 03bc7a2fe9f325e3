"""The shortest tree that spans all rows, sought among the neighbours first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curalab.pool import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["spanning_tree"]

_BLOCK = 1_000  # rows compared with all others at once
_COPY = 1e-9  # length of an edge between copies; 0 would be no edge


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
    known = np.maximum(np.maximum(length, core[:, None]), core[neighbors])
    unlisted = np.maximum(length[:, -1], core)  # no row that is not listed is nearer
    search = _Search(points, core)
    tree, n_parts, part = csr_matrix((n, n)), n, np.arange(n)
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
            found, reach = search.outside(rows, part)
            closer = reach < edge[rows]
            edge[rows[closer]], end[rows[closer]] = reach[closer], found[closer]
            np.minimum.at(best, part[rows], edge[rows])
        first = np.lexsort((edge, part))
        first = first[np.searchsorted(part[first], np.arange(n_parts))]
        ends = first, end[first]
        added = csr_matrix((np.maximum(edge[first], _COPY), ends), shape=(n, n))
        tree = minimum_spanning_tree(tree.maximum(added))
        n_parts, part = connected_components(tree, directed=False)
    return tree


class _Search:
    """Compares rows with all others."""

    def __init__(self, points: FloatArray, core: FloatArray) -> None:
        self._points = np.asarray(points, dtype=np.float32)
        self._square = np.einsum("ij,ij->i", self._points, self._points)
        self._core = core.astype(np.float32)

    def outside(self, rows: IntArray, part: IntArray) -> tuple[IntArray, FloatArray]:
        """Return the nearest row of another part by mutual reachability, and how far it is."""
        gap = self._points[rows] @ self._points.T
        gap *= -2
        gap += self._square
        gap += self._square[rows, None]
        np.sqrt(np.maximum(gap, 0, out=gap), out=gap)
        np.maximum(gap, self._core, out=gap)
        np.maximum(gap, self._core[rows, None], out=gap)
        gap[part[rows][:, None] == part] = np.inf
        found = gap.argmin(axis=1)
        straight = np.linalg.norm(
            self._points[rows].astype(float) - self._points[found].astype(float), axis=1
        )
        return found, np.maximum(np.maximum(straight, self._core[rows]), self._core[found])
