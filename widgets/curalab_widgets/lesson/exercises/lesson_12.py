"""Exercises of the lesson on training budgets: how far a law is off, and which share to keep."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab.selectors import budget_frontier
from curalab_widgets.lesson._exercise import Exercise, NoAnswer, number

__all__ = ["EXERCISES"]

_SHARES = [0.05, 0.1, 0.2, 0.5, 1.0]
_MEASURED = [125, 250, 500, 1_000, 2_000, 4_000, 8_000]
_SHORT = [60, 125, 250, 500, 1_000]
_BUDGET, _REGRET = 6_000, 0.02


@cache
def _digits(order: int, draw: int) -> dict[str, Any]:
    """Return a pool whose labels are the more often right the higher their score, and a test."""
    digits = cl.samples.digits().sample(frac=1, random_state=order)
    vectors = np.stack(digits["image"].tolist()).reshape(-1, 64)
    emb = cl.Embedding(vectors=vectors, ids=digits.index)
    rng = np.random.default_rng(draw)
    test, rows = digits.iloc[:597], digits.iloc[597:].copy()
    score = pd.Series(rng.random(len(rows)), rows.index)
    is_wrong = rng.random(len(rows)) < 0.7 * (1 - score)
    guessed = cl.plant_label_errors(rows, share=1, random_state=draw).items["label"]
    rows["label"] = rows["label"].mask(is_wrong, guessed)
    pools = [cl.Pool(embedding=emb.take(own.index), labels=own["label"]) for own in (rows, test)]
    return {"pool": pools[0], "test": pools[1], "score": score}


def _frame(data: dict[str, Any], measured: list[int], budgets: list[int], seed: int) -> Any:
    settings = {"score": data["score"], "shares": _SHARES, "n_seeds": 5, "random_state": seed}
    return budget_frontier(
        data["pool"], data["test"], budgets=budgets, measured=measured, **settings
    )


@cache
def _optimism(seed: int) -> float:
    """Return by how many points the law of short runs is too low, where it was asked last."""
    data, last = _digits(seed, seed), _MEASURED[-1]
    truth = _frame(data, _MEASURED, _MEASURED, seed).frame.query("budget == @last")
    advised = _frame(data, _SHORT, _MEASURED, seed).best.loc[last]
    error = float(truth.set_index("share").loc[advised["share"], "error"])
    return 100 * (error - float(advised["predicted"]))


@cache
def _errors(seed: int) -> pd.Series[float]:
    """Return the error of each share at the budget of the exercise."""
    measured = [500, 2_000, _BUDGET]
    frame = _frame(_digits(seed + 500, seed + 500), measured, [_BUDGET], seed).frame
    errors: pd.Series[float] = frame.query("budget == @_BUDGET").set_index("share")["error"]
    return errors


def _little_regret(answer: Any, truth: pd.Series[float]) -> tuple[bool, str]:
    """Judge a share by what it costs against the best one."""
    if isinstance(answer, bool | str) or np.ndim(answer) or answer not in truth.index:
        raise NoAnswer(f"one of the shares {', '.join(f'{share:g}' for share in truth.index)}")
    regret = float(truth[answer] - truth.min())
    said = (
        f"At {_BUDGET:,} rows seen its error is {truth[answer]:.3f}, {100 * regret:.1f} points "
        f"above that of the best share."
    )
    return regret <= _REGRET, said


EXERCISES = {
    "12-a": Exercise(
        truth=_optimism,
        judge=number(within=0.2, unit="points"),
        hints=(
            "It is a difference in the last line of `told`.",
            "Take `measured` minus `predicted`, and mind the unit: 0.01 is one point.",
        ),
        solution='answer = 100 * (told.loc[8_000, "measured"] - told.loc[8_000, "predicted"])',
    ),
    "12-b": Exercise(
        data=lambda seed: dict(_digits(seed + 500, seed + 500)),
        truth=_errors,
        judge=_little_regret,
        hints=(
            "How often would each row be seen if you kept the best twentieth?",
            "Ask `budget_frontier`: measure short runs, and let it advise for 6,000.",
            "Nothing forbids to measure 6,000 itself: `measured=[500, 2_000, 6_000]`, and look at "
            "`error` in its `frame`.",
        ),
        solution="""
data = lesson.data("12-b")
long = budget_frontier(
    data["pool"], data["test"], score=data["score"], shares=shares, budgets=[6_000],
    measured=[500, 2_000, 6_000], random_state=SEED,
).frame.query("budget == 6_000").set_index("share")["error"]
answer = long.idxmin()
""",
    ),
}
