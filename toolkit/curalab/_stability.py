"""How much an answer changes over seeds and row orders: what maps and clusterings share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, FloatArray, IntArray, check_integer, check_seed
from curalab.pool import Pool
from curalab.results import StageResult

__all__ = ["Stability", "compare", "reruns"]

_ROWWISE = ("labels", "proba", "groups", "order")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Stability(StageResult):
    """How alike several runs are, which differ in their seed and the order of the rows.

    Attributes
    ----------
    agreement : ndarray of shape (n_items,), float
        How alike two runs see the row, from 0 to 1, the mean over pairs of runs. Higher is
        steadier.
    pairs : DataFrame
        One row a pair of runs, with what the two have in common.
    """

    agreement: FloatArray
    pairs: pd.DataFrame

    @property
    def summary(self) -> str:
        """How far the runs agree, in one sentence."""
        return str(self.details["says"])


def reruns(
    run: Callable[[Pool, int], Any], pool: Pool, *, n_runs: int, random_state: int | None
) -> tuple[list[Any], dict[str, Any]]:
    """Run on `pool` several times, each time with another seed and order of rows.

    Parameters
    ----------
    run : callable
        Gets a pool and a seed, and returns a result with ids.
    pool : Pool
        The rows.
    n_runs : int
        From 2.
    random_state : int or None
        Draws seeds and orders; None draws one.

    Returns
    -------
    results : list
        What `run` returned, rows in the order that it got them.
    params : dict
        How the runs were made.
    """
    n_runs = check_integer("n_runs", n_runs, low=2)
    seed = check_seed(random_state)
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n_runs):
        order = rng.permutation(len(pool))
        made.append(run(_shuffled(pool, order), int(rng.integers(2**31))))
    of_method = {
        key: made[0].params[key]
        for key in ("method", "settings", "source")
        if key in made[0].params
    }
    return made, {
        "verb": "stability",
        **of_method,
        "n_runs": n_runs,
        "random_state": seed,
        "embedding": pool.embedding.fingerprint,
    }


def _shuffled(pool: Pool, order: IntArray) -> Pool:
    embedding = replace(pool.embedding, data=pool.data).take(pool.ids[order])
    parts = {name: getattr(pool, name) for name in _ROWWISE}
    moved = {name: value[order] for name, value in parts.items() if value is not None}
    return pool.replace(embedding=embedding, data=None, classes=pool.classes, **moved)


def compare(
    runs: list[AnyArray], alike: Callable[[AnyArray, AnyArray], FloatArray]
) -> tuple[FloatArray, pd.DataFrame]:
    """Return how alike the runs see each row, and how alike each two runs are.

    Parameters
    ----------
    runs : list of ndarray
        One answer a run, rows in one order.
    alike : callable
        Gets two answers and returns one number a row.

    Returns
    -------
    agreement : ndarray of shape (n_items,)
    pairs : DataFrame with columns run, other and agreement
    """
    total, rows = np.zeros(len(runs[0])), []
    for a, b in combinations(range(len(runs)), 2):
        both = alike(runs[a], runs[b])
        total += both
        rows.append({"run": a, "other": b, "agreement": float(both.mean())})
    return total / len(rows), pd.DataFrame(rows)
