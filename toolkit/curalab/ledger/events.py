"""What a decision may say, and how it is written down."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from json.encoder import encode_basestring_ascii
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, check_choice, complain, first_few

__all__ = [
    "ACTIONS",
    "ENTRIES",
    "check_entries",
    "check_entry",
    "check_reason",
    "check_text",
    "decode",
    "encode",
    "encode_id",
    "parsed",
    "value_of",
]

ACTIONS = ("keep", "drop", "relabel", "weight", "tag")
ENTRIES = (
    "row_id", "field", "action", "old", "new", "actor", "method", "params", "embedding", "reason",
)  # fmt: skip
_FIELD_OF = {"keep": None, "drop": None, "weight": "weight", "tag": "tags"}


def check_entry(given: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return the decision as text in the order of ENTRIES, or say what is wrong with it."""
    hint = "To take a decision back call undo()." if given["action"] == "undo" else ""
    action = check_choice("action", given["action"], ACTIONS, hint=hint)
    field, new = _check_change(action, given.get("field"), given.get("new"))
    return (
        encode_id(given["row_id"]),
        field,
        action,
        _check_old(action, given.get("old")),
        new,
        check_text("actor", given["actor"]),
        _optional("method", given.get("method")),
        _check_params(given.get("params")),
        _optional("embedding", given.get("embedding")),
        check_reason(given.get("reason")),
    )


def check_entries(
    frame: pd.DataFrame, places: Sequence[str] | None = None
) -> list[tuple[str | None, ...]]:
    """Return the decisions of a table, each as text; an error names the row it is in.

    Where the table was read from a file, `places` says where each row stands there.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(complain("frame", "a DataFrame of decisions", frame))
    names = list(frame.columns)
    lacking = [name for name in ("row_id", "action", "actor") if name not in names]
    if lacking or not set(names) <= set(ENTRIES) or not frame.columns.is_unique:
        rule = f"a table of row_id, action, actor and other columns among {', '.join(ENTRIES)}"
        what = f"no {', '.join(lacking)}" if lacking else f"the columns {first_few(names, 20)}"
        raise ValueError(complain("frame", rule, what=what))
    columns = {name: frame[name].tolist() for name in names}
    try:
        return _by_column(columns, len(frame))
    except (TypeError, ValueError):
        return _by_row(columns, places)


def _by_row(
    columns: Mapping[str, list[Any]], places: Sequence[str] | None
) -> list[tuple[str | None, ...]]:
    entries = []
    for row, cells in enumerate(zip(*columns.values(), strict=True)):
        try:
            entries.append(check_entry(dict(zip(columns, cells, strict=True))))
        except (TypeError, ValueError) as error:
            where = f"This is row {row} of the frame; none of its rows was recorded."
            if places is not None:
                where = f"This is {places[row]}; nothing was recorded."
            raise type(error)(f"{error} {where}") from None
    return entries


def _by_column(columns: Mapping[str, list[Any]], n: int) -> list[tuple[str | None, ...]]:
    """Check a table column by column; where something is wrong, who asks goes row by row."""
    of = {name: columns.get(name, [None] * n) for name in ENTRIES}
    actions = of["action"]
    _each(lambda action: check_choice("action", action, ACTIONS), actions)
    changes = _each(_check_change, actions, of["field"], of["new"])
    checked = {
        "row_id": map(encode_id, of["row_id"]),
        "field": (field for field, _ in changes),
        "action": actions,
        "old": _each(_check_old, actions, of["old"]),
        "new": (new for _, new in changes),
        "actor": _each(lambda actor: check_text("actor", actor), of["actor"]),
        "method": _each(lambda method: _optional("method", method), of["method"]),
        "params": _each(_check_params, of["params"]),
        "embedding": _each(lambda text: _optional("embedding", text), of["embedding"]),
        "reason": _each(check_reason, of["reason"]),
    }
    return list(zip(*(checked[name] for name in ENTRIES), strict=True))


def _each(check: Callable[..., Any], *columns: list[Any]) -> list[Any]:
    """Return `check` of each row; of like texts, and of the same object, it is asked once."""
    keys = list(zip(*map(_keys, columns), strict=True))
    rows = dict(zip(keys, zip(*columns, strict=True), strict=True))
    answers = {key: check(*row) for key, row in rows.items()}
    return list(map(answers.__getitem__, keys))


def _keys(cells: list[Any]) -> Iterable[object]:
    """Return what is alike where cells are: themselves if all are text or None, else which."""
    return cells if set(map(type, cells)) <= {str, type(None)} else map(id, cells)


def _check_change(action: str, field: object, new: object) -> tuple[str | None, str | None]:
    """Return the field that `action` writes and the value as text."""
    if action == "relabel":
        name = check_text("field", field, f"the name of a column for the action {action!r}")
        if name in ("weight", "tags"):
            hint = "The actions 'weight' and 'tag' write those."
            raise ValueError(complain("field", "a column other than weight and tags", name, hint))
        if new is None:
            hint = "For a missing label give NaN."
            raise ValueError(complain("new", "given for the action 'relabel'", new, hint))
        return name, encode("new", new)
    column = _FIELD_OF[action]
    if not _is_missing(field) and field != column:
        raise ValueError(complain("field", f"{column!r} for the action {action!r}", field))
    if action == "tag":
        return column, encode("new", check_text("new", new, "a tag that is not empty"))
    if action == "weight":
        return column, encode("new", _check_weight(new))
    if not _is_missing(new):
        raise ValueError(complain("new", f"None for the action {action!r}", new))
    return column, None


def _check_weight(value: object) -> float:
    rule = "a finite number of 0 or more for the action 'weight'"
    plain = _plain(value)
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise TypeError(complain("new", rule, value))
    if not 0 <= plain < math.inf:
        raise ValueError(complain("new", rule, value))
    return float(plain)


def _check_old(action: str, old: object) -> str | None:
    is_stated = old is not None if action == "relabel" else not _is_missing(old)
    return encode("old", old) if is_stated else None


def _check_params(params: object) -> str | None:
    if _is_missing(params):
        return None
    rule = "a mapping that JSON can hold"
    if not isinstance(params, Mapping):
        raise TypeError(complain("params", rule, params))
    try:
        return json.dumps(dict(params), allow_nan=False, default=_plain_number)
    except (TypeError, ValueError) as error:
        raise type(error)(complain("params", rule, params, f"{error}.")) from error
    except RecursionError as error:
        raise ValueError(complain("params", rule, what="one that is nested too deep")) from error


def _plain_number(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"JSON has no {type(value).__name__}")


def check_reason(reason: object) -> str:
    """Return the reason; none, or one of spaces alone, is ""."""
    is_blank = _is_missing(reason) or (isinstance(reason, str) and not reason.strip())
    return "" if is_blank else check_text("reason", reason, "text")


def _optional(name: str, value: object) -> str | None:
    return None if _is_missing(value) else check_text(name, value)


def check_text(name: str, value: object, rule: str = "text that is not empty") -> str:
    """Return `value` if it is text that can be stored."""
    if not isinstance(value, str):
        raise TypeError(complain(name, rule, value))
    if not value.strip():
        raise ValueError(complain(name, rule, value))
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(complain(name, "text that UTF-8 can write", value)) from error
    return str(value)


# ---- values as text ------------------------------------------------------------------------------


def encode(name: str, value: object) -> str:
    """Return a value as JSON; dates and infinities, which JSON lacks, as an object of one key."""
    if type(value) is str:
        return encode_basestring_ascii(value)  # what dumps does with a string
    plain = _plain(value)
    if isinstance(plain, float) and math.isinf(plain):
        return json.dumps({"float": str(plain)})
    if plain is None or isinstance(plain, bool | int | float | str):
        return json.dumps(plain)
    if isinstance(plain, pd.Timestamp):
        return json.dumps({"timestamp": plain.isoformat()})
    if isinstance(plain, date):
        return json.dumps({"date": plain.isoformat()})
    raise TypeError(complain(name, "a string, a number, a bool, a date or missing", plain))


def decode(texts: Iterable[object]) -> AnyArray:
    """Return the values of JSON texts: null is NaN (missing), what is no text is None."""
    cells = np.array(list(texts), dtype=object)
    codes, distinct = pd.factorize(cells)
    values = parsed(f"[{','.join(distinct)}]", _untag)
    known = np.empty(len(distinct) + 1, dtype=object)  # the code -1 finds None at the end
    known[:-1] = [math.nan if value is None else value for value in values]
    return known[codes]


def parsed(text: str, hook: Callable[[dict[str, Any]], object] | None = None) -> Any:
    """Return what JSON in a ledger holds."""
    try:
        return json.loads(text, object_hook=hook)
    except ValueError as error:
        raise ValueError(
            f"The values in a ledger must be as it wrote them. Got {str(error)!r} instead. The "
            "file was damaged: put a copy of it back."
        ) from error


_READERS: dict[str, Callable[[str], object]] = {
    "float": float,
    "timestamp": pd.Timestamp,
    "date": date.fromisoformat,
}


def _untag(tagged: dict[str, str]) -> object:
    kind, text = next(iter(tagged.items()), ("", ""))
    if len(tagged) != 1 or kind not in _READERS:
        raise ValueError(f"{tagged!r} is no value of a decision")
    return _READERS[kind](text)


def value_of(told: Any) -> Any:
    """Return the value that JSON stands for: null is NaN (missing)."""
    return math.nan if told is None else _untag(told) if isinstance(told, dict) else told


def encode_id(value: object) -> str:
    """Return a row's id as JSON."""
    if type(value) is str or type(value) is int:
        return encode("row_id", value)
    plain = _plain(value)
    if isinstance(plain, bool) or not isinstance(plain, str | int | float | date):
        wrong = value if plain is None else plain
        raise TypeError(complain("row_id", "a string, a number or a date", wrong))
    if isinstance(plain, float) and plain.is_integer():
        plain = int(plain)  # 1.0 and 1 name the same row of any index
    return encode("row_id", plain)


def _plain(value: object) -> object:
    """Return numpy's scalars as Python's, and any date with a time as a Timestamp."""
    if isinstance(value, datetime | np.datetime64):
        value = pd.Timestamp(value)
    elif isinstance(value, np.timedelta64):
        return pd.Timedelta(value)  # which is refused: as an item it may be a bare number
    elif isinstance(value, np.generic):
        value = value.item()
    return None if _is_missing(value) else value


def _is_missing(value: object) -> bool:
    return (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float | np.floating) and bool(value != value))
    )
