"""The temperature of probabilities, and what judged rows say of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from curalab.pseudo_labels import PseudoLabels

__all__ = [
    "certified",
    "fit_temperature",
    "held_out",
    "interval",
    "recalibrated",
    "soften",
    "table_of",
]

_NARROW = 5.0  # rows that the prior of log T around 0 counts for
_TINY = 1e-12
_STEPS, _STARTS = 20, 3
_PARTS = 5


def soften(proba: FloatArray, temperature: float) -> FloatArray:
    """Return proba^(1/temperature), rows summing to 1."""
    logits = np.log(np.maximum(proba, _TINY)) / temperature
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def fit_temperature(proba: FloatArray, codes: IntArray, weight: FloatArray) -> float:
    """Return the temperature of the least log loss; a code of -1 is a class that has no column.

    A normal prior on log T keeps a few rows from asking for much: with 30 rows it took a quarter
    off the calibration error, with 300 it changes nothing.
    """
    from scipy.optimize import minimize_scalar

    rows, known = np.arange(len(proba)), codes >= 0

    def loss(log_t: float) -> float:
        soft = soften(proba, np.exp(log_t))
        # Of a row whose class has no column only this is known: the likeliest class is wrong.
        hit = np.where(known, soft[rows, np.maximum(codes, 0)], 1 - soft.max(axis=1))
        return float(-(weight * np.log(np.maximum(hit, _TINY))).sum() + _NARROW * log_t**2 / 2)

    return float(np.exp(minimize_scalar(loss, bounds=(-2.5, 2.5), method="bounded").x))


def recalibrated(soft: PseudoLabels, temperature: float, *, n_judged: int) -> PseudoLabels:
    """Return the labels with softened probabilities, and the record of it."""
    proba = soften(soft.proba, temperature)
    at = pd.Index(soft.classes).get_indexer(pd.Index(soft.labels))
    confidence = np.where(soft.given, 1.0, proba[np.arange(len(soft)), at])
    record = {"temperature": temperature, "n_judged": n_judged}
    details = {**soft.details, **({"predict": _refuse} if "predict" in soft.details else {})}
    params = {**soft.params, "calibrated": record}
    return dataclasses.replace(
        soft, proba=proba, confidence=confidence, params=params, details=details
    )


def _refuse(new: Any) -> Any:
    raise TypeError(
        "Calibrated labels cannot predict new rows: the temperature holds for the rows of the "
        "pool. Call predict on the result that was not calibrated."
    )


def held_out(
    proba: FloatArray,
    codes: IntArray,
    weight: FloatArray,
    row: IntArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the highest probability of each row under a temperature that it had no part in."""
    part = rng.permutation(row.max() + 1)[row] % _PARTS
    found = np.empty(len(proba))
    for p in np.unique(part):
        mine, rest = part == p, part != p
        temperature = fit_temperature(proba[rest], codes[rest], weight[rest])
        found[mine] = soften(proba[mine], temperature).max(axis=1)
    return found


def interval(right: float, n: float, *, miss: float = 0.05) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share; `right` and `n` may be sums of weights."""
    from scipy.stats import beta

    low = float(beta.ppf(miss / 2, right, n - right + 1)) if right > 0 else 0.0
    high = float(beta.ppf(1 - miss / 2, right + 1, n - right)) if right < n - 1e-9 else 1.0
    return low, high


def table_of(right: BoolArray, weight: FloatArray) -> dict[str, float]:
    """Return n, accuracy and its 95 % interval; NaN, 0 and 1 without rows."""
    n, hits = (round(float(w.sum()), 6) for w in (weight, weight[right]))
    low, high = interval(hits, n) if n > 0 else (0.0, 1.0)
    return {"n": n, "accuracy": hits / n if n > 0 else np.nan, "low": low, "high": high}


def certified(
    confidence: FloatArray, right: BoolArray, weight: FloatArray, *, least: float
) -> float | None:
    """Return the lowest confidence shown, with 95 % chance, to have `least` accuracy above it.

    Fixed-sequence testing with several starts: 20 numbers of rows, set by counts alone, from the
    fewest that could show it if all were right to all. From three of them a walk goes on to more
    rows; each step is tested at a third of 5 %, and the first that fails ends the walk. So the
    chance that any step passed is false is 5 % in all, though the threshold is chosen on the rows
    that it is tested on. One start would be stopped by a few confident errors among the first.
    """
    miss = 0.05 / _STARTS
    order = np.argsort(-confidence, kind="stable")
    ordered, total = confidence[order], np.cumsum(weight[order])
    hits = np.cumsum((weight * right)[order])
    fewest = np.log(miss) / np.log(least) if least < 1 else np.inf
    if not len(order) or total[-1] < fewest:
        return None
    found = None
    for walk in np.array_split(np.linspace(fewest, total[-1], _STEPS), _STARTS):
        for wanted in walk:
            confident = ordered[min(int(np.searchsorted(total, wanted - 1e-9)), len(order) - 1)]
            last = int(np.searchsorted(-ordered, -confident, side="right")) - 1  # ties together
            if interval(hits[last], total[last], miss=2 * miss)[0] < least - 1e-9:
                break
            found = float(confident)
    return found
