"""Exercises of the lesson on tables, audio and series."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from curalab_widgets.lesson._exercise import Exercise, NoAnswer, labels

__all__ = ["EXERCISES"]

# ---- 19-a: weights of columns --------------------------------------------------------------------

_AUROC = 0.9
_UNITS = {"length_mm": 90.0, "width_cm": 4.0, "weight_kg": 0.6, "postage_cents": 40.0}


@cache
def _parcels(seed: int) -> tuple[pd.DataFrame, pd.Series[Any]]:
    """Return a table in several units, and which labels are wrong."""
    rng = np.random.default_rng(seed)
    n, kinds = 450, np.array(["book", "shoes", "plant"])
    kind = rng.integers(3, size=n)
    middles = 3.2 * np.array([[0, 0, 1, 1], [1, 0, 0, 1], [0, 1, 1, 0]])
    x = middles[kind] + rng.normal(size=(n, 4))
    columns = {name: (x[:, i] + 5) * unit for i, (name, unit) in enumerate(_UNITS.items())}
    numbers = 1_000_000 + rng.permutation(n) * 37.0
    ids = pd.Index([f"parcel-{i:03d}" for i in range(n)], name="id")
    wrong = pd.Series(rng.permutation(n) < n // 10, ids)
    given = np.where(wrong, (kind + rng.integers(1, 3, n)) % 3, kind)
    table = pd.DataFrame(columns, index=ids).round(3)
    return table.assign(parcel_number=numbers, label=kinds[given]), wrong


def _judge_weights(answer: Any, truth: Any) -> tuple[bool, str]:
    table, wrong = truth
    if isinstance(answer, Mapping):
        answer = pd.Series(answer)
    columns = table.columns.drop("label")
    if not isinstance(answer, pd.Series) or set(answer.index) != set(columns):
        raise NoAnswer(f"a Series with a weight for each of {', '.join(columns)}")
    weights = pd.to_numeric(answer[columns]).to_numpy(dtype=float)
    if not np.isfinite(weights).all() or not weights.any():
        raise NoAnswer("a Series of finite weights, not all of them 0")
    x = table[columns].to_numpy() * weights
    x = x - x.mean(axis=0)
    squares = (x**2).sum(axis=1)
    gap = squares[:, None] + squares - 2 * x @ x.T
    np.fill_diagonal(gap, np.inf)
    given = table["label"].to_numpy()
    quality = (given[np.argsort(gap, axis=1, kind="stable")[:, :10]] == given[:, None]).mean(axis=1)
    over = quality[~wrong.to_numpy()] - quality[wrong.to_numpy(), None]
    reached = float(((over > 0) + (over == 0) / 2).mean())
    return reached >= _AUROC, f"The AUROC is {reached:.2f}; {_AUROC:g} is asked."


# ---- 19-b: labels of curves ----------------------------------------------------------------------


@cache
def _sensors(seed: int) -> tuple[pd.DataFrame, pd.Series[Any]]:
    """Return curves with few labels, and the label of each."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(["drift", "switch", "ripple", "noise"], 40)
    values = [_curve(kind, int(rng.integers(70, 140)), rng) for kind in kinds]
    ids = pd.Index([f"sensor-{i:03d}" for i in range(len(kinds))], name="id")
    right = pd.Series(kinds, ids, dtype=object)
    known = np.tile(np.arange(40) < 5, 4)
    table = pd.DataFrame({"values": values, "label": right.where(known, None)}, index=ids)
    return table.sample(frac=1, random_state=seed), right


def _curve(kind: str, n: int, rng: np.random.Generator) -> list[float]:
    time, noise = np.arange(n), rng.normal(size=n)
    made = {
        "drift": rng.choice([-1, 1]) * rng.uniform(3, 5) * time / n + 0.5 * noise,
        "switch": np.sign(np.sin(2 * np.pi * (time / rng.uniform(20, 40) + rng.random())))
        + 0.3 * noise,
        "ripple": np.sin(2 * np.pi * (time / rng.uniform(4, 7) + rng.random())) + 0.4 * noise,
        "noise": noise,
    }[kind]
    return [float(value) for value in made.round(3)]


EXERCISES = {
    "19-a": Exercise(
        data=lambda seed: _parcels(seed)[0].copy(),
        truth=_parcels,
        judge=_judge_weights,
        hints=(
            "Which column has the largest spread, and does it say anything about what is inside?",
            "A weight of one over the standard deviation gives a column one vote; a weight of 0 "
            "takes its vote away.",
        ),
        solution="""
answer = 1 / parcels.drop(columns="label").std()
answer["parcel_number"] = 0
""",
    ),
    "19-b": Exercise(
        data=lambda seed: _sensors(seed)[0].copy(),
        truth=lambda seed: _sensors(seed)[1],
        judge=labels(accuracy=0.9),
        hints=(
            "The encoder of the curves above takes lists of unequal length.",
            '`cl.pseudo_label(emb, sensors["label"])` spreads labels to rows that have none; what '
            "it returns has `labels` and `ids`.",
        ),
        solution="""
near = cl.embed(sensors["values"], encoder="series", random_state=SEED)
soft = cl.pseudo_label(near, sensors["label"], random_state=SEED)
answer = pd.Series(soft.labels, soft.ids)
""",
    ),
}
