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
        raise TypeError(complain(name, "a DataFrame", type(value).__name__))
    if not len(value):
        raise ValueError(f"The {name!r} parameter must be a table with rows. Got 0 rows instead.")
    if not value.columns.is_unique:
        twice = value.columns[value.columns.duplicated()].unique()
        raise ValueError(
            f"The {name!r} parameter must be a table with distinct columns. "
            f"Got {first_few(twice)} more than once instead."
        )
    check_ids(value.index)
    return value


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
