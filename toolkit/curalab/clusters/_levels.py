"""One clustering at several resolutions: which clusters join first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, check_integer, complain
from curalab.pool import as_pool, cluster_codes
from curalab.results import StageResult

__all__ = ["ClusterTree", "cluster_tree"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ClusterTree(StageResult):
    """Clusters, and how they join one another; row i belongs to the item `ids[i]`.

    Attributes
    ----------
    labels : ndarray of shape (n_items,), int
        The clustering below all others, numbered from 0; -1 is noise.
    merges : DataFrame of n_clusters - 1 rows
        Merge i joins `left` and `right` into the cluster n_clusters + i: by how much the squared
        distances to the middles grow (`cost`), and the items that it has then (`size`).
    """

    prefix: ClassVar[str] = "tree"
    columns: ClassVar[dict[str, str]] = {"labels": "cluster"}

    labels: IntArray
    merges: pd.DataFrame

    @property
    def summary(self) -> str:
        return f"{len(self.merges) + 1:,} clusters, {len(self.merges):,} merges"

    def at(self, n_clusters: int) -> pd.Series:
        """Return the cluster of each item when `n_clusters` are left; -1 is noise.

        The largest cluster is 0. Clusters of a smaller number are unions of those of a larger.
        """
        k = len(self.merges) + 1
        left = check_integer("n_clusters", n_clusters, low=1, high=k)
        above = np.arange(2 * k - 1)
        for at, pair in enumerate(self.merges[["left", "right"]].to_numpy()[: k - left]):
            above[pair] = k + at
        for node in range(2 * k - 2, -1, -1):
            above[node] = above[above[node]]
        found = np.append(above[:k], -1)[self.labels]
        sizes = pd.Series(found[found >= 0]).value_counts(sort=False)
        order = np.lexsort((sizes.index, -sizes.to_numpy()))
        number = pd.Series(np.arange(len(sizes)), index=sizes.index[order])
        labels = number.reindex(found, fill_value=-1).to_numpy()
        return pd.Series(labels, index=self.ids, name=f"cluster_of_{left}")

    def levels(self, numbers: Sequence[int]) -> pd.DataFrame:
        """Return the clusters of the items at several numbers, a column each."""
        return pd.DataFrame({f"cluster_of_{n}": self.at(n) for n in numbers}, index=self.ids)


def cluster_tree(embedding: Any, clustering: Any) -> ClusterTree:
    """Join the clusters of any clustering step by step, always the two that cost least.

    For a look at the same data at several resolutions: five topics, each made of some of the
    eighty intents. What the clusterer found is kept; `agglomerative` has a tree of rows besides,
    and `hdbscan` its condensed tree, both in ``details["tree"]``.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    clustering : Clustering or array-like of shape (n_items,), int
        Cluster of each row; -1 is noise, which joins nothing.

    Returns
    -------
    ClusterTree
        ``tree.at(5)`` are five clusters, ``tree.levels([5, 20])`` two columns of them.

    References
    ----------
    .. [1] Ward (1963), "Hierarchical Grouping to Optimize an Objective Function", Journal of the
       American Statistical Association 58. (Of clusters by their middles and sizes.)

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.clusters import cluster_tree
    >>> x = np.array([[0.0], [0.1], [1.0], [1.1], [9.0], [9.1]])
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> cluster_tree(emb, [0, 0, 1, 1, 2, 2]).at(2).tolist()
    [0, 0, 0, 0, 1, 1]
    """
    pool = as_pool(embedding)
    found, labels = cluster_codes(clustering, pool.ids)
    if not len(found):
        raise ValueError(complain("clustering", "of at least one cluster", what="noise alone"))
    inside = labels >= 0
    middles = np.zeros((len(found), pool.embedding.points.shape[1]))
    np.add.at(middles, labels[inside], pool.embedding.points[inside])
    size = np.bincount(labels[inside]).astype(float)
    return ClusterTree(
        ids=pool.ids,
        labels=labels,
        merges=_merges(middles / size[:, None], size),
        params={"verb": "cluster_tree", "embedding": pool.embedding.fingerprint},
    )


def _merges(middles: FloatArray, size: FloatArray) -> pd.DataFrame:
    k = len(size)
    square = (middles**2).sum(axis=1)
    gap = np.maximum(square[:, None] + square - 2 * middles @ middles.T, 0)
    cost = gap * size[:, None] * size / (size[:, None] + size)
    np.fill_diagonal(cost, np.inf)
    name, size, made = np.arange(k), size.copy(), []
    for at in range(k - 1):
        i, j = sorted(divmod(int(cost.argmin()), k))
        paid, both = cost[i, j], size[i] + size[j]
        made.append((name[i], name[j], paid, int(both)))
        # Lance and Williams (1967) for Ward's criterion
        new = (size + size[i]) * cost[i] + (size + size[j]) * cost[j] - size * paid
        new = new / (both + size)  # infinite where a cluster is gone
        new[i] = np.inf
        cost[i], cost[:, i] = new, new
        cost[j], cost[:, j] = np.inf, np.inf
        size[i], size[j], name[i] = both, 0, k + at
    return pd.DataFrame(made, columns=["left", "right", "cost", "size"])
