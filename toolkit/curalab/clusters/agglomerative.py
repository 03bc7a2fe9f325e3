"""Clusters merged from the bottom up, along the neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import check_choice, check_integer
from curalab.clusters._indices import strength
from curalab.clusters._number import choose_number
from curalab.clusters._tree import Tree, smoothed
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["Agglomerative"]

_TREE = 10_000  # rows
_SETTLED, _ROWS_EACH = 200_000, 50  # rows that k-means looks at, and at least for each cluster
_FEW = 10  # a row is smoothed over this share of all rows at most: 1 in 10


@dataclass(frozen=True, kw_only=True)
class Agglomerative:
    """Merge the two neighbouring clusters that cost least, again and again; then settle them.

    Works well on embeddings of texts and images, where clusters are round and rows between them
    many. Every row belongs to a cluster. Strength is 1 - d1 / d2, with d1 and d2 the distances to
    the nearest and the second-nearest centre.

    Parameters
    ----------
    n_clusters : int, default=None
        None tries numbers from 2 to 1.5 √h, h the rows of half the data up to 4,000: the halves are
        clustered apart, and the number is taken on which they agree and whose clusters stand
        apart; the curve is in ``details["numbers"]``.
    linkage : {"ward", "average"}, default="ward"
        What a merge costs: the growth of the squared distances to the centre, or the mean
        distance between the two.
    n_neighbors : int, default=15
        Neighbours along which clusters may merge, and that a row is smoothed over.

    Notes
    -----
    Rows are first moved halfway to the mean of their neighbours (n / 10 of them, where that is
    less). Ward's clusters are then settled by k-means, which mends what a greedy merge cannot take
    back, on 200,000 rows of more. ``details["tree"]`` holds the merges, for clusters at any
    resolution: merge i joins `left` and `right` into n + i; the rows are those of
    ``details["tree_rows"]``, 10,000 drawn at random where there are more.

    References
    ----------
    .. [1] Ward (1963), "Hierarchical Grouping to Optimize an Objective Function", Journal of the
       American Statistical Association 58. (With the neighbour graph, smoothing, settling and the
       choice of the number added.)
    .. [2] Tibshirani, Walther (2005), "Cluster Validation by Prediction Strength", Journal of
       Computational and Graphical Statistics 14.
    """

    cost: ClassVar[str] = "one neighbour pass and n log n merges: 13 s for 10,000 rows"

    n_clusters: int | None = None
    linkage: str = "ward"
    n_neighbors: int = 15

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, dict[str, Any]]:
        """Return labels and strength in [0, 1], each (n_items,)."""
        n, metric = len(pool), pool.embedding.metric
        linkage = check_choice("linkage", self.linkage, ("ward", "average"))
        k = min(check_integer("n_neighbors", self.n_neighbors, low=1), n - 1)
        points = pool.embedding.points
        near = pool.embedding.neighbors(k).indices[:, : n // _FEW]
        smooth = smoothed(points, near, metric=metric)

        def grow(rows: FloatArray) -> Tree:
            return Tree(rows, linkage=linkage, n_neighbors=k, metric=metric)

        details: dict[str, Any] = {}
        if self.n_clusters is None:
            number, details["numbers"] = choose_number(smooth, points, grow=grow, rng=rng)
        else:
            number = check_integer("n_clusters", self.n_clusters, low=1, high=n)
        drawn = np.sort(rng.permutation(n)[: max(_TREE, number)])
        tree = grow(smooth[drawn])
        centres = tree.centres(number)
        if linkage == "ward" and n > len(drawn):
            some = rng.permutation(n)[: max(_SETTLED, _ROWS_EACH * number)]
            centres = centres.settled(smooth if len(some) == n else smooth[np.sort(some)])
        merges = pd.DataFrame(tree.merges, columns=["left", "right"])
        details |= {"tree": merges, "tree_rows": drawn, "predict": centres.assign}
        whole = linkage == "average" and n == len(drawn)
        labels = tree.cut(number) if whole else centres.assign(smooth)
        return labels, strength(centres.distances(smooth)), details
