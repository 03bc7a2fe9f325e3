"""What a ledger says of proposed labels, and what is decided about them written into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from curalab._check import BoolArray, IntArray, complain, first_few
from curalab.ledger import Ledger
from curalab.pseudo_labels import PseudoLabels
from curalab.pseudo_labels._accept import ACCEPTED, OPEN, REJECTED, standing_of, tags_of

__all__ = ["ACCEPTED", "OPEN", "REJECTED", "Standing", "refuse_labelled"]


class Standing:
    """How each proposal stands in a ledger.

    A large ledger takes a second to read: it is read at the start, and again only where others
    wrote to it meanwhile.

    Parameters
    ----------
    soft : PseudoLabels
        The proposals.
    ledger : Ledger
        Where they are decided.
    field : str
        The column that accepted labels go to.
    actor : str
        Who decides here.
    history : list
        Filled with the actor's own decisions that stand, oldest first, as (events, ids): what was
        recorded at once is one.

    Attributes
    ----------
    states : ndarray of shape (n_items,), int
        OPEN, ACCEPTED, REJECTED, or 3 where something else is decided.
    """

    def __init__(
        self,
        soft: PseudoLabels,
        ledger: Ledger,
        *,
        field: str,
        actor: str,
        history: list[tuple[Sequence[int], list[Any]]],
    ) -> None:
        self._soft, self._ledger, self._field, self._actor = soft, ledger, field, actor
        self._history = history
        self.read()

    def catch_up(self) -> None:
        """Read the ledger again if anybody else wrote to it."""
        if len(self._ledger) != self._n_events:
            self.read()

    def read(self) -> None:
        """Read from the ledger how each proposal stands."""
        self._n_events = len(self._ledger)
        self._before: dict[int, tuple[IntArray, IntArray, IntArray]] = {}
        known = self._ledger.decisions()
        self.states, self._events = standing_of(self._soft, known, self._field)
        known = known[known.index.isin(self._soft.ids)]
        own = known[(known["actor"] == self._actor).to_numpy()]
        batches = own.groupby("time", sort=False)
        self._history[:] = [(b["event"].tolist(), b.index.tolist()) for _, b in batches]

    def number(self, above: BoolArray) -> tuple[str, str]:
        """Return how many of the rows above a line are undecided, and what else is decided."""
        left, yes, no = (
            int(some.sum())
            for some in (
                above & (self.states == OPEN),
                self.states == ACCEPTED,
                self.states == REJECTED,
            )
        )
        return f"{left:,}", f"undecided; accepted so far {yes:,}, rejected {no:,}"

    def accept(self, rows: IntArray, *, reason: str, threshold: float) -> None:
        """Record the labels of rows in one transaction; a rejection is taken back first."""
        undone = self._withdraw(rows)
        events = self._soft.accept(
            self._ledger,
            actor=self._actor,
            threshold=threshold,
            ids=self._soft.ids[rows],
            field=self._field,
            reason=reason,
            new_classes=True,  # which of them are wanted is decided before
        )
        self._note(rows, ACCEPTED, events, undone)

    def reject(self, rows: IntArray) -> None:
        """Record a tag "not LABEL" on each row; an acceptance is taken back first."""
        undone = self._withdraw(rows)
        params = self._soft.params
        one = {"action": "tag", "actor": self._actor, "method": params.get("method")}
        one["embedding"] = params.get("embedding")
        sure = self._soft.confidence[rows]
        columns = {
            "row_id": self._soft.ids[rows].tolist(),
            "new": tags_of(self._soft.labels[rows]),
            "reason": [f"proposal rejected (confidence {c:.3f})" for c in sure],
            **{name: [value] * len(rows) for name, value in one.items()},
        }
        events = self._ledger.record_many(pd.DataFrame(columns, dtype=object))
        self._note(rows, REJECTED, events, undone)

    def undone(self, events: Sequence[int]) -> None:
        """Take notice that the last decision was taken back."""
        before = self._before.pop(events[0], None)
        self._n_events += len(events)
        if before is None:
            self.read()
        else:
            rows, states, numbers = before
            self.states[rows], self._events[rows] = states, numbers

    def _withdraw(self, rows: IntArray) -> list[int]:
        """Take back what stands about rows; return the events that do."""
        standing = self._events[rows][self.states[rows] != OPEN].tolist()
        return list(self._ledger.undo_many(standing, actor=self._actor)) if standing else []

    def _note(self, rows: IntArray, state: int, events: pd.RangeIndex, undone: list[int]) -> None:
        self._before[events[0]] = (rows, self.states[rows], self._events[rows])
        self._history.append(([*events, *undone], self._soft.ids[rows].tolist()))
        self.states[rows], self._events[rows] = state, events
        self._n_events += len(events) + len(undone)


def refuse_labelled(items: pd.DataFrame, field: str, rows: IntArray) -> None:
    """Refuse to give a label to rows of the table that have one."""
    if field not in items:
        rule = f"a table with the column {field!r}, for the labels accepted"
        what = f"the columns {first_few(items.columns, 20)}" if len(items.columns) else "no columns"
        raise ValueError(complain("items", rule, what=what))
    held = items[field].iloc[rows].notna().to_numpy()
    if held.any():
        rule = f"without a label in {field!r} where one is proposed"
        what = f"labels for the ids {first_few(items.index[rows[held]])}"
        hint = "Name the column that the proposals are for: labels=…."
        raise ValueError(complain("items", rule, what=what, hint=hint))
