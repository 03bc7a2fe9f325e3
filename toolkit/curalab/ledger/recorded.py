"""What stands in one ledger: recorded, undone, applied, shown."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd

from curalab._check import check_integer, complain
from curalab._hidden import is_metrics_only
from curalab.ledger.events import ENTRIES, check_entries, check_entry, check_text
from curalab.ledger.history import changes, moment_of, told
from curalab.ledger.recipe import recipe_source
from curalab.ledger.replay import apply_decisions, in_force, standing, stands
from curalab.ledger.storage import Storage

__all__ = ["Moment", "Recorded"]

Moment = int | str | datetime | None


class Recorded:
    """The decisions of one file. `Ledger` adds what goes between ledgers, and says what it is."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(complain("path", "the path of a file", path))
        self.path = Path(path).absolute()
        self._storage = Storage(self.path)

    def record(
        self,
        row_id: object,
        *,
        action: str,
        field: str | None = None,
        old: object = None,
        new: object = None,
        actor: str,
        method: str | None = None,
        params: Mapping[str, Any] | None = None,
        embedding: str | None = None,
        reason: str = "",
    ) -> int:
        """Write one decision and return the number of its event.

        Parameters
        ----------
        row_id : str, number or date
            The row.
        action : {"keep", "drop", "relabel", "weight", "tag"}
            What is decided. Keep and drop answer each other, and so do two relabels of one field
            and two weights of one row: the latest counts. Tags add up.
        field : str, optional
            The column that a relabel changes; other actions need none.
        old : scalar, optional
            What the table holds before. For a relabel, :meth:`apply` checks it: None is not
            checked, NaN says that the label was missing.
        new : scalar
            The label of a relabel (NaN takes the label away), the weight (0 or more), or the tag.
        actor : str
            Who decides: a person's name, or a method's where a rule decides.
        method, params, embedding : str, mapping, str, optional
            What the decision rests on: the method that proposed it, its parameters as JSON can
            hold them, and the fingerprint of the embedding.
        reason : str, optional
            Why, in words.

        Returns
        -------
        int
            The number of the event. Numbers give the order of events: clocks may go backwards.
        """
        cells = (row_id, field, action, old, new, actor, method, params, embedding, reason)
        entry = check_entry(dict(zip(ENTRIES, cells, strict=True)))
        return int(self._storage.append([entry])[0])

    def record_many(self, frame: pd.DataFrame) -> pd.RangeIndex:
        """Write a table of decisions in one transaction: all of them, or none.

        Parameters
        ----------
        frame : DataFrame
            One row a decision. Columns `row_id`, `action` and `actor`, and any other parameter
            of :meth:`record`. Cells are read as there; where an action takes no value, NaN counts
            as None. Relabels should have `old`: without it nobody notices when the source has
            changed meanwhile, neither `apply` nor `replay`.

        Returns
        -------
        RangeIndex
            The numbers of the events, in the order of the rows.
        """
        return self._storage.append(check_entries(frame))

    def undo(self, event: int | None = None, *, actor: str) -> int:
        """Take back an event by writing another; taking back an undo brings the decision back.

        Parameters
        ----------
        event : int, optional
            The event, by whomever. None: the actor's own last decision not taken back yet.
        actor : str
            Who takes it back.

        Returns
        -------
        int
            The number of the new event, of action "undo", which repeats the row, field and values
            of the event it takes back.
        """
        known = None if event is None else [check_integer("event", event, low=1)]
        return int(self._storage.undo(known, actor=check_text("actor", actor))[0])

    def undo_many(self, events: Iterable[int], *, actor: str) -> pd.RangeIndex:
        """Take back several events in one transaction: all of them, or none.

        Parameters
        ----------
        events : iterable of int
            The events, each once, none of them taken back yet when the call is made.
        actor : str
            Who takes them back.

        Returns
        -------
        RangeIndex
            The numbers of the new events, in the order of `events`.
        """
        if not isinstance(events, Iterable):
            raise TypeError(complain("events", "a sequence of event numbers", events))
        known = [check_integer("event", event, low=1) for event in events]
        return self._storage.undo(known, actor=check_text("actor", actor))

    def apply(self, items: pd.DataFrame, *, at: Moment = None) -> pd.DataFrame:
        """Carry the decisions out on a table and return a new one.

        Dropped rows go. Relabels go into their field, whose dtype stays where it holds them. If any
        row has a weight, the column `weight` holds it (elsewhere what it held, or 1.0); if any has
        a tag, the column `tags` holds a sorted list for each row.

        Parameters
        ----------
        items : DataFrame
            The source table; its index holds the ids. Not modified.
        at : int, str or datetime, optional
            The moment up to which decisions count, as in :meth:`diff`. None: now.

        Returns
        -------
        DataFrame
            The curated table, rows in the order of `items`.

        Raises
        ------
        ValueError
            Where `items` lacks rows or columns that the ledger decides on.
        StaleDecisionError
            Where a relabel says an `old` value that is neither in `items` nor what an earlier
            decision made of it.
        """
        needed = ["row_id", "field", "action", "old", "new", "undoes"]
        needed += [] if at is None else ["time"]  # a million times are read for nothing else
        return apply_decisions(items, self._until(at, self._storage.read(needed)))

    def decisions(self, *, at: Moment = None) -> pd.DataFrame:
        """Return the decisions in force: for each row and field the latest, and every tag.

        Parameters
        ----------
        at : int, str or datetime, optional
            The moment at which they were in force, as in :meth:`diff`. None: now.

        Returns
        -------
        DataFrame
            Indexed by `row_id`, in the order of events, so that ``items.index.isin(...)`` of its
            index says which rows are decided. Columns as in :meth:`to_frame`, with `event` and
            without `undoes` and `active`.
        """
        decided = told(in_force(standing(self._until(at, self._storage.read()))))
        return decided.drop(columns="undoes").reset_index().set_index("row_id")

    def to_frame(self) -> pd.DataFrame:
        """Return all events, one row each, oldest first.

        Returns
        -------
        DataFrame
            Indexed by `event`. `old` and `new` are None where nothing was stated and NaN where a
            missing value was; `undoes` is the event that an undo takes back; `active` is False for
            what was taken back or replaced by a later decision. Events with the same `params` share
            one mapping.
        """
        events = self._storage.read()
        is_undo = (events["action"] == "undo").to_numpy()
        latest = events.index.isin(in_force(standing(events)).index)
        return told(events).assign(active=latest | (is_undo & stands(events)))

    def diff(self, a: Moment = None, b: Moment = None) -> pd.DataFrame:
        """Compare what is decided at two moments.

        Parameters
        ----------
        a, b : int, str or datetime, optional
            Each the number of an event, the name of a checkpoint, or a time, which stands for the
            last event recorded by then (a time without zone is UTC; merged events count from the
            merge on). None: before the first event for `a`, now for `b`.

        Returns
        -------
        DataFrame
            One row for each row and field (None: the row itself; one for each tag) decided
            differently. `before` and `after` are the label, weight, tag, "keep" or "drop" decided
            by then, else the old value if one was stated, else None. `event`, `time`, `actor`,
            `method` and `reason` are of the decision in force at `b`, or of the undo that left
            none. `conflict` maps each actor to what they last decided where two of them differ at
            `b`; elsewhere it is None.
        """
        marks, events = self._storage.marks(), self._storage.read()
        since = 0 if a is None else moment_of("a", a, events, marks)
        until = len(events) if b is None else moment_of("b", b, events, marks)
        return changes(events, since, until)

    def _until(self, at: Moment, events: pd.DataFrame) -> pd.DataFrame:
        if at is None:
            return events
        return events[events.index <= moment_of("at", at, events, self._storage.marks())]

    def recipe(self) -> str:
        """Return the decisions as Python that turns the table `items` into the table `clean`.

        The code records anew what stands here, with who, by which method and why, in a ledger of
        its own, and applies it: on the same items `clean` is what :meth:`apply` returns. Above
        1,000 decisions it holds them as JSON, a line each, which Python reads faster.
        """
        return recipe_source(told(standing(self._storage.read())))

    def close(self) -> None:
        """Close the file; all decisions are then in it alone."""
        self._storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._storage)

    def __bool__(self) -> bool:
        return True  # a ledger without events is still a ledger

    def __repr__(self) -> str:
        state = f"{len(self):,} events" if self._storage.is_open else "closed"
        return f"Ledger({self.path.name!r}, {state})"

    def _repr_html_(self) -> str:
        title = f"<p>{escape(repr(self))}</p>"
        if not self._storage.is_open:
            return title
        if is_metrics_only():
            return title
        newest = told(self._storage.read(newest=5))
        shown = newest[["time", "row_id", "field", "action", "old", "new", "actor", "reason"]]
        return title + shown.map(_shortened).to_html(na_rep="")


def _shortened(cell: object) -> object:
    return f"{cell[:197]}..." if isinstance(cell, str) and len(cell) > 200 else cell
