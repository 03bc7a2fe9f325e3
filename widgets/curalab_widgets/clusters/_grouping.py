"""A clustering that is cut anew and changed by hand, without a screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab._check import (
    AnyArray,
    FloatArray,
    IntArray,
    check_choice,
    check_integer,
    complain,
    rows_of,
)
from curalab._links import read_links
from curalab.clusters import HDBSCAN, Clustering, Spectral
from curalab.embedding import Embedding
from curalab.explanations._centres import by_centrality
from curalab.pool import Pool

__all__ = [
    "Edit",
    "base_of",
    "changed",
    "check_links",
    "conflicts",
    "middles",
    "read_edit",
    "takes_links",
    "two_middles",
    "written",
]

_JOINS = ("merge", "must_link")
_APART = ("split", "cannot_link")
_TREE = ("parent", "child", "lambda_val", "child_size")  # columns of a condensed tree
_LINKS = ("must_link", "cannot_link")
_SEED = 0  # a slider moved back shows what it showed


@dataclass(frozen=True)
class Edit:
    """What a person said of two rows, or of the cluster of one: kind, rows, and a name."""

    kind: str
    rows: tuple[int, ...]
    text: str = ""


def read_edit(told: Any, ids: pd.Index) -> Edit:
    """Return what ``[kind, id, id]`` or ``["name", id, text]`` says."""
    rule = "made of lists such as ['merge', id, id] or ['name', id, text]"
    if not isinstance(told, list | tuple) or len(told) != 3:
        raise TypeError(complain("edits", rule, told))
    kind = check_choice("edits", told[0], (*_JOINS, *_APART, "name"))
    if kind != "name":
        one, other = rows_of(ids, told[1:]).tolist()
        if one == other:
            raise ValueError(complain("edits", "of two different items", told))
        return Edit(kind, (one, other))
    if not isinstance(told[2], str):
        raise TypeError(complain("text", "the name of a cluster", told[2]))
    return Edit(kind, (int(rows_of(ids, [told[1]])[0]),), told[2].strip())


def written(edits: Sequence[Edit], ids: pd.Index) -> list[list[Any]]:
    """Return edits as `read_edit` reads them."""
    pairs = [(edit, ids[list(edit.rows)].tolist()) for edit in edits]
    return [
        [edit.kind, *rows, *([edit.text] if edit.kind == "name" else [])] for edit, rows in pairs
    ]


# ---- what the method finds -----------------------------------------------------------------------


def base_of(
    pool: Pool, method: Any, edits: Sequence[Edit], whole: dict[int, Clustering]
) -> Clustering:
    """Return the method's clusters; links go into it where it takes them.

    HDBSCAN's distances are computed once for each `min_samples`, and kept in `whole`.
    """
    if isinstance(method, HDBSCAN) and len(pool) >= method.min_cluster_size:
        # With 2 the condensed tree holds each split there is; a larger size leaves some out.
        samples = method.min_samples or method.min_cluster_size
        low = check_integer("min_cluster_size", method.min_cluster_size, low=2)
        selection = check_choice("selection", method.selection, ("eom", "leaf"))
        if samples not in whole:
            fine = HDBSCAN(min_cluster_size=2, min_samples=samples)
            whole[samples] = cl.cluster(pool, method=fine, random_state=_SEED)
        return _recut(whole[samples], low, samples, selection)
    links = [edit for edit in edits if edit.kind in _LINKS]
    if links and takes_links(method):
        more = {
            kind: [*getattr(method, kind), *_pairs(pool.ids, links, (kind,))] for kind in _LINKS
        }
        method = replace(method, **more)
    return cl.cluster(pool, method=method, random_state=_SEED)


def takes_links(method: Any) -> bool:
    """Tell whether a method keeps links itself."""
    return is_dataclass(method) and set(_LINKS) <= {f.name for f in fields(method)}


def _pairs(ids: pd.Index, edits: Sequence[Edit], kinds: Sequence[str]) -> list[list[Any]]:
    return [ids[list(edit.rows)].tolist() for edit in edits if edit.kind in kinds]


def _recut(whole: Clustering, low: int, samples: int, selection: str) -> Clustering:
    from hdbscan._hdbscan_tree import compute_stability, get_clusters

    tree = _condensed(whole.details["tree"], len(whole), low)
    with np.errstate(all="ignore"):  # copies have infinite density
        labels, strength, _ = get_clusters(tree, compute_stability(tree), selection)
    settings = {"min_cluster_size": low, "min_samples": samples, "selection": selection}
    return replace(
        whole,
        labels=labels,
        strength=strength,
        n_clusters=int(labels.max()) + 1,
        params={**whole.params, "settings": settings},
        details={"tree": pd.DataFrame(tree)},
    )


def _condensed(fine: pd.DataFrame, n: int, low: int) -> AnyArray:
    """Return the tree in which a split counts if both sides have `low` rows, from a finer one.

    A smaller side leaves its cluster where the split is; a cluster that is left with fewer ends.
    """
    parent, child, density, size = (fine[name].to_numpy() for name in _TREE)
    splits = np.flatnonzero(size > 1)
    splits = splits[np.argsort(child[splits], kind="stable")]
    rows = np.flatnonzero(size == 1)
    rows = rows[np.lexsort((density[rows], parent[rows]))]
    whole = np.r_[n, size[splits]]  # rows of each fine node, and how many leave it one by one
    leaving = np.bincount(parent[rows] - n, minlength=len(whole))
    first = np.cumsum(leaving) - leaving
    into = np.full(len(whole), n)  # node of the coarse tree, for each of the fine one
    end = np.full(len(whole), np.inf)  # density at which its rows have left that node
    ends = np.flatnonzero(whole - leaving < low)
    ends = ends[whole[ends] >= low]
    end[ends] = density[rows[first[ends] + whole[ends] - low]]
    made: list[tuple[int, int, float, int]] = []
    for pair in splits.reshape(-1, 2):
        above, at = parent[pair[0]] - n, density[pair[0]]
        is_split = bool((size[pair] >= low).all()) and np.isinf(end[above])
        for side in pair:
            own = child[side] - n
            into[own] = n + len(made) + 1 if is_split else into[above]
            out = at if size[side] < low else np.inf
            end[own] = min(end[own], end[above], np.inf if is_split else out)
            if is_split:
                made.append((into[above], into[own], at, size[side]))
    above = parent[rows] - n
    left = np.minimum(density[rows], end[above])
    coarse = np.empty(len(made) + len(rows), dtype=[(name, fine[name].dtype) for name in _TREE])
    coarse[: len(made)] = made
    for name, values in zip(_TREE, (into[above], child[rows], left, size[rows]), strict=True):
        coarse[name][len(made) :] = values
    return coarse


# ---- what a person makes of them -----------------------------------------------------------------


def changed(found: Clustering, pool: Pool, edits: Sequence[Edit], *, is_native: bool) -> Clustering:
    """Return the clusters after the last of these edits, given those before it.

    Joined clusters have the smaller number of the two; of a cluster that is split the larger part
    keeps its number. A row of noise goes to the cluster of the other, with strength 1; two found
    one of their own. `is_native` says that the method has seen the links.
    """
    last, labels, strength = edits[-1], found.labels.copy(), found.strength.copy()
    if is_native and last.kind in _LINKS:
        return found
    one, other = last.rows
    own = -1
    if last.kind in _JOINS:
        both = labels[[one, other]]
        known = both[both >= 0]
        own = int(known.min()) if len(known) else int(labels.max()) + 1
        strength[[row for row in last.rows if labels[row] < 0]] = 1.0
        labels[np.isin(labels, known) | np.isin(np.arange(len(labels)), last.rows)] = own
    elif labels[one] == labels[other]:
        own = int(labels[one])
    if own >= 0:
        _part(labels, own, pool, edits)
    return replace(
        found,
        labels=labels,
        strength=strength,
        n_clusters=len(np.unique(labels[labels >= 0])),
        params={**found.params, "edits": [_told(pool.ids, edit) for edit in edits]},
        details={k: v for k, v in found.details.items() if k not in ("predict", "membership")},
    )


def _told(ids: pd.Index, edit: Edit) -> list[str]:
    return [edit.kind, *map(str, ids[list(edit.rows)])]


def _part(labels: IntArray, own: int, pool: Pool, edits: Sequence[Edit]) -> None:
    """Split a cluster, in place, until the links hold, and the last edit if that is a split."""
    rows = np.flatnonzero(labels == own)
    must, cannot = _links_within(pool.ids, rows, edits)
    if edits[-1].kind == "split":
        cannot = [*cannot, *_pairs(pool.ids, edits[-1:], ("split",))]
    if not cannot:
        return
    parts = read_links(pool.ids, must, cannot).fewest()
    method = Spectral(n_clusters=parts, must_link=must, cannot_link=cannot)
    side = _within(pool.embedding, rows, method)
    order = np.argsort(-np.bincount(side), kind="stable")
    number = np.r_[own, labels.max() + 1 + np.arange(len(order))]
    labels[rows] = number[np.argsort(order)][side]


def _links_within(
    ids: pd.Index, rows: IntArray, edits: Sequence[Edit]
) -> tuple[list[list[Any]], list[list[Any]]]:
    inside = [edit for edit in edits if edit.kind in _LINKS and np.isin(edit.rows, rows).all()]
    must, cannot = (_pairs(ids, inside, (kind,)) for kind in _LINKS)
    return must, cannot


def _within(embedding: Embedding, rows: IntArray, method: Any) -> IntArray:
    part = embedding.take(embedding.ids[rows])
    return cl.cluster(part, method=method, random_state=_SEED).labels


def two_middles(pool: Pool, rows: IntArray, edits: Sequence[Edit]) -> tuple[int, int]:
    """Return the middle rows of the two halves of a cluster that `Spectral` finds."""
    must, cannot = _links_within(pool.ids, rows, edits)
    method = Spectral(n_clusters=2, must_link=must, cannot_link=cannot)
    side = _within(pool.embedding, rows, method)
    parts = by_centrality(pool.embedding.points[rows], side)
    middle = [int(rows[part[0]]) for part in parts if len(part)]
    if len(middle) < 2:
        raise ValueError("The cluster cannot be split: its rows are all alike, or linked.")
    return middle[0], middle[1]


def conflicts(labels: IntArray, clusters: Sequence[int], edits: Sequence[Edit]) -> list[Edit]:
    """Return the links that keep rows of these clusters apart."""
    apart = [edit for edit in edits if edit.kind == "cannot_link"]
    return [edit for edit in apart if np.isin(labels[list(edit.rows)], clusters).all()]


def check_links(edits: Sequence[Edit], ids: pd.Index) -> None:
    """Refuse links that contradict each other, and a split of rows linked before."""
    links = {kind: _pairs(ids, edits, (kind,)) for kind in _LINKS}
    read_links(ids, *links.values())
    for at, edit in enumerate(edits):
        if edit.kind == "split":
            read_links(
                ids, _pairs(ids, edits[:at], ("must_link",)), _pairs(ids, [edit], ("split",))
            )


def middles(points: FloatArray, labels: IntArray, numbers: Sequence[int]) -> list[IntArray]:
    """Return the rows of each of these clusters, those nearest to its mean first."""
    if not len(numbers):
        return []
    known = np.asarray(numbers)
    code = np.where(
        np.isin(labels, known), np.searchsorted(known, labels).clip(max=len(known) - 1), -1
    )
    return by_centrality(points, code)
