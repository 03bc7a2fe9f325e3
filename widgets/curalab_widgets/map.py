"""A map of items: colour, find, select, look, and decide about what is selected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from curalab._check import (
    FloatArray,
    IntArray,
    align,
    are_invented,
    carried_ids,
    check_labels,
    complain,
    invented_ids,
    rows_of,
)
from curalab.embedding import Embedding
from curalab.items import join
from curalab.items._table import check_column, check_table
from curalab.ledger import Ledger
from curalab_widgets._cards import Cards, data_uri, is_missing, plain
from curalab_widgets._panel import Panel, class_keys, person
from curalab_widgets._points import Paint, paint, point_view, raster

__all__ = ["MapPanel"]

_GALLERY = 24
_TOOLS = {
    "Lasso": ("lasso", "Draw around points to select them"),
    "Box": ("box", "Drag a rectangle over points to select them"),
    "Move": ("move", "Drag the map; the wheel zooms"),
}


class MapPanel(Panel):
    """A map on which items are looked at, found and selected.

    Parameters
    ----------
    view : Embedding of 2 columns, DataFrame or array-like of shape (n_items, 2)
        Where the items lie. Rows of an array that are not finite are not drawn.
    items : DataFrame, default=None
        The items, aligned by id; images, texts and values show on the cards. None shows ids.
    color : str, Series or array-like of shape (n_items,), default=None
        Column that colours the points, or the values themselves. Numbers get a scale, other
        values and integers of up to 20 values one colour each, rarer ones share grey.
    results : result or sequence of results, default=()
        Their columns stand beside those of the items.
    ledger : Ledger, default=None
        With one, the selection can be relabelled and dropped.
    labels : str, default="label"
        The column that relabelling changes.
    actor : str, default=None
        Who decides. None is the name of the user.
    engine : {"scatter", "plotly"}, default="scatter"
        What draws: jupyter-scatter, or plotly for hosts that need it.

    Attributes
    ----------
    selected : list
        Ids. Setting it highlights, selecting by hand sets it; observe it as any trait.
    color : str or None
        The column shown; may be set.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from curalab_widgets import MapPanel
    >>> items = pd.DataFrame({"label": ["cat", "dog", "cat"]}, index=["a", "b", "c"])
    >>> panel = MapPanel(np.eye(3)[:, :2], items, color="label")
    >>> panel.find("cat")
    2
    >>> panel.selected
    ['a', 'c']
    """

    color = traitlets.Any(default_value=None, allow_none=True)

    def __init__(
        self,
        view: Any,
        items: pd.DataFrame | None = None,
        *,
        color: Any = None,
        results: Any = (),
        ledger: Ledger | None = None,
        labels: str = "label",
        actor: str | None = None,
        engine: str = "scatter",
    ) -> None:
        xy, table = _placed(view, items)
        results = results if isinstance(results, list | tuple) else (results,)
        table = join(table, *results) if results else table
        self._view = view
        self._table, first = _with_color(table, color)
        super().__init__(ids=table.index, title="Map of items")
        self._ledger, self._labels, self._actor = ledger, labels, actor or person()
        self._undoable: list[list[int]] = []
        # The one place where points (drawn, numbered by the engine) and rows (of items) meet.
        self._row_of = np.flatnonzero(np.isfinite(xy).all(axis=1))
        self._point_of = np.full(len(xy), -1)
        self._point_of[self._row_of] = np.arange(len(self._row_of))
        self._xy = xy[self._row_of]
        self._cards = Cards(self._table)
        self.color = first
        self._repaint()
        self._points = point_view(
            engine,
            self._xy,
            colored=self._paint,
            on_select=lambda points: self.set_trait("selected", self._ids_at(points)),
            on_hover=self._look_at,
        )
        self.observe(self._recolor, "color")
        self._build()
        self._tell()

    def _build(self) -> None:
        names = [name for name in self._table.columns if name not in self._cards.images]
        self._by = ipywidgets.Dropdown(
            options=[("nothing", None), *((str(name), name) for name in names)],
            description="Colour by",
        )
        traitlets.link((self, "color"), (self._by, "value"))
        tool = ipywidgets.ToggleButtons(
            options=[(name, does) for name, (does, _) in _TOOLS.items()],
            tooltips=[tooltip for _, tooltip in _TOOLS.values()],
        )
        tool.observe(lambda change: self._points.use(change["new"]), "value")
        self._query = ipywidgets.Text(
            placeholder="ids, a value, low..high, or words",
            description="Find",
            continuous_update=False,
        )
        self._query.observe(lambda change: self._try(lambda: self.find(change["new"])), "value")
        self._card = ipywidgets.HTML("<i>Rest the mouse on a point to see its item.</i>")
        self._legend, self._gallery = ipywidgets.HTML(), ipywidgets.HTML()
        bar = [
            tool,
            self._button("Show all", "Zoom out to all points", self.show_all),
            self._by,
            self._query,
            self._button("Clear", "Select nothing (Esc)", self.clear),
        ]
        self._keys["Escape"] = self.clear
        side = ipywidgets.VBox([self._card, self._legend, self._gallery])
        self._points.widget.add_class("curalab-points")
        side.add_class("curalab-side")
        rows = [bar, [self._points.widget, side]] + ([] if self._ledger is None else [self._deciding()])
        boxes = [ipywidgets.HBox(row) for row in rows]
        for box in boxes:
            box.add_class("curalab-row")
        self._show(*boxes)

    # ---- points, rows, ids -----------------------------------------------------------------------

    def _ids_at(self, points: IntArray) -> list[Any]:
        return list(self.ids[self._row_of[points]].tolist())

    def _rows(self) -> IntArray:
        return rows_of(self.ids, self.selected)

    @traitlets.observe("selected")
    def _highlight(self, _: Any) -> None:
        points = self._point_of[self._rows()]
        self._points.select(points[points >= 0])
        self._tell()

    # ---- what a hand can do ----------------------------------------------------------------------

    def find(self, text: str) -> int:
        """Select by ids (with commas), by a value of the coloured column, or by words in a text.

        Numbers are found as ``low..high``, both ends included. Returns how many items were
        found; where there are none, the selection stays.
        """
        rows = self._found(text.strip()) if text.strip() else np.array([], dtype=np.intp)
        if not len(rows):
            self._say(f"Nothing found for {text.strip()!r}." if text.strip() else "")
            return 0
        self.selected = self.ids[rows]
        return len(rows)

    def _found(self, text: str) -> IntArray:
        rows = self.ids.astype(str).get_indexer([part.strip() for part in text.split(",")])
        if (rows >= 0).all():
            return np.asarray(rows)
        if self.color is not None:
            column = self._table[self.color]
            low, dots, high = text.partition("..")
            if dots and pd.api.types.is_numeric_dtype(column):
                return np.flatnonzero(column.between(float(low), float(high)))
            if len(rows := np.flatnonzero(column.astype(str) == text)):
                return rows
        hits = [
            self._table[name].str.contains(text, case=False, regex=False).fillna(False)
            for name in self._cards.texts
        ]
        return np.flatnonzero(np.any(hits, axis=0)) if hits else np.array([], dtype=np.intp)

    def clear(self) -> None:
        """Select nothing."""
        self.selected = []

    def show_all(self) -> None:
        """Zoom out to all points."""
        self._points.reset()

    def _pick(self, what: str, number: int) -> None:
        if what == "row":
            self._card.value = self._cards.card(number)
        elif what == "color":
            self.selected = self._ids_at(np.flatnonzero(self._paint.codes == number))

    def _look_at(self, point: int | None) -> None:
        if point is not None:
            self._card.value = self._cards.card(int(self._row_of[point]))

    # ---- colours ---------------------------------------------------------------------------------

    @traitlets.validate("color")
    def _known_color(self, proposal: Any) -> Any:
        if proposal["value"] is not None:
            check_column(self._table, proposal["value"], name="color")
        return proposal["value"]

    def _recolor(self, _: Any) -> None:
        self._repaint()
        self._points.recolor(self._paint)
        self._tell()

    def _repaint(self) -> None:
        column = None if self.color is None else self._table[self.color].iloc[self._row_of]
        self._paint = paint(column, len(self._row_of))

    def _tell(self) -> None:
        rows = self._rows()
        self._legend.value = _legend(self._paint, tag="button")
        by = self.color
        shown = rows[:_GALLERY]
        labels = [""] * len(shown) if by is None else list(self._table[by].iloc[shown])
        self._gallery.value = self._cards.tiles(shown.tolist(), labels=labels)
        self._say(self._status())

    def _status(self) -> str:
        lost = len(self.ids) - len(self._row_of)
        more = f" {lost:,} have no place on the map." if lost else ""
        return f"{len(self.selected):,} of {len(self.ids):,} items selected.{more}"

    # ---- decisions -------------------------------------------------------------------------------

    def _deciding(self) -> list[ipywidgets.Widget]:
        check_column(self._table, self._labels, name="labels")
        classes = check_labels(self._table[self._labels])[2].tolist()
        for key, name in class_keys(classes).items():
            self._keys[key] = lambda name=name: self.relabel(name)
        choice = ipywidgets.Dropdown(options=classes, description="Label")
        return [
            choice,
            self._button(
                "Relabel", "Give all selected items this label", lambda: self.relabel(choice.value)
            ),
            self._button("Drop", "Drop all selected items", self.drop),
            self._button("Undo", "Take back the last decision", self.undo, key="u"),
        ]

    def relabel(self, new: Any) -> None:
        """Record that the selected items have the label `new`; those that have it are kept."""
        old = self._table[self._labels].iloc[self._rows()]
        has_it = (old == new).fillna(False).to_numpy()
        self._record(
            action=np.where(has_it, "keep", "relabel"),
            field=np.where(has_it, None, self._labels),
            old=old.astype(object).where(old.notna(), np.nan).where(~has_it, None).to_numpy(),
            new=np.where(has_it, None, np.array([new], dtype=object)),
        )

    def drop(self) -> None:
        """Record that the selected items are dropped."""
        self._record(action="drop")

    def _record(self, **columns: Any) -> None:
        if self._ledger is None:
            raise ValueError(complain("ledger", "given to the panel, to decide", None))
        if not self.selected:
            raise ValueError("Nothing is selected. Select items first.")
        frame = pd.DataFrame({"row_id": pd.Series(self.selected, dtype=object), **columns})
        seen = self._view.fingerprint if isinstance(self._view, Embedding) else None
        frame = frame.assign(actor=self._actor, embedding=seen, reason="selected on a map")
        self._undoable.append(list(self._ledger.record_many(frame)))
        self._say(f"{len(frame):,} decisions recorded.")

    def undo(self) -> None:
        """Take back the panel's last decision, and select its items again."""
        if self._ledger is None or not self._undoable:
            raise ValueError("There is no decision of this panel to take back.")
        events = self._undoable.pop()
        for event in events:
            self._ledger.undo(event, actor=self._actor)
        self._say(f"{len(events):,} decisions taken back.")

    # ---- without a kernel ------------------------------------------------------------------------

    def _still(self) -> str:
        picture = data_uri(raster(self._xy, self._paint))
        rows = (self._rows() if self.selected else np.arange(len(self.ids)))[:8].tolist()
        by = self.color
        told = {} if by is None else {str(by): list(self._table[by].iloc[rows])}
        return (
            f"<p>{plain(self._status())}</p><div style='display:flex;gap:16px;flex-wrap:wrap'>"
            f"<img alt='Map of {len(self.ids):,} items' src='{picture}' width='420' height='420'>"
            f"<div>{_legend(self._paint, tag='span')}{self._cards.table(rows, told)}</div></div>"
        )


def _placed(view: Any, items: pd.DataFrame | None) -> tuple[FloatArray, pd.DataFrame]:
    """Return where the items lie, shape (n, 2), and their table, which brings the ids."""
    ids = view.ids if isinstance(view, Embedding) else carried_ids(view)
    xy = np.asarray(view.vectors if isinstance(view, Embedding) else view, dtype=float)
    if xy.ndim != 2 or xy.shape[1] != 2:
        hint = "Make a map of an embedding with cl.reduce(embedding)."
        raise ValueError(complain("view", "of shape (n, 2)", hint=hint, what=f"shape {xy.shape}"))
    if not np.isfinite(xy).all(axis=1).any():
        raise ValueError(complain("view", "finite in one row at least", what="none that is"))
    ids = invented_ids(len(xy)) if ids is None else ids
    if items is None:
        return xy, pd.DataFrame(index=ids)
    table = align("items", check_table("items", items), ids)
    return xy, table.set_axis(table.index if are_invented(ids) else ids)


def _with_color(table: pd.DataFrame, color: Any) -> tuple[pd.DataFrame, Any]:
    if color is None or isinstance(color, str):
        return table, color
    values = align("color", color, table.index)
    name = getattr(color, "name", None) or "color"
    return table.assign(**{str(name): np.asarray(values)}), str(name)


def _legend(colored: Paint, *, tag: str) -> str:
    """Return what the colours mean; as buttons, each selects the points of its colour."""
    dot = "display:inline-block;width:.8em;height:.8em;border-radius:50%;margin-right:.4em"
    picks = "class='curalab-key' data-pick='color:{}'" if tag == "button" else ""
    made = [
        f"<{tag} {picks.format(code)} style='margin-right:.8em'>"
        f"<i style='{dot};background:{colored.colors[code]}'></i>"
        f"{plain(colored.names[code], limit=32)} <small>{count:,}</small></{tag}>"
        for code, count in enumerate(colored.counts)
        if count and colored.names[code]
    ]
    if colored.low is not None:
        stops = ", ".join(colored.colors[:-1])
        made.insert(
            0,
            f"<div>{plain(colored.low)} <i style='display:inline-block;width:10em;height:.8em;"
            f"background:linear-gradient(to right, {stops})'></i> {plain(colored.high)}</div>",
        )
    return f"<div class='curalab-legend' style='margin:8px 0'>{''.join(made)}</div>"
