"""What a reviewer is told of an export: what is in it, and how to get the same table again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

__all__ = ["metrics_text", "reading_text"]


def reading_text(
    tables: Mapping[str, pd.DataFrame], form: str, documents: Sequence[str], left_out: Sequence[str]
) -> str:
    """Return the part of the README that says how to read an export."""
    held = {
        "items": f"the curated table, {len(tables['items']):,} rows ({form})",
        **{
            name: f"the table before curation, {len(table):,} rows ({form})"
            for name, table in tables.items()
            if name != "items"
        },
        "decisions.ledger": "what was changed, why and by whom (SQLite)",
        "schema.json": "dtypes, categories and ids of the tables",
        "export.json": "the format, and the SHA-256 of every file",
        **dict.fromkeys(documents, "added by whoever made the export"),
    }
    lines = ["", "## How to read this export", "", "| file | holds |", "| --- | --- |"]
    lines += [f"| {name.replace('|', '&#124;')} | {what} |" for name, what in held.items()]
    lines += ["", "```python", "import curalab as cl", ""]
    lines += ["items = cl.load_items(folder)  # this folder; every file is checked first"]
    lines += ['ledger = cl.Ledger(f"{folder}/decisions.ledger")']
    lines += ["ledger.to_frame()  # every decision: row, action, old, new, actor, reason"]
    if "source" in tables:
        lines += ['source = cl.load_items(f"{folder}/source")']
        lines += ["items = ledger.apply(source)  # the same table again"]
    lines += ["```", ""]
    lines += ["A file that was edited here is not what was exported, and is refused. What the card"]
    lines += ["asks is answered before an export, with `Card.with_answers`.", ""]
    if "source" not in tables:
        lines += ["The table before curation is not in this export: the ledger names the rows that"]
        lines += ["were dropped, and what they held is not here.", ""]
    if left_out:
        lines += [f"Left out of the ledger: {' and '.join(left_out)}.", ""]
    return "\n".join(lines)


def metrics_text(metrics: Mapping[str, Any]) -> str:
    """Return the README of an export without rows."""
    lines = ["# Dataset card: counts only", ""]
    lines += ["The rows of this dataset are not in this export, nor anything that stands in them."]
    lines += ["", f"{metrics['rows']:,} rows after curation.", "", "## Columns", ""]
    lines += _table(metrics["columns"], ["column", "dtype", "missing", "different", "counts"])
    lines += ["## Curation", "", f"{metrics['events']:,} events in the ledger.", ""]
    lines += _table(metrics["decisions"], ["by", "action", "rows"])
    for name, findings in metrics["audits"].items():
        lines += [f"## {_plain(name)}", ""]
        lines += _table(findings, ["problem", "items", "share"])
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    yield from ("| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns))
    for row in rows:
        yield "| " + " | ".join(_plain(row.get(column, "")) for column in columns) + " |"
    yield ""


def _plain(value: object) -> str:
    """Return a value as one line of a table in Markdown."""
    text = " ".join(str(value).strip("[]").split()).replace("|", "\\|")
    return text.replace("<", "&lt;").replace(">", "&gt;")
