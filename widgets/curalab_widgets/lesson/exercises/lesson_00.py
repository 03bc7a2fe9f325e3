"""Exercises of the quickstart."""

from __future__ import annotations

from functools import cache

import pandas as pd

import curalab as cl
from curalab_widgets.lesson._exercise import Exercise, choice, ids

__all__ = ["EXERCISES"]


@cache
def _wrong(seed: int) -> pd.Index:
    """Return the ids whose labels the lesson has planted wrong."""
    digits = cl.samples.digits()
    rest = digits.drop(digits.sample(frac=0.25, random_state=seed).index)
    kinds = ["exact", "jittered"]
    copies = cl.plant_duplicates(rest, share=0.05, kind=kinds, random_state=seed)
    truth = cl.plant_label_errors(copies.items, share=0.08, random_state=seed).truth
    return truth.index[truth["is_error"]]


EXERCISES = {
    "00-a": Exercise(
        truth=_wrong,
        judge=ids(recall=0.14, precision=0.5),
        hints=(
            "`quality` runs from 0 to 1; the colleague should see the lowest.",
            "`bad.worst(n)` gives the ids of the n rows of least quality.",
        ),
        solution="answer = bad.worst(30)",
    ),
    "00-b": Exercise(
        truth=lambda seed: "too high",
        judge=choice("too high", "too low", "right"),
        hints=(
            "The test labels would then agree with whom?",
            "A model that mends the training labels and the test labels marks its own work.",
        ),
        solution='answer = "too high"',
    ),
}
