"""Turn input into arrays with ids, or say what is wrong."""

from __future__ import annotations

import difflib
import importlib
import numbers
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["AlignmentError", "MissingExtraError", "StaleDecisionError"]

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]
AnyArray = npt.NDArray[Any]

ROW = "row"  # name of ids that the toolkit made up
_ONE_KIND = {
    "string",
    "bytes",
    "integer",
    "floating",
    "mixed-integer-float",
    "boolean",
    "decimal",
    "date",
    "datetime",
    "datetime64",
    "categorical",
}


class AlignmentError(ValueError):
    """Two inputs carry ids that do not name the same rows."""


class MissingExtraError(ImportError):
    """A package of an optional extra is not installed."""


class StaleDecisionError(ValueError):
    """A recorded decision no longer fits the table it is applied to."""


# ---- single values -------------------------------------------------------------------------------


def complain(name: str, rule: str, got: object = None, hint: str = "", *, what: str = "") -> str:
    """Return the one form of every error about a parameter.

    `got` is shown as Python writes it; `what` says it in words where the value itself would not.
    """
    more = hint and f" {hint}"
    return f"The {name!r} parameter must be {rule}. Got {what or _shown(got)} instead.{more}"


def _shown(value: object) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def check_integer(
    name: str, value: object, *, low: int, high: int | None = None, hint: str = ""
) -> int:
    """Return `value` as an int from `low` to `high`."""
    rule = (
        f"an integer from {low} to {high}" if high is not None else f"an integer of {low} or more"
    )
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(complain(name, rule, value, hint))
    number = int(value)
    if number < low or (high is not None and number > high):
        raise ValueError(complain(name, rule, value, hint))
    return number


def check_real(name: str, value: object, *, low: float, high: float, hint: str = "") -> float:
    """Return `value` as a float from `low` to `high`."""
    rule = f"a number from {low:g} to {high:g}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(complain(name, rule, value, hint))
    number = float(value)
    if not low <= number <= high:
        raise ValueError(complain(name, rule, value, hint))
    return number


def check_choice(name: str, value: object, choices: Iterable[str], *, hint: str = "") -> str:
    """Return `value` if it is one of `choices`; else list them and name the nearest."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    near = difflib.get_close_matches(str(value), known, n=1)
    guess = f"Did you mean {near[0]!r}?" if near else ""
    rule = "one of " + ", ".join(repr(c) for c in known)
    error = ValueError if isinstance(value, str) else TypeError
    raise error(complain(name, rule, value, " ".join(part for part in (guess, hint) if part)))


def check_seed(random_state: object) -> int:
    """Return the seed to use: the one given, or one drawn now."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    return check_integer("random_state", random_state, low=0, high=2**32 - 1)


def need_extra(package: str, extra: str, *, purpose: str) -> ModuleType:
    """Import an optional package, or say how to install it."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"{purpose} needs the package {package.partition('.')[0]!r}, which is not installed. "
            f"Install it with: pip install 'curalab[{extra}]'",
            name=error.name,
        ) from error


# ---- ids -----------------------------------------------------------------------------------------


def first_few(values: Iterable[object], n: int = 5) -> str:
    """Name the first `n` values, for an error."""
    listed = list(values)
    rest = f" and {len(listed) - n:,} more" if len(listed) > n else ""
    return ", ".join(_shown(value) for value in listed[:n]) + rest


def invented_ids(n: int) -> pd.Index:
    """Return the ids of rows that came without any: 0 … n-1, under a name that says so."""
    return pd.RangeIndex(n, name=ROW)


def are_invented(ids: pd.Index) -> bool:
    """Whether the toolkit made up these ids; such ids do not count in an alignment."""
    return isinstance(ids, pd.RangeIndex) and ids.name == ROW and ids.start == 0 and ids.step == 1


def check_ids(ids: object, *, n: int | None = None) -> pd.Index:
    """Return `ids` as an index of distinct, present values."""
    index = ids if isinstance(ids, pd.Index) else pd.Index(list(ids))  # type: ignore[call-overload]
    if isinstance(index, pd.MultiIndex):
        raise TypeError(complain("ids", "one value for each row", what="a MultiIndex"))
    if n is not None and len(index) != n:
        raise ValueError(
            complain("ids", f"{n:,} ids, one for each row", what=f"{len(index):,} ids")
        )
    if index.hasnans:
        rows = np.flatnonzero(index.isna())
        raise ValueError(
            complain("ids", "present for every row", what=f"no id in rows {first_few(rows)}")
        )
    if not index.is_unique:
        twice = index[index.duplicated()].unique()
        raise ValueError(
            complain("ids", "distinct", what=f"ids that occur twice: {first_few(twice)}")
        )
    return index


def carried_ids(value: object) -> pd.Index | None:
    """Return the ids that an input brings along, None for arrays and lists."""
    if isinstance(value, pd.Series | pd.DataFrame):
        return check_ids(value.index)
    ids = getattr(value, "ids", None)
    return ids if isinstance(ids, pd.Index) and not are_invented(ids) else None


def align(name: str, value: Any, ids: pd.Index) -> Any:
    """Put the rows of `value` into the order of `ids`: by id where it carries ids, else as it is.

    Returns `value` itself where nothing has to move. Raises AlignmentError where the ids differ.
    """
    own = carried_ids(value)
    n = len(own) if own is not None else len(value)
    if own is None or are_invented(ids):
        if n != len(ids):
            raise ValueError(
                complain(name, f"{len(ids):,} rows, one for each item", what=f"{n:,} rows")
            )
        return value
    if own.equals(ids):
        return value
    rows = own.get_indexer(ids)
    if len(own) == len(ids) and (rows >= 0).all():
        return value.iloc[rows] if hasattr(value, "iloc") else value[rows]
    missing, extra = ids[rows < 0], own[~own.isin(ids)]
    told = [f"{first_few(missing)} only in the items"] if len(missing) else []
    told += [f"{first_few(extra)} only in {name!r}"] if len(extra) else []
    raise AlignmentError(
        f"The ids of {name!r} and of the items must name the same rows. Got {'; '.join(told)}. "
        "Select the same rows on both sides, or pass an array to go by position."
    )


def rows_of(ids: pd.Index, wanted: object, *, name: str = "ids") -> IntArray:
    """Return the row numbers of the ids `wanted`, or list those that are not there."""
    asked = wanted if isinstance(wanted, pd.Index) else pd.Index(list(wanted))  # type: ignore[call-overload]
    rows = ids.get_indexer(asked)
    if (rows < 0).any():
        raise KeyError(
            complain(name, "ids of the items", what=f"unknown ids {first_few(asked[rows < 0])}")
        )
    return np.asarray(rows, dtype=np.intp)


# ---- arrays --------------------------------------------------------------------------------------


def read_only(array: AnyArray) -> AnyArray:
    """Return a view that cannot be written through."""
    view = array.view()
    view.flags.writeable = False
    return view


def check_vectors(name: str, value: object, *, ids: pd.Index | None = None) -> FloatArray:
    """Return `value` as a finite float32 array of shape (n, d); a float32 array is not copied."""
    if hasattr(value, "toarray"):
        raise TypeError(
            complain(
                name, "a dense array", hint="Call .toarray() first.", what=type(value).__name__
            )
        )
    try:
        array = np.asanyarray(value)
        with np.errstate(over="raise"):
            vectors = array if array.dtype == np.float32 else array.astype(np.float32)
    except FloatingPointError:
        wide = array.astype(np.longdouble).reshape(len(array), -1)
        rule = "of numbers that float32 holds, at most 3.4e38 in size"
        refuse_rows(name, wide, _too_large, rule=rule, what="of larger ones", ids=ids)
        raise
    except (TypeError, ValueError) as error:
        raise TypeError(complain(name, "numbers", what=type(value).__name__)) from error
    if vectors.ndim != 2:
        raise ValueError(complain(name, "of shape (n, d)", what=f"shape {vectors.shape}"))
    if 0 in vectors.shape:
        raise ValueError(
            complain(name, "at least one row and one column", what=f"shape {vectors.shape}")
        )
    refuse_rows(name, vectors, _not_finite, rule="finite", what="NaN or infinite", ids=ids)
    return vectors


def _not_finite(block: FloatArray) -> BoolArray:
    return np.asarray(~np.isfinite(block).all(axis=1))


def _too_large(block: FloatArray) -> BoolArray:
    with np.errstate(over="ignore"):
        lost = np.isinf(block.astype(np.float32))
    return np.asarray((lost & np.isfinite(block)).any(axis=1))


def refuse_rows(
    name: str,
    vectors: FloatArray,
    is_bad: Callable[[FloatArray], BoolArray],
    *,
    rule: str,
    what: str,
    ids: pd.Index | None,
    hint: str = "",
) -> None:
    """Raise where `is_bad` marks rows, naming the first; works block by block."""
    step = 65_536
    bad = np.concatenate([is_bad(vectors[i : i + step]) for i in range(0, len(vectors), step)])
    if bad.any():
        rows = np.flatnonzero(bad)
        named = rows if ids is None else ids[rows]
        got = f"{len(rows):,} of {len(bad):,} rows {what} (ids {first_few(named)})"
        raise ValueError(complain(name, rule, hint=hint, what=got))


def check_classes(classes: pd.Index, *, name: str = "classes") -> pd.Index:
    """Return `classes` if they are distinct and none is missing."""
    if classes.hasnans:
        raise ValueError(complain(name, "without missing classes", what="a missing one"))
    if not classes.is_unique:
        twice = classes[classes.duplicated()].unique()
        raise ValueError(complain(name, "of distinct classes", what=f"{first_few(twice)} twice"))
    return classes


def check_labels(
    values: object, *, classes: object = None, name: str = "labels"
) -> tuple[AnyArray, IntArray, AnyArray]:
    """Return labels, their codes (-1 is missing) and the classes that the codes number.

    Missing is None or NaN. Classes are those given, else the sorted distinct labels.
    """
    series = pd.Series(values if hasattr(values, "__array__") else list(values))  # type: ignore[call-overload]
    if series.dtype == "category":
        series = series.astype(series.cat.categories.dtype)
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind not in _ONE_KIND and series.notna().any():
        kinds = sorted({type(v).__name__ for v in series[series.notna()]})
        raise TypeError(complain(name, "of one type", what=f"labels of types {', '.join(kinds)}"))
    labels = series.to_numpy(dtype=None if series.dtype.kind in "biuf" else object)
    if classes is None:
        codes, found = pd.factorize(series, sort=True)
        return labels, codes.astype(np.int64, copy=False), np.asarray(found)
    known = check_classes(pd.Index(np.asarray(classes)))
    codes = known.get_indexer(pd.Index(labels))
    unknown = pd.unique(series[(codes < 0) & series.notna().to_numpy()])
    if len(unknown):
        raise ValueError(complain(name, "among the classes", what=f"labels {first_few(unknown)}"))
    return labels, codes.astype(np.int64), known.to_numpy()
