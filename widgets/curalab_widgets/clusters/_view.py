"""The widgets around clusters, and the tree that is clicked on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np

from curalab_widgets._cards import data_uri, plain
from curalab_widgets._controls import tools
from curalab_widgets._points import raster
from curalab_widgets.clusters._found import Found
from curalab_widgets.clusters._list import colors_of, listed, tally
from curalab_widgets.figures._clusters import condensed_tree
from curalab_widgets.figures._live import live, wide
from curalab_widgets.figures._plot import plot

if TYPE_CHECKING:
    from curalab_widgets.clusters import ClusterPanel

__all__ = [
    "TreeView",
    "controls",
    "still",
    "told_clusters",
    "told_gallery",
    "told_item",
    "told_numbers",
    "told_pair",
]

_GALLERY = 10  # selected items to pick from
_TALL, _WIDE = 230, 330  # pixels


class TreeView:
    """The tree of the clusters; `clicked` gets the number of a branch, `attempt` calls it."""

    def __init__(
        self, clicked: Callable[[int], None], attempt: Callable[[Callable[[], object]], None]
    ) -> None:
        empty = plot([{"type": "bar"}, {"type": "scatter"}], title="", x="", y="")
        margin = {"l": 54, "r": 8, "t": 28, "b": 8}
        empty.update_layout(height=_TALL, width=_WIDE, margin=margin, title={"x": 0.02, "y": 0.97})
        self.widget = live(empty)

        def heard(trace: Any, points: Any, _: Any) -> None:
            if points.point_inds:
                attempt(lambda: clicked(int(trace.customdata[points.point_inds[0]])))

        self.widget.data[0].on_click(heard)
        self.box = wide(self.widget)
        self.box.add_class("curalab-cluster-tree")

    def draw(self, found: Found, colors: dict[int, str]) -> None:
        """Draw the tree anew."""
        of = found.cluster_of
        if found.drawn is None:
            self.widget.update_layout(title_text="No tree: too few clusters, or too many")
            self.widget.data[0].x = self.widget.data[1].x = []
            return
        figure = condensed_tree(
            found.drawn,
            colors={label: colors[n] for label, n in of.items() if n in colors},
            names={label: str(n) for label, n in of.items()},
        )
        with self.widget.batch_update():
            for old, new in zip(self.widget.data, figure.data, strict=True):
                old.update(new)
            for axis in ("xaxis", "yaxis"):
                self.widget.layout[axis].update(figure.layout[axis])
            self.widget.layout.title.text = figure.layout.title.text


def controls(panel: ClusterPanel) -> list[list[ipywidgets.Widget]]:
    """Return the rows of a cluster panel."""
    side = ipywidgets.VBox([panel._list, panel._tree.box])
    side.add_class("curalab-side")
    panel._list.add_class("curalab-cluster-list")
    panel._gallery.add_class("curalab-cluster-gallery")
    panel._keys["Escape"] = panel.clear
    looking = [
        tools(panel._points.use),
        panel._button("Show all", "Zoom out to all points", panel._points.reset),
        panel._button("Clear", "Select nothing (Esc)", panel.clear),
        ipywidgets.HTML(f"<span class='curalab-said'>{plain(panel._map, limit=200)}</span>"),
    ]
    return [
        panel._dials.widgets,
        [panel._stats],
        looking,
        [panel._points.box, side],
        _changing(panel),
        _linking(panel),
        [panel._card, panel._gallery],
    ]


def _changing(panel: ClusterPanel) -> list[ipywidgets.Widget]:
    name = ipywidgets.Text(placeholder="a name", description="Name")
    words = panel._button(
        "Name by words", "Name all clusters without a name by their words", panel.name_by_words
    )
    return [
        name,
        panel._button(
            "Name",
            "Give this name to the selected clusters",
            lambda: panel._name_chosen(name.value),
        ),
        *([words] if panel._cards.texts else []),
        panel._button(
            "Merge",
            "Make one of the selected clusters",
            lambda: panel.merge(*panel._some()),
            key="m",
        ),
        panel._button("Split", "Make two of each selected cluster", panel._split_chosen, key="s"),
        *_accepting(panel),
        panel._button("Undo", "Take back the last change", panel.undo, key="u"),
    ]


def _accepting(panel: ClusterPanel) -> list[ipywidgets.Widget]:
    if panel._ledger is None or panel._labels is None:
        return []
    accept = panel._button(
        "Accept as labels",
        f"Record each name as the {panel._labels} of the rows of its cluster, noise left out",
        panel.accept,
    )
    accept.button_style = "primary"
    return [accept]


def _linking(panel: ClusterPanel) -> list[ipywidgets.Widget]:
    return [
        panel._button(
            "Belong together",
            "Must-link: the two picked items go into one cluster",
            lambda: panel.must_link(*panel._both()),
        ),
        panel._button(
            "Do not belong together",
            "Cannot-link: the two picked items go into different clusters",
            lambda: panel.cannot_link(*panel._both()),
        ),
        panel._two,
    ]


# ---- what is said --------------------------------------------------------------------------------


def told_numbers(panel: ClusterPanel) -> str:
    """Return how many clusters there are, how much noise, and how good they look."""
    made = panel._found.clustering
    noise = float((made.labels < 0).mean())
    index = "none" if np.isnan(panel._found.validity) else f"{panel._found.validity:.2f}"
    judged = "silhouette of up to 1,000 rows × share that is no noise; 1 is best"
    return (
        f"<b>{made.n_clusters:,}</b> clusters · <b>{noise:.1%}</b> noise · validity "
        f"<b>{index}</b> <small>({judged})</small>"
    )


def told_clusters(panel: ClusterPanel, *, is_still: bool = False) -> str:
    """Return the list of the clusters."""
    found = panel._found
    names = found.names()
    state = {
        cluster: "✓ accepted"
        for cluster, name in names.items()
        if panel._labelled is not None and (panel._labelled[found.middle[cluster]] == name).all()
    }
    return listed(
        tally(found.clustering.labels, found.clustering.strength),
        colors_of(panel._slots),
        names=names,
        words=found.words,
        middle=found.middle,
        cards=panel._cards,
        state=state,
        chosen=set(panel._chosen()),
        is_still=is_still,
    )


def told_item(panel: ClusterPanel, row: int) -> str:
    """Return an item and the cluster that it is in."""
    return f"{panel._cards.card(row)}<small>{_place(panel, row)}</small>"


def told_pair(panel: ClusterPanel) -> str:
    """Return the two items picked."""
    told = [_place(panel, row) for row in panel._pair]
    how = "<i>none yet: click two points, one after the other, or tiles of selected items</i>"
    pair = panel._cards.tiles(panel._pair, labels=told) if told else how
    return f"<div class='curalab-cluster-pair'>Picked: {pair}</div>"


def told_gallery(panel: ClusterPanel) -> str:
    """Return some of the selected items, to pick from."""
    rows = panel._rows()[:_GALLERY]
    return panel._cards.tiles(rows, labels=[_place(panel, row) for row in rows]) if rows else ""


def _place(panel: ClusterPanel, row: int) -> str:
    cluster = int(panel._found.clustering.labels[row])
    return "noise" if cluster < 0 else f"cluster {cluster}"


def still(panel: ClusterPanel) -> str:
    """Return the panel as a picture and a table."""
    picture = data_uri(raster(panel._drawn.xy, panel._paint))
    listing = told_clusters(panel, is_still=True)
    look = "display:flex;gap:16px;flex-wrap:wrap;align-items:flex-start"
    return (
        f"<p>{told_numbers(panel)}</p><div style='{look}'>"
        f"<img alt='Map of {len(panel.ids):,} items in clusters' src='{picture}' width='420' "
        f"height='420'><div style='flex:1 1 280px'>{listing}</div></div>"
    )
