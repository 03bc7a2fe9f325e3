"""A tree of merged clusters on the neighbour graph, and what cutting it gives."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curalab.neighbors import nearest
from curalab.pool import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Centres", "Tree", "joined_graph", "smoothed"]

_PASSES = 100
_BLOCK = 8_192  # rows moved together


def smoothed(points: FloatArray, neighbors: IntArray, *, metric: str) -> FloatArray:
    """Return each row moved halfway to the mean of its neighbours, if there are any."""
    from scipy.sparse import csr_matrix

    n, k = neighbors.shape
    if not k:
        return points
    share = np.full(n * k, 0.5 / k, dtype=np.float32)
    around = csr_matrix((share, neighbors.ravel(), np.arange(n + 1) * k), shape=(n, n))
    moved = np.empty(points.shape, np.result_type(points, share))
    for at in range(0, n, _BLOCK):  # without an array of shape (n, k, d), or copies of all rows
        part = around[at : at + _BLOCK] @ points
        part += points[at : at + _BLOCK] / 2
        if metric == "cosine":
            part /= np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
        moved[at : at + _BLOCK] = part
    return moved


def joined_graph(points: FloatArray, k: int, *, metric: str) -> csr_matrix:
    """Return the neighbour graph as 0 and 1, symmetric; parts without an edge between are joined.

    They are joined along the shortest tree of their means, by the row nearest to each mean.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
    from scipy.spatial.distance import cdist

    n = len(points)
    index = nearest(points, min(k, n - 1), metric=metric).indices
    rows = np.repeat(np.arange(n), index.shape[1])
    graph = csr_matrix((np.ones(index.size), (rows, index.ravel())), shape=(n, n))
    n_parts, part = connected_components(graph, directed=False)
    if n_parts > 1:
        means = np.array([points[part == each].mean(axis=0) for each in range(n_parts)])
        gap = ((points - means[part]) ** 2).sum(axis=1)
        order = np.lexsort((gap, part))
        middle = order[np.searchsorted(part[order], np.arange(n_parts))]
        links = minimum_spanning_tree(csr_matrix(cdist(means, means) + 1e-9)).tocoo()
        ends = middle[links.row], middle[links.col]
        graph = graph + csr_matrix((np.ones(len(links.data)), ends), shape=(n, n))
    return graph.maximum(graph.T)


@dataclass(frozen=True, eq=False)
class Centres:
    """Middles of clusters."""

    points: FloatArray

    def assign(self, points: FloatArray) -> IntArray:
        """Return the nearest of the centres for each row."""
        return nearest(self.points, 1, metric="euclidean", queries=points).indices[:, 0]

    def distances(self, points: FloatArray) -> FloatArray:
        """Return the distances of each row to the two nearest centres, or to the only one."""
        k = min(2, len(self.points))
        return nearest(self.points, k, metric="euclidean", queries=points).distance

    def settled(self, points: FloatArray) -> Centres:
        """Return the centres moved by Lloyd's algorithm."""
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning

        start = KMeans(len(self.points), init=self.points, n_init=1, max_iter=_PASSES)
        with warnings.catch_warnings():  # copies of one row may be fewer than the clusters
            warnings.simplefilter("ignore", ConvergenceWarning)
            return Centres(start.fit(points).cluster_centers_)


class Tree:
    """Clusters merged step by step, always the two neighbours that cost least.

    Attributes
    ----------
    merges : ndarray of shape (n - 1, 2)
        Merge i joins these two into the cluster n + i; below n they are rows.
    """

    def __init__(self, points: FloatArray, *, linkage: str, n_neighbors: int, metric: str) -> None:
        from sklearn.cluster import linkage_tree, ward_tree

        graph = joined_graph(points, n_neighbors, metric=metric)
        if linkage == "ward":
            merges = ward_tree(points, connectivity=graph)[0]
        else:
            merges = linkage_tree(points, connectivity=graph, linkage=linkage)[0]
        self.merges: IntArray = np.asarray(merges)
        self._points, self._settles = points, linkage == "ward"

    def cut(self, k: int) -> IntArray:
        """Return the cluster of each row, from 0, when `k` are left."""
        n = len(self._points)
        above = np.arange(2 * n - 1)
        for at, pair in enumerate(self.merges[: n - k]):
            above[pair] = n + at
        for node in range(2 * n - 2, -1, -1):
            above[node] = above[above[node]]
        return np.unique(above[:n], return_inverse=True)[1]

    def centres(self, k: int) -> Centres:
        """Return the means of `k` clusters, after a few passes of k-means for Ward's."""
        labels = self.cut(k)
        means = np.array([self._points[labels == each].mean(axis=0) for each in range(k)])
        return Centres(means).settled(self._points) if self._settles else Centres(means)
