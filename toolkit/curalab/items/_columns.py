"""Columns of a table as Arrow keeps them, and back with the same dtype."""

from __future__ import annotations

import base64
import datetime
import decimal
from collections.abc import Iterable
from itertools import chain, groupby, repeat
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import complain
from curalab.items._cells import MISSING, as_json, from_json, identical, missing_kind

__all__: list[str] = []

Spec = dict[str, Any]

_PLAIN = {str, bool, int, float, datetime.date, decimal.Decimal}


def encoded(column: pd.Series[Any], *, nested: bool) -> tuple[Any, Spec]:
    """Return the column as an Arrow array, and what brings the same column back.

    Cells that Arrow has no type for, and lists where `nested` is False, are written as JSON.
    """
    import pyarrow as pa

    dtype: Any = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _encoded_categories(column)
    if isinstance(dtype, np.dtype) and (dtype.kind in "biumM" or dtype in ("f2", "f4", "f8")):
        wide = np.dtype("f4") if dtype == "f2" else dtype.newbyteorder("=")  # CSV has no halves
        return pa.array(column.to_numpy().astype(wide)), {"dtype": str(dtype)}
    spec = spec_of(dtype)
    if _is_native(dtype):
        try:
            return pa.array(column), spec
        except (UnicodeEncodeError, pa.ArrowException):
            pass  # half a surrogate pair, which JSON can write
    return _encoded_objects(column, spec, nested)


def decoded(array: Any, spec: Spec) -> Any:
    """Return the column that `encoded` made the Arrow array of."""
    if "cells" in spec:
        return series_of(_cells(array, spec), spec)
    if "categories" in spec:
        return pd.Series(_decoded_categories(array, spec))
    dtype = _dtype_of(spec)
    if isinstance(dtype, np.dtype):
        return pd.Series(array.to_numpy().astype(dtype), dtype=dtype)
    return pd.Series(dtype.__from_arrow__(array), dtype=dtype)


# ---- dtypes --------------------------------------------------------------------------------------


def spec_of(dtype: Any) -> Spec:
    """Return a dtype as JSON."""
    if isinstance(dtype, pd.StringDtype):
        missing = "NA" if dtype.na_value is pd.NA else "NaN"
        return {"dtype": "text", "storage": dtype.storage, "missing": missing}
    if isinstance(dtype, pd.ArrowDtype):
        import pyarrow as pa

        schema = pa.schema([("", dtype.pyarrow_dtype)]).serialize().to_pybytes()
        return {"dtype": str(dtype), "type": base64.b64encode(schema).decode()}
    return {"dtype": str(dtype)}


def _dtype_of(spec: Spec) -> Any:
    if spec["dtype"] == "text":
        return pd.StringDtype(spec["storage"], na_value=MISSING[spec["missing"]])
    if "type" in spec:
        import pyarrow as pa

        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(spec["type"])))
        return pd.ArrowDtype(schema.types[0])
    return pd.api.types.pandas_dtype(spec["dtype"])


def _is_native(dtype: Any) -> bool:
    """Whether Arrow keeps such columns whole, and text formats what Arrow keeps."""
    if isinstance(dtype, pd.ArrowDtype):
        return dtype.kind in "biufM" or dtype.type is str
    is_plain = isinstance(dtype, pd.StringDtype) or dtype.kind in "biufM"
    return is_plain and hasattr(dtype, "__from_arrow__")


def series_of(cells: list[Any], spec: Spec) -> Any:
    """Return Python values as a column of the dtype of a spec."""
    dtype = _dtype_of(spec)
    if dtype == np.dtype(object):
        values = np.empty(len(cells), dtype=object)
        values[:] = cells
        return pd.Series(values, dtype=object)
    return pd.Series(cells, dtype=dtype)


# ---- categories ----------------------------------------------------------------------------------


def _encoded_categories(column: pd.Series[Any]) -> tuple[Any, Spec]:
    import pyarrow as pa

    categories, codes = column.cat.categories, column.cat.codes.to_numpy()
    values, _ = encoded(categories.to_series(), nested=False)
    texts = [as_json(one) for one in categories.astype(object)]
    known = spec_of(categories.dtype) | {"values": texts, "ordered": bool(column.cat.ordered)}
    rows = pa.array(codes.astype("int64"), mask=codes < 0)
    return values.take(rows), {"dtype": "category", "categories": known}


def _decoded_categories(array: Any, spec: Spec) -> pd.Categorical:
    import pyarrow.compute as pc

    known = spec["categories"]
    column = series_of([from_json(text) for text in known["values"]], known)
    codes = pc.index_in(array, encoded(column, nested=False)[0]).fill_null(-1)
    categories = pd.Index(column, dtype=column.dtype)
    return pd.Categorical.from_codes(codes.to_numpy(), categories, ordered=known["ordered"])


# ---- cells of any type ---------------------------------------------------------------------------


def runs(kinds: Iterable[str | None]) -> list[list[Any]]:
    """Return kinds as pairs of kind and length."""
    return [[kind, sum(1 for _ in same)] for kind, same in groupby(kinds)]


def unrolled(lengths: list[list[Any]]) -> list[str]:
    """Return the kinds that `runs` counted."""
    return list(chain.from_iterable(repeat(kind, n) for kind, n in lengths))


def _encoded_objects(column: pd.Series[Any], spec: Spec, nested: bool) -> tuple[Any, Spec]:
    import pyarrow as pa

    cells = list(column.astype(object))
    kinds = [missing_kind(cell) for cell in cells]
    plain = [None if kind else cell for cell, kind in zip(cells, kinds, strict=True)]
    spec = spec | {"missing_cells": runs(kind for kind in kinds if kind)}
    if all(kinds):  # Arrow's type of nothing is not one that text formats know
        return pa.nulls(len(cells), pa.string()), spec | {"cells": "native"}
    for kind in _readable(plain, nested):
        try:
            array, made = pa.array(plain), spec | {"cells": kind}
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            continue
        # Parquet has no dictionaries without keys, pyarrow misreads lists of nothing, and
        # Hugging Face has no types but Arrow's own.
        is_kept = not any(odd in str(array.type) for odd in ("struct<>", "null", "extension<"))
        if is_kept and identical(_cells(array, made), cells):
            return array, made
    texts = [None if cell is None else _json(cell, column, row) for row, cell in enumerate(plain)]
    return pa.array(texts, pa.string()), spec | {"cells": "json"}


def _readable(cells: list[Any], nested: bool) -> Iterable[str]:
    """Yield the kinds of cells that any reader may understand without JSON."""
    present = {type(cell) for cell in cells if cell is not None}
    if nested or (len(present) == 1 and present < _PLAIN):
        yield "native"
    if nested and present == {np.ndarray}:
        yield next(cell.dtype.str for cell in cells if cell is not None)


def _json(cell: object, column: pd.Series[Any], row: int) -> str:
    try:
        return as_json(cell)
    except (TypeError, ValueError) as error:
        rule = "a table of cells that can be written down and read again"
        got = f"a cell of type {error} in column {column.name!r} of the id {column.index[row]!r}"
        hint = "Turn such cells into text, numbers or lists, or drop the column."
        raise TypeError(complain("items", rule, what=got, hint=hint)) from error


def _cells(array: Any, spec: Spec) -> list[Any]:
    values = array.to_pylist()
    kind = spec["cells"]
    if kind == "json":
        values = [None if value is None else from_json(value) for value in values]
    elif kind != "native":
        values = [None if value is None else np.array(value, dtype=kind) for value in values]
    absent = iter(unrolled(spec["missing_cells"]))
    return [MISSING[next(absent)] if value is None else value for value in values]
