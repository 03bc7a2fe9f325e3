"""Clusters under given settings and edits, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab._check import FloatArray, IntArray, align, are_invented, check_choice, complain
from curalab.clusters import STAGE, Clustering, ClusterTree, cluster_tree
from curalab.clusters._defaults import suiting
from curalab.embedding import Embedding
from curalab.items._table import check_table
from curalab.pool import Pool, as_pool, resolve
from curalab_widgets._placed import check_xy
from curalab_widgets.clusters._dials import settings_of
from curalab_widgets.clusters._grouping import Edit, base_of, changed, middles, takes_links

__all__ = ["Finder", "Found", "drawn", "pooled"]

_JUDGED = 1_000  # rows that the silhouette, which takes time n², looks at
_READ = 60  # rows of a cluster whose words are counted
_READ_IN_ALL = 4_000
_WORDS = 3
_JOINED = 200  # clusters up to which a tree of them is made: it takes time n³
_KEPT = 64


@dataclass(frozen=True, eq=False)
class Found:
    """Clusters, and what made them.

    Attributes
    ----------
    settings : dict
    edits : tuple of Edit
    clustering : Clustering
    drawn : Clustering, ClusterTree or None
        What `condensed_tree` draws: HDBSCAN's own tree, else how the clusters join.
    cluster_of : dict
        The cluster that most rows of each cluster of `drawn` are in.
    validity : float
        Silhouette of 1,000 rows times the share that is no noise; NaN without a second cluster.
    middle : dict
        Rows of each cluster, those nearest to its mean first.
    words : dict
        Words that set each cluster apart; nothing without texts.
    """

    settings: dict[str, Any]
    edits: tuple[Edit, ...]
    clustering: Clustering
    drawn: Clustering | ClusterTree | None
    cluster_of: dict[int, int]
    validity: float
    middle: dict[int, IntArray]
    words: dict[int, list[str]]

    def names(self) -> dict[int, str]:
        """Return the name of each cluster that has one: the last given to one of its rows."""
        named: dict[int, str] = {}
        for edit in self.edits:
            cluster = int(self.clustering.labels[edit.rows[0]])
            if edit.kind == "name" and cluster >= 0:
                named[cluster] = edit.text
        return {cluster: name for cluster, name in sorted(named.items()) if name}


class Finder:
    """Finds clusters, and keeps what takes long to find.

    Parameters
    ----------
    pool : Pool
        The rows.
    method : str, callable or mapping
        As for `cluster`.
    texts : Series or None
        What words are taken from.
    """

    def __init__(self, pool: Pool, method: Any, texts: pd.Series[Any] | None) -> None:
        self._pool, self._texts = pool, texts
        self.method: Any
        self.name, self.method = resolve(STAGE, suiting(method, pool.embedding))
        self.settings = settings_of(self.method)
        if "min_samples" in self.settings:  # else distances change with the size of clusters
            given = self.settings["min_samples"] or self.settings["min_cluster_size"]
            self.settings["min_samples"] = given
        self._whole: dict[int, Clustering] = {}
        self._kept: dict[Any, Clustering] = {}
        self._sample = np.random.default_rng(0).permutation(len(pool))

    def completed(self, settings: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
        """Return all settings: those given, else as they are now."""
        for name in settings:
            check_choice("settings", name, self.settings)
        return {**now, **settings}

    def find(self, settings: dict[str, Any], edits: Sequence[Edit]) -> Found:
        """Return the clusters under these settings, after these edits."""
        edits = tuple(edits)
        base, made = self._grouped(settings, edits)
        labels = made.labels
        numbers = np.unique(labels[labels >= 0]).tolist()
        ordered = middles(self._pool.embedding.points, labels, numbers)
        middle = dict(zip(numbers, ordered, strict=True))
        tree = self._tree(base, made, numbers)
        return Found(
            settings=settings,
            edits=edits,
            clustering=made,
            drawn=tree,
            cluster_of=_overlap(base.labels, labels)
            if isinstance(tree, Clustering)
            else dict(enumerate(numbers)),
            validity=self._validity(labels),
            middle=middle,
            words=self._words(labels, middle),
        )

    def _grouped(
        self, settings: dict[str, Any], edits: tuple[Edit, ...]
    ) -> tuple[Clustering, Clustering]:
        method = replace(self.method, **settings) if settings else self.method
        moves = tuple(edit for edit in edits if edit.kind != "name")
        is_native = takes_links(method)
        links = tuple(edit for edit in moves if edit.kind.endswith("link")) if is_native else ()
        key = (repr(sorted(settings.items())), links)
        base = self._keep((key, ()), lambda: base_of(self._pool, method, links, self._whole))
        made = base
        for at in range(1, len(moves) + 1):
            done, before = moves[:at], made

            def change(done: Any = done, before: Clustering = before) -> Clustering:
                return changed(before, self._pool, done, is_native=is_native)

            made = self._keep((key, done), change)
        return base, made

    def _keep(self, key: Any, make: Callable[[], Clustering]) -> Clustering:
        if key not in self._kept:
            found = make()
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[key] = found
        return self._kept.get(key) or make()

    def _tree(self, base: Clustering, made: Clustering, numbers: list[int]) -> Any:
        if "parent" in base.details.get("tree", ()):
            return base
        if 1 < len(numbers) <= _JOINED:
            return cluster_tree(self._pool.embedding, made)
        return None

    def _validity(self, labels: IntArray) -> float:
        from sklearn.metrics import silhouette_score

        rows = self._sample[labels[self._sample] >= 0][:_JUDGED]
        n_seen = len(np.unique(labels[rows]))
        if not 1 < n_seen < len(rows):
            return float("nan")
        share = float((labels >= 0).mean())
        return float(silhouette_score(self._points(rows), labels[rows])) * share

    def _points(self, rows: IntArray) -> FloatArray:
        return self._pool.embedding.points[rows]

    def _words(self, labels: IntArray, middle: dict[int, IntArray]) -> dict[int, list[str]]:
        if self._texts is None or not middle:
            return {}
        most = int(np.clip(_READ_IN_ALL // len(middle), 5, _READ))
        rows = np.concatenate([inside[:most] for inside in middle.values()])
        why = cl.explain(
            self._pool.embedding.take(self._pool.ids[rows]),
            labels[rows],
            items=self._texts.iloc[rows],
            method="words",
            random_state=0,
        )
        return {int(c): said[:_WORDS] for c, said in zip(why.ids, why.words, strict=True)}


def _overlap(old: IntArray, new: IntArray) -> dict[int, int]:
    """Return the new cluster that most rows of each old one are in."""
    pairs = pd.DataFrame({"old": old, "new": new})[old >= 0]
    most = pairs.groupby("old")["new"].agg(lambda rows: rows.value_counts().index[0])
    return dict(zip(most.index.tolist(), most.tolist(), strict=True))


# ---- rows and where they lie ---------------------------------------------------------------------


def pooled(embedding: Any, items: pd.DataFrame | None) -> tuple[Pool, pd.DataFrame]:
    """Return the rows, and the table of items whose index is their ids."""
    pool = as_pool(embedding)
    if items is None:
        return pool, pd.DataFrame(index=pool.ids)
    table = align("items", check_table("items", items), pool.ids)
    if are_invented(pool.ids):
        pool = pool.replace(embedding=replace(pool.embedding, ids=table.index))
    return pool, table


def drawn(view: Any, embedding: Embedding) -> tuple[FloatArray, str]:
    """Return where the rows are drawn, shape (n, 2), and what to say of that."""
    if view is None:
        x = np.asarray(embedding.vectors, dtype=float)
        if x.shape[1] > 2 and len(x) > 2:
            made = cl.reduce(embedding, method="pca", random_state=0)
            told = "A quick map: the two principal components. Better: view=cl.reduce(embedding)."
            return np.asarray(made.vectors, dtype=float), told
        return np.column_stack([x, np.zeros(len(x))])[:, :2], ""
    if isinstance(view, Embedding):
        _check_made_of(view, embedding)
        is_ours = are_invented(view.ids) or are_invented(embedding.ids)
        view = np.asarray(view.vectors) if is_ours else pd.DataFrame(view.vectors, index=view.ids)
    xy = np.asarray(align("view", view, embedding.ids), dtype=float)
    check_xy(xy, "view")
    return xy, ""


def _check_made_of(view: Embedding, embedding: Embedding) -> None:
    made_of = view.params.get("ancestors", [])
    known = {embedding.fingerprint, *embedding.params.get("ancestors", [])}
    if made_of and not known.intersection([*made_of, view.fingerprint]):
        what = f"a map of {made_of[-1][:8]}, while the embedding is {embedding.fingerprint[:8]}"
        raise ValueError(complain("view", "a map of the embedding", what=what))
