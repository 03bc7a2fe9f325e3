"""Two of a kind side by side: linked maps, what differs, and decisions about it."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from curalab._check import IntArray, check_choice, check_integer, complain
from curalab.items._table import check_column
from curalab.ledger import Ledger
from curalab.maps._quality import default_k
from curalab_widgets._cards import Cards
from curalab_widgets._decisions import DECIDED, decided
from curalab_widgets._panel import Panel
from curalab_widgets._placed import with_color
from curalab_widgets.compare._compared import Compared
from curalab_widgets.compare._controls import controls
from curalab_widgets.compare._kinds import compare_sides, sides_of
from curalab_widgets.compare._told import status, still, told_boards, told_card, told_list
from curalab_widgets.compare._views import color_columns, halves_of, recolor

__all__ = ["ComparePanel"]

_LISTED = 30


class ComparePanel(Panel):
    """Two embeddings, results or tables side by side: what differs, and for which rows.

    Embeddings show which rows have other neighbours; clusterings which clusters split and merge;
    label errors and outliers, in any mix, where the two finders agree; pseudo-labels and
    selections what both say; tables which rows and cells changed. All that is counted is a button
    that selects its rows. With a ledger the selected rows can be kept, dropped and relabelled:
    `keep`, `drop`, `relabel`, `undo`, or by hand.

    Parameters
    ----------
    left, right : Embedding, DataFrame, Clustering, LabelErrors, Outliers, PseudoLabels or Selection
        Two of a kind. Embeddings and results are about the same rows, selections from one pool.
    items : DataFrame, default=None
        The items, aligned by id. None shows ids; of two tables it takes the rows, those that both
        have from `left`.
    views : Embedding of 2 columns, DataFrame or array-like of shape (n_items, 2), default=None
        A map on which both are drawn; of embeddings two, of `left` and of `right`. None draws
        embeddings of two columns as they are and others by their principal components.
    color : str, Series or array-like of shape (n_items,), default=None
        A column of the items or of `difference`, or values, that colour the points. None is what
        each side says of a row, or how much a row moved.
    ledger : Ledger, default=None
        Where decisions go.
    labels : str, default="label"
        The column of classes, which relabelling changes.
    actor : str, default=None
        Who decides. None is the name of the user.
    link : str, default=None
        Panels of the same name share what is selected.
    engine : {"scatter", "plotly"}, default="scatter"
        What draws: jupyter-scatter, or plotly for hosts that need it.

    Attributes
    ----------
    selected : list
        Ids. Setting it highlights, selecting by hand sets it.
    color : str or None
        What colours the points; may be set.
    k : int or None
        Nearest rows that count for embeddings; may be set. None is 15, or a tenth of few rows.
    difference : DataFrame
        The rows that differ, the most different first, and what is said of them.
    measures : dict
        How much the two agree, in numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from curalab_widgets.compare import ComparePanel
    >>> before = pd.DataFrame({"label": ["cat", "dog", "cat"]}, index=["a", "b", "c"])
    >>> after = pd.DataFrame({"label": ["cat", "fox"]}, index=["a", "b"])
    >>> panel = ComparePanel(before, after)
    >>> panel.difference["outcome"].to_dict()
    {'c': 'only left', 'b': 'changed'}
    >>> panel.find(outcome="changed")
    1
    >>> panel.selected
    ['b']
    """

    color = traitlets.Any(default_value=None, allow_none=True)
    k = traitlets.Any(default_value=None, allow_none=True)
    difference = traitlets.Instance(pd.DataFrame)
    measures = traitlets.Dict()

    _state = ("color", "k", "selected")
    _slider: ipywidgets.IntSlider | None = None  # of k

    def __init__(
        self,
        left: Any,
        right: Any,
        *,
        items: pd.DataFrame | None = None,
        views: Any = None,
        color: Any = None,
        ledger: Ledger | None = None,
        labels: str = "label",
        actor: str | None = None,
        link: str | None = None,
        engine: str = "scatter",
    ) -> None:
        self._sides = sides_of(left, right, items)
        table, color = with_color(self._sides.items, color)
        title = "Two side by side"
        super().__init__(table, title=title, ledger=ledger, labels=labels, actor=actor, link=link)
        self._cards = Cards(table)
        self._focus: int | None = None
        self._listed: list[int] = []
        self._read_ledger()
        compare = partial(compare_sides, self._sides, labels=self._labels)
        self._compare = lru_cache(maxsize=8)(compare)  # filled beside the kernel, read in it
        self._found: Compared = self._compare(k=None)
        self.difference, self.measures = self._found.difference, self._found.measures
        self.color = color
        self._halves = halves_of(self, views, engine)
        self._boards, self._list, self._card = (ipywidgets.HTML() for _ in range(3))
        self._tell_all()
        self._say(status(self))
        self._show(*controls(self))
        self.observe(lambda _: recolor(self), "color")
        self.observe(self._recompare, "k")

    # ---- what a hand can do ----------------------------------------------------------------------

    def find(
        self, *, left: Any = None, right: Any = None, outcome: Any = None, label: Any = None
    ) -> int:
        """Select the rows of which all this is true; return how many there are.

        Parameters
        ----------
        left, right : object, default=None
            What a side calls the row: its cluster, label, "marked", "picked". A list is any of
            its values.
        outcome : str or list of str, default=None
            A value of the column `outcome` of `difference`.
        label : object, default=None
            The row's class.
        """
        asked = {"left": left, "right": right, "outcome": outcome, "label": label}
        asked = {name: value for name, value in asked.items() if value is not None}
        rows = self._found.where(asked, self._classes())
        if len(rows):
            self.selected = self.ids[rows]
        else:
            self._say("There are no such rows.")
        return len(rows)

    def near(self, side: str) -> None:
        """Select the row shown and its nearest rows on the "left" or on the "right"."""
        check_choice("side", side, ["left", "right"])
        if self._focus is None:
            raise ValueError("No single row is shown: choose one from the list.")
        self.selected = self.ids[[self._focus, *self._nearest(side, self._focus)]]

    def show_next(self) -> None:
        """Select the next of the rows that differ and are not decided, the most different first."""
        order = self._found.order.tolist()
        at = order.index(self._focus) + 1 if self._focus in order else 0
        waiting = (row for row in [*order[at:], *order[:at]] if row not in self._decided)
        row = next((row for row in waiting if row != self._focus), None)
        self.selected = [] if row is None else [self.ids[row]]
        if row is None:
            self._say("No other row differs that is not decided.")

    def use(self, tool: str) -> None:
        """Give the mouse to "lasso", "box" or "move"."""
        for half in self._halves:
            half.points.use(tool)

    def show_all(self) -> None:
        """Zoom out to all points."""
        for half in self._halves:
            half.points.reset()

    def _heed(self, decisions: pd.DataFrame | None) -> None:
        if decisions is None:
            self._read_ledger()
        else:
            words = decisions["action"].map(DECIDED)
            self._decided |= dict(zip(self._rows(), words, strict=True))
        if decisions is None or len(decisions) > 1:
            self._draw_rows()
        else:
            self.show_next()

    def _read_ledger(self) -> None:
        """Learn what is decided, by row."""
        self._decided: dict[int, str] = {}
        if self._ledger is not None:
            words = decided(self._ledger, self.ids)
            self._decided = {row: w for row, w in enumerate(words) if w != "undecided"}

    def _grounds(self) -> dict[str, Any]:
        seen = self._sides.left.fingerprint if self._sides.are_vectors else None
        return {"embedding": seen, "reason": self._found.reasons(self._rows())}

    def _select_rows(self, rows: IntArray) -> None:
        self.selected = self.ids[self._found.ranked(rows)]

    def _pick(self, what: str, number: int) -> None:
        if what == "row":
            self.selected = [self.ids[number]]
        elif what == "board":
            self.find(**self._asks[number])
        else:
            self._select_rows(self._halves[what == "right"].rows_of_color(number))

    def _look_at(self, row: int) -> None:
        self._card.value = told_card(self, row)

    # ---- what is compared ------------------------------------------------------------------------

    @property
    def _k(self) -> int:
        return default_k(len(self.ids)) if self.k is None else int(self.k)

    def _recompare(self, _: Any) -> None:
        self._found = self._compare(k=self.k)
        self.difference, self.measures = self._found.difference, self._found.measures
        self._listed = []
        recolor(self)
        self._tell_all()

    def _stopped(self) -> None:
        if self._slider is not None:
            self._slider.value = self._k

    @traitlets.validate("k")
    def _known_k(self, proposal: Any) -> Any:
        if proposal["value"] is None:
            return None
        if not self._sides.are_vectors:
            raise ValueError(complain("k", "None: only embeddings have it", proposal["value"]))
        return check_integer("k", proposal["value"], low=1, high=len(self.ids) - 1)

    @traitlets.validate("color")
    def _known_color(self, proposal: Any) -> Any:
        if proposal["value"] is not None:
            known = pd.DataFrame(columns=color_columns(self))
            check_column(known, proposal["value"], name="color")
        return proposal["value"]

    def _classes(self) -> pd.Series[Any] | None:
        if self._labels is None:
            return None
        column = self._items[self._labels].astype(object)
        return column.where(column.notna(), "no label")

    # ---- what shows ------------------------------------------------------------------------------

    @traitlets.observe("selected")
    def _highlight(self, _: Any) -> None:
        rows = self._rows()
        for half in self._halves:
            half.select(rows)
        if len(rows) == 1:
            self._focus = rows[0]
        elif self._focus not in rows:
            self._focus = None
        self._draw_rows()
        self._say(status(self))

    def _tell_all(self) -> None:
        self._boards.value, self._asks = told_boards(self)
        self._draw_rows()

    def _draw_rows(self) -> None:
        rows = self._rows()
        if len(rows) > 1:
            self._listed = self._found.ranked(np.array(rows))[:_LISTED].tolist()
        elif not rows or rows[0] not in self._listed:
            order = [row for row in self._found.order.tolist() if row not in self._decided]
            self._listed = list(dict.fromkeys([*rows, *order[:_LISTED]]))
        self._list.value = told_list(self)
        self._card.value = "" if self._focus is None else told_card(self, self._focus)

    def _nearest(self, side: str, row: int) -> list[int]:
        embedding = getattr(self._sides, side)
        return list(embedding.neighbors(self._k).indices[row].tolist())

    def _still(self) -> str:
        return still(self)
