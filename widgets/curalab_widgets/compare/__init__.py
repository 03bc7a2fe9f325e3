"""Two of a kind side by side: linked maps, what differs, and decisions about it."""

from __future__ import annotations

from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from curalab._check import align, check_choice, check_integer, complain
from curalab.items._table import check_column
from curalab.ledger import Ledger
from curalab.maps._quality import default_k
from curalab_widgets._cards import Cards
from curalab_widgets._panel import Panel
from curalab_widgets._placed import DECIDED, decided
from curalab_widgets._points import Paint
from curalab_widgets.compare._controls import controls
from curalab_widgets.compare._kinds import compare_sides, sides_of
from curalab_widgets.compare._rows import Compared
from curalab_widgets.compare._tables import (
    Offer,
    boards_html,
    list_html,
    near_html,
    settings_that_differ,
)
from curalab_widgets.compare._views import Half, half_paints, places_of

__all__ = ["ComparePanel"]

_LISTED = 30
_STILL = 8


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
        table = self._sides.items
        if color is not None and not isinstance(color, str):
            name = str(getattr(color, "name", None) or "color")
            table = table.assign(**{name: np.asarray(align("color", color, table.index))})
            color = name
        title = "Two side by side"
        super().__init__(table, title=title, ledger=ledger, labels=labels, actor=actor, link=link)
        self._cards = Cards(table)
        self._focus: int | None = None
        self._listed: list[int] = []
        self._read_ledger()
        self._arrived: Compared | None = None
        self._take(self._compare(None))
        self.color = color
        self._halves = self._drawn(views, engine)
        self._boards, self._list, self._card = (ipywidgets.HTML() for _ in range(3))
        self._tell_all()
        self._say(self._status())
        self._show(*controls(self))
        self.observe(self._recolor, "color")
        self.observe(self._recompare, "k")

    def _drawn(self, views: Any, engine: str) -> list[Half]:
        places, what = places_of(self._sides, self._found, views), self._legend_title()
        does: dict[str, Any] = {
            "engine": engine,
            "on_select": self._select_rows,
            "on_hover": self._look_at,
        }
        return [
            Half(place, colored, side=side, what=what, **does)
            for side, place, colored in zip(("left", "right"), places, self._paints(), strict=False)
        ]

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
        chosen = np.ones(len(self.ids), dtype=bool)
        for name, value in asked.items():
            if value is None:
                continue
            column = self._classes() if name == "label" else self._found.table.get(name)
            if column is None:
                raise ValueError(complain(name, "None: rows have none here", value))
            chosen &= column.isin(value if isinstance(value, list) else [value]).to_numpy()
        rows = np.flatnonzero(chosen)
        if len(rows):
            self._select_rows(rows)
        else:
            self._say("There are no such rows.")
        return len(rows)

    def near(self, side: str) -> None:
        """Select the row shown and its nearest rows on the "left" or on the "right"."""
        check_choice("side", side, ["left", "right"])
        if self._focus is None:
            raise ValueError("No single row is shown: choose one from the list.")
        row = self._focus
        self.selected = self.ids[[row, *self._nearest(side, row, self._k)]]

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

    def clear(self) -> None:
        """Select nothing."""
        self.selected = []

    def show_all(self) -> None:
        """Zoom out to all points."""
        for half in self._halves:
            half.points.reset()

    def undo(self) -> None:
        """Take back the last decision, after a restart the actor's own last; show its items."""
        super().undo()
        self._read_ledger()
        self._draw_rows()

    def _write_down(self, decisions: pd.DataFrame) -> pd.RangeIndex:
        events, rows = super()._write_down(decisions), self._rows()
        words = decisions["action"].map(DECIDED)
        self._decided |= dict(zip(rows, words, strict=True))
        said = self._said.value
        if len(rows) == 1:
            self.show_next()
        else:
            self._draw_rows()
        self._said.value = said
        return events

    def _read_ledger(self) -> None:
        """Learn what is decided, by row."""
        self._decided: dict[int, str] = {}
        if self._ledger is not None:
            words = decided(self._ledger, self.ids)
            self._decided = {row: w for row, w in enumerate(words) if w != "undecided"}

    def _grounds(self) -> dict[str, Any]:
        table = self._found.table.iloc[self._rows()]
        names = [name.replace("_", " ") for name in self._found.shown]
        reasons = [
            "compared: "
            + ", ".join(f"{name} {_short(v)}" for name, v in zip(names, row, strict=True))
            for row in table[list(self._found.shown)].itertuples(index=False)
        ]
        seen = self._sides.left.fingerprint if self._is_of_vectors else None
        return {"embedding": seen, "reason": reasons}

    def _select_rows(self, rows: Any) -> None:
        self.selected = self.ids[rows[np.argsort(self._place[rows], kind="stable")]]

    def _pick(self, what: str, number: int) -> None:
        if what == "row":
            self.selected = [self.ids[number]]
        elif what == "board":
            self.find(**self._asks[number])
        else:
            self._select_rows(self._halves[what == "right"].rows_of_color(number))

    def _look_at(self, row: int) -> None:
        self._card.value = self._card_of(row)

    # ---- what is compared ------------------------------------------------------------------------

    @property
    def _is_of_vectors(self) -> bool:
        return hasattr(self._sides.left, "neighbors")

    @property
    def _k(self) -> int:
        return default_k(len(self.ids)) if self.k is None else int(self.k)

    def _compare(self, k: int | None) -> Compared:
        return compare_sides(self._sides, k=k, labels=self._labels)

    def _take(self, found: Compared) -> None:
        self._found = found
        self._place = np.full(len(self.ids), len(self.ids))
        self._place[found.order] = np.arange(len(found.order))
        self.difference, self.measures = found.table.iloc[found.order], found.measures

    def _arrive(self, k: int, found: Compared) -> None:
        self._arrived = found
        try:
            self.k = k
        finally:
            self._arrived = None

    def _recompare(self, _: Any) -> None:
        self._take(self._arrived or self._compare(self.k))
        self._listed = []
        self._recolor(None)
        self._tell_all()

    @traitlets.validate("k")
    def _known_k(self, proposal: Any) -> Any:
        if proposal["value"] is None:
            return None
        if not self._is_of_vectors:
            raise ValueError(complain("k", "None: only embeddings have it", proposal["value"]))
        return check_integer("k", proposal["value"], low=1, high=len(self.ids) - 1)

    @traitlets.validate("color")
    def _known_color(self, proposal: Any) -> Any:
        if proposal["value"] is not None:
            known = pd.DataFrame(columns=self._columns())
            check_column(known, proposal["value"], name="color")
        return proposal["value"]

    def _columns(self) -> list[str]:
        own = [name for name in self._items.columns if name not in self._cards.images]
        said = [name for name in self._found.table.columns if name not in (*own, "changes")]
        return [*own, *said]

    def _classes(self) -> pd.Series[Any] | None:
        if self._labels is None:
            return None
        column = self._items[self._labels].astype(object)
        return column.where(column.notna(), "no label")

    # ---- what shows ------------------------------------------------------------------------------

    @property
    def _colored(self) -> str | None:
        """Name of the column that colours; None for what each side says."""
        if self.color is not None:
            return str(self.color)
        if self._found.plane:
            return "outcome"
        return None if self._found.named else self._found.shown[0]

    def _paints(self) -> tuple[Paint, Paint]:
        if (name := self._colored) is None:
            return half_paints(self._found, None)
        source = self._items if name in self._items else self._found.table
        return half_paints(self._found, source[name])

    def _recolor(self, _: Any) -> None:
        for half, colored in zip(self._halves, self._paints(), strict=False):
            half.recolor(colored, self._legend_title())

    def _legend_title(self) -> str:
        return (self._colored or "").replace("_", " ")

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
        self._say(self._status())

    def _tell_all(self) -> None:
        self._asks: list[dict[str, Any]] = []
        self._boards.value = self._told_boards(self._offer)
        self._draw_rows()

    def _offer(self, asks: dict[str, Any], text: str) -> str:
        """Return a button that finds what `asks` says."""
        self._asks.append(asks)
        return (
            f"<button class='curalab-key' data-pick='board:{len(self._asks) - 1}' "
            f"title='Select these rows'>{text}</button>"
        )

    def _told_boards(self, offer: Offer) -> str:
        classes = None if isinstance(self._sides.left, pd.DataFrame) else self._classes()
        settings = settings_that_differ(self._sides.left, self._sides.right)
        return boards_html(self._found, classes, settings, offer)

    def _draw_rows(self) -> None:
        rows = self._rows()
        if len(rows) > 1:
            self._listed = sorted(rows, key=self._place.__getitem__)[:_LISTED]
        elif not rows or rows[0] not in self._listed:
            order = [row for row in self._found.order.tolist() if row not in self._decided]
            self._listed = list(dict.fromkeys([*rows, *order[:_LISTED]]))
        several = f"{len(rows):,} selected, " if len(rows) > 1 else ""
        differ = f"{len(self._found.order):,} rows differ; the most different first"
        told = self._told(self._listed)
        made = list_html(self._cards, self._listed, told, self.ids, self._focus)
        self._list.value = f"<p><b>{several}{differ}</b></p>{made}"
        self._card.value = "" if self._focus is None else self._card_of(self._focus)

    def _told(self, rows: list[int]) -> dict[str, list[Any]]:
        table = self._found.table.iloc[rows]
        told = {name.replace("_", " "): table[name].tolist() for name in self._found.shown}
        if self._decided:
            told["decided"] = [self._decided.get(row, "") for row in rows]
        return told

    def _card_of(self, row: int) -> str:
        """Return an item, and for embeddings its nearest rows here and there."""
        if not self._is_of_vectors:
            return self._cards.card(row)
        near = {side: self._nearest(side, row, self._k) for side in ("left", "right")}
        return near_html(self._cards, row, near)

    def _nearest(self, side: str, row: int, k: int) -> list[int]:
        embedding = getattr(self._sides, side)
        return list(embedding.neighbors(k).indices[row].tolist())

    def _status(self) -> str:
        lost = np.all([half.lost for half in self._halves], axis=0).sum() if self._halves else 0
        more = f" {lost:,} have no place in the pictures." if lost else ""
        return f"{len(self.selected):,} of {len(self.ids):,} items selected.{more}"

    def _still(self) -> str:
        rows = (self._rows() or self._found.order.tolist())[:_STILL]
        figures = "".join(half.still() for half in self._halves)
        return (
            f"<div style='display:flex;gap:16px;flex-wrap:wrap'>{figures}</div>"
            f"{self._told_boards(lambda _, text: text)}"
            f"{self._cards.table(rows, self._told(rows))}"
        )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)[:80]
