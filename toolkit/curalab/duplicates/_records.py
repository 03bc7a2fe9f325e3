"""Records: the fields of each row, as texts and numbers that can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_float, is_integer, is_scalar

from curalab._check import FloatArray, IntArray, complain, first_few
from curalab.duplicates._content import data_of, is_missing
from curalab.duplicates._shingles import plain
from curalab.items._table import kind_of
from curalab.pool import Pool

__all__ = ["Records", "records_of"]

_BETWEEN = "\x1f"  # cells of a key


class Records(NamedTuple):
    """The distinct records of a pool, in the order of their content.

    Attributes
    ----------
    label : ndarray of shape (n_rows,), int
        Which record each row is; -1 where all is missing.
    texts : dict
        For each field of texts, the text of each record, "" where it is missing.
    numbers : dict
        For each field of numbers with decimals, the number of each record, NaN where missing.
    """

    label: IntArray
    texts: dict[Any, list[str]]
    numbers: dict[Any, FloatArray]


def records_of(pool: Pool, *, name: str) -> Records:
    """Return the records of a pool whose data are a table, dicts or texts.

    Texts are compared without regard to case and white space; whole numbers, dates and truth
    values as they are written. Other columns do not count. Rows of the same record are one: what
    is computed of records does not depend on the order of rows.
    """
    data, ids = data_of(pool, None, name)
    table = _table(data)
    columns = [table.iloc[:, at] for at in range(table.shape[1])]
    texts = {at: cells for at, column in enumerate(columns) if (cells := _texts(column))}
    numbers = {
        at: pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
        for at, column in enumerate(columns)
        if at not in texts and _are_decimals(column)
    }
    if not texts:
        got = f"a table with the columns {first_few(table.columns)}"
        rule = f"texts, dicts or a table with a column of texts for the method {name!r}"
        raise TypeError(complain("data", rule, what=got))
    shown = [["" if np.isnan(x) else repr(float(x)) for x in column] for column in numbers.values()]
    rows = zip(*texts.values(), *shown, strict=True)
    keys = np.array([_BETWEEN.join(row) for row in rows], dtype=object)
    is_present = np.array([key.strip(_BETWEEN) != "" for key in keys], dtype=bool)
    label = np.full(len(ids), -1)
    first = np.empty(0, dtype=np.int64)
    if is_present.any():
        _, at, number = np.unique(keys[is_present], return_index=True, return_inverse=True)
        label[is_present], first = number, np.flatnonzero(is_present)[at]
    return Records(
        label,
        {at: [cells[row] for row in first] for at, cells in texts.items()},
        {at: values[first] for at, values in numbers.items()},
    )


def _table(data: Any) -> pd.DataFrame:
    """Return the data as a table; a single column where they are texts."""
    if isinstance(data, pd.DataFrame):
        return data
    cells = list(data)
    present = [cell for cell in cells if not is_missing(cell)]
    if present and all(isinstance(cell, Mapping) for cell in present):
        return pd.DataFrame([{} if is_missing(cell) else dict(cell) for cell in cells])
    return pd.DataFrame({"data": pd.Series(cells, dtype=object)})


def _texts(column: pd.Series) -> list[str]:
    """Return the cells as texts, "" where missing; nothing where they are no texts."""
    cells = [None if is_missing(cell) else cell for cell in column]
    present = [cell for cell in cells if cell is not None]
    if not present or _are_decimals(column) or not all(_is_plain(cell) for cell in present):
        return []
    return ["" if cell is None else plain(_written(cell)) for cell in cells]


def _is_plain(cell: Any) -> bool:
    is_text = isinstance(cell, str) and kind_of(cell) not in ("image", "audio")
    return is_text or (not isinstance(cell, str) and is_scalar(cell))


def _written(cell: Any) -> str:
    is_whole = isinstance(cell, float | np.floating) and np.isfinite(cell)
    return str(int(cell)) if is_whole else str(cell)  # 1.0, as a column with missing cells has it


def _are_decimals(column: pd.Series) -> bool:
    """Whether all present cells are numbers, and not all of them whole."""
    present = [cell for cell in column if not is_missing(cell)]
    numbers = [cell for cell in present if is_integer(cell) or is_float(cell)]
    return len(numbers) == len(present) and any(
        not float(x).is_integer() and np.isfinite(float(x)) for x in numbers
    )
