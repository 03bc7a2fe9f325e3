"""Splits that leak: a group on both sides, or training rows from after the test rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, complain, first_few
from curalab.items._table import check_column, check_table

__all__ = ["group_leakage", "time_leakage", "times_of"]

_DAY_MONTH = r"^\s*(\d{1,2})[/.-](\d{1,2})[/.-]\d{2,4}(?!\d)"
_MONTHS = 12


def group_leakage(items: pd.DataFrame, *, split: str, groups: str) -> pd.DataFrame:
    """List the groups that have rows on both sides of a split.

    Where a source, speaker, user or patient is on both sides, a model may know the group instead
    of solving the task, and the test does not tell how it does on new ones.

    Parameters
    ----------
    items : DataFrame
        The table.
    split : str
        The column that marks the test rows: True or "test". All others are training rows, a
        missing value among them.
    groups : str
        The column that says of which group a row is. Rows without a group are in none.

    Returns
    -------
    DataFrame
        One row a group that is on both sides, those with the most test rows first: `group`,
        `n_train` and `n_test` (rows), `test_share` (share of all test rows). Empty where no group
        is: its length is the number of groups, its sums are the rows.

    See Also
    --------
    curalab.find_leakage : test rows that are copies of training rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from curalab.shift import group_leakage
    >>> items = pd.DataFrame({"user": list("aabbc"), "part": ["train", "test"] * 2 + ["train"]})
    >>> group_leakage(items, split="part", groups="user")
      group  n_train  n_test  test_share
    0     a        1       1         0.5
    1     b        1       1         0.5
    """
    is_test = _is_test(items, split)
    check_column(items, groups, name="groups")
    of = items[groups].astype(object)
    n_test, n_train = of[is_test].value_counts(), of[~is_test].value_counts()
    both = [group for group in pd.unique(of.dropna()) if group in n_test and group in n_train]
    found = pd.DataFrame(
        {
            "group": pd.Series(both, dtype=object),
            "n_train": np.array([n_train[group] for group in both], dtype=np.int64),
            "n_test": np.array([n_test[group] for group in both], dtype=np.int64),
        }
    )
    found["test_share"] = found["n_test"] / is_test.sum()
    return found.sort_values("n_test", ascending=False, kind="stable", ignore_index=True)


def time_leakage(items: pd.DataFrame, *, split: str, time: str) -> pd.DataFrame:
    """List the rows that break a split by time: training rows from after a test row.

    Where what is predicted lies in the future, a model must not train on what came later.

    Parameters
    ----------
    items : DataFrame
        The table.
    split : str
        The column that marks the test rows: True or "test". All others are training rows, a
        missing value among them.
    time : str
        The column with times or numbers that grow with time. Rows without one are not compared.

    Returns
    -------
    DataFrame
        One row for each training row that is later than some test row, and for each test row that
        is earlier than some training row, under its id, those that cross most first: `side`
        ("train" or "test"), `time`, `n_crossed` (rows of the other side that should be on the
        other side of it in time), `crossed_share` (of those with a time), and `problem`: "later
        than all test rows", "later than some test rows", "inside the training span" or "before
        the training span". Empty where every training row is at or before every test row.

    Examples
    --------
    >>> import pandas as pd
    >>> from curalab.shift import time_leakage
    >>> part = ["train", "train", "test", "train", "test"]
    >>> items = pd.DataFrame({"part": part, "year": [2018, 2019, 2020, 2021, 2022]})
    >>> time_leakage(items, split="part", time="year")[["side", "n_crossed", "problem"]]
        side  n_crossed                     problem
    3  train          1  later than some test rows
    2   test          1    inside the training span
    """
    is_test = _is_test(items, split)
    check_column(items, time, name="time")
    at = times_of(items, time)
    known = ~np.isnan(at)
    train, test = np.sort(at[~is_test & known]), np.sort(at[is_test & known])
    if not len(train) or not len(test):
        rule = "a column with times on both sides of the split"
        got = f"{len(train):,} training rows and {len(test):,} test rows with a time"
        raise ValueError(complain("time", rule, what=got))
    earlier = np.searchsorted(test, at, side="left")
    later = len(train) - np.searchsorted(train, at, side="right")
    crossed = np.where(is_test, later, earlier)
    crossed[~known] = 0
    share = crossed / np.where(is_test, len(train), len(test))
    told = np.where(crossed == len(test), "later than all test rows", "later than some test rows")
    inside = np.where(at < train[0], "before the training span", "inside the training span")
    found = pd.DataFrame(
        {
            "side": np.where(is_test, "test", "train"),
            "time": items[time].array,
            "n_crossed": crossed,
            "crossed_share": share,
            "problem": np.where(is_test, inside, told),
        },
        index=items.index,
    )[crossed > 0]
    return found.sort_values("crossed_share", ascending=False, kind="stable")


def _is_test(items: Any, split: str) -> BoolArray:
    check_table("items", items)
    check_column(items, split, name="split")
    is_test = items[split].isin([True, "test"]).to_numpy()
    if is_test.all() or not is_test.any():
        rule = "a column with training rows and with test rows (True or 'test')"
        got = f"{is_test.sum():,} test rows of {len(items):,}"
        raise ValueError(complain("split", rule, what=got))
    return np.asarray(is_test, dtype=bool)


def times_of(items: pd.DataFrame, time: str, *, name: str = "time") -> AnyArray:
    """Return numbers that grow with time, NaN where there is none.

    Texts such as 03/04/2014 are read day first or month first, as the column as a whole tells; an
    error where it does not.
    """
    column = items[time]
    if column.dtype.kind in "iuf" or pd.api.types.is_timedelta64_dtype(column):
        if column.dtype.kind == "m":
            return np.asarray(column.dt.total_seconds(), dtype=np.float64)
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    day_first = _is_day_first(column, name)
    read = pd.to_datetime(column, utc=True, errors="coerce", format="mixed", dayfirst=day_first)
    odd = column.index[read.isna() & column.notna()]
    if len(odd):
        named = f"ids {first_few(odd)}: {first_few(column[odd])}"
        got = f"{len(odd):,} values that are neither ({named})"
        raise ValueError(complain(name, "a column of times or numbers", what=got))
    return np.asarray((read - pd.Timestamp(0, tz="UTC")).dt.total_seconds(), dtype=np.float64)


def _is_day_first(column: pd.Series[Any], name: str) -> bool:
    """Say whether dates such as 31/12/2014 are written day first, from those that only fit one."""
    cells = column.dropna().astype(str)
    parts = cells.str.extract(_DAY_MONTH).dropna().astype(int)
    if not len(parts):
        return False
    first, second = parts[0].max() > _MONTHS, parts[1].max() > _MONTHS
    if first == second and (first or (parts[0] != parts[1]).any()):
        id = parts.index[int((parts[0] != parts[1]).argmax())]
        got = f"{cells[id]!r} (id {id!r}), which may be read both ways"
        hint = "Write dates as 2014-12-31, or read them with pandas.to_datetime."
        raise ValueError(
            complain(name, "of dates that say what is day and month", what=got, hint=hint)
        )
    return bool(first)
