"""The generative model of weak labels, by expectation maximisation."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, first_few

__all__ = ["Heard", "copies_of", "fit_votes", "heard_from", "shared"]

_log = logging.getLogger(__name__)

_EXPECTED, _WORTH = 0.8, 10.0  # of a rule nobody checked: its accuracy, and in votes how sure
_ALIKE = 0.9  # share of the votes of two rules that are the same, from which they are copies
_STEPS, _STILL = 200, 1e-4


def copies_of(codes: IntArray, names: pd.Index) -> IntArray:
    """Return for each rule how many say the same, itself included, (n_rules,)."""
    from scipy.sparse.csgraph import connected_components

    voted = codes >= 0
    alike = np.eye(codes.shape[1], dtype=bool)
    for j in range(codes.shape[1]):
        same = (voted[:, [j]] & (codes == codes[:, [j]])).sum(axis=0)
        either = (voted | voted[:, [j]]).sum(axis=0)
        alike[j] |= (same >= _ALIKE * either) & (same > 0)
    _, group = connected_components(alike)
    for number in np.flatnonzero(np.bincount(group) > 1):
        told = first_few(names[group == number])
        _log.warning("the rules %s say the same and count as one", told)
    return np.asarray(alike.sum(axis=1))


class Heard(NamedTuple):
    said: Any  # sparse (n_rules · n_classes, n_items): whether rule j named class v for the row
    given: IntArray  # the given label of each row, -1 without
    worth: FloatArray  # how many votes the accuracy expected of each rule weighs, (n_rules,)
    weight: FloatArray  # of a rule's votes: a part of one where it has copies


def heard_from(codes: IntArray, given: IntArray, n_classes: int, copies: IntArray) -> Heard:
    from scipy.sparse import csr_array

    n_rules = codes.shape[1]
    row, rule = np.nonzero(codes >= 0)
    place = rule * n_classes + codes[row, rule]
    shape = (n_rules * n_classes, len(codes))
    said = csr_array((np.ones(len(row)), (place, row)), shape=shape)
    by_class = np.bincount(place, minlength=shape[0]).reshape(n_rules, n_classes)
    n_votes = by_class.sum(axis=1)
    most = by_class.max(axis=1) / np.maximum(n_votes, 1)
    one_sided = (most - 1 / n_classes).clip(0) / (1 - 1 / n_classes)
    return Heard(said, given, _WORTH + n_votes * one_sided**2, 1 / copies)


def fit_votes(heard: Heard, n_classes: int, *, confusion: bool) -> tuple[FloatArray, FloatArray]:
    """Return the accuracy of each rule, and what its votes say: log chances of `shared`."""
    n_rules = len(heard.worth)
    equal = np.full((len(heard.given), n_classes), 1 / n_classes)
    others = (1 - np.eye(n_classes)) / max(n_classes - 1, 1)
    tally = heard.said.T @ np.tile(np.eye(n_classes), (n_rules, 1))  # the majority vote, to begin
    proba = (tally + equal) / (tally.sum(axis=1, keepdims=True) + 1)
    known = np.flatnonzero(heard.given >= 0)
    proba[known] = np.eye(n_classes)[heard.given[known]]
    for _ in range(_STEPS):
        counts = (heard.said @ proba).reshape(n_rules, n_classes, n_classes)  # rule, vote, truth
        right = np.einsum("rcc->r", counts)
        n_votes = counts.sum(axis=(1, 2))
        accuracy = (right + _EXPECTED * heard.worth) / (n_votes + heard.worth)
        told, worth = accuracy[:, None, None], heard.worth[:, None, None]
        chance = np.where(np.eye(n_classes) > 0, told, (1 - told) * others)
        if confusion:
            chance = (counts + worth * chance) / (counts.sum(axis=1, keepdims=True) + worth)
        log = (heard.weight[:, None, None] * np.log(chance)).reshape(-1, n_classes)
        new = shared(heard, log, equal)
        moved, proba = float(np.abs(new - proba).max()), new
        if moved < _STILL:
            break
    return accuracy, log


def shared(heard: Heard, log: FloatArray, share: FloatArray) -> FloatArray:
    """Return the probability of each class, from the votes and each row's share of the classes."""
    both = np.log(share) + heard.said.T @ log
    proba = np.exp(both - both.max(axis=1, keepdims=True))
    proba /= proba.sum(axis=1, keepdims=True)
    known = np.flatnonzero(heard.given >= 0)
    proba[known] = np.eye(share.shape[1])[heard.given[known]]
    return np.asarray(proba)
