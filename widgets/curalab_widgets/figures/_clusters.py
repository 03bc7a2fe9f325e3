"""How clusters hang together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from curalab._check import FloatArray, IntArray, complain
from curalab.clusters import Clustering, ClusterTree
from curalab_widgets._points import COLORS, GREY
from curalab_widgets.figures._plot import plot

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["condensed_tree", "rows_beneath"]

_MOST = 300  # branches drawn, the largest
_BARS = 1_500  # that they are made of
_STEPS = 16  # bars of a branch at most
_NAMED = 0.02  # share of all rows from which a branch has room for its number


@dataclass(frozen=True, eq=False)
class _Branches:
    """A tree of groups of rows, each after the one that it is part of, which is first of all.

    Attributes
    ----------
    above : ndarray of shape (n_branches,), int
        The branch that each is part of; -1 for the first.
    size : ndarray of shape (n_branches,), int
        Rows where it begins.
    top, bottom : ndarray of shape (n_branches,), float
        Where it begins and ends.
    label : ndarray of shape (n_branches,), int
        The cluster that it is, or is part of; -1 for none.
    leaving : list of ndarray
        Where rows leave each one by one.
    """

    above: IntArray
    size: IntArray
    top: FloatArray
    bottom: FloatArray
    label: IntArray
    leaving: Sequence[FloatArray]


def condensed_tree(
    clustering: Any,
    *,
    colors: Mapping[int, str] | None = None,
    names: Mapping[int, str] | None = None,
) -> go.Figure:
    """Draw how groups of rows fall apart, from all rows at the top to clusters.

    Parameters
    ----------
    clustering : Clustering or ClusterTree
        Clusters that HDBSCAN found: each branch is a group of dense rows, as wide as it has rows;
        further down, at smaller distances, rows leave it, and where it ends it falls apart. Or
        what `cluster_tree` says of any clusters: there a branch begins where it is joined with
        another, at the cost of that.
    colors : mapping, default=None
        Colour of each cluster; those without are grey. None has a colour for the first twenty.
    names : mapping, default=None
        What to call clusters. None takes their numbers.

    Returns
    -------
    plotly Figure
        Its first trace are the branches; `customdata` holds their numbers.
    """
    tree = _branches(clustering)
    colors = dict(enumerate(COLORS)) if colors is None else colors
    names = {label: str(label) for label in tree.label.tolist()} | dict(names or {})
    told = ["no cluster" if label < 0 else f"cluster {names[label]}" for label in tree.label]
    left = _places(tree)
    of, middle, width, base, height = _bars(tree, left)
    is_log = isinstance(clustering, Clustering)
    bars = {
        "type": "bar",
        "x": middle,
        "y": height,
        "base": base,
        "width": width,
        "customdata": of,
        "marker": {
            "color": [colors.get(label, GREY) for label in tree.label[of].tolist()],
            "opacity": np.where(tree.label[of] < 0, 0.45, 0.95),
            "line": {"width": 0 if is_log else 1, "color": GREY},
        },
        "hovertext": [f"{told[one]}<br>{tree.size[one]:,} rows" for one in of.tolist()],
        "hoverinfo": "text",
        "showlegend": False,
    }
    title = "Condensed tree" if is_log else "How clusters join"
    y = "distance" if is_log else "cost, its root"
    figure = plot([bars, _numbers(tree, left, names)], title=title, x="", y=y)
    figure.update_layout(barmode="overlay", bargap=0).update_xaxes(
        visible=False, range=[-0.01 * tree.size[0], 1.01 * tree.size[0]]
    )
    ends = np.r_[base, base + height]
    room = 0.06 * (float(np.ptp(ends)) or 1.0)
    axis: dict[str, Any] = {"range": [ends.min() - 2 * room, ends.max() + room], "zeroline": False}
    if is_log:
        at = np.linspace(ends.min(), ends.max(), 4)
        axis |= {"tickvals": at, "ticktext": [f"{10**one:.2g}" for one in at]}
    return figure.update_yaxes(**axis)


def rows_beneath(clustering: Any, branch: int) -> IntArray:
    """Return the rows of one branch of the tree that `condensed_tree` draws."""
    tree = _branches(clustering)
    inside = np.zeros(len(tree.above), dtype=bool)
    inside[branch] = True
    for one in range(branch + 1, len(inside)):
        inside[one] = inside[tree.above[one]]
    if isinstance(clustering, ClusterTree):
        codes = tree.label[inside & (tree.label >= 0)]
        return np.flatnonzero(np.isin(clustering.labels, codes))
    rows = clustering.details["tree"]
    n = len(clustering)
    own = rows[rows["child_size"] == 1]
    return np.sort(own["child"].to_numpy()[inside[own["parent"].to_numpy() - n]])


# ---- trees ---------------------------------------------------------------------------------------


def _branches(clustering: Any) -> _Branches:
    if isinstance(clustering, ClusterTree):
        return _joined(clustering)
    if not isinstance(clustering, Clustering) or "parent" not in clustering.details.get("tree", ()):
        rule = "a Clustering that HDBSCAN made, or a ClusterTree"
        raise TypeError(complain("clustering", rule, clustering))
    return _condensed(clustering)


def _condensed(clustering: Clustering) -> _Branches:
    tree, n = clustering.details["tree"], len(clustering)
    names = ("parent", "child", "lambda_val", "child_size")
    parent, child, density, size = (tree[name].to_numpy() for name in names)
    with np.errstate(divide="ignore"):
        distance = 1 / density
    known = distance[distance > 0]
    distance = np.log10(
        np.maximum(distance, known.min() if len(known) else 1.0)
    )  # of copies it is 0
    k = int(parent.max()) - n + 1
    above, whole = np.full(k, -1), np.full(k, n)
    top, bottom = np.full(k, distance.max()), np.full(k, np.inf)
    is_branch = child >= n
    own = child[is_branch] - n
    above[own], whole[own], top[own] = parent[is_branch] - n, size[is_branch], distance[is_branch]
    np.minimum.at(bottom, parent - n, distance)
    at = parent[~is_branch] - n
    order = np.lexsort((distance[~is_branch], at))
    cuts = np.searchsorted(at[order], np.arange(1, k))
    leaving = np.split(distance[~is_branch][order], cuts)
    home = np.zeros(n, dtype=np.intp)
    home[child[~is_branch]] = at
    label = _labelled(above, home, clustering.labels)
    return _Branches(above, whole, top, bottom, label, leaving)


def _labelled(above: IntArray, home: IntArray, labels: IntArray) -> IntArray:
    """Return the cluster of each branch: that of the rows which it alone has all of."""
    label = np.full(len(above), -1)
    for cluster in np.unique(labels[labels >= 0]).tolist():
        own = set(home[labels == cluster].tolist())
        while len(own) > 1:
            lowest = max(own)
            own.remove(lowest)
            own.add(int(above[lowest]))
        label[own.pop()] = cluster
    for one in range(1, len(above)):
        if label[one] < 0:
            label[one] = label[above[one]]
    return label


def _joined(tree: ClusterTree) -> _Branches:
    k = len(tree.merges) + 1
    root = 2 * k - 2  # the last; branches are turned round, so that it is the first
    above = np.full(2 * k - 1, -1)
    cost = np.sqrt(np.r_[np.zeros(k), tree.merges["cost"].to_numpy(dtype=float)])
    size = np.r_[np.bincount(tree.labels[tree.labels >= 0], minlength=k), tree.merges["size"]]
    pairs = tree.merges[["left", "right"]].to_numpy(dtype=np.intp)
    above[pairs.ravel()] = np.repeat(np.arange(k, 2 * k - 1), 2)
    top = np.where(above >= 0, cost[above], cost[root] * 1.08 or 1.0)
    label = np.where(np.arange(2 * k - 1) < k, np.arange(2 * k - 1), -1)
    turned = np.where(above >= 0, root - above, -1)[::-1]
    none = [np.zeros(0)] * (2 * k - 1)
    return _Branches(turned, size[::-1].astype(np.intp), top[::-1], cost[::-1], label[::-1], none)


# ---- bars ----------------------------------------------------------------------------------------


def _places(tree: _Branches) -> FloatArray:
    """Return where each branch begins from the left: within the one above, the same gap between."""
    left = np.zeros(len(tree.above))
    below: dict[int, list[int]] = {}
    for one, above in enumerate(tree.above.tolist()):
        below.setdefault(above, []).append(one)
    for above, parts in below.items():
        if above < 0:
            continue
        gap = (tree.size[above] - tree.size[parts].sum()) / (len(parts) + 1)
        at = left[above] + gap
        for one in parts:
            left[one] = at
            at += tree.size[one] + gap
    return left


def _bars(tree: _Branches, left: FloatArray) -> tuple[IntArray, FloatArray, Any, Any, Any]:
    """Return the bars that branches are made of: of which, middle, width, base and height."""
    drawn = np.sort(np.argsort(-tree.size, kind="stable")[:_MOST])
    steps = int(np.clip(_BARS // len(drawn), 1, _STEPS))
    made = []
    for one in drawn.tolist():
        leaving, top, bottom = tree.leaving[one], tree.top[one], tree.bottom[one]
        edges = np.linspace(top, bottom, (steps if len(leaving) else 1) + 1)
        gone = len(leaving) - np.searchsorted(leaving, edges[:-1], side="left")
        width = np.maximum(tree.size[one] - gone, 1)
        last = np.append(np.flatnonzero(np.diff(width)), len(width) - 1)  # bars alike are one
        ends = edges[np.r_[0, last + 1]]
        middle = np.full(len(last), left[one] + tree.size[one] / 2)
        made.append((np.full(len(last), one), middle, width[last], ends[1:], ends[:-1] - ends[1:]))
    return tuple(np.concatenate(part) for part in zip(*made, strict=True))  # type: ignore[return-value]


def _numbers(tree: _Branches, left: FloatArray, names: Mapping[int, str]) -> dict[str, Any]:
    """Return the numbers of the clusters that have room for them, below their branches."""
    above = np.where(tree.above >= 0, tree.label[tree.above], -1)
    first = (tree.label >= 0) & (above != tree.label) & (tree.size >= _NAMED * tree.size[0])
    deep = {
        int(label): float(tree.bottom[tree.label == label].min()) for label in tree.label[first]
    }
    return {
        "type": "scatter",
        "mode": "text",
        "x": (left + tree.size / 2)[first],
        "y": [deep[label] for label in tree.label[first].tolist()],
        "text": [names[label] for label in tree.label[first].tolist()],
        "textposition": "bottom center",
        "hoverinfo": "skip",
        "showlegend": False,
    }
