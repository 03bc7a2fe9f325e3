"""The SQLite file of a ledger: made, opened, or refused with the reason."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from curalab._check import complain

__all__ = ["clear_errors", "connect"]

logger = logging.getLogger(__name__)

_APPLICATION = 0x434C6467  # "CLdg", in the header of every ledger
_VERSION = 1
_PATIENCE = 120.0  # seconds to wait for other writers: each holds the file for one commit
_QUERY = "mode=rwc"
_SCHEMA = (
    """CREATE TABLE event (
        event INTEGER PRIMARY KEY, time TEXT NOT NULL, row_id TEXT NOT NULL, field TEXT,
        action TEXT NOT NULL, old TEXT, new TEXT, actor TEXT NOT NULL, method TEXT, params TEXT,
        embedding TEXT, reason TEXT NOT NULL, undoes INTEGER REFERENCES event)""",
    "CREATE INDEX event_undoes ON event (undoes) WHERE undoes IS NOT NULL",
    """CREATE TRIGGER event_no_update BEFORE UPDATE ON event
        BEGIN SELECT RAISE(ABORT, 'a ledger is append-only'); END""",
    """CREATE TRIGGER event_no_delete BEFORE DELETE ON event
        BEGIN SELECT RAISE(ABORT, 'a ledger is append-only'); END""",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
)


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to the ledger at `path`, which is made where there is none.

    The file is only ever read through SQLite: closing any other handle on it would drop the locks
    that this process holds on it (POSIX), and two writers could meet.
    """
    _check_place(path)
    with clear_errors(path):
        connection = _open(path, _QUERY)
        try:
            connection, read_only = _first_read(connection, path)
            _check_header(connection, path)
            if not read_only:
                _make_durable(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """Say what SQLite's errors mean for the ledger at `path`."""
    try:
        yield
    except sqlite3.Error as error:
        code = _code(error)
        # An error without a code of its own: a column is missing, or a text is not UTF-8.
        is_other = isinstance(error, sqlite3.OperationalError) and code == sqlite3.SQLITE_ERROR
        if is_other or code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise _not_whole(path, code) from error
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            raise _not_writable(path) from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise TimeoutError(
                f"The ledger {path.name!r} must be free for writing within {_PATIENCE:g} seconds. "
                "Got a lock that another program kept instead. Nothing was recorded: close that "
                "program and repeat the call."
            ) from error
        raise OSError(
            f"The ledger {path.name!r} must be on a disk that takes what is written. Got "
            f"{str(error)!r} instead. Nothing of this call was recorded: repeat it afterwards."
        ) from error


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def _not_writable(path: Path) -> PermissionError:
    rule = "a file that can be written, in a folder that can be"
    hint = "A closed ledger there can be read; copy it to another folder to add decisions."
    return PermissionError(complain("path", rule, hint=hint, what=repr(str(path))))


def _not_whole(path: Path, code: int) -> ValueError:
    if code == sqlite3.SQLITE_NOTADB:
        return _not_a_ledger(path)
    hint = "Nothing was changed: put a copy of the file back."
    what = f"{path.name!r}, which is damaged or cut,"
    return ValueError(complain("path", "a whole ledger", hint=hint, what=what))


def _not_a_ledger(path: Path) -> ValueError:
    hint = "The file holds something else and was left as it is: choose another path."
    return ValueError(complain("path", "a ledger or a new file", path.name, hint))


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise ValueError(complain("path", "a file", what=f"the folder {str(path)!r}"))
    if not path.parent.is_dir():
        raise ValueError(complain("path", "in a folder that is there", what=repr(str(path))))
    size = path.stat().st_size if path.is_file() else 0
    if path.is_file() and size == 0 and _has_wal(path):
        # SQLite would take the file for a new one and delete the decisions beside it.
        raise _not_whole(path, sqlite3.SQLITE_CORRUPT)
    if size == 1:  # which SQLite would take for a new one too
        raise _not_a_ledger(path)


def _has_wal(path: Path) -> bool:
    wal = path.with_name(path.name + "-wal")
    return wal.exists() and wal.stat().st_size > 0


def _open(path: Path, query: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.as_uri()}?{query}",
        uri=True,
        timeout=_PATIENCE,
        isolation_level=None,
        check_same_thread=False,
    )


def _pragma(connection: sqlite3.Connection, name: str) -> int | str:
    value: int | str = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _first_read(connection: sqlite3.Connection, path: Path) -> tuple[sqlite3.Connection, bool]:
    """Read the file once; where WAL's files cannot stand beside it, find a way without them."""
    try:
        _pragma(connection, "schema_version")
        return connection, False
    except sqlite3.OperationalError as error:
        code = _code(error)
        if code == sqlite3.SQLITE_READONLY and not _has_wal(path):
            connection.close()
            return _open(path, "mode=ro&immutable=1"), True
        if code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL):
            raise
    # Alone with the file SQLite needs no shared memory, and can turn WAL off.
    for step in ("locking_mode = EXCLUSIVE", "journal_mode = DELETE", "locking_mode = NORMAL"):
        _pragma(connection, step)
    return connection, False


def _check_header(connection: sqlite3.Connection, path: Path) -> None:
    if _is_blank(connection):
        _create(connection)
    version = int(_pragma(connection, "user_version"))
    if _pragma(connection, "application_id") != _APPLICATION or version < _VERSION:
        raise _not_a_ledger(path)
    if version > _VERSION:
        hint = "A newer curalab wrote it and nothing was changed: pip install --upgrade curalab."
        what = f"{path.name!r} of version {version}"
        raise ValueError(complain("path", f"a ledger of version {_VERSION}", hint=hint, what=what))
    # SQLite notices a file that lacks whole pages, not one that lacks the end of its last page.
    connection.execute("BEGIN")
    size = int(_pragma(connection, "page_count")) * int(_pragma(connection, "page_size"))
    is_cut = path.stat().st_size < size and not _has_wal(path)
    connection.execute("COMMIT")
    if is_cut:
        raise _not_whole(path, sqlite3.SQLITE_CORRUPT)


def _is_blank(connection: sqlite3.Connection) -> bool:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return tables == 0 and _pragma(connection, "application_id") == 0


def _create(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if _is_blank(connection):  # nobody else made it while this process waited
            for statement in _SCHEMA:
                connection.execute(statement)


def _make_durable(connection: sqlite3.Connection, path: Path) -> None:
    """Have every commit on disk before it returns."""
    connection.execute("PRAGMA fullfsync = ON")  # macOS: through the drive's cache too
    try:
        mode = _switch_to_wal(connection)
    except sqlite3.OperationalError as error:
        if _code(error) == sqlite3.SQLITE_READONLY:
            return
        if _code(error) == sqlite3.SQLITE_BUSY:
            raise
        mode = "refused"
    if mode == "wal":
        connection.execute("PRAGMA synchronous = FULL")
        return
    _say_no_wal(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    # EXTRA syncs the folder too: else the last commit may be rolled back after a power cut.
    connection.execute("PRAGMA synchronous = EXTRA")


def _switch_to_wal(connection: sqlite3.Connection) -> str:
    # SQLite does not wait here while another connection writes, as when two make a ledger at once.
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return str(_pragma(connection, "journal_mode = WAL"))
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@cache
def _say_no_wal(path: Path) -> None:
    logger.warning(
        "The file system of %s refuses SQLite's WAL mode: the ledger uses journal_mode=DELETE, "
        "which is as safe and slower.",
        path,
    )
