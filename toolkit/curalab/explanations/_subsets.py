"""Heads on many subsets of the training rows, and a regression of their margins on the subsets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray, complain, first_few
from curalab.pool import Pool

__all__ = ["Rows", "correlation", "gather", "labelled", "margins_of", "regress"]

_SPARSITY = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002)


class Rows(NamedTuple):
    """What heads are trained on, and the rows whose margins are read."""

    points: FloatArray
    codes: IntArray
    target_points: FloatArray
    target_codes: IntArray
    penalty: float


def labelled(pool: Pool, name: str) -> tuple[Pool, IntArray]:
    """Return the pool and its rows that have a label."""
    if not pool.is_labelled.any():
        hint = "Pass a Pool with labels." if name == "test" else "Pass labels=…."
        raise ValueError(complain(name, "labels of some rows", what="none", hint=hint))
    return pool, np.flatnonzero(pool.is_labelled)


def gather(train: Pool, known: IntArray, targets: Pool, asked: IntArray) -> Rows:
    """Return what to train on and the targets, or say why they do not go together."""
    names = pd.unique(pd.Series(np.asarray(train.labels)[known]))
    if len(names) < 2:
        what = f"one class, {names[0]!r}"
        raise ValueError(complain("labels", "of two classes or more", what=what))
    space, other = train.embedding, targets.embedding
    if (space.shape[1], space.metric) != (other.shape[1], other.metric):
        rule = f"of {space.shape[1]:,} dimensions and metric {space.metric!r}, as the embedding is"
        what = f"{other.shape[1]:,} dimensions, {other.metric!r}"
        raise ValueError(complain("test", rule, what=what))
    classes = pd.Index(names).sort_values()
    true = np.asarray(targets.labels)[asked]
    target_codes = classes.get_indexer(pd.Index(true))
    if (target_codes < 0).any():
        unknown = pd.unique(pd.Series(true[target_codes < 0]))
        raise ValueError(complain("test", "of the classes of the labels", what=first_few(unknown)))
    codes = classes.get_indexer(pd.Index(np.asarray(train.labels)[known]))
    points = space.points[known]
    centre = points.mean(axis=0, dtype=np.float64).astype(np.float32)
    return Rows(
        _with_ones(points - centre),
        codes,
        _with_ones(other.points[asked] - centre),
        target_codes,
        _penalty(points - centre, codes),
    )


def _with_ones(points: FloatArray) -> FloatArray:
    """Append a column of ones, for a bias."""
    return np.asarray(np.c_[points, np.ones(len(points))], dtype=np.float32)


def _one_hot(codes: IntArray) -> FloatArray:
    return np.eye(int(codes.max()) + 1, dtype=np.float32)[codes]


def _penalty(points: FloatArray, codes: IntArray) -> float:
    """Return the ridge penalty, a row's share of it, of the least error on rows left out."""
    one_hot = _one_hot(codes).astype(np.float64)
    one_hot -= one_hot.mean(axis=0)
    u, s, _ = np.linalg.svd(points.astype(np.float64), full_matrices=False)
    mean, along = float((s**2).mean()) or 1.0, u.T @ one_hot
    best, least = mean, np.inf
    for factor in 10.0 ** np.arange(1, -5, -1):
        shrink = s**2 / (s**2 + factor * mean)
        leverage = u**2 @ shrink + 1 / len(u)
        left_out = (one_hot - u @ (shrink[:, None] * along)) / (1 - leverage[:, None] + 1e-9)
        error = float((left_out**2).sum())
        if error < least:
            best, least = factor * mean, error
    return best / len(points)


def margins_of(
    rows: Rows, subsets: BoolArray, *, targets: IntArray | None = None, bar: bool = False
) -> FloatArray:
    """Return each target's margin by a ridge head on each subset, shape (subsets, targets)."""
    from scipy.linalg import cho_factor, cho_solve
    from tqdm.auto import tqdm

    asked = np.arange(len(rows.target_codes)) if targets is None else targets
    points, true = rows.target_points[asked], (np.arange(len(asked)), rows.target_codes[asked])
    one_hot = _one_hot(rows.codes)
    made = np.empty((len(subsets), len(asked)), dtype=np.float32)
    hidden = None if bar else True
    for at, subset in enumerate(tqdm(subsets, desc="datamodels", delay=2, disable=hidden)):
        some = rows.points[subset]
        gram = some.T @ some
        gram.flat[:: len(gram) + 1] += np.float32(rows.penalty * len(some) + 1e-6)
        gram[-1, -1] -= np.float32(rows.penalty * len(some))  # the bias is free
        weight = cho_solve(cho_factor(gram), some.T @ one_hot[subset])
        score = points @ weight
        own = score[true].copy()
        score[true] = -np.inf
        made[at] = own - score.max(axis=1)
    return made


def regress(subsets: BoolArray, margins: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the LASSO's weights, offset and sparsity of each target; NaN where nothing moves."""
    from tqdm.auto import tqdm

    inside, mean = subsets.astype(np.float32), subsets.mean(axis=0, dtype=np.float32)
    inside -= mean
    cut = -(-4 * len(inside) // 5)
    whole, part = (some.T @ some for some in (inside, inside[:cut]))
    middle, spread = margins.mean(axis=0), margins.std(axis=0)
    moves = np.flatnonzero(spread > 1e-6 * np.abs(margins).max(axis=0))
    weights = np.zeros((margins.shape[1], inside.shape[1]), dtype=np.float32)
    sparsity = np.full(margins.shape[1], np.nan)
    for at in tqdm(moves, desc="datamodels", delay=2, disable=None):
        scaled = ((margins[:, at] - middle[at]) / spread[at]).astype(np.float32)
        tried = _lasso(inside[:cut], scaled[:cut], part, _SPARSITY)
        gap = scaled[cut:, None] - inside[cut:] @ tried
        best = int(np.square(gap).mean(axis=0).argmin())
        sparsity[at] = _SPARSITY[best]
        weights[at] = _lasso(inside, scaled, whole, _SPARSITY[: best + 1])[:, -1] * spread[at]
    return weights, middle - weights @ mean, sparsity


def _lasso(
    inside: FloatArray, scaled: FloatArray, gram: FloatArray, sparsity: tuple[float, ...]
) -> FloatArray:
    """Return the weights at each sparsity, shape (n_train, n_sparsity), each from the last on."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import lasso_path

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough: `fit` is measured
        found = lasso_path(
            inside, scaled, alphas=np.array(sparsity) / 2,  # an indicator's spread is 1/2 at most
            precompute=gram, Xy=inside.T @ scaled, max_iter=200, tol=1e-3, check_input=False,
        )  # fmt: skip
    return np.asarray(found[1])


def correlation(guess: FloatArray, true: FloatArray) -> FloatArray:
    """Return the correlation of each column, NaN where the true one never moves."""
    guess, true = (part - part.mean(axis=0) for part in (guess, true))
    length = np.linalg.norm(guess, axis=0) * np.linalg.norm(true, axis=0)
    moves = np.linalg.norm(true, axis=0) > 0
    made = np.full(true.shape[1], np.nan)
    made[moves] = (guess * true).sum(axis=0)[moves] / np.maximum(length[moves], 1e-30)
    return np.asarray(made)
