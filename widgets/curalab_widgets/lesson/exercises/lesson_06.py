"""Exercises of the lesson on outliers."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from curalab_widgets.lesson._exercise import Exercise, ids, number

__all__ = ["EXERCISES"]


# ---- 06-a: what is no digit, some of it more than once -------------------------------------------


@cache
def _delivered(seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.Index]:
    """Return checked digits, a delivery, and the ids in it that are no digits."""
    from curalab.samples import digits, plant_outliers

    rng = np.random.default_rng([seed, 6])
    table = digits().sample(700, random_state=seed + 1)
    checked, rest = table.iloc[:350].copy(), table.iloc[350:]
    planted = plant_outliers(rest, share=0.03, random_state=seed + 1)
    single = planted.truth.index[planted.truth["is_outlier"]]
    first = planted.items.loc[single[0]]
    names = [f"new-{i:04d}" for i in range(12)]
    noise = rng.normal(0, 6, (12, *first["image"].shape))
    images = [np.clip(first["image"] + part, 0, 255).astype(np.uint8) for part in noise]
    again = pd.DataFrame({"image": images, "label": first["label"]}, index=names)
    every = pd.concat([planted.items, again]).sample(frac=1, random_state=seed + 1)
    plain = pd.Index([f"item-{i:04d}" for i in range(len(every))], name="id")
    is_foreign = every.index.isin([*single, *names])
    return checked, every.set_axis(plain), plain[is_foreign]


# ---- 06-b: marked, less the false alarms ---------------------------------------------------------


@cache
def _scores(seed: int) -> tuple[pd.Series[float], pd.Series[float], int]:
    """Return the oddness of clean rows and of new ones, and how many of these are odd."""
    rng = np.random.default_rng([seed, 66])
    n_odd = int(rng.integers(90, 160))
    clean = rng.lognormal(0, 0.5, size=2_000)
    new = np.concatenate([rng.lognormal(0, 0.5, size=1_000 - n_odd), rng.normal(9, 1, size=n_odd)])
    order = rng.permutation(len(new))
    return pd.Series(clean, name="oddness"), pd.Series(new[order], name="oddness"), n_odd


EXERCISES = {
    "06-a": Exercise(
        truth=lambda seed: list(_delivered(seed)[2]),
        judge=ids(recall=0.9, precision=0.6),
        data=lambda seed: _delivered(seed)[:2],
        hints=(
            "What is there more than once hides behind its own kind, if the delivery is compared "
            "with itself.",
            "Compare with the checked digits: `vectors(…)` of both tables, and `reference=…`.",
            "`result.ids[result.is_outlier]` are the ids past the cut. At 2 % false alarms, about "
            "seven ordinary digits are among them; `false_alarms=0.01` marks fewer.",
        ),
        solution="""
strangers = cl.find_outliers(
    vectors(delivery), reference=vectors(reference), false_alarms=0.01, random_state=SEED
)
answer = strangers.ids[strangers.is_outlier]
""",
    ),
    "06-b": Exercise(
        truth=lambda seed: _scores(seed)[2],
        judge=number(within=25, unit="rows"),
        data=lambda seed: _scores(seed)[:2],
        hints=(
            "Which oddness do 5 % of the clean rows exceed? How many of the new rows exceed it?",
            "Of the new rows that are clean, 5 % exceed the cut as well. Take them off.",
        ),
        solution="""
n_marked = int((of_new > of_clean.quantile(0.95)).sum())
answer = (n_marked - 0.05 * len(of_new)) / 0.95
""",
    ),
}
