"""A ledger without the names of people, or without what they wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

__all__ = ["aliases_of", "hider", "redacted"]


def aliases_of(actors: Iterable[str]) -> dict[str, str]:
    """Return another name for everyone who decided, in this order; registered methods keep theirs.

    A name that is not registered may be a person's, even where it stands as a method too.
    """
    from curalab.pool import methods

    known = set(methods()["name"])
    people = [actor for actor in dict.fromkeys(actors) if actor not in known]
    return {person: f"annotator_{n}" for n, person in enumerate(people, start=1)}


def hider(aliases: Mapping[str, str]) -> Callable[[str], str]:
    """Return what replaces names in a text, as whole words, whatever their case."""
    if not aliases:
        return str
    known = {name.casefold(): alias for name, alias in reversed([*aliases.items()])}
    longest = sorted(aliases, key=len, reverse=True)
    name = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)", re.IGNORECASE)
    return lambda text: (
        aliases.get(text) or name.sub(lambda m: known.get(m[0].casefold(), "someone"), text)
    )


def redacted(
    events: pd.DataFrame, marks: pd.DataFrame, *, people: bool, notes: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return events and marks, as they are stored, without names and without notes.

    Without people, whoever decided has another name, in reasons, methods and parameters too.
    Without notes there are no reasons, and no texts in parameters: they may say anything. What
    decisions are about, rows and values, stays.
    """
    if not people:
        hide = hider(aliases_of([*events["actor"], *marks["actor"]]))
        events = _hidden(events, ("actor", "method", "embedding", "reason"), hide)
        events = events.assign(params=_mapped(events["params"], lambda text: _texts(text, hide)))
        source = marks["name"].mask(marks["kind"] == "merge", "")  # a file may bear a person's name
        marks = _hidden(marks.assign(name=source), ("actor", "name", "reason"), hide)
    if not notes:
        silent = _mapped(events["params"], lambda text: _texts(text, lambda _: None))
        events = events.assign(reason="", params=silent)
        marks = marks.assign(reason="")
    return events, marks


def _hidden(
    frame: pd.DataFrame, columns: Iterable[str], hide: Callable[[str], str]
) -> pd.DataFrame:
    return frame.assign(**{name: _mapped(frame[name], hide) for name in columns})


def _mapped(column: pd.Series[Any], change: Callable[[str], str]) -> pd.Series[Any]:
    """Return a column of texts changed, each text once; what is missing stays missing."""
    known = {text: change(text) for text in column.dropna().unique()}
    changed = [known.get(text, text) for text in column]
    return pd.Series(changed, index=column.index, dtype=object)


def _texts(params: str, change: Callable[[str], str | None]) -> str:
    """Return parameters, as JSON, with their texts changed."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(change(key) or key): walk(each) for key, each in value.items()}
        if isinstance(value, list):
            return [walk(each) for each in value]
        return change(value) if isinstance(value, str) else value

    return json.dumps(walk(json.loads(params)))
