"""What can be read off a row without looking at what it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import AnyArray
from curalab.items._quality import image_signals
from curalab.items._table import kind_of

__all__ = ["Feature", "features_of"]

_PARTS = 4  # of a name
_SEEN = 200  # cells that tell what a column holds
_DISTINCT = 0.95  # share of values that differ in a column of identifiers
_ENOUGH = 20  # rows below which that is no news
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?")
_PART = re.compile(r"[^\W\d_]+|\d+")
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+|[^\w\s]")


class Feature(NamedTuple):
    """One number, or one category, a row."""

    name: str
    kind: str
    values: AnyArray  # floats, NaN where missing; or objects, None where missing
    note: str = ""


def features_of(items: pd.DataFrame) -> tuple[list[Feature], dict[str, str]]:
    """Return what the columns, the ids and the order of the rows give, and what was left out."""
    order = np.arange(len(items), dtype=np.float64)
    found, left_out = [Feature("(row order)", "order", order)], {}
    columns = [(str(column), items[column]) for column in items.columns]
    if not isinstance(items.index, pd.RangeIndex):
        name = "(id)" if items.index.name is None else f"{items.index.name} (id)"
        columns.append((name, items.index.to_series()))
    for name, cells in columns:
        made = [feature for feature in _of_column(name, cells) if _varies(feature.values)]
        found += made
        if not made:
            left_out[name] = _why_none(cells)
    return found, left_out


def _varies(values: AnyArray) -> bool:
    return len(pd.unique(values)) > 1


def _why_none(cells: pd.Series[Any]) -> str:
    present = cells.dropna()
    if not len(present):
        return "no value"
    try:
        kind = pd.api.types.infer_dtype(present, skipna=True)
        return "a single value" if present.nunique() < 2 else f"nothing to read off {kind} values"
    except TypeError:
        return f"holds {type(present.iloc[0]).__name__}"


def _of_column(name: str, cells: pd.Series[Any]) -> Iterator[Feature]:
    present = cells.dropna()
    kind = pd.api.types.infer_dtype(present, skipna=True)
    if not len(present):
        return
    if pd.api.types.is_numeric_dtype(cells) and kind != "boolean":
        values = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        yield Feature(name, "number", values, _identifier(present) if kind == "integer" else "")
    elif kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        yield Feature(name, "number", pd.to_numeric(cells).to_numpy(np.float64, na_value=np.nan))
    elif kind.startswith(("datetime", "date")) or _are_dates(present, kind):
        times = pd.to_datetime(cells, utc=True, errors="coerce", format="mixed")
        seconds = (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
        yield Feature(name, "time", seconds.to_numpy(dtype=np.float64))
    elif kind.startswith("timedelta"):
        passed = pd.to_timedelta(cells).dt.total_seconds()
        yield Feature(name, "time", passed.to_numpy(dtype=np.float64))
    elif kind in ("boolean", "categorical"):
        yield Feature(name, "category", _objects(cells))
    else:
        yield from _of_objects(name, cells, present, kind)


def _of_objects(
    name: str, cells: pd.Series[Any], present: pd.Series[Any], kind: str
) -> Iterator[Feature]:
    paths = present.map(lambda cell: isinstance(cell, PurePath)).all()
    seen = [kind_of(str(cell) if paths else cell) for cell in present.iloc[:_SEEN]]
    held = max(set(seen), key=seen.count)
    if paths or (held in ("image", "audio") and kind == "string"):
        yield from _of_files(name, cells)
    if held == "image":
        yield from _of_images(name, cells)
    elif not paths and held == "text" and kind == "string":
        yield from _of_strings(name, cells, present)


def _of_strings(name: str, cells: pd.Series[Any], present: pd.Series[Any]) -> Iterator[Feature]:
    distinct = present.nunique() / len(present)
    n_words = present.str.count(r"\S+").mean()
    if distinct > 0.5 and (n_words >= 2 or present.str.len().mean() > 40):
        tokens = (_TOKEN.findall(text.lower()) for text in cells.where(cells.notna(), ""))
        ends = [row[:1] + row[-1:] for row in tokens]
        length = cells.str.len().to_numpy(dtype=np.float64, na_value=np.nan)
        yield Feature(f"{name}: length", "text", length)
        yield Feature(f"{name}: first word", "text", _array(row[:1] for row in ends))
        yield Feature(f"{name}: last word", "text", _array(row[-1:] for row in ends))
        return
    if distinct <= _DISTINCT or len(present) < _ENOUGH:
        yield Feature(name, "category", _objects(cells))
    if distinct > 0.5:
        yield from _of_parts(name, cells, _identifier(present))


def _of_parts(name: str, cells: pd.Series[Any], note: str) -> Iterator[Feature]:
    """Return the words and the numbers in a name, by their place in it."""
    parts = [_PART.findall(str(cell)) if pd.notna(cell) else [] for cell in cells]
    for at in range(_PARTS):
        values = _array(row[at : at + 1] for row in parts)
        present = [value for value in values if value is not None]
        n_numbers = sum(value.isdecimal() for value in present)
        label = f"{name}: part {at + 1}"
        if present and n_numbers > 0.9 * len(present):
            read = [float(v) if v is not None and v.isdecimal() else np.nan for v in values]
            yield Feature(label, "name", np.array(read), note)
        elif present and len(set(present)) <= len(present) / 2:
            yield Feature(label, "name", values, note)


def _of_files(name: str, cells: pd.Series[Any]) -> Iterator[Feature]:
    from pathlib import Path

    paths = [None if pd.isna(cell) else Path(str(cell)) for cell in cells]
    yield Feature(f"{name}: folder", "name", _array([str(p.parent)] if p else [] for p in paths))
    yield Feature(f"{name}: suffix", "name", _array([p.suffix] if p else [] for p in paths))
    stems = pd.Series([p.stem if p else None for p in paths], cells.index, dtype=object)
    yield from _of_parts(name, stems, "")
    sizes = [float(p.stat().st_size) if p and p.is_file() else np.nan for p in paths]
    yield Feature(f"{name}: file size", "file", np.array(sizes))


def _of_images(name: str, cells: pd.Series[Any]) -> Iterator[Feature]:
    from tqdm.auto import tqdm

    bar = tqdm(cells, desc=f"reading {name}", delay=2, disable=None)
    width, height, ratio, brightness = np.array([image_signals(cell)[:4] for cell in bar]).T
    yield Feature(f"{name}: width", "image", width)
    yield Feature(f"{name}: height", "image", height)
    yield Feature(f"{name}: aspect ratio", "image", ratio)
    yield Feature(f"{name}: brightness", "image", brightness)


def _are_dates(present: pd.Series[Any], kind: str) -> bool:
    if kind != "string" or not all(_DATE.match(cell) for cell in present.iloc[:_SEEN]):
        return False
    return bool(pd.to_datetime(present, utc=True, errors="coerce", format="mixed").notna().all())


def _identifier(present: pd.Series[Any]) -> str:
    n = present.nunique()
    is_one = len(present) >= _ENOUGH and n >= _DISTINCT * len(present)
    return f"identifier: {n:,} different values in {len(present):,} rows" if is_one else ""


def _objects(cells: pd.Series[Any]) -> AnyArray:
    return _array([cell] if pd.notna(cell) else [] for cell in cells)


def _array(rows: Any) -> AnyArray:
    """Return the one value of each row, None where it has none."""
    listed = [row[0] if row else None for row in rows]
    made = np.full(len(listed), None, dtype=object)
    made[:] = listed
    return made
