"""Decisions read from files: of other ledgers, of annotation tools."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from curalab._check import complain, first_few
from curalab.ledger.branches import Named
from curalab.ledger.events import ENTRIES, check_entries, check_reason, check_text, value_of
from curalab.ledger.exchange import CHECKPOINT, COLUMNS
from curalab.ledger.records import READERS, Answer, Json, answered

__all__ = ["read_answers", "read_events"]

_VALUES = ("row_id", "old", "new")  # where an object stands for a date or an infinity
_UNREADABLE = (AttributeError, LookupError, TypeError, ValueError, RecursionError, csv.Error)
Entry = tuple[str | None, ...]
Row = dict[str, Any]  # what a file says of an event or a checkpoint


def read_events(path: Path, chosen: str, actor: str | None) -> tuple[pd.DataFrame, list[Named]]:
    """Return the events of a file of an exact format, numbered from 1, and its checkpoints.

    `actor` is who decided where the file does not say.
    """
    read = list(_of_lines(path) if chosen == "jsonl" else _of_csv(path))
    told = [(row, f"line {line} of {path.name!r}") for line, row in read]
    columns, of_mark = dict.fromkeys(COLUMNS).keys(), dict.fromkeys(CHECKPOINT).keys()
    for row, place in told:
        known = of_mark if "checkpoint" in row else columns
        if not row.keys() <= known:
            rule = f"a file of nothing but {', '.join(known)}"
            stray = first_few(sorted(row.keys() - known))
            raise ValueError(complain("path", rule, what=f"{stray} in {place}"))
    rows = [(row, place) for row, place in told if "checkpoint" not in row]
    places = [place for _, place in rows]
    frame = pd.DataFrame(
        {name: pd.Series([row.get(name) for row, _ in rows], dtype=object) for name in COLUMNS}
    )
    number_of = _numbers(frame["event"].tolist(), places)
    named = [(row, place) for row, place in told if "checkpoint" in row]
    checkpoints = [_checkpoint(row, place, number_of, actor) for row, place in named]
    return _events(frame, places, number_of, actor), checkpoints


def _numbers(stated: list[object], places: list[str]) -> dict[object, int]:
    """Return the place, from 1, of each number that events have in a file."""
    number_of: dict[object, int] = {}
    for i, (number, place) in enumerate(zip(stated, places, strict=True), 1):
        known = i if number is None else number
        if type(known) is not int or known in number_of:
            rule = "a file that numbers each event once"
            raise ValueError(complain("path", rule, what=f"the event {number!r} in {place}"))
        number_of[known] = i
    return number_of


def _events(
    frame: pd.DataFrame, places: list[str], number_of: Mapping[object, int], actor: str | None
) -> pd.DataFrame:
    frame["actor"] = frame["actor"].where(frame["actor"].notna(), actor)
    is_undo = (frame["action"] == "undo").to_numpy()
    # An undo says of the row what the event says that it takes back; the rest is checked alike.
    of_row = frame[[*ENTRIES]].assign(action=frame["action"].mask(is_undo, "keep"))
    of_row.loc[is_undo, ["field", "old", "new"]] = None
    entries = check_entries(of_row, places)
    undoes: list[int | None] = [None] * len(entries)
    for i in np.flatnonzero(is_undo).tolist():
        target = frame["undoes"][i]
        undoes[i] = of = number_of.get(target, 0) if type(target) is int else 0
        if not 0 < of <= i:
            rule = "a file whose undos follow what they undo"
            raise ValueError(complain("path", rule, what=f"an undo of {target!r} in {places[i]}"))
        # It repeats what it takes back.
        entries[i] = (*entries[of - 1][:2], "undo", *entries[of - 1][3:5], *entries[i][5:])
    events = pd.DataFrame(entries, columns=pd.Index(ENTRIES), dtype=object)
    events["time"] = pd.Series(_times(frame["time"], places), dtype=object)
    events["undoes"] = pd.Series(undoes, dtype=object)
    return events.set_axis(pd.RangeIndex(1, len(events) + 1, name="event"))


def _times(stated: pd.Series[Any], places: list[str]) -> list[str | None]:
    """Return times as a ledger writes them, in UTC; None where none is stated."""
    text = stated.where(np.array([isinstance(cell, str) for cell in stated], dtype=bool))
    times = pd.to_datetime(text, utc=True, format="ISO8601", errors="coerce")
    wrong = np.flatnonzero(stated.notna() & times.isna())
    if len(wrong):
        rule, i = "a file of times as ISO 8601 writes them", int(wrong[0])
        raise ValueError(complain("path", rule, what=f"{stated[i]!r} in {places[i]}"))
    return [
        None if pd.isna(cell) else cell if cell.endswith("+00:00") else time.isoformat()
        for cell, time in zip(stated, times, strict=True)
    ]


def _checkpoint(row: Row, place: str, number_of: Mapping[object, int], actor: str | None) -> Named:
    """Return the name of a checkpoint, its event, its time (None is now), who and why."""
    event = row.get("event")
    if event != 0 and (type(event) is not int or event not in number_of):
        rule = "a file whose checkpoints name an event in it"
        raise ValueError(complain("path", rule, what=f"the event {event!r} in {place}"))
    try:
        name, who = check_text("checkpoint", row["checkpoint"]), row.get("actor") or actor
        said = check_text("actor", who), check_reason(row.get("reason"))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error} This is {place}; nothing was recorded.") from None
    (time,) = _times(pd.Series([row.get("time")], dtype=object), [place])
    return name, number_of.get(event, 0), time, *said


def _of_lines(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield the lines of a file, numbered from 1; blank ones left out."""
    line = 0
    try:
        with path.open("rb") as file:
            for line, text in enumerate(file, 1):
                if not text.isspace():
                    yield line, _row(json.loads(text))
    except _UNREADABLE as error:
        raise _not_of_format(path, "jsonl", error, f"line {line}") from error


def _row(told: Json) -> Row:
    if not isinstance(told, dict):
        raise TypeError(f"no object but {told!r}")
    return {name: value_of(told[name]) if name in _VALUES else told[name] for name in told}


def _of_csv(path: Path) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(2**31 - 1)  # a note may be long
    line = 0

    def lines(file: BinaryIO) -> Iterator[str]:
        nonlocal line
        for line, text in enumerate(file, 1):
            yield text.decode("utf-8-sig" if line == 1 else "utf-8")

    try:
        with path.open("rb") as file:
            read = csv.reader(lines(file), strict=True)
            names = next(read, [])
            if len({*names}) < len(names):
                raise ValueError("a column that is there twice")
            for cells in filter(None, read):
                if len(cells) != len(names):
                    raise ValueError(f"{len(cells)} cells under {len(names)} names")
                told = {n: _of_cell(cell) for n, cell in zip(names, cells, strict=True) if cell}
                yield line, _row(told)
    except _UNREADABLE as error:
        raise _not_of_format(path, "csv", error, f"line {line}") from error


def _of_cell(cell: str) -> Json:
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def read_answers(path: Path, chosen: str, actor: str | None) -> list[Entry]:
    """Return the decisions in the file of an annotation tool; `actor` where none is."""
    answers: list[tuple[Answer, str]] = []
    place = ""
    try:
        with path.open(encoding="utf-8") as file:
            told = json.load(file)
        for number, of_record in enumerate(READERS[chosen](told), 1):
            place = f"record {number}"
            for a in of_record:
                a = a._replace(row=value_of(a.row), value=value_of(a.value))
                answers.append((a, f"{place} of {path.name!r}"))
    except _UNREADABLE as error:
        raise _not_of_format(path, chosen, error, place) from error
    # What methods propose comes first, so that what a person said later counts.
    answers.sort(key=lambda each: (not each[0].is_rule, each[0].time))
    rows = [
        {
            "row_id": a.row,
            **answered(a.question, a.value),
            "actor": a.actor or actor,
            "method": a.actor if a.is_rule else None,
            "params": None if a.score is None else {"score": a.score},
            "reason": a.reason,
        }
        for a, _ in answers
    ]
    names = [name for name in ENTRIES if name not in ("old", "embedding")]
    frame = pd.DataFrame(rows, columns=pd.Index(names), dtype=object)
    return check_entries(frame, [place for _, place in answers])


def _not_of_format(path: Path, chosen: str, error: Exception, place: str) -> ValueError:
    """Return what is wrong with a file, and in which of its lines or records."""
    if str(error).startswith("The '"):
        return ValueError(f"{error} This is {place} of {path.name!r}; nothing was recorded.")
    said = str(error)
    if place and isinstance(error, json.JSONDecodeError):  # which knows of that line alone
        said = f"{error.msg}, column {error.colno}"
    said = f"{place + ', ' if place else ''}{type(error).__name__}: {said}"
    return ValueError(
        complain("path", f"a file of the format {chosen!r}", what=f"{path.name!r} ({said})")
    )
