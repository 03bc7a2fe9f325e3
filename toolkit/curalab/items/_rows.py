"""Arrow columns as texts, numbers and bools: what CSV and JSON hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from curalab.items._columns import Spec

__all__: list[str] = []


def text_type(kind: Any) -> Any:
    """Return the Arrow type that a type is written as."""
    import pyarrow as pa

    if not (pa.types.is_primitive(kind) or pa.types.is_large_string(kind)):
        return pa.string()
    if pa.types.is_duration(kind):
        return pa.int64()
    return pa.string() if pa.types.is_temporal(kind) else kind


def to_rows(arrays: Mapping[str, Any], schema: Spec) -> list[dict[str, Any]]:
    """Return columns as rows of JSON; an infinite number is text."""
    columns = [
        _to_cells(array.cast(text_type(array.type)), _spec(name, schema))
        for name, array in arrays.items()
    ]
    return [dict(zip(arrays, row, strict=True)) for row in zip(*columns, strict=True)]


def from_rows(rows: list[dict[str, Any]], schema: Spec, types: Any) -> Any:
    """Return rows of JSON as Arrow columns of texts, numbers and bools."""
    import pyarrow as pa

    made = {name: pa.array([row[name] for row in rows], pa.string()) for name in files_of(schema)}
    for field in types:
        cells = [row[field.name] for row in rows]
        if _spec(field.name, schema).get("cells") == "json":
            cells = [None if cell is None else json.dumps(cell) for cell in cells]
        elif pa.types.is_floating(field.type):
            cells = [float(cell) if isinstance(cell, str) else cell for cell in cells]
        made[field.name] = pa.array(cells, text_type(field.type))
    return pa.table(made)


def files_of(schema: Spec) -> list[str]:
    """Return the names of the columns that hold names of files."""
    return [name for name, spec in schema["fields"].items() if "kinds" in spec]


def _spec(name: str, schema: Spec) -> Any:
    return schema["index"] if name == schema["id"] else schema["fields"][name]


def _to_cells(array: Any, spec: Spec) -> list[Any]:
    cells: list[Any] = array.to_pylist()
    if spec.get("cells") == "json":
        return [None if cell is None else json.loads(cell) for cell in cells]
    if not any(isinstance(cell, float) and not math.isfinite(cell) for cell in cells):
        return cells
    nan = None if spec["dtype"] in ("float16", "float32", "float64") else "nan"
    odd = {"nan": nan, "inf": "inf", "-inf": "-inf"}
    return [odd.get(str(cell), cell) if isinstance(cell, float) else cell for cell in cells]
