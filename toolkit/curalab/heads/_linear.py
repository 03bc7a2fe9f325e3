"""A linear head on frozen vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curalab._check import FloatArray, IntArray

if TYPE_CHECKING:
    import torch

__all__ = ["Head", "fit_head"]

_ROUNDING = 1e-6
_STEPS = 60
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
        proba = gap @ (self.weight / self.scale).astype(gap.dtype) + self.bias
        proba -= proba.max(axis=1, keepdims=True)
        np.exp(proba, out=proba)
        proba /= proba.sum(axis=1, keepdims=True)
        return np.asarray(proba)


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
    gap = points - centre
    squares = np.einsum("nd,nd->n", gap, gap, dtype=np.float64)  # float32 overflows from 1e18 on
    scale = float(np.sqrt(share @ squares / points.shape[1]))
    if scale <= _ROUNDING * float(np.abs(centre).max()):  # copies: nothing to tell apart by
        scale = 1.0
    device = "cuda" if torch.cuda.is_available() else "cpu"
    gap /= scale
    x = torch.from_numpy(gap).to(device)
    y = torch.from_numpy(np.array(codes, dtype=np.int64)).to(device)  # torch warns of views
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
