"""The table and its truth, and how planted rows get in without a trace."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, check_real, complain
from curalab.items._table import check_column, kind_of

_COUNTED = re.compile(r"(.*?)([0-9]+)")


@dataclass(frozen=True, kw_only=True, eq=False)
class Planted:
    """A table with planted trouble, and the answer.

    Attributes
    ----------
    items : DataFrame
        The changed table. Nothing in it says which rows were changed: neither
        a column nor the position of a row.
    truth : DataFrame
        What was planted; the function that planted it says how to read it.
    """

    items: pd.DataFrame
    truth: pd.DataFrame

    def __repr__(self) -> str:
        return f"Planted({len(self.items):,} items, {len(self.truth):,} rows of truth)"


def content_of(items: pd.DataFrame, column: str | None) -> tuple[list[str], str]:
    """Return the columns that hold what an item is, and the kind of their cells."""
    if column is None:
        column = next((name for name in ("image", "text") if name in items.columns), None)
    if column is not None:
        check_column(items, column)
        present = items[column].dropna()
        kind = kind_of(present.iloc[0]) if len(present) else "missing"
        if kind in ("image", "text", "number"):
            return [column], kind
        raise TypeError(complain("column", "a column of images, texts or numbers", column))
    numbers = [c for c in items.select_dtypes("number").columns if c != "label"]
    if not numbers:
        hint = f"Name one: {', '.join(map(repr, items.columns))}."
        raise ValueError(complain("column", "named where there is no image or text", hint=hint))
    return numbers, "number"


def count_of(share: object, n: int) -> int:
    """Return how many of `n` rows a share is, to the nearest row."""
    return round(check_real("share", share, low=0, high=1) * n)


def some_rows(
    items: pd.DataFrame, columns: list[str], n: int, rng: np.random.Generator
) -> IntArray:
    """Draw the numbers of `n` distinct rows whose content is there."""
    whole = np.flatnonzero(items[columns].notna().any(axis=1))
    if n > len(whole):
        rule = f"small enough for the {len(whole):,} rows that have content"
        raise ValueError(complain("share", rule, what=f"{n:,} rows"))
    return rng.choice(whole, n, replace=False)


def to_floats(column: pd.Series[Any]) -> FloatArray:
    """Return a column of numbers as a new array of floats, missing as NaN."""
    return column.to_numpy(dtype=float, na_value=np.nan, copy=True)


def put_cells(rows: pd.DataFrame, column: str, cells: Any) -> None:
    """Write cells into a column of rows, keeping its type where it can hold them."""
    dtype: Any = rows[column].dtype
    if pd.api.types.is_integer_dtype(dtype):
        cells = np.round(cells)
    elif any(isinstance(cell, np.ndarray) for cell in cells):
        dtype = object
    rows[column] = pd.Series(cells, index=rows.index, dtype=dtype)


def insert(items: pd.DataFrame, new: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Put the new rows at random places between the others, whose order stays."""
    if not len(new):
        return items.copy()
    n = len(items) + len(new)
    is_new = np.zeros(n, dtype=bool)
    is_new[rng.choice(n, len(new), replace=False)] = True
    order = np.empty(n, dtype=np.intp)
    order[~is_new] = np.arange(len(items))
    order[is_new] = len(items) + rng.permutation(len(new))
    return pd.concat([items, new]).iloc[order]


def fresh_ids(ids: pd.Index, taken: pd.Index, n: int, rng: np.random.Generator) -> pd.Index:
    """Return `n` new ids in the manner of `ids`: numbers that go on after a gap, or "new-0000".

    The gap is for rows set aside before, such as a test set, whose numbers may be higher.
    """
    known, start, stem, width = set(ids) | set(taken), 0, "new-", 4
    found = [_COUNTED.fullmatch(str(id)) for id in ids]
    counted = [match for match in found if match]
    if whole := pd.api.types.is_integer_dtype(ids):
        start = _after(int(ids.max()))
    elif len(counted) == len(ids) and len({match[1] for match in counted}) == 1:
        start = _after(max(int(match[2]) for match in counted))
        stem, width = counted[0][1], len(counted[0][2])
    fresh: list[Any] = []
    while len(fresh) < n:
        id = start if whole else f"{stem}{start:0{width}d}"
        start += 1
        if id not in known:
            fresh.append(id)
    new: pd.Index = pd.Index([fresh[at] for at in rng.permutation(n)], name=ids.name)
    return new


def _after(last: int) -> int:
    """Return a round number that is a tenth above the last, or more."""
    step: int = 10 ** (len(str(abs(last))) - 1)
    return (last + abs(last) // 10) // step * step + step
