"""Decisions as Python that records and applies them again."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import pandas as pd

from curalab.ledger.events import ENTRIES

__all__ = ["recipe_source"]

_MANY = 1_000  # decisions, above which Python would take longer to read them than to carry them out
_RECIPE = """\
# Decisions on the table `items`. Running this makes the table `clean`.

import {imports}tempfile

import pandas as pd

from curalab.ledger import Ledger

columns = {columns}
{decisions}
with tempfile.TemporaryDirectory() as folder, Ledger(folder + "/recipe.ledger") as ledger:
    ledger.record_many(pd.DataFrame(decisions, columns=columns, dtype=object))
    clean = ledger.apply(items)
"""


def recipe_source(decisions: pd.DataFrame) -> str:
    """Return Python that records `decisions` anew and applies them to `items`."""
    columns = [
        name
        for name in ENTRIES
        if name in ("row_id", "action", "actor") or any(v is not None for v in decisions[name])
    ]
    rows = list(zip(*(decisions[name] for name in columns), strict=True))
    is_plain = not any(isinstance(v, date) for row in rows for v in row)
    if len(rows) > _MANY and is_plain:
        lines = "\n".join(map(_json, rows))
        told = f"decisions = [json.loads(line) for line in r'''\n{lines}\n'''.strip().split('\\n')]"
        return _RECIPE.format(imports="json\nimport ", columns=columns, decisions=told)
    heads = zip(decisions.index, decisions["time"], strict=True)
    lines = "".join(
        f"    ({', '.join(map(_literal, row))}),  # event {event}, {time:%Y-%m-%d %H:%M} UTC\n"
        for (event, time), row in zip(heads, rows, strict=True)
    )
    return _RECIPE.format(imports="", columns=columns, decisions=f"decisions = [\n{lines}]")


def _json(row: tuple[Any, ...]) -> str:
    """Return a row as JSON of ASCII without the sign that ends the text it stands in."""
    return json.dumps(row).replace("'", "\\u0027")


def _literal(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    if isinstance(value, pd.Timestamp):
        return f"pd.Timestamp({value.isoformat()!r})"
    if isinstance(value, date):
        return f"pd.Timestamp({value.isoformat()!r}).date()"
    return repr(value)
