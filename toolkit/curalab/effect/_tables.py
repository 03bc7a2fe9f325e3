"""The three tables: checked, and sealed against what made them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from curalab._check import complain, first_few
from curalab.items._table import check_column, check_table
from curalab.ledger import Ledger
from curalab.pool import find_stage, method_names, stages

__all__ = ["check_tables", "refuse_edited"]


def check_tables(
    before: pd.DataFrame, after: pd.DataFrame, test: pd.DataFrame, labels: str
) -> dict[str, pd.DataFrame]:
    """Return the tables by name, `test` without its unlabelled rows."""
    tables = {"before": before, "after": after, "test": test}
    for name, table in tables.items():
        check_table(name, table)
        check_column(table, labels, name="labels")
    new = after.index.difference(before.index)
    if len(new):
        hint = "Put rows that curation labels into 'before', without a label."
        got = f"new ids {first_few(new)}"
        raise ValueError(complain("after", "made of rows of 'before'", what=got, hint=hint))
    shared = test.index.intersection(before.index)
    if len(shared):
        got = f"shared ids {first_few(shared)}"
        raise ValueError(complain("test", "of rows that are not in 'before'", what=got))
    has_label = test[labels].notna().to_numpy()
    if not has_label.any():
        raise ValueError(complain("test", "a table with labelled rows", what="no label"))
    return {**tables, "test": test[has_label]}


def refuse_edited(ledger: Any, ids: pd.Index, labels: str) -> None:
    """Raise where a decision in force lets a method, not a person, set a test label."""
    if ledger is None:
        return
    if not isinstance(ledger, Ledger):
        raise TypeError(complain("ledger", "a Ledger, such as cl.Ledger('my.ledger')", ledger))
    decided = ledger.decisions()
    relabels = decided[(decided["action"] == "relabel") & (decided["field"] == labels)]
    names = {name for stage in stages() for name in _names_of(stage)}
    by_method = relabels["actor"].isin(names) | (relabels["actor"] == relabels["method"])
    edited = relabels[by_method & relabels.index.isin(ids)]
    if len(edited):
        got = f"labels set by {first_few(edited['actor'].unique())} (ids {first_few(edited.index)})"
        hint = "Undo those decisions, or let a person decide them."
        rule = "a table whose labels no method edited"
        raise ValueError(complain("test", rule, what=got, hint=hint))


def _names_of(stage: str) -> list[str]:
    return method_names(find_stage(stage))
