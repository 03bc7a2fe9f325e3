"""Exercises of the lesson on label errors."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from curalab_widgets.lesson._exercise import Exercise, ids, number

if TYPE_CHECKING:
    from curalab.label_errors import LabelErrors
    from curalab.samples import Planted

__all__ = ["EXERCISES"]


# ---- 05-a: rare digits under a common label ------------------------------------------------------


@cache
def _tailed(seed: int) -> tuple[Planted, pd.Index]:
    """Return digits of sizes 1/rank with one label in five wrong, and the five rarest classes."""
    from curalab.samples import digits, plant_label_errors

    rng = np.random.default_rng([seed, 5])
    table = digits()
    names = pd.Index(rng.permutation(np.unique(table["label"])))
    size = pd.Series(np.round(170 / np.arange(1, 11)).astype(int), index=names)
    parts = [table[table["label"] == c].sample(size[c], random_state=seed + 1) for c in names]
    rows = pd.concat(parts).sample(frac=1, random_state=seed + 1)
    odds = pd.DataFrame([size / size.sum()] * len(names), index=names)
    planted = plant_label_errors(
        rows, share=0.2, kind="class_conditional", matrix=odds, random_state=seed + 1
    )
    return planted, names[5:]


def _hidden(seed: int) -> list[str]:
    """Return the rows that are of a rare class, and carry the label of a frequent one."""
    planted, rare = _tailed(seed)
    given, right = planted.items["label"], planted.truth["label"]
    return list(given.index[right.isin(rare) & ~given.isin(rare)])


_FIND = """
counts = more["label"].value_counts()
rare = counts.index[5:]
vectors = emb.take(more.index)
tail = cl.find_label_errors(
    vectors, more["label"], method="calibrated_gaussians", random_state=SEED
)
tail_proba = pd.DataFrame(tail.details["proba"], index=tail.ids, columns=tail.pool.classes)
under_common = ~more["label"].isin(rare)
answer = tail_proba.loc[under_common, rare].max(axis=1).nlargest(40).index
"""


# ---- 05-b: when to stop --------------------------------------------------------------------------


@cache
def _review(seed: int) -> tuple[LabelErrors, pd.Series[bool]]:
    """Return a made-up ranking of 1,500 labels, and what a person will say of each."""
    from curalab.label_errors import LabelErrors

    rng = np.random.default_rng([seed, 55])
    n = 1_500
    odds = rng.normal(4, 3, size=n)  # log-odds that a label is right, says the method
    is_wrong = rng.random(n) < 1 / (1 + np.exp(odds))
    rows = pd.Index([f"row-{i:04d}" for i in range(n)], name="id")
    quality = 1 / (1 + np.exp(-odds))
    errors = LabelErrors(
        ids=rows,
        quality=quality,
        suggested=np.full(n, "other", dtype=object),
        is_error=quality < 0.5,
        params={"method": "made up for this exercise"},
    )
    return errors, pd.Series(is_wrong, index=rows, name="is_wrong")


def _stop(seed: int) -> int:
    from curalab.label_errors import review_budget

    errors, says = _review(seed)
    for n in range(50, len(says) + 1, 50):
        if review_budget(errors, says[errors.worst(n)], random_state=seed).stop:
            return n
    return len(says)


_STOP = """
done = [
    n
    for n in range(50, len(says) + 1, 50)
    if review_budget(errors, says[errors.worst(n)], random_state=SEED).stop
]
answer = done[0]
"""


EXERCISES = {
    "05-a": Exercise(
        truth=_hidden,
        judge=ids(recall=0.65, precision=0.25),
        data=lambda seed: _tailed(seed)[0].items,
        hints=(
            "The worst labels overall are mostly others. Keep to the rows whose label is frequent, "
            "and ask of each: is it likely to be of a rare class?",
            "Which method of this lesson gives a rare class its due? Its result holds the "
            'probabilities: `details["proba"]`, with the classes of `pool.classes` as columns.',
            "Of the columns of rare classes, take the largest: `.max(axis=1).nlargest(40).index`. "
            "`emb.take(more.index)` are the vectors.",
        ),
        solution=_FIND,
    ),
    "05-b": Exercise(
        truth=_stop,
        judge=number(within=50, unit="labels"),
        data=_review,
        hints=(
            "`says[errors.worst(n)]` are the verdicts after n labels; `review_budget` takes them "
            "as they are.",
            "`review_budget(errors, verdicts).stop` is True or False. Which is the first n, of "
            "50, 100, 150, …, at which it is True?",
        ),
        solution=_STOP,
    ),
}
