"""A map of items: colour, find, select, look, and decide about what is selected."""

from __future__ import annotations

from functools import partial
from typing import Any

import ipywidgets
import pandas as pd
import traitlets

import curalab as cl
from curalab._check import IntArray, check_choice, complain, rows_of
from curalab.embedding import Embedding
from curalab.items._table import check_column
from curalab.ledger import Ledger
from curalab.maps import MapQuality
from curalab_widgets._cards import Cards
from curalab_widgets._decisions import DECIDED, check_ledger, decided
from curalab_widgets._panel import Panel
from curalab_widgets._placed import Drawn, legend, placed, with_color, with_results
from curalab_widgets._points import Paint
from curalab_widgets.map._controls import controls
from curalab_widgets.map._finding import RULES, found, joined, like
from curalab_widgets.map._shown import painted, pictured, sized, status, still, told_gallery

__all__ = ["MapPanel"]

_CROWD = 200_000  # points from which density is shown at first
_DECISION = "decision"  # the column that says what was decided


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
        table, color = with_color(with_results(table, results, view, embedding), color)
        self._cards = Cards(table)
        check_ledger(ledger)
        if ledger is not None:
            self._decision = f"{_DECISION} in the ledger" if _DECISION in table else _DECISION
            table = table.assign(**{self._decision: decided(ledger, table.index)})
        title = "Map of items"
        super().__init__(table, title=title, ledger=ledger, labels=labels, actor=actor, link=link)
        self._view, self._drawn, self._embedding = view, Drawn(xy), embedding
        self._trust = next((each.summary for each in results if isinstance(each, MapQuality)), "")
        self.color = color
        self._paint = self._painted()
        self._points = self._drawn.view(
            engine, colored=self._paint, on_select=self._take, on_hover=self._look_at
        )
        self._points.box.add_class("curalab-sight")
        self.observe(self._recolor, "color")
        self._card = ipywidgets.HTML("<i>Rest the mouse on a point to see its item.</i>")
        self._legend, self._gallery = ipywidgets.HTML(), ipywidgets.HTML()
        self._keys["Escape"] = self.clear
        self._show(*controls(self))
        self.density = len(self._drawn.xy) >= _CROWD
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
        if not (text := text.strip()):
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
        self.selected = self._grown()

    def _grown(self) -> pd.Index:
        if not self.selected:
            raise ValueError("There is nothing to start from: no item is selected.")
        grown = cl.grow(self._need_embedding(), self.selected)
        return self.ids.intersection(grown.ids, sort=False)

    def show_all(self) -> None:
        """Zoom out to all points."""
        self._points.reset()

    def zoom_in(self) -> None:
        """Zoom in on the selected points."""
        points = self._drawn.points(self._rows())
        if not len(points):
            raise ValueError("There is nothing to zoom in on: no point is selected.")
        self._points.approach(points)

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

    def _need_embedding(self) -> Embedding:
        if self._embedding is None:
            raise ValueError(complain("embedding", "given to the panel, to find like items", None))
        return self._embedding

    def _take(self, rows: IntArray) -> None:
        self.select(self.ids[rows])

    def _pick(self, what: str, number: int) -> None:
        if what == "row":
            self._look_at(number)
        elif what == "color":
            self._take(self._drawn.rows[self._paint.codes == number])

    def _look_at(self, row: int) -> None:
        self._card.value = self._cards.card(row)

    def _grounds(self) -> dict[str, Any]:
        seen = self._view.fingerprint if isinstance(self._view, Embedding) else None
        return {"embedding": seen, "reason": "selected on a map"}

    def _heed(self, decisions: pd.DataFrame | None) -> None:
        said: Any = self._items[self._decision].copy()
        if decisions is None:
            said = decided(self._need_ledger(), self.ids)
        else:
            rows = rows_of(self.ids, decisions["row_id"])
            said.iloc[rows] = decisions["action"].map(DECIDED).to_numpy()
        self._items = self._items.assign(**{self._decision: said})
        if self.color == self._decision:
            self._recolor(None)

    # ---- what is shown ---------------------------------------------------------------------------

    @traitlets.validate("color", "size", "combine")
    def _known(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "combine":
            return check_choice(name, value, list(RULES))
        if value is not None:
            check_column(self._items.drop(columns=self._cards.images), value, name=name)
            if name == "size":
                sized(self._items[value])
        return value

    @traitlets.observe("size")
    def _resize(self, _: Any) -> None:
        rows, size = self._drawn.rows, self.size
        self._points.resize(None if size is None else sized(self._items[size].iloc[rows]))

    @traitlets.observe("opacity")
    def _fade(self, _: Any) -> None:
        self._points.fade(self.opacity)

    @traitlets.observe("density")
    def _blur(self, _: Any) -> None:
        self._points.blur(self.density)

    @traitlets.observe("pictures")
    def _picture(self, _: Any) -> None:
        shown = self._cards.images[:1] if self.pictures else []
        of = [self._items[name].iloc[self._drawn.rows] for name in shown]
        self._points.picture(partial(pictured, of[0]) if of else None)

    def _recolor(self, _: Any) -> None:
        self._paint = self._painted()
        self._points.recolor(self._paint)
        self._tell()

    def _painted(self) -> Paint:
        return painted(self._items, self.color, self._drawn, is_judged=bool(self._trust))

    @traitlets.observe("selected")
    def _highlight(self, _: Any) -> None:
        self._points.select(self._drawn.points(self._rows()))
        self._tell()

    def _tell(self) -> None:
        self._legend.value = legend(self._paint, tag="button")
        self._gallery.value = told_gallery(self)
        self._say(status(self))

    def _still(self) -> str:
        return still(self)
