"""The rows that are worth a look before a line is drawn between proposed labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import IntArray, rows_of
from curalab_widgets._cards import Cards
from curalab_widgets.pseudo._line import Line

__all__ = ["VIEWS", "gallery"]

_NEAR = 9  # rows shown on either side of the line
_SHOWN = 45
_EACH = 4  # rows shown of a class, at most
VIEWS = {
    "Around the line": "The least sure rows above the line and the surest below it",
    "Surest of each class": "Where even these are wrong, all of the class are in doubt",
    "Selected": "What is selected",
}


def gallery(
    view: str,
    line: Line,
    cards: Cards,
    *,
    undecided: IntArray,
    threshold: float,
    ids: pd.Index,
    selected: Sequence[Any],
) -> str:
    """Return rows as tiles under what they are, as HTML.

    `view` is one of VIEWS; `undecided` are the rows to choose from, the least sure first; `ids` are
    those of all rows, and the `selected` of them are ticked.
    """
    if view == "Around the line":
        above, below = _around(line, undecided, threshold)
        parts = [
            ("Just above the line: the least sure that are accepted", above),
            ("Just below it: the surest that are not", below),
        ]
    elif view == "Surest of each class":
        best = _surest(line, undecided)
        parts = [(f"The surest of each class{_cut(len(best))}", best)]
    else:
        shown = rows_of(ids, selected[:_SHOWN])
        parts = [(f"{len(selected):,} selected{_cut(len(selected))}", shown)]
    chosen = set(selected)
    made = []
    for head, rows in parts:
        rows = rows[:_SHOWN]
        told = [_caption(line, row, is_chosen=ids[row] in chosen) for row in rows]
        tiles = cards.tiles(rows.tolist(), labels=told) if told else "<i>none</i>"
        made.append(f"<div><b>{head}</b></div>{tiles}")
    return "".join(made)


def _around(line: Line, rows: IntArray, threshold: float) -> tuple[IntArray, IntArray]:
    """Return the rows next above the line and those next below it, nearest first."""
    at = int(np.searchsorted(line.confidence[rows], threshold))
    return rows[at : at + _NEAR], rows[max(at - _NEAR, 0) : at][::-1]


def _surest(line: Line, rows: IntArray) -> IntArray:
    """Return the surest of each class, class by class: as many of each as find room, one least."""
    best_first = rows[::-1]
    codes = pd.Series(line.codes[best_first])
    each = int(np.clip(_SHOWN // max(codes.nunique(), 1), 1, _EACH))
    some = (codes.groupby(codes).cumcount() < each).to_numpy()
    return np.asarray(best_first[some][np.argsort(codes[some], kind="stable")])


def _cut(n: int) -> str:
    return "" if n <= _SHOWN else f", the first {_SHOWN} of {n:,}"


def _caption(line: Line, row: int, *, is_chosen: bool) -> str:
    name = line.names[line.codes[row]]
    short = name if len(name) <= 14 else f"{name[:13]}…"
    return f"{'✓ ' if is_chosen else ''}{short} · {line.confidence[row]:.2f}"
