"""Exercises of the lesson on maps."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab_widgets.lesson._exercise import Exercise, choice, ids

__all__ = ["EXERCISES"]

_GROUPS = "ABCDE"
_SETS = "ABCDEF"


@cache
def _unequal(seed: int) -> tuple[cl.Embedding, pd.Series[Any], str]:
    """Return five groups, their names, and the widest: the one of the fewest rows."""
    rng = np.random.default_rng([seed, 201])
    rows, width = np.array([240, 140, 100, 70, 50]), np.array([0.5, 1.0, 1.5, 2.0, 6.0])
    names = rng.permutation(list(_GROUPS))
    group = np.repeat(np.arange(5), rows)
    centres = 25 * np.linalg.qr(rng.normal(size=(12, 5)))[0].T
    points = centres[group] + width[group, None] * rng.normal(size=(600, 12))
    order = rng.permutation(600)
    made = cl.Embedding(vectors=points[order], metric="euclidean")
    return made, pd.Series(names[group[order]], index=made.ids), str(names[4])


@cache
def _sets(seed: int) -> tuple[dict[str, cl.Embedding], list[str]]:
    """Return six sets of rows by letter, and the letters of those that have groups."""
    rng = np.random.default_rng([seed, 202])
    made = [_blobs(k, d, rng) for k, d in ((3, 20), (5, 10), (8, 8))]
    made += [
        rng.uniform(size=(500, 6)),
        rng.normal(size=(500, 10)) * np.geomspace(3, 1, 10),
        rng.normal(size=(500, 30)),
    ]
    order = rng.permutation(6)
    sets = {
        letter: cl.Embedding(vectors=made[at], metric="euclidean")
        for letter, at in zip(_SETS, order, strict=True)
    }
    return sets, [letter for letter, at in zip(_SETS, order, strict=True) if at < 3]


def _blobs(k: int, d: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    centres = 7 * np.linalg.qr(rng.normal(size=(d, k)))[0].T
    return centres[rng.integers(k, size=500)] + rng.normal(size=(500, d))


EXERCISES = {
    "02-a": Exercise(
        truth=lambda seed: _unequal(seed)[2],
        judge=choice(*_GROUPS),
        data=lambda seed: _unequal(seed)[:2],
        hints=(
            "The map does not know. Ask the vectors: how far do rows lie from their middle?",
            "`pd.DataFrame(np.asarray(five))` can be grouped by the names: the standard deviation "
            "of each column in each group, then the mean over the columns.",
        ),
        solution="""
widths = pd.DataFrame(np.asarray(five)).groupby(five_names.to_numpy()).std().mean(axis=1)
answer = widths.idxmax()
""",
    ),
    "02-b": Exercise(
        truth=lambda seed: _sets(seed)[1],
        judge=ids(),
        data=lambda seed: _sets(seed)[0],
        hints=(
            "Each of the six shows islands on some map. Which numbers do not come from the map?",
            "`health.separability` of each; or `stability` with `on_map`: groups that are there "
            "come back in every run.",
        ),
        solution="""
structure = {x: health.separability(one, random_state=0).structure for x, one in sets.items()}
answer = [letter for letter, found in structure.items() if found > 0.7]
""",
    ),
}
