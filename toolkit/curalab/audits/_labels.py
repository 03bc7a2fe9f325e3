"""Problems of labels: wrong ones, missing ones, and columns that give them away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, first_few
from curalab.audits._problem import Problem, call, numbered
from curalab.pool import Pool

__all__ = ["of_labels", "of_shortcuts", "of_weak_groups"]

_P_VALUE = 0.01
_AUC = 0.9  # from which a column by itself is a shortcut,
_SOLVES = 0.5  # of the rows outside the largest class
_SHORTCUTS = 3  # told at most
_MANY = 0.1  # of the labels; so many are doubts about the vectors, too
_GRADES = 5  # numbers as labels, from which they may be grades


def of_labels(pool: Pool, results: Mapping[str, Any], labels: str) -> Iterator[Problem]:
    """Return wrong and missing labels; `labels` is the name of their column."""
    worst = results.get("label_errors")
    if worst is not None:
        if not worst.details.get("is_learnable", True):
            told = "labels agree with their neighbours and a held-out model no more than by chance"
            ids = worst.ids[np.isfinite(worst.quality)].tolist()
            yield Problem(4, "labels that vectors cannot tell", ids, told, "try another encoder")
        if worst.is_error.any():
            yield _wrong_labels(worst, labels)
        rare = pool.is_labelled & ~np.isfinite(worst.quality)
        if rare.any():
            told = f"too few rows to judge: {first_few(pd.unique(pool.labels[rare]))}"
            action = "label more, or merge them with another class"
            yield Problem(0, "rare classes", pool.ids[rare].tolist(), told, action)
    if pool.labels is not None and not pool.is_labelled.all():
        ids = pool.ids[~pool.is_labelled].tolist()
        record = f"cl.pseudo_label(embedding, items[{labels!r}])"
        yield Problem(
            0, "missing labels", ids, "no label, or an empty one", "propose labels", record
        )


def _wrong_labels(worst: Any, labels: str) -> Problem:
    rows = np.flatnonzero(worst.is_error)
    rows = rows[np.argsort(worst.quality[rows], kind="stable")]
    n_known = int(np.isfinite(worst.quality).sum())
    told = "the nearest rows, and a model that did not see the label, contradict it, worst first"
    about = worst.details.get("estimated_errors")
    if about:
        between = f"{about['low']:,} to {about['high']:,}"
        n = f"about {about['n']:,}" if about["n"] else "hardly any"
        told += f"; of all labels {n} are wrong ({between})"
        if len(rows) > about["high"]:  # no more than there may be
            told += f", so that of {len(rows):,} in doubt the worst are told"
            rows = rows[: max(about["high"], 1)]
    action, rank = "review from the top, then relabel", 4
    if len(rows) > _MANY * n_known:
        told += f"; many, as these vectors tell the classes poorly: {_agreement(worst.pool)}"
        action, rank = "judge some 50 first: a flag may be a limit of the vectors", 3
    given = pd.Series(worst.pool.labels).dropna().infer_objects()
    if pd.api.types.is_numeric_dtype(given) and given.nunique() >= _GRADES:
        told += "; labels are numbers: of grades, one beside the suggested one is hardly wrong"
    record = call("relabel", f"field={labels!r}, new=…")
    why = _against(worst, rows)
    return Problem(rank, "label errors", worst.ids[rows].tolist(), told, action, record, why)


def _agreement(pool: Pool) -> str:
    """Say how many labels the held-out model gives, and how many the largest class has."""
    given = pd.Series(pool.labels)
    largest = f"the largest class has {given.value_counts(normalize=True).iloc[0]:.0%}"
    if pool.proba is None or pool.classes is None:
        return largest
    return f"a held-out model gives {_agrees(pool).mean():.0%} of the labels, {largest}"


def _agrees(pool: Pool) -> BoolArray:
    """Return of which labels the held-out model is of one mind, (n_labelled,)."""
    best = np.asarray(pool.proba).argmax(axis=1)
    return np.asarray((best == pool.codes)[pool.is_labelled])


def _against(worst: Any, rows: AnyArray) -> list[str]:
    """Say of each row what its nearest rows and the held-out model make of its label."""
    pool, n = worst.pool, min(10, len(worst) - 1)
    near = pool.labels[pool.embedding.neighbors(n).indices[rows]]
    given, better = pool.labels[rows], worst.suggested[rows]
    said = [
        f"of the {n} nearest rows {(around == b).sum()} are {b!r}, {(around == g).sum()} {g!r}"
        for around, g, b in zip(near, given.tolist(), better.tolist(), strict=True)
    ]
    if pool.proba is None or pool.classes is None:
        return said
    place, proba = pd.Index(pool.classes), pool.proba[rows]
    told = zip(said, proba, better.tolist(), given.tolist(), strict=True)
    return [
        f"{words}; model: {b!r} {p[place.get_loc(b)]:.0%}, {g!r} {p[place.get_loc(g)]:.0%}"
        for words, p, b, g in told
    ]


def of_weak_groups(results: Mapping[str, Any], labels: str) -> Iterator[Problem]:
    """Return the groups of near rows whose labels the held-out model contradicts far more often."""
    found = results.get("weak_groups", ())
    if not len(found):
        return
    is_against = found["given"] != found["predicted"]
    told = (
        f"in {numbered(found['group'].nunique(), 'group')} of near rows, a model that did not see "
        f"the labels contradicts {is_against.mean():.0%} of them, and "
        f"{1 - _agrees(results['label_errors'].pool).mean():.0%} of all; classes meet there, or "
        "the rule of labelling is unclear"
    )
    size, share = found.groupby("group").size(), is_against.groupby(found["group"]).mean()
    why = [
        f"group {g}: {size[g]:,} rows, {share[g]:.0%} contradicted; given {given!r}, model {best!r}"
        for g, given, best in found[["group", "given", "predicted"]].itertuples(index=False)
    ]
    action, record = "read the groups, settle the rule, then relabel", f"field={labels!r}, new=…"
    ids = found.index.tolist()
    yield Problem(3, "weak groups", ids, told, action, call("relabel", record), why)


def of_shortcuts(results: Mapping[str, Any]) -> Iterator[Problem]:
    """Return the columns and trivial rules that give most labels by themselves."""
    found = results.get("shortcuts")
    if found is None:
        return
    table = found.table
    is_sure = (table["p_value"] <= _P_VALUE) & (table["auc"] >= _AUC)
    is_sure &= table["gap"] >= _SOLVES * (1 - table["baseline"])
    for row in table[is_sure & (table["kind"] != "order")].head(_SHORTCUTS).itertuples():
        ids = found.ids[found.solved.iloc[:, row.Index]].tolist()
        told = f"by itself gives {row.score:.0%} of the labels, chance {row.baseline:.0%}"
        if row.note:
            told += f"; {row.note}"
        is_text = row.kind == "text"
        action = "balance it" if is_text else "leave it out of what models see, or balance it"
        yield Problem(2, f"shortcut: {row.column}", ids, told, f"if it is not meant, {action}")
