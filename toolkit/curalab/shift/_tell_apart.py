"""How well rows tell their group when they are held out, and how well by chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, FloatArray, IntArray, complain
from curalab._points import centred_rows

__all__ = ["is_settled", "permutation_p", "refuse_few_rows", "tell_apart"]

_AT_ONCE = 128  # columns of memberships fitted in one product
_SMALL = 5_000  # rows from which single precision does: no two shuffles are alike
_LEAST = 4
_ENOUGH = 20
_ROUNDING = 1e-9  # a shuffle may bring back the same groups


def tell_apart(
    points: FloatArray,
    codes: IntArray,
    names: AnyArray,
    *,
    penalty: float,
    n_permutations: int,
    rng: np.random.Generator,
) -> tuple[float, FloatArray, dict[str, Any]]:
    """Predict each row's group from all other rows, and again with the groups shuffled.

    By ridge regression on membership in each group. Its prediction of a row from the others has a
    closed form, linear in the memberships, so that every shuffle is fitted and held out anew in
    one product: the p-value is exact where rows are exchangeable, for any number of them.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Vectors.
    codes : ndarray of shape (n,), int
        Group of each row.
    names : ndarray of shape (n_groups,)
        What the codes stand for.
    penalty : float
        Of the ridge, in units of the mean variance along the principal axes.
    n_permutations : int
        Shuffles.
    rng : numpy.random.Generator
        Shuffles.

    Returns
    -------
    p_value : float
        Of the group told apart best, by the correlation of prediction and membership.
    score : ndarray of shape (n,)
        Held-out prediction of the row's own group, less that group's share of all rows.
    details : dict
        `groups`: a row for each group with `group`, `n`, `auc` (held out, against all others; 0.5
        is chance) and `p_value` (allowing for the number of groups), told apart best first.
    """
    basis = _basis(points, penalty)
    member = np.equal.outer(codes, np.arange(len(names))).astype(basis.dtype)
    held_out = _held_out(basis, member)
    strength = _correlation(held_out, member)
    by_chance = _best_by_chance(
        basis, member, seen=strength.max(), n_permutations=n_permutations, rng=rng
    )
    table = pd.DataFrame(
        {
            "group": names,
            "n": member.sum(axis=0).astype(np.int64),
            "auc": _auc(held_out, member),
            "p_value": [permutation_p(value, by_chance) for value in strength],
        }
    )
    best_first = np.lexsort((-strength, table["p_value"]))
    details = {"groups": table.iloc[best_first].reset_index(drop=True)}
    score = held_out[np.arange(len(codes)), codes]
    return permutation_p(strength.max(), by_chance), score, details


def permutation_p(value: float, by_chance: FloatArray) -> float:
    """Return the share of the shuffles, and of what was seen, that reach `value`."""
    return float((1 + (by_chance >= value - _ROUNDING).sum()) / (1 + len(by_chance)))


def is_settled(value: float, by_chance: FloatArray) -> bool:
    """Whether more shuffles are idle: after 20 that reach `value`, p will not be below 0.1.

    Stopping there leaves p-values below 20 / (number of shuffles + 1) exactly as they are
    (Besag and Clifford 1991, "Sequential Monte Carlo p-values", Biometrika 78).
    """
    return bool((by_chance >= value - _ROUNDING).sum() >= _ENOUGH)


def refuse_few_rows(n: int) -> None:
    """Raise where there are too few rows for any test."""
    if n < _LEAST:
        rule = f"of at least {_LEAST} rows, to test for a shift"
        raise ValueError(complain("embedding", rule, what=f"{n} row{'s' * (n != 1)}"))


def _basis(points: FloatArray, penalty: float) -> FloatArray:
    """Return W with ``W @ W.T`` the matrix that turns memberships into ridge predictions."""
    precision = np.float64 if len(points) <= _SMALL else np.float32
    x = centred_rows(points, points.mean(axis=0, dtype=np.float64), precision)
    is_tall = x.shape[0] >= x.shape[1]
    variance, axes = np.linalg.eigh(x.T @ x if is_tall else x @ x.T)
    there = variance > max(variance[-1], 0) * np.finfo(precision).eps
    variance, axes = variance[there], axes[:, there]
    ridge = penalty * variance.sum() / max(len(variance), 1)
    if is_tall:
        return np.asarray(x @ (axes / np.sqrt(variance + ridge)))
    return np.asarray(axes * np.sqrt(variance / (variance + ridge)))


def _held_out(basis: FloatArray, member: FloatArray) -> FloatArray:
    """Return the prediction of each membership by the other rows, less the mean membership."""
    centred = member - member.mean(axis=0)
    own = np.einsum("ij,ij->i", basis, basis)[:, None]  # the leverage of each row
    return np.asarray((basis @ (basis.T @ centred) - own * centred) / (1 - own))


def _correlation(predicted: FloatArray, member: FloatArray) -> FloatArray:
    n, a, b = len(member), predicted.mean(axis=0), member.mean(axis=0)
    together = np.einsum("ij,ij->j", predicted, member) - n * a * b
    spread = np.einsum("ij,ij->j", predicted, predicted) - n * a**2
    return np.asarray(together / np.sqrt(np.maximum(spread * n * b * (1 - b), 1e-30)))


def _best_by_chance(
    basis: FloatArray,
    member: FloatArray,
    *,
    seen: float,
    n_permutations: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the correlation of the group told apart best in each shuffle."""
    from tqdm.auto import tqdm

    columns = member if member.shape[1] > 2 else member[:, :1]  # of two groups, one says it all
    per_group = columns.shape[1]
    step = max(1, _AT_ONCE // per_group)
    best = np.empty(0)
    for start in tqdm(range(0, n_permutations, step), "permutations", delay=2, disable=None):
        times = min(step, n_permutations - start)
        shuffled = np.hstack([columns[rng.permutation(len(columns))] for _ in range(times)])
        found = _correlation(_held_out(basis, shuffled), shuffled)
        best = np.append(best, found.reshape(times, per_group).max(axis=1))
        if is_settled(seen, best):
            break
    return best


def _auc(predicted: FloatArray, member: FloatArray) -> FloatArray:
    """Return the chance that a member gets a higher prediction than another row."""
    from scipy.stats import rankdata

    inside = member.sum(axis=0)
    above = (rankdata(predicted, axis=0) * member).sum(axis=0) - inside * (inside + 1) / 2
    return np.asarray(above / (inside * (len(member) - inside)))
