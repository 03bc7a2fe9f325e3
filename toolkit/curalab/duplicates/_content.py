"""What rows hold, out of the pool's data: texts or images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from curalab._check import IntArray, align, complain, first_few
from curalab.embedding import take_rows
from curalab.items._table import kind_of
from curalab.pool import Pool

__all__ = ["data_of", "images_of", "is_missing", "texts_of"]

_FILES = ("image", "audio")


def texts_of(pool: Pool, rows: IntArray | None = None, *, name: str) -> list[str | None]:
    """Return the text of each row, or of some `rows`; None where it is missing.

    Columns of texts are joined by a space, missing cells left out.
    """
    data, ids = data_of(pool, rows, name)
    if not isinstance(data, pd.DataFrame):
        return _as_texts(list(data), ids, name)
    texts = _columns(pool.data, _are_texts)
    if not texts:
        got = f"a DataFrame with the columns {first_few(data.columns)}"
        raise TypeError(complain("data", "a table with a column of texts", what=got))
    joined: list[str | None] = []
    for cells in zip(*(data.iloc[:, at] for at in texts), strict=True):
        present = [cell for cell in cells if not is_missing(cell)]
        joined.append(" ".join(present) if present else None)
    return joined


def images_of(
    pool: Pool, rows: IntArray | None = None, *, name: str
) -> tuple[Sequence[Any], pd.Index]:
    """Return what the image of each row, or of some `rows`, is made of, and their ids.

    Of a table, its one column of images. None stands for a missing image.
    """
    data, ids = data_of(pool, rows, name)
    if isinstance(data, pd.DataFrame):
        images = _columns(pool.data, _are_images)
        if len(images) != 1:
            told = data.columns[images] if images else data.columns
            rule = f"a table with one column of images for the method {name!r}"
            got = f"{len(images)} of them in the columns {first_few(told)}"
            hint = "Pass Pool(embedding=…, data=items[column])." if images else ""
            raise TypeError(complain("data", rule, what=got, hint=hint))
        data = data.iloc[:, images[0]]
    return [None if is_missing(cell) else cell for cell in data], ids


def data_of(pool: Pool, rows: IntArray | None, name: str) -> tuple[Any, pd.Index]:
    if pool.data is None:
        raise ValueError(
            f"The method {name!r} needs 'data', and the pool has none. "
            "Pass Pool(embedding=…, data=…), or choose another method."
        )
    data = align("data", pool.data, pool.ids)
    return (data, pool.ids) if rows is None else (take_rows(data, rows), pool.ids[rows])


def _as_texts(cells: list[Any], ids: pd.Index, name: str) -> list[str | None]:
    rule = f"texts for the method {name!r}"
    texts = [None if is_missing(cell) else cell for cell in cells]
    odd = [at for at, cell in enumerate(texts) if not isinstance(cell, str | None)]
    if odd:
        kinds = sorted({type(cells[at]).__name__ for at in odd})
        got = f"{len(odd):,} of {len(cells):,} rows that are none but {', '.join(kinds)}"
        named = f" (ids {first_few(ids[odd])})"
        raise TypeError(complain("data", rule, what=got + named))
    present = [text for text in texts if text is not None]
    if present and _are_files(present):
        got = f"names of {kind_of(present[0])} files, such as {present[0]!r}"
        raise TypeError(complain("data", rule, what=got))
    return texts


def _columns(table: pd.DataFrame, is_wanted: Callable[[list[Any]], bool]) -> list[int]:
    """Return the numbers of the columns whose present cells are wanted."""
    found = []
    for at in range(table.shape[1]):
        present = [cell for cell in table.iloc[:, at] if not is_missing(cell)]
        if present and is_wanted(present):
            found.append(at)
    return found


def _are_texts(cells: list[Any]) -> bool:
    return all(isinstance(cell, str) for cell in cells) and not _are_files(cells)


def _are_files(cells: list[str]) -> bool:
    return all(kind_of(cell) in _FILES for cell in cells[:100])


def _are_images(cells: list[Any]) -> bool:
    named = (str(cell) if isinstance(cell, os.PathLike) else cell for cell in cells)
    return all(kind_of(cell) == "image" for cell in named)


def is_missing(cell: Any) -> bool:
    return cell is None or bool(pd.api.types.is_scalar(cell) and pd.isna(cell))
