"""Clusters to look at, to move, to change by hand, and to take as labels."""

from __future__ import annotations

from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from curalab._check import IntArray, complain
from curalab.ledger import Ledger
from curalab_widgets._cards import plain
from curalab_widgets._placed import Drawn
from curalab_widgets.clusters._clustered import Clustered
from curalab_widgets.clusters._dials import Dials
from curalab_widgets.clusters._found import Found, drawn, pooled
from curalab_widgets.clusters._grouping import Edit, conflicts, read_edit, two_middles
from curalab_widgets.clusters._list import colors_of, painted, slots_of
from curalab_widgets.clusters._view import (
    TreeView,
    controls,
    still,
    told_clusters,
    told_gallery,
    told_item,
    told_numbers,
    told_pair,
)
from curalab_widgets.figures._clusters import rows_beneath

__all__ = ["ClusterPanel"]

_LARGE = 1_000  # rows of a cluster that is split at once


class ClusterPanel(Clustered):
    """Clusters under sliders: map, tree and numbers move with them; merged, split, named by hand.

    What is done by hand belongs to rows, not to numbers of clusters: a merge to the middle rows of
    the two, a name to the middle row of its cluster. So it stays when a slider moves, and is done
    again, in its order, to the clusters that are there then.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows that are clustered. HDBSCAN works best on few dimensions: reduce to 5 or so first.
    items : DataFrame, default=None
        The items, aligned by id; they show on the cards, and clusters of texts by their words.
    view : Embedding of 2 columns or array-like of shape (n_items, 2), default=None
        Where the rows are drawn. None is a quick map by principal components.
    method : str, callable or mapping, default="hdbscan"
        As for `cluster`. Its numbers, and choices among names, become sliders and lists.
    ledger : Ledger, default=None
        Where changes and accepted labels go. A panel made again with the same embedding and ledger
        comes back with merges, splits, links, names, and the settings they were made under.
    labels : str, default="label"
        The column that `accept` writes.
    actor : str, default=None
        Who decides. None is the name of the user.
    link : str, default=None
        Panels of the same name share what is selected.
    engine : {"scatter", "plotly"}, default="scatter"
        What draws: jupyter-scatter, or plotly for hosts that need it.

    Attributes
    ----------
    selected : list
        Ids; may be set.
    settings : dict
        Of the method. May be set, in part too. HDBSCAN's `min_samples` starts at the method's
        `min_cluster_size` if it is None, and then stays: the distances are computed once for it,
        and another `min_cluster_size` only cuts them elsewhere.
    edits : list of list
        What was done by hand, oldest first: ``["merge", id, id]``, `split`, `must_link`,
        `cannot_link` alike, ``["name", id, text]``. May be set.
    clustering : Clustering
        The clusters as they stand.
    names : dict
        Name of each cluster that has one, by its number.
    validity : float
        Mean silhouette, -1 to 1, of 1,000 rows that are no noise, times the share of these.

    Notes
    -----
    A merge joins two clusters under the smaller number, and so does a link of rows that belong
    together; a row of noise goes to the cluster of the other. A split parts a cluster in two by
    `Spectral` among its rows; so does a link of rows that do not belong together, if one cluster
    holds both. The larger part keeps the number, and rows their strength. Links stay in force:
    what is merged later is parted again where it breaks one. `Spectral` as the method gets the
    links as its own settings instead, which move the rows around as well.

    Clusters are found with the seed 0.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab_widgets.clusters import ClusterPanel
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [9, 9], [9, 8], [8, 9], [30, 0], [30, 1], [31, 0]])
    >>> emb = cl.Embedding(vectors=x, ids=list("abcdefghi"), metric="euclidean")
    >>> panel = ClusterPanel(emb, method=cl.clusters.KMeans(n_clusters=3))
    >>> kept, gone = panel.clustering.labels[[0, 3]].tolist()
    >>> panel.merge(kept, gone)
    >>> panel.clustering
    Clustering(9 items, 2 clusters, method=kmeans)
    >>> panel.name(min(kept, gone), "left")
    >>> panel.names[min(kept, gone)]
    'left'
    """

    def __init__(
        self,
        embedding: Any,
        items: pd.DataFrame | None = None,
        *,
        view: Any = None,
        method: Any = "hdbscan",
        ledger: Ledger | None = None,
        labels: str = "label",
        actor: str | None = None,
        link: str | None = None,
        engine: str = "scatter",
    ) -> None:
        pool, table = pooled(embedding, items)
        xy, self._map = drawn(view, pool.embedding)
        super().__init__(pool, table, method, ledger=ledger, labels=labels, actor=actor, link=link)
        self._drawn = Drawn(xy)
        self._pair: list[int] = []
        self._slots = slots_of(self._found.clustering.labels, None)
        self._paint = painted(self._found.clustering.labels[self._drawn.rows], self._slots)
        self._points = self._drawn.view(
            engine, colored=self._paint, on_select=self._take, on_hover=self._look_at
        )
        self._stats, self._list, self._card = (ipywidgets.HTML() for _ in range(3))
        self._two, self._gallery = ipywidgets.HTML(), ipywidgets.HTML()
        self._dials = Dials(self._wanted, len(self.ids), self._move)
        self._tree = TreeView(self.select_branch, self._try)
        self._show(*controls(self))
        self._show_found(self._found)

    # ---- what a hand can do ----------------------------------------------------------------------

    def merge(self, *clusters: int) -> None:
        """Make one cluster of two or more, under the smallest of their numbers."""
        numbers = sorted({self._known(cluster) for cluster in clusters})
        if len(numbers) < 2:
            rule = "two or more clusters, to merge"
            raise ValueError(complain("clusters", rule, what=f"{numbers or 'none'}"))
        for edit in conflicts(self._found.clustering.labels, numbers, self._done):
            one, other = (plain(self.ids[row]) for row in edit.rows)
            told = f"The clusters hold {one} and {other}, which do not belong together."
            raise ValueError(f"{told} Undo that first.")
        first, *others = (self._central(number) for number in numbers)
        self._add(*(Edit("merge", (first, other)) for other in others))

    def split(self, cluster: int) -> None:
        """Make two clusters of one."""
        rows = self._found.middle[self._known(cluster)]
        if len(rows) < 2:
            raise ValueError(complain("cluster", "of at least 2 rows, to split", what="1 row"))
        self._soon(
            lambda: two_middles(self._pool, np.sort(rows), self._done),
            lambda middles: self._add(Edit("split", middles)),
            what="Splitting",
            is_long=len(rows) > _LARGE,
        )

    def name(self, cluster: int, text: str) -> None:
        """Give a cluster a name; "" takes it away."""
        row = self._central(self._known(cluster))
        self._add(read_edit(["name", self.ids[row], text], self.ids))

    def name_by_words(self) -> None:
        """Name each cluster that has no name by the words that set it apart."""
        words = {c: ", ".join(w) for c, w in self._found.words.items() if w and c not in self.names}
        if not words:
            raise ValueError("There is nothing to name: no cluster without a name has words.")
        self._add(*(Edit("name", (self._central(c),), text) for c, text in words.items()))

    def must_link(self, a: Any, b: Any) -> None:
        """Say that two items, by id, belong into one cluster."""
        self._add(read_edit(["must_link", a, b], self.ids))

    def cannot_link(self, a: Any, b: Any) -> None:
        """Say that two items, by id, do not belong into one cluster."""
        self._add(read_edit(["cannot_link", a, b], self.ids))

    def select_cluster(self, cluster: int) -> None:
        """Select the rows of a cluster besides what is selected; if they are, select them not."""
        rows = self._found.middle[self._known(cluster)]
        now = np.array(self._rows(), dtype=np.intp)
        is_in = np.isin(rows, now).all()
        self.selected = self.ids[np.setdiff1d(now, rows) if is_in else np.union1d(now, rows)]

    def select_branch(self, branch: int) -> None:
        """Select the rows of a branch of the tree, by its number there; 0 is the first."""
        self.selected = self.ids[rows_beneath(self._found.drawn, branch)]

    # ---- what buttons, clicks and sliders call ---------------------------------------------------

    def _known(self, cluster: int) -> int:
        if cluster not in self._found.middle:
            hint = "See the panel's list."
            raise ValueError(complain("cluster", "the number of a cluster", cluster, hint))
        return int(cluster)

    def _central(self, cluster: int) -> int:
        return int(self._found.middle[cluster][0])

    def _chosen(self) -> list[int]:
        """Return the clusters whose rows are all selected."""
        labels = self._found.clustering.labels
        rows = labels[self._rows()]
        had = np.bincount(rows[rows >= 0], minlength=1)
        sizes = np.bincount(labels[labels >= 0], minlength=len(had))[: len(had)]
        return np.flatnonzero((had > 0) & (had == sizes)).tolist()

    def _some(self) -> list[int]:
        if not (chosen := self._chosen()):
            raise ValueError("No cluster is selected. Pick one in the list, or several.")
        return chosen

    def _name_chosen(self, text: str) -> None:
        self._add(*(Edit("name", (self._central(c),), text.strip()) for c in self._some()))

    def _split_chosen(self) -> None:
        for cluster in self._some():
            self.split(cluster)

    def _both(self) -> list[Any]:
        if len(self._pair) < 2:
            raise ValueError("Pick two items, one after the other, on the map or below.")
        return list(self.ids[self._pair].tolist())

    def _take(self, rows: IntArray) -> None:
        self.selected = self.ids[rows]

    def _pick(self, what: str, number: int) -> None:
        if what == "cluster":
            self.select_cluster(number)
        elif what == "row":
            self._look_at(number)
            self._pair = [*[row for row in self._pair if row != number][-1:], number]
            self._two.value = told_pair(self)

    def _look_at(self, row: int) -> None:
        self._card.value = told_item(self, row)

    def _stopped(self) -> None:
        """Leave everything as it was: the sliders, and what was done by hand last."""
        self._wanted = dict(self.settings)
        self._show_dials()
        if self._done != list(self._found.edits):
            self.undo()

    # ---- what shows ------------------------------------------------------------------------------

    def _show_found(self, found: Found) -> None:
        before = np.full(len(self.ids), -1)
        for cluster, slot in self._slots.items():
            before[self._found.clustering.labels == cluster] = slot
        self._slots = slots_of(found.clustering.labels, before)
        self._paint = painted(found.clustering.labels[self._drawn.rows], self._slots)
        self._points.recolor(self._paint)
        super()._show_found(found)
        self._show_dials()
        self._tree.draw(found, colors_of(self._slots))
        self._stats.value = f"<span class='curalab-cluster-stats'>{told_numbers(self)}</span>"
        self._tell()

    def _show_dials(self) -> None:
        self._dials.show(self._wanted, found=self._found.clustering.n_clusters)

    @traitlets.observe("selected")
    def _highlight(self, _: Any) -> None:
        rows = self._rows()
        if len(rows) in (1, 2):
            kept = [row for row in self._pair if row not in rows]
            self._pair = [*kept, *rows][-2:]
        self._points.select(self._drawn.points(rows))
        self._tell()

    def _tell(self) -> None:
        self._list.value, self._two.value = told_clusters(self), told_pair(self)
        self._gallery.value = told_gallery(self)
        lost = self._drawn.told("on the map")
        self._say(f"{len(self.selected):,} of {len(self.ids):,} items selected.{lost}")

    def _still(self) -> str:
        return still(self)
