"""Which compared pairs match, by a mixture of matches and others that is learnt without labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curalab._check import BoolArray, FloatArray, IntArray

__all__ = ["MatchModel", "fit_matches", "match_probability"]

_LEVELS = 9  # of agreement; the last is equality
_CUTS = np.append(np.linspace(0, 1, _LEVELS)[1:-1], 0.995)
_MIDDLES = np.concatenate([[0.0], (_CUTS[1:] + _CUTS[:-1]) / 2, [1.0]])  # of levels, ends at ends
# What is known before any pair is seen, as so many pairs: a match mostly agrees.
_EXPECTED = 10 * np.concatenate([np.full(_LEVELS - 2, 0.1 / (_LEVELS - 2)), [0.3, 0.6]])
_FLAT = np.full(_LEVELS, 5 / _LEVELS)
_ORDINARY = 20.0  # pairs that do not match, known before any is seen
_STEPS = 100
_CHANGE = 1e-4


class MatchModel(NamedTuple):
    """What an agreement says: log-ratios (n_fields, n_levels), and the log-odds before it."""

    ratio: FloatArray
    odds: float


def fit_matches(similarity: FloatArray, is_seed: BoolArray) -> MatchModel:
    """Learn what matches look like from compared pairs, by expectation and maximisation.

    Each field's similarity falls on one of nine levels, and a missing one says nothing. Given that
    a pair matches (or not), fields are taken as independent.

    Parameters
    ----------
    similarity : ndarray of shape (n_pairs, n_fields)
        0 to 1; NaN is missing.
    is_seed : ndarray of shape (n_pairs,), bool
        Likely matches, from which the search starts. The levels of matches (m) are learnt from
        these alone, each as far as it is a match; those of others (u), and the share of matches,
        from all pairs.
    """
    level = _levels(similarity)
    total = _counts(level, np.ones(len(level))) + _FLAT
    chance: FloatArray = is_seed.astype(np.float64)
    for _ in range(_STEPS):
        m = _counts(level, chance * is_seed) + _EXPECTED
        u = _counts(level, 1 - chance) + _FLAT
        ratio = np.log(m / m.sum(axis=1, keepdims=True) / u * u.sum(axis=1, keepdims=True))
        ratio = _rising(ratio, total)
        n_matches = chance.sum() + 1
        odds = float(np.log(n_matches / (len(chance) + _ORDINARY - chance.sum())))
        told = np.where(level >= 0, np.take_along_axis(ratio.T, level, axis=0), 0).sum(axis=1)
        before, chance = chance, _logistic(odds + told)
        if np.abs(chance - before).max(initial=0) < _CHANGE:
            break
    return MatchModel(ratio, odds)


def match_probability(similarity: FloatArray, model: MatchModel) -> FloatArray:
    """Return the probability that pairs match, shape (n_pairs,); between levels it rises evenly."""
    told = np.full(len(similarity), model.odds)
    for ratio, field in zip(model.ratio, similarity.T, strict=True):
        told += np.where(np.isnan(field), 0, np.interp(np.nan_to_num(field), _MIDDLES, ratio))
    return _logistic(told)


def _levels(similarity: FloatArray) -> IntArray:
    level = np.searchsorted(_CUTS, similarity, side="right")
    return np.where(np.isnan(similarity), -1, level)


def _counts(level: IntArray, weight: FloatArray) -> FloatArray:
    """Return the weight of the pairs on each level of each field, shape (n_fields, n_levels)."""
    counts = [
        np.bincount(field[field >= 0], weight[field >= 0], minlength=_LEVELS) for field in level.T
    ]
    return np.array(counts, dtype=np.float64).reshape(level.shape[1], _LEVELS)


def _rising(ratio: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the nearest ratios that do not fall from level to level: more alike, more likely."""
    from sklearn.isotonic import isotonic_regression

    fields = zip(ratio, weight, strict=True)
    return np.array([isotonic_regression(r, sample_weight=w) for r, w in fields])


def _logistic(odds: FloatArray) -> FloatArray:
    from scipy.special import expit

    return np.asarray(expit(odds), dtype=np.float64)
