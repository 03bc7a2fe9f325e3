"""Exercises of the lesson on pseudo-labels: how many are wrong, and which to accept."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from curalab_widgets.lesson._exercise import Exercise, ids, number

__all__ = ["EXERCISES"]

_CLASSES = ("bee", "crab", "deer", "eel", "finch", "goat")
_EACH, _CHECKED = 400, 80  # proposals a class, and how many of these were checked
_RIGHT, _RIGHT_IN_BAD = (0.93, 0.95, 0.97), (0.3, 0.35, 0.4, 0.45)


@cache
def _made(seed: int) -> pd.DataFrame:
    """Return proposals of a method that is sure of itself, and surest of its worst class."""
    rng = np.random.default_rng(seed)
    bad = rng.choice(_CLASSES)
    proposed = np.repeat(_CLASSES, _EACH)
    share = np.where(proposed == bad, rng.choice(_RIGHT_IN_BAD), rng.choice(_RIGHT))
    place = np.concatenate([rng.permutation(_EACH) for _ in _CLASSES])
    is_right = place < share * _EACH
    # Of the checked rows as large a share is right as of all: no luck in the draw.
    order = np.concatenate([_spread(rng) for _ in _CLASSES])
    is_checked = order[np.arange(len(place)) // _EACH * _EACH + place] < _CHECKED
    other = np.array([rng.choice([c for c in _CLASSES if c != one]) for one in proposed])
    confidence = rng.beta(18 + 20 * (proposed == bad), 1).round(3)
    table = pd.DataFrame({"proposed": proposed, "confidence": confidence})
    table["truth"] = np.where(is_right, proposed, other)
    table["label"] = table["truth"].where(is_checked, None)
    names = [f"photo-{i:04d}" for i in range(len(table))]
    return table.sample(frac=1, random_state=seed).set_axis(pd.Index(names, name="id"))


def _spread(rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return in which order the rows of a class are checked: drawn evenly from right and wrong."""
    step = _EACH // _CHECKED
    start = np.arange(_CHECKED) * step + rng.integers(step, size=_CHECKED)
    order = np.full(_EACH, _EACH)
    order[start] = np.arange(_CHECKED)
    return order


def _unchecked(seed: int) -> pd.DataFrame:
    return _made(seed).query("label.isna()")


EXERCISES = {
    "08-a": Exercise(
        data=lambda seed: _made(seed).drop(columns="truth"),
        truth=lambda seed: len(_unchecked(seed).query("proposed != truth")),
        judge=number(within=0.2, unit="labels", relative=True),
        hints=(
            "The stated confidence is no evidence. Which rows tell you something?",
            "Of the checked rows, what share has a `proposed` that differs from its `label`? They "
            "were drawn at random, so of the others as large a share is wrong.",
        ),
        solution="""
checked = photos[photos["label"].notna()]
wrong = (checked["proposed"] != checked["label"]).mean()
answer = wrong * photos["label"].isna().sum()
""",
    ),
    "08-b": Exercise(
        data=lambda seed: _made(seed).drop(columns="truth"),
        truth=lambda seed: _unchecked(seed).query("proposed == truth").index,
        judge=ids(recall=0.7, precision=0.9),
        hints=(
            "Try a threshold on the checked rows: does the share that is right grow with it?",
            "Are all classes alike? Group the checked rows by `proposed`.",
            "Leave one class out altogether. The rows that were checked are not asked for.",
        ),
        solution="""
checked = photos[photos["label"].notna()]
right = (checked["proposed"] == checked["label"]).groupby(checked["proposed"]).mean()
good = photos["proposed"].isin(right.index[right > 0.8])
answer = photos.index[good & photos["label"].isna()]
""",
    ),
}
