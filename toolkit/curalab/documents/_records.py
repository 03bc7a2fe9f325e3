"""What is told of each dataset of a lineage, checked and complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import FloatArray, check_choice, check_ids, complain, first_few
from curalab.documents._licences import spelled
from curalab.items._table import check_column

__all__ = ["COUNTED", "check_records", "concentration_of", "in_order", "last_of", "rows_of"]

COUNTED = ("languages", "places", "years", "tasks", "sources", "creators")

_LISTS = ("parents", "creators", "languages", "tasks", "places", "years")
_TEXTS = ("licence", "attribution", "how")
_FIELDS = (*_LISTS, *_TEXTS, "sources", "source_terms")


def check_records(given: Any) -> dict[str, dict[str, Any]]:
    """Return complete records by the name of the dataset; parents are known and no cycle is."""
    records = {name: _record(name, told) for name, told in _named(given)}
    for name, record in records.items():
        unknown = [parent for parent in record["parents"] if parent not in records]
        if unknown:
            hint = "Tell of each parent too: an empty mapping will do."
            what = f"the parents {first_few(unknown)} of {name!r}"
            raise ValueError(complain("datasets", "complete, parents too", what=what, hint=hint))
    in_order(records)
    return records


def in_order(records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the datasets, parents first."""
    try:
        graph = {name: record["parents"] for name, record in records.items()}
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " from ".join(map(repr, reversed(error.args[1])))
        raise ValueError(complain("datasets", "without a circle", what=circle)) from None


def last_of(records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the datasets that nothing derives from."""
    parents = {parent for record in records.values() for parent in record["parents"]}
    return [name for name in records if name not in parents]


def _named(given: Any) -> list[tuple[str, Mapping[str, Any]]]:
    rule = "a mapping, a DataFrame or a list of records, one a dataset"
    if isinstance(given, pd.DataFrame):
        own = given.set_index("name") if "name" in given.columns else given
        given = dict(zip(check_ids(own.index), own.to_dict("records"), strict=True))
    elif isinstance(given, Sequence) and not isinstance(given, str):
        if not all(isinstance(told, Mapping) and "name" in told for told in given):
            raise ValueError(complain("datasets", rule, what="records without a 'name'"))
        check_ids(pd.Index([told["name"] for told in given]))
        given = {told["name"]: {k: v for k, v in told.items() if k != "name"} for told in given}
    if not isinstance(given, Mapping):
        raise TypeError(complain("datasets", rule, given))
    if not given:
        raise ValueError(complain("datasets", rule, what="none"))
    for name, told in given.items():
        if not isinstance(name, str) or not isinstance(told, Mapping):
            got = f"{type(name).__name__} to {type(told).__name__}"
            raise TypeError(complain("datasets", "names to mappings", what=got))
    return list(given.items())


def _record(name: str, told: Mapping[str, Any]) -> dict[str, Any]:
    told = {"licence" if key == "license" else key: value for key, value in told.items()}
    for key in told:
        check_choice("datasets", key, _FIELDS, hint=f"It is told of {name!r}.")
    given = {key: value for key, value in told.items() if not _is_missing(value)}
    record: dict[str, Any] = {key: _list(given.get(key, [])) for key in _LISTS}
    record |= {key: spelled("datasets", given.get(key)) for key in _TEXTS}
    try:
        record["years"] = [int(year) for year in record["years"]]
    except (TypeError, ValueError):
        rule = f"whole years in 'years' of {name!r}"
        raise ValueError(complain("datasets", rule, given["years"])) from None
    sources, terms = given.get("sources", {}), spelled("datasets", given.get("source_terms"))
    if not isinstance(sources, Mapping):
        sources = dict.fromkeys(_list(sources))
    if terms and not sources:
        sources = {"not named": terms}
    record["sources"] = {str(s): spelled("datasets", own) or terms for s, own in sources.items()}
    return record


def _is_missing(value: Any) -> bool:
    return value is None or bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _list(value: Any) -> list[Any]:
    """Return the values of a cell, one that stands alone as a list of one; numpy's as Python's."""
    several = isinstance(value, list | tuple | set | np.ndarray | pd.Series)
    values = list(value) if several else [value]
    plain = [v.item() if isinstance(v, np.generic) else v for v in values]
    return [v if isinstance(v, int) else str(v) for v in plain if not _is_missing(v)]


def rows_of(items: Any, licence: str | None, attribution: str | None) -> pd.DataFrame:
    """Return licence and attribution of each item; an empty frame without items."""
    columns = {"licence": licence, "attribution": attribution}
    if items is None:
        for name, column in columns.items():
            if column is not None:
                raise ValueError(complain(name, "left out without 'items'", column))
        return pd.DataFrame(columns=list(columns), dtype=object)
    if not isinstance(items, pd.DataFrame):
        raise TypeError(complain("items", "a DataFrame", what=type(items).__name__))
    if licence is None and attribution is None:
        rule = "given with 'licence' or 'attribution', a column of it"
        raise ValueError(complain("items", rule, what="neither"))
    rows = pd.DataFrame(index=check_ids(items.index))
    for name, column in columns.items():
        if column is not None:
            check_column(items, column, name=name)
        cells = [None] * len(items) if column is None else items[column].tolist()
        rows[name] = pd.Series([spelled(name, cell) for cell in cells], items.index, dtype=object)
    return rows


def concentration_of(records: Mapping[str, Mapping[str, Any]], key: str) -> pd.DataFrame:
    """Return the share of each value among the datasets of up to each year, and of all."""
    seen = [
        (min(record["years"], default=None), value, 1 / len(record[key]))
        for record in records.values()
        for value in record[key]
    ]
    years = [] if key == "years" else sorted({year for year, *_ in seen if year is not None})
    blocks = []
    for until in (*years, None):
        rows = [r for r in seen if until is None or (r[0] is not None and r[0] <= until)]
        weight = pd.DataFrame(rows, columns=["year", "value", "share"]).groupby("value")["share"]
        share = (weight.sum() / weight.sum().sum()).sort_values(ascending=False, kind="stable")
        year = pd.Series([until] * len(share), dtype="Int64")
        block = pd.DataFrame({"year": year, "value": share.index, "share": share.to_numpy()})
        blocks.append(block.assign(gini=_gini(share.to_numpy())))
    return pd.concat(blocks, ignore_index=True)


def _gini(share: FloatArray) -> float:
    """Return the mean difference between two values, over twice their mean."""
    n = len(share)
    rank = np.arange(1, n + 1)
    return float(((2 * rank - n - 1) * np.sort(share)).sum() / n) if n else 0.0  # sums to 1
