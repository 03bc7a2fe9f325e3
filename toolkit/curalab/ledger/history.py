"""Events told: as a table of values, as changes between two moments, as Python."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from numbers import Integral
from typing import Any

import pandas as pd

from curalab._check import complain
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
    rule = f"the number of an event, up to {len(events):,}, or a time"
    if not isinstance(moment, str | datetime):
        if isinstance(moment, bool) or not isinstance(moment, Integral):
            raise TypeError(complain(name, rule, moment))
        if not 0 <= int(moment) <= len(events):
            raise ValueError(complain(name, rule, moment))
        return int(moment)
    try:
        until = pd.Timestamp(moment)
    except ValueError as error:
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
    stated = events[(events["action"] != "undo") & events["old"].notna()]
    source = stated.groupby("subject")["old"].first().reindex(last.index)
    conflicts = _conflicts(events[events.index <= b])
    # The decision in force says who and why; where none is, the event that took it back does.
    table = told(events.loc[at_b["event"].fillna(last["event"]).astype(int)]).reset_index()
    for place, name, state in ((2, "before", at_a), (3, "after", at_b)):
        texts = state["value"].where(state["value"].notna(), source)
        table.insert(place, name, pd.Series(objects(texts), dtype=object))
    table["conflict"] = pd.Series([conflicts.get(s) for s in last.index], dtype=object)
    shown = ["row_id", "field", "before", "after", "event", "time", "actor", "method", "reason"]
    return table[[*shown, "conflict"]].sort_values("event", ignore_index=True)


def _by_subject(events: pd.DataFrame) -> pd.DataFrame:
    return events.reset_index().drop_duplicates("subject", keep="last").set_index("subject")


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
    columns = [
        name
        for name in ENTRIES
        if name in ("row_id", "action", "actor") or any(v is not None for v in decisions[name])
    ]
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
