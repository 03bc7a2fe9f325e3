"""Pruning that keeps more of clusters that are wide and far from others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._cells import Rows, k_means, nearest_centre, rank_within
from curalab._check import FloatArray, IntArray, check_choice, check_integer, check_real, complain
from curalab._points import unit_rows
from curalab.pool import Pool

__all__ = ["ComplexityPruning"]

_NEAREST_CENTRES = 20
_ROWS_A_CLUSTER, _MOST_CLUSTERS = 30, 1_000


@dataclass(frozen=True, kw_only=True)
class ComplexityPruning:
    """Density-based pruning: a quota a cluster by its complexity, then the hardest of its rows.

    The complexity C of a cluster is the mean distance of its rows to its centre times the mean
    distance of its centre to the 20 nearest other ones: rows of a cluster that is tight and among
    others stand for each other. Of `k` rows a cluster is due the share softmax(C / temperature);
    what it gets is the nearest to that, in squares, between 1 row and all it has. Then the rows
    farthest from their centre are kept.

    It is for large pools of clean, deduplicated rows: far rows are also the mislabelled and the
    odd ones. Deduplicate first (`find_duplicates`), as the paper does. On clean sets of 3,000 to
    5,000 rows it gains little: what it kept trained a linear head as well as random rows did
    (digits), slightly better (MNIST, accuracy +.007 for a quarter), or worse where classes are many
    and small (banking77, -.12 for a tenth, -.02 for half).

    Parameters
    ----------
    n_clusters : int, default=None
        None means n / 30, at most 1,000: a cluster should be one concept, or whole concepts go.
    temperature : float, default=0.1
        Small favours complex clusters, large gives all the same.
    keep : {"far", "near"}, default="far"
        Which rows of a cluster: the hard ones, far from its centre, or the typical ones: better
        where few rows a class are kept (banking77, a tenth: -.01), or many are mislabelled.

    Notes
    -----
    Gain is the distance to the centre. `details["clusters"]` is a DataFrame with a row for each
    cluster: `size`, `spread`, `isolation`, `complexity` (their product), `quota`, which counts
    the rows in `chosen`; `details["cell"]` says which cluster each row is of. The picks of all
    clusters come interleaved, so that any first part has them in about the same proportions.

    Distances are 1 - cosine, to centres of unit length, or under "euclidean" half the squared
    distance, where the rows have a mean squared distance of 1 from their mean, which is on the
    same scale. Clusters are those of k-means on unit vectors, their centres then scaled to unit
    length. The quadratic program has one constraint beside the bounds, so bisection solves it.

    References
    ----------
    .. [1] Abbas, Rusak, Tirumala, Brendel, Chaudhuri, Morcos (2024), "Effective pruning of
       web-scale datasets based on complexity of concept clusters", ICLR, arXiv:2401.04578.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import ComplexityPruning
    >>> width = np.repeat([0.05, 0.3], 100)  # two clusters of 100 rows
    >>> x = np.random.default_rng(0).normal(size=(200, 4)) * width[:, None]
    >>> x[:100, 0] += 1
    >>> x[100:, 1] += 1
    >>> method = ComplexityPruning(n_clusters=2)
    >>> pick = cl.select(x, 100, method=method, random_state=0)
    >>> bool((pick.rows >= 100).sum() > 60)
    True
    """

    cost: ClassVar[str] = "one k-means"

    n_clusters: int | None = None
    temperature: float = 0.1
    keep: str = "far"

    def __post_init__(self) -> None:
        if self.n_clusters is not None:
            check_integer("n_clusters", self.n_clusters, low=1)
        check_real("temperature", self.temperature, low=1e-3, high=1e3)
        check_choice("keep", self.keep, ["far", "near"])

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers, clusters interleaved, their distances and the clusters."""
        n = len(pool)
        n_clusters = self.n_clusters or min(max(1, n // _ROWS_A_CLUSTER), _MOST_CLUSTERS)
        if n_clusters > n:
            rule = f"at most {n:,}, the number of rows"
            raise ValueError(complain("n_clusters", rule, n_clusters))
        cell, distance, table = _clusters(pool, n_clusters, rng)
        held = np.bincount(cell[[] if pool.chosen is None else pool.chosen], minlength=len(table))
        size = table["size"].to_numpy()
        due = np.exp((table["complexity"] - table["complexity"].max()) / self.temperature)
        total = k + int(held.sum())
        lowest = np.maximum(held, np.minimum(size, 1))
        low = lowest if lowest.sum() <= total else held  # fewer picks than clusters
        quota = _quotas(total * (due / due.sum()).to_numpy(), low, size, total)
        table["quota"] = quota
        is_free = np.ones(n, dtype=bool)
        is_free[[] if pool.chosen is None else pool.chosen] = False
        hardness = distance if self.keep == "near" else -distance
        turn = rank_within(cell, is_free, hardness, rng.random(n))
        kept = np.flatnonzero(is_free & (turn < quota[cell]))
        order = np.lexsort((rng.random(len(kept)), (turn[kept] + 0.5) / quota[cell[kept]]))
        rows = kept[order]
        return rows, {"gain": distance[rows], "clusters": table, "cell": cell}


def _clusters(
    pool: Pool, n_clusters: int, rng: np.random.Generator
) -> tuple[IntArray, FloatArray, pd.DataFrame]:
    """Return the cluster of each row, its distance to the centre, and the clusters."""
    from scipy.spatial.distance import cdist

    rows = Rows.of(pool.embedding)
    mean = rows.mean()
    centres = k_means(rows, n_clusters, rng=rng)
    scale = 2.0  # half a squared distance between unit vectors is 1 - cosine
    if rows.is_unit:
        centres = unit_rows(centres)
    else:
        scale *= float(nearest_centre(rows, mean[None], offset=mean)[1].mean()) or 1.0
    cell, square = nearest_centre(rows, centres, offset=mean)
    size = np.bincount(cell, minlength=n_clusters)
    distance = square.astype(np.float64) / scale
    spread = np.bincount(cell, distance, minlength=n_clusters) / np.maximum(size, 1)
    between = np.sort(cdist(centres - mean, centres - mean, "sqeuclidean") / scale, axis=1)
    others = between[:, 1 : _NEAREST_CENTRES + 1]  # the first is the centre itself
    isolation = others.mean(axis=1) if n_clusters > 1 else np.ones(1)
    columns = {"size": size, "spread": spread, "isolation": isolation}
    return cell, distance, pd.DataFrame({**columns, "complexity": spread * isolation})


def _quotas(due: FloatArray, low: IntArray, high: IntArray, total: int) -> IntArray:
    """Return whole numbers in [low, high] of this total, nearest to `due` in squares.

    The nearest real ones are clip(due - t, low, high) for the t that makes the total right.
    """
    from scipy.optimize import brentq

    def excess(t: float) -> float:
        return float(np.clip(due - t, low, high).sum() - total)

    t = brentq(excess, (due - high).min() - 1, (due - low).max() + 1, xtol=1e-9)
    exact = np.clip(due - t, low, high)
    quota: IntArray = np.floor(exact + 1e-6).astype(np.int64)
    left = total - int(quota.sum())  # by rounding: one each to the largest remainders
    quota[np.argsort(quota - exact, kind="stable")[:left]] += 1
    return quota
