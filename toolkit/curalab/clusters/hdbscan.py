"""Hierarchical density clustering, through the hdbscan package."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import check_choice, check_integer
from curalab.clusters._spanning import spanning_tree
from curalab.neighbors import nearest
from curalab.pool import FloatArray, IntArray, Pool

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["HDBSCAN"]

_MANY = 3_000  # rows
_WIDE = 20  # dimensions


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

    Above 3,000 rows and 20 dimensions, where no search tree helps, the spanning tree comes from the
    neighbour graph that the other stages share, with a search where that does not prove it.

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
        points = pool.embedding.points.astype(np.float64)
        n, d = points.shape
        low = check_integer("min_cluster_size", self.min_cluster_size, low=2)
        samples = check_integer("min_samples", self.min_samples or low, low=1)
        selection = check_choice("selection", self.selection, ("eom", "leaf"))
        if n < low:
            return np.full(n, -1), np.zeros(n), {}
        samples = min(samples, n - 1)
        by_graph = n > _MANY and d > _WIDE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own dependencies
            import hdbscan

            fitted = hdbscan.HDBSCAN(
                min_cluster_size=low,
                min_samples=1 if by_graph else samples,  # the tree has it in its lengths
                cluster_selection_method=selection,
                core_dist_n_jobs=1,
                metric="precomputed" if by_graph else "euclidean",
            ).fit(_tree(pool, samples) if by_graph else points)

        def membership() -> pd.DataFrame:
            if by_graph:  # it needs the vectors
                fitted.metric, fitted.min_samples, fitted._raw_data = "euclidean", samples, points
            fitted.generate_prediction_data()
            share = hdbscan.all_points_membership_vectors(fitted).reshape(n, -1)
            return pd.DataFrame(share, index=pool.ids).rename_axis(columns="cluster")

        tree = fitted.condensed_tree_.to_pandas()
        predict = _predictor(pool, samples, fitted.labels_, tree)
        details = {"tree": tree, "predict": predict, "membership": membership}
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
        core = _lengths(pool, samples)[:, -1]
        reach = np.maximum(np.maximum(near.distance, near.distance[:, -1:]), core[near.indices])
        first = reach.argmin(axis=1)[:, None]
        found = labels[np.take_along_axis(near.indices, first, axis=1)[:, 0]]
        density = 1 / np.maximum(np.take_along_axis(reach, first, axis=1)[:, 0], 1e-300)
        return np.where(density >= thinnest.reindex(found).to_numpy(), found, -1)

    return predict


def _tree(pool: Pool, samples: int) -> csr_matrix:
    k = min(2 * samples, len(pool) - 1)
    length = _lengths(pool, k)
    near = pool.embedding.neighbors(k, recall=1).indices
    tree = spanning_tree(pool.embedding.points, near, length, length[:, samples - 1])
    return tree + tree.T


def _lengths(pool: Pool, k: int) -> FloatArray:
    """Return the Euclidean distances of the points to their neighbours, under "cosine" as well."""
    distance = pool.embedding.neighbors(k, recall=1).distance.astype(np.float64)
    return np.sqrt(2 * distance) if pool.embedding.metric == "cosine" else distance
