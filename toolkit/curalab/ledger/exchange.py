"""Ledgers written to files that others read, and read from theirs."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from curalab._check import IntArray, complain, first_few
from curalab.ledger.events import ENTRIES, check_entries, decode
from curalab.ledger.records import READERS, WRITERS, Answer, Shown, answered, question_of
from curalab.ledger.replay import check_table, in_force, rows_at, standing

__all__ = ["EXACT", "FORMATS", "read_answers", "read_events", "write_file"]

EXACT = ("jsonl", "csv")  # with the time of each event, so that none is taken over twice
FORMATS = (*EXACT, *WRITERS)
_COLUMNS = ("event", "time", *ENTRIES, "undoes")
_JSON = ("row_id", "old", "new", "params")  # columns that hold JSON
Entry = tuple[str | None, ...]
Row = dict[str, str | None]  # an event as JSON texts, None where nothing was stated


# ---- written -------------------------------------------------------------------------------------


def write_file(path: Path, chosen: str, events: pd.DataFrame, items: pd.DataFrame | None) -> None:
    """Write all events as JSON Lines, or the decisions in force in another format."""
    writers: dict[str, Callable[[TextIO, pd.DataFrame], None]] = {"jsonl": _lines, "csv": _csv}
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        if chosen in writers:
            writers[chosen](file, events if chosen == "jsonl" else standing(events))
        else:
            shown = _shown(items, events["row_id"])
            json.dump(WRITERS[chosen](_answers(events), shown), file, indent=1)
    os.replace(unfinished, path)


def _texts(events: pd.DataFrame) -> Iterator[Row]:
    """Yield each event as JSON texts by column."""
    columns: dict[str, Sequence[str | None]] = {"event": [*map(str, events.index)]}
    columns["undoes"] = [None if pd.isna(of) else str(int(of)) for of in events["undoes"]]
    for name in ("time", *ENTRIES):
        cells = events[name].to_list()
        as_is = name in _JSON
        columns[name] = [c if as_is or not c else json.dumps(c) for c in cells]
    for row in zip(*(columns[name] for name in _COLUMNS), strict=True):
        yield dict(zip(_COLUMNS, (text or None for text in row), strict=True))


def _lines(file: TextIO, events: pd.DataFrame) -> None:
    for row in _texts(events):
        told = ", ".join(f'"{name}": {text}' for name, text in row.items() if text is not None)
        file.write(f"{{{told}}}\n")


def _csv(file: TextIO, events: pd.DataFrame) -> None:
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    writer.writerows([_cell(text) for text in row.values()] for row in _texts(events))


def _cell(text: str | None) -> str:
    """Return a text without its quotes where nothing else could be read from it.

    A spreadsheet would take a text that begins with = for a formula.
    """
    if text is None or not text.startswith('"'):
        return text or ""
    plain = str(json.loads(text))
    is_safe = plain and plain.isprintable() and plain.strip() == plain and plain[0] not in '=+-@"'
    return plain if is_safe and not _is_json(plain) else text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _answers(events: pd.DataFrame) -> list[Answer]:
    answers = []
    for row in in_force(standing(events)).to_dict("records"):
        value = json.loads(row["new"]) if row["new"] else row["action"]
        score = json.loads(row["params"] or "{}").get("score")
        told = (row["actor"], row["actor"] == row["method"], score, row["time"], row["reason"])
        answers.append(Answer(json.loads(row["row_id"]), question_of(row["field"]), value, *told))
    return answers


def _shown(items: pd.DataFrame | None, rows: pd.Series[Any]) -> Shown:
    """Return what says of a row what its columns hold; nothing where there are no items."""
    if items is None:
        return lambda row: {}
    texts = rows.drop_duplicates()
    at = dict(zip(texts, rows_at(check_table(items), texts), strict=True))

    def shown(row: Any) -> dict[str, str]:
        i = at[json.dumps(row)]
        return {} if i < 0 else {str(name): str(items[name].iloc[i]) for name in items.columns}

    return shown


# ---- read ----------------------------------------------------------------------------------------


def read_events(path: Path, chosen: str, actor: str | None) -> pd.DataFrame:
    """Return the events of a file of an exact format, numbered from 1; `actor` where none is."""
    with _parsing(path, chosen):
        rows = list(_of_lines(path) if chosen == "jsonl" else _of_csv(path))
        said = {name: [row.get(name) for row in rows] for name in _COLUMNS}
        told = {name: decode(said[name]) for name in _COLUMNS if name != "params"}
        params = [None if text is None else json.loads(text) for text in said["params"]]
        times = pd.to_datetime(pd.Series(told["time"]), utc=True, format="ISO8601")
        stray = {name for row in rows for name in row} - {*_COLUMNS}
    if stray:
        rule = f"a file of nothing but {', '.join(_COLUMNS)}"
        raise ValueError(complain("path", rule, what=first_few(sorted(map(str, stray)))))
    frame = pd.DataFrame(told | {"params": params}, dtype=object)
    frame["actor"] = frame["actor"].where(frame["actor"].notna(), actor)
    is_undo = (frame["action"] == "undo").to_numpy()
    # An undo says of the row what the event says that it takes back; the rest is checked alike.
    of_row = frame[[*ENTRIES]].assign(action=frame["action"].mask(is_undo, "keep"))
    of_row.loc[is_undo, ["field", "old", "new"]] = None
    entries = check_entries(of_row)
    undoes = _repeat(entries, frame, np.flatnonzero(is_undo))
    events = pd.DataFrame(entries, columns=pd.Index(ENTRIES), dtype=object)
    events["time"] = frame["time"].where(times.notna(), None)
    events["undoes"] = pd.Series(undoes, dtype=object)
    return events.set_axis(pd.RangeIndex(1, len(events) + 1, name="event"))


def _repeat(entries: list[Entry], frame: pd.DataFrame, undos: IntArray) -> list[int | None]:
    """Have undos repeat what they take back; return what each event takes back."""
    numbers = (i if pd.isna(number) else number for i, number in enumerate(frame["event"], 1))
    place = {number: i for i, number in enumerate(numbers, 1)}
    undoes: list[int | None] = [None] * len(entries)
    for i in undos.tolist():
        undoes[i] = of = place.get(frame["undoes"][i], 0)
        if not 0 < of <= i:
            rule, what = "a file whose undos follow what they undo", frame["undoes"][i]
            raise ValueError(complain("path", rule, what=f"an undo of {what!r}"))
        entries[i] = (*entries[of - 1][:2], "undo", *entries[of - 1][3:5], *entries[i][5:])
    return undoes


@contextmanager
def _parsing(path: Path, chosen: str) -> Iterator[None]:
    """Say that a file is not of the format that it should be."""
    try:
        yield
    except (AttributeError, KeyError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, ValueError) and str(error).startswith("The '"):
            raise
        what = f"{path.name!r} ({type(error).__name__}: {error})"
        rule = f"a file of the format {chosen!r}"
        raise ValueError(complain("path", rule, what=what)) from error


def _of_lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield {name: json.dumps(value) for name, value in json.loads(line).items()}


def _of_csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(2**31 - 1)  # a note may be long
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file, strict=True):
            yield {name: _of_cell(cell) for name, cell in row.items()}


def _of_cell(cell: str) -> str | None:
    if not cell:
        return None
    return cell if _is_json(cell) else json.dumps(cell)


def read_answers(path: Path, chosen: str, actor: str | None) -> pd.DataFrame:
    """Return the decisions in the file of an annotation tool; `actor` where none is."""
    with _parsing(path, chosen), path.open(encoding="utf-8") as file:
        answers = list(READERS[chosen](json.load(file)))
        # What methods propose comes first, so that what a person said later counts.
        answers.sort(key=lambda answer: (not answer.is_rule, answer.time))
        rows = decode(json.dumps(answer.row) for answer in answers)
        values = decode(json.dumps(answer.value) for answer in answers)
    told = [
        {
            "row_id": row,
            **answered(answer.question, value),
            "actor": answer.actor or actor,
            "method": answer.actor if answer.is_rule else None,
            "params": None if answer.score is None else {"score": answer.score},
            "reason": answer.reason,
        }
        for answer, row, value in zip(answers, rows, values, strict=True)
    ]
    names = [name for name in ENTRIES if name not in ("old", "embedding")]
    return pd.DataFrame(told, columns=pd.Index(names), dtype=object)
