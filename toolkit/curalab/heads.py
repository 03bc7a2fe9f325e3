"""Small heads on frozen vectors: probabilities for rows that the head did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from curalab._check import FloatArray, IntArray

if TYPE_CHECKING:
    import torch

    from curalab.pool import Pool

__all__ = ["Head", "fit_head", "out_of_fold_proba", "with_proba"]

PENALTIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
_STEPS = 60
_SMALL = 5_000  # rows up to which several deals are affordable, and worth it
_DEALS = 3
_LANDMARKS = 512
_CURVATURE_ROWS = 4_096


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
        gap = points - self.centre
        logits = gap @ (self.weight / self.scale).astype(gap.dtype) + self.bias
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
    bend = 1 / max(n_classes, 2) * (1 - 1 / max(n_classes, 2))
    factor = _curvature(x, w, bend, penalty)
    begin = torch.zeros((points.shape[1] + 1, n_classes), device=device)
    if start is not None:
        begin[:-1] = factor.T @ _float(start.weight, device)
        begin[-1] = _float(start.bias, device) * bend**0.5
    theta = begin.requires_grad_()
    search = torch.optim.LBFGS(
        [theta], max_iter=_STEPS, history_size=10, tolerance_change=1e-5,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def head() -> tuple[torch.Tensor, torch.Tensor]:
        weight = torch.linalg.solve_triangular(factor.T, theta[:-1], upper=True)
        return weight, theta[-1] / bend**0.5

    def loss() -> torch.Tensor:
        search.zero_grad()
        weight, bias = head()
        each = torch.nn.functional.cross_entropy(torch.addmm(bias, x, weight), y, reduction="none")
        value = w @ each + penalty / 2 * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(loss)  # type: ignore[no-untyped-call, arg-type, unused-ignore]
    weight, bias = (part.detach().cpu().numpy().astype(np.float64) for part in head())
    return Head(weight=weight, bias=bias, centre=centre, scale=scale)


def _curvature(x: torch.Tensor, w: torch.Tensor, bend: float, penalty: float) -> torch.Tensor:
    """Return the Cholesky factor of the loss's rough second derivative, shape (d, d).

    In the coordinates that it sets, all directions bend alike, and the search takes a third of
    the steps. `bend` is p(1 - p) of classes of one size.
    """
    import torch

    step = -(-len(x) // _CURVATURE_ROWS)
    some = x[::step] * (w[::step] / w[::step].sum().clamp_min(1e-12)).sqrt().unsqueeze(1)
    gram = bend * (some.T @ some)
    gram.diagonal().add_(max(penalty, 1e-6))
    factor: torch.Tensor = torch.linalg.cholesky(gram)
    return factor


def _float(array: FloatArray, device: str) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.asarray(array, dtype=np.float32)).to(device)


def kernel_features(points: FloatArray, *, rng: np.random.Generator) -> FloatArray:
    """Return features whose inner products are close to a Gaussian kernel of the points.

    The Nyström approximation on at most 512 rows drawn as landmarks: a linear head on it can
    bend, and costs the same whatever the dimension. The kernel is exp(-r²/2m), with m the median
    of the squared distances r² to the landmarks.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Vectors.
    rng : numpy.random.Generator
        Draws the landmarks.

    Returns
    -------
    ndarray of shape (n, at most 512), float32

    References
    ----------
    .. [1] Williams, Seeger (2001), "Using the Nyström Method to Speed Up Kernel Machines", NIPS.
    """
    from scipy.linalg import eigh

    chosen = np.sort(rng.permutation(len(points))[:_LANDMARKS])
    landmarks = np.asarray(points[chosen], dtype=np.float32)
    gap = _square_gap(landmarks, landmarks)
    wide = 2 * float(np.median(gap[~np.eye(len(gap), dtype=bool)])) if len(gap) > 1 else 1.0
    value, vector = eigh(np.exp(-gap / (wide or 1.0)).astype(np.float64))
    keep = value > 1e-6 * value[-1]
    root = (vector[:, keep] / np.sqrt(value[keep])).astype(np.float32)
    made = np.empty((len(points), int(keep.sum())), dtype=np.float32)
    for at in range(0, len(points), _CURVATURE_ROWS):
        block = np.asarray(points[at : at + _CURVATURE_ROWS], dtype=np.float32)
        made[at : at + len(block)] = np.exp(-_square_gap(block, landmarks) / (wide or 1.0)) @ root
    return made


def _square_gap(a: FloatArray, b: FloatArray) -> FloatArray:
    middle = b.mean(axis=0)
    a, b = a - middle, b - middle
    square = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * (a @ b.T)
    return np.asarray(np.maximum(square, 0))


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

    Linear heads on `kernel_features`. The penalty is the one of `PENALTIES` with the least mean
    loss on the rows left out. Up to 5,000 labelled rows the mean over three deals into folds is
    taken: it is steadier than one.

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
        Draws landmarks and deals the rows into folds.

    Returns
    -------
    proba : ndarray of shape (n, n_classes), float64
        Rows sum to 1.
    record : dict
        Folds, deals, penalty and mean loss of the rows left out.
    """
    labelled = np.flatnonzero(codes >= 0)
    n_folds = max(2, min(n_folds, len(labelled)))
    if len(labelled) < 2 or len(np.unique(codes[labelled])) < 2:
        only = np.zeros((len(codes), n_classes))
        only[:, codes[labelled[0]]] = 1.0
        return only, {"folds": 0, "deals": 0, "penalty": None, "loss": 0.0}
    features = kernel_features(points, rng=rng)
    n_deals = _DEALS if len(labelled) <= _SMALL else 1
    folds = []
    for _ in range(n_deals):
        fold = np.full(len(codes), -1)
        fold[labelled] = folds_of(codes[labelled], n_folds, rng=rng)
        folds.append(fold)
    penalty, proba = _best_penalty(features, codes, n_classes, folds[0])
    for fold in folds[1:]:
        proba = proba + _cross_fitted(features, codes, n_classes, fold, penalty, {})
    proba = proba / n_deals
    loss = round(_mean_loss(proba, codes), 6)
    return proba, {"folds": n_folds, "deals": n_deals, "penalty": penalty, "loss": loss}


def _best_penalty(
    points: FloatArray, codes: IntArray, n_classes: int, fold: IntArray
) -> tuple[float, FloatArray]:
    """Follow the penalties from the largest down while the loss falls; each start is the last."""
    heads: dict[int, Head] = {}
    best: tuple[float, float, FloatArray] | None = None
    for penalty in PENALTIES:
        proba = _cross_fitted(points, codes, n_classes, fold, penalty, heads)
        loss = _mean_loss(proba, codes)
        if best is not None and loss > best[0]:
            break
        best = loss, penalty, proba
    _, penalty, proba = best  # type: ignore[misc]  # PENALTIES is not empty
    return penalty, proba


def _cross_fitted(
    points: FloatArray,
    codes: IntArray,
    n_classes: int,
    fold: IntArray,
    penalty: float,
    heads: dict[int, Head],
) -> FloatArray:
    """Return each row's probabilities by the head of the other folds; `heads` is brought up."""
    n_folds = int(fold.max()) + 1
    proba = np.zeros((len(codes), n_classes))
    for i in range(n_folds):
        train, left = (fold >= 0) & (fold != i), fold == i
        heads[i] = head = fit_head(
            points[train], codes[train], n_classes, penalty=penalty, start=heads.get(i)
        )
        proba[left] = head.predict_proba(points[left])
        if (fold < 0).any():
            proba[fold < 0] += head.predict_proba(points[fold < 0]) / n_folds
    return proba


def _mean_loss(proba: FloatArray, codes: IntArray) -> float:
    rows = np.flatnonzero(codes >= 0)
    return float(-np.log(np.clip(proba[rows, codes[rows]], 1e-12, 1)).mean())


def with_proba(pool: Pool, seed: int) -> tuple[Pool, dict[str, Any]]:
    """Return the pool with out-of-fold probabilities of its own labels, and their record."""
    n_classes = 0 if pool.classes is None else len(pool.classes)
    proba, record = out_of_fold_proba(
        pool.embedding.points, pool.codes, n_classes, rng=np.random.default_rng(seed)
    )
    return pool.replace(proba=proba), record
