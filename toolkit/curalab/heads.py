"""Small linear heads on frozen vectors: probabilities for rows that the head did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from curalab._check import FloatArray, IntArray

if TYPE_CHECKING:
    from curalab.pool import Pool

__all__ = ["Head", "fit_head", "out_of_fold_proba", "with_proba"]

PENALTIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
_STEPS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """Multinomial logistic regression on centred vectors of unit mean variance.

    Attributes
    ----------
    weight : ndarray of shape (d, n_classes)
        Applied to ``(points - centre) / scale``.
    bias : ndarray of shape (n_classes,)
    centre : ndarray of shape (d,)
    scale : float
    """

    weight: FloatArray
    bias: FloatArray
    centre: FloatArray
    scale: float

    def predict_proba(self, points: FloatArray) -> FloatArray:
        """Return the probability of each class, shape (n, n_classes)."""
        logits = (points - self.centre) / self.scale @ self.weight + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        proba = np.exp(logits)
        return np.asarray(proba / proba.sum(axis=1, keepdims=True))


def fit_head(
    points: FloatArray,
    codes: IntArray,
    n_classes: int,
    *,
    penalty: float = 0.03,
    sample_weight: FloatArray | None = None,
    start: Head | None = None,
) -> Head:
    """Fit a linear head by full-batch L-BFGS; there is nothing random in it.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Vectors of the training rows.
    codes : ndarray of shape (n,), int
        Classes as numbers from 0.
    n_classes : int
        Columns of the answer; a class without rows gets a small probability.
    penalty : float, default=0.03
        Weight of the squared norm beside the mean loss.
    sample_weight : ndarray of shape (n,), default=None
        Weight of each row. None weighs all alike.
    start : Head, default=None
        Where to begin; changes the way, not the end.

    Returns
    -------
    Head
    """
    import torch

    points = np.asarray(points, dtype=np.float32)
    share = np.ones(len(points)) if sample_weight is None else np.asarray(sample_weight, float)
    share = share / share.sum()
    centre = share.astype(np.float32) @ points
    scale = float(np.sqrt(share @ np.square(points - centre).mean(axis=1))) or 1.0
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.from_numpy((points - centre) / scale).to(device)
    y = torch.from_numpy(np.asarray(codes, dtype=np.int64)).to(device)
    w = torch.from_numpy(share.astype(np.float32)).to(device)
    begin = np.zeros((points.shape[1] + 1, n_classes), dtype=np.float32)
    if start is not None:
        begin = np.vstack([start.weight, start.bias]).astype(np.float32)
    theta = torch.from_numpy(begin).to(device).requires_grad_()
    search = torch.optim.LBFGS([theta], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        search.zero_grad()
        logits = torch.addmm(theta[-1], x, theta[:-1])
        each = torch.nn.functional.cross_entropy(logits, y, reduction="none")
        value = w @ each + penalty / 2 * theta[:-1].square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(loss)  # type: ignore[no-untyped-call, arg-type, unused-ignore]
    fitted = theta.detach().cpu().numpy().astype(np.float64)
    return Head(weight=fitted[:-1], bias=fitted[-1], centre=centre, scale=scale)


def folds_of(codes: IntArray, n_folds: int, *, rng: np.random.Generator) -> IntArray:
    """Deal rows into folds, class by class, so that each fold has its share of each class."""
    shuffled = rng.permutation(len(codes))
    in_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    fold = np.empty(len(codes), dtype=np.int64)
    fold[in_class] = np.arange(len(codes)) % n_folds
    return fold


def out_of_fold_proba(
    points: FloatArray,
    codes: IntArray,
    n_classes: int,
    *,
    n_folds: int = 5,
    rng: np.random.Generator,
) -> tuple[FloatArray, dict[str, Any]]:
    """Return class probabilities from heads that did not train on the row.

    The penalty is the one of `PENALTIES` with the least mean loss on the rows left out.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Vectors of all rows.
    codes : ndarray of shape (n,), int
        Class numbers, -1 where a row has no label: such rows get the mean over the heads.
    n_classes : int
        Columns of the answer.
    n_folds : int, default=5
        Parts; fewer where there are fewer labelled rows.
    rng : numpy.random.Generator
        Deals the rows into folds.

    Returns
    -------
    proba : ndarray of shape (n, n_classes), float64
        Rows sum to 1.
    record : dict
        Folds, penalty and mean loss.
    """
    labelled = np.flatnonzero(codes >= 0)
    n_folds = max(2, min(n_folds, len(labelled)))
    if len(labelled) < 2 or len(np.unique(codes[labelled])) < 2:
        only = np.zeros((len(codes), n_classes))
        only[:, codes[labelled[0]]] = 1.0
        return only, {"folds": 0, "penalty": None, "loss": 0.0}
    fold = np.full(len(codes), -1)
    fold[labelled] = folds_of(codes[labelled], n_folds, rng=rng)
    heads: list[Head | None] = [None] * n_folds
    best: tuple[float, float, FloatArray] | None = None
    for penalty in PENALTIES:
        proba = np.zeros((len(codes), n_classes))
        for i in range(n_folds):
            train = (fold >= 0) & (fold != i)
            heads[i] = head = fit_head(
                points[train], codes[train], n_classes, penalty=penalty, start=heads[i]
            )
            proba[fold == i] = head.predict_proba(points[fold == i])
            proba[fold < 0] += head.predict_proba(points[fold < 0]) / n_folds
        loss = float(-np.log(np.clip(proba[labelled, codes[labelled]], 1e-12, 1)).mean())
        if best is not None and loss > best[0]:
            break
        best = loss, penalty, proba
    loss, penalty, proba = best  # type: ignore[misc]  # PENALTIES is not empty
    return proba, {"folds": n_folds, "penalty": penalty, "loss": round(loss, 6)}


def with_proba(pool: Pool, seed: int) -> tuple[Pool, dict[str, Any]]:
    """Return the pool with out-of-fold probabilities of its own labels, and their record."""
    n_classes = 0 if pool.classes is None else len(pool.classes)
    proba, record = out_of_fold_proba(
        pool.embedding.points, pool.codes, n_classes, rng=np.random.default_rng(seed)
    )
    return pool.replace(proba=proba), record
