"""Ledgers written to files that others read."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from curalab._check import complain
from curalab.ledger.events import ENTRIES
from curalab.ledger.records import WRITERS, Answer, Shown, question_of
from curalab.ledger.replay import check_table, in_force, rows_at, standing

__all__ = ["CHECKPOINT", "COLUMNS", "EXACT", "FORMATS", "place_of", "write_file"]

EXACT = ("jsonl", "csv")  # with the time of each event, so that none is taken over twice
FORMATS = (*EXACT, *WRITERS)
COLUMNS = ("event", "time", *ENTRIES, "undoes")
CHECKPOINT = ("checkpoint", "event", "time", "actor", "reason")  # a line of its own
_JSON = ("row_id", "old", "new", "params")  # columns that hold JSON


def place_of(path: str | os.PathLike[str], own: Path) -> Path:
    """Return where to write a file, which is not the ledger `own`."""
    target = Path(path).absolute()
    if target.resolve() == own.resolve():
        raise ValueError(complain("path", "another file than the ledger", what=repr(str(path))))
    if not target.parent.is_dir():
        raise ValueError(complain("path", "in a folder that is there", what=repr(str(target))))
    if target.is_dir():
        raise ValueError(complain("path", "a file", what=f"the folder {str(target)!r}"))
    return target


def write_file(
    path: Path, chosen: str, events: pd.DataFrame, marks: pd.DataFrame, items: pd.DataFrame | None
) -> None:
    """Write all events and checkpoints as JSON Lines, or the decisions in force otherwise."""
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            if chosen == "jsonl":
                _lines(file, events, marks)
            elif chosen == "csv":
                _csv(file, standing(events))
            else:
                shown = _shown(items, events["row_id"])
                json.dump(WRITERS[chosen](_answers(events), shown), file, indent=1)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)  # there where something went wrong


def _texts(events: pd.DataFrame) -> Iterator[dict[str, str | None]]:
    """Yield each event as JSON texts by column."""
    columns: dict[str, Sequence[str | None]] = {"event": [*map(str, events.index)]}
    columns["undoes"] = [None if pd.isna(of) else str(int(of)) for of in events["undoes"]]
    for name in ("time", *ENTRIES):
        cells = events[name].to_list()
        as_is = name in _JSON
        columns[name] = [c if as_is or not c else json.dumps(c) for c in cells]
    for row in zip(*(columns[name] for name in COLUMNS), strict=True):
        yield dict(zip(COLUMNS, (text or None for text in row), strict=True))


def _lines(file: TextIO, events: pd.DataFrame, marks: pd.DataFrame) -> None:
    for row in _texts(events):
        told = ", ".join(f'"{name}": {text}' for name, text in row.items() if text is not None)
        file.write(f"{{{told}}}\n")
    for mark in marks[marks["kind"] == "checkpoint"].itertuples():
        cells = (mark.name, mark.event, mark.time, mark.actor, mark.reason)
        file.write(json.dumps(dict(zip(CHECKPOINT, cells, strict=True))) + "\n")


def _csv(file: TextIO, events: pd.DataFrame) -> None:
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
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
