"""A column as colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray, IntArray

__all__ = ["COLORS", "GREY", "PALE", "Paint", "paint", "rgb"]

# Of middling lightness, so that they show on a white page and on a black one.
_TENS = (
    "4878d0 ee854a 2fa36b d65f5f 956cb4 c9a227 dc7ec0 1fa7b8 8c613c 7f9f2f",
    "8fb3ee f8bd8f 82d3a8 f0a0a0 c6a9dd e8cf73 f2b8de 79d3de c19a77 b9d36b",
)
COLORS = [f"#{color}" for ten in _TENS for color in ten.split()]
GREY, PALE = "#8a8f98", "#b4b8bf"
_SCALE = ("#4a4fb5", "#2a7fb8", "#1fa187", "#7ac142", "#f2b705")
_BINS = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Paint:
    """A column as colours: row i has `colors[codes[i]]`, whose meaning is `names[codes[i]]`.

    Numbers are cut into bins from `low` to `high`, which are None for classes. Rows that are
    `faint` are drawn so; None draws none of them so.
    """

    codes: IntArray
    colors: list[str]
    names: list[str]
    low: object = None
    high: object = None
    faint: BoolArray | None = None

    @property
    def counts(self) -> IntArray:
        """Rows of each colour."""
        return np.bincount(self.codes, minlength=len(self.colors))

    @property
    def levels(self) -> IntArray:
        """1 for a faint row, else 0."""
        return np.zeros(len(self.codes), int) if self.faint is None else self.faint.astype(int)


def paint(column: pd.Series[Any] | None, n: int) -> Paint:
    """Choose colours: a scale for numbers, else one for each of the most frequent values.

    Integers of few distinct values count as classes. None paints `n` rows alike.
    """
    if column is None:
        return Paint(codes=np.zeros(n, dtype=np.intp), colors=[COLORS[0]], names=[""])
    kind = pd.api.types
    if kind.is_float_dtype(column) or kind.is_datetime64_any_dtype(column):
        return _paint_numbers(column)
    if kind.is_integer_dtype(column) and column.nunique() > len(COLORS):
        return _paint_numbers(column)
    return _paint_classes(column)


def _paint_numbers(column: pd.Series[Any]) -> Paint:
    numbers = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    known = np.isfinite(numbers) & column.notna().to_numpy()
    codes = np.full(len(numbers), _BINS)
    shown = column[known]
    if known.any():
        share = numbers[known] - numbers[known].min()
        codes[known] = np.minimum(share / (share.max() or 1) * _BINS, _BINS - 1)
    return Paint(
        codes=codes,
        colors=[*_mixed(_SCALE, _BINS), PALE],
        names=[""] * _BINS + ["missing"],
        low=shown.min() if known.any() else None,
        high=shown.max() if known.any() else None,
    )


def _paint_classes(column: pd.Series[Any]) -> Paint:
    try:
        codes, values = pd.factorize(column, sort=True)
    except TypeError:  # values that have no order, or no hash
        codes, values = pd.factorize(column.map(str, na_action="ignore"), sort=True)
    count = np.bincount(codes[codes >= 0], minlength=len(values))
    shown = np.sort(np.argsort(-count, kind="stable")[: len(COLORS)])
    rank = np.full(len(values) + 1, len(shown))  # its last place is that of -1: missing
    rank[shown] = np.arange(len(shown))
    rank[-1] = len(shown) + 1
    rest = f"{len(values) - len(shown):,} other values"
    return Paint(
        codes=rank[codes],
        colors=[*COLORS[: len(shown)], GREY, PALE],
        names=[*map(str, values[shown]), rest, "missing"],
    )


def _mixed(stops: tuple[str, ...], n: int) -> list[str]:
    ends = np.array([rgb(stop) for stop in stops])
    at = np.linspace(0, len(stops) - 1, n)
    mixed = [np.interp(at, np.arange(len(stops)), band) for band in ends.T]
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.round(mixed).astype(int).T]


def rgb(color: str) -> list[int]:
    """Return red, green and blue of ``#rrggbb``, 0 to 255."""
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]
