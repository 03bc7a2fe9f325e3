"""Clusters of any shape: groups between which the neighbour graph has few edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import check_integer
from curalab.clusters._indices import strength
from curalab.clusters._links import keep_links, propagated, read_links, split_by_links
from curalab.neighbors import Neighbors
from curalab.pool import FloatArray, IntArray, Pool

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Spectral", "similarity_graph"]

_MOST = 40  # numbers of clusters looked at
_DENSE = 1_500  # rows up to which all eigenvectors are computed
_ZERO = 1e-9
_CONNECTED = 1e-4  # eigenvalues of the Laplacian below this are as good as 0


@dataclass(frozen=True, kw_only=True)
class Spectral:
    """Cut the neighbour graph where it has few edges; rings, chains and blobs alike.

    Works well on tables and maps of few dimensions. Every row belongs to a cluster. Strength is
    1 - d1 / d2, with d1 and d2 the distances to the nearest and the second-nearest centre among
    the eigenvectors.

    Parameters
    ----------
    n_clusters : int, default=None
        None takes the number, from 2 to 39, after which the eigenvalues of the graph's Laplacian
        leap most; they are in ``details["numbers"]``.
    n_neighbors : int, default=10
        Neighbours in the graph.
    must_link, cannot_link : sequence of sequences of ids, default=()
        Each names two or more rows that belong to one cluster, or of which no two do. They are
        kept, whatever follows: "a with b" and "b with c" put a with c. They also move other rows:
        a link is handed on along the graph, after [3]_. With `n_clusters` None, a cluster that
        still holds rows to be kept apart is split between them.

    Notes
    -----
    An edge weighs exp(-d² / (s t)), with s and t the distances of its two rows to their middle
    neighbour, after [2]_. The leap from λ to the next larger eigenvalue is measured in units of
    the latter, plus 0.0001, so that parts without any edge between them are counted.

    References
    ----------
    .. [1] Ng, Jordan, Weiss (2001), "On Spectral Clustering: Analysis and an Algorithm", NeurIPS.
    .. [2] Zelnik-Manor, Perona (2004), "Self-Tuning Spectral Clustering", NeurIPS.
    .. [3] Lu, Ip (2010), "Constrained Spectral Clustering via Exhaustive and Efficient Constraint
       Propagation", ECCV. (Only rows near linked ones get edges that the graph lacks; that all
       links are kept at the end is ours, after COP-KMeans.)
    """

    cost: ClassVar[str] = "one neighbour pass and 40 eigenvectors of the graph"

    n_clusters: int | None = None
    n_neighbors: int = 10
    must_link: Sequence[Sequence[Any]] = ()
    cannot_link: Sequence[Sequence[Any]] = ()

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, dict[str, Any]]:
        """Return labels and strength in [0, 1], each (n_items,)."""
        from sklearn.cluster import KMeans

        n = len(pool)
        k = min(check_integer("n_neighbors", self.n_neighbors, low=1), n - 1)
        graph = similarity_graph(pool.embedding.neighbors(k))
        links = read_links(pool.ids, self.must_link, self.cannot_link)
        if len(links.rows):
            graph, reach = propagated(graph, links)
        details: dict[str, Any] = {}
        if self.n_clusters is None:
            least = links.fewest()
            values, vectors = _spectrum(graph, max(min(_MOST, int(np.sqrt(n)) + 2), least), rng)
            number, details["numbers"] = _leap(values)
            number = max(number, least)
        else:
            number = check_integer("n_clusters", self.n_clusters, low=1, high=n)
            _, vectors = _spectrum(graph, number, rng)
        rows = vectors[:, :number]
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        found = KMeans(number, n_init=5, random_state=int(rng.integers(2**31))).fit(rows)
        labels, distance = found.labels_, found.transform(rows)
        if len(links.rows) and self.n_clusters is None:
            labels = split_by_links(labels, distance, links, reach)
        elif len(links.rows):
            labels = keep_links(labels, distance, links)
        return labels, strength(distance), details


def similarity_graph(near: Neighbors) -> csr_matrix:
    """Return the symmetric graph of self-tuned weights in (0, 1]."""
    from scipy.sparse import csr_matrix

    n, k = near.indices.shape
    distance = near.distance.astype(float)
    own = np.maximum(distance[:, k // 2], 1e-12)
    weight = np.exp(-(distance**2) / (own[:, None] * own[near.indices]))
    rows = np.repeat(np.arange(n), k)
    graph = csr_matrix((weight.ravel(), (rows, near.indices.ravel())), shape=(n, n))
    return (graph + graph.T) / 2


def _spectrum(
    graph: csr_matrix, number: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return the smallest eigenvalues of the normalised Laplacian, and their eigenvectors.

    Each connected part has its own, one of them 0: a search in the whole graph misses some of
    several equal ones. Of equal ones those of larger parts come first.
    """
    from scipy.sparse import diags
    from scipy.sparse.csgraph import connected_components

    n = graph.shape[0]
    scale = diags(1 / np.sqrt(np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1e-300)))
    similar = (scale @ graph @ scale).tocsr()
    _, part = connected_components(graph, directed=False)
    found = []
    for each in np.argsort(-np.bincount(part), kind="stable")[:number]:
        rows = np.flatnonzero(part == each)
        values, vectors = _largest(similar[rows][:, rows], number, rng)
        found += [(1 - value, rows, vector) for value, vector in zip(values, vectors, strict=True)]
    found.sort(key=lambda one: (max(one[0], _ZERO), -len(one[1])))
    whole = np.zeros((n, min(number, len(found))))
    for at, (_, rows, vector) in enumerate(found[:number]):
        whole[rows, at] = vector
    return np.array([max(value, 0.0) for value, _, _ in found[:number]]), whole


def _largest(
    similar: csr_matrix, number: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return the largest eigenvalues of one part, largest first, and their vectors as rows."""
    from scipy.sparse import identity
    from scipy.sparse.linalg import eigsh

    n = similar.shape[0]
    if n <= _DENSE or number > n // 3:
        values, vectors = np.linalg.eigh(similar.toarray())
    else:
        values, vectors = eigsh(  # of a matrix without negative eigenvalues: it converges sooner
            (similar + identity(n)) / 2,
            k=number,
            which="LA",
            v0=rng.normal(size=n),
            ncv=max(2 * number + 20, 60),
            tol=1e-6,
            maxiter=10_000,
        )
        values = 2 * values - 1
    order = np.argsort(-values, kind="stable")[:number]
    return values[order], vectors[:, order].T


def _leap(values: FloatArray) -> tuple[int, pd.DataFrame]:
    leap = np.diff(values) / (values[1:] + _CONNECTED)
    numbers = np.arange(1, len(values))
    table = pd.DataFrame({"n_clusters": numbers, "eigenvalue": values[:-1], "leap": leap})
    if len(values) < 3:
        return 1, table
    return int(numbers[1:][np.argmax(leap[1:])]), table
