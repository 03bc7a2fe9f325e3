"""Which share of the data to keep at which training budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import (
    BoolArray,
    FloatArray,
    IntArray,
    align,
    check_integer,
    check_labels,
    check_real,
    check_seed,
    complain,
    first_few,
)
from curalab.pool import Pool
from curalab.selectors._scaling import FilteringLaw, fit_law, sgd_errors

__all__ = ["BudgetFrontier", "budget_frontier"]

_SMALL = (1 / 128, 1 / 64, 1 / 32, 1 / 16, 1 / 8)  # of the largest budget, measured
_LEAST = 64  # rows seen, below which nothing is measured


@dataclass(frozen=True, kw_only=True, eq=False)
class BudgetFrontier:
    """What each share of the data is expected to be worth at each training budget.

    Attributes
    ----------
    frame : DataFrame
        One row a share and budget: `share` kept, the `rows` that are, `budget` of rows seen,
        `epochs` that this makes, measured `error` (NaN where it was not), `predicted` error by the
        fitted law, and `is_best`, the least predicted at this budget.
    best : DataFrame
        One row a budget, its index: the best `share` and its `predicted` error.
    runs : DataFrame
        The small runs: `share`, `seen` (rows), `seed` and `error`.
    law : FilteringLaw
        The fitted law.
    """

    frame: pd.DataFrame
    best: pd.DataFrame
    runs: pd.DataFrame
    law: FilteringLaw

    def __repr__(self) -> str:
        told = ", ".join(f"{s:.0%} at {b:,}" for b, s in self.best["share"].items())
        return f"BudgetFrontier(best share {told})"


def budget_frontier(
    pool: Pool,
    test: Pool,
    *,
    score: Any,
    budgets: Sequence[int],
    shares: Sequence[float] = (0.1, 0.2, 0.4, 0.7, 1.0),
    measured: Sequence[int] | None = None,
    n_seeds: int = 3,
    random_state: int | None = None,
) -> BudgetFrontier:
    """Say which share of the best rows to train on, for each number of rows seen in training.

    A small share of good rows teaches most at first, and little when it is repeated; a large share
    brings fewer errors when training is long. Small runs (linear heads, trained by plain SGD on the
    best rows) are measured, the scaling law of data filtering is fitted to them, and the law says
    which share is best at budgets that were not run.

    Parameters
    ----------
    pool : Pool
        The rows to choose from. Those without a label are left out.
    test : Pool
        Labelled rows of the same space that measure the error, and were not used for the score.
    score : array-like of shape (n_items,)
        Quality of each row; higher is better.
    budgets : sequence of int
        Rows seen in training, repeated ones included, to choose for.
    shares : sequence of float, default=(0.1, 0.2, 0.4, 0.7, 1.0)
        Shares of the rows, increasing, above 0 and up to 1.
    measured : sequence of int, default=None
        Rows seen in the small runs. None takes 1/128, 1/64, … 1/8 of the largest budget. A share
        shows how fast repeated rows wear out only where it is seen more than once.
    n_seeds : int, default=3
        Runs of each share, on other orders of its rows.
    random_state : int, default=None
        Seed. None draws one.

    Returns
    -------
    BudgetFrontier

    Raises
    ------
    ValueError
        Budgets or shares that are not increasing, or too few labels.

    Notes
    -----
    With y the error after n rows seen, of which n_j after the j-th pass over the N rows kept,

        y = d + a n_1^-u ∏_j (n_j / n_j-1)^(-u 2^(-(j-1)/τ)),

    and u the mean of the exponents of the slices between shares, weighted by their rows: the
    paper's mixing of pools. The paper fits a, u and τ of each slice on runs of the slice alone.
    Here all runs are of the best rows and are fitted together, with one τ for all slices: fewer
    numbers to learn from few runs. Trust no budget that is much larger than the largest measured.

    References
    ----------
    .. [1] Goyal, Maini, Lipton, Raghunathan, Kolter (2024), "Scaling Laws for Data Filtering: Data
       Curation Cannot Be Compute Agnostic", CVPR. arXiv:2404.07177.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import budget_frontier
    >>> rng = np.random.default_rng(0)
    >>> y, x = rng.integers(0, 2, 600), rng.normal(size=(600, 8))
    >>> x[:, 0] += 2 * y
    >>> pool, test = (cl.Pool(embedding=cl.Embedding(vectors=x[i], metric="euclidean"), labels=y[i])
    ...               for i in (slice(400), slice(400, None)))
    >>> found = budget_frontier(pool, test, score=rng.random(400), budgets=[1_000, 8_000],
    ...                         shares=[0.1, 1], random_state=0)
    >>> found.best["share"].tolist()
    [1.0, 1.0]
    """
    kept, worth = _ranked(pool, score)
    budgets, shares = _checked(budgets, shares, len(kept))
    small = _small(measured, budgets)
    n_seeds = check_integer("n_seeds", n_seeds, low=1)
    n_classes = len(pool.classes)
    if pool.embedding.shape[1] != test.embedding.shape[1]:
        rule = f"of {pool.embedding.shape[1]:,} dimensions, as the pool is"
        raise ValueError(complain("test", rule, test.embedding.shape[1]))
    truth = check_labels(_labels(test, "test"), classes=pool.classes, name="test")[1]
    is_known: BoolArray = truth >= 0
    exam = (test.embedding.points[is_known], truth[is_known])
    rng = np.random.default_rng(check_seed(random_state))
    found = []
    for seed in range(n_seeds):
        tie = rng.random(len(kept))
        order = kept[np.lexsort((tie, -worth))]
        for share, n in zip(shares, _sizes(shares, len(kept)), strict=True):
            rows = order[:n]
            train = (pool.embedding.points[rows], pool.codes[rows])
            errors = sgd_errors(train, exam, n_classes, small, rng)
            found += [(share, seen, seed, e) for seen, e in zip(small, errors, strict=True)]
    runs = pd.DataFrame(found, columns=["share", "seen", "seed", "error"])
    law = fit_law(runs, shares, len(kept))
    return _result(runs, law, budgets, small)


def _result(
    runs: pd.DataFrame, law: FilteringLaw, budgets: list[int], small: list[int]
) -> BudgetFrontier:
    error = runs.groupby(["share", "seen"])["error"].mean()
    asked = sorted({*budgets, *small})
    frame = pd.DataFrame(
        [(share, budget) for budget in asked for share in law.shares], columns=["share", "budget"]
    )
    pairs = list(zip(frame["share"], frame["budget"], strict=True))
    sizes = dict(zip(law.shares, law.sizes, strict=True))
    frame.insert(1, "rows", [sizes[share] for share in frame["share"]])
    frame["epochs"] = frame["budget"] / frame["rows"]
    frame["error"] = error.reindex(pd.MultiIndex.from_tuples(pairs)).to_numpy()
    frame["predicted"] = [law.predict(share, budget) for share, budget in pairs]
    least = frame.groupby("budget")["predicted"].idxmin()
    frame["is_best"] = frame.index.isin(least)
    best = frame.loc[least].set_index("budget")[["share", "predicted"]].loc[budgets]
    return BudgetFrontier(frame=frame, best=best, runs=runs, law=law)


def _labels(pool: Any, name: str) -> Any:
    if not isinstance(pool, Pool) or pool.labels is None:
        what = "one without" if isinstance(pool, Pool) else type(pool).__name__
        raise TypeError(complain(name, "a Pool with labels", what=what))
    return pool.labels


def _ranked(pool: Any, score: Any) -> tuple[IntArray, FloatArray]:
    """Return the labelled rows and their scores."""
    _labels(pool, "pool")
    worth = np.asarray(align("score", score, pool.ids))
    if worth.ndim != 1 or worth.dtype.kind not in "fiub":
        what = f"shape {worth.shape}, dtype {worth.dtype}"
        raise TypeError(complain("score", "one number a row", what=what))
    rows = np.flatnonzero(pool.is_labelled)
    bad = rows[~np.isfinite(worth[rows].astype(np.float64))]
    if len(bad):
        got = f"others for the ids {first_few(pool.ids[bad])}"
        raise ValueError(complain("score", "finite for every labelled row", what=got))
    if len(np.unique(pool.codes[rows])) < 2:
        raise ValueError(complain("pool", "of labels of two classes or more", what="fewer"))
    return rows, worth[rows].astype(np.float64)


def _checked(
    budgets: Sequence[int], shares: Sequence[float], n: int
) -> tuple[list[int], list[float]]:
    seen = [check_integer("budgets", one, low=1) for one in budgets]
    parts = [check_real("shares", one, low=1 / n, high=1) for one in shares]
    for name, values in (("budgets", seen), ("shares", parts)):
        if not values or sorted(set(values)) != list(values):
            what = first_few(values) if values else "none"
            raise ValueError(complain(name, "increasing numbers, at least one", what=what))
    return seen, parts


def _small(measured: Sequence[int] | None, budgets: list[int]) -> list[int]:
    if measured is None:
        small = sorted({max(round(part * budgets[-1]), _LEAST) for part in _SMALL})
    else:
        small = [check_integer("measured", one, low=1) for one in measured]
    if len(small) < 3 or sorted(set(small)) != small:
        hint = "Without them they are 1/128 to 1/8 of the largest budget, of 64 or more."
        rule = "three increasing numbers or more"
        raise ValueError(complain("measured", rule, what=first_few(small), hint=hint))
    return small


def _sizes(shares: Sequence[float], n: int) -> list[int]:
    return [max(round(share * n), 1) for share in shares]
