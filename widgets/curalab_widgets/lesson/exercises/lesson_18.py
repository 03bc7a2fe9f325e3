"""Exercises of the lesson on your own texts."""

from __future__ import annotations

from functools import cache
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from curalab_widgets.lesson._exercise import Exercise, NoAnswer

__all__ = ["EXERCISES"]

# ---- 18-a: texts garbled once, twice, and not at all ---------------------------------------------

_WHO = ("The café", "Zoë’s sister", "The guide “Paris à pied”", "A naïve plan", "Our neighbour")
_WHAT = ("isn’t far from", "was painted by", "costs 5 € more than", "doesn’t mention", "cites")
_WHOM = ("the Gödel house", "São Paulo", "the old station", "a jalapeño farm", "Ångström")


def _letters(seed: int) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Return texts as they should be, and as they came."""
    rng = np.random.default_rng(seed)
    right = pd.Series([f"{a} {b} {c}." for a in _WHO for b in _WHAT for c in _WHOM])
    right = right.iloc[rng.permutation(len(right))]
    right = right.set_axis([f"letter-{i:03d}" for i in range(len(right))])
    times = rng.choice([0, 1, 2], len(right), p=[0.5, 0.3, 0.2])
    came = [_garbled(text, n) for text, n in zip(right, times, strict=True)]
    return right, pd.Series(came, right.index)


def _garbled(text: str, times: int) -> str:
    for _ in range(times):
        try:
            text = text.encode().decode("cp1252")
        except UnicodeError:  # one of five bytes that Windows-1252 does not have
            return text
    return text


def _judge_letters(answer: Any, truth: Any) -> tuple[bool, str]:
    right, came = truth
    if not isinstance(answer, pd.Series) or set(answer.index) != set(right.index):
        raise NoAnswer("a Series of texts with the ids of the data")
    same = answer.reindex(right.index) == right
    broken = came != right
    left, harmed = int((broken & ~same).sum()), int((~broken & ~same).sum())
    said = (
        f"Of {broken.sum()} garbled texts {left} are not as they should be; of {(~broken).sum()} "
        f"that were right {harmed} no longer are."
    )
    return left == harmed == 0, said


# ---- 18-b: where a rule may relabel --------------------------------------------------------------

_CUTS = np.arange(1, 11) / 20
_PRICE = 5  # looks that a wrong relabel costs
_CHEAP = 1.12  # of the least cost


@cache
def _suspects(seed: int) -> tuple[pd.DataFrame, pd.Series[Any]]:
    """Return suspects with what a person checked, and the right label of each."""
    rng = np.random.default_rng(seed)
    n, classes = 1_500, np.array(["bug", "question", "request"])
    quality = rng.beta(1.6, 2.0, n) / 2
    middle = rng.uniform(0.22, 0.26)
    is_right = rng.random(n) < 1 / (1 + np.exp((quality - middle) * 25))
    suggested = rng.integers(3, size=n)
    right = np.where(is_right, suggested, (suggested + rng.integers(1, 3, n)) % 3)
    ids = pd.Index([f"ticket-{i:04d}" for i in range(n)], name="id")
    truth = pd.Series(classes[right], ids)
    checked = truth.where(pd.Series(np.arange(n) < 500, ids))
    columns = {"quality": quality.round(4), "suggested": classes[suggested], "checked": checked}
    return pd.DataFrame(columns, index=ids).sample(frac=1, random_state=seed), truth


def _costs(seed: int) -> dict[float, float]:
    """Return what each cut costs, a suspect."""
    table, truth = _suspects(seed)
    wrong = (table["suggested"] != truth.reindex(table.index)).to_numpy()
    below = table["quality"].to_numpy()[:, None] < _CUTS
    cost = np.where(below, _PRICE * wrong[:, None], 1).mean(axis=0)
    return {round(float(cut), 2): float(c) for cut, c in zip(_CUTS, cost, strict=True)}


def _judge_cut(answer: Any, truth: Any) -> tuple[bool, str]:
    if isinstance(answer, bool | np.bool_) or not isinstance(answer, Real):
        raise NoAnswer("a number")
    cut = round(float(answer), 2)
    if cut not in truth:
        raise NoAnswer("one of 0.05, 0.1, 0.15, … 0.5")
    best = min(truth.values())
    more = truth[cut] / best - 1
    said = f"A cut at {cut:g} costs {truth[cut]:.2f} looks a suspect, {more:.0%} above the least."
    return truth[cut] <= _CHEAP * best, said


EXERCISES = {
    "18-a": Exercise(
        data=lambda seed: _letters(seed)[1],
        truth=_letters,
        judge=_judge_letters,
        hints=(
            "`mended` undoes one garbling, and gives back as it is what cannot have been garbled.",
            "What does `mended(mended(text))` do to a text that was garbled twice, once, never?",
        ),
        solution="answer = letters.map(mended).map(mended)",
    ),
    "18-b": Exercise(
        data=lambda seed: _suspects(seed)[0].copy(),
        truth=_costs,
        judge=_judge_cut,
        hints=(
            "Use the checked rows: below the cut a row costs 5 where `checked` is not `suggested`, "
            "else 0; from the cut on each costs 1.",
            "A rule is cheaper than a look where it is wrong less often than once in five times.",
        ),
        solution="""
known = suspects.dropna(subset="checked")
wrong = known["checked"] != known["suggested"]
cost = {c / 20: (1.0 * wrong * 5).where(known["quality"] < c / 20, 1).mean() for c in range(1, 11)}
answer = min(cost, key=cost.get)
""",
    ),
}
