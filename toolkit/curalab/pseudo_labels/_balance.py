"""How large the classes are: asked of the data where nobody says."""

from __future__ import annotations

import numpy as np

from curalab._check import FloatArray, IntArray

__all__ = ["agreement", "balance_of", "calmed", "rows_to_one", "sinkhorn", "sized"]

_STEPS = 50
_ENOUGH = 1e-3  # of the largest factor: a step that says no more
_TINY = 1e-12
_CUT, _WHOLE = 0.95, 0.985  # of the agreement that is left where classes are balanced: none, all
_DAMPING = 0.8
_ROUNDS = 10


def rows_to_one(proba: FloatArray) -> FloatArray:
    """Return rows that sum to 1."""
    return np.asarray(proba / np.maximum(proba.sum(axis=1, keepdims=True), 1e-300))


def sinkhorn(
    proba: FloatArray, share: FloatArray, *, strength: float = 1.0, start: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Scale the columns so that the classes get their shares of all rows, and rows sum to 1.

    Returns the probabilities and the factor of each column. A `strength` below 1 lets the data
    pull the sizes away from the shares; 0 changes nothing. `start` is a guess at the factors.
    """
    factor = np.ones(proba.shape[1]) if start is None or not strength else start
    for _ in range(_STEPS if strength else 0):
        # The mass of the columns of rows_to_one(proba * factor), without making these.
        mass = factor * ((1 / np.maximum(proba @ factor, 1e-300)) @ proba) / len(proba)
        better = (factor * share / np.maximum(mass, _TINY)) ** strength
        better /= better.mean()
        if np.abs(better - factor).max() < _ENOUGH * factor.max():
            break
        factor = better
    return rows_to_one(proba * factor), factor


def agreement(proba: FloatArray, near: IntArray) -> float:
    """Return the share of the graph's edges whose two rows are of one class."""
    best = proba.argmax(axis=1)
    return float((best[near] == best[:, None]).mean())


def balance_of(proba: FloatArray, share: FloatArray, near: IntArray) -> float:
    """Return how far the classes may be held to their shares, from 0 to 1.

    Classes that do not have these sizes cannot be given them without cutting through groups of
    rows: neighbours then agree less than before.
    """
    before = agreement(proba, near)
    after = agreement(sinkhorn(proba, share)[0], near)
    return float(np.clip((after / max(before, _TINY) - _CUT) / (_WHOLE - _CUT), 0, 1))


def sized(
    witness: FloatArray, heard: FloatArray, share: FloatArray, *, balance: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Join two witnesses, the second one held to class sizes that both together suggest.

    The sizes are found by expectation maximisation, damped toward equal ones: wholly where
    `balance` is 1. Returns the probabilities and the factor of each column that they hold.
    """
    sizes, joined = share, heard
    factor: FloatArray = np.ones(len(share))
    for _ in range(_ROUNDS):
        held, factor = sinkhorn(heard, sizes, start=factor)
        joined = rows_to_one(witness * held)
        sizes = joined.mean(axis=0) ** (_DAMPING * (1 - balance)) * share**balance
        sizes /= sizes.sum()
    return joined, factor


def calmed(proba: FloatArray, before: FloatArray) -> float:
    """Return the exponent that takes the mean confidence of `proba` halfway back to `before`'s."""
    from scipy.optimize import brentq

    had, has = (float(p.max(axis=1).mean()) for p in (before, proba))
    if has <= had:
        return 1.0

    def beyond(exponent: float) -> float:
        return float(rows_to_one(proba**exponent).max(axis=1).mean()) - (had + has) / 2

    least = 0.05
    return float(brentq(beyond, least, 1.0, xtol=0.01)) if beyond(least) < 0 else least
