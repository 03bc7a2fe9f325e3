"""What an export says of its table, so that reading it back gives the same one."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from curalab._check import complain
from curalab.items._cells import MISSING, as_json, from_json, missing_kind
from curalab.items._columns import Spec, decoded, encoded, runs, series_of, spec_of, unrolled
from curalab.items._media import Packed, is_media, packed, reason, unpacked

__all__: list[str] = []

Stored = tuple[str, bytes] | None  # the name and the bytes of a file

EMBEDDED = ("parquet", "huggingface")  # formats that hold lists, and the bytes of images
_MOST_ROWS, _MOST_BYTES = 65_536, 2**25  # held at a time


@dataclass(frozen=True, eq=False)
class Layout:
    """A table on its way to a file: Arrow arrays by the names in the file, the ids first."""

    arrays: Mapping[str, Any]
    media: Mapping[str, pd.Series[Any]]
    schema: Spec

    def batches(self) -> Iterator[tuple[dict[str, Any], dict[str, list[Stored]]]]:
        """Yield some rows at a time: their arrays, and their images and sounds as files.

        When all rows were, the schema knows what the images and sounds had been.
        """
        kinds: dict[str, list[str | None]] = {name: [] for name in self.media}
        some: dict[str, list[Stored]] = {name: [] for name in self.media}
        n, start, size = self.schema["rows"], 0, 0
        for end in range(1, n + 1):
            for at, (name, column) in enumerate(self.media.items()):
                cell = _packed(column, end - 1)
                kinds[name].append(cell.kind if cell else missing_kind(column.iloc[end - 1]))
                stem = f"{end - 1:09d}.{at}" if len(self.media) > 1 else f"{end - 1:09d}"
                some[name].append(cell and (f"{stem}.{cell.ending}", cell.raw))
                size += len(cell.raw) if cell else 0
            if size > _MOST_BYTES or end - start == _MOST_ROWS or end == n:
                yield {k: array.slice(start, end - start) for k, array in self.arrays.items()}, some
                start, size, some = end, 0, {name: [] for name in self.media}
        for name, seen in kinds.items():
            self.schema["fields"][name]["kinds"] = runs(seen)

    def holds_images(self, name: str) -> bool:
        """Whether the files of a column are images, by the first of them."""
        column = self.media[name]
        first = _packed(column, int(column.notna().to_numpy().argmax()))
        return first is not None and first.ending not in ("npy", "npz", "wav")


def _packed(column: pd.Series[Any], row: int) -> Packed | None:
    cell = column.iloc[row]
    if missing_kind(cell):
        return None
    try:
        return packed(cell)
    except Exception as error:  # a decoder may raise anything
        rule = "a table of images and sounds that can be read"
        got = f"{reason(error)} in column {column.name!r} of the id {column.index[row]!r}"
        hint = "cl.check_items(items) lists those that cannot: mend or drop them."
        raise ValueError(complain("items", rule, hint=hint, what=got)) from error


def laid_out(items: pd.DataFrame, form: str) -> Layout:
    """Return the table as Arrow arrays, and the schema that `restored` reads it by."""
    import pyarrow as pa

    columns = [items.iloc[:, at] for at in range(items.shape[1])]
    media = [is_media(column) for column in columns]
    names = _names(items, media if form == "imagefolder" else [])
    arrays, fields, kept = {}, {}, {}
    for name, column, is_file in zip(names[1:], columns, media, strict=True):
        if is_file:
            kept[name], fields[name] = column, spec_of(column.dtype)
        else:
            arrays[name], fields[name] = encoded(column, nested=form in EMBEDDED)
    ids, index = encoded(items.index.to_series(name="id"), nested=form in EMBEDDED)
    arrays = {names[0]: ids, **arrays}
    types = pa.schema([(name, array.type) for name, array in arrays.items()])
    schema = {
        "rows": len(items),
        "id": names[0],
        "index": index | _axis(items.index),
        "columns": spec_of(items.columns.dtype) | _axis(items.columns),
        "column_names": [as_json(name) for name in items.columns.astype(object)],
        "fields": fields,
        "arrow": base64.b64encode(types.serialize().to_pybytes()).decode(),
    }
    return Layout(arrays, kept, schema)


def _axis(axis: pd.Index) -> Spec:
    spec: Spec = {"name": as_json(axis.name)}
    if isinstance(axis, pd.RangeIndex):
        spec["range"] = [axis.start, axis.stop, axis.step]
    if isinstance(axis, pd.DatetimeIndex | pd.TimedeltaIndex):
        spec["freq"] = axis.freqstr
    return spec


def _names(items: pd.DataFrame, is_file: list[bool]) -> list[str]:
    """Return distinct names for the ids and the columns that any file can hold.

    For an image folder, those that Hugging Face looks for the names of files in.
    """
    wanted = ["id" if items.index.name is None else items.index.name, *items.columns]
    names: list[str] = []
    for at, name in enumerate(wanted):
        made = str(name).encode(errors="replace").decode().strip() or "column"
        if is_file and at and is_file[at - 1]:
            made = "file_name" if sum(is_file) == 1 else f"{made}_file_name"
        elif is_file and made.endswith("file_name"):
            made += "_"
        while made in names:
            made += "_"
        names.append(made)
    return names


# ---- and back ------------------------------------------------------------------------------------


def arrow_schema(schema: Spec) -> Any:
    """Return the Arrow types of the columns that are not images or sounds."""
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(schema["arrow"])))


def restored(table: Any, schema: Spec, files: Path | Mapping[str, bytes] | None) -> pd.DataFrame:
    """Return the table that was exported from its Arrow columns.

    `files` is the folder with the images and sounds, or their bytes by name; None where the table
    holds them.
    """
    types = arrow_schema(schema)
    table_of = {name: table[name].cast(types.field(name).type) for name in types.names}
    columns = [
        decoded(table_of[name], spec)
        if "kinds" not in spec
        else _opened(table[name].to_pylist(), spec, files)
        for name, spec in schema["fields"].items()
    ]
    ids = _index(decoded(table_of[schema["id"]], schema["index"]), schema["index"])
    made = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(schema["rows"]))
    named = series_of([from_json(text) for text in schema["column_names"]], schema["columns"])
    return made.set_axis(ids, axis=0).set_axis(_index(named, schema["columns"]), axis=1)


def _index(values: Any, spec: Spec) -> Any:
    name = from_json(spec["name"])
    if "range" in spec:
        start, stop, step = spec["range"]
        return pd.RangeIndex(start, stop, step, name=name)
    index: Any = pd.Index(values, dtype=values.dtype, name=name)
    if spec.get("freq"):
        index.freq = spec["freq"]
    return index


def _opened(stored: list[Any], spec: Spec, files: Any) -> Any:
    cells = []
    for kind, cell in zip(unrolled(spec["kinds"]), stored, strict=True):
        if cell is None:
            cells.append(MISSING[kind])
            continue
        name = Path(cell if isinstance(cell, str) else cell["path"]).name  # never elsewhere
        if isinstance(files, Path):
            held: Any = files / name
        else:
            held = cell["bytes"] if files is None else files[name]
        cells.append(unpacked(kind, held, name))
    is_text = all(isinstance(cell, str) or missing_kind(cell) for cell in cells)
    return series_of(cells, spec if is_text else {"dtype": "object"})
