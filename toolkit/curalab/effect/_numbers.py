"""The numbers of an Effect, over all test rows and for each part of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import (
    AnyArray,
    BoolArray,
    IntArray,
    carried_ids,
    check_labels,
    complain,
    first_few,
)
from curalab.effect._interval import Gain, gain_of
from curalab.effect._train import Right

__all__ = ["broken_down", "measured", "parts_of"]


def measured(
    right: Right, codes: IntArray, classes: pd.Index, counts: Mapping[str, int]
) -> dict[str, Any]:
    """Return the numbers of an Effect from what was right."""
    before, after, control = np.moveaxis(right.sides, 1, 0)
    gain = balanced = Gain(0.0, 0.0, 0.0)
    if counts:
        n_of_class = np.bincount(codes)
        weight = 1 / (n_of_class[codes] * np.count_nonzero(n_of_class))
        gain, balanced = gain_of(after, before), gain_of(after, before, weight=weight)
    over_random = Gain(np.nan, np.nan, np.nan)
    if set(counts) - {"edited"}:
        chance = float(right.whole.mean(axis=0).std(ddof=1))
        over_random = gain_of(after, control, chance=chance)
    per_class = broken_down(
        right.sides, codes, np.asarray(classes), "class", is_changed=bool(counts)
    )
    return {
        "before": before.mean(axis=1),
        "after": after.mean(axis=1),
        "control": control.mean(axis=1),
        "gain": gain.mean,
        "interval": gain.interval,
        "gain_over_random": over_random.mean,
        "interval_over_random": over_random.interval,
        "balanced": {
            **per_class[["before", "after", "control", "gain"]].mean().to_dict(),
            "interval": balanced.interval,
        },
        "per_class": per_class,
    }


def broken_down(
    right: BoolArray, codes: IntArray, values: AnyArray, name: str, *, is_changed: bool
) -> pd.DataFrame:
    """Return one row a value that occurs: accuracies of the sides, the gain, its interval.

    `right` is (n_test, 3 sides, n_seeds), and row i is of `values[codes[i]]`, or of none (-1),
    which comes last. Where nothing `is_changed` the gain is zero, and surely so.
    """
    order = np.argsort(codes, kind="stable")
    present, first = np.unique(codes[order], return_index=True)
    parts = dict(zip(present.tolist(), np.split(order, first[1:]), strict=True))
    ordered = sorted(parts, key=lambda code: (code < 0, code))
    rows = []
    for code in ordered:
        before, after, control = np.moveaxis(right[parts[code]], 1, 0)
        shares = (before.mean(), after.mean(), control.mean())
        gain = gain_of(after, before) if is_changed else Gain(0.0, 0.0, 0.0)
        strict = gain_of(after, before, n_looks=len(parts))
        clear = is_changed and strict.is_clear
        value = values[code] if code >= 0 else None
        rows.append((value, len(parts[code]), *shares, *gain, clear))
    columns = ["n_test", "before", "after", "control", "gain", "low", "high", "is_detectable"]
    return pd.DataFrame(rows, columns=[name, *columns])


def parts_of(values: Any, ids: pd.Index) -> tuple[IntArray, AnyArray]:
    """Return the value of each test row as a number (-1 is none), and the values."""
    own = carried_ids(values)
    column = getattr(values, "labels", values)
    if np.ndim(column) != 1:
        raise ValueError(complain("values", "one column", what=f"shape {np.shape(column)}"))
    column = pd.Series(column).reset_index(drop=True)
    if own is not None:
        rows = own.get_indexer(ids)
        if (rows < 0).any():
            got = f"none for the ids {first_few(ids[rows < 0])}"
            raise ValueError(complain("values", "values for every test row", what=got))
        column = column.iloc[rows]
    elif len(column) != len(ids):
        rule = f"{len(ids):,} values, one for each test row with a label"
        hint = "A Series goes by id."
        raise ValueError(complain("values", rule, what=f"{len(column):,} values", hint=hint))
    if column.dtype == "category":  # ranges and grades keep their order
        return column.cat.codes.to_numpy(dtype=np.int64), np.asarray(column.cat.categories)
    return check_labels(column, name="values")[1:]
