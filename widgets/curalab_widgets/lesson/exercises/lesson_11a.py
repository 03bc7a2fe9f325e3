"""Exercises of the lesson on labelling: what to label first, and how many labels that saves."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab.heads import fit_head
from curalab_widgets.lesson._exercise import Exercise, NoAnswer, number

__all__ = ["EXERCISES"]

_PICKED, _LEAD = 15, 0.08


def _pool_of(rows: pd.DataFrame) -> cl.Pool:
    vectors = np.stack(rows["image"].tolist()).reshape(-1, 64)
    return cl.Pool(embedding=cl.Embedding(vectors=vectors, ids=rows.index), labels=rows["label"])


@cache
def _pools(seed: int) -> tuple[cl.Pool, cl.Pool]:
    """Return 600 digits with junk among them, and others that test."""
    digits = cl.samples.digits().sample(frac=1, random_state=seed + 110)
    rows = cl.plant_outliers(digits.head(600), share=0.05, random_state=seed).items
    return _pool_of(rows), _pool_of(digits.tail(600))


def _accuracy(pool: cl.Pool, test: cl.Pool, rows: Any) -> float:
    """Return how often a linear head trained on some rows is right on the test."""
    codes = np.asarray(pool.labels)[rows].astype(int)
    head = fit_head(pool.embedding.points[rows], codes, 10)
    said = head.predict_proba(test.embedding.points).argmax(axis=1)
    return float((said == np.asarray(test.labels).astype(int)).mean())


@cache
def _by_chance(seed: int) -> tuple[cl.Pool, cl.Pool, float]:
    pool, test = _pools(seed)
    rng = np.random.default_rng(seed)
    drawn = [_accuracy(pool, test, rng.permutation(len(pool))[:_PICKED]) for _ in range(20)]
    return pool, test, float(np.mean(drawn))


def _teaches(answer: Any, truth: tuple[cl.Pool, cl.Pool, float]) -> tuple[bool, str]:
    """Judge ids by a model that is trained on the rows they name."""
    pool, test, chance = truth
    if isinstance(answer, pd.DataFrame | pd.Series):
        answer = answer.index
    if isinstance(answer, str) or not hasattr(answer, "__iter__"):
        raise NoAnswer(f"{_PICKED} row ids")
    ids = list(dict.fromkeys(answer))
    n_known = len(set(ids) & set(pool.ids))
    if len(ids) != _PICKED or n_known != _PICKED:
        raise NoAnswer(f"{_PICKED} different row ids of the data; {n_known} such ids were given")
    reached = _accuracy(pool, test, pool.ids.get_indexer(pd.Index(ids)))
    said = (
        f"A model trained on your {_PICKED} rows is right on {reached:.1%} of the test rows, on as "
        f"many at random {chance:.1%}; {100 * _LEAD:.0f} points more are asked."
    )
    return reached >= chance + _LEAD, said


@cache
def _labels_needed(seed: int) -> float:
    """Return how many labels random picks need for what the default reaches with 20."""
    digits = cl.samples.digits().sample(frac=1, random_state=seed)
    names = ["random", "coverage_plus_uncertainty"]
    board = cl.bench(
        "selectors",
        names,
        pool=_pool_of(digits.iloc[:700]),
        test=_pool_of(digits.iloc[700:1100]),
        budgets=[10, 20, 50, 100],
        n_seeds=4,
        random_state=seed,
    )
    score = board.curve.set_index(["method", "budget"])["score"]
    chance = score["random"]
    return float(np.interp(score[names[1], 20], chance.to_numpy(), chance.index.to_numpy()))


EXERCISES = {
    "11a-a": Exercise(
        data=lambda seed: _pools(seed)[0].embedding,
        truth=_by_chance,
        judge=_teaches,
        hints=(
            "Nothing is labelled: which methods can start at all?",
            "Some rows are junk. Which method went for junk, and which did not mind it?",
            "The default of `cl.select` needs no labels.",
        ),
        solution='answer = cl.select(lesson.data("11a-a"), 15, random_state=SEED).ids',
    ),
    "11a-b": Exercise(
        truth=_labels_needed,
        judge=number(within=0.1, unit="labels", relative=True),
        hints=(
            "`board.curve.set_index(['method', 'budget'])['score']` holds all that is needed.",
            "np.interp takes the accuracy of the default at 20, then the accuracies of `random` "
            "at the four budgets, then the budgets.",
        ),
        solution="""
score = board.curve.set_index(["method", "budget"])["score"]
answer = np.interp(score["coverage_plus_uncertainty", 20], score["random"], budgets)
""",
    ),
}
