"""Decisions carried to a newer version of the table they were made on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, IntArray
from curalab.ledger.events import decode
from curalab.ledger.history import told
from curalab.ledger.replay import (
    apply_decisions,
    check_table,
    in_force,
    is_stale,
    objects,
    rows_at,
    same,
    standing,
    tags_of,
)

__all__ = ["Replayed", "replay_decisions"]


@dataclass(frozen=True, eq=False)
class Replayed:
    """A newer table with the decisions that still apply, and a report of the others.

    Attributes
    ----------
    table : DataFrame
        What `Ledger.apply` makes of the items with the decisions that apply.
    report : DataFrame
        One row for each decision in force that was left out, indexed by `event`: `row_id`,
        `field`, `action`, `old`, `new`, `actor`, `method`, `reason`, what the table `holds` there,
        and `why`: "unknown row", "missing column", "old value differs" or "already so".
    """

    table: pd.DataFrame
    report: pd.DataFrame

    def __repr__(self) -> str:
        return f"Replayed({len(self.table):,} rows, {len(self.report):,} decisions left out)"


def replay_decisions(items: pd.DataFrame, events: pd.DataFrame) -> Replayed:
    """Return `items` with the decisions among `events` that apply, and why others do not."""
    ids = check_table(items)
    decisions = standing(events)
    at = rows_at(ids, decisions["row_id"])
    why = pd.Series(np.where(at < 0, "unknown row", ""), index=decisions.index, dtype=object)
    holds = pd.Series([None] * len(decisions), index=decisions.index, dtype=object)
    for field, part in decisions[at >= 0].groupby("field", sort=False):
        here = part.assign(at=at[decisions.index.get_indexer(part.index)])
        column = items[field] if field in items.columns else None
        if column is not None:
            holds[part.index] = objects(column.iloc[here["at"]])
        why[part.index] = _why(str(field), column, here)
    last = in_force(decisions)
    left_out = last[(why[last.index] != "").to_numpy()]
    report = told(left_out).drop(columns=["undoes", "time", "params", "embedding"])
    report = report.assign(holds=holds[left_out.index], why=why[left_out.index])
    gone = decisions["subject"].isin(left_out["subject"])
    return Replayed(apply_decisions(items, decisions[~gone]), report)


def _why(field: str, column: pd.Series[Any] | None, part: pd.DataFrame) -> AnyArray:
    """Return why each decision on one field does not apply to a table; "" where it does."""
    if column is None:
        lacks = "" if field in ("weight", "tags") else "missing column"
        return np.full(len(part), lacks, dtype=object)
    at: IntArray = part["at"].to_numpy()
    new, held = decode(part["new"]), objects(column.iloc[at])
    if field == "tags":
        so = [tag in tags_of(own) for tag, own in zip(new, held, strict=True)]
        return np.where(so, "already so", "").astype(object)
    stale = is_stale(column, part) if field != "weight" else np.zeros(len(part), dtype=bool)
    return np.where(same(new, held), "already so", np.where(stale, "old value differs", ""))
