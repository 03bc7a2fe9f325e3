"""Markdown that holds what comes from data, and the parts of a Markdown text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import pandas as pd

from curalab._check import complain

__all__ = [
    "FRONT",
    "Part",
    "as_text",
    "bullets",
    "facts_of",
    "parts_of",
    "plain",
    "quoted",
    "table",
]

FRONT = re.compile(r"\A\s*---\n.*?\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_LONGEST = 300  # characters of one value
# What YAML refuses, and marks that turn the direction of all text after them.
_UNFIT = re.compile(
    r"[^\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_MARKS = re.compile(r"[\\`*~\[\]|]|(?<![^\W_])_|_(?![^\W_])")
_TAG = re.compile(r"<(?=[a-zA-Z/!?])")
_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def as_text(value: object) -> str:
    """Return a value as one line without characters that readers choke on, cut where long."""
    text = _UNFIT.sub("\ufffd", " ".join(str(value)[: 4 * _LONGEST].split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def plain(value: object) -> str:
    """Return a value as one line that Markdown, in a table too, shows as it is."""
    text = _MARKS.sub(r"\\\g<0>", as_text(value))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def quoted(text: str) -> str:
    """Return Markdown that a person wrote, tags shown and not obeyed, headings below the card's."""
    lines, fence = [], ""
    for line in text.strip().splitlines():
        fence = _fence_after(line, fence)
        heading = None if fence else _HEADING.match(line)
        line = f"#### {heading[2]}" if heading and len(heading[1]) < 4 else line
        lines.append(_UNFIT.sub("\ufffd", line.replace("\t", "    ")))
    return _TAG.sub("&lt;", "\n".join([*lines, *[fence] * bool(fence)]))


def _fence_after(line: str, fence: str) -> str:
    """Return the fence of the code that goes on below a line, "" outside of code."""
    mark = _FENCE.match(line)
    if not mark:
        return fence
    closes = mark[1].startswith(fence) and line.strip() == mark[1]
    return "" if fence and closes else fence or mark[1]


def table(frame: pd.DataFrame, *, most: int | None = None) -> Iterator[str]:
    """Return the lines of a table, at most so many rows of it."""
    yield "| " + " | ".join(map(plain, frame.columns)) + " |"
    yield "|" + " --- |" * frame.shape[1]
    for row in frame.head(len(frame) if most is None else most).itertuples(index=False):
        yield "| " + " | ".join(map(plain, row)) + " |"
    yield ""
    if most is not None and len(frame) > most:
        yield from (f"… and {len(frame) - most:,} more.", "")


def bullets(lines: Iterable[str]) -> Iterator[str]:
    """Return a list, and the empty line after it."""
    yield from (*(f"- {line}" for line in lines), "")


class Part(NamedTuple):
    """What stands under one heading, up to the next; `start` and `stop` are its lines."""

    level: int
    title: str
    body: str
    start: int
    stop: int


def parts_of(text: str, *, deepest: int = 6) -> list[Part]:
    """Cut a Markdown text at its headings; what stands before the first has level 0."""
    lines, marks, fence = text.splitlines(), [(0, "", 0)], ""
    for number, line in enumerate(lines, start=1):
        fence = _fence_after(line, fence)
        heading = None if fence else _HEADING.match(line)
        if heading and len(heading[1]) <= deepest:
            marks.append((len(heading[1]), heading[2], number))
    stops = [start - 1 for _, _, start in marks[1:]] + [len(lines)]
    return [
        Part(level, title, "\n".join(lines[start:stop]).strip(), start, stop)
        for (level, title, start), stop in zip(marks, stops, strict=True)
    ]


def facts_of(lineage: object) -> dict[str, str]:
    """Return what is known of the origin, each fact under a name in lower case."""
    told = lineage.facts() if hasattr(lineage, "facts") else lineage or {}
    if not isinstance(told, Mapping):
        rule = "a mapping of str to str, or have facts()"
        raise TypeError(complain("lineage", rule, what=type(lineage).__name__))
    known = {str(name).strip().lower(): str(value).strip() for name, value in told.items()}
    known.setdefault("licence", known.pop("license", ""))
    return {name: value for name, value in known.items() if value}
