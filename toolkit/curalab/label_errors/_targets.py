"""Numeric targets: values that are probably wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import (
    BoolArray,
    FloatArray,
    IntArray,
    align,
    are_invented,
    carried_ids,
    check_integer,
    check_seed,
    complain,
    first_few,
)
from curalab.embedding import Embedding
from curalab.pool import as_pool
from curalab.results import StageResult

__all__ = ["TargetErrors", "target_errors"]

_FEWEST = 10
_FOLDS, _ROUNDS = 5, 3
_PENALTIES = 10.0 ** np.arange(-7, 1)  # of the mean square of a feature, times the rows
_SHARES = np.linspace(0, 1, 11)  # of the ridge against the neighbours
_NEAR, _AROUND = 10, 50  # neighbours that predict, and that tell how far targets spread
_SHRINK = 10.0  # neighbours' worth of the spread of all rows that the local one is mixed with
_FAR = 3.0  # spreads beyond which a target is pulled in, and teaches no more than that
_CUT = 3.5
_ROUNDING = 1e-9
_COVER = 0.9
_NORMAL = 1.4826  # a normal variable's standard deviation, over its median absolute deviation


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TargetErrors(StageResult):
    """How far each numeric target can be trusted.

    Attributes
    ----------
    quality : ndarray of shape (n_items,), float
        From 0 (surely wrong) to 1 (as expected): how often a correct target would lie as far from
        what is expected. NaN where a row has no target.
    suggested : ndarray of shape (n_items,), float
        The value expected, from models that did not see the row's own; also without a target.
    low, high : ndarray of shape (n_items,), float
        Where nine targets out of ten lie, given how they spread around the row.
    is_error : ndarray of shape (n_items,), bool
        Targets past the cut that ``details["cut"]`` describes.
    """

    prefix: ClassVar[str] = "target"

    quality: FloatArray
    suggested: FloatArray
    low: FloatArray
    high: FloatArray
    is_error: BoolArray

    @property
    def summary(self) -> str:
        n = int(self.is_error.sum())
        return f"{n:,} target error{'s' * (n != 1)}"

    def worst(self, n: int) -> pd.Index:
        """Return the ids of the `n` least trusted targets, the least trusted first."""
        judged = int(np.isfinite(self.quality).sum())
        n = check_integer("n", n, low=0, high=judged, hint=f"{judged:,} targets were judged.")
        return self.ids[np.argsort(self.quality, kind="stable")[:n]]


def target_errors(embedding: Any, target: Any, *, random_state: int | None = None) -> TargetErrors:
    """Find numeric targets that are probably wrong.

    A value is expected for each row, by a ridge on kernel features that was fitted on other rows,
    and by the nearest neighbours, mixed as predicts best. How far the target may lie from it is
    read off the residuals of the neighbours: where targets scatter, a large residual says little.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    target : array-like of shape (n_items,)
        A number a row; None or NaN is missing, and not judged. At least ten are there.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    TargetErrors
        ``details["residual"]`` and ``details["spread"]`` are the target less the value expected,
        and the standard deviation of it expected there; ``details["model"]`` says which penalty
        and which share of the ridge predicted best, and their mean absolute error.

    Raises
    ------
    ValueError
        Fewer than ten rows have a target, or a target is infinite.

    Notes
    -----
    Ours throughout; [1]_ divides residuals by uncertainties of two kinds as well, estimated by
    fitting a model many times. Wrong targets must not teach: in each of three rounds a target
    further than three spreads from what was expected counts as lying there (as in Huber's
    estimator [2]_); the median of the neighbours is expected first. Quality is the two-sided
    probability of residual over spread by Student's t of 50 degrees of freedom, the neighbours
    asked. The cut is that of [3]_.

    References
    ----------
    .. [1] Zhou, Mueller, Kumar, Wang, Lei (2023), "Detecting Errors in a Numerical Response via
       any Regression Model", arXiv:2305.16583.
    .. [2] Huber (1964), "Robust Estimation of a Location Parameter", Annals of Mathematical
       Statistics 35.
    .. [3] Iglewicz, Hoaglin (1993), "How to Detect and Handle Outliers", ASQC.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.label_errors import target_errors
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = 10 + x[:, 0] + 0.1 * np.random.default_rng(1).normal(size=200)
    >>> y[17] *= 10
    >>> bad = target_errors(cl.Embedding(vectors=x, metric="euclidean"), y, random_state=0)
    >>> bad.worst(1).tolist(), bool(abs(bad.suggested[17] - y[17] / 10) < 0.5)
    ([17], True)
    """
    seed = check_seed(random_state)
    embedding, y = _checked(as_pool(embedding).embedding, target)
    known = np.isfinite(y)
    expected, spread, model = _expected(embedding, y, known, np.random.default_rng(seed))
    t = np.divide(y - expected, spread, out=np.zeros(len(y)), where=(y != expected) & known)
    quality, is_error, reach = _judged(t, known)
    return TargetErrors(
        ids=embedding.ids,
        quality=quality,
        suggested=expected,
        low=expected - reach * spread,
        high=expected + reach * spread,
        is_error=is_error,
        params={
            "verb": "target_errors",
            "random_state": seed,
            "embedding": embedding.fingerprint,
            "ancestors": embedding.params.get("ancestors", []),
        },
        details={
            "residual": y - expected,
            "spread": spread,
            "model": model,
            "cut": {
                "rule": f"residual over spread past {_CUT} robust standard deviations of it",
                "marked": int(is_error.sum()),
            },
        },
    )


def _checked(embedding: Embedding, target: Any) -> tuple[Embedding, FloatArray]:
    own = carried_ids(target)
    if own is not None and are_invented(embedding.ids) and len(own) == len(embedding):
        embedding = embedding._with_ids(own)
    given = align("target", target, embedding.ids)
    try:
        y = np.array(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(complain("target", "numbers", what="other values")) from error
    if y.ndim != 1:
        raise ValueError(complain("target", "one number a row", what=f"shape {y.shape}"))
    if np.isinf(y).any():
        rows = np.flatnonzero(np.isinf(y))
        got = f"infinite values (ids {first_few(embedding.ids[rows])})"
        raise ValueError(complain("target", "finite, or missing", what=got))
    if np.isfinite(y).sum() < _FEWEST:
        got = f"{int(np.isfinite(y).sum())}"
        raise ValueError(complain("target", f"there for at least {_FEWEST} rows", what=got))
    return embedding, y


def _expected(
    embedding: Embedding, y: FloatArray, known: BoolArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, dict[str, Any]]:
    """Return the value expected of each row, its spread, and how they were found."""
    ridge = _Ridge(embedding.points, known, rng)
    k = min(_AROUND, len(y) - 1)
    near = embedding.neighbors(k)
    first = min(_NEAR, k)
    square = near.distance[:, :first] ** (1 if near.metric == "cosine" else 2)
    scale = np.maximum(square[:, -1:], np.finfo(np.float32).tiny)
    weight = np.exp(-square / scale) * known[near.indices[:, :first]]
    expected = _middle(y, near.indices[:, :first], known)
    for _ in range(_ROUNDS):
        spread = _spread(np.abs(y - expected), near.indices, known)
        taught = np.where(known, np.clip(y, expected - _FAR * spread, expected + _FAR * spread), 0)
        every = ridge.predict(taught)
        loss = np.abs(y - every)[:, known].mean(axis=1)
        best = int(loss.argmin())
        told = every[best]
        beside = (weight * taught[near.indices[:, :first]]).sum(axis=1) + 1e-9 * told
        beside = beside / (weight.sum(axis=1) + 1e-9)
        mixed = _SHARES[:, None] * told + (1 - _SHARES)[:, None] * beside
        loss = np.abs(y - mixed)[:, known].mean(axis=1)
        share = int(loss.argmin())
        expected = mixed[share]
    spread = _spread(np.abs(y - expected), near.indices, known)
    least = _ROUNDING * (float(np.abs(y[known]).max()) or 1.0)  # where targets are all the same
    return expected, np.maximum(spread, least), {
        "penalty": float(_PENALTIES[best]),
        "ridge_share": float(_SHARES[share]),
        "mean_absolute_error": float(loss[share]),
    }  # fmt: skip


def _middle(y: FloatArray, near: IntArray, known: BoolArray) -> FloatArray:
    """Return the median target of the neighbours: rough, but no single target can move it far."""
    told = np.where(known[near], y[near], np.nan)
    told[~known[near].any(axis=1)] = np.median(y[known])
    return np.asarray(np.nanmedian(told, axis=1))


class _Ridge:
    """Cross-fitted ridges on kernel features: decomposed once for all targets and penalties."""

    def __init__(self, points: FloatArray, known: BoolArray, rng: np.random.Generator) -> None:
        from scipy.linalg import eigh

        from curalab.heads import folds_of, kernel_features

        made = kernel_features(points, rng=rng).astype(np.float64)
        self._known = known
        self._made = np.column_stack([made, np.ones(len(made))])
        rows = np.flatnonzero(known)
        fold: IntArray = np.full(len(known), -1)
        fold[rows] = folds_of(np.zeros(len(rows), dtype=int), _FOLDS, rng=rng)
        self._fold = fold
        parts = [self._made[fold == i] for i in range(_FOLDS)]
        grams = [part.T @ part for part in parts]
        total = np.sum(grams, axis=0)
        self._scale = float(np.trace(total)) / len(total)
        self._root = [eigh(total - gram) for gram in grams]

    def predict(self, y: FloatArray) -> FloatArray:
        """Return what is expected of each row for each penalty, (n_penalties, n_items)."""
        told = np.zeros((len(_PENALTIES), len(y)))
        middle = float(np.median(y[self._known]))
        for i, (value, vector) in enumerate(self._root):
            train = self._known & (self._fold != i)
            aim = vector.T @ (self._made[train].T @ (y[train] - middle))
            damped = np.maximum(value, 0) + self._scale * _PENALTIES[:, None]
            weights = (aim / damped) @ vector.T
            left, never = self._fold == i, self._fold < 0
            told[:, left] = weights @ self._made[left].T
            told[:, never] += weights @ self._made[never].T / _FOLDS
        return told + middle


def _spread(off: FloatArray, near: IntArray, known: BoolArray) -> FloatArray:
    """Return the standard deviation expected around each row, from the residuals of those near."""
    of = np.where(known, off, 0.0)
    n = known[near].sum(axis=1)
    usual = float(np.median(off[known]))
    # Pulled in at what is usual nearby: a wrong target must not make room for others.
    beside = np.sort(np.where(known[near], of[near], np.inf), axis=1)
    half = np.take_along_axis(beside, (np.maximum(n, 1) // 2)[:, None], axis=1)[:, 0]
    half = np.where(n > 1, half, usual)
    most = _FAR * _NORMAL * np.maximum(half, usual / 10)
    total = np.minimum(np.where(np.isinf(beside), 0, beside), most[:, None]).sum(axis=1)
    every = np.minimum(off[known], _FAR * _NORMAL * usual).mean()
    mean = (total + _SHRINK * every) / (n + _SHRINK)
    return np.asarray(np.sqrt(np.pi / 2) * mean)  # of a normal variable, over its mean absolute


def _judged(t: FloatArray, known: BoolArray) -> tuple[FloatArray, BoolArray, float]:
    """Return quality, what is past the cut, and the spreads that nine of ten targets lie within."""
    from scipy.stats import t as student

    quality = np.where(known, 2 * student.sf(np.abs(t), _AROUND), np.nan)
    off = np.abs(t[known])
    cut = _CUT * max(_NORMAL * float(np.median(off)), 1.0)
    return quality, known & (np.abs(t) > cut), float(np.quantile(off, _COVER))
