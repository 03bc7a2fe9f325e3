"""Events told: as a table of values, and as changes between two moments."""

from __future__ import annotations

from datetime import datetime
from numbers import Integral
from typing import Any

import pandas as pd

from curalab._check import complain
from curalab.ledger.events import decode, parsed
from curalab.ledger.replay import in_force, standing

__all__ = ["by_subject", "changes", "moment_of", "times_of", "told", "valued"]


def told(events: pd.DataFrame) -> pd.DataFrame:
    """Return events with their values read; rows with the same params share one mapping."""
    table = events.drop(columns="subject").assign(time=times_of(events))
    for name in ("row_id", "old", "new"):
        table[name] = pd.Series(decode(events[name]), index=events.index, dtype=object)
    read = {text: parsed(text) for text in events["params"].dropna().unique()}
    params = [read.get(text) for text in events["params"]]
    table["params"] = pd.Series(params, index=events.index, dtype=object)
    return table.astype({"undoes": "Int64"})


def times_of(events: pd.DataFrame) -> pd.Series[Any]:
    """Return when each was written, to the microsecond."""
    times = pd.to_datetime(events["time"], utc=True, format="ISO8601", errors="coerce")
    if times.isna().any():
        raise ValueError(
            "The times in a ledger must be as it wrote them. Got "
            f"{events['time'][times.isna()].iloc[0]!r} instead. The file was damaged: put a copy "
            "of it back."
        )
    return times.dt.as_unit("us")  # of no events too


def moment_of(name: str, moment: object, events: pd.DataFrame, marks: pd.DataFrame) -> int:
    """Return the number of the last event at `moment`; 0 is before the first."""
    rule = f"the number of an event, up to {len(events):,}, a time, or a checkpoint"
    if not isinstance(moment, str | datetime):
        if isinstance(moment, bool) or not isinstance(moment, Integral):
            raise TypeError(complain(name, rule, moment))
        if not 0 <= int(moment) <= len(events):
            raise ValueError(complain(name, rule, moment))
        return int(moment)
    named = marks[(marks["kind"] == "checkpoint") & (marks["name"] == moment)]
    if len(named):
        return int(named["event"].iloc[0])
    try:
        until = pd.Timestamp(moment)
    except ValueError as error:
        raise ValueError(complain(name, rule, moment)) from error
    if pd.isna(until):  # which "" is too
        raise ValueError(complain(name, rule, moment))
    until = until.tz_localize("UTC") if until.tzinfo is None else until
    before = events.index[(_recorded(events, marks) <= until).to_numpy()]
    return int(before.max()) if len(before) else 0


def _recorded(events: pd.DataFrame, marks: pd.DataFrame) -> pd.Series[Any]:
    """Return when each event came into this ledger; merged ones were decided before."""
    times = events["time"].copy()
    for first, last, time in marks.loc[marks["kind"] == "merge", ["first", "event", "time"]].values:
        times.loc[first:last] = time
    return times_of(times.to_frame())


# ---- between two moments -------------------------------------------------------------------------


def changes(events: pd.DataFrame, a: int, b: int) -> pd.DataFrame:
    """Return what is decided differently after event `a` and after event `b`."""
    events = events[events.index <= max(a, b)]
    events = valued(events)
    last = by_subject(events)
    at_a, at_b = (
        by_subject(in_force(standing(events[events.index <= moment]))).reindex(last.index)
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
        table.insert(place, name, pd.Series(decode(texts), dtype=object))
    table["conflict"] = pd.Series([conflicts.get(s) for s in last.index], dtype=object)
    shown = ["row_id", "field", "before", "after", "event", "time", "actor", "method", "reason"]
    return table[[*shown, "conflict"]].sort_values("event", ignore_index=True)


def valued(events: pd.DataFrame) -> pd.DataFrame:
    """Return events with the `value` of each: the new one, "keep" or "drop", as JSON."""
    is_kept = events["action"].isin(["keep", "drop"])
    return events.assign(value=events["new"].mask(is_kept, '"' + events["action"] + '"'))


def by_subject(events: pd.DataFrame) -> pd.DataFrame:
    """Return the last of the events on each subject."""
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
