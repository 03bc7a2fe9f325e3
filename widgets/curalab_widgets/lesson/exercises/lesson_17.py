"""Exercises of the lesson on your own images."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from curalab.samples import digits, plant_duplicates
from curalab_widgets.lesson._exercise import Exercise, ids, labels

__all__ = ["EXERCISES"]

_SHOTS, _BLURRED = 200, 24
_TORN = 12


@cache
def _shots(seed: int) -> tuple[pd.Series[Any], list[str]]:
    """Return soft images, and the ids of those that are out of focus."""
    from PIL import Image, ImageFilter

    rng = np.random.default_rng(seed)
    drawn = digits()["image"].sample(_SHOTS, random_state=seed)
    soft = [Image.fromarray(cell).resize((32, 32), Image.Resampling.BICUBIC) for cell in drawn]
    blurred = rng.permutation(_SHOTS)[:_BLURRED]
    for at in blurred:
        soft[at] = soft[at].filter(ImageFilter.GaussianBlur(rng.uniform(3, 4)))
    names = pd.Index([f"shot-{i:03d}" for i in range(_SHOTS)], name="id")
    cells = pd.Series([np.asarray(image) for image in soft], index=names, dtype=object)
    return cells, names[blurred].tolist()


@cache
def _torn(seed: int) -> tuple[pd.DataFrame, pd.Series[Any]]:
    """Return a table in which some copies have another label, and the right label of both sides."""
    rng = np.random.default_rng(seed)
    drawn = digits().sample(400, random_state=seed)
    planted = plant_duplicates(drawn, share=0.1, random_state=seed)
    items, torn = planted.items, planted.truth.iloc[:_TORN]
    pairs = pd.Index(torn[["id_a", "id_b"]].to_numpy().ravel())
    right = items.loc[pairs, "label"].copy()
    for one, other in torn[["id_a", "id_b"]].itertuples(index=False):
        side = (one, other)[rng.integers(2)]
        items.loc[side, "label"] = rng.choice([c for c in "0123456789" if c != right[side]])
    return items, right


EXERCISES = {
    "17-a": Exercise(
        data=lambda seed: _shots(seed)[0].copy(),
        truth=lambda seed: _shots(seed)[1],
        judge=ids(recall=0.9, precision=0.9),
        hints=(
            'Sort `cl.image_quality(shots)["sharpness"]`, and look at the forty lowest.',
            "Somewhere among the lowest the number jumps to half as much again: above it they are "
            "in focus.",
        ),
        solution="""
low = cl.image_quality(shots)["sharpness"].sort_values()
jump = low.pct_change().iloc[10:60].idxmax()
answer = low.index[low < low[jump]]
""",
    ),
    "17-b": Exercise(
        data=lambda seed: _torn(seed)[0].copy(),
        truth=lambda seed: _torn(seed)[1],
        judge=labels(accuracy=0.8),
        hints=(
            'Embed them; `cl.find_duplicates(…).conflicts(twice["label"])` lists who is torn.',
            "`cl.find_label_errors` gives each of the two labels a quality. Which of them do the "
            "neighbours believe?",
        ),
        solution="""
small = cl.embed(twice["image"], encoder="patches", random_state=SEED)
torn_ids = cl.find_duplicates(small, method="exact").conflicts(twice["label"])
told = cl.find_label_errors(small, twice["label"], random_state=SEED).to_frame()["label_quality"]
ranked = torn_ids.assign(quality=torn_ids["id"].map(told)).sort_values("quality")
answer = torn_ids.set_index("id")["group"].map(ranked.groupby("group")["label"].last())
""",
    ),
}
