"""What an export says where people, notes or the rows themselves are left out."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import complain
from curalab.ledger import Ledger
from curalab.ledger.connection import clear_errors, connect
from curalab.ledger.redaction import aliases_of, hider

__all__ = ["copy_ledger", "metrics_of", "refuse_cells", "refuse_said", "secrets_of"]

_CLASSES = 50  # different values up to which they are counted


def copy_ledger(ledger: Ledger, path: Path, *, left_out: Iterable[str]) -> None:
    """Copy a ledger while others may write to it; without people or notes as a new file.

    A new file has no pages that were ever used for something else.
    """
    if {*left_out}:
        ledger.redact(path, people="people" not in left_out, notes="notes" not in left_out)
        return
    with clear_errors(path), closing(connect(ledger.path)) as source:  # noqa: SIM117
        with closing(sqlite3.connect(path)) as target:
            source.backup(target)


# ---- what would name them all the same -----------------------------------------------------------


def secrets_of(ledger: Ledger, left_out: Iterable[str]) -> set[str]:
    """Return the names and the notes that an export must not hold.

    A note of one or two words is no secret: documents and cells say them anyway.
    """
    people = set(aliases_of(ledger.to_frame()["actor"])) if "people" in left_out else set()
    notes = set(ledger.to_frame()["reason"]) if "notes" in left_out else set()
    return people | {note for note in notes if len(note.split()) > 2}


def refuse_cells(name: str, table: pd.DataFrame, secrets: set[str]) -> None:
    """Raise where an id, the name of a column or what is in a cell is a name or note left out."""
    rule = "a table without the people and notes that 'leave_out' names"
    axes = {"ids": [table.index.name, *table.index], "names of columns": [*table.columns]}
    for what, cells in axes.items():
        if secrets.intersection(_texts(cells)):
            hint = "Give them other names first."
            raise ValueError(complain(name, rule, hint=hint, what=f"some among the {what}"))
    for at, column in enumerate(table.columns):
        categories = getattr(table.dtypes.iloc[at], "categories", ())
        if secrets.intersection(_texts([*table.iloc[:, at], *categories])):
            hint = f"Drop that column: {name}.drop(columns={column!r})."
            got = f"some in column {column!r}"
            raise ValueError(complain(name, rule, hint=hint, what=got))


def _texts(cells: Iterable[Any]) -> Iterator[str]:
    """Yield the texts among cells, and those inside lists and dictionaries."""
    for cell in cells:
        if isinstance(cell, str):
            yield cell
        elif isinstance(cell, Mapping):
            yield from _texts([*cell, *cell.values()])
        elif isinstance(cell, list | tuple | set):
            yield from _texts(cell)
        elif isinstance(cell, np.ndarray) and cell.dtype == object:
            yield from _texts(cell.ravel())


def refuse_said(texts: Mapping[str, str], secrets: Iterable[str]) -> None:
    """Raise where a document says what is left out; the error does not say it again."""
    parts = {form for secret in secrets for form in (secret, json.dumps(secret)[1:-1]) if form}
    if not parts:
        return
    said = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, parts))})(?!\w)")
    for name, text in texts.items():
        if said.search(text):
            rule = "free of the people and notes that 'leave_out' names"
            hint = "Write it without them, or leave it out as well."
            raise ValueError(complain("documents", rule, hint=hint, what=f"some in {name!r}"))


# ---- numbers instead of rows ---------------------------------------------------------------------


def metrics_of(items: pd.DataFrame, ledger: Ledger, documents: Mapping[str, Any]) -> dict[str, Any]:
    """Return counts that hold no cell of the table, no id, no name and no note."""
    events = ledger.to_frame()
    hide = hider(aliases_of(events["actor"]))
    standing = events[events["active"] & (events["action"] != "undo")]
    counted = Counter(zip(standing["actor"].map(hide), standing["action"], strict=True))
    return {
        "rows": len(items),
        "columns": [_column(hide(str(name)), items.iloc[:, at]) for at, name in enumerate(items)],
        "events": len(events),
        "decisions": [
            {"by": by, "action": action, "rows": n} for (by, action), n in counted.items()
        ],
        "with a reason": int((standing["reason"] != "").sum()),
        "audits": {name: _findings(name, audit) for name, audit in documents.items()},
    }


def _column(name: str, cells: pd.Series[Any]) -> dict[str, Any]:
    """Return what a column holds, its classes counted and not named."""
    told = {"column": name, "dtype": str(cells.dtype), "missing": int(cells.isna().sum())}
    try:
        counts = cells.value_counts()
    except (TypeError, ValueError, NotImplementedError):  # lists and images cannot be counted
        return told
    few = 0 < len(counts) <= min(_CLASSES, max(2, len(cells) // 2))
    return told | {"different": len(counts)} | ({"counts": counts.tolist()} if few else {})


def _findings(name: str, audit: Any) -> list[dict[str, Any]]:
    problems = getattr(audit, "problems", None)
    if not isinstance(problems, pd.DataFrame):
        rule = "audits where the rows are left out"
        hint = "Of an audit only counts are kept; other documents may quote rows."
        got = f"{type(audit).__name__} for {name!r}"
        raise ValueError(complain("documents", rule, hint=hint, what=got))
    return [
        # Behind the colon stand names of columns, and values of constant ones.
        {"problem": problem.partition(":")[0], "items": int(n), "share": round(float(share), 4)}
        for problem, n, share in problems[["problem", "n_items", "share"]].itertuples(index=False)
    ]
