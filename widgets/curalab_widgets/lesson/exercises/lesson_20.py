"""Exercises of the lesson on a million rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from curalab_widgets.lesson._exercise import Exercise, number

__all__ = ["EXERCISES"]

_GRAPH = 15 * (8 + 4)  # bytes a row: numbers of neighbours as int64, distances as float32


def _law(seed: int) -> tuple[float, float]:
    """Return the exponent of a step, and its seconds at 1,000 rows."""
    rng = np.random.default_rng(seed)
    return float(rng.uniform(1.4, 1.9)), float(rng.uniform(0.05, 0.2))


def _measured(seed: int) -> pd.DataFrame:
    """Return what somebody measured of it, 3 % about the law."""
    power, start = _law(seed)
    rows = np.array([1_000, 2_000, 4_000, 8_000, 16_000, 32_000])
    slips = np.random.default_rng(seed + 1).normal(size=len(rows))
    seconds = start * (rows / 1_000) ** power * np.exp(0.03 * slips)
    return pd.DataFrame({"rows": rows, "seconds": seconds.round(4)})


def _hours(seed: int) -> float:
    power, start = _law(seed)
    return float(start * 1_000**power / 3_600)


def _machine(seed: int) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    return {
        "dimensions": int(rng.choice([96, 128, 256])),
        "gigabytes": int(rng.choice([8, 16, 32, 64])),
    }


def _rows(seed: int) -> float:
    machine = _machine(seed)
    return machine["gigabytes"] * 1e9 / (4 * machine["dimensions"] + _GRAPH)


EXERCISES = {
    "20-a": Exercise(
        data=_measured,
        truth=_hours,
        judge=number(within=0.25, relative=True),
        hints=(
            "Fit a line to the logarithms: `np.polyfit(np.log(rows), np.log(seconds), 1)`.",
            "Put the logarithm of 1,000,000 into the line, take it back with `np.exp`, and divide "
            "by the seconds of an hour.",
        ),
        solution="""
line = np.polyfit(np.log(measured["rows"]), np.log(measured["seconds"]), 1)
answer = float(np.exp(np.polyval(line, np.log(1e6)))) / 3_600
""",
    ),
    "20-b": Exercise(
        data=_machine,
        truth=_rows,
        judge=number(within=0.05, relative=True),
        hints=(
            "How many bytes does one row need, for its vector and for its part of the graph?",
            "`per_row` is the second of them.",
        ),
        solution="""
answer = machine["gigabytes"] * 1e9 / (4 * machine["dimensions"] + per_row)
""",
    ),
}
