"""A map of items: colour, find, select, look, and decide about what is selected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from curalab._check import (
    FloatArray,
    IntArray,
    align,
    carried_ids,
    complain,
    invented_ids,
    rows_of,
)
from curalab.embedding import Embedding
from curalab.items import join
from curalab.items._table import check_column, check_table
from curalab.ledger import Ledger
from curalab.maps import MapQuality
from curalab_widgets._cards import Cards, data_uri, plain
from curalab_widgets._panel import Panel
from curalab_widgets._points import Paint, paint, point_view, raster

__all__ = ["MapPanel"]

_GALLERY = 48
_TOOLS = {
    "lasso": "Draw around points to select them",
    "box": "Drag a rectangle over points to select them",
    "move": "Drag the map; the wheel zooms",
}


class MapPanel(Panel):
    """A map on which items are looked at, found and selected.

    What is selected can be kept, relabelled and dropped where there is a ledger: `keep`,
    `relabel`, `drop`, `undo`, or by hand.

    Parameters
    ----------
    view : Embedding of 2 columns, DataFrame or array-like of shape (n_items, 2)
        Where the items lie. Rows of an array that are not finite are not drawn.
    items : DataFrame, default=None
        The items, aligned by id; images, texts and values show on the cards. None shows ids.
    color : str, Series or array-like of shape (n_items,), default=None
        Column that colours the points, or the values themselves. Numbers get a scale, other
        values and integers of up to 20 values one colour each; the rarest share grey.
    results : result or sequence of results, default=()
        Their columns stand beside those of the items. A `MapQuality` makes the points faint that
        the map misplaces, and says how far to trust it.
    ledger : Ledger, default=None
        Where decisions about the selection go.
    labels : str, default="label"
        The column that relabelling changes.
    actor : str, default=None
        Who decides. None is the name of the user.
    engine : {"scatter", "plotly"}, default="scatter"
        What draws: jupyter-scatter, or plotly for hosts that need it.
    link : str, default=None
        Panels of the same name share what is selected.

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

    _state = ("color", "selected")

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
        link: str | None = None,
    ) -> None:
        xy, table = _placed(view, items)
        results = results if isinstance(results, list | tuple) else (results,)
        table = join(table, *results) if results else table
        if color is not None and not isinstance(color, str):
            name = str(getattr(color, "name", None) or "color")
            table = table.assign(**{name: np.asarray(align("color", color, table.index))})
            color = name
        title = "Map of items"
        super().__init__(table, title=title, ledger=ledger, labels=labels, actor=actor, link=link)
        # The one place where points (drawn, numbered by the engine) and rows (of items) meet.
        self._row_of = np.flatnonzero(np.isfinite(xy).all(axis=1))
        self._point_of = np.full(len(xy), -1)
        self._point_of[self._row_of] = np.arange(len(self._row_of))
        self._view, self._xy = view, xy[self._row_of]
        self._cards = Cards(table)
        self._trust = next((each.summary for each in results if isinstance(each, MapQuality)), "")
        self.color = color
        self._paint = self._painted()
        self._points = point_view(
            engine, self._xy, colored=self._paint, on_select=self._take, on_hover=self._look_at
        )
        self._points.widget.add_class("curalab-points")
        self._points.box.add_class("curalab-sight")
        self.observe(self._recolor, "color")
        self._build()
        self._tell()

    def _build(self) -> None:
        tool = ipywidgets.ToggleButtons(
            options=[(name.title(), name) for name in _TOOLS], tooltips=list(_TOOLS.values())
        )
        tool.observe(lambda change: self._points.use(change["new"]), "value")
        names = [name for name in self._items.columns if name not in self._cards.images]
        options = [("nothing", None), *((str(name), name) for name in names)]
        by = ipywidgets.Dropdown(options=options, description="Colour by")
        traitlets.link((self, "color"), (by, "value"))
        query = ipywidgets.Text(
            placeholder="ids, a value, low..high, words",
            description="Find",
            continuous_update=False,
        )
        query.observe(lambda change: self._try(lambda: self.find(change["new"])), "value")
        trust = ipywidgets.HTML(self._trusted())
        self._card = ipywidgets.HTML("<i>Rest the mouse on a point to see its item.</i>")
        self._legend, self._gallery = ipywidgets.HTML(), ipywidgets.HTML()
        self._gallery.add_class("curalab-gallery")
        side = ipywidgets.VBox([trust, self._card, self._legend, self._gallery])
        side.add_class("curalab-side")
        self._keys["Escape"] = self.clear
        bar = [
            tool,
            self._button("Show all", "Zoom out to all points", self.show_all),
            by,
            query,
            self._button("Clear", "Select nothing (Esc)", self.clear),
        ]
        self._show(bar, [self._points.box, side], self._deciding())

    def _deciding(self) -> list[ipywidgets.Widget]:
        if self._ledger is None:
            return []
        return [
            self._button("Keep", "The selected items are right as they are", self.keep),
            self._button("Drop", "The selected items do not belong in the dataset", self.drop),
            self._button("Undo", "Take back the last decision", self.undo, key="u"),
            *self._labelling(),
        ]

    # ---- what a hand can do ----------------------------------------------------------------------

    def find(self, text: str) -> int:
        """Select by ids (with commas), by a value of the coloured column, or by words in a text.

        Numbers are found as ``low..high``, both ends included. Returns how many items were
        found; where there are none, the selection stays.
        """
        rows = self._found(text.strip()) if text.strip() else np.array([], dtype=np.intp)
        if len(rows):
            self.selected = self.ids[rows]
        elif text.strip():
            self._say(f"Nothing found for {text.strip()!r}.")
        return len(rows)

    def _found(self, text: str) -> IntArray:
        parts = pd.Index([part.strip() for part in text.split(",")])
        rows = self.ids.astype(str).get_indexer(parts)
        if (rows >= 0).all():
            return np.asarray(rows)
        if self.color is not None:
            column = self._items[self.color]
            ends = pd.to_numeric(pd.Series(text.split("..")), errors="coerce")
            if len(ends) == 2 and pd.api.types.is_numeric_dtype(column):
                return np.flatnonzero(column.between(*ends))
            if len(rows := np.flatnonzero(column.astype(str) == text)):
                return rows
        texts = [self._items[name].astype("string") for name in self._cards.texts]
        hits = [words.str.contains(text, case=False, regex=False).fillna(False) for words in texts]
        return np.flatnonzero(np.any(hits, axis=0)) if hits else np.array([], dtype=np.intp)

    def clear(self) -> None:
        """Select nothing."""
        self.selected = []

    def show_all(self) -> None:
        """Zoom out to all points."""
        self._points.reset()

    def _take(self, points: IntArray) -> None:
        self.selected = self.ids[self._row_of[points]]

    def _pick(self, what: str, number: int) -> None:
        if what == "row":
            self._card.value = self._cards.card(number)
        elif what == "color":
            self._take(np.flatnonzero(self._paint.codes == number))

    def _look_at(self, point: int | None) -> None:
        if point is not None:
            self._card.value = self._cards.card(int(self._row_of[point]))

    def _grounds(self) -> dict[str, Any]:
        seen = self._view.fingerprint if isinstance(self._view, Embedding) else None
        return {"embedding": seen, "reason": "selected on a map"}

    # ---- what shows ------------------------------------------------------------------------------

    @traitlets.validate("color")
    def _known_color(self, proposal: Any) -> Any:
        if proposal["value"] is not None:
            known = self._items.drop(columns=self._cards.images)
            check_column(known, proposal["value"], name="color")
        return proposal["value"]

    def _recolor(self, _: Any) -> None:
        self._paint = self._painted()
        self._points.recolor(self._paint)
        self._tell()

    def _painted(self) -> Paint:
        column = None if self.color is None else self._items[self.color].iloc[self._row_of]
        painted = paint(column, len(self._row_of))
        if not self._trust:
            return painted
        misplaced = self._items["map_misplaced"].iloc[self._row_of].fillna(False)
        return replace(painted, faint=misplaced.to_numpy(dtype=bool))

    @traitlets.observe("selected")
    def _highlight(self, _: Any) -> None:
        points = self._point_of[self._rows()]
        self._points.select(points[points >= 0])
        self._tell()

    def _tell(self) -> None:
        self._legend.value = _legend(self._paint, tag="button")
        rows = rows_of(self.ids, self.selected[:_GALLERY]).tolist()
        self._gallery.value = self._cards.tiles(rows, labels=self._colored(rows))
        self._say(self._status())

    def _colored(self, rows: list[int]) -> list[Any]:
        return [""] * len(rows) if self.color is None else list(self._items[self.color].iloc[rows])

    def _status(self) -> str:
        lost = len(self.ids) - len(self._row_of)
        more = f" {lost:,} have no place on the map." if lost else ""
        return f"{len(self.selected):,} of {len(self.ids):,} items selected.{more}"

    def _trusted(self) -> str:
        return (
            f"<small>On this map {plain(self._trust, limit=400)} (faint).</small>"
            if self._trust
            else ""
        )

    def _still(self) -> str:
        picture = data_uri(raster(self._xy, self._paint))
        rows = (self._rows() or list(range(len(self.ids))))[:6]
        told = {} if self.color is None else {str(self.color): self._colored(rows)}
        look = "display:flex;gap:16px;flex-wrap:wrap;align-items:flex-start"
        return (
            f"<p>{plain(self._status())} {self._trusted()}</p><div style='{look}'>"
            f"<img alt='Map of {len(self.ids):,} items' src='{picture}' width='420' height='420'>"
            f"<div style='flex:1 1 280px'>{_legend(self._paint, tag='span')}"
            f"{self._cards.table(rows, told)}</div></div>"
        )


def _placed(view: Any, items: pd.DataFrame | None) -> tuple[FloatArray, pd.DataFrame]:
    """Return where the items lie, shape (n, 2), and their table, whose index is their ids."""
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
    return xy, align("items", check_table("items", items), ids)


def _legend(colored: Paint, *, tag: str) -> str:
    """Return what the colours mean; as buttons, each selects the points of its colour."""
    dot = "display:inline-block;width:.8em;height:.8em;border-radius:50%;margin-right:.4em"
    pick = "class='curalab-key' data-pick='color:{}'" if tag == "button" else ""
    made = [
        f"<{tag} {pick.format(code)} style='display:inline-block;margin-right:.6em'>"
        f"<i style='{dot};background:{colored.colors[code]}'></i>"
        f"{plain(colored.names[code], limit=32)} <small>{count:,}</small></{tag}> "
        for code, count in enumerate(colored.counts)
        if count and colored.names[code]
    ]
    if colored.low is not None:
        bar = f"linear-gradient(to right, {', '.join(colored.colors[:-1])})"
        bar = f"<i style='display:inline-block;width:10em;height:.8em;background:{bar}'></i>"
        made.insert(0, f"<div>{plain(colored.low)} {bar} {plain(colored.high)}</div>")
    return f"<div style='margin:8px 0'>{''.join(made)}</div>"
