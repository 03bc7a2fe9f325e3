"""Folders of Parquet files, as `map_batches` and others write them: one table, in parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from curalab._check import complain, first_few

__all__: list[str] = []


def parquet_files(folder: Path) -> list[Path]:
    """Return the Parquet files at any depth, without those that are hidden or not finished."""
    files = sorted(file for file in folder.rglob("*.parquet") if file.is_file())
    return [f for f in files if not any(p[0] in "._" for p in f.relative_to(folder).parts)]


def refuse_other_columns(name: str, files: Sequence[Path]) -> None:
    """Raise where a file cannot be read, or has other columns than the first one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first: set[str] | None = None
    for file in files:
        try:
            own = set(pq.read_schema(file).names)
        except (pa.ArrowInvalid, OSError) as error:
            hint = f"Reading failed: {str(error).strip()}"
            rule = "of Parquet files that can be read"
            raise ValueError(complain(name, rule, str(file), hint)) from error
        first = own if first is None else first
        if own != first:
            there = [f"{first_few(sorted(first - own))} only in {str(files[0])!r}"]
            here = [f"{first_few(sorted(own - first))} only in {str(file)!r}"]
            told = (there if first - own else []) + (here if own - first else [])
            got = f"the columns {' and '.join(told)}"
            raise ValueError(complain(name, "of Parquet files with the same columns", what=got))


def below_each_other(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return parts as one table; rows without ids are numbered through."""
    parts = [part for part in parts if len(part)] or parts[:1]  # types of no cells say nothing
    indexes = [part.index for part in parts]
    numbered = all(isinstance(index, pd.RangeIndex) and not index.start for index in indexes)
    return pd.concat(parts, ignore_index=numbered)
