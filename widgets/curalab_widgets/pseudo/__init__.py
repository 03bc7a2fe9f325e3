"""Proposed labels: how right they are above which line, and those above it into the ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from curalab._check import BoolArray, IntArray, align, are_invented, check_real
from curalab.items._table import check_table
from curalab.ledger import Ledger
from curalab.pseudo_labels import Honesty
from curalab_widgets._cards import Cards
from curalab_widgets._panel import Panel
from curalab_widgets.figures._live import live
from curalab_widgets.pseudo._controls import STEP, controls
from curalab_widgets.pseudo._drawn import figure, redraw, shapes, still, told_facts
from curalab_widgets.pseudo._line import Line, fitting
from curalab_widgets.pseudo._rows import gallery
from curalab_widgets.pseudo._standing import ACCEPTED, OPEN, REJECTED, Standing, refuse_labelled

__all__ = ["PseudoLabelPanel"]

_START = 0.9


class PseudoLabelPanel(Panel):
    """Where to draw the line between proposed labels to accept and to leave.

    Moving the line shows how many labels lie above it and how many of these are right. Those above
    it, or single ones, go into the ledger: `accept`, `accept_selected`, `reject`, `undo`. What is
    decided in the ledger already, by whomever, is not asked again.

    Parameters
    ----------
    soft : PseudoLabels or Honesty
        The proposals, or what ``cl.pseudo_labels.honesty`` found, which holds them.
    items : DataFrame, default=None
        The items, aligned by id, for the cards. None shows ids.
    honesty : Honesty, default=None
        What held-out labels say of `soft`, which is calibrated by it. None with PseudoLabels: how
        right the labels are is not known.
    ledger : Ledger, default=None
        Where decisions go.
    labels : str, default="label"
        The column that accepted labels go to.
    actor : str, default=None
        Who decides. None is the name of the user.
    link : str, default=None
        Panels of the same name share what is selected.

    Attributes
    ----------
    threshold : float
        The line: the confidence from which labels are accepted. It starts at
        ``honesty.threshold(0.95)`` where there is one, else at 0.9.
    discovered : bool
        Whether discovered classes are accepted, too.
    accepted : list
        Ids of the proposals at or above the line, decided or not.
    selected : list
        Ids of the rows selected.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab_widgets.pseudo import PseudoLabelPanel
    >>> x = np.random.default_rng(0).normal(size=(40, 3)) + np.repeat([[0], [9]], 20, axis=0)
    >>> labels = ["a"] + [None] * 19 + ["b"] + [None] * 19
    >>> soft = cl.pseudo_label(cl.Embedding(vectors=x, metric="euclidean"), labels)
    >>> panel = PseudoLabelPanel(soft)
    >>> panel.threshold = 0.5
    >>> len(panel.accepted)
    38
    """

    threshold = traitlets.Any(default_value=None)  # none is the default: it starts where it is best
    discovered = traitlets.Bool(False)
    accepted: traitlets.List[Any] = traitlets.List(read_only=True)

    _state = ("threshold", "discovered", "selected")
    _slider: ipywidgets.FloatSlider
    _view: ipywidgets.ToggleButtons
    _beside: ipywidgets.VBox
    _accept: ipywidgets.Button  # with a ledger

    def __init__(
        self,
        soft: Any,
        items: pd.DataFrame | None = None,
        *,
        honesty: Honesty | None = None,
        ledger: Ledger | None = None,
        labels: str = "label",
        actor: str | None = None,
        link: str | None = None,
    ) -> None:
        self._soft, honesty = fitting(soft, honesty)
        table = pd.DataFrame(index=self._soft.ids)
        if items is not None:
            table = align("items", check_table("items", items), self._soft.ids)
            if are_invented(self._soft.ids):
                self._soft = replace(self._soft, ids=table.index)
        own = "label" if items is None else labels  # without a table the ledger alone knows it
        title = "Proposed labels"
        super().__init__(table, title=title, ledger=ledger, labels=own, actor=actor, link=link)
        self._field, self._has_items = labels, items is not None
        self._cards = Cards(table.drop(columns=self._labels or []))
        self._line = Line(self._soft, honesty)
        self._standing = ledger and Standing(
            self._soft, ledger, field=labels, actor=self._actor, history=self._history
        )
        self._facts, self._classes, self._gallery, self._card = (
            ipywidgets.HTML() for _ in range(4)
        )
        self._plot = live(figure(self._line, discovered=False))
        self._show(*controls(self))
        try:
            self.threshold = self._line.reachable(0.95, discovered=False)
        except ValueError:
            self.threshold = _START

    # ---- the line --------------------------------------------------------------------------------

    def reach(self, accuracy: float = 0.95) -> None:
        """Move the line to where so many of the labels above it are right, choice included.

        That is the lowest line above which at least ``accuracy - 0.02`` are right with a chance of
        95 %, though it is chosen for that.

        Raises
        ------
        ValueError
            No line is sure to bring it, or nothing was judged; the line stays.
        """
        check_real("accuracy", accuracy, low=0.02, high=1)
        self.threshold = self._line.reachable(accuracy, discovered=self.discovered)
        self._say(
            f"From {self.threshold:.3f} on, at least {accuracy - 0.02:.1%} are right with a chance "
            "of 95 %, the choice of the line included."
        )

    def _slid(self, change: Any) -> None:
        if abs(change["new"] - self.threshold) > STEP / 2 + 1e-9:  # not the line itself, rounded
            self.threshold = change["new"]

    def _clicked(self, trace: Any, points: Any, _: Any) -> None:
        if points.point_inds:
            self.threshold = float(trace.x[points.point_inds[0]])

    @traitlets.validate("threshold")
    def _a_share(self, proposal: Any) -> float:
        return check_real("threshold", proposal["value"], low=0, high=1)

    def _above(self) -> BoolArray:
        return self._line.above(self.threshold, discovered=self.discovered)

    # ---- decisions -------------------------------------------------------------------------------

    def accept(self) -> None:
        """Record the labels above the line that nobody has decided on, all in one transaction."""
        rows = np.flatnonzero(self._above() & (self._now().states == OPEN))
        if not len(rows):
            raise ValueError("There is nothing to accept: no row above the line is undecided.")
        self._write(rows, f"above the line at {self.threshold:.3f}", self.threshold)

    def accept_selected(self) -> None:
        """Record the proposed labels of the selected rows, wherever the line is."""
        self._write(self._chosen("accept", (OPEN, REJECTED)), "selected", 0.0)

    def reject(self) -> None:
        """Record that the proposals of the selected rows are wrong: these stay without a label.

        They get the tag "not LABEL". Where a proposal was accepted, that is taken back.
        """
        rows = self._chosen("reject", (OPEN, ACCEPTED))
        self._now().reject(rows)
        self.recorded += 1
        self._tell(f"Recorded: {self._count(len(rows))}, signed {self._actor}.")

    def undo(self) -> None:
        """Take back the last decision, an acceptance as a whole; after a restart the actor's."""
        standing = self._now()
        if not self._history:
            raise ValueError("There is nothing to take back.")
        events, ids = self._history[-1]
        self._say(f"Taking back {self._count(len(ids))} …")
        super().undo()
        standing.undone(events)
        self._tell(f"Taken back: {self._count(len(ids))}.")

    def _heed(self, decisions: pd.DataFrame | None) -> None:
        if decisions is not None:  # keep, drop or another label; `undo` sees to itself
            self._now()
            self._draw()

    def _now(self) -> Standing:
        """Return how the proposals stand, by what anybody has written until now."""
        self._need_ledger()
        standing: Standing = self._standing  # type: ignore[assignment]  # there is a ledger
        standing.catch_up()
        return standing

    def _chosen(self, what: str, states: tuple[int, ...]) -> IntArray:
        """Return the selected rows whose proposal stands as one of `states`."""
        states_now, rows = self._now().states, np.asarray(self._rows(), dtype=np.intp)
        can = self._line.proposals(discovered=self.discovered)[rows]
        rows = rows[can & np.isin(states_now[rows], states)]
        if not len(rows):
            raise ValueError(f"There is nothing to {what}: select rows with a proposal to {what}.")
        return rows

    def _write(self, rows: IntArray, reason: str, threshold: float) -> None:
        if self._has_items:
            refuse_labelled(self._items, self._field, rows)
        self._say(f"Recording {self._count(len(rows))} …")
        self._now().accept(rows, reason=reason, threshold=threshold)
        self.recorded += 1
        self._tell(f"Recorded: {self._count(len(rows))}, signed {self._actor}.")

    # ---- what shows ------------------------------------------------------------------------------

    @traitlets.observe("threshold", "discovered")
    def _move(self, change: Any) -> None:
        self.set_trait("accepted", self.ids[self._above()].tolist())
        self._slider.value = round(self.threshold, 3)  # as the browser would have it
        with self._plot.batch_update():
            self._plot.layout.shapes = shapes(self.threshold)
            if change["name"] == "discovered":
                redraw(self._plot, self._line, discovered=self.discovered)
        self._draw()

    @traitlets.observe("selected")
    def _show_selected(self, _: Any) -> None:
        self._draw_gallery()
        self._say(f"{len(self.selected):,} of {len(self.ids):,} items selected.")

    def _tell(self, text: str) -> None:
        self._draw()
        self._say(text)

    def _draw(self) -> None:
        above = self._above()
        self._facts.value = told_facts(self, above)
        self._classes.value = self._line.table(self.threshold, above, tag="button")
        if self._standing:
            n = int((above & (self._standing.states == OPEN)).sum())
            self._accept.description = f"Accept above the line: {n:,} (A)"
        self._draw_gallery()

    def _draw_gallery(self, _: Any = None) -> None:
        can = self._line.proposals(discovered=self.discovered)
        if self._standing:
            can = can & (self._standing.states == OPEN)
        self._gallery.value = gallery(
            self._view.value,
            self._line,
            self._cards,
            undecided=self._line.order[can[self._line.order]],
            threshold=self.threshold,
            ids=self.ids,
            selected=self.selected,
        )

    def _pick(self, what: str, number: int) -> None:
        if what == "class":
            self._view.value = "Selected"
            self.selected = self.ids[self._above() & (self._line.codes == number)]
        elif what == "row":
            known = self.ids[number]
            rest = [one for one in self.selected if one != known]
            self.selected = [*self.selected, known] if len(rest) == len(self.selected) else rest
            self._card.value = f"{self._cards.card(number)}<p>{self._line.likely(number)}</p>"

    def _still(self) -> str:
        return still(self)
