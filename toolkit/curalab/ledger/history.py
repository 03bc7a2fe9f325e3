"""Events told: as a table of values, as changes between two moments, as Python."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from typing import Any

import pandas as pd

from curalab._check import check_integer, complain
from curalab.ledger.events import ENTRIES, decode
from curalab.ledger.replay import in_force, objects, standing

__all__ = ["changes", "moment_of", "recipe_source", "told"]


def told(events: pd.DataFrame) -> pd.DataFrame:
    """Return events with their values read."""
    table = events.drop(columns="subject").assign(time=_times(events))
    for name in ("row_id", "old", "new"):
        table[name] = pd.Series(objects(events[name]), index=events.index, dtype=object)
    params = [None if text is None else json.loads(text) for text in events["params"]]
    table["params"] = pd.Series(params, index=events.index, dtype=object)
    return table.astype({"undoes": "Int64"})


def _times(events: pd.DataFrame) -> pd.Series[Any]:
    return pd.to_datetime(events["time"], utc=True, format="ISO8601")


def moment_of(name: str, moment: object, events: pd.DataFrame) -> int:
    """Return the number of the last event at `moment`; 0 is before the first."""
    if not isinstance(moment, str | datetime):
        return check_integer(name, moment, low=0, high=len(events))
    try:
        until = pd.Timestamp(moment)
    except ValueError as error:
        rule = "the number of an event or a time"
        raise ValueError(complain(name, rule, moment)) from error
    until = until.tz_localize("UTC") if until.tzinfo is None else until
    before = events.index[(_times(events) <= until).to_numpy()]
    return int(before.max()) if len(before) else 0


# ---- between two moments -------------------------------------------------------------------------


def changes(events: pd.DataFrame, a: int, b: int) -> pd.DataFrame:
    """Return what is decided differently after event `a` and after event `b`."""
    events = events[events.index <= max(a, b)]
    is_kept = events["action"].isin(["keep", "drop"])
    events = events.assign(value=events["new"].mask(is_kept, '"' + events["action"] + '"'))
    last = _by_subject(events)
    at_a, at_b = (
        _by_subject(in_force(standing(events[events.index <= moment]))).reindex(last.index)
        for moment in (a, b)
    )
    moved = (at_a["value"].notna() | at_b["value"].notna()) & (at_a["value"] != at_b["value"])
    last, at_a, at_b = last[moved], at_a[moved], at_b[moved]
    # The decision in force says who and why; where none is, the event that took it back does.
    told = events.loc[at_b["event"].fillna(last["event"]).astype(int)]
    stated = events[(events["action"] != "undo") & events["old"].notna()]
    source = stated.groupby("subject")["old"].first().reindex(last.index)
    conflicts = _conflicts(events[events.index <= b])
    table = pd.DataFrame(
        {
            "row_id": objects(last["row_id"]),
            "field": last["field"].to_numpy(),
            "before": objects(_first_stated(at_a["value"], source)),
            "after": objects(_first_stated(at_b["value"], source)),
            "event": told.index.to_numpy(),
            "time": told["time"].to_numpy(),
            "actor": told["actor"].to_numpy(),
            "method": told["method"].to_numpy(),
            "reason": told["reason"].to_numpy(),
            "conflict": pd.Series([conflicts.get(s) for s in last.index], dtype=object),
        }
    )
    return table.sort_values("event", ignore_index=True)


def _by_subject(events: pd.DataFrame) -> pd.DataFrame:
    return events.reset_index().drop_duplicates("subject", keep="last").set_index("subject")


def _first_stated(value: pd.Series[Any], source: pd.Series[Any]) -> list[str | None]:
    pairs = zip(value, source, strict=True)
    return [v if isinstance(v, str) else s if isinstance(s, str) else None for v, s in pairs]


def _conflicts(events: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """Return what each actor last said, for the subjects on which two of them differ."""
    said = standing(events).drop_duplicates(["subject", "actor"], keep="last")
    said = said[said.groupby("subject")["value"].transform("nunique") > 1]
    conflicts: dict[int, dict[str, Any]] = {}
    values = decode(said["value"])
    for subject, actor, value in zip(said["subject"], said["actor"], values, strict=True):
        conflicts.setdefault(subject, {})[actor] = value
    return conflicts


# ---- as Python -----------------------------------------------------------------------------------

_RECIPE = """\
# Decisions on the table `items`. Running this makes the table `clean`.

import tempfile

import pandas as pd

from curalab.ledger import Ledger

columns = {columns}
decisions = [
{lines}]
with tempfile.TemporaryDirectory() as folder, Ledger(folder + "/recipe.ledger") as ledger:
    ledger.record_many(pd.DataFrame(decisions, columns=columns, dtype=object))
    clean = ledger.apply(items)
"""


def recipe_source(decisions: pd.DataFrame) -> str:
    """Return Python that records `decisions` anew and applies them to `items`."""
    used = [name for name in ENTRIES if decisions[name].notna().any()]
    columns = [name for name in ENTRIES if name in {"row_id", "action", "actor", *used}]
    cells = zip(*(decisions[name] for name in columns), strict=True)
    heads = zip(decisions.index, decisions["time"], strict=True)
    lines = [
        f"    ({', '.join(map(_literal, row))}),  # event {event}, {time:%Y-%m-%d %H:%M} UTC\n"
        for (event, time), row in zip(heads, cells, strict=True)
    ]
    return _RECIPE.format(columns=columns, lines="".join(lines))


def _literal(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    if isinstance(value, pd.Timestamp):
        return f"pd.Timestamp({value.isoformat()!r})"
    if isinstance(value, date):
        return f"pd.Timestamp({value.isoformat()!r}).date()"
    return repr(value)
