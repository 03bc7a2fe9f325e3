"""Whether a table is the same as another, cell by cell."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from curalab._check import complain, first_few
from curalab.items._cells import identical
from curalab.items._columns import Spec
from curalab.items._stored import read_table
from curalab.ledger import Ledger

__all__ = ["check_source", "check_written"]


def check_source(source: pd.DataFrame, items: pd.DataFrame, ledger: Ledger) -> None:
    """Raise unless the ledger makes `items` of `source`."""
    differs = difference(ledger.apply(source), items)
    if differs:
        rule = "the table of which the ledger makes 'items'"
        hint = "Export what ledger.apply(source) returns, or leave 'source' out."
        raise ValueError(complain("source", rule, hint=hint, what=f"another one: {differs}"))


def check_written(items: pd.DataFrame, folder: Path, form: str, schema: Spec) -> None:
    """Raise unless reading a table back gives it again; images and sounds are not looked at."""
    plain = [at for at, spec in enumerate(schema["fields"].values()) if "kinds" not in spec]
    names = list(schema["fields"])
    some = schema | {
        "fields": {names[at]: schema["fields"][names[at]] for at in plain},
        "column_names": [schema["column_names"][at] for at in plain],
    }
    differs = difference(read_table(folder, form, some), items.iloc[:, plain])
    if differs:
        rule = f"a table that the format {form!r} can hold without loss"
        hint = "Change the type of that column, or drop it."
        raise ValueError(complain("items", rule, hint=hint, what=f"one with {differs}"))


def difference(made: pd.DataFrame, items: pd.DataFrame) -> str:
    """Say where two tables differ first; nothing where they do not."""
    if not made.index.identical(items.index):
        others = items.index.symmetric_difference(made.index)
        return f"other ids: {first_few(others)}" if len(others) else "ids of another order or type"
    if not made.columns.identical(items.columns):
        return f"other columns: {first_few(made.columns, 20)}"
    for at, name in enumerate(items.columns):
        one, other = made.iloc[:, at], items.iloc[:, at]
        if spelled(one) != spelled(other):
            return f"the dtype {one.dtype} of column {name!r}"
        cells = zip(one.astype(object), other.astype(object), strict=True)
        odd = [row for row, (a, b) in enumerate(cells) if not identical(a, b)]
        if odd:
            return f"another value in column {name!r} of the ids {first_few(items.index[odd])}"
    return ""


def spelled(column: pd.Series) -> tuple[object, ...]:
    """Return a dtype with what `==` does not compare: the order of categories."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.dtype, *column.cat.categories
    return (column.dtype,)
