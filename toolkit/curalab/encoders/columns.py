"""Rows of a mixed table: numbers, categories and times on one scale."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, FloatArray, check_integer, complain, first_few
from curalab.encoders._contract import refuse_unfitted

__all__ = ["Columns"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Numbers in standard deviations, categories as 0 and 1, missing values marked.

    The distance is Euclidean and its unit is one standard deviation of a number: two rows that
    differ in a category, in a boolean, or in whether a number is missing are 1 apart there.

    Parameters
    ----------
    max_categories : int, default=20
        Categories of a column that are told apart; the rarer ones count as one. A column of
        strings with more values than that, most of which occur once, is no category but a text
        or a name: it is left out.

    Notes
    -----
    - Numbers, times and durations: missing ones become the median, then mean 0 and standard
      deviation 1. A further 0/1 column says which were missing, if any were.
    - Categories and booleans: one column a category, times 1/√2. Missing is a category of its
      own; one that the fit has not seen is all zeros, 1/√2 from every other.
    - Columns with a single value, without any value, of text or of other objects are left out,
      and a warning names them.

    References
    ----------
    .. [1] Field standard; Gower (1971), "A General Coefficient of Similarity and Some of Its
       Properties", Biometrics 27(4), for a mismatch that counts as one unit.
    """

    takes: ClassVar[str] = "columns"
    metric: ClassVar[str] = "euclidean"
    cost: ClassVar[str] = "seconds for 100,000 rows"

    max_categories: int = 20
    fitted: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_integer("max_categories", self.max_categories, low=2)

    def fit(self, data: pd.DataFrame, *, rng: np.random.Generator) -> Columns:
        """Return an encoder that knows the kinds, scales and categories of these columns."""
        kinds = {column: self._kind(data[column]) for column in data.columns}
        left_out = [f"{name!r} ({why})" for name, (kind, why) in kinds.items() if not kind]
        used = {name: kind for name, (kind, _) in kinds.items() if kind}
        if not used:
            got = f"none: {', '.join(left_out[:5])}"
            raise ValueError(complain("data", "a table with columns that vary", what=got))
        if left_out:
            _log.warning("The encoder 'columns' leaves out %s.", ", ".join(left_out))
        scaled = _transformer(used, self.max_categories).fit(_numbered(data, used))
        return replace(self, fitted=(used, scaled))

    def encode(self, batch: pd.DataFrame) -> FloatArray:
        """Return one row of numbers an item, shape (b, d)."""
        refuse_unfitted(self)
        used, scaled = self.fitted
        missing = [column for column in used if column not in batch.columns]
        if missing:
            rule = "a table with the columns that the encoder was fitted on"
            raise ValueError(complain("data", rule, what=f"one without {first_few(missing)}"))
        return np.asarray(scaled.transform(_numbered(batch, used)), dtype=np.float32)

    def _kind(self, column: pd.Series[Any]) -> tuple[str, str]:
        """Return "number", "time" or "category", or "" and why the column is left out."""
        try:
            n_values = column.nunique()
        except TypeError:  # lists, arrays and the like cannot be counted
            return "", f"holds {type(column.dropna().iloc[0]).__name__}"
        if n_values + column.hasnans < 2:
            return "", "a single value" if n_values else "no value"
        if pd.api.types.is_bool_dtype(column):
            return "category", ""
        if column.dtype.kind in "iuf":
            return "number", ""
        return self._kind_of_cells(column, n_values)

    def _kind_of_cells(self, column: pd.Series[Any], n_values: int) -> tuple[str, str]:
        kind = pd.api.types.infer_dtype(column, skipna=True)
        if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
            return "number", ""
        if kind in ("datetime64", "datetime", "date", "timedelta64", "timedelta", "period"):
            return "time", ""
        if kind == "complex":
            return "", "complex numbers"
        if n_values > self.max_categories and n_values > column.notna().sum() / 2:
            return "", f"text or names: {n_values:,} different values"
        return "category", ""


def _transformer(used: dict[Any, str], max_categories: int) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import MissingIndicator, SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    categories = [i for i, kind in enumerate(used.values()) if kind == "category"]
    numbers = [i for i, kind in enumerate(used.values()) if kind != "category"]
    one_hot = OneHotEncoder(handle_unknown="ignore", max_categories=max_categories)
    parts = [
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        ("missing", MissingIndicator(error_on_new=False), numbers),
        ("categories", one_hot, categories),
    ]
    # Two one-hot rows differ in two columns: √(½ + ½) = 1.
    return ColumnTransformer(
        [part for part in parts if part[2]],
        transformer_weights={"categories": 0.5**0.5},
        sparse_threshold=0,
    )


def _numbered(data: pd.DataFrame, used: dict[Any, str]) -> pd.DataFrame:
    """Return numbers and times as floats, categories as strings; columns are numbered."""
    made = {i: _column(data[name], kind, name) for i, (name, kind) in enumerate(used.items())}
    return pd.DataFrame(made, index=data.index)


def _column(column: pd.Series[Any], kind: str, name: Any) -> AnyArray:
    if kind == "category":
        return column.astype(object).map(str).where(column.notna(), "(missing)").to_numpy(object)
    try:
        values = _seconds(column) if kind == "time" else pd.to_numeric(column)
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        rule = f"a table whose column {name!r} holds {kind}s, as where the encoder was fitted"
        raise TypeError(complain("data", rule, what=str(error))) from error
    infinite = column.index[np.isinf(numbers)]
    if len(infinite):
        rule = f"a table whose column {name!r} is finite"
        raise ValueError(complain("data", rule, what=f"infinity (ids {first_few(infinite)})"))
    return np.asarray(numbers)


def _seconds(column: pd.Series[Any]) -> pd.Series[Any]:
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind.startswith("timedelta"):
        return pd.to_timedelta(column).dt.total_seconds()
    if kind == "period":
        column = column.astype(object).map(lambda period: period.start_time, na_action="ignore")
    times = pd.to_datetime(column, utc=True)
    return (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
