"""What licences permit and ask for, as a table, and how they are spelled in the wild."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from importlib.resources import files

__all__ = ["ANSWERS", "MUST", "UNSTATED", "USES", "Terms", "combined", "fitting", "read_licence"]

USES = ("commercial", "unspecified", "non-commercial", "academic-only", "by-permission")
ANSWERS = ("yes", "unspecified", "no")
MUST = {
    "name": "name the creators",
    "notice": "pass the licence on with it",
    "changes": "say what you changed",
    "alike": "share what you make of it under the same licence",
    "network": "do so even where others only use it over a network",
    "limits": "keep to the list of forbidden uses and pass it on",
}


@dataclass(frozen=True)
class Terms:
    """What a licence permits, from the first of `USES` and `ANSWERS` (loosest) to the last."""

    use: str
    change: str
    share: str
    must: frozenset[str] = frozenset()
    alike: frozenset[str] = frozenset()  # the share-alike licences among those combined

    @property
    def strictness(self) -> tuple[int, ...]:
        """Sorts terms from loose to strict."""
        answers = (ANSWERS.index(self.change), ANSWERS.index(self.share))
        return (USES.index(self.use), *answers, len(self.must))


FREE = Terms("commercial", "yes", "yes")
UNSTATED = Terms("unspecified", "unspecified", "unspecified")


def combined(terms: Iterable[Terms]) -> Terms:
    """Return the strictest terms: what all permit, and what any asks for."""
    return reduce(_both, terms, FREE)


def _both(a: Terms, b: Terms) -> Terms:
    return Terms(
        max(a.use, b.use, key=USES.index),
        max(a.change, b.change, key=ANSWERS.index),
        max(a.share, b.share, key=ANSWERS.index),
        a.must | b.must,
        a.alike | b.alike,
    )


# ---- the table -----------------------------------------------------------------------------------


@cache
def known() -> dict[str, dict[str, str]]:
    """Return the rows of licences.tsv by SPDX identifier.

    `also_under` names the licences under which work made of a share-alike one may be shared too:
    later versions where the licence lets them in, and those it names as compatible.
    """
    text = files("curalab.documents").joinpath("licences.tsv").read_text(encoding="utf-8")
    return {row["licence"]: row for row in csv.DictReader(text.splitlines(), delimiter="\t")}


def _terms_of(id: str) -> Terms:
    row = known().get(id)
    if row is None:
        return UNSTATED
    must = frozenset(row["must"].split())
    alike = frozenset({id} if "alike" in must else ())
    return Terms(row["use"], row["change"], row["share"], must, alike)


def fitting(terms: Terms) -> set[str]:
    """Return the licences that may cover a mixture under `terms` with share-alike parts."""
    under = [{id, *known()[id]["also_under"].split()} for id in terms.alike]
    both = set.intersection(*under) if under else set()
    needed = 0 if terms.use == "unspecified" else USES.index(terms.use)  # no proof of a conflict
    return {id for id in both if USES.index(known()[id]["use"]) >= needed}


# ---- spellings -----------------------------------------------------------------------------------

_REWRITTEN = (  # in this order
    (r"https?://|www\.|\.html|\.txt|\.php|legalcode|deed(\.\w\w)?", " "),
    (r"apache\.org/licenses/license", "apache"),
    (r"opendatacommons\.org/licenses/by\b", "odc by"),
    (r"(opensource|spdx|gnu|opendatacommons|choosealicense)\.(org|com)", " "),
    (r"creative ?commons(\.org)?", "cc"),
    (r"gnu affero general public", "agpl"),
    (r"gnu (lesser|library) general public", "lgpl"),
    (r"gnu general public", "gpl"),
    (r"public[ -]?domain", "pd"),
    (r"non[ -]?commercial", "nc"),
    (r"share[ -]?alike", "sa"),
    (r"no[ -]?deriv(ative)?s?( works)?", "nd"),
    (r"\battribution\b", "by"),
    (r"\+", " or later "),
    (r"(?<=[/ -]\d)-(?=\d)", "."),
    (r"[^a-z0-9.]+", " "),
    (r"(?<=gpl)v(?=\d)|\bv(?=\d)", " "),
    (r"\b([al]?gpl|apache|llama)(?=\d)", r"\1 "),
    (r"\b(licen[cs]e[ds]?|under|version|v|the|public|international|unported|universal|gnu)\b", " "),
    (r"\bpd dedication\b", "pd"),
    (r"(?<![\d.])(\d)(?![\d.a-z])", r"\1.0"),
)  # fmt: skip
_CC = re.compile(r"(cc )?((?:by|nc|sa|nd)(?: (?:by|nc|sa|nd))*)(?: (\d\.\d))?(?: ([a-z]{2,3}))?")


def _key(text: str) -> str:
    """Return a spelling reduced to what tells licences apart."""
    text = text.lower()
    for pattern, new in _REWRITTEN:
        text = re.sub(pattern, new, text)
    words = [word.strip(".") for word in text.split() if word.strip(".")]
    half = len(words) // 2  # "MIT License (MIT)"
    return " ".join(words[:half] if half and words[:half] == words[half:] else words)


@cache
def _by_key() -> dict[str, str]:
    return {
        _key(spelling): id
        for id, row in known().items()
        for spelling in (id.removeprefix("LicenseRef-"), *row["spellings"].split(" | "))
        if spelling
    }


@cache
def _by_id() -> dict[str, str]:
    return {id.lower(): id for id in known()}


def _one(text: str) -> str | None:
    """Return the SPDX identifier of one licence; None where the spelling is not known."""
    if text.lower() in _by_id():
        return _by_id()[text.lower()]
    if re.fullmatch(r"LicenseRef-[A-Za-z0-9.-]+", text):
        return text
    key = _key(text)
    if key in _by_key():
        return _by_key()[key]
    match = _CC.fullmatch(key)
    if not match or not (match[1] or match[3]):
        return None
    parts = match[2].split()
    kind = "-".join(part for part in ("by", "nc", "sa", "nd") if part in parts).upper()
    tail = "".join(f"-{end.upper()}" for end in (match[3], match[4]) if end)
    id = f"CC-{kind}{tail}" if match[3] else f"LicenseRef-CC-{kind}{tail}"
    return id if id in known() and len(parts) == len(set(parts)) else None


@lru_cache(maxsize=4096)
def read_licence(text: str) -> tuple[str | None, Terms]:
    """Return the SPDX expression that `text` means and its terms; None where it is not known."""
    text = text.strip()
    id = _one(text)
    if id:
        return id, _terms_of(id)
    if text.startswith("(") and text.endswith(")") and len(_split(text[1:-1], "")) == 1:
        return read_licence(text[1:-1])
    for word in ("OR", "AND", "WITH"):
        parts = _split(text, word)
        if len(parts) < 2:
            continue
        exception = parts.pop() if word == "WITH" else ""
        read = [read_licence(part) for part in parts]
        if any(id is None for id, _ in read):
            break
        ids = [f"({id})" if word == "AND" and " OR " in str(id) else str(id) for id, _ in read]
        terms = [terms for _, terms in read]
        loosest = min(terms, key=lambda t: t.strictness)  # who may choose takes that one
        expression = f" {word} ".join([*ids, exception] if exception else ids)
        return expression, loosest if word == "OR" else combined(terms)
    return None, UNSTATED


def _split(text: str, word: str) -> list[str]:
    """Split at a word outside parentheses; [] where those do not match."""
    parts, depth, start = [], 0, 0
    for match in re.finditer(rf"[()]|\s+{word}\s+" if word else "[()]", text, re.IGNORECASE):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth < 0:
            return []
        if depth == 0 and match[0] not in "()":
            parts.append(text[start : match.start()])
            start = match.end()
    return [*parts, text[start:]] if depth == 0 else []
