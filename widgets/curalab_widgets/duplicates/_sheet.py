"""Items side by side, with what differs between them marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

import pandas as pd

from curalab_widgets._cards import Cards, is_missing, plain

__all__ = ["KEYS", "Sheet", "cell"]

KEYS = 9  # cards that a number key chooses
_FIELDS = 8  # cells on a card
_FEW = 4  # cards up to which pictures are large
_TEXT = 600  # characters of a text on a card
_BEFORE = 80  # of those that lie before the first difference
_KEPT_HERE = "<b class='curalab-duplicates-badge'>Kept</b>"
_WORDS = re.compile(r"\s*\w+|\s*[^\w\s]|\s+")


class Sheet:
    """Items beside each other, with what differs from one of them marked."""

    def __init__(self, items: pd.DataFrame) -> None:
        self._items, self._cards = items, Cards(items)
        shown = {*self._cards.images, *self._cards.texts}
        self._fields = [name for name in items.columns if name not in shown]
        self.table = self._cards.table

    def cards(
        self, rows: Sequence[int], told: Sequence[str], *, against: int, are_kept: bool = True
    ) -> str:
        """Return a card a row: its id, what is told of it, which is HTML, and its cells.

        Marked is what differs from the row `against`. With `are_kept` that one is the one kept,
        and each other has a button to be it, which picks ``keep:row``.
        """
        table, base = self._items.iloc[list(rows)], self._items.iloc[against]
        differs = {k: any(not _same(value, base[k]) for value in table[k]) for k in self._fields}
        fields = sorted(self._fields, key=lambda k: not differs[k])[:_FIELDS]
        side = 144 if len(rows) <= _FEW else 96
        made = []
        for at, row in enumerate(rows, start=1):
            is_kept = are_kept and row == against
            head = _KEPT_HERE if is_kept else _choice(row, at) if are_kept else ""
            made.append(
                f"<article class='curalab-duplicates-card{' curalab-duplicates-kept' * is_kept}'>"
                f"<header><b>{plain(self._items.index[row])}</b>{head}</header>"
                f"<small>{told[at - 1]}</small>{self._body(row, against, fields, side)}</article>"
            )
        html = f"<div class='curalab-duplicates-cards'>{''.join(made)}</div>"
        key = (
            f"<ins>only here</ins> <del>only in {'the one kept' if are_kept else 'the first'}</del>"
        )
        return html + f"<p class='curalab-said'>{key}</p>" * ("<ins>" in html or "<del>" in html)

    def _body(self, row: int, against: int, fields: Sequence[Any], side: int) -> str:
        item, base = self._items.iloc[row], self._items.iloc[against]
        parts = [self._cards.face(row, side=side)] if self._cards.images else []
        texts = [_prose(item[name], base[name]) for name in self._cards.texts]
        parts += [f"<p dir='auto'>{text}</p>" for text in texts]
        cells = "".join(
            f"<tr><th>{plain(k)}</th><td>{cell(item[k], base[k])}</td></tr>" for k in fields
        )
        return "".join(parts) + (f"<table>{cells}</table>" if cells else "")


def _choice(row: int, number: int) -> str:
    key = f" <kbd>{number}</kbd>" if number <= KEYS else ""
    return (
        f"<button class='curalab-tile curalab-duplicates-choice' data-pick='keep:{row}' "
        f"title='Keep this one instead'>Keep{key}</button>"
    )


def _same(one: Any, other: Any) -> bool:
    return is_missing(one) if is_missing(other) else not is_missing(one) and str(one) == str(other)


def cell(value: Any, base: Any) -> str:
    if _same(value, base):
        return plain(value)
    shown = plain(value) if plain(value) != plain(base) else plain(str(value))
    return f"<mark>≠ {shown}</mark>"


def _prose(value: Any, base: Any) -> str:
    """Return a text with what differs from another marked as inserted or deleted, as HTML."""
    if is_missing(value):
        return "<i>no text</i>"
    text, other = str(value), "" if is_missing(base) else str(base)
    if text == other or not other:
        return plain(text, limit=_TEXT)
    pairs = enumerate(zip(text, other, strict=False))
    start = next((at for at, (one, two) in pairs if one != two), min(len(text), len(other)))
    start = 0 if start < _TEXT // 2 else start - _BEFORE
    # The other one reads on, so that what is beyond the end here does not look deleted.
    words = _WORDS.findall(" " + text[start : start + _TEXT])
    others = _WORDS.findall(" " + other[start : start + 2 * _TEXT])
    is_cut = len(text) > start + _TEXT
    parts = []
    for what, i, j, k, m in SequenceMatcher(None, others, words, autojunk=False).get_opcodes():
        gone, new = "".join(others[i:j]), "".join(words[k:m])
        if what == "equal":
            parts.append(plain(new, limit=_TEXT))
            continue
        if not (is_cut and j == len(others)):
            parts.append(_tagged("del", gone))
        parts.append(_tagged("ins", new))
    html = "".join(parts).replace(" ", "", 1)  # the one set before
    return ("… " if start else "") + html + (f" … ({len(text):,} characters)" if is_cut else "")


def _tagged(tag: str, text: str) -> str:
    """Return words marked by a tag, the space before them outside."""
    words = text.removeprefix(" ") or text
    space = " " if words != text else ""
    return f"{space}<{tag}>{plain(words, limit=_TEXT)}</{tag}>" if text else ""
