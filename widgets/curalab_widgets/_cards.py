"""Items as HTML: pictures made here, everything else escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from curalab._hidden import refuse_to_show
from curalab.encoders._sounds import is_pair
from curalab.items._table import kind_of
from curalab_widgets._media import data_uri, player, thumbnail

__all__ = ["Cards", "data_uri", "is_missing", "plain", "thumbnail"]

_TEXT = 600  # characters of a text shown on a card
_BRIEF = 300  # of a text in a table
_CELL = 80  # and of a cell beside it
_FIELDS = 8
_PROSE = 20  # mean length from which a column of strings is text to read, not values
_SAMPLE = 100


def plain(value: object, *, limit: int = _CELL) -> str:
    """Return a value as escaped text of at most `limit` characters."""
    text = f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
    more = f" … ({len(text):,} characters)" if len(text) > limit else ""
    # Half of a surrogate pair cannot be sent to a browser.
    return escape(text[:limit].encode("utf-8", "replace").decode()) + more


def is_missing(value: object) -> bool:
    """Whether a cell holds nothing: None or NaN."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))  # type: ignore[call-overload]


class Cards:
    """The items of a table as cards and tiles.

    Parameters
    ----------
    items : DataFrame
        What a column holds is read off its first cells: images, texts, or values.
    as_values : bool, default=False
        Take every column for values, as of a table.
    """

    def __init__(self, items: pd.DataFrame, *, as_values: bool = False) -> None:
        refuse_to_show("A card")
        self._items = items
        kinds = {name: "value" if as_values else _kind(items[name]) for name in items.columns}
        self.images = [name for name, kind in kinds.items() if kind == "image"]
        self.sounds = [name for name, kind in kinds.items() if kind == "audio"]
        self.texts = [name for name, kind in kinds.items() if kind == "text"]
        self._fields = [name for name, kind in kinds.items() if kind == "value"][:_FIELDS]

    def card(self, row: int) -> str:
        """Return one item in full: picture, text, and the other cells as a table."""
        item = self._items.iloc[row]
        parts = [_picture(item[name], 160) for name in self.images]
        parts += [_sound(item[name]) for name in self.sounds]
        parts += [_prose(item[name]) for name in self.texts]
        rows = [f"<tr><th>{plain(k)}</th><td>{plain(item[k])}</td></tr>" for k in self._fields]
        parts.append(f"<table>{''.join(rows)}</table>")
        name = plain(self._items.index[row])
        return f"<div class='curalab-card'><b>{name}</b>{''.join(parts)}</div>"

    def face(self, row: int, *, side: int = 56) -> str:
        """Return what tells an item from others at a glance: its picture, its text or its id."""
        item = self._items.iloc[row]
        if self.images:
            return _picture(item[self.images[0]], side)
        shown = plain(item[self.texts[0]]) if self.texts else plain(self._items.index[row])
        return f"<span dir='auto'>{shown}</span>"

    def brief(self, row: int) -> str:
        """Return an item in a few lines: its picture, its text, or its values."""
        item = self._items.iloc[row]
        if self.images:
            return _picture(item[self.images[0]], 96)
        if self.texts:
            return f"<span dir='auto'>{plain(item[self.texts[0]], limit=_BRIEF)}</span>"
        return ", ".join(f"<small>{plain(k)}</small> {plain(item[k])}" for k in self._fields)

    def tiles(self, rows: Sequence[int], *, labels: Sequence[object]) -> str:
        """Return items at a glance with their labels, as buttons that pick ``row:number``."""
        made = [
            f"<button class='curalab-tile' data-pick='row:{row}' "
            f"title='{plain(self._items.index[row])}'>{self.face(row)}"
            f"<small>{plain(label, limit=24)}</small></button>"
            for row, label in zip(rows, labels, strict=True)
        ]
        return f"<div class='curalab-tiles'>{''.join(made)}</div>"

    def table(self, rows: Sequence[int], columns: Mapping[str, Sequence[object]]) -> str:
        """Return items and what is said of them as a plain HTML table."""
        head = "".join(f"<th>{plain(name)}</th>" for name in ("id", "item", *columns))
        body = "".join(
            f"<tr><td>{plain(self._items.index[row])}</td><td>{self.face(row)}</td>"
            + "".join(f"<td>{plain(values[at])}</td>" for values in columns.values())
            + "</tr>"
            for at, row in enumerate(rows)
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _kind(column: pd.Series[Any]) -> str:
    cells = column.head(100 * _SAMPLE).dropna().head(_SAMPLE)
    kinds = {kind_of(cell) for cell in cells}
    if kinds in ({"image"}, {"audio"}):
        return str(*kinds)
    if len(cells) and cells.map(is_pair).all():
        return "audio"
    if kinds == {"text"} and cells.str.len().mean() > _PROSE:
        return "text"
    return "value"


def _prose(value: object) -> str:
    shown = "<i>no text</i>" if is_missing(value) else plain(value, limit=_TEXT)
    return f"<p dir='auto' style='margin:6px 0;white-space:pre-wrap'>{shown}</p>"


def _sound(cell: Any) -> str:
    if is_missing(cell):
        return "<p><i>no sound</i></p>"
    try:
        return f"<audio controls src='{player(cell)}' style='width:100%;height:32px'></audio>"
    except ValueError as error:
        return f"<p><i>No sound: {plain(error, limit=200)}</i></p>"


def _picture(cell: Any, side: int) -> str:
    if is_missing(cell):
        return "<p><i>no picture</i></p>"
    try:
        address = thumbnail(cell, side=side)
    except ValueError as error:
        return f"<p><i>No picture: {plain(error, limit=200)}</i></p>"
    look = f"display:block;height:{side}px;max-width:100%;object-fit:contain;margin:4px 0"
    return f"<img alt='' src='{address}' style='{look}'>"
