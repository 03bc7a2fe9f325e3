"""Hierarchical density clustering, through the hdbscan package."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import check_choice, check_integer
from curalab.clusters._outside import Outside
from curalab.clusters._spanning import chained, joined, shortest_forest, spanning_tree
from curalab.neighbors import Neighbors, nearest
from curalab.pool import FloatArray, IntArray, Pool

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["HDBSCAN"]

_WIDE = 20  # dimensions, above which no search tree helps
_MANY = 3_000  # rows, above which the spanning tree of many dimensions is sought in the graph
_LARGE = 10_000  # rows, above which it is the graph's own
_LEAST_K = 30  # neighbours a row at least: fewer leave many parts without an edge between them


@dataclass(frozen=True, kw_only=True)
class HDBSCAN:
    """Clusters are dense regions that persist; the rest is noise. The number need not be known.

    Works best on few dimensions: map an embedding to 5 or so with `reduce` first. On hundreds of
    dimensions most rows become noise.

    Parameters
    ----------
    min_cluster_size : int, default=15
        Rows below which a group is not a cluster.
    min_samples : int, default=None
        Larger leaves more rows as noise. None takes `min_cluster_size`.
    selection : {"eom", "leaf"}, default="eom"
        Clusters of most persistence, or the finest ones.

    Notes
    -----
    ``details["tree"]`` is the condensed tree, and ``details["membership"]()`` makes the table of
    soft membership: how probable each cluster is for each item, noise making up the rest; it
    takes minutes for 10,000 rows of hundreds of dimensions.

    Above 20 dimensions, where no search tree helps, the spanning tree comes from the neighbour
    graph that the other stages share. From 3,000 to 10,000 rows it is exact, by a search where the
    graph does not prove it. Above, it is the shortest tree of three kinds of edges: those of the
    graph, which may lack some of the neighbours; those that join the clusters seen in the graph;
    and those that join parts of it without an edge between them. The latter two are the shortest
    there are where clusters, or parts, have up to 512 rows beside the largest; of more rows,
    about so many are searched from, those that face another cluster. On 11,250 intents in 384
    dimensions the labels agree with those of the exact tree to an adjusted Rand index of 0.998.

    References
    ----------
    .. [1] Campello, Moulavi, Sander (2013), "Density-Based Clustering Based on Hierarchical
       Density Estimates", PAKDD.
    .. [2] McInnes, Healy, Astels (2017), "hdbscan: Hierarchical density based clustering", JOSS 2.
    """

    cost: ClassVar[str] = "n log n on few dimensions, one neighbour pass on many"

    min_cluster_size: int = 15
    min_samples: int | None = None
    selection: str = "eom"

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, dict[str, Any]]:
        """Return labels (-1 is noise) and strength in [0, 1], each (n_items,)."""
        n = len(pool)
        low = check_integer("min_cluster_size", self.min_cluster_size, low=2)
        samples = check_integer("min_samples", self.min_samples or low, low=1)
        selection = check_choice("selection", self.selection, ("eom", "leaf"))
        if n < low:
            return np.full(n, -1), np.zeros(n), {}
        samples = min(samples, n - 1)
        fitted = _fitted(pool, low, samples, selection)

        def membership() -> pd.DataFrame:
            from hdbscan import all_points_membership_vectors

            fitted._raw_data = pool.embedding.points.astype(np.float64)
            fitted.generate_prediction_data()
            share = all_points_membership_vectors(fitted).reshape(n, -1)
            return pd.DataFrame(share, index=pool.ids).rename_axis(columns="cluster")

        table = fitted.condensed_tree_.to_pandas()
        predict = _predictor(pool, samples, fitted.labels_, table)
        details = {"tree": table, "predict": predict, "membership": membership}
        return fitted.labels_, fitted.probabilities_, details


def _predictor(
    pool: Pool, samples: int, labels: IntArray, tree: pd.DataFrame
) -> Callable[[FloatArray], IntArray]:
    """Return what gives new rows the cluster of the row nearest by mutual reachability.

    A row less dense than the thinnest of that cluster is noise.
    """
    points = pool.embedding.points
    own = tree[tree["child_size"] == 1].set_index("child")["lambda_val"]
    thinnest = own.groupby(labels[own.index]).min()

    def predict(new: FloatArray) -> IntArray:
        near = nearest(points, samples, metric="euclidean", queries=new)
        core = _euclidean(pool.embedding.neighbors(samples))[:, -1]
        reach = np.maximum(np.maximum(near.distance, near.distance[:, -1:]), core[near.indices])
        first = reach.argmin(axis=1)[:, None]
        found = labels[np.take_along_axis(near.indices, first, axis=1)[:, 0]]
        density = 1 / np.maximum(np.take_along_axis(reach, first, axis=1)[:, 0], 1e-300)
        return np.where(density >= thinnest.reindex(found).to_numpy(), found, -1)

    return predict


def _fitted(pool: Pool, low: int, samples: int, selection: str) -> Any:
    """Return a fitted `hdbscan.HDBSCAN`, by its own search or on a spanning tree of ours."""
    n, d = pool.embedding.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        import hdbscan

        made = hdbscan.HDBSCAN(
            min_cluster_size=low,
            min_samples=samples,
            cluster_selection_method=selection,
            core_dist_n_jobs=1,
        )
        if n <= _MANY or d <= _WIDE:
            return made.fit(pool.embedding.points.astype(np.float64))
        cut = partial(_cut, low=low, selection=selection)
        tree = _exact_tree(pool, samples) if n <= _LARGE else _graph_tree(pool, samples, cut)
        made.labels_, made.probabilities_, _, made._condensed_tree, _ = cut(tree)
        return made


def _cut(tree: csr_matrix, *, low: int, selection: str) -> tuple[Any, ...]:
    """Return labels, strength, stability, condensed tree and dendrogram of a spanning tree.

    This is what its `fit` does last; given the tree, that would seek it again.
    """
    from hdbscan.hdbscan_ import _tree_to_labels

    edges = tree.tocoo()
    order = np.argsort(edges.data, kind="stable")
    table = np.column_stack([edges.row, edges.col, edges.data])[order]
    cut: tuple[Any, ...] = _tree_to_labels(None, _dendrogram(table), low, selection)
    return cut


def _dendrogram(table: FloatArray) -> FloatArray:
    """Return the joins of a spanning tree's edges, shortest first, as scipy's `linkage` does.

    scikit-learn's is forty times as fast as the package's, and the same.
    """
    try:
        from sklearn.cluster._hdbscan._linkage import MST_edge_dtype, make_single_linkage
    except ImportError:  # it is not promised to stay
        from hdbscan._hdbscan_linkage import label

        return np.asarray(label(table))
    edges = np.empty(len(table), dtype=MST_edge_dtype)
    for name, column in zip(MST_edge_dtype.names, table.T, strict=True):
        edges[name] = column
    joins = make_single_linkage(edges)
    return np.column_stack([joins[name].astype(float) for name in joins.dtype.names])


def _exact_tree(pool: Pool, samples: int) -> csr_matrix:
    near = pool.embedding.neighbors(min(2 * samples, len(pool) - 1), recall=1)
    length = _euclidean(near)
    return spanning_tree(pool.embedding.points, near.indices, length, length[:, samples - 1])


def _graph_tree(
    pool: Pool, samples: int, cut: Callable[[csr_matrix], tuple[Any, ...]]
) -> csr_matrix:
    """Return the shortest tree of the neighbour graph and of edges between the clusters in it.

    Rows of two clusters are hardly ever neighbours: in the graph alone, clusters meet by way of
    noise, further apart than they are, and noise near to them would count as theirs.
    """
    from scipy.sparse.csgraph import connected_components

    near = pool.embedding.neighbors(min(max(2 * samples, _LEAST_K), len(pool) - 1))
    length = _euclidean(near)
    core = length[:, samples - 1]
    forest = shortest_forest(near.indices, length, core)
    search = Outside(pool.embedding.points, core)
    forest = joined(forest, cut(chained(forest))[0], search)
    return joined(forest, connected_components(forest, directed=False)[1], search)


def _euclidean(near: Neighbors) -> FloatArray:
    """Return the Euclidean distances of the points to their neighbours, under "cosine" as well."""
    distance = near.distance.astype(np.float64)
    return np.sqrt(2 * distance) if near.metric == "cosine" else distance
