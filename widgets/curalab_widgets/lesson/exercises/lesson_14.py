"""Exercises of the lesson on whether a step helped."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from curalab_widgets.lesson._exercise import Exercise, choice, number

__all__ = ["EXERCISES"]

# ---- 14-a: the interval of paired runs -----------------------------------------------------------

_T = 2.2010  # Student's, 97.5 %, 11 degrees of freedom


@cache
def _runs(seed: int) -> pd.DataFrame:
    """Return twelve runs that differ much, and a step that adds a little to each."""
    rng = np.random.default_rng(seed)
    before = 84 + 2.5 * _standard(rng.normal(size=12))
    mean, spread = rng.uniform(0.7, 1.5), rng.uniform(0.5, 0.9)
    gain = mean + spread * _standard(rng.normal(size=12))
    return pd.DataFrame({"before": before, "after": before + gain}).round(2).rename_axis("run")


def _standard(values: Any) -> Any:
    return (values - values.mean()) / values.std(ddof=1)


def _low(seed: int) -> float:
    gain = _runs(seed)["after"] - _runs(seed)["before"]
    return float(gain.mean() - _T * gain.std() / len(gain) ** 0.5)


# ---- 14-b: which step is worth keeping; 14-c: who pays for it ------------------------------------


@cache
def _digits() -> tuple[pd.DataFrame, Any]:
    import curalab as cl

    digits = cl.samples.digits()
    vectors = np.stack(digits["image"].tolist()).reshape(len(digits), -1) / 255
    return digits, cl.Embedding(vectors=vectors, ids=digits.index)


@cache
def _spoilt(seed: int) -> tuple[pd.DataFrame, pd.Series[Any], pd.DataFrame]:
    """Return a table of 450 digits, which labels in it are wrong, and test digits."""
    import curalab as cl

    digits, _ = _digits()
    test = digits.sample(900, random_state=seed + 1)
    train = digits.drop(test.index).sample(450, random_state=seed + 1)
    planted = cl.plant_label_errors(train, share=0.15, random_state=seed + 1)
    return planted.items, planted.truth["is_error"], test


def _best(seed: int) -> str:
    return "ABC"[(seed * 5 + 1) % 3]


def _three_steps(seed: int) -> dict[str, Any]:
    items, is_error, test = _spoilt(seed)
    rng = np.random.default_rng(seed)
    good = is_error & (rng.random(len(items)) < 0.6)
    n = int(good.sum())
    at_random = items.sample(n, random_state=seed).index
    every_tenth = items.index[rng.permutation(len(items))[: 2 * n]]
    rest = iter([items.drop(at_random), items.drop(every_tenth)])
    after = {name: items[~good] if name == _best(seed) else next(rest) for name in "ABC"}
    return {"before": items, "after": after, "test": test, "embedding": _digits()[1]}


def _payer(seed: int) -> str:
    return str(np.random.default_rng([seed, 14]).integers(1, 10))


def _dear_step(seed: int) -> dict[str, Any]:
    items, is_error, test = _spoilt(seed)
    rng = np.random.default_rng(seed)
    lost = (items["label"] == _payer(seed)) & (rng.random(len(items)) < 0.9)
    step = {"before": items, "after": items[~(is_error | lost)]}
    return {**step, "test": test, "embedding": _digits()[1]}


EXERCISES = {
    "14-a": Exercise(
        data=lambda seed: _runs(seed).copy(),
        truth=_low,
        judge=number(within=0.05, unit="points"),
        hints=(
            "Pair first: the gain of each run is after minus before. Only then take the spread.",
            "The half-width is `t.ppf(0.975, 11)` times the spread of the gains over the square "
            "root of 12; the lower end is the mean less that.",
        ),
        solution="""
paired = twelve["after"] - twelve["before"]
answer = paired.mean() - t.ppf(0.975, len(paired) - 1) * paired.std() / len(paired) ** 0.5
""",
    ),
    "14-b": Exercise(
        data=_three_steps,
        truth=_best,
        judge=choice("A", "B", "C"),
        hints=(
            "Measure each: `cl.measure_effect(steps['before'], steps['after']['A'], …)`.",
            "The one to keep has an interval above zero over doing nothing and over as much at "
            "random.",
        ),
        solution="""
rest = {"test": steps["test"], "embedding": steps["embedding"], "random_state": SEED}
found = {k: cl.measure_effect(steps["before"], v, **rest) for k, v in steps["after"].items()}
answer = max(found, key=lambda k: found[k].interval[0])
""",
    ),
    "14-c": Exercise(
        data=_dear_step,
        truth=_payer,
        judge=choice(*"0123456789"),
        hints=(
            "`per_class` has one row a digit; look at `gain`, not at `after` alone.",
            "It is the digit whose accuracy fell most.",
        ),
        solution="""
found = cl.measure_effect(**step, random_state=SEED)
answer = found.per_class.set_index("class")["gain"].idxmin()
""",
    ),
}
