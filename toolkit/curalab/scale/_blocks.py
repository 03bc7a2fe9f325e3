"""Data cut into blocks of rows, each of which can be read by itself, here or elsewhere."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, carried_ids, check_integer, complain
from curalab.embedding import Embedding
from curalab.encoders._key import UnhashableError, content_of
from curalab.encoders._opened import Opened
from curalab.encoders._rows import cut
from curalab.items._parquet import parquet_files, refuse_other_columns

__all__ = ["Blocks", "blocks_of", "parts_of"]

_ROWS, _OPENED = 4_096, 256  # rows a block; of images and sounds, which are opened at once


class Blocks(NamedTuple):
    """Data in blocks.

    Attributes
    ----------
    sizes : list of int
        Rows of each block.
    reader : callable
        Given the number of a block, returns what reads it: a function without parameters that can
        be pickled and sent to another machine, and that gives a copy of its own at each call.
    named : callable
        Given the number of a block, says in words which rows it holds.
    content : str or None
        A hash of the data; None where they have none.
    """

    sizes: list[int]
    reader: Callable[[int], Callable[[], Any]]
    named: Callable[[int], str]
    content: str | None

    @property
    def n_rows(self) -> int:
        """Rows in all blocks."""
        return sum(self.sizes)


def blocks_of(data: Any, batch_size: int | None, *, ids: pd.Index | None = None) -> Blocks:
    """Return data in blocks of `batch_size` rows, Parquet files in their row groups."""
    if isinstance(data, Embedding):
        return _in_memory(data.vectors, data.ids, batch_size)
    if isinstance(data, str | os.PathLike):
        path = Path(data).expanduser()
        if not path.exists():
            raise FileNotFoundError(complain("data", "a file or folder that exists", str(path)))
        if path.suffix == ".npy":
            return _mapped(path, batch_size)
        return _row_groups(path, batch_size)
    if isinstance(data, np.ma.MaskedArray):
        hint = "Fill it: data.filled(np.nan)."
        raise TypeError(complain("data", "without masks", what="a masked array", hint=hint))
    is_rows = hasattr(data, "__len__") and hasattr(data, "__getitem__")
    if not is_rows or isinstance(data, bytes | Mapping) or getattr(data, "ndim", 1) == 0:
        rule = (
            "an array, a Series, a DataFrame, a list, an Embedding, or the path of a .npy file, a "
            "Parquet file or a folder of Parquet files"
        )
        raise TypeError(complain("data", rule, what=type(data).__name__))
    return _in_memory(data, carried_ids(data) if ids is None else ids, batch_size)


def parts_of(array: FloatArray, parts: Sequence[tuple[int, IntArray]]) -> Blocks:
    """Return blocks of the given rows of an array each, as (number, rows, array[rows]).

    The number is whatever a part is to be given along.
    """

    def reader(number: int) -> Callable[[], Any]:
        along, rows = parts[number]
        return partial(_itself, (along, rows, array[rows]))

    content = hashlib.blake2b(content_of(array).encode(), digest_size=16)
    for along, rows in parts:
        content.update(f"{along} {content_of(rows)}".encode())
    sizes = [len(rows) for _, rows in parts]
    return Blocks(sizes, reader, "partition {}".format, content.hexdigest())


def _in_memory(data: Any, ids: pd.Index | None, batch_size: int | None) -> Blocks:
    is_opened = isinstance(data, Opened)
    bounds = _bounds(len(data), _OPENED if is_opened and batch_size is None else batch_size)

    def reader(number: int) -> Callable[[], Any]:
        start, stop = bounds[number]
        if is_opened:  # where they are encoded
            return partial(_opened, data.only(np.arange(start, stop)))
        part = data.iloc[start:stop] if isinstance(data, pd.Series) else cut(data, start, stop)
        return partial(_itself, part)

    def named(number: int) -> str:
        return _between(*bounds[number], ids)

    try:
        content = content_of(data.to_frame() if isinstance(data, pd.Series) else data)
        if ids is not None:  # a function may look at them
            content += content_of(ids.to_numpy())
    except UnhashableError:
        content = None
    return Blocks([stop - start for start, stop in bounds], reader, named, content)


def _mapped(path: Path, batch_size: int | None) -> Blocks:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(_unreadable(".npy", path, error)) from error
    if not array.ndim:
        raise ValueError(complain("data", "an array of rows", what=f"one number in {str(path)!r}"))
    bounds = _bounds(len(array), batch_size)

    def reader(number: int) -> Callable[[], Any]:
        return partial(_slice, path.resolve(), *bounds[number])

    def named(number: int) -> str:
        return _between(*bounds[number], None)

    sizes = [stop - start for start, stop in bounds]
    return Blocks(sizes, reader, named, _state([path]))


def _row_groups(path: Path, batch_size: int | None) -> Blocks:
    import pyarrow.parquet as pq

    if batch_size is not None:
        hint = "Files of Parquet come in their row groups."
        raise ValueError(complain("batch_size", "left out for Parquet files", batch_size, hint))
    files = parquet_files(path) if path.is_dir() else [path]
    if not files:
        raise FileNotFoundError(complain("data", "a folder of .parquet files", str(path)))
    refuse_other_columns("data", files)
    places: list[tuple[Path, int, int]] = []
    sizes: list[int] = []
    n_rows = 0
    for file in files:
        told = pq.read_metadata(file)
        for group in range(told.num_row_groups):
            if told.row_group(group).num_rows:
                places.append((file.resolve(), group, n_rows))
                sizes.append(told.row_group(group).num_rows)
                n_rows += sizes[-1]
    _refuse_empty(len(sizes))

    def reader(number: int) -> Callable[[], Any]:
        return partial(_row_group, *places[number])

    def named(number: int) -> str:
        file, group, _ = places[number]
        return f"row group {group} of {file.name}"

    return Blocks(sizes, reader, named, _state(files))


def _bounds(n: int, batch_size: int | None) -> list[tuple[int, int]]:
    _refuse_empty(n)
    size = check_integer("batch_size", _ROWS if batch_size is None else batch_size, low=1)
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def _refuse_empty(n: int) -> None:
    if not n:
        raise ValueError(complain("data", "of at least one row", what="none"))


def _between(start: int, stop: int, ids: pd.Index | None) -> str:
    first, last = (start, stop - 1) if ids is None else (ids[start], ids[stop - 1])
    return f"row {first!r}" if stop - start == 1 else f"rows {first!r} to {last!r}"


def _state(files: list[Path]) -> str:
    """Return a hash of what changes when files do: they may be too large to be read for it."""
    told = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()


def _unreadable(ending: str, path: Path, error: Exception) -> str:
    hint = f"Reading failed: {str(error).strip()}"
    return complain("data", f"a {ending} file that can be read", str(path), hint)


# ---- readers, which are pickled ------------------------------------------------------------------


def _itself(part: Any) -> Any:
    """Return a copy, cells that are objects included: a function may change what it gets."""
    if isinstance(part, pd.Series):
        if part.dtype != object:
            return part.copy()
        return pd.Series(copy.deepcopy(list(part)), part.index, dtype=object, name=part.name)
    if isinstance(part, pd.DataFrame):
        own = part.copy()
        for at, dtype in enumerate(part.dtypes):
            if dtype.kind == "O":
                own.isetitem(at, _itself(part.iloc[:, at]))
        return own
    return copy.deepcopy(part)


def _opened(part: Any) -> Any:
    return part[:]


def _slice(path: Path, start: int, stop: int) -> Any:
    return np.array(np.load(path, mmap_mode="r", allow_pickle=False)[start:stop])


def _row_group(path: Path, group: int, first: int) -> pd.DataFrame:
    import pyarrow.parquet as pq

    table: pd.DataFrame = pq.ParquetFile(path).read_row_group(group).to_pandas()
    if isinstance(table.index, pd.RangeIndex):  # no ids: the rows are numbered through
        table.index = pd.RangeIndex(first, first + len(table))
    return table
