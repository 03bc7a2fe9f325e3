"""What differs between two embeddings, two clusterings or two tables, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray, align, check_integer, complain
from curalab.clusters import Clustering
from curalab.clusters._stability import _ari, _own, _shared_mates
from curalab.embedding import Embedding
from curalab.items._table import check_table
from curalab.maps._quality import default_k, shared_neighbors

__all__ = ["ClusterMatch", "changed_cells", "match_clusters", "moved_rows"]

_BLOCK = 4_000_000  # numbers at once


def moved_rows(left: Embedding, right: Embedding, *, k: int | None = None) -> pd.DataFrame:
    """Tell of each row how far its neighbours in one embedding are others than in another.

    Parameters
    ----------
    left, right : Embedding
        The same ids; the order is that of `left`. Dimensions and metrics may differ.
    k : int, default=None
        Neighbours looked at. None takes 15, or a tenth of the rows where they are fewer than 150.

    Returns
    -------
    DataFrame
        Indexed by id. `neighbors_kept` is the share of a row's `k` nearest rows that are the same
        on both sides, from 0 to 1. `farther` says how many times as far away as the row's own
        nearest rows those lie that are its nearest on the other side, on the side where that is
        more: 1 where they are as near. It tells apart rows that keep no neighbour at all.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab._differences import moved_rows
    >>> x = np.arange(8.0)[:, None]
    >>> one, other = (cl.Embedding(vectors=v, metric="euclidean") for v in (x, x[::-1]))
    >>> moved_rows(one, other, k=2)["neighbors_kept"].min()
    np.float64(1.0)
    """
    n = len(left)
    if n < 2:
        raise ValueError(complain("left", "of at least 2 rows", what=f"{n} row"))
    right = _in_order(right, left.ids)
    k = check_integer("k", default_k(n) if k is None else k, low=1, high=n - 1)
    own, other = left.neighbors(k), right.neighbors(k)
    farther = np.maximum(
        _times_as_far(left, own.indices, other.indices),
        _times_as_far(right, other.indices, own.indices),
    )
    kept = shared_neighbors(own.indices, other.indices)
    return pd.DataFrame({"neighbors_kept": kept, "farther": farther}, index=left.ids)


def _in_order(right: Embedding, ids: pd.Index) -> Embedding:
    same: pd.Index = align("right", right.ids.to_series(), ids).index
    return right if same.equals(right.ids) else right.take(same)


def _times_as_far(embedding: Embedding, near: IntArray, others: IntArray) -> FloatArray:
    """Return the mean distance to `others` over that to the nearest; at least 1."""
    to_near, to_others = (_mean_distance(embedding.points, rows) for rows in (near, others))
    least = 1e-6 * to_near.mean() or 1.0  # copies are at no distance
    return np.asarray(np.maximum((to_others + least) / (to_near + least), 1.0))


def _mean_distance(points: FloatArray, near: IntArray) -> FloatArray:
    found = np.empty(len(points))
    step = max(1, _BLOCK // (near.shape[1] * points.shape[1]))
    for at in range(0, len(points), step):
        rows = slice(at, at + step)
        gap = points[near[rows]] - points[rows, None]
        found[rows] = np.sqrt(np.einsum("nkd,nkd->nk", gap, gap)).mean(axis=1)
    return found


# ---- clusterings ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class ClusterMatch:
    """Which cluster of one clustering is which of another.

    Attributes
    ----------
    rows : DataFrame
        Indexed by id: the cluster on the `left` and on the `right`; `changed`, whether the right
        one is another than the one matched to the left one; `mates_kept`, the share of the row's
        cluster mates on either side that it has on both, from 0 to 1.
    matched : dict
        For clusters on the left the one on the right, each used once, so that as many rows as
        possible stay; noise (-1) goes with noise. A cluster without a partner is not in it.
    flows : DataFrame
        One row for each pair of clusters that share rows, most first: `left`, `right`, `items`,
        `of_left` and `of_right`, the shares of either cluster.
    ari, nmi : float
        Adjusted Rand index, where a row of noise is a cluster of its own; normalised mutual
        information over the rows that both put into a cluster, NaN where there are none.
    """

    rows: pd.DataFrame
    matched: dict[int, int]
    flows: pd.DataFrame
    ari: float
    nmi: float


def match_clusters(left: Clustering, right: Clustering) -> ClusterMatch:
    """Match the clusters of two clusterings of the same rows.

    Parameters
    ----------
    left, right : Clustering
        The same ids; the order is that of `left`.

    Returns
    -------
    ClusterMatch

    References
    ----------
    .. [1] Kuhn (1955), "The Hungarian Method for the Assignment Problem", Naval Research Logistics
       Quarterly 2.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab._differences import match_clusters
    >>> x = np.r_[np.zeros((4, 2)), np.ones((4, 2))]
    >>> one = cl.cluster(cl.Embedding(vectors=x, metric="euclidean"), random_state=0)
    >>> match_clusters(one, one).ari
    1.0
    """
    from sklearn.metrics import normalized_mutual_info_score

    a = np.asarray(left.labels)
    b = np.asarray(align("right", pd.Series(right.labels, index=right.ids), left.ids))
    pairs = pd.DataFrame({"left": a, "right": b})
    flows = pairs.value_counts(sort=False).rename("items").reset_index()
    for side in ("left", "right"):
        flows[f"of_{side}"] = flows["items"] / flows.groupby(side)["items"].transform("sum")
    matched = _matched(flows)
    one, other = _own(a), _own(b)
    pairs["changed"] = pairs["left"].map(matched) != pairs["right"]
    pairs["mates_kept"] = _shared_mates(one, other)
    both = (a >= 0) & (b >= 0)
    return ClusterMatch(
        rows=pairs.set_axis(left.ids),
        matched=matched,
        flows=flows.sort_values("items", ascending=False, kind="stable", ignore_index=True),
        ari=_ari(one, other),
        nmi=float(normalized_mutual_info_score(a[both], b[both])) if both.any() else float("nan"),
    )


def _matched(flows: pd.DataFrame) -> dict[int, int]:
    from scipy.optimize import linear_sum_assignment

    solid = flows[(flows["left"] >= 0) & (flows["right"] >= 0)]
    shared = solid.pivot(index="left", columns="right", values="items").fillna(0)
    pairs = zip(*linear_sum_assignment(shared.to_numpy(), maximize=True), strict=True)
    found = {shared.index[i]: shared.columns[j] for i, j in pairs if shared.iat[i, j]}
    return {-1: -1} | {int(one): int(other) for one, other in found.items()}


# ---- tables --------------------------------------------------------------------------------------


def changed_cells(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """List the cells that two tables have in common and that differ.

    Parameters
    ----------
    left, right : DataFrame
        The index holds the ids. Rows and columns of one table only are left out.

    Returns
    -------
    DataFrame
        Indexed by id, in the order of `left`: `column`, and the values on the `left` and on the
        `right`. Two missing values are the same, and so are 1 and 1.0.

    Examples
    --------
    >>> import pandas as pd
    >>> from curalab._differences import changed_cells
    >>> one = pd.DataFrame({"label": ["cat", "dog"]}, index=["a", "b"])
    >>> changed_cells(one, one.replace("dog", "fox")).loc["b"].tolist()
    ['label', 'dog', 'fox']
    """
    check_table("left", left)
    check_table("right", right)
    at = right.index.get_indexer(left.index)  # many times as fast as isin, for strings
    one, other = left[at >= 0], right.iloc[at[at >= 0]]
    ids = one.index
    found = []
    for name in left.columns[left.columns.isin(right.columns)]:
        at = np.flatnonzero(_differ(one[name], other[name]))
        values = {
            side: pd.Series(list(column.iloc[at]), dtype=object)
            for side, column in (("left", one[name]), ("right", other[name]))
        }
        found.append(pd.DataFrame({"column": name, **values}).assign(at=at))
    if not found:
        return pd.DataFrame({"column": [], "left": [], "right": []}, index=ids[:0], dtype=object)
    cells = pd.concat(found, ignore_index=True).sort_values("at", kind="stable")
    return cells.set_axis(ids[cells.pop("at").to_numpy()])


def _differ(left: pd.Series[Any], right: pd.Series[Any]) -> BoolArray:
    both_missing = (left.isna() & right.isna().to_numpy()).to_numpy()
    if left.dtype == right.dtype and left.dtype.kind in "biufM":
        return np.asarray((left.to_numpy() != right.to_numpy()) & ~both_missing)
    pairs = zip(left, right, strict=True)
    differ = [a is not b and not _is_same(a, b) for a, b in pairs]
    return np.asarray(differ, dtype=bool) & ~both_missing


def _is_same(a: Any, b: Any) -> bool:
    if getattr(a, "ndim", 0) or getattr(b, "ndim", 0):
        return bool(np.array_equal(np.asarray(a), np.asarray(b)))
    try:
        return bool(a == b)
    except (TypeError, ValueError):  # values that cannot be compared, or not to one answer
        return False
