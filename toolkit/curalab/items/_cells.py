"""Cells of any type as JSON that says the type, and back."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__: list[str] = []

_LONG = (np.longdouble, np.clongdouble)  # of which Python has no number
MISSING: dict[str, Any] = {"None": None, "NaN": math.nan, "NA": pd.NA, "NaT": pd.NaT}


def missing_kind(cell: Any) -> str | None:
    """Return which of the ways to say "missing" a cell is, None where it holds something."""
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return next(kind for kind, value in MISSING.items() if value is cell)
    return "NaN" if type(cell) is float and cell != cell else None


def identical(a: Any, b: Any) -> bool:
    """Whether two cells are of one type and value, inside lists and arrays too."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and identical(a.tolist(), b.tolist())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, dict):
        return identical(list(a.items()), list(b.items()))
    if isinstance(a, decimal.Decimal):  # 1.0 is 1.00, and no NaN is equal to itself
        return str(a) == str(b)
    if isinstance(a, float | np.generic) and a != a:
        return bool(b != b)
    return bool(a == b)


def as_json(cell: object) -> str:
    """Return a cell as JSON, or raise TypeError with the name of a type that has none."""
    tagged = _tagged(cell)
    text = json.dumps(tagged, allow_nan=False, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which UTF-8 lacks
        return json.dumps(tagged)
    return text


def from_json(text: str) -> Any:
    """Return the cell that `as_json` wrote."""
    return _untagged(json.loads(text))


# ---- types that JSON lacks -----------------------------------------------------------------------


def _zoned(moment: datetime.datetime) -> list[str | None]:
    """Return a moment and the name of its zone, which its offset does not tell."""
    return [moment.isoformat(), getattr(moment.tzinfo, "key", None)]


def _datetime(cell: list[str], read: Callable[[str], Any] = datetime.datetime.fromisoformat) -> Any:
    from zoneinfo import ZoneInfo

    moment = read(cell[0])
    return moment.astimezone(ZoneInfo(cell[1])) if cell[1] else moment


def _timestamp(cell: list[str]) -> Any:
    return _datetime(cell, pd.Timestamp).as_unit(cell[2])


def _array(cell: list[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    dtype, shape, values = cell
    made = np.empty(len(values), dtype=dtype)
    made[:] = values
    return made.reshape(shape)


# The first that fits is taken: a Timestamp is a datetime, and a datetime is a date.
_WAYS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "timestamp": (pd.Timestamp, lambda t: [*_zoned(t), t.unit], _timestamp),
    "datetime": (datetime.datetime, _zoned, _datetime),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "time": (datetime.time, datetime.time.isoformat, datetime.time.fromisoformat),
    "timedelta": (datetime.timedelta, lambda d: _seconds(d), lambda c: _timedelta(c)),
    "decimal": (decimal.Decimal, str, decimal.Decimal),
    "bytes": (bytes, lambda b: base64.b64encode(b).decode(), base64.b64decode),
    "array": (np.ndarray, lambda a: [a.dtype.str, list(a.shape), a.ravel().tolist()], _array),
    "number": (np.generic, lambda v: [v.dtype.str, v.item()], lambda c: np.array(c[1], c[0])[()]),
    "tuple": (tuple, list, tuple),
    "set": (set, lambda s: sorted(s, key=repr), set),
    "interval": (
        pd.Interval,
        lambda i: [i.left, i.right, i.closed],
        lambda c: pd.Interval(c[0], c[1], closed=c[2]),
    ),
    "period": (
        pd.Period,
        lambda p: [p.ordinal, p.freqstr],
        lambda c: pd.Period(ordinal=c[0], freq=c[1]),
    ),
    "path": (Path, str, Path),
    "uuid": (uuid.UUID, str, uuid.UUID),
}


def _seconds(span: datetime.timedelta) -> list[Any]:
    if isinstance(span, pd.Timedelta):
        return [int(span.to_timedelta64().astype("int64")), span.unit]
    return [span.days, span.seconds, span.microseconds]


def _timedelta(cell: list[Any]) -> Any:
    if len(cell) == 2:
        return pd.Timedelta(np.timedelta64(cell[0], cell[1]))
    return datetime.timedelta(*cell)


def _tagged(cell: Any) -> Any:
    kind = missing_kind(cell)
    if kind is not None:
        return None if kind == "None" else {"!missing": kind}
    if type(cell) in (str, bool, int):
        return cell
    if type(cell) is float:
        return cell if math.isfinite(cell) else {"!float": str(cell)}
    if type(cell) is list:
        return [_tagged(one) for one in cell]
    if type(cell) is dict:
        if all(type(key) is str and not key.startswith("!") for key in cell):
            return {key: _tagged(value) for key, value in cell.items()}
        return {"!dict": [[_tagged(key), _tagged(value)] for key, value in cell.items()]}
    for name, (of, to, _) in _WAYS.items():
        if isinstance(cell, of) and not isinstance(cell, _LONG):
            return {f"!{name}": _tagged(to(cell))}
    raise TypeError(type(cell).__name__)


def _untagged(cell: Any) -> Any:
    if isinstance(cell, list):
        return [_untagged(one) for one in cell]
    if not isinstance(cell, dict):
        return cell
    items: list[tuple[str, Any]] = [*cell.items(), ("", None)]
    key, value = items[0]
    if not key.startswith("!"):
        return {key: _untagged(value) for key, value in cell.items()}
    if key == "!missing":
        return MISSING[value]
    if key == "!float":
        return float(value)
    if key == "!dict":
        return {_untagged(k): _untagged(v) for k, v in value}
    return _WAYS[key[1:]][2](_untagged(value))
