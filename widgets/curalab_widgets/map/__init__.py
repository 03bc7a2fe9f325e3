"""A map of items: colour, find, select, look, and decide about what is selected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

import curalab as cl
from curalab._check import IntArray, align, check_choice, complain, rows_of
from curalab.embedding import Embedding
from curalab.items._table import check_column
from curalab.ledger import Ledger
from curalab.maps import MapQuality
from curalab_widgets._cards import Cards, data_uri, plain, thumbnail
from curalab_widgets._panel import Panel, check_ledger
from curalab_widgets._placed import DECIDED, DECISION, decided, legend, placed, sized, with_results
from curalab_widgets._points import Paint, density, paint, point_view, raster
from curalab_widgets.map._controls import controls
from curalab_widgets.map._finding import RULES, found, joined, like, walk

__all__ = ["MapPanel"]

_GALLERY = 48
_CROWD = 200_000  # points from which density is shown at first


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
    embedding : Embedding, default=None
        The vectors that the map was made of. With them, more items like these are found, and the
        gallery is a walk through the selected ones on which neighbours are alike.

    Attributes
    ----------
    selected : list
        Ids. Setting it highlights, selecting by hand sets it; observe it as any trait.
    color : str or None
        The column that colours; may be set. With a ledger "decision" is one of them.
    size : str or None
        The column of numbers whose ranks are the sizes of the points.
    opacity : float
        How solid the points are, from 0 to 1.
    density : bool
        Whether to show how densely the points lie in place of those that are not selected. True at
        first from 200,000 points on.
    pictures : bool
        Whether images stand in place of points where at most 400 are in view; where they would lie
        on each other, of some.
    combine : {"new", "add", "subtract", "intersect"}
        What becomes of the selection when something is selected by hand or found.
    views : dict
        What `save_view` kept, by name.

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
    size = traitlets.Any(default_value=None, allow_none=True)
    opacity = traitlets.Float(0.8, min=0.0, max=1.0)
    density = traitlets.Bool(False)
    pictures = traitlets.Bool(False)
    combine = traitlets.Unicode("new")
    views = traitlets.Dict()

    _state = ("color", "size", "opacity", "density", "pictures", "views", "selected")

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
        embedding: Embedding | None = None,
    ) -> None:
        xy, table = placed(view, items)
        results = results if isinstance(results, list | tuple) else (results,)
        table = with_results(table, results, view, embedding)
        if color is not None and not isinstance(color, str):
            name = str(getattr(color, "name", None) or "color")
            table = table.assign(**{name: np.asarray(align("color", color, table.index))})
            color = name
        self._cards = Cards(table)
        check_ledger(ledger)
        if ledger is not None:
            self._decision = DECISION if DECISION not in table else f"{DECISION} in the ledger"
            table = table.assign(**{self._decision: decided(ledger, table.index)})
        title = "Map of items"
        super().__init__(table, title=title, ledger=ledger, labels=labels, actor=actor, link=link)
        # The one place where points (drawn, numbered by the engine) and rows (of items) meet.
        self._row_of = np.flatnonzero(np.isfinite(xy).all(axis=1))
        self._point_of = np.full(len(xy), -1)
        self._point_of[self._row_of] = np.arange(len(self._row_of))
        self._view, self._xy, self._embedding = view, xy[self._row_of], embedding
        self._trust = next((each.summary for each in results if isinstance(each, MapQuality)), "")
        self.color = color
        self._paint = self._painted()
        self._points = point_view(
            engine, self._xy, colored=self._paint, on_select=self._take, on_hover=self._look_at
        )
        self._points.widget.add_class("curalab-points")
        self._points.box.add_class("curalab-sight")
        self.observe(self._recolor, "color")
        self._card = ipywidgets.HTML("<i>Rest the mouse on a point to see its item.</i>")
        self._legend, self._gallery = ipywidgets.HTML(), ipywidgets.HTML()
        self._query = ipywidgets.Text()
        self._keys["Escape"] = self.clear
        self._show(*controls(self))
        self.density = len(self._xy) >= _CROWD
        self.pictures = bool(self._cards.images)
        self._tell()

    # ---- what a hand can do ----------------------------------------------------------------------

    def select(self, ids: Any) -> None:
        """Select these ids by the rule of `combine`."""
        rows, now = rows_of(self.ids, ids, name="ids"), rows_of(self.ids, self.selected)
        chosen = self.ids[joined(self.combine, now, rows)].tolist()
        if chosen == self.selected:
            self._highlight(None)  # the engine shows what was drawn
        self.selected = chosen

    def find(self, text: str) -> int:
        """Select by ids (with commas), by a value of the coloured column, or by words in a text.

        Numbers are found as ``low..high``, both ends included. Returns how many items were
        found; where there are none, the selection stays.
        """
        text = text.strip()
        if not text:
            return 0
        rows = found(text, self._items, column=self.color, texts=self._cards.texts)
        if len(rows):
            self.select(self.ids[rows])
        else:
            self._say(f"Nothing found for {text!r}.")
        return len(rows)

    def nearest(self, example: Any, n: int = 24) -> None:
        """Select the `n` items nearest to an example: an id, or what the encoder takes."""
        self.select(self.ids.intersection(like(example, self._need_embedding(), n), sort=False))

    def more_like_these(self) -> None:
        """Select what belongs with the selected items: see `grow`."""
        self._set_selected(self._grown())

    def _grown(self) -> pd.Index:
        if not self.selected:
            raise ValueError("There is nothing to start from: no item is selected.")
        grown = cl.grow(self._need_embedding(), self.selected)
        return self.ids.intersection(grown.ids, sort=False)

    def _set_selected(self, ids: pd.Index) -> None:
        self.selected = ids

    def clear(self) -> None:
        """Select nothing."""
        self.selected = []

    def show_all(self) -> None:
        """Zoom out to all points."""
        self._points.reset()

    def zoom_in(self) -> None:
        """Zoom in on the selected points."""
        points = self._point_of[self._rows()]
        if not (points >= 0).any():
            raise ValueError("There is nothing to zoom in on: no point is selected.")
        self._points.approach(points[points >= 0])

    def save_view(self, name: str) -> None:
        """Keep under a name what is selected, how the points look, and what part is in view."""
        if not name.strip():
            raise ValueError(complain("name", "a few words", name))
        kept = {trait: getattr(self, trait) for trait in ("color", "size", "opacity", "density")}
        kept |= {"selected": list(self.selected), "sight": self._points.sight}
        self.views = {**self.views, name.strip(): kept}
        self._say(f"Kept as {name.strip()!r}. to_code() writes it down.")

    def show_view(self, name: str) -> None:
        """Go back to what `save_view` kept."""
        check_choice("name", name, list(self.views))
        kept = dict(self.views[name])
        self._points.sight = kept.pop("sight")
        for trait, value in kept.items():
            setattr(self, trait, value)

    def _nearest_to_query(self) -> None:
        self.nearest(self._query.value.strip() or next(iter(self.selected), ""))

    def _grow(self) -> None:
        self._work.ask(self._grown, self._set_selected, what="Looking for more like these")

    def _need_embedding(self) -> Embedding:
        if self._embedding is None:
            raise ValueError(complain("embedding", "given to the panel, to find like items", None))
        return self._embedding

    def _take(self, points: IntArray) -> None:
        self.select(self.ids[self._row_of[points]])

    def _pick(self, what: str, number: int) -> None:
        if what == "row":
            self._card.value = self._cards.card(number)
        elif what == "color":
            self.select(self.ids[self._row_of[self._paint.codes == number]])

    def _look_at(self, point: int | None) -> None:
        if point is not None:
            self._card.value = self._cards.card(int(self._row_of[point]))

    def _write_down(self, decisions: pd.DataFrame) -> pd.RangeIndex:
        events = super()._write_down(decisions)
        rows, said = rows_of(self.ids, decisions["row_id"]), self._items[self._decision].copy()
        said.iloc[rows] = decisions["action"].map(DECIDED).to_numpy()
        self._decided(said)
        return events

    def _grounds(self) -> dict[str, Any]:
        seen = self._view.fingerprint if isinstance(self._view, Embedding) else None
        return {"embedding": seen, "reason": "selected on a map"}

    def undo(self) -> None:
        """Take back the panel's last decision, after a restart the actor's; select its items."""
        super().undo()
        self._decided(decided(self._need_ledger(), self.ids))

    def _decided(self, said: pd.Series[str]) -> None:
        """Show what is decided now: the column of decisions, and its colours."""
        self._items = self._items.assign(**{self._decision: said})
        if self.color == self._decision:
            told = self._said.value
            self._recolor(None)
            self._said.value = told

    # ---- what is shown ---------------------------------------------------------------------------

    @traitlets.validate("color")
    def _known_color(self, proposal: Any) -> Any:
        if proposal["value"] is not None:
            known = self._items.drop(columns=self._cards.images)
            check_column(known, proposal["value"], name="color")
        return proposal["value"]

    @traitlets.validate("combine")
    def _known_rule(self, proposal: Any) -> Any:
        return check_choice("combine", proposal["value"], list(RULES))

    @traitlets.validate("size")
    def _known_size(self, proposal: Any) -> Any:
        if proposal["value"] is not None:
            check_column(self._items, proposal["value"], name="size")
            sized(self._items[proposal["value"]])
        return proposal["value"]

    @traitlets.observe("size")
    def _resize(self, _: Any) -> None:
        column = None if self.size is None else self._items[self.size].iloc[self._row_of]
        self._points.resize(None if column is None else sized(column))

    @traitlets.observe("opacity")
    def _fade(self, _: Any) -> None:
        self._points.fade(self.opacity)

    @traitlets.observe("density")
    def _blur(self, _: Any) -> None:
        self._points.blur(self.density)

    @traitlets.observe("pictures")
    def _picture(self, _: Any) -> None:
        self._points.picture(self._thumbnail if self.pictures and self._cards.images else None)

    def _thumbnail(self, point: int) -> str:
        try:
            return thumbnail(self._items[self._cards.images[0]].iloc[self._row_of[point]], side=64)
        except ValueError:
            return ""

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
        self._legend.value = legend(self._paint, tag="button")
        rows = self._walk()
        more = len(self.selected) - len(rows)
        told = f"<small>{len(rows)} of {len(self.selected):,} shown</small>" if more else ""
        self._gallery.value = told + self._cards.tiles(rows, labels=self._colored(rows))
        self._say(self._status())

    def _walk(self) -> list[int]:
        """Return rows for the gallery, with vectors as a walk on which neighbours are alike."""
        known = [] if self._embedding is None else self.selected
        if self._embedding is None or not self._embedding.ids.isin(known).any():
            return list(rows_of(self.ids, self.selected[:_GALLERY]).tolist())
        return list(rows_of(self.ids, walk(known, self._embedding, _GALLERY)).tolist())

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
        drawn = density if self.density else raster
        picture = data_uri(drawn(self._xy, self._paint))
        rows = (self._rows() or list(range(len(self.ids))))[:6]
        told = {} if self.color is None else {str(self.color): self._colored(rows)}
        look = "display:flex;gap:16px;flex-wrap:wrap;align-items:flex-start"
        return (
            f"<p>{plain(self._status())} {self._trusted()}</p><div style='{look}'>"
            f"<img alt='Map of {len(self.ids):,} items' src='{picture}' width='420' height='420'>"
            f"<div style='flex:1 1 280px'>{legend(self._paint, tag='span')}"
            f"{self._cards.table(rows, told)}</div></div>"
        )
