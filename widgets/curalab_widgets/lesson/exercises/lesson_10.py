"""Exercises of the lesson on classes nobody named: how many, which rows, how right."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab_widgets.lesson._exercise import Exercise, ids, number

__all__ = ["EXERCISES"]

_KNOWN, _EACH, _DIMS = 6, 40, 8


@cache
def _cells(seed: int) -> tuple[dict[str, Any], pd.Series[Any]]:
    """Return vectors and labels of six known kinds and some others, and the kind of each row."""
    rng = np.random.default_rng(seed)
    kind = np.repeat(np.arange(_KNOWN + _n_new(seed)), _EACH)
    centres = 6 * rng.normal(size=(kind.max() + 1, _DIMS))
    order = rng.permutation(len(kind))
    vectors = (centres[kind] + rng.normal(size=(len(kind), _DIMS)))[order]
    index = pd.Index([f"cell-{i:03d}" for i in range(len(kind))], name="id")
    truth = pd.Series(kind[order], index=index)
    named = truth.map(lambda code: f"kind {code}" if code < _KNOWN else None)
    labels = named.where(rng.random(len(kind)) < 0.4, None)
    emb = cl.Embedding(vectors=vectors, ids=index, metric="euclidean")
    return {"embedding": emb, "labels": labels}, truth


def _n_new(seed: int) -> int:
    return 2 + seed % 5


def _data(seed: int) -> dict[str, Any]:
    given, _ = _cells(seed)
    return {"embedding": given["embedding"], "labels": given["labels"].copy()}


def _new_rows(seed: int) -> pd.Index:
    _, truth = _cells(seed)
    return truth.index[truth >= _KNOWN]


@cache
def _grouped(seed: int) -> pd.DataFrame:
    """Return rows with their class and a group: a class may be cut in two, or share a group."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(60, 140, size=5)
    truth = np.repeat(["ash", "elm", "fir", "oak", "yew"], sizes)
    group = np.select([truth == "ash", truth == "elm", truth == "fir"], [2, 3, 4], default=5)
    cut = (truth == "ash") & (rng.random(len(truth)) < rng.uniform(0.3, 0.45))
    group = np.where(cut, 7, group)  # two classes share group 5, and one is cut in two
    group = np.where(rng.random(len(truth)) < 0.06, rng.choice([2, 3, 4, 5, 7], len(truth)), group)
    table = pd.DataFrame({"class": truth, "group": group})
    return table.sample(frac=1, random_state=seed, ignore_index=True)


def _matched(seed: int) -> float:
    from scipy.optimize import linear_sum_assignment

    table = _grouped(seed)
    counts = pd.crosstab(table["group"], table["class"]).to_numpy()
    rows, columns = linear_sum_assignment(-counts)
    return float(counts[rows, columns].sum() / len(table))


EXERCISES = {
    "10-a": Exercise(
        data=_data,
        truth=_n_new,
        judge=number(within=1, unit="new classes"),
        hints=(
            "Some rows without a label are of the six kinds that have a name, others are not.",
            "`pseudo_label` with the method 'category_discovery' appends the new classes that it "
            "finds to `classes`, and counts them in `details['n_new']`.",
        ),
        solution="""
given = lesson.data("10-a")
made = cl.pseudo_label(
    given["embedding"], given["labels"], method="category_discovery", random_state=SEED
)
answer = made.details["n_new"]
""",
    ),
    "10-b": Exercise(
        data=_data,
        truth=_new_rows,
        judge=ids(recall=0.9, precision=0.9),
        hints=(
            "How sure a plain classifier is does not tell: it knows six names and uses them.",
            "`is_new` of the labels that were discovered is True where a row is of a new class.",
        ),
        solution="""
given = lesson.data("10-b")
made = cl.pseudo_label(
    given["embedding"], given["labels"], method="category_discovery", random_state=SEED
)
answer = made.ids[made.is_new]
""",
    ),
    "10-c": Exercise(
        data=lambda seed: _grouped(seed).copy(),
        truth=_matched,
        judge=number(within=0.005),
        hints=(
            "Each group may have one class, and each class one group.",
            "Count with `pd.crosstab(trees['group'], trees['class'])`, and let "
            "`linear_sum_assignment(-counts)` choose the cells; their sum is what is right.",
        ),
        solution="""
trees = lesson.data("10-c")
counts = pd.crosstab(trees["group"], trees["class"]).to_numpy()
answer = counts[linear_sum_assignment(-counts)].sum() / len(trees)
""",
    ),
}
