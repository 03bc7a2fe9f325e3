"""Decisions about rows, on disk: recorded, undone, applied, compared, written out as Python.

Stages find; a person or a rule decides. A decision is one event in a :class:`Ledger`: which row,
what to do with it, who says so, by which method, and why.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd

from curalab._check import check_integer, complain
from curalab.ledger.events import ENTRIES, check_entry, decode, recipe_source
from curalab.ledger.replay import apply_decisions, changes, in_force, standing, stands, subjects
from curalab.ledger.storage import clear_errors, connect

__all__ = ["Ledger"]

_COLUMNS = ("event", "time", *ENTRIES, "undoes")
_INSERT = (
    f"INSERT INTO event (time, {', '.join(ENTRIES)}) VALUES (?{', ?' * len(ENTRIES)})"
)
_INHERITED: list[sqlite3.Connection] = []


class Ledger:
    """Decisions about the rows of a table, in one append-only SQLite file.

    A decision is on disk before the call that records it returns, nothing is ever deleted, and
    several notebooks, threads and processes may use the same file at once. While a ledger is open
    its newest events may stand in a second file, ``PATH-wal``: close it before copying it.

    Parameters
    ----------
    path : str or path
        The file; made where there is none. In a folder that cannot be written, a ledger that was
        closed can still be read.

    Attributes
    ----------
    path : Path
        Where the ledger is.

    Raises
    ------
    ValueError
        Where the path is a folder or in none, and where the file is not a ledger, is damaged or
        cut, or was written by a newer version. The file is left as it is.
    PermissionError
        Where the file or its folder cannot be written; reading an existing ledger works.
    TimeoutError
        Where another program kept the file locked for two minutes.

    Notes
    -----
    Ids and values are strings, numbers, bools, dates, datetimes or missing. The integer 1 and the
    string "1" are different ids, 1 and 1.0 the same. Datetimes come back as `pandas.Timestamp`
    with the same instant (a time zone as its offset), missing values as NaN.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from curalab.ledger import Ledger
    >>> items = pd.DataFrame({"label": ["cat", "dog", "cat"]}, index=["a", "b", "c"])
    >>> folder = tempfile.TemporaryDirectory()
    >>> with Ledger(f"{folder.name}/pets.ledger") as ledger:
    ...     event = ledger.record("a", action="drop", actor="Ann", reason="blurred")
    ...     event = ledger.record("c", action="relabel", field="label", old="cat", new="dog",
    ...                           actor="Ann")
    ...     clean = ledger.apply(items)
    >>> clean
      label
    b   dog
    c   dog
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(complain("path", "the path of a file", path))
        self.path = Path(path).absolute()
        self._connection: sqlite3.Connection | None = None
        self._attach()

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
        given = {
            "row_id": row_id,
            "field": field,
            "action": action,
            "old": old,
            "new": new,
            "actor": actor,
            "method": method,
            "params": params,
            "embedding": embedding,
            "reason": reason,
        }
        return int(self._append([check_entry(given)])[0])

    def record_many(self, frame: pd.DataFrame) -> pd.RangeIndex:
        """Write a table of decisions in one transaction: all of them, or none.

        Parameters
        ----------
        frame : DataFrame
            One row a decision. Columns `row_id`, `action` and `actor`, and any other parameter
            of :meth:`record`. Cells are read as there; where an action takes no value, NaN counts
            as None.

        Returns
        -------
        RangeIndex
            The numbers of the events, in the order of the rows.
        """
        if not isinstance(frame, pd.DataFrame):
            raise TypeError(complain("frame", "a DataFrame of decisions", frame))
        lacking = [name for name in ("row_id", "action", "actor") if name not in frame.columns]
        if lacking:
            rule = "a table with the columns row_id, action and actor"
            raise ValueError(complain("frame", rule, f"no {', '.join(lacking)}"))
        extra = [name for name in frame.columns if name not in ENTRIES]
        if extra or not frame.columns.is_unique:
            rule = f"a table of distinct columns among {', '.join(ENTRIES)}"
            raise ValueError(complain("frame", rule, list(frame.columns)))
        entries = []
        for row, cells in enumerate(zip(*(frame[n].tolist() for n in frame.columns), strict=True)):
            try:
                entries.append(check_entry(dict(zip(frame.columns, cells, strict=True))))
            except (TypeError, ValueError) as error:
                raise type(error)(f"{error} (Row {row} of the frame; none was recorded.)") from None
        return self._append(entries)

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
        if not isinstance(actor, str) or not actor.strip():
            raise (ValueError if isinstance(actor, str) else TypeError)(
                complain("actor", "text that is not empty", actor)
            )
        with self._transaction() as connection:
            target = self._last_of(connection, actor) if event is None else event
            last = connection.execute("SELECT max(event) FROM event").fetchone()[0] or 0
            target = check_integer("event", target, low=1, high=last) if last else 
            taken_back = _undone_by(connection, target)
            if taken_back:
                ...
