"""Exercises of the lesson on selectors: what a table of runs shows, and a selector of one's own."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab_widgets.lesson._exercise import Exercise, NoAnswer, ids

__all__ = ["EXERCISES"]

_NAMES = ("amber", "basil", "cedar", "dune", "ember", "fern", "grove", "heath")
_RUNS, _N_BETTER = 10, 2
_LEAD, _OWN, _SHARED = 0.035, 0.015, 0.05


@cache
def _table(seed: int) -> tuple[pd.DataFrame, list[str]]:
    """Return accuracies by run and selector, and the names of those that are better than random.

    Drawn until the tests tell the two kinds apart with room to spare, and some selector that is
    no better passes a single test: the trap.
    """
    from scipy.stats import ttest_rel

    rng = np.random.default_rng([13, seed])
    while True:
        better = sorted(rng.choice(_NAMES, _N_BETTER, replace=False))
        level = 0.75 + rng.normal(0, _SHARED, size=(_RUNS, 1))
        runs = level + rng.normal(0, _OWN, size=(_RUNS, len(_NAMES) + 1))
        table = pd.DataFrame(runs, columns=[*_NAMES, "random"]).rename_axis("run")
        table[better] += _LEAD
        table = table.round(4)
        p = pd.Series({name: ttest_rel(table[name], table["random"]).pvalue for name in _NAMES})
        others = p.drop(better)
        is_trap = table[others.idxmin()].mean() > table["random"].mean()
        if p[better].max() * len(p) < 0.02 and 0.025 < others.min() < 0.045 and is_trap:
            return table, better


@cache
def _hidden(seed: int) -> tuple[cl.Pool, cl.Pool]:
    """Return a lopsided pool of digits and an even test set; which classes are rare is drawn."""
    digits = cl.samples.digits().sample(frac=1, random_state=seed + 1_000)
    vectors = np.stack(digits["image"].tolist()).reshape(len(digits), -1)
    emb = cl.Embedding(vectors=vectors, ids=digits.index)
    order = np.random.default_rng([seed, 1]).permutation(10)
    size = (90 * 15.0 ** -(order / 9)).round()
    within = digits.groupby("label").cumcount()
    limit = digits["label"].astype(int).map(dict(enumerate(size)))
    parts = digits[within < 35], digits[(within >= 35) & (within < 35 + limit)]
    test, pool = (cl.Pool(embedding=emb.take(rows.index), labels=rows["label"]) for rows in parts)
    return pool, test


def _beats_chance(answer: Any, truth: tuple[cl.Pool, cl.Pool]) -> tuple[bool, str]:
    """Judge a selector by its promises, and by its lead over random picks on hidden rows."""
    own = getattr(answer, "scorer", answer)
    written = getattr(own, "__module__", type(own).__module__) or ""
    if isinstance(answer, str | type) or not callable(answer) or written.startswith("curalab"):
        raise NoAnswer("a function (pool, k, *, rng) of your own, or what cl.top_k makes of one")
    try:
        cl.testing.check_method("selectors", answer)
    except ValueError as error:
        broken = [line[2:] for line in str(error).splitlines() if line.startswith("- ")]
        return False, "It breaks promises. " + " ".join(broken)
    pool, test = truth
    setting: dict[str, Any] = {"budgets": [30, 60], "n_seeds": 10, "random_state": 0}
    board = cl.bench("selectors", [answer, "random"], pool=pool, test=test, **setting)
    row = board.to_frame().drop(index="random").iloc[0]
    if row["error"]:
        return False, f"On the hidden pool it stops: {row['error']}"
    lead, low, high = (
        100 * float(row[name]) for name in ("over_random", "over_random_low", "over_random_high")
    )
    told = f"It leads by {lead:.1f} points (95 % interval {low:.1f} to {high:.1f})"
    if low > 0:
        return True, f"{told} over random picks on {len(pool)} hidden rows."
    return False, f"{told}; the whole interval must be above zero."


EXERCISES = {
    "13-a": Exercise(
        data=lambda seed: _table(seed)[0],
        truth=lambda seed: _table(seed)[1],
        judge=ids(recall=1, precision=1),
        hints=(
            "A higher mean is no proof. Test each column against `random`, paired: run by run.",
            "Eight tests at 5 % give a false alarm in one table of three. What did Holm do?",
            "Multiply the smallest p-value by 8, the next by 7, and so on; which stay below 0.05?",
        ),
        solution="""
from scipy.stats import ttest_rel

table = lesson.data("13-a")
others = table.drop(columns="random")
p = others.apply(lambda column: ttest_rel(column, table["random"]).pvalue).sort_values()
adjusted = (p * np.arange(len(p), 0, -1)).cummax()
answer = adjusted.index[(adjusted < 0.05) & (others.mean() > table["random"].mean())[p.index]]
""",
    ),
    "13-b": Exercise(
        truth=_hidden,
        judge=_beats_chance,
        takes_code=True,
        hints=(
            "Which picks of `rare_in_turns` are wasted? What if no pick were close to another?",
            "Keep the distance of each row to its nearest pick; pick where that is largest; go on.",
            "The first pick is by `rng`; set the distance of picked and of chosen rows to minus "
            "infinity. `pool.embedding.points` are the vectors, of length 1.",
        ),
        solution='''
def never_close(pool, k, *, rng):
    """Pick, each time, the row farthest from all that were picked before."""
    x = pool.embedding.points
    picks = [] if pool.chosen is None else pool.chosen.tolist()
    n_chosen = len(picks)
    gap = np.min([np.linalg.norm(x - x[row], axis=1) for row in picks] or [rng.random(len(x))], 0)
    gap[picks] = -np.inf
    while len(picks) < n_chosen + k:
        row = int(gap.argmax())
        to_row = np.linalg.norm(x - x[row], axis=1)
        gap = to_row if not picks else np.minimum(gap, to_row)
        picks.append(row)
        gap[row] = -np.inf
    return np.array(picks[n_chosen:])


answer = never_close
''',
    ),
}
