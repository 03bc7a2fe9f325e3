"""Lessons: which there are, in which order, and what each says of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

__all__ = ["FAILING", "Lesson", "contents", "find_lessons"]

FAILING = {
    "02": "a map shows clusters that are not there",
    "05": "confident learning accuses rare classes",
    "08": "pseudo-labels confirm their own mistakes",
    "11": "pruning takes the rows that mattered",
}
_WORDS = ["a", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_MINUTES = re.compile(rf"\b(\d+|{'|'.join(_WORDS)})\s+minutes?\b")
_WILL = re.compile(r"\*\*You will:?\*\*:?\s+(?:[-*] )?(.+?)(?:;|[.](?:\s|$)|$)")
_NAME = re.compile(r"(\d+)([a-z]?)_\w+")


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A notebook of the course and what its first cell says."""

    path: Path
    number: str
    title: str
    summary: str
    minutes: str

    @property
    def name(self) -> str:
        return self.path.stem


def find_lessons(folder: Path) -> list[Lesson]:
    """Return the lessons in a folder, in order: 11 before 11a before 12."""
    return [_read(path) for path in sorted(folder.glob("*.ipynb"), key=_place)]


def _place(path: Path) -> tuple[int, str]:
    named = _NAME.fullmatch(path.stem)
    if not named:
        raise ValueError(f"A lesson is called NN_name.ipynb or NNa_name.ipynb. Got {path.name}.")
    return int(named[1]), named[2]


def _read(path: Path) -> Lesson:
    book = nbformat.read(path, as_version=4)
    prose = next((cell.source for cell in book.cells if cell.cell_type == "markdown"), "")
    heading = re.search(r"^# +(.+)$", prose, re.MULTILINE)
    if not heading:
        raise ValueError(f"{path.name} must begin with a cell of text that has a heading '# …'.")
    said = book.metadata.get("curalab", {})  # where the text says it in another way
    return Lesson(
        path=path,
        number=path.stem.partition("_")[0],
        title=heading[1].strip(),
        summary=said.get("summary") or _summary(prose[heading.end() :]),
        minutes=str(said.get("minutes") or _minutes(prose)),
    )


def _summary(prose: str) -> str:
    """Return the first thing that "**You will** …" names, else the first sentence."""
    paragraphs = [" ".join(part.split()) for part in prose.split("\n\n")]
    will = next(filter(None, map(_WILL.match, paragraphs)), None)
    if will:
        return f"{will[1][0].upper()}{will[1][1:]}."
    first = next((part for part in paragraphs if part), "")
    return re.split(r"(?<=[.?!])\s+(?=[A-Z])", first)[0]


def _minutes(prose: str) -> str:
    said = _MINUTES.search(" ".join(prose.split()))
    if not said:
        return ""
    return said[1] if said[1].isdecimal() else str(max(1, _WORDS.index(said[1])))


def contents(lessons: list[Lesson]) -> str:
    """Return the table of lessons and their place in the menu, as MyST Markdown."""
    rows = ["| | lesson | minutes |", "| ---: | --- | ---: |"]
    for lesson in lessons:
        said = f"[{lesson.title}]({lesson.name}.ipynb)<br>{lesson.summary.replace('|', '&#124;')}"
        if lesson.number in FAILING:
            said += f"<br>**A method fails here:** {FAILING[lesson.number]}."
        rows.append(f"| {lesson.number} | {said} | {lesson.minutes} |")
    entries = [f"{lesson.number} {_short(lesson.title)} <{lesson.name}>" for lesson in lessons]
    menu = ["```{toctree}", ":hidden:", ":caption: Lessons", "", *entries, "```"]
    return "\n".join([*rows, "", *menu, ""])


def _short(title: str) -> str:
    """Return a title for the menu: what stands before a colon, without mark-up."""
    return re.sub(r"[`*<>]", "", title.partition(": ")[0])
