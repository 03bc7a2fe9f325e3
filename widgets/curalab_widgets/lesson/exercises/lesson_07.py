"""Exercises of the lesson on leaks: copies across a split, a shortcut, groups on both sides."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab_widgets.lesson._exercise import Exercise, choice, ids, number

__all__ = ["EXERCISES"]

_PLACES = ("device", "nurse", "room", "weekday")  # columns that may be the shortcut


@cache
def _copied(seed: int) -> tuple[pd.DataFrame, cl.Planted]:
    """Return training rows, and a test table with jittered copies of some."""
    table = cl.samples.tables("diabetes").drop(columns="label")
    test = table.sample(150, random_state=seed + 50)
    train = table.drop(test.index)
    share = 0.1 + seed % 5 * 0.04
    return train, cl.plant_leakage(train, test, share=share, kind="jittered", random_state=seed)


@cache
def _clinic(seed: int) -> tuple[pd.DataFrame, str]:
    """Return a table in which one column gives the label away, and its name."""
    rng = np.random.default_rng(seed)
    n = 400
    label = rng.choice(["ill", "well"], n)
    table = pd.DataFrame({"age": rng.integers(20, 90, n), "label": label})
    table["pressure"] = (120 + 12 * (label == "ill") + 15 * rng.normal(size=n)).round()
    guilty = str(rng.choice(_PLACES))
    for name in _PLACES:
        codes = rng.permutation([f"{name[0]}{i:02d}" for i in range(10)])
        half = np.where(label == "ill", 0, 5)
        half = np.where(rng.random(n) < 0.85, half, 5 - half)
        at = half + rng.integers(5, size=n) if name == guilty else rng.integers(10, size=n)
        table[name] = codes[at]
    columns = [str(c) for c in rng.permutation(table.columns)]
    return table[columns].set_axis(pd.Index(np.arange(n), name="id")), guilty


@cache
def _scans(seed: int) -> pd.DataFrame:
    """Return test predictions, right where the patient was in training more often."""
    rng = np.random.default_rng(seed)
    patient = rng.permutation(np.repeat([f"p{i:03d}" for i in range(100)], 6))
    split = np.where(rng.random(len(patient)) < 0.3, "test", "train")
    fresh = rng.choice(np.unique(patient), 25, replace=False)
    split[np.isin(patient, fresh)] = "test"
    label = rng.choice(["ill", "well"], len(patient))
    other = np.where(label == "ill", "well", "ill")
    is_known = np.isin(patient, patient[split == "train"])
    is_right = rng.random(len(patient)) < np.where(is_known, 0.97, 0.6)
    table = {"patient": patient, "split": split, "label": label}
    return pd.DataFrame({**table, "predicted": np.where(is_right, label, other)})


def _honest(seed: int) -> float:
    scans = _scans(seed)
    test, train = scans[scans["split"] == "test"], scans[scans["split"] == "train"]
    new = test[~test["patient"].isin(train["patient"])]
    return float((new["label"] == new["predicted"]).mean())


def _tables(seed: int) -> dict[str, Any]:
    train, planted = _copied(seed)
    return {"train": train.copy(), "test": planted.items.copy()}


EXERCISES = {
    "07-a": Exercise(
        data=_tables,
        truth=lambda seed: _copied(seed)[1].truth["test_id"],
        judge=ids(recall=0.95, precision=0.9),
        hints=(
            "The copies were measured again, so no two cells are equal: compare vectors.",
            "Embed the training rows with the encoder 'columns', and the test rows with that "
            "embedding's own encoder, so that both lie in one space. Then `cl.find_leakage`.",
        ),
        solution="""
given = lesson.data("07-a")
known = cl.embed(given["train"], encoder="columns", cache=False)
asked = cl.embed(given["test"], encoder=known.encoder, cache=False)
answer = cl.find_leakage(known, asked).ids
""",
    ),
    "07-b": Exercise(
        data=lambda seed: _clinic(seed)[0].copy(),
        truth=lambda seed: _clinic(seed)[1],
        judge=choice(*_PLACES),
        hints=(
            "`shortcuts(clinic, labels='label')` tries every column by itself.",
            "Best first: what may a doctor look at, and what says only where the patient was?",
        ),
        solution="""
clinic = lesson.data("07-b")
told = shortcuts(clinic, labels="label", random_state=SEED).table
answer = told.loc[told["kind"] == "category", "column"].iloc[0]
""",
    ),
    "07-c": Exercise(
        data=lambda seed: _scans(seed).copy(),
        truth=_honest,
        judge=number(within=0.02),
        hints=(
            "Which test rows are of a patient that the model has never met?",
            "`isin` of the patients of the training rows; the answer is the share of right "
            "predictions among the test rows of all other patients.",
        ),
        solution="""
scans = lesson.data("07-c")
test = scans[scans["split"] == "test"]
met = scans.loc[scans["split"] == "train", "patient"]
strangers = test[~test["patient"].isin(met)]
answer = (strangers["predicted"] == strangers["label"]).mean()
""",
    ),
}
