"""What an audit runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray, complain
from curalab.audits._copies import Copies, leaks
from curalab.duplicates import find_duplicates
from curalab.items import image_quality, text_quality
from curalab.items._table import kind_of
from curalab.label_errors import find_label_errors, weak_groups
from curalab.outliers import find_outliers
from curalab.pool import Pool
from curalab.shift import Shortcuts, find_shift, group_leakage, shortcuts, time_leakage
from curalab.shift._splits import times_of

__all__ = ["finders"]

_SIGNALS = {"text": text_quality, "image": image_quality}


def finders(
    items: pd.DataFrame, pool: Pool, named: Mapping[str, str | None], seed: int
) -> dict[str, Callable[[], Any]]:
    """Return what there is to run, by name; `named` says which columns hold labels and the like."""
    split, groups, order, labels = (named[name] for name in ("split", "groups", "order", "labels"))
    # whatever their labels: a row that two classes might claim is in doubt, and not odd
    bare = pool.replace(labels=None, proba=None)
    found: dict[str, Callable[[], Any]] = {
        "duplicates": lambda: find_duplicates(pool, method=Copies(), random_state=seed),
        "outliers": lambda: find_outliers(bare, random_state=seed),
    }
    if pool.labels is not None:
        judged: Callable[[], Any] = cache(lambda: find_label_errors(pool, random_state=seed))
        found["label_errors"] = judged
        found["weak_groups"] = lambda: weak_groups(judged().pool)
    if pool.groups is not None:
        found["shift"] = lambda: find_shift(pool, method="group_test", random_state=seed)
    elif pool.order is not None or not _is_folder(pool.ids):
        found["shift"] = lambda: find_shift(
            _in_time(pool, items, order), method="order", random_state=seed
        )
    if split is not None:
        found["leakage"] = lambda: leaks(pool, _is_test(items[split]))
    if split is not None and groups is not None:
        found["group_leakage"] = lambda: group_leakage(items, split=split, groups=groups)
    if split is not None and order is not None:
        found["time_leakage"] = lambda: time_leakage(items, split=split, time=order)
    if labels is not None:
        found["shortcuts"] = lambda: _shortcuts(items, labels, split, seed)
    signals = _SIGNALS.get(_kind(pool.data))
    if signals is not None:
        found["quality"] = lambda: signals(pd.Series(list(pool.data), index=pool.ids))
    return found


def _shortcuts(items: pd.DataFrame, labels: str, split: str | None, seed: int) -> Shortcuts:
    """Look for shortcuts in what a model may see: neither in ids nor in names of files.

    Both often hold the folder that the label comes from.
    """
    seen = [c for c in items if c != split and _kind(items[c]) not in ("image", "audio")]
    found = shortcuts(items[seen].reset_index(drop=True), labels=labels, random_state=seed)
    return replace(found, ids=items.index, solved=found.solved.set_axis(items.index))


def _kind(data: Any) -> str:
    """Say what cells hold: text, image, or something else."""
    if data is None or isinstance(data, pd.DataFrame):
        return ""
    present = (cell for cell in data if cell is not None and not isinstance(cell, float))
    return kind_of(next(present, None))


def _in_time(pool: Pool, items: pd.DataFrame, order: str | None) -> Pool:
    """Return the pool in the order of its times: as texts they would be sorted by letters."""
    if order is None or pd.api.types.infer_dtype(items[order], skipna=True) != "string":
        return pool
    return pool.replace(order=times_of(items, order, name="order"))


def _is_folder(ids: pd.Index) -> bool:
    """Whether the rows are files in the order of their names, which tells nothing."""
    return kind_of(ids[0]) in ("image", "audio") and ids.is_monotonic_increasing


def _is_test(split: pd.Series) -> BoolArray:
    is_test = np.asarray(split.isin([True, "test"]), dtype=bool)
    if is_test.all() or not is_test.any():
        rule = 'a column in which some rows are True or "test", and some are not'
        raise ValueError(complain("split", rule, what=f"{is_test.sum():,} test rows"))
    return is_test
