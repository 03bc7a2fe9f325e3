"""What every function that takes a table of items asks of it."""

from __future__ import annotations

import difflib
from typing import Any

import pandas as pd

from curalab._check import check_ids, complain, first_few

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
AUDIO = (".wav",)


def check_table(name: str, value: object) -> pd.DataFrame:
    """Return `value` if it is a DataFrame with rows, distinct columns and distinct ids."""
    if not isinstance(value, pd.DataFrame):
        raise TypeError(complain(name, "a DataFrame", what=type(value).__name__))
    if not len(value):
        raise ValueError(complain(name, "a table with rows", what="0 rows"))
    check_distinct(name, value.columns)
    check_ids(value.index)
    return value


def check_distinct(name: str, columns: pd.Index) -> None:
    """Raise if a column name occurs twice, or is one of several levels."""
    if columns.nlevels > 1:
        hint = f"Join the levels: {name}.columns = {name}.columns.to_flat_index()."
        rule, got = "a table with columns of one level", f"{columns.nlevels} levels"
        raise ValueError(complain(name, rule, hint=hint, what=got))
    if not columns.is_unique:
        twice = first_few(columns[columns.duplicated()].unique())
        rule = "a table with distinct columns"
        raise ValueError(complain(name, rule, what=f"{twice} more than once"))


def check_column(items: pd.DataFrame, column: object, *, name: str = "column") -> None:
    """Raise unless `column` is a column of `items`; name the nearest one."""
    if column in items.columns:
        return
    near = difflib.get_close_matches(str(column), [str(c) for c in items.columns], n=1)
    hint = f"Did you mean {near[0]!r}?" if near else ""
    rule = f"one of the columns {first_few(items.columns, 20)}"
    raise ValueError(complain(name, rule, column, hint))


def kind_of(cell: Any) -> str:
    """Say what a cell holds: text, image, audio, number, or the name of its type."""
    if isinstance(cell, str):
        ending = cell[-5:].lower()
        if ending.endswith(IMAGES):
            return "image"
        return "audio" if ending.endswith(AUDIO) else "text"
    if type(cell).__module__.startswith("PIL.") or getattr(cell, "ndim", 0) in (2, 3):
        return "image"
    return "number" if pd.api.types.is_number(cell) else type(cell).__name__
