"""What one rule says of the rows that reach it."""

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, IntArray, align, are_invented, first_few
from curalab.items._table import check_column
from curalab.pool import describe
from curalab.results import StageResult

__all__ = ["told", "verdicts"]

_ASKS = {"isna", "isnull", "notna", "notnull", "fillna"}  # expressions that see missing cells
_QUOTED = re.compile(r"`([^`]+)`")
_MARKS = {"is_outlier": "Outliers", "is_error": "LabelErrors"}


def told(rule: Any) -> Any:
    """Return what is kept of a rule, as plain JSON."""
    if isinstance(rule, str):
        return rule
    if isinstance(rule, tuple) and len(rule) == 2:
        return {"column": str(rule[0]), "function": told(rule[1])}
    if isinstance(rule, StageResult):
        return {"result": type(rule).__name__, "params": dict(rule.params)}
    if callable(rule):
        return {"name": getattr(rule, "__qualname__", repr(rule)), **describe("", rule)}
    return "True and False, one a row"


def verdicts(
    name: str, rule: Any, items: pd.DataFrame, rows: IntArray
) -> tuple[BoolArray, BoolArray]:
    """Return which of the `rows` pass the rule, and which it cannot judge."""
    left = items.iloc[rows]
    if isinstance(rule, str):
        unknown = left[_compared(rule, left)].isna().any(axis=1).to_numpy(dtype=bool)
        passes, silent = _answers(name, _tried(name, lambda: left.eval(rule)), left)
        return passes, unknown | silent
    if isinstance(rule, tuple) and len(rule) == 2 and callable(rule[1]):
        return _by_cell(name, *rule, left)
    if isinstance(rule, StageResult):
        return _kept(name, rule, items, rows), np.zeros(len(rows), dtype=bool)
    if callable(rule):
        answer = _tried(name, lambda: rule(left.copy()))
        if isinstance(answer, StageResult):
            return _kept(name, answer, left, np.arange(len(left))), np.zeros(len(left), dtype=bool)
        return _answers(name, answer, left)
    passes, unknown = _answers(name, rule, items)
    return passes[rows], unknown[rows]


def _tried(name: str, call: Any) -> Any:
    try:
        return call()
    except Exception as error:  # a rule is the user's: it may raise anything
        raise ValueError(
            f"The rule {name!r} must work on the rows that reach it. "
            f"Got {type(error).__name__}: {error} instead."
        ) from error


def _compared(rule: str, left: pd.DataFrame) -> list[Any]:
    """Return the columns that an expression reads without asking whether they are missing."""
    by_name = {re.sub(r"\W", "_", str(column)): column for column in left.columns}
    plain = _QUOTED.sub(lambda found: re.sub(r"\W", "_", found[1]), rule).replace("@", "")
    try:
        tree = ast.parse(plain.strip(), mode="eval")
    except SyntaxError:
        return []  # `eval` says what is wrong with it
    nodes = list(ast.walk(tree))
    asked = {
        node.value.id
        for node in nodes
        if isinstance(node, ast.Attribute)
        and node.attr in _ASKS
        and isinstance(node.value, ast.Name)
    }
    read = {node.id for node in nodes if isinstance(node, ast.Name)} - asked
    return [by_name[one] for one in sorted(read) if one in by_name]


def _answers(name: str, answer: Any, left: pd.DataFrame) -> tuple[BoolArray, BoolArray]:
    """Return the answers of a rule as bools, and which are missing."""
    n = len(left)
    if np.ndim(answer) != 1 or len(answer) != n:
        what = "one value" if np.ndim(answer) == 0 else f"shape {np.shape(answer)}"
        hint = " For a rule about one cell pass (column, function)." if np.ndim(answer) == 0 else ""
        raise ValueError(
            f"The rule {name!r} must return {n:,} values of True or False, one a row. "
            f"Got {what} instead.{hint}"
        )
    series = pd.Series(align(name, answer, left.index))
    unknown = series.isna().to_numpy(dtype=bool)
    cells = series.to_numpy(dtype=object)
    odd = [cell for cell in cells[~unknown] if not isinstance(cell, bool | np.bool_)]
    if odd:
        raise ValueError(
            f"The rule {name!r} must return True or False for each row. "
            f"Got {first_few(odd, 3)} instead."
        )
    return np.asarray(np.where(unknown, False, cells), dtype=bool), unknown


def _by_cell(
    name: str, column: Any, function: Any, left: pd.DataFrame
) -> tuple[BoolArray, BoolArray]:
    check_column(left, column, name=f"rules[{name!r}]")
    there = left[column].map(lambda cell: not (pd.api.types.is_scalar(cell) and pd.isna(cell)))
    answers: AnyArray = np.full(len(left), None, dtype=object)
    for i in np.flatnonzero(there.to_numpy(dtype=bool)):
        cell = left[column].iloc[i]
        try:
            answers[i] = function(cell)
        except Exception as error:  # a rule is the user's: it may raise anything
            raise ValueError(
                f"The rule {name!r} must work on the rows that reach it. Got "
                f"{type(error).__name__}: {error} for the id {left.index[int(i)]!r} instead."
            ) from error
    return _answers(name, answers, left)


def _kept(name: str, result: Any, items: pd.DataFrame, rows: IntArray) -> BoolArray:
    """Return which of the `rows` a result of another stage keeps."""
    if hasattr(result, "gain") and hasattr(result, "rows"):  # a Selection: its ids are the picks
        ids = items.index if not are_invented(result.ids) else pd.RangeIndex(len(items))
        return np.asarray(ids.isin(result.ids))[rows]

    def column(values: AnyArray) -> AnyArray:
        carried = values if are_invented(result.ids) else pd.Series(values, index=result.ids)
        return np.asarray(align(name, carried, items.index))[rows]

    if hasattr(result, "group") and hasattr(result, "keep"):
        return _one_a_group(column(result.group), column(result.keep))
    if hasattr(result, "keep"):
        return column(result.keep)
    for mark in _MARKS:
        if hasattr(result, mark):
            return ~column(getattr(result, mark))
    known = "Duplicates, Selection, Cascade, " + ", ".join(_MARKS.values())
    raise ValueError(
        f"The rule {name!r} must be a result that says which rows to keep ({known}). "
        f"Got {type(result).__name__} instead."
    )


def _one_a_group(group: AnyArray, keep: AnyArray) -> BoolArray:
    """Keep one row of each group; the first, where an earlier rule took the one to be kept."""
    passes = np.asarray(keep | (group < 0))
    orphans = np.flatnonzero(~passes & ~np.isin(group, group[keep.astype(bool)]))
    passes[orphans[np.unique(group[orphans], return_index=True)[1]]] = True
    return passes
