"""What a list of events amounts to on a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._check import (
    AnyArray,
    BoolArray,
    IntArray,
    StaleDecisionError,
    check_ids,
    complain,
    first_few,
)
from curalab.ledger.events import decode

__all__ = [
    "apply_decisions",
    "check_table",
    "in_force",
    "is_stale",
    "objects",
    "rows_at",
    "same",
    "standing",
    "stands",
    "subjects",
    "tags_of",
]


def stands(events: pd.DataFrame) -> BoolArray:
    """Whether each event stands: nobody undid it, or that undo was undone. Shape (n_events,)."""
    undone: set[int] = set()
    undos = events["undoes"].dropna()
    for event, target in zip(undos.index[::-1], undos.to_numpy()[::-1], strict=True):
        if event not in undone:
            undone.add(int(target))
    return ~np.asarray(events.index.isin(undone))


def standing(events: pd.DataFrame) -> pd.DataFrame:
    """Return the decisions that stand, superseded ones included."""
    return events[stands(events) & (events["action"] != "undo").to_numpy()]


def in_force(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return those decisions that no later one on the same subject replaced."""
    return decisions.drop_duplicates("subject", keep="last")


def subjects(events: pd.DataFrame) -> IntArray:
    """Return a number for what each event is about: a row, a field of it, or one tag on it."""
    tag = events["new"].where(events["field"] == "tags")
    keys = [events["row_id"], events["field"], tag]
    return np.asarray(events.groupby(keys, sort=False, dropna=False).ngroup())


def apply_decisions(items: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Return `items` with the standing decisions among `events` carried out."""
    ids = check_table(items)
    decisions = standing(events)
    decisions = decisions.assign(at=_rows(ids, decisions["row_id"]))
    table = items.copy(deep=False)
    for field, relabels in decisions[decisions["action"] == "relabel"].groupby("field", sort=False):
        if field not in table.columns:
            what = f"the columns {first_few(table.columns, 20)}"
            raise ValueError(complain("items", f"a table with the column {field!r}", what=what))
        table[field] = _relabel(table[field], relabels)
    others = decisions[(decisions["action"] != "relabel").to_numpy()]
    final = dict(list(in_force(others.assign(subject=subjects(others))).groupby("action")))
    if "weight" in final:
        table["weight"] = _weigh(table, final["weight"])
    if "tag" in final:
        table["tags"] = _tag(table, final["tag"])
    stays = np.ones(len(table), dtype=bool)
    if "drop" in final:
        stays[final["drop"]["at"].to_numpy()] = False
    return table[stays]


def check_table(items: object) -> pd.Index:
    """Return the ids of a table."""
    if not isinstance(items, pd.DataFrame):
        raise TypeError(complain("items", "a DataFrame whose index holds the ids", items))
    twice = items.columns[items.columns.duplicated()].unique()
    if len(twice) or isinstance(items.columns, pd.MultiIndex):
        what = f"several of {first_few(twice)}" if len(twice) else "names of several levels"
        raise ValueError(complain("items", "a table with one name for each column", what=what))
    return check_ids(items.index)


def _rows(ids: pd.Index, texts: pd.Series[Any]) -> IntArray:
    """Return the row numbers of ids written as JSON."""
    at = rows_at(ids, texts)
    if (at < 0).any():
        rule = "a table with every row that the ledger decides on"
        what = f"none for the ids {first_few(decode(texts[at < 0].unique()))}"
        hint = "Apply the ledger to the source table, not to one it was already applied to."
        raise ValueError(complain("items", rule, what=what, hint=hint))
    return at


def rows_at(ids: pd.Index, texts: pd.Series[Any]) -> IntArray:
    """Return the row numbers of ids written as JSON, -1 where there is none."""
    codes, distinct = pd.factorize(texts)
    # As objects: an index of dates would take the string "2024-01-01" for a date.
    wanted = pd.Index(decode(distinct), dtype=object)
    return np.asarray(ids.astype(object).get_indexer(wanted), dtype=np.intp)[codes]


def _relabel(column: pd.Series[Any], relabels: pd.DataFrame) -> pd.Series[Any]:
    _refuse_stale(column, relabels)
    last = relabels.drop_duplicates("at", keep="last")
    return _written(column, last["at"].to_numpy(), decode(last["new"]))


def _refuse_stale(column: pd.Series[Any], relabels: pd.DataFrame) -> None:
    stale = is_stale(column, relabels)
    if stale.any():
        at, old = relabels["at"].to_numpy(), decode(relabels["old"])
        first = int(np.flatnonzero(stale)[0])
        raise StaleDecisionError(
            f"The old value of a relabel must be what the table holds in {column.name!r}. Got "
            f"another for the ids {first_few(column.index[at[stale]])} instead: event "
            f"{relabels.index[first]} says {old[first]!r}, the table {column.iloc[at[first]]!r}. "
            "Undo those decisions or record them anew."
        )


def is_stale(column: pd.Series[Any], relabels: pd.DataFrame) -> BoolArray:
    """Whether each is in force and says an old value neither of the table nor decided before.

    A decision that follows another, or says the same again, stands or falls with it.
    """
    at = relabels["at"].to_numpy()
    old, later = decode(relabels["old"]), pd.Series(at).duplicated().to_numpy()
    fits = relabels["old"].isna().to_numpy() | same(old, objects(column.iloc[at]))
    if not later.any():
        return ~fits
    new = decode(relabels["new"])
    before_old, before_new = (pd.Series(said).groupby(at).shift().to_numpy() for said in (old, new))
    follows = later & (same(old, before_new) | (same(old, before_old) & same(new, before_new)))
    verdict = pd.Series(np.where(fits, 1.0, np.where(follows, np.nan, 0.0)), index=relabels.index)
    verdict = verdict.groupby(at).ffill()
    return np.asarray((verdict == 0).to_numpy() & ~pd.Series(at).duplicated(keep="last").to_numpy())


def objects(column: pd.Series[Any]) -> AnyArray:
    """Return the values of a column as they are."""
    return column.astype(object).to_numpy()


def same(left: AnyArray, right: AnyArray) -> BoolArray:
    """Whether values are equal, or both missing."""
    absent = pd.isna(left) | pd.isna(right)
    equal = pd.isna(left) & pd.isna(right)
    equal[~absent] = left[~absent] == right[~absent]
    return np.asarray(equal, dtype=bool)


def _written(column: pd.Series[Any], at: IntArray, values: AnyArray) -> pd.Series[Any]:
    """Return the column with `values` at the rows `at`, in its dtype if that holds them."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        fresh = [v for v in pd.unique(values[~pd.isna(values)]) if v not in column.cat.categories]
        column = column.cat.add_categories(fresh)
    if not _holds(column.dtype, values):
        wide = column.astype(pd.concat([column.iloc[:1], pd.Series(list(values))]).dtype)
        exact = same(objects(wide), objects(column)).all()
        column = wide if exact and _holds(wide.dtype, values) else column.astype(object)
    written = column.array.copy()
    written[at] = pd.Series(values, dtype=column.dtype).array
    return pd.Series(written, index=column.index, name=column.name, dtype=column.dtype)


def _holds(dtype: Any, values: AnyArray) -> bool:
    """Whether `dtype` keeps the values as they are; a float column may round numbers."""
    try:
        cast = pd.Series(values, dtype=dtype)
    except (TypeError, ValueError, OverflowError):
        return False
    if dtype.kind == "f":
        kind = pd.api.types.infer_dtype(values, skipna=True)
        return kind in ("integer", "floating", "mixed-integer-float", "empty")
    return bool(same(objects(cast), values).all())


def _weigh(table: pd.DataFrame, decisions: pd.DataFrame) -> AnyArray:
    known = "weight" in table.columns
    weight = np.ones(len(table))
    if known:
        try:
            weight = table["weight"].to_numpy(dtype=float, copy=True)
        except (TypeError, ValueError) as error:
            rule = "a table whose 'weight' are numbers"
            raise ValueError(complain("items", rule, what=f"others ({error})")) from error
    weight[decisions["at"]] = decode(decisions["new"])
    return weight


def _tag(table: pd.DataFrame, decisions: pd.DataFrame) -> pd.Series[Any]:
    """Return the sorted list of each row's tags, those it brought along included."""
    tags: list[list[str]] = [[] for _ in range(len(table))]
    if "tags" in table.columns:
        tags = [tags_of(own) for own in table["tags"]]
    for at, tag in zip(decisions["at"], decode(decisions["new"]), strict=True):
        tags[at] = sorted({*tags[at], tag})
    return pd.Series(tags, index=table.index, dtype=object)


def tags_of(cell: object) -> list[str]:
    """Return the tags that a table brought along."""
    if isinstance(cell, list | tuple | set | np.ndarray):
        if all(isinstance(tag, str) for tag in cell):
            return sorted(set(cell))
    elif cell is None or pd.isna(cell):  # type: ignore[call-overload]
        return []
    raise ValueError(complain("items", "a table whose 'tags' are lists of text", cell))
