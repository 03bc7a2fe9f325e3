"""What is written to and read from the file of a ledger, in transactions."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from curalab._check import complain
from curalab.ledger.branches import Named
from curalab.ledger.connection import clear_errors, connect
from curalab.ledger.events import ENTRIES
from curalab.ledger.replay import subjects

__all__ = ["Storage", "write_ledger"]

_COLUMNS = ("time", *ENTRIES, "undoes")
_APPEND = f"INSERT INTO event (time, {', '.join(ENTRIES)}) VALUES (?{', ?' * len(ENTRIES)})"
_UNDO = """INSERT INTO event (time, row_id, field, action, old, new, actor, reason, undoes)
    SELECT ?, row_id, field, 'undo', old, new, ?, '', event
    FROM json_each(?) AS asked JOIN event ON event = asked.value ORDER BY asked.key"""
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
Plan = Callable[[pd.DataFrame], tuple[Sequence[tuple[object, ...]], Sequence[Named]]]
_AT_ONCE = 1_000  # events asked about in one statement while looking for the last that stands
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

    def undo(self, events: Sequence[int] | None, *, actor: str) -> pd.RangeIndex:
        """Write events that take back `events`, all or none; None: the actor's own last."""
        with self._transaction() as connection:
            targets = [_last_of(connection, actor)] if events is None else events
            _check(connection, targets)
            first, now = _newest(connection) + 1, _now()
            connection.execute(_UNDO, (now, actor, json.dumps(targets)))
        return pd.RangeIndex(first, first + len(targets), name="event")

    def read(self, columns: Sequence[str] = _COLUMNS, *, newest: int | None = None) -> pd.DataFrame:
        """Return all events or the newest few, values as JSON text.

        With all columns comes the `subject` of each.
        """
        with self._transaction("BEGIN") as connection:
            return _read(connection, columns, newest)

    def extend(self, plan: Plan, *, source: str, actor: str) -> pd.RangeIndex:
        """Write what `plan` makes of the events here: rows of _COLUMNS, and checkpoints.

        Their time None is now. A mark says who took them over and when, for their own times may be
        long past. A checkpoint that is here already is not taken again.
        """
        with self._transaction() as connection:
            rows, checkpoints = plan(_read(connection))
            first, now = _newest(connection) + 1, _now()
            connection.executemany(_EXTEND, ((row[0] or now, *row[1:]) for row in rows))
            if rows:
                last = first + len(rows) - 1
                _mark(connection, ("merge", source, first, last, now, actor, ""))
            known = _checkpoints(connection)
            for name, event, time, *said in checkpoints:
                mark = (event, time or now, *said)
                if name not in known:
                    known[name] = mark
                    _mark(connection, ("checkpoint", name, event, *mark))
                elif known[name] != mark:
                    rule = "a file whose checkpoints have names that are free here"
                    hint = "Import it into a ledger of its own."
                    raise ValueError(complain("path", rule, name, hint))
        return pd.RangeIndex(first, first + len(rows), name="event")

    def checkpoint(self, name: str, *, actor: str, reason: str) -> int:
        """Give the newest event a name that none has; return its number."""
        with self._transaction() as connection:
            if name in _checkpoints(connection):
                raise ValueError(complain("name", "a name that no checkpoint has yet", name))
            newest = _newest(connection)
            _mark(connection, ("checkpoint", name, newest, newest, _now(), actor, reason))
        return newest

    def fill(self, events: pd.DataFrame, marks: pd.DataFrame) -> None:
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


def write_ledger(path: Path, events: pd.DataFrame, marks: pd.DataFrame) -> None:
    """Make a ledger of events and marks, or, where that fails, none."""
    try:
        made = Storage(path)
        try:
            made.fill(events, marks)
        finally:
            made.close()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


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


def _checkpoints(connection: sqlite3.Connection) -> dict[str, tuple[object, ...]]:
    marks = _marks(connection).query("kind == 'checkpoint'").set_index("name")
    told = marks[["event", "time", "actor", "reason"]]
    return dict(zip(told.index, told.itertuples(index=False, name=None), strict=True))


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
    own = connection.execute(query, (actor,))
    while some := [event for (event,) in own.fetchmany(_AT_ONCE)]:
        undone = _undos_of(connection, some)
        for event in some:
            if event not in undone:
                return int(event)
    raise ValueError(complain("actor", "someone with a decision left to undo", actor))


def _check(connection: sqlite3.Connection, events: Sequence[int]) -> None:
    """Refuse the first of the events that is not there, is taken back or is asked for twice."""
    newest, undone = _newest(connection), _undos_of(connection, events)
    seen: set[int] = set()
    for event in events:
        if event > newest:
            hint = f"The ledger holds {newest:,} events."
            raise ValueError(complain("event", "an event of the ledger", event, hint))
        if event in undone:
            hint = f"Event {undone[event]} took it back; undo that one to bring it back."
            raise ValueError(complain("event", "an event not taken back yet", event, hint))
        if event in seen:
            hint = "It stands twice among the events."
            raise ValueError(complain("event", "an event not taken back yet", event, hint))
        seen.add(event)


def _undos_of(connection: sqlite3.Connection, events: Sequence[int]) -> dict[int, int]:
    """Return the undo that holds against each event that has one: it is itself not taken back."""
    query = """WITH RECURSIVE later (event, undoes) AS (
        SELECT event, undoes FROM event WHERE undoes IN (SELECT value FROM json_each(?)) UNION
        SELECT event.event, event.undoes FROM event JOIN later ON event.undoes = later.event)
        SELECT event, undoes FROM later ORDER BY event DESC"""
    held: dict[int, int] = {}
    for undo, target in connection.execute(query, (json.dumps(events),)):
        if undo not in held:
            held[target] = undo
    return held
