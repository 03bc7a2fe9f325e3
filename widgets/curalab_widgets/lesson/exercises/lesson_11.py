"""Exercises of the lesson on pruning: what to keep of a noisy pool, and balance without labels."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab.heads import fit_head
from curalab_widgets.lesson._exercise import Exercise, NoAnswer

__all__ = ["EXERCISES"]

_KEPT, _LEAD = 100, 0.05
_PICKED, _BALANCE = 60, 0.88


def _shuffled(seed: int) -> tuple[pd.DataFrame, cl.Embedding]:
    digits = cl.samples.digits().sample(frac=1, random_state=seed + 300)
    vectors = np.stack(digits["image"].tolist()).reshape(-1, 64)
    return digits, cl.Embedding(vectors=vectors, ids=digits.index)


@cache
def _noisy(seed: int) -> dict[str, Any]:
    """Return 700 digits of which 18 % have a wrong label, and 600 others that test."""
    digits, emb = _shuffled(seed)
    rows, test = digits.head(700), digits.tail(600)
    labels = cl.plant_label_errors(rows, share=0.18, random_state=seed).items["label"]
    return {
        "embedding": emb.take(rows.index),
        "labels": labels,
        "test": (emb.take(test.index).points, test["label"].astype(int).to_numpy()),
    }


def _accuracy(data: dict[str, Any], ids: Any) -> float:
    """Return how often a linear head trained on some rows is right on the test."""
    codes = data["labels"].loc[ids].astype(int).to_numpy()
    head = fit_head(data["embedding"].take(ids).points, codes, 10)
    points, truth = data["test"]
    return float((head.predict_proba(points).argmax(axis=1) == truth).mean())


@cache
def _kept_at_random(seed: int) -> tuple[dict[str, Any], float]:
    data, rng = _noisy(seed), np.random.default_rng(seed)
    ids = data["labels"].index
    drawn = [_accuracy(data, ids[rng.permutation(len(ids))[:_KEPT]]) for _ in range(10)]
    return data, float(np.mean(drawn))


@cache
def _lopsided(seed: int) -> tuple[cl.Embedding, pd.Series[str]]:
    """Return a pool whose largest class has 20 times the rows of its smallest, and its labels."""
    digits, emb = _shuffled(seed)
    order = np.random.default_rng([seed, 11]).permutation(10)
    limit = digits["label"].astype(int).map(dict(enumerate((130 * 20.0 ** -(order / 9)).round())))
    rows = digits[digits.groupby("label").cumcount() < limit]
    return emb.take(rows.index), rows["label"]


def _these(answer: Any, n: int, known: pd.Index) -> list[Any]:
    """Return the `n` ids of an answer."""
    if isinstance(answer, pd.DataFrame | pd.Series):
        answer = answer.index
    if isinstance(answer, str) or not hasattr(answer, "__iter__"):
        raise NoAnswer(f"{n} row ids")
    ids = list(dict.fromkeys(answer))
    if len(ids) != n or not set(ids) <= set(known):
        n_known = len(set(ids) & set(known))
        raise NoAnswer(f"{n} different row ids of the data; {n_known} such ids were given")
    return ids


def _keeps_well(answer: Any, truth: tuple[dict[str, Any], float]) -> tuple[bool, str]:
    """Judge the rows kept by a model that is trained on them."""
    data, chance = truth
    reached = _accuracy(data, _these(answer, _KEPT, data["labels"].index))
    said = (
        f"A model trained on your {_KEPT} rows is right on {reached:.1%} of the test rows, on as "
        f"many at random {chance:.1%}; {100 * _LEAD:.0f} points more are asked."
    )
    return reached >= chance + _LEAD, said


def _is_even(answer: Any, truth: pd.Series[str]) -> tuple[bool, str]:
    """Judge picks by how even their classes are."""
    counts = truth.loc[_these(answer, _PICKED, truth.index)].value_counts()
    share = counts.to_numpy(dtype=float) / _PICKED
    balance = float(-(share @ np.log(share)) / np.log(truth.nunique()))
    missed = truth.nunique() - len(counts)
    said = f"The balance is {balance:.2f}, {_BALANCE:g} is asked; classes missed: {missed}."
    return balance >= _BALANCE and missed == 0, said


EXERCISES = {
    "11-a": Exercise(
        data=lambda seed: {name: _noisy(seed)[name] for name in ("embedding", "labels")},
        truth=_kept_at_random,
        judge=_keeps_well,
        hints=(
            "Two steps, and their order matters. What must not be among the 100?",
            "Drop what `find_label_errors` accuses; of the others, keep rows that cover the rest.",
            '`cl.select(embedding.take(ids), 100, method="facility_location")`, where `ids` are '
            "the rows whose label is not suspect.",
        ),
        solution="""
data = lesson.data("11-a")
found = cl.find_label_errors(data["embedding"], data["labels"], random_state=SEED)
trusted = data["embedding"].take(found.ids[~found.is_error])
answer = cl.select(trusted, 100, method="facility_location", random_state=SEED).ids
""",
    ),
    "11-b": Exercise(
        data=lambda seed: _lopsided(seed)[0],
        truth=lambda seed: _lopsided(seed)[1],
        judge=_is_even,
        hints=(
            "There are no labels, so strata of classes are out. Which method went to the corners?",
            "Look at the column `balance` of the last table, at the methods that see no label.",
        ),
        solution="""
answer = cl.select(lesson.data("11-b"), 60, method="k_center", random_state=SEED).ids
""",
    ),
}
