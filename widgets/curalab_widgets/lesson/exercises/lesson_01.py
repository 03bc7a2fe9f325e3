"""Exercises of the lesson on embeddings."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab_widgets.lesson._exercise import Exercise, ids, labels

__all__ = ["EXERCISES"]

_SHEET = 14
_LETTERS = "ABCDEF"


@cache
def _sheet(seed: int) -> pd.DataFrame:
    """Return 500 digits, each put anywhere on a larger sheet."""
    rng = np.random.default_rng([seed, 101])
    digits = cl.samples.digits().sample(500, random_state=seed + 101)
    images = []
    for image in digits["image"]:
        sheet = np.zeros((_SHEET, _SHEET), dtype=np.uint8)
        y, x = rng.integers(_SHEET - 7, size=2)
        sheet[y : y + 8, x : x + 8] = image
        images.append(sheet)
    return digits.assign(image=pd.Series(images, index=digits.index))


def _unlabelled(seed: int) -> pd.DataFrame:
    sheet = _sheet(seed).copy()
    sheet.loc[sheet.index[400:], "label"] = None
    return sheet


@cache
def _spaces(seed: int) -> tuple[dict[str, cl.Embedding], pd.Series[Any], list[str]]:
    """Return six embeddings by letter, the labels, and the letters of the two good ones."""
    rng = np.random.default_rng([seed, 102])
    digits = cl.samples.digits().sample(500, random_state=seed + 102)
    centred = np.stack(digits["image"].tolist()).reshape(500, -1).astype(float)
    left, size, _ = np.linalg.svd(centred - centred.mean(axis=0), full_matrices=False)
    base = left[:, :24] * np.sqrt(size[:24])
    base /= base.std()
    turned = [base[:, :d] @ np.linalg.qr(rng.normal(size=(d, d)))[0] for d in (24, 12, 24, 24)]
    from_cache = np.arange(500)  # half of each class has the vector of another of its class
    for label in digits["label"].unique():
        rows = np.flatnonzero(digits["label"] == label)
        from_cache[rows[: len(rows) // 2]] = rng.choice(rows, len(rows) // 2, replace=False)
    made = {
        "good": 50 * turned[0],
        "good, fewer": turned[1] + 7,
        "shuffled": turned[2][rng.permutation(500)],
        "copies": turned[3][from_cache],
        "loud": np.c_[base, 30 * rng.normal(size=500)],
        "noise": rng.normal(size=base.shape) * base.std(axis=0),
    }
    names = rng.permutation(list(made))
    spaces = {
        letter: cl.Embedding(vectors=made[name], ids=digits.index, metric="euclidean")
        for letter, name in zip(_LETTERS, names, strict=True)
    }
    good = [x for x, name in zip(_LETTERS, names, strict=True) if name.startswith("good")]
    return spaces, digits["label"], good


@cache
def _columns(seed: int) -> tuple[pd.DataFrame, list[str]]:
    """Return pixels with other columns among them, and the names of those that are loud."""
    rng = np.random.default_rng([seed, 103])
    digits = cl.samples.digits().sample(400, random_state=seed + 103)
    image = np.stack(digits["image"].tolist()).reshape(400, -1).astype(float)
    loud = rng.normal(size=(400, 4)) * rng.uniform(1_000, 4_000, size=4)
    still = 9_000 + rng.normal(size=(400, 2))  # huge numbers, nearly the same for all
    order = rng.permutation(70)
    names = [f"c{i:02d}" for i in range(70)]
    frame = pd.DataFrame(np.hstack([image, loud, still])[:, order], digits.index, names)
    return frame, [name for name, column in zip(names, order, strict=True) if 64 <= column < 68]


EXERCISES = {
    "01-a": Exercise(
        truth=lambda seed: _sheet(seed)["label"].iloc[400:],
        judge=labels(accuracy=0.85),
        data=_unlabelled,
        hints=(
            "Where on the sheet a digit lies should not change its vector.",
            "`image.any(axis=1)` says which lines of an image hold ink, and `np.roll` moves an "
            "image: bring each digit to the middle before you read its pixels.",
            "Then take the five nearest of the 400 with `search`, and the label that is most "
            "frequent among them.",
        ),
        solution="""
def middle(image):
    y, x = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return np.roll(image, (7 - (y[0] + y[-1] + 1) // 2, 7 - (x[0] + x[-1] + 1) // 2), (0, 1))


centred = cl.embed(sheet["image"].map(middle), encoder=as_pixels)
asked = centred.take(sheet.index[400:])
votes = centred.take(sheet.index[:400]).search(asked, 5).indices
votes = pd.DataFrame(sheet["label"].to_numpy()[:400][votes], index=asked.ids)
answer = votes.mode(axis=1)[0]
""",
    ),
    "01-b": Exercise(
        truth=lambda seed: _spaces(seed)[2],
        judge=ids(),
        data=lambda seed: _spaces(seed)[:2],
        hints=(
            "`health.report(spaces[letter])` for each letter: whose verdicts are not all ok?",
            "One that is in perfect health has the wrong rows: are the neighbours right by the "
            "labels? And one whose neighbours look right repeats itself.",
        ),
        solution="""
codes = spaces_labels.to_numpy()
same = {x: (codes[e.neighbors(10).indices] == codes[:, None]).mean() for x, e in spaces.items()}
well = {x: health.report(e, random_state=0).verdict == "ok" for x, e in spaces.items()}
answer = [letter for letter in spaces if well[letter] and same[letter] > 0.6]
""",
    ),
    "01-c": Exercise(
        truth=lambda seed: _columns(seed)[1],
        judge=ids(),
        data=lambda seed: _columns(seed)[0],
        hints=(
            "A distance adds up squared differences between rows. Which columns make differences?",
            "A column of huge numbers that are nearly the same for all rows makes none. Look at "
            "the standard deviation of each column.",
        ),
        solution="std = columns.std()\nanswer = list(std.index[std > 5 * std.median()])",
    ),
}
