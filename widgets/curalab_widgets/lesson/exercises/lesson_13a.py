"""Exercises of the lesson on who is left out."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from curalab_widgets.lesson._exercise import Exercise, choice

__all__ = ["EXERCISES"]

# ---- 13a-a: which column hides the gap -----------------------------------------------------------

_COLUMNS = ("camera", "site", "hour")


def _column(seed: int) -> str:
    return _COLUMNS[(seed * 2 + 1) % 3]


@cache
def _patients(seed: int) -> pd.DataFrame:
    """Return predictions, worse in one group of one column; the other columns have tiny groups."""
    rng = np.random.default_rng(seed)
    n = 900
    columns = {name: rng.integers(1, 41, n) for name in _COLUMNS}
    guilty = _column(seed)
    columns[guilty] = rng.choice([1, 2, 3], n, p=[0.5, 0.33, 0.17])
    label = rng.choice(["ill", "well"], n)
    is_right = rng.random(n) < np.where(columns[guilty] == 3, 0.7, 0.92)
    prediction = np.where(is_right, label, np.where(label == "ill", "well", "ill"))
    table = pd.DataFrame({"label": label, "prediction": prediction})
    for name, numbers in columns.items():
        table[name] = [f"{name} {number}" for number in numbers]
    return table.set_axis([f"patient-{i:03d}" for i in range(n)])


# ---- 13a-b: which pair of concepts is tied to the attributes -------------------------------------


@cache
def _pairs(seed: int) -> tuple[dict[str, Any], str]:
    """Return four pairs of concepts with two attributes, and the name of the pair that is tied."""
    from curalab.explanations import association_test

    rng = np.random.default_rng(seed)
    a, b = (axis + 0.2 * rng.normal(size=(6, 12)) for axis in np.eye(12)[:2])
    names = list(rng.permutation(["pair 1", "pair 2", "pair 3", "pair 4"]))
    sizes = {names[0]: 60, names[1]: 4, names[2]: 4, names[3]: 60}
    found: dict[str, Any] = {}
    for name, size in sizes.items():
        tied = name == names[0]
        while name not in found:
            x, y = rng.normal(size=(2, size, 12))
            if tied:
                x += 0.8 * (a.mean(axis=0) - b.mean(axis=0))
            told = association_test(x, y, a=a, b=b, n_permutations=500, random_state=0)
            large = told.effect_size > (0.9 if size == 4 else -9)
            if told.p_value < 0.01 if tied else told.p_value > 0.1 and large:
                found[name] = (x, y)
    return {"pairs": dict(sorted(found.items())), "a": a, "b": b}, str(names[0])


EXERCISES = {
    "13a-a": Exercise(
        data=lambda seed: _patients(seed).copy(),
        truth=_column,
        judge=choice(*_COLUMNS),
        hints=(
            "The lowest accuracy of any group says little: groups of ten rows differ by chance.",
            "Compare `macro_std` with `by_chance`, or look at `p_value`, for each of the columns.",
        ),
        solution="""
found = {
    name: subgroup_gap(table["label"], table["prediction"], groups=table[name]).p_value
    for name in ["camera", "site", "hour"]
}
answer = min(found, key=found.get)
""",
    ),
    "13a-b": Exercise(
        data=lambda seed: _pairs(seed)[0],
        truth=lambda seed: _pairs(seed)[1],
        judge=choice("pair 1", "pair 2", "pair 3", "pair 4"),
        hints=(
            "A large effect of a few items may be luck. What says whether it is?",
            "Call `association_test(x, y, a=…, b=…)` for each pair and compare the `p_value`.",
        ),
        solution="""
tests = {
    name: association_test(x, y, a=sets["a"], b=sets["b"], random_state=SEED).p_value
    for name, (x, y) in sets["pairs"].items()
}
answer = min(tests, key=tests.get)
""",
    ),
}
