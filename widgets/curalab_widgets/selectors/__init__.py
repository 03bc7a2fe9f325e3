"""Several selectors on one map, side by side: what each picks, and what that does to the mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from curalab._check import check_choice, check_integer, complain
from curalab.embedding import Embedding
from curalab.ledger import Ledger
from curalab.selectors import Selection
from curalab_widgets._cards import Cards, is_missing, plain
from curalab_widgets._panel import Panel
from curalab_widgets._placed import placed
from curalab_widgets.figures._live import live
from curalab_widgets.figures._selections import mix_and_curves, tell_budget, tell_mix
from curalab_widgets.selectors._controls import controls
from curalab_widgets.selectors._maps import RINGS, PickMaps
from curalab_widgets.selectors._picks import ALL, NONE, Picks
from curalab_widgets.selectors._told import (
    hovers,
    of_few_values,
    overlap_table,
    said,
    still_maps,
    tagged,
)

__all__ = ["SelectorPanel"]

_TILES = 32
_TAG = "selected:"


class SelectorPanel(Panel):
    """What two to six selectors pick, on small maps side by side, best picks first.

    A slider shows the first `budget` picks of each: where they lie, how far they overlap, what
    they do to the mix of classes, what none of them picked, and, with a bench, what that many
    picks were worth. What is shown of one selector can be selected, and tagged in a ledger.

    Parameters
    ----------
    view : Embedding of 2 columns, DataFrame or array-like of shape (n_items, 2)
        Where the items lie. Rows of an array that are not finite are not drawn.
    selections : list of Selection or dict of str to Selection
        What ``cl.select`` returned, 2 to 6 of them; in a list each goes by its method.
    items : DataFrame, default=None
        The items, aligned by id. With them the tiles show what was picked, and the mix of any
        column of few values is compared with the pool.
    board : Leaderboard, default=None
        From ``cl.bench("selectors", …)``: its learning curves, with a line at the budget.
    ledger : Ledger, default=None
        Where the tag ``selected:NAME`` and other decisions go.
    labels : str, default="label"
        The column of classes, whose mix shows first.
    actor : str, default=None
        Who decides. None is the name of the user.
    link : str, default=None
        Panels of the same name share what is selected.
    embedding : Embedding, default=None
        Where "picked by none" looks for the rows farthest from every pick. None looks on the map.

    Attributes
    ----------
    selected : list
        Ids, ringed on every map; may be set.
    budget : int
        How many picks of each are shown; may be set.
    shown : str
        Whose picks the tiles show: a selector's name, "picked by all" or "picked by none".
    by : str or None
        The column whose mix is shown.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab_widgets.selectors import SelectorPanel
    >>> x = np.array([[0.0, 0], [0, 1], [1, 0], [9, 9], [9, 10], [5, 5]])
    >>> view = cl.Embedding(vectors=x, metric="euclidean")
    >>> picks = [cl.select(view, 3, method=m, random_state=0) for m in ("k_center", "herding")]
    >>> panel = SelectorPanel(view, picks)
    >>> panel.budget = 1
    >>> float(panel.overlap().loc["k_center", "herding"])
    1.0
    >>> panel.select_common()
    >>> panel.selected
    [5]
    """

    budget = traitlets.Int(0)
    shown = traitlets.Unicode("")
    by = traitlets.Unicode(None, allow_none=True)

    _state = ("budget", "shown", "by", "selected")
    _slider: ipywidgets.IntSlider
    _choice: ipywidgets.Dropdown
    _take: ipywidgets.Button

    def __init__(
        self,
        view: Any,
        selections: Sequence[Selection] | Mapping[str, Selection],
        *,
        items: pd.DataFrame | None = None,
        board: Any = None,
        ledger: Ledger | None = None,
        labels: str = "label",
        actor: str | None = None,
        link: str | None = None,
        embedding: Embedding | None = None,
    ) -> None:
        self._xy, table = placed(view, items)
        self._picks = Picks(selections, table.index, view=view, xy=self._xy, embedding=embedding)
        title = "Selectors side by side"
        super().__init__(table, title=title, ledger=ledger, labels=labels, actor=actor, link=link)
        self._is_drawing = False
        self._columns = of_few_values(table, self._labels)
        self._cards = Cards(table.drop(columns=self._labels or []))
        names = self._picks.names
        self._figure: Any = None
        if self._columns or board is not None:
            self._figure = live(mix_and_curves(names, has_mix=bool(self._columns), board=board))
        self._hovers = hovers(self._picks, self.ids, table[labels] if self._labels else None)
        self._read_tags()
        self._drawn = PickMaps(self._xy, self.model_id)
        self._maps, self._overlap, self._told, self._card, self._tiles = (
            ipywidgets.HTML() for _ in range(5)
        )
        self._show(*controls(self))
        with self.hold_trait_notifications():
            self.budget, self.shown = min(self._picks.sizes), names[0]
            self.by = next(iter(self._columns), None)

    # ---- what a hand can do ----------------------------------------------------------------------

    def overlap(self) -> pd.DataFrame:
        """Return how far the first `budget` picks of each two selectors are the same.

        Rows in both over rows in either (Jaccard), from 0 to 1.
        """
        return self._picks.overlap(self.budget)

    def mix(self) -> dict[str, pd.DataFrame]:
        """Return the shares of the values of `by` in the pool and among the picks of each."""
        if self.by is None:
            raise ValueError(complain("items", "given, with a column of few values", None))
        values = self._items[self.by]
        return {n: self._picks.first(n, self.budget).mix(values) for n in self._picks.names}

    def rows_shown(self) -> pd.Index:
        """Return the ids that the tiles are about: best picks first, or farthest from any first."""
        return self.ids[self._picks.shown(self.shown, self.budget)]

    def select_shown(self) -> None:
        """Select all that is shown: the picks of `shown` at this budget."""
        self.selected = self.rows_shown()

    def select_common(self) -> None:
        """Select what every selector picked at this budget."""
        self.selected = self.ids[self._picks.common(self.budget)]

    def choose(self) -> None:
        """Tag the picks shown as ``selected:NAME``, those that are not tagged so yet."""
        if self.shown == NONE:
            raise ValueError("There is nothing to choose: no selector picked these.")
        tag, ids = self._tag(), self.rows_shown()
        self.selected = ids[~ids.isin(list(self._tagged.get(tag, ())))]
        if not self.selected:
            self.selected = ids
            self._say(f"All {len(ids):,} are tagged {tag} already.")
            return
        self._record(action="tag", new=tag)

    def _heed(self, _: pd.DataFrame | None) -> None:
        self._read_tags()
        self._draw_tiles()

    def _grounds(self) -> dict[str, Any]:
        if self.shown not in self._picks.names or not set(self.selected) <= set(self.rows_shown()):
            return {"reason": "selected beside the picks of several selectors"}
        params = dict(self._picks.by_name[self.shown].params)
        made = {key: params.get(key) for key in ("method", "embedding")}
        return {**made, "params": params, "reason": f"first {self.budget:,} picks of {self.shown}"}

    def _read_tags(self) -> None:
        self._tagged = {} if self._ledger is None else tagged(self._ledger, _TAG)

    def _pick(self, what: str, number: int) -> None:
        if what == "map":
            self.shown = self._picks.names[number]
            return
        if what != "row":  # a pick on the map of that selector
            self.shown = self._picks.names[int(what)]
        self.selected = [self.ids[number]]

    # ---- what shows ------------------------------------------------------------------------------

    @traitlets.validate("budget")
    def _known_budget(self, proposal: Any) -> int:
        return check_integer("budget", proposal["value"], low=1, high=max(self._picks.sizes))

    @traitlets.validate("shown")
    def _known_shown(self, proposal: Any) -> str:
        return check_choice("shown", proposal["value"], [*self._picks.names, ALL, NONE])

    @traitlets.validate("by")
    def _known_by(self, proposal: Any) -> str | None:
        return check_choice("by", proposal["value"], self._columns) if self._columns else None

    def _asked(self) -> None:
        """Follow the slider and the list; what no selector picked takes a while to find."""
        budget, shown = self._slider.value, self._choice.value
        if self._is_drawing:
            return
        self._work.stop()  # what was asked before
        if (budget, shown) == (self.budget, self.shown):
            return

        def done(_: Any = None) -> None:
            with self.hold_trait_notifications():
                self.budget, self.shown = budget, shown

        if shown != NONE:
            done()
            return
        ask = partial(self._picks.left_out, budget)
        self._work.ask(ask, done, what="Looking for what none of them picked")

    def _stopped(self) -> None:
        self._is_drawing = True  # what moves now was not moved by hand
        self._slider.value, self._choice.value = self.budget, self.shown
        self._is_drawing = False

    @traitlets.observe("budget", "shown", "by")
    def _draw(self, change: Any) -> None:
        self._stopped()
        if change["name"] != "by":
            self._draw_maps()
        if change["name"] == "budget":
            self._overlap.value = overlap_table(self._picks, self.budget)
        if self._figure is not None and change["name"] != "shown":
            with self._figure.batch_update():
                tell_budget(self._figure, self.budget)
                if self.by is not None:
                    tell_mix(self._figure, self.mix(), by=self.by)
        self._draw_tiles()

    def _draw_maps(self) -> None:
        rows = {name: found[: self.budget] for name, found in self._picks.rows.items()}
        told = {name: texts[: self.budget] for name, texts in self._hovers.items()}
        chosen = np.array(self._rows(), dtype=np.intp)
        self._maps.value = self._drawn.draw(rows, hovers=told, selected=chosen, shown=self.shown)

    @traitlets.observe("selected")
    def _ring(self, _: Any) -> None:
        rows = self._rows()
        self._draw_maps()
        self._card.value = self._cards.card(rows[0]) if len(rows) == 1 else ""
        few = f", the first {RINGS} ringed" if len(rows) > RINGS else ""
        self._say(f"{len(rows):,} of {len(self.ids):,} items selected{few}.")

    def _draw_tiles(self) -> None:
        rows = self._picks.shown(self.shown, self.budget)
        done = self._tagged.get(self._tag(), set())
        values = None if self.by is None else self._items[self.by]
        self._take.description = f"Select these {len(rows):,}"
        n_done = sum(one in done for one in self.ids[rows]) if done else 0
        more = f"; ✓ {n_done:,} tagged {plain(self._tag())}" if n_done else ""
        self._told.value = f"{said(self._picks, self.shown, self.budget, values)}{more}"
        labels = []
        for rank, row in enumerate(rows[:_TILES].tolist(), start=1):
            at = f"{rank}. " if self.shown in self._picks.names else ""
            labels.append(f"{'✓ ' * (self.ids[row] in done)}{at}{self._label(row)}")
        self._tiles.value = self._cards.tiles(rows[:_TILES].tolist(), labels=labels)

    def _label(self, row: int) -> str:
        given = self._given(row)
        return "" if is_missing(given) else str(given)

    def _tag(self) -> str:
        return _TAG + self.shown

    # ---- without a kernel ------------------------------------------------------------------------

    def _still(self) -> str:
        maps = still_maps(self._picks, self._xy, self.budget)
        rows = self._picks.shown(self.shown, self.budget)[:8].tolist()
        told = {} if self._labels is None else {self._labels: [self._label(row) for row in rows]}
        return (
            f"<p>The first {self.budget:,} picks of each of {len(self._picks.names)} selectors.</p>"
            f"{maps}{overlap_table(self._picks, self.budget)}<p>{self._told.value}</p>"
            f"{self._cards.table(rows, told)}"
        )
