"""From what the finders found to one ranked list of problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import first_few
from curalab.audits._cells import of_quality, of_table, unusual
from curalab.audits._labels import of_labels, of_shortcuts, of_weak_groups
from curalab.audits._problem import Problem, call, numbered
from curalab.pool import Pool

__all__ = ["problems_of"]

_P_VALUE = 0.01
_SORTED = 0.9  # of neighbouring rows with the same label

_WORDS = ["evidence", "action", "call", "ids", "why", "beside"]
_FAR = {  # what the views of outliers.Consensus see
    "neighbors": "from their nearest neighbours",
    "centres": "from the centres of all clusters",
    "shape": "from all clusters, measured by the spread of these",
    "samples": "from rows drawn at random",
    "tails": "in the tails of single columns",
    "spread": "from the middle, measured by the spread of the rows",
}


def problems_of(
    items: pd.DataFrame, pool: Pool, results: Mapping[str, Any], named: Mapping[str, str | None]
) -> pd.DataFrame:
    """Return one row a problem, the most pressing first."""
    judged = getattr(pool.data, "name", None) if "quality" in results else None
    found = [
        *_of_leakage(items, results, named),
        *of_labels(pool, results, named["labels"] or "label"),
        *of_weak_groups(results, named["labels"] or "label"),
        *of_shortcuts(results),
        *_of_duplicates(pool, results, named["labels"] or "label"),
        *_of_shift(pool, results, named["order"]),
        *_of_outliers(pool, results),
        *of_quality(results.get("quality")),
        *of_table(items, named["labels"], judged),
    ]
    found.sort(key=lambda problem: (-problem.rank, -len(problem.ids)))
    told = [
        {"problem": p.problem, "n_items": len(p.ids), "share": len(p.ids) / len(pool)}
        | {name: getattr(p, name) for name in _WORDS}
        for p in found
    ]
    columns = ["problem", "n_items", "share", *_WORDS]
    return pd.DataFrame(told, columns=columns)


def _of_leakage(
    items: pd.DataFrame, results: Mapping[str, Any], named: Mapping[str, str | None]
) -> Iterator[Problem]:
    leaks = results.get("leakage", ())
    if len(leaks):
        near = leaks.nearest.tolist()
        why = [
            f"like training row {i!r}, similarity {s:.2f}"
            for i, s in zip(near, leaks.similarity, strict=True)
        ]
        n = leaks.params["n_test"]
        told = f"of {n:,} test rows, {len(leaks):,} are copies or near-copies of a training row"
        action = "drop from the test set"
        yield Problem(5, "leakage", leaks.ids.tolist(), told, action, call("drop"), why, near)
    groups = results.get("group_leakage", ())
    if len(groups):
        is_test = items[named["split"]].isin([True, "test"])
        of = items[named["groups"]]
        rows = items.index[of.isin(groups["group"]) & is_test]
        told = (
            f"test rows of {len(groups):,} groups that also have training rows, most of them of "
            f"{first_few(groups['group'], 3)}"
        )
        why = [f"{named['groups']} {of[i]!r} is on both sides" for i in rows]
        yield Problem(4, "groups on both sides", rows.tolist(), told, "split by group", "", why)
    times = results.get("time_leakage", ())
    if len(times):
        n = (times["side"] == "train").sum()
        told = (
            f"{n:,} training rows from after a test row, {len(times) - n:,} test rows from before "
            f"a training row"
        )
        why = [
            f"{side} row of {at}: {problem}"
            for side, at, problem in times[["side", "time", "problem"]].itertuples(index=False)
        ]
        yield Problem(3, "times out of order", times.index.tolist(), told, "split by time", "", why)


# ---- copies, shifts, outliers --------------------------------------------------------------------


def _of_duplicates(pool: Pool, results: Mapping[str, Any], labels: str) -> Iterator[Problem]:
    copies = results.get("duplicates")
    if copies is None:
        return
    extra = np.flatnonzero(~copies.keep)
    if len(extra):
        kept = pd.Series(copies.ids[copies.keep], copies.group[copies.keep])
        beside = kept[copies.group[extra]].tolist()
        why = [
            f"like {i!r}, " + (f"similarity {s:.2f}" if s == s else "through others of its group")
            for i, s in zip(beside, copies.similarity[extra], strict=True)
        ]
        told = (
            f"copies or near-copies in {numbered(copies.n_groups, 'group')}, one of each group kept"
        )
        action, ids = "drop all but one", copies.ids[extra].tolist()
        yield Problem(3, "duplicates", ids, told, action, call("drop"), why, beside)
    if pool.labels is not None:
        torn = copies.conflicts(pd.Series(pool.labels, index=pool.ids))
        if len(torn):
            groups = numbered(torn["group"].nunique(), "group")
            told = f"copies of one item with different labels, in {groups}"
            times = torn.groupby("group")["label"].value_counts(sort=True)
            said = {
                g: ", ".join(f"{n} {of!r}" for of, n in times[g].items())
                for g in torn["group"].unique()
            }
            why = [f"group {g}: {said[g]}" for g in torn["group"]]
            record = call("relabel", f"field={labels!r}, new=…")
            action = "decide which label is right"
            yield Problem(4, "label conflicts", torn["id"].tolist(), told, action, record, why)


def _of_shift(pool: Pool, results: Mapping[str, Any], order: str | None) -> Iterator[Problem]:
    shift = results.get("shift")
    if shift is None or shift.p_value >= _P_VALUE:
        return
    ids = pool.ids[np.argsort(-shift.score, kind="stable")[: max(1, len(pool) // 20)]].tolist()
    p = f"(p = {shift.p_value:.2g}); the rows that show it most"
    if pool.groups is not None:
        table = shift.details["groups"]
        best = ", ".join(
            f"{g!r} (AUC {auc:.2f})"
            for g, auc in table[["group", "auc"]].head(3).itertuples(index=False)
        )
        told = f"the groups differ in content: told from all others best {best} {p}"
        yield Problem(2, "shift", ids, told, "split and report by group")
        return
    is_given = pool.order is not None
    by = order or ("times given" if is_given else "file")
    told = f"rows near each other in the order of the {by} are more alike than by chance"
    if pool.labels is not None and not is_given:
        labels = pd.Series(pool.labels)
        same = (labels == labels.shift())[1:].mean()
        if same > _SORTED:
            told += f"; it is sorted by label: {same:.0%} of the rows have that of the row before"
    yield Problem(2 if is_given else 1, "shift", ids, f"{told} {p}", "shuffle before you split")


def _of_outliers(pool: Pool, results: Mapping[str, Any]) -> Iterator[Problem]:
    odd = results.get("outliers")
    if odd is None or not odd.is_outlier.any():
        return
    ids = odd.top(int(odd.is_outlier.sum()))
    rows = odd.ids.get_indexer(ids)
    told, views = "rows far from the others", odd.details.get("views")
    why = ["" for _ in ids]
    if views is not None:  # what most of them stand out by
        by = views.iloc[rows].idxmax(axis=1)
        told += f", most of all {_FAR.get(by.mode()[0], by.mode()[0])}"
        why = [f"far {_FAR.get(view, view)}" for view in by]
    if isinstance(pool.data, pd.DataFrame):
        why = unusual(pool.data, rows)
    yield Problem(
        2, "outliers", ids.tolist(), f"{told}, oddest first", "review, then drop", call("drop"), why
    )
