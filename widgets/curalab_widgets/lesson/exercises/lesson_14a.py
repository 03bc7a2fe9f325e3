"""Exercises of the lesson on which rows made a model say something."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import curalab as cl
from curalab_widgets.lesson._exercise import Exercise, NoAnswer, ids

__all__ = ["EXERCISES"]

_MOST = 5  # rows that may be removed
_HARMFUL = 4  # rows planted against one prediction


def _pixels(table: pd.DataFrame) -> Any:
    vectors = np.stack(table["image"].tolist()).reshape(len(table), -1) / 255
    return cl.Embedding(vectors=vectors, ids=table.index)


def _pool(table: pd.DataFrame) -> Any:
    return cl.Pool(embedding=_pixels(table), labels=table["label"])


# ---- 14a-b: rows that were planted against one prediction ----------------------------------------


@cache
def _spoilt(seed: int) -> tuple[dict[str, Any], list[Any]]:
    """Return a training table, test rows, and the target that some rows were planted against."""
    rng = np.random.default_rng([seed, 14])
    mixed = cl.samples.digits().sample(frac=1, random_state=seed + 3)
    train, test = mixed[:220], mixed[220:260]
    target, wrong = _rival(train, test)
    copied = pd.concat([test.loc[[target]]] * _HARMFUL)
    jittered = [
        np.clip(image + rng.normal(0, 25, image.shape), 0, 255).astype(np.uint8)
        for image in copied["image"]
    ]
    taken = rng.choice(mixed.index[260:], _HARMFUL, replace=False)
    planted = pd.DataFrame({"image": jittered, "label": wrong}, index=pd.Index(taken, name="id"))
    table = pd.concat([train, planted]).sample(frac=1, random_state=seed)
    return {"train": table, "test": test, "target": target}, list(taken)


def _rival(train: pd.DataFrame, test: pd.DataFrame) -> tuple[Any, str]:
    """Return the first test row that is predicted rightly, and the class that comes second."""
    from sklearn.linear_model import Ridge

    x, y = _pixels(train).points, pd.get_dummies(train["label"], dtype=float)
    found = Ridge(alpha=0.02 * len(train)).fit(x, y).predict(_pixels(test).points)
    order = y.columns.to_numpy()[np.argsort(-found, axis=1)]
    at = int(np.argmax(order[:, 0] == test["label"].to_numpy()))
    return test.index[at], str(order[at, 1])


# ---- 14a-a: rows whose removal turns one prediction ----------------------------------------------


class _Asked(NamedTuple):
    rows: Any
    train: pd.Index
    at: int


@cache
def _question(seed: int) -> tuple[dict[str, Any], _Asked]:
    """Return a table, test rows and a target whose margin is small, and what a judge needs."""
    from curalab.explanations._subsets import gather, margins_of

    mixed = cl.samples.digits().sample(frac=1, random_state=seed + 5)
    train, test = mixed[:250], mixed[250:310]
    rows = gather(_pool(train), np.arange(250), _pool(test), np.arange(60))
    margin = margins_of(rows, np.ones((1, 250), dtype=bool))[0]
    at = int(np.abs(margin - 0.1).argmin())
    asked = {"train": train, "test": test, "target": test.index[at]}
    return asked, _Asked(rows, train.index, at)


def _judge_removal(answer: Any, truth: _Asked) -> tuple[bool, str]:
    """Retrain without the rows that are named, and say what margin is left."""
    from curalab.explanations._subsets import margins_of

    if isinstance(answer, str) or not hasattr(answer, "__iter__"):
        raise NoAnswer("a list or an Index of row ids")
    removed = truth.train.isin(list(answer))
    if not removed.any():
        raise NoAnswer("a list or an Index of ids of training rows")
    n = int(removed.sum())
    if n > _MOST:
        return False, f"These are {n} training rows; {_MOST} may be removed."
    left = margins_of(truth.rows, ~removed[None], targets=np.array([truth.at]))[0, 0]
    whole = margins_of(truth.rows, np.ones_like(removed)[None], targets=np.array([truth.at]))[0, 0]
    said = f"Retrained without these {n} rows, the margin is {left:+.2f}; it was {whole:+.2f}."
    return bool(left < 0), said


EXERCISES = {
    "14a-a": Exercise(
        data=lambda seed: dict(_question(seed)[0]),
        truth=lambda seed: _question(seed)[1],
        judge=_judge_removal,
        hints=(
            "Which rows helped this prediction? Learn the datamodels of this table.",
            f"`counterfactual(target, {_MOST})['removed']` has the rows that help it most.",
        ),
        solution="""
pool = cl.Pool(embedding=pixels(case["test"]), labels=case["test"]["label"])
learned = datamodels(
    pixels(case["train"]), case["train"]["label"], test=pool, n_models=300, random_state=SEED
)
answer = learned.counterfactual(case["target"], 5)["removed"]
""",
    ),
    "14a-b": Exercise(
        data=lambda seed: dict(_spoilt(seed)[0]),
        truth=lambda seed: _spoilt(seed)[1],
        judge=ids(recall=0.75, precision=0.6),
        hints=(
            "The question is about one prediction, so `value()`, a mean over all, is no answer.",
            "`datamodels(…, test=…, n_models=300).influence(target)` lists who harms it.",
        ),
        solution="""
pool = cl.Pool(embedding=pixels(asked["test"]), labels=asked["test"]["label"])
told = datamodels(
    pixels(asked["train"]), asked["train"]["label"], test=pool, n_models=300, random_state=SEED
).influence(asked["target"])
answer = told.query("effect == 'harms'").index[-4:]
""",
    ),
}
