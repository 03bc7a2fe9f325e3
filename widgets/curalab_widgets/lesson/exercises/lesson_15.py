"""Exercises of the lesson on many annotators."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from curalab_widgets.lesson._exercise import Exercise, choice, labels

__all__ = ["EXERCISES"]

_CLASSES = np.array(["bird", "boat", "house", "tree", "wheel"])


def _said(truth: Any, slips: float, rng: np.random.Generator) -> Any:
    return np.where(rng.random(len(truth)) < slips, rng.choice(_CLASSES, len(truth)), truth)


# ---- 15-a: a habit among slips -------------------------------------------------------------------

_PEOPLE = ("Dana", "Emil", "Fay", "Gus")


@cache
def _habit(seed: int) -> tuple[pd.DataFrame, str]:
    """Return four people's labels: one has a habit, another slips most."""
    rng = np.random.default_rng([seed, 15])
    truth = rng.choice(_CLASSES, 400)
    one, sloppy = rng.permutation(len(_PEOPLE))[:2]
    table = {who: _said(truth, 0.35 if i == sloppy else 0.12, rng) for i, who in enumerate(_PEOPLE)}
    taken, given = rng.permutation(_CLASSES)[:2]
    own = table[_PEOPLE[one]]
    table[_PEOPLE[one]] = np.where((truth == taken) & (rng.random(400) < 0.6), given, own)
    index = pd.Index([f"image-{i:03d}" for i in range(400)], name="item")
    return pd.DataFrame(table, index=index), _PEOPLE[one]


# ---- 15-b: two who know and four who guess -------------------------------------------------------


@cache
def _votes(seed: int) -> tuple[pd.DataFrame, pd.Series[Any]]:
    """Return the ratings of two careful and four careless people, and the truth."""
    rng = np.random.default_rng([seed, 16])
    index = pd.Index([f"sketch-{i:03d}" for i in range(400)], name="item")
    truth = pd.Series(rng.choice(_CLASSES, 400), index)
    slips = dict(
        zip(rng.permutation(list("PQRSTU")), [0.08, 0.12, 0.7, 0.7, 0.75, 0.75], strict=True)
    )
    wide = pd.DataFrame({who: _said(truth, slips[who], rng) for who in sorted(slips)}, index)
    votes = wide.melt(ignore_index=False, var_name="rater", value_name="label").reset_index()
    return votes, truth


EXERCISES = {
    "15-a": Exercise(
        data=lambda seed: _habit(seed)[0].copy(),
        truth=lambda seed: _habit(seed)[1],
        judge=choice(*_PEOPLE),
        hints=(
            "Who agrees least may only be careless. A habit falls into one cell of a crosstab.",
            "Cross each person with the majority of all, in shares of the row "
            "(`normalize='index'`), and look for the largest cell off the diagonal.",
        ),
        solution="""
major, largest = four.mode(axis=1)[0], {}
for who in four:
    cells = pd.crosstab(major, four[who], normalize="index")
    off = cells.index.to_numpy()[:, None] != cells.columns.to_numpy()
    largest[who] = cells.where(off).max().max()
answer = max(largest, key=largest.get)
""",
    ),
    "15-b": Exercise(
        data=lambda seed: _votes(seed)[0].copy(),
        truth=lambda seed: _votes(seed)[1],
        judge=labels(accuracy=0.9),
        hints=(
            "Six votes of the same weight are not enough: find out who is to be believed.",
            "`cl.raters(votes)` has `ids` and `consensus`.",
        ),
        solution="""
told = cl.raters(votes_of_six)
answer = pd.Series(told.consensus, index=told.ids)
""",
    ),
}
