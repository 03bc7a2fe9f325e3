"""Exercises of the lesson on clusters."""

from __future__ import annotations

from functools import cache
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab.clusters import HDBSCAN
from curalab_widgets.lesson._exercise import Exercise, NoAnswer, ids

__all__ = ["EXERCISES"]

_ENOUGH = 0.85
_MOST = 600


@cache
def _small(seed: int) -> tuple[cl.Embedding, np.ndarray[Any, Any]]:
    """Return thirty groups of ten to fourteen rows among 120 scattered ones (-1), and the truth."""
    rng = np.random.default_rng([seed, 301])
    sizes = rng.integers(10, 15, size=30)
    middles = rng.normal(size=(30, 6)) * 8
    truth = np.append(np.repeat(np.arange(30), sizes), np.full(120, -1))
    points = rng.normal(size=(len(truth), 6)) * np.where(truth < 0, 9, 0.8)[:, None]
    points[truth >= 0] += middles[truth[truth >= 0]]
    order = rng.permutation(len(truth))
    return cl.Embedding(vectors=points[order], metric="euclidean"), truth[order]


def _agreement(seed: int, size: int) -> float:
    """Return the ARI with the truth, over the rows that belong to a group."""
    from sklearn.metrics import adjusted_rand_score

    made, truth = _small(seed)
    found = cl.cluster(made, method=HDBSCAN(min_cluster_size=size), random_state=0).labels
    alone = np.where(found < 0, found.max() + 1 + np.arange(len(found)), found)
    return float(adjusted_rand_score(truth[truth >= 0], alone[truth >= 0]))


def _good_size(answer: Any, seed: int) -> tuple[bool, str]:
    """Judge a size by what HDBSCAN finds with it."""
    if isinstance(answer, bool | np.bool_) or not isinstance(answer, Integral):
        raise NoAnswer("a whole number, the min_cluster_size")
    size = int(answer)
    if not 2 <= size <= _MOST:
        raise NoAnswer(f"a whole number from 2 to {_MOST}")
    ari = _agreement(seed, size)
    return ari >= _ENOUGH, f"With {size} the ARI with the truth is {ari:.2f}; {_ENOUGH} is asked."


@cache
def _cut(seed: int) -> tuple[cl.Embedding, pd.Series[Any], list[int]]:
    """Return rows, a clustering in which one group is cut in two, and the two halves."""
    rng = np.random.default_rng([seed, 302])
    group = rng.permutation(np.repeat(np.arange(7), [150, 110, 90, 70, 60, 60, 60]))
    middles = 9 * np.linalg.qr(rng.normal(size=(9, 7)))[0].T
    points = middles[group] + rng.normal(size=(600, 9))
    across = (points - middles[0]) @ np.linalg.qr(rng.normal(size=(9, 9)))[0][0]
    found = np.where((group == 0) & (across > 0), 7, group)
    names = rng.permutation(8)
    made = cl.Embedding(vectors=points, metric="euclidean")
    halves = sorted(int(names[at]) for at in (0, 7))
    return made, pd.Series(names[found], index=made.ids, name="cluster"), halves


EXERCISES = {
    "03-a": Exercise(
        truth=lambda seed: seed,
        judge=_good_size,
        data=lambda seed: _small(seed)[0],
        hints=(
            "The groups may be smaller than the size that is usual. Try sizes from 3 upwards.",
            "For each size, cluster four samples of 80 % of the rows, as in `agreement`; there is "
            "no map to make, the rows have few dimensions. Which size agrees best with itself?",
        ),
        solution="""
parts = [crowd.take(crowd.ids[rng.random(len(crowd)) < 0.8]) for _ in range(4)]
agreed = pd.Series({size: agreement(parts, size) for size in (3, 4, 5, 6, 8, 10, 12, 15, 20)})
answer = agreed.idxmax()
""",
    ),
    "03-b": Exercise(
        truth=lambda seed: _cut(seed)[2],
        judge=ids(),
        data=lambda seed: _cut(seed)[:2],
        hints=(
            "Two halves of one group have middles close to each other.",
            "`cluster_tree(rows, found).merges` lists which two clusters join first.",
        ),
        solution="""
answer = cluster_tree(rows, found).merges.loc[0, ["left", "right"]].astype(int).tolist()
""",
    ),
}
