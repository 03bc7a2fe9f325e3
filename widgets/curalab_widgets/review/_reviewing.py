"""One queue after another: who reviews, in what order, what shows, and who comes next."""

from __future__ import annotations

from typing import Any

import pandas as pd
import traitlets

from curalab._check import check_real, complain
from curalab_widgets._panel import Panel
from curalab_widgets._selected import Ids
from curalab_widgets.review._note import Note
from curalab_widgets.review._queue import Suspects
from curalab_widgets.review._tally import Tally
from curalab_widgets.review._verdicts import Verdicts
from curalab_widgets.review._waiting import Waiting

__all__ = ["Reviewing"]


class Reviewing(Panel):
    """A panel that goes through a queue of items; what it shows of them is not decided here."""

    selected = Ids(most=1)
    decided = traitlets.Int(0)
    actor = traitlets.Any(default_value="")
    order = traitlets.Any(default_value="worst")
    second = traitlets.Bool(False)
    note = traitlets.Unicode("")
    threshold = traitlets.Float(1.0)
    recall = traitlets.Float(0.9)

    _state = ("actor", "order", "second", "threshold", "recall", "selected", "note")

    _suspects: Suspects
    _verdicts: Verdicts
    _waiting: Waiting
    _tally: Tally
    _note: Note
    _queue: list[int]
    _settling: int | None = None
    _looked_up: tuple[list[Any], list[int]] = ([], [])

    def _draw(self) -> None:
        raise NotImplementedError

    # ---- the queue -------------------------------------------------------------------------------

    @traitlets.validate("actor")
    def _named(self, proposal: Any) -> str:
        name = proposal["value"]
        if not isinstance(name, str) or not name.strip():
            raise ValueError(complain("actor", "a name to sign decisions with", name))
        return name.strip()

    @traitlets.validate("order")
    def _known_order(self, proposal: Any) -> str:
        return self._suspects.check_order(proposal["value"])

    @traitlets.validate("threshold", "recall")
    def _share(self, proposal: Any) -> float:
        return check_real(proposal["trait"].name, proposal["value"], low=0, high=1)

    def _rearranged(self, change: Any) -> None:
        if change["name"] == "actor":
            self._actor, self._history = self.actor, []
        self._say(f"Decisions are signed {self.actor}.")
        self._line_up()

    def _recalled(self, _: Any = None) -> None:
        self._tally.recall = self.recall
        self._tally.count()

    def _line_up(self) -> None:
        self._verdicts.read()
        rows = self._suspects.line_up(self.order, threshold=self.threshold)
        self._waiting.line_up(rows, self._actor, second=self.second)
        self._queue = self._waiting.rows
        self._go(self._waiting.next(None))
        self._tally.count()

    def _row(self) -> int:
        if not self.selected:
            raise ValueError("There is nothing to decide: all are decided.")
        return self._rows()[0]

    def _rows(self) -> list[int]:
        # Asked for many times a key: looking up an id takes pandas a millisecond.
        if self._looked_up[0] is not self.selected:
            self._looked_up = (self.selected, super()._rows())
        return self._looked_up[1]

    def _next(self) -> None:
        """Show the next undecided item of the queue, from its start again after its end."""
        self._go(self._waiting.next(self._row() if self.selected else None))

    def _step(self, by: int) -> None:
        if (row := self._waiting.beside(by)) is not None:
            self._go(row)

    def _go(self, row: int | None) -> None:
        chosen = [] if row is None else [self.ids[row]]
        if chosen == self.selected:
            self._draw()
        else:
            self.selected = chosen

    def _follow(self, ids: list[Any]) -> None:
        if known := [one for one in ids if one in self.ids]:
            self.selected = known[:1]

    def _pick(self, what: str, number: int) -> None:
        if what == "row":
            self.selected = [self.ids[number]]
        elif what == "conflict":
            self.settle(self.ids[number])

    def _moved(self, change: Any) -> None:
        self._note.move(change["old"], change["new"])
        row = self._rows()[0] if self.selected else None
        if row is not None:
            self._waiting.shown(row)
        if row != self._settling:
            self._settling = None
        self._draw()

    def _is_secret(self, row: int) -> bool:
        """Whether the actor shall still say of an item, blind, what others have said."""
        return self.second and row in self._waiting and self._waiting.own(row) is None

    def _relabelled(self) -> pd.Index:
        return self.ids[:0]  # Verdicts knows, and takes such a label back

    def _opinion(self, row: int) -> str:
        if row == self._settling:
            return "settled"
        return "second" if self.second and row in self._waiting else "first"
