"""What is embedded: the rows of any data, checked for the encoder that gets them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import carried_ids, complain, first_few, invented_ids
from curalab.encoders._images import Images
from curalab.encoders._sounds import Sounds, is_pair
from curalab.items._table import check_table, kind_of

__all__: list[str] = []


def ids_of(data: Any) -> pd.Index:
    """Return the ids of the rows, invented ones where the data carry none."""
    is_rows = hasattr(data, "__len__") and hasattr(data, "__getitem__")
    if not is_rows or isinstance(data, str | bytes | Mapping):
        rule = "a Series, a list, an array or a DataFrame"
        hint = "Make a list of it: list(data)." if hasattr(data, "__next__") else ""
        raise TypeError(complain("data", rule, what=type(data).__name__, hint=hint))
    if getattr(data, "ndim", 1) == 0 or not len(data):
        raise ValueError(complain("data", "of at least one row", what="none"))
    own = carried_ids(data)
    return invented_ids(len(data)) if own is None else own


def kind_of_data(data: Any) -> str:
    """Say what the rows are: text, image, audio, columns, vectors, or the name of their type."""
    if isinstance(data, pd.DataFrame):
        return "columns"
    if isinstance(data, np.ndarray) and data.ndim > 1:
        return "vectors" if data.ndim == 2 else "image"
    present = (cell for cell in itertools.islice(data, 1_000) if not _is_missing(cell))
    cell = next(present, None)
    if isinstance(cell, np.ndarray) and cell.ndim == 1:
        return "vectors"
    if isinstance(cell, os.PathLike):
        kind = kind_of(str(cell))
        return "files of unknown kind" if kind == "text" else kind
    return "audio" if is_pair(cell) else kind_of(cell)


def _is_missing(cell: Any) -> bool:
    return cell is None or bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


def rows_for(takes: str | None, data: Any, ids: pd.Index, *, name: str) -> Any:
    """Return the rows as an encoder that `takes` such rows wants them.

    Texts as a list of str, images as `Images`, sounds as `Sounds`, a table as a DataFrame; other
    rows as they are.
    """
    if takes == "columns":
        return _table(data, name)
    if isinstance(data, pd.DataFrame) and takes is not None:
        rule = f"one column of {takes} for the encoder {name!r}"
        hint = f"Pass a column: data[{data.columns[0]!r}]." if len(data.columns) else ""
        got = f"a DataFrame with the columns {first_few(data.columns)}"
        raise TypeError(complain("data", rule, what=got, hint=hint))
    listed = data if isinstance(data, pd.DataFrame | np.ndarray | list) else _Listed(data)
    if takes == "text":
        return _texts(list(data), ids, name)
    if takes == "audio":
        return Sounds(listed, ids)
    return Images(listed, ids) if takes == "image" else listed


class _Listed:
    """Rows by number, whatever they are kept in; nothing is read before it is asked for."""

    def __init__(self, data: Any) -> None:
        self._data = data.array if isinstance(data, pd.Series) else data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self._data[i] for i in range(*at.indices(len(self)))]
        return self._data[at]


def cut(rows: Any, start: int, stop: int) -> Any:
    """Return a batch of what `rows_for` returned."""
    return rows.iloc[start:stop] if isinstance(rows, pd.DataFrame) else rows[start:stop]


def _table(data: Any, name: str) -> pd.DataFrame:
    if isinstance(data, np.ndarray) and data.ndim == 2:
        return pd.DataFrame(data)
    if isinstance(data, pd.DataFrame):
        return check_table("data", data)
    hint = ""
    if isinstance(data, pd.Series):
        hint = f"Pass a table of one column: data.to_frame({data.name or 'value'!r})."
    rule = f"a DataFrame for the encoder {name!r}"
    raise TypeError(complain("data", rule, what=type(data).__name__, hint=hint))


def _texts(rows: list[Any], ids: pd.Index, name: str) -> list[str]:
    rule = f"texts for the encoder {name!r}"
    odd = [i for i, text in enumerate(rows) if not isinstance(text, str)]
    if odd:
        named = f"ids {first_few(ids[odd])}: {first_few(rows[i] for i in odd)}"
        got = f"{len(odd):,} of {len(rows):,} rows that are none ({named})"
        raise TypeError(complain("data", rule, what=got, hint="Drop or fill these rows."))
    blank = [i for i, text in enumerate(rows) if not text.strip()]
    if blank:
        got = f"{len(blank):,} of {len(rows):,} rows that are empty (ids {first_few(ids[blank])})"
        raise ValueError(complain("data", rule, what=got, hint="Drop or fill these rows."))
    kinds = {kind_of(text) for text in rows[:100]}
    if len(kinds) == 1 and kinds != {"text"}:
        got = f"names of {kinds.pop()} files, such as {rows[0]!r}"
        raise TypeError(complain("data", rule, what=got))
    return [str(text) for text in rows]
