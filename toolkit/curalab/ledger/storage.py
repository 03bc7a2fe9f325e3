"""What is written to and read from the file of a ledger, in transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from curalab._check import check_integer, complain
from curalab.ledger.connection import clear_errors, connect
from curalab.ledger.events import ENTRIES
from curalab.ledger.replay import subjects

__all__ = ["Storage"]

_COLUMNS = ("time", *ENTRIES, "undoes")
_APPEND = f"INSERT INTO event (time, {', '.join(ENTRIES)}) VALUES (?{', ?' * len(ENTRIES)})"
_UNDO = """INSERT INTO event (time, row_id, field, action, old, new, actor, reason, undoes)
    SELECT ?, row_id, field, 'undo', old, new, ?, '', event FROM event WHERE event = ?"""
_EXTEND = f"INSERT INTO event ({', '.join(_COLUMNS)}) VALUES (?{', ?' * len(ENTRIES)}, ?)"
_MARKS = ("kind", "name", "first", "event", "time", "actor", "reason")
# Made with the first mark: a ledger without any stays readable by every version, and with some too.
_MARK_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS mark (
        mark INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, first INTEGER NOT NULL,
        event INTEGER NOT NULL, time TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL)""",
    """CREATE TRIGGER IF NOT EXISTS mark_no_update BEFORE UPDATE ON mark
        BEGIN SELECT RAISE(ABORT, 'a ledger is append-only'); END""",
    """CREATE TRIGGER IF NOT EXISTS mark_no_delete BEFORE DELETE ON mark
        BEGIN SELECT RAISE(ABORT, 'a ledger is append-only'); END""",
)
Plan = Callable[[pd.DataFrame], Sequence[tuple[object, ...]]]
_INHERITED: list[sqlite3.Connection] = []


class Storage:
    """One file of events, for every thread of this process and for processes forked from it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_open = False
        self._attach()

    def _attach(self) -> None:
        self._connection = connect(self.path)
        self._lock = threading.Lock()
        self._process = os.getpid()
        self.is_open = True

    @contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        if self.is_open and self._process != os.getpid():
            # After a fork a connection must be neither used nor closed, not by the garbage
            # collector either: it would act on locks that are the parent's.
            _INHERITED.append(self._connection)
            self._attach()
        with self._lock, clear_errors(self.path):
            if not self.is_open:
                raise ValueError(
                    f"The ledger {self.path.name!r} must be open. Got a closed one instead. "
                    "Open it again with Ledger(path)."
                )
            with self._connection as connection:
                connection.execute(begin)
                yield connection

    def append(self, entries: Sequence[tuple[str | None, ...]]) -> pd.RangeIndex:
        """Write entries as events, all or none, and return their numbers."""
        with self._transaction() as connection:
            first = _newest(connection) + 1
            now = _now()
            connection.executemany(_APPEND, ((now, *entry) for entry in entries))
        return pd.RangeIndex(first, first + len(entries), name="event")

    def undo(self, event: int | None, *, actor: str) -> int:
        """Write an event that takes back `event`, or the actor's own last; return its number."""
        with self._transaction() as connection:
            target = _last_of(connection, actor) if event is None else _check(connection, event)
            return int(connection.execute(_UNDO, (_now(), actor, target)).lastrowid or 0)

    def undo_many(self, events: Sequence[int], *, actor: str) -> pd.RangeIndex:
        """Write events that take back `events`, all or none; return their numbers."""
        with self._transaction() as connection:
            first, now = _newest(connection) + 1, _now()
            for event in events:
                connection.execute(_UNDO, (now, actor, _check(connection, event)))
        return pd.RangeIndex(first, first + len(events), name="event")

    def read(self, columns: Sequence[str] = _COLUMNS, *, newest: int | None = None) -> pd.DataFrame:
        """Return all events or the newest few, values as JSON text.

        With all columns comes the `subject` of each.
        """
        with self._transaction("BEGIN") as connection:
            return _read(connection, columns, newest)

    def extend(self, plan: Plan, *, source: str, actor: str) -> pd.RangeIndex:
        """Write what `plan` makes of the events here: rows of _COLUMNS, whose time None is now.

        A mark says who took them over and when, for their own times may be long past.
        """
        with self._transaction() as connection:
            rows = plan(_read(connection))
            first, now = _newest(connection) + 1, _now()
            connection.executemany(_EXTEND, ((row[0] or now, *row[1:]) for row in rows))
            if rows:
                last = first + len(rows) - 1
                _mark(connection, ("merge", source, first, last, now, actor, ""))
        return pd.RangeIndex(first, first + len(rows), name="event")

    def checkpoint(self, name: str, *, actor: str, reason: str) -> int:
        """Give the newest event a name that none has; return its number."""
        with self._transaction() as connection:
            if name in _marks(connection).query("kind == 'checkpoint'")["name"].tolist():
                raise ValueError(complain("name", "a name that no checkpoint has yet", name))
            newest = _newest(connection)
            _mark(connection, ("checkpoint", name, newest, newest, _now(), actor, reason))
        return newest

    def copy(self, events: pd.DataFrame, marks: pd.DataFrame) -> None:
        """Write the events and marks of another ledger into this new one."""
        with self._transaction() as connection:
            rows = zip(*(events[name] for name in _COLUMNS), strict=True)
            connection.executemany(_EXTEND, rows)
            for mark in marks.itertuples(index=False):
                _mark(connection, tuple(mark))

    def marks(self) -> pd.DataFrame:
        """Return what was said of the ledger itself: `kind` "checkpoint" or "merge"."""
        with self._transaction("BEGIN") as connection:
            return _marks(connection)

    def __len__(self) -> int:
        with self._transaction("BEGIN") as connection:
            return _newest(connection)

    def close(self) -> None:
        """Close the file; all events are then in it alone."""
        if self.is_open and self._process == os.getpid():
            with self._lock, clear_errors(self.path):
                self._connection.close()
        self.is_open = False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _read(
    connection: sqlite3.Connection, columns: Sequence[str] = _COLUMNS, newest: int | None = None
) -> pd.DataFrame:
    names = ["event", *columns]
    query = f"SELECT {', '.join(names)} FROM event ORDER BY event DESC LIMIT ?"
    rows = connection.execute(query, (-1 if newest is None else newest,)).fetchall()
    events = pd.DataFrame(rows[::-1], columns=pd.Index(names), dtype=object)
    events.index = pd.Index(events.pop("event"), dtype="int64", name="event")
    return events.assign(subject=subjects(events)) if columns is _COLUMNS else events


def _marks(connection: sqlite3.Connection) -> pd.DataFrame:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'mark'").fetchone()
    query = f"SELECT {', '.join(_MARKS)} FROM mark ORDER BY mark"
    rows = connection.execute(query).fetchall() if known else []
    marks = pd.DataFrame(rows, columns=pd.Index(_MARKS), dtype=object)
    return marks.astype({"first": "int64", "event": "int64"})


def _mark(connection: sqlite3.Connection, row: tuple[object, ...]) -> None:
    for statement in _MARK_SCHEMA:
        connection.execute(statement)
    holes = ", ".join("?" * len(_MARKS))
    connection.execute(f"INSERT INTO mark ({', '.join(_MARKS)}) VALUES ({holes})", row)


def _newest(connection: sqlite3.Connection) -> int:
    """Return the number of the newest event, which is how many there are: none is ever deleted."""
    return int(connection.execute("SELECT coalesce(max(event), 0) FROM event").fetchone()[0])


def _last_of(connection: sqlite3.Connection, actor: str) -> int:
    query = "SELECT event FROM event WHERE actor = ? AND action <> 'undo' ORDER BY event DESC"
    for (event,) in connection.execute(query, (actor,)):
        if _undo_of(connection, event) is None:
            return int(event)
    raise ValueError(complain("actor", "someone with a decision left to undo", actor))


def _check(connection: sqlite3.Connection, event: int) -> int:
    known = check_integer("event", event, low=1)
    newest = _newest(connection)
    if known > newest:
        hint = f"The ledger holds {newest:,} events."
        raise ValueError(complain("event", "an event of the ledger", event, hint))
    undo = _undo_of(connection, known)
    if undo is not None:
        hint = f"Event {undo} took it back; undo that one to bring it back."
        raise ValueError(complain("event", "an event not taken back yet", event, hint))
    return known


def _undo_of(connection: sqlite3.Connection, event: int) -> int | None:
    """Return the undo that holds against `event`, if one does: it is itself not taken back."""
    query = """WITH RECURSIVE later (event, undoes) AS (
        SELECT event, undoes FROM event WHERE undoes = ? UNION ALL
        SELECT event.event, event.undoes FROM event JOIN later ON event.undoes = later.event)
        SELECT event, undoes FROM later ORDER BY event DESC"""
    held: dict[int, int] = {}
    for undo, target in connection.execute(query, (event,)):
        if undo not in held:
            held[target] = undo
    return held.get(event)
