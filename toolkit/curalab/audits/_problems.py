"""From what the finders found to one ranked list of problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab.items import check_items
from curalab.pool import Pool

__all__ = ["problems_of"]

_P_VALUE = 0.01
_SOLVES = 0.9  # AUC from which a column by itself is a shortcut
_SHORTCUTS = 3  # told at most

_FAR = {  # what the views of outliers.Consensus see
    "neighbors": "from their nearest neighbours",
    "centres": "from the centres of all clusters",
    "shape": "from all clusters, measured by the spread of these",
    "samples": "from rows drawn at random",
    "tails": "in the tails of single columns",
    "spread": "from the middle, measured by the spread of the rows",
}
_LOOKS = {  # what the flags of image_quality and text_quality say
    "is_unreadable": "cannot be opened",
    "is_blank": "one colour, or nearly so",
    "is_dark": "hardly anything in it is light",
    "is_bright": "hardly anything in it is dark",
    "is_low_contrast": "little between its lightest and darkest parts",
    "is_blurry": "no sharp edges",
    "is_odd_size": "much larger or smaller than the others",
    "is_odd_aspect": "much wider or taller than the others",
    "is_empty": "no letters or digits",
    "is_too_short": "much shorter than the others",
    "is_too_long": "much longer than the others",
    "is_other_script": "in another script than most",
    "is_other_language": "perhaps in another language than most",
    "is_boilerplate": "mostly sentences that many others share",
    "is_repetitive": "says the same words over and over",
    "is_mojibake": "characters read in a wrong encoding",
    "is_html": "remnants of HTML",
    "is_all_caps": "nearly all in capitals",
    "is_url_only": "links, and little else",
}


class Problem(NamedTuple):
    """One problem; a higher rank is more pressing."""

    rank: int
    problem: str
    ids: list[Any]
    evidence: str
    action: str
    call: str = ""


def problems_of(
    items: pd.DataFrame, pool: Pool, results: Mapping[str, Any], named: Mapping[str, str | None]
) -> pd.DataFrame:
    """Return one row a problem, the most pressing first."""
    labels = named["labels"] or "label"
    found = [
        *_of_leakage(items, results, named),
        *_of_labels(pool, results, labels),
        *_of_duplicates(pool, results),
        *_of_shift(pool, results),
        *_of_outliers(results),
        *_of_quality(results),
        *_of_table(items.drop(columns=labels, errors="ignore")),
    ]
    found.sort(key=lambda problem: (-problem.rank, -len(problem.ids)))
    told = [
        {
            "problem": p.problem,
            "n_items": len(p.ids),
            "share": len(p.ids) / len(pool),
            "evidence": p.evidence,
            "action": p.action,
            "call": p.call,
            "ids": p.ids,
        }
        for p in found
    ]
    columns = ["problem", "n_items", "share", "evidence", "action", "call", "ids"]
    return pd.DataFrame(told, columns=columns)


def _of_leakage(
    items: pd.DataFrame, results: Mapping[str, Any], named: Mapping[str, str | None]
) -> Iterator[Problem]:
    leaks = results.get("leakage", ())
    if len(leaks):
        told = "test rows with a copy or near-copy among the training rows"
        ids = leaks.ids.tolist()
        yield Problem(5, "leakage", ids, told, "drop from the test set", _call("drop"))
    groups = results.get("group_leakage", ())
    if len(groups):
        is_test = items[named["split"]].isin([True, "test"])
        ids = items.index[items[named["groups"]].isin(groups["group"]) & is_test].tolist()
        told = f"test rows of {len(groups):,} groups that also have training rows"
        yield Problem(4, "groups on both sides", ids, told, "split by group")
    times = results.get("time_leakage", ())
    if len(times):
        told = "training rows from after a test row, or test rows from before a training row"
        yield Problem(3, "times out of order", times.index.tolist(), told, "split by time")


def _of_labels(pool: Pool, results: Mapping[str, Any], labels: str) -> Iterator[Problem]:
    worst = results.get("label_errors")
    if worst is not None:
        if not worst.details.get("is_learnable", True):
            told = "labels agree with their neighbours and a held-out model no more than by chance"
            ids = worst.ids[np.isfinite(worst.quality)].tolist()
            yield Problem(4, "labels that vectors cannot tell", ids, told, "try another encoder")
        flagged = worst.ids[worst.is_error]
        ranked = flagged[np.argsort(worst.quality[worst.is_error], kind="stable")]
        told = "labels that the rows' neighbours and a held-out model contradict"
        about = worst.details.get("estimated_errors")
        if about:
            between = f"{about['low']:,} to {about['high']:,}"
            told += f"; of all labels about {about['n']:,} are wrong ({between})"
        if len(ranked):
            call = _call("relabel", f"field={labels!r}, new=…")
            action = "review, then relabel"
            yield Problem(4, "label errors", ranked.tolist(), told, action, call)
    if pool.labels is not None and not pool.is_labelled.all():
        ids = pool.ids[~pool.is_labelled].tolist()
        call = f"cl.pseudo_label(embedding, items[{labels!r}])"
        yield Problem(0, "missing labels", ids, "no label", "propose labels", call)
    if "shortcuts" in results:
        found = results["shortcuts"]
        is_sure = (found.table["p_value"] <= _P_VALUE) & (found.table["auc"] >= _SOLVES)
        sure = found.table[is_sure & (found.table["kind"] != "order")]  # of which shift tells
        for row in sure.head(_SHORTCUTS).itertuples():
            ids = found.ids[found.solved.iloc[:, row.Index]].tolist()
            told = f"by itself gives {row.score:.0%} of the labels, chance {row.baseline:.0%}"
            if row.note:
                told += f"; {row.note}"
            action = "leave it out of what models see, or balance it"
            yield Problem(2, f"shortcut: {row.column}", ids, told, action)


def _of_duplicates(pool: Pool, results: Mapping[str, Any]) -> Iterator[Problem]:
    copies = results.get("duplicates")
    if copies is None:
        return
    extra = copies.ids[~copies.keep].tolist()
    if extra:
        told = f"copies in {copies.n_groups:,} groups, one of each group kept"
        yield Problem(3, "duplicates", extra, told, "drop all but one", _call("drop"))
    if pool.labels is not None:
        torn = copies.conflicts(pd.Series(pool.labels, index=pool.ids))
        if len(torn):
            told, ids = "copies of one item with different labels", torn["id"].tolist()
            action = "decide which label is right"
            yield Problem(4, "label conflicts", ids, told, action, _call("relabel"))


def _of_shift(pool: Pool, results: Mapping[str, Any]) -> Iterator[Problem]:
    shift = results.get("shift")
    if shift is not None and shift.p_value < _P_VALUE:
        by = "groups" if pool.groups is not None else "the order of rows"
        told = f"{by} can be told apart from the vectors (p = {shift.p_value:.2g})"
        ids = pool.ids[np.argsort(-shift.score, kind="stable")[: max(1, len(pool) // 20)]]
        yield Problem(2, "shift", ids.tolist(), told, "split and report by group")


def _of_outliers(results: Mapping[str, Any]) -> Iterator[Problem]:
    odd = results.get("outliers")
    if odd is None or not odd.is_outlier.any():
        return
    ids = odd.top(int(odd.is_outlier.sum())).tolist()
    told, views = "rows far from the others", odd.details.get("views")
    if views is not None:  # what most of them stand out by
        by = views[odd.is_outlier].idxmax(axis=1).mode()[0]
        told += f", most of all {_FAR.get(by, by)}"
    yield Problem(2, "outliers", ids, told, "review, then drop", _call("drop"))


def _of_quality(results: Mapping[str, Any]) -> Iterator[Problem]:
    signals = results.get("quality")
    if signals is None:
        return
    for flag in signals.select_dtypes(bool):
        ids = signals.index[signals[flag]].tolist()
        if ids:
            what = flag.removeprefix("is_").replace("_", " ")
            told = _LOOKS.get(flag, "by its signals")
            yield Problem(
                1, f"quality: {what}", ids, told, "look, then drop or mend", _call("drop")
            )


def _of_table(items: pd.DataFrame) -> Iterator[Problem]:
    for problem, rows in check_items(items).groupby("problem", sort=False):
        ids = [i for i in rows["id"] if i is not None] or items.index.tolist()
        where = ", ".join(map(str, rows["column"].dropna().unique()))
        told = f"in column {where}" if where else "in the ids"
        yield Problem(1, f"table: {problem}", ids, told, "look at the table")


def _call(action: str, more: str = "") -> str:
    rest = f", {more}" if more else ""
    return f"ledger.record(id, action={action!r}{rest}, actor=…)"
