"""Calibrated probabilities, and what judged rows say of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray, complain, first_few

if TYPE_CHECKING:
    from curalab.pseudo_labels import PseudoLabels

__all__ = [
    "Calibrator",
    "certified",
    "fit",
    "fit_temperature",
    "held_out",
    "interval",
    "likeliest",
    "recalibrated",
    "refuse_other",
    "soften",
    "table_of",
]

_NARROW = 5.0  # rows that the prior of log T around 0 counts for
_LINE, _CLASS = 10.0, 5.0  # the same of log slope and offset, and of each class's part of it
_TAIL = 4.0  # of the latter: as heavy as Student's t, so that a class clearly off is let go
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


class Calibrator(NamedTuple):
    """A temperature, then a line on the log odds of each row's likeliest class."""

    temperature: float
    slope: float
    offset: FloatArray  # of each class that a row may be proposed as, (n_classes,)

    def of(self, proba: FloatArray) -> FloatArray:
        """Return calibrated probabilities; a likeliest class without offset is only softened.

        The other classes of a row keep their shares of what its likeliest one leaves.
        """
        from scipy.special import expit

        soft = soften(proba, self.temperature)
        top = soft.argmax(axis=1)
        rows = np.flatnonzero(top < len(self.offset))
        top = top[rows]
        odds = _log_odds(soft[rows, top])
        others = soft[rows]
        others[np.arange(len(rows)), top] = 0.0
        sure = expit(self.slope * odds + self.offset[top])
        soft[rows] = others * ((1 - sure) / others.sum(axis=1))[:, None]
        soft[rows, top] = sure
        return soft


def fit(proba: FloatArray, codes: IntArray, weight: FloatArray, n_classes: int) -> Calibrator:
    """Return the calibrator of the least log loss; a code of -1 is a class that has no column.

    After the temperature, the chance that the likeliest class is right has a slope, an offset and
    a part of the offset for each of the `n_classes` that may be likeliest. Priors around no change
    keep few rows from asking for much: normal ones, but Student's t for a class's part.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    temperature = fit_temperature(proba, codes, weight)
    top = proba.argmax(axis=1)
    seen = top < n_classes
    soft = soften(proba, temperature)[seen]
    odds, top, right = _log_odds(soft.max(axis=1)), top[seen], (top == codes)[seen]
    weight = weight[seen]

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        slope, both, parts = np.exp(theta[0]), theta[1], theta[2:]
        at = slope * odds + both + parts[top]
        off = weight * (expit(at) - right)
        value = weight @ np.logaddexp(0, np.where(right, -at, at))
        far = 1 + _CLASS * parts**2 / _TAIL
        value += _LINE * (theta[:2] @ theta[:2]) / 2 + _TAIL / 2 * np.log(far).sum()
        step = [slope * (off @ odds) + _LINE * theta[0], off.sum() + _LINE * both]
        each = np.bincount(top, off, minlength=n_classes) + _CLASS * parts / far
        return value, np.append(step, each)

    theta = minimize(loss, np.zeros(2 + n_classes), jac=True, method="L-BFGS-B").x
    return Calibrator(temperature, float(np.exp(theta[0])), theta[1] + theta[2:])


def _log_odds(sure: FloatArray) -> FloatArray:
    from scipy.special import logit

    return np.asarray(logit(np.clip(sure, _TINY, 1 - _TINY)))


def recalibrated(soft: PseudoLabels, how: Calibrator, *, n_judged: int) -> PseudoLabels:
    """Return the labels with calibrated probabilities, and the record of it."""
    proba = how.of(soft.proba)
    at = pd.Index(soft.classes).get_indexer(pd.Index(soft.labels))
    confidence = np.where(soft.given, 1.0, proba[np.arange(len(soft)), at])
    record = {"temperature": how.temperature, "slope": how.slope, "n_judged": n_judged}
    details = {**soft.details, **({"predict": _refuse} if "predict" in soft.details else {})}
    params = {**soft.params, "calibrated": record}
    return dataclasses.replace(
        soft, proba=proba, confidence=confidence, params=params, details=details
    )


def refuse_other(judged: PseudoLabels, soft: PseudoLabels) -> None:
    """Raise where labels are no run of the method, embedding and classes that were judged."""
    told = [{**one.params, "classes": one.classes.tolist()} for one in (judged, soft)]
    for name in ("method", "settings", "embedding", "classes"):
        own, other = (one.get(name) for one in told)
        if own != other:
            own, other = (x if isinstance(x, dict) else first_few([x]) for x in (own, other))
            rule = f"of the {name} judged, {own}"
            raise ValueError(complain("soft", rule, what=f"{other}"))
    if soft.is_new.any() and not np.array_equal(judged.labels, soft.labels):
        rule = "the run that was judged, where classes are discovered: names say nothing elsewhere"
        raise ValueError(complain("soft", rule, what="another run"))


def _refuse(new: Any) -> Any:
    raise TypeError(
        "Calibrated labels cannot predict new rows: the calibration holds for the rows of the "
        "pool. Call predict on the result that was not calibrated."
    )


def held_out(
    proba: FloatArray,
    codes: IntArray,
    weight: FloatArray,
    row: IntArray,
    n_classes: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the probability of each row's likeliest class by what the other rows say."""
    part = rng.permutation(row.max() + 1)[row] % _PARTS
    found = np.empty(len(proba))
    for p in np.unique(part):
        mine, rest = part == p, part != p
        how = fit(proba[rest], codes[rest], weight[rest], n_classes)
        found[mine] = likeliest(proba[mine], how)
    return found


def likeliest(proba: FloatArray, how: Calibrator) -> FloatArray:
    """Return the calibrated probability of the class that was likeliest before, (n_rows,)."""
    return np.asarray(how.of(proba)[np.arange(len(proba)), proba.argmax(axis=1)])


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
