"""What came of the methods, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray

__all__ = [
    "OVER",
    "Run",
    "Runs",
    "curve_of",
    "halves_of",
    "listed",
    "ranked",
    "spread",
    "values_of",
]

N_HALVES = 200
OVER = ("over_random", "over_random_low", "over_random_high")
_BASELINE = "random"


class Run(NamedTuple):
    """One method under one seed, at one budget where there are budgets.

    `values` is the metric that ranks, on all judged rows and then on each half of them.
    """

    budget: int | None
    metrics: dict[str, float]
    values: FloatArray
    seconds: float
    peak_mib: float = np.nan
    start: str = ""


Runs = Mapping[str, list[list[Run]]]  # by method: one list a seed, of one run a budget


def halves_of(rows: IntArray) -> list[IntArray]:
    """Return all `rows`, then random halves of them, the same for every method.

    The mean over a half drawn without replacement varies as much as the mean over a bootstrap
    sample of all rows, and no row is there twice, which would disturb ranks, pairs and groups.
    """
    rng = np.random.default_rng(0)
    size = max(1, len(rows) // 2)
    return [rows, *(np.sort(rng.permutation(rows)[:size]) for _ in range(N_HALVES))]


def spread(values: FloatArray, *, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a mean over seeds, from `values` (n_seeds, 1 + N_HALVES).

    Student's interval over the seeds, few as they are, and the normal one over the judged rows,
    whose variance the halves tell; their half-widths add as independent errors do.
    """
    from scipy.stats import norm, t

    of_seeds, of_halves = values[:, 0], values[:, 1:].mean(axis=0)
    n_seeds = len(of_seeds)
    end = (1 + level) / 2
    by_seed = t.ppf(end, n_seeds - 1) * of_seeds.std(ddof=1) / np.sqrt(n_seeds)
    by_row = norm.ppf(end) * np.nanstd(of_halves) if np.isfinite(of_halves).any() else np.nan
    middle, half_width = float(of_seeds.mean()), float(np.hypot(by_seed, by_row))
    return middle - half_width, middle + half_width


def _scored(values: Mapping[str, FloatArray]) -> pd.DataFrame:
    """Return means over seeds, what they are above the baseline, and their 95 % intervals.

    `values` holds an array (n_seeds, 1 + N_HALVES) for each method.
    """
    base = values.get(_BASELINE)
    rows = {}
    for name, own in values.items():
        gap = np.full_like(own, np.nan) if base is None else own - base
        low, high = spread(own)
        high = np.fmin(high, 1.0)  # no metric goes higher
        numbers = (own[:, 0].mean(), low, high, gap[:, 0].mean(), *spread(gap))
        rows[name] = [float(number) for number in numbers]
    columns = ["score", "low", "high", *OVER]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=float)


def values_of(ran: Runs, names: Iterable[str], budgets: slice) -> dict[str, FloatArray]:
    """Return the values of each method, mean over some of the budgets."""

    def mean(runs: list[Run]) -> FloatArray:
        return np.asarray(np.mean([run.values for run in runs[budgets]], axis=0))

    return {name: np.array([mean(runs) for runs in ran[name]]) for name in names}


def ranked(ran: Runs, errors: Mapping[str, str]) -> pd.DataFrame:
    """Return one row a method, the best mean over the budgets first, failures last."""
    finished = [name for name in ran if name not in errors]
    frame = _scored(values_of(ran, finished, slice(None))).reindex(list(ran))
    frame["seconds"] = [
        float(np.median([runs[-1].seconds for runs in ran[name]])) if ran[name] else np.nan
        for name in ran
    ]
    frame["peak_mib"] = [
        float(np.median([runs[-1].peak_mib for runs in ran[name]])) if ran[name] else np.nan
        for name in ran
    ]
    frame["error"] = pd.Series(errors, dtype=object).reindex(frame.index).fillna("")
    frame = frame.sort_values("score", ascending=False, kind="stable", na_position="last")
    return frame.rename_axis("method")


def curve_of(ran: Runs, errors: Mapping[str, str]) -> pd.DataFrame:
    """Return one row a method and budget, of the methods that finished."""
    finished = [name for name in ran if name not in errors]
    budgets = [run.budget for run in ran[finished[0]][0]] if finished else []
    parts = []
    for at, budget in enumerate(budgets):
        part = _scored(values_of(ran, finished, slice(at, at + 1))).rename_axis("method")
        part.insert(0, "budget", budget)
        parts.append(part.reset_index())
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def listed(ran: Runs, seeds: list[int], metrics: tuple[str, ...]) -> pd.DataFrame:
    """Return one row a method, seed and budget, with all metrics."""
    rows = [
        {"method": name, "seed": seed, "budget": run.budget, **run.metrics}
        | {"seconds": run.seconds, "peak_mib": run.peak_mib, "start": run.start}
        for name, by_seed in ran.items()
        for seed, runs in zip(seeds, by_seed, strict=False)  # a failure ends the list early
        for run in runs
    ]
    return pd.DataFrame(
        rows, columns=["method", "seed", "budget", *metrics, "seconds", "peak_mib", "start"]
    )
