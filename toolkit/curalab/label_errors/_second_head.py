"""A second head for few rows, that knows its rows one by one, and how much it counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curalab._check import BoolArray, FloatArray, IntArray

__all__ = ["left_out_ridge", "weights_of"]

_PENALTIES = (0.3, 0.1, 0.03)
_SHARPNESS = (2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25)
_LEAST = 1e-3
_FLOOR = 1e-9
_FEW = 4_000  # rows that weights are fitted on


def left_out_ridge(
    features: FloatArray, codes: IntArray, trust: FloatArray, chance: FloatArray
) -> FloatArray:
    """Return log probabilities of each class by ridge regression, each row left out in turn.

    A row's prediction without it follows from that with it, so one fit does (Allen's PRESS). The
    penalty, and the sharpness that makes probabilities of scores, are those under which the labels
    given are likeliest.

    Parameters
    ----------
    features : ndarray of shape (n, m)
    codes : ndarray of shape (n,), int
        The labels given.
    trust : ndarray of shape (n,)
        Weight of each row, from 0 to 1; 0 where there is no label.
    chance : ndarray of shape (n_classes, n_classes)
        Chance that a row of class i is labelled j.

    Returns
    -------
    ndarray of shape (n, n_classes)
    """
    weight = ((trust + _LEAST * (trust > 0)) / trust.sum()).astype(np.float32)
    weight /= weight.sum()
    x = features - weight @ features
    x /= np.sqrt((weight @ np.square(x)).mean()) or 1
    target = np.eye(len(chance), dtype=np.float32)[codes]
    mean = weight @ target
    size, axes = np.linalg.eigh((x * weight[:, None]).T @ x)
    x = x @ axes
    toward, square = x.T @ (weight[:, None] * (target - mean)), np.square(x)
    likely, best = chance[:, codes].T, (-np.inf, target)
    for penalty in _PENALTIES:
        shrunk = 1 / (np.maximum(size, 0) + penalty)
        own = (weight * (square @ shrunk + 1))[:, None]
        score = x @ (toward * shrunk[:, None]) + mean
        score = (score - own * target) / np.maximum(1 - own, _LEAST)
        for sharpness in _SHARPNESS:
            told = _log_softmax(sharpness * score)
            fit = _log_likelihood(told, likely, trust > 0)
            best = max(best, (fit, told), key=lambda found: found[0])
    return best[1]


def weights_of(views: Sequence[FloatArray], codes: IntArray, chance: FloatArray) -> FloatArray:
    """Return the weights of a logarithmic pool under which the labels given are likeliest.

    Parameters
    ----------
    views : sequence of ndarray of shape (n, n_classes)
        Logarithms of probabilities, up to a summand for each row.
    codes : ndarray of shape (n,), int
        The labels given.
    chance : ndarray of shape (n_classes, n_classes)
        Chance that a row of class i is labelled j.

    Returns
    -------
    ndarray of shape (n_views,), at least 0
    """
    from scipy.optimize import minimize

    step = -(-len(codes) // _FEW)
    said = np.stack([view[::step] for view in views])
    likely = chance[:, codes[::step]].T

    def loss(weight: FloatArray) -> tuple[float, FloatArray]:
        proba = np.exp(_log_softmax(np.tensordot(weight, said, 1)))
        joint = proba * likely
        total = np.maximum(joint.sum(axis=1, keepdims=True), _FLOOR)
        slope = -np.einsum("nk,vnk->v", joint / total - proba, said) / len(total)
        return -float(np.log(total).mean()), slope

    start = np.full(len(views), 1 / len(views))
    found = minimize(loss, start, jac=True, bounds=[(0, None)] * len(views), method="L-BFGS-B")
    return np.asarray(found.x)


def _log_softmax(score: FloatArray) -> FloatArray:
    score = score - score.max(axis=1, keepdims=True)
    return np.asarray(score - np.log(np.exp(score).sum(axis=1, keepdims=True)))


def _log_likelihood(told: FloatArray, likely: FloatArray, judged: BoolArray) -> float:
    total = (np.exp(told) * likely).sum(axis=1)[judged]
    return float(np.log(np.maximum(total, _FLOOR)).mean())
