"""The three parts of UMAP: a graph of strengths, a start, and steps that pull and push."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from curalab.neighbors import Neighbors
from curalab.pool import FloatArray

if TYPE_CHECKING:
    import torch
    from scipy.sparse import csr_matrix

__all__ = ["Ties", "curve", "joined", "laid_out", "smoothed_start", "strengths"]

_HALVINGS = 48
_LEAST_WIDTH = 1e-3  # of the mean distance, as in umap-learn
_WALK = 100  # half steps of a random walk that smooth the start
_EXTENT = 10.0  # of the start, as in umap-learn
_PUSHES = 5  # per pull, as in umap-learn
_DRAWN = 8  # rows that push a row in a step
_CLIP = 4.0  # of a force along one axis, as in umap-learn
_RATE, _MEAN, _SQUARE = 1.0, 0.5, 0.9  # of Adam


def curve(min_dist: float) -> tuple[float, float]:
    """Return a and b of 1 / (1 + a d^2b), which is 1 up to `min_dist` and falls off behind it."""
    from scipy.optimize import curve_fit

    d = np.linspace(0, 3, 300)
    wanted = np.where(d < min_dist, 1.0, np.exp(min_dist - d))
    a, b = curve_fit(lambda d, a, b: 1 / (1 + a * d ** (2 * b)), d, wanted)[0]
    return float(a), float(b)


def strengths(near: Neighbors, n_others: int) -> csr_matrix:
    """Return how strongly each row belongs with each of its neighbours, shape (n, n_others).

    1 for the nearest; behind it exp(-gap / width) with the width that makes a row's strengths sum
    to log2(k + 1).
    """
    import torch
    from scipy.sparse import csr_matrix

    n, k = near.indices.shape
    distance = torch.tensor(near.distance)
    apart = torch.where(distance > 0, distance, torch.inf).amin(dim=1, keepdim=True)
    gap = (distance - torch.where(apart.isinf(), 0.0, apart)).clamp_min_(0)
    low, high, width = torch.zeros(n, 1), torch.full((n, 1), torch.inf), torch.ones(n, 1)
    for _ in range(_HALVINGS):
        is_wide = (-gap / width).exp_().sum(dim=1, keepdim=True) > np.log2(k + 1)
        high, low = torch.where(is_wide, width, high), torch.where(is_wide, low, width)
        width = torch.where(high.isinf(), width * 2, (low + high) / 2)
    mean = torch.where(apart.isinf(), distance.mean(), distance.mean(dim=1, keepdim=True))
    width = width.maximum(_LEAST_WIDTH * mean).clamp_min_(1e-30)
    strength = (-gap / width).exp_().numpy()
    starts = np.arange(0, n * k + 1, k)
    return csr_matrix((strength.ravel(), near.indices.ravel(), starts), shape=(n, n_others))


def joined(graph: csr_matrix) -> csr_matrix:
    """Return the probability that at least one of two rows counts the other in."""
    other = graph.T.tocsr()
    return (graph + other - graph.multiply(other)).tocsr()


def smoothed_start(
    points: FloatArray, graph: csr_matrix, n_components: int, rng: np.random.Generator
) -> FloatArray:
    """Return principal components, smoothed over the graph, shape (n, n_components)."""
    import torch

    seed, (n, d) = int(rng.integers(2**31)), points.shape
    n_found = min(n_components, n, d)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        left, size, _ = torch.pca_lowrank(torch.tensor(points), min(n_found + 6, n, d), niter=4)
    at = (left * size)[:, :n_found].double().numpy()
    degree = np.asarray(graph.sum(axis=1)).reshape(-1, 1)
    for _ in range(_WALK):
        at = (at + graph @ at / degree) / 2
    at -= at.mean(axis=0)
    at *= _EXTENT / max(np.abs(at).max(), 1e-12)
    at = np.pad(at, ((0, 0), (0, n_components - n_found)))
    return at + rng.normal(scale=1e-4, size=at.shape)  # copies must not lie on one spot


def laid_out(
    graph: csr_matrix,
    start: FloatArray,
    *,
    shape: tuple[float, float],
    n_epochs: int,
    rng: np.random.Generator,
    fixed: FloatArray | None = None,
) -> FloatArray:
    """Return where the rows of a graph come to lie, shape (n, n_components), float32.

    Parameters
    ----------
    graph : csr_matrix of shape (n, n_others)
        Strengths. The others are the rows themselves or, with `fixed`, rows that stay.
    start : ndarray of shape (n, n_components)
    shape : tuple of float
        a and b of `curve`.
    n_epochs : int
        Steps; they shorten to nothing.
    fixed : ndarray of shape (n_others, n_components), default=None
        Where the rows that stay lie.
    """
    import torch
    from tqdm.auto import tqdm

    draw = torch.Generator().manual_seed(int(rng.integers(2**31)))
    ties = Ties(graph, n_epochs, both_move=fixed is None)
    at = torch.tensor(start.T, dtype=torch.float32).contiguous()  # one axis after the other
    others = at if fixed is None else torch.tensor(fixed.T, dtype=torch.float32).contiguous()
    mean, square = torch.zeros_like(at), torch.zeros_like(at)
    for epoch in tqdm(range(n_epochs), "umap", delay=2, disable=None):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            force = ties.pull(at, others, shape)
        force += ties.push(at, others, shape, draw)
        mean.lerp_(force, 1 - _MEAN)
        square.mul_(_SQUARE).addcmul_(force, force, value=1 - _SQUARE)
        spread = (square / (1 - _SQUARE ** (epoch + 1))).sqrt_().add_(1e-7)
        rate = _RATE * (1 - epoch / n_epochs) / (1 - _MEAN ** (epoch + 1))
        at.addcdiv_(mean, spread, value=rate)
    return at.T.contiguous().numpy()


class Ties:
    """Forces between the rows of a graph, in torch."""

    def __init__(self, graph: csr_matrix, n_epochs: int, *, both_move: bool) -> None:
        import torch

        graph = graph.copy()
        graph.data[graph.data < graph.data.max() / n_epochs] = 0  # would not be drawn once
        graph.eliminate_zeros()
        self._shape = graph.shape
        self._first = torch.tensor(graph.indptr, dtype=torch.int32)
        self._other = torch.tensor(graph.indices, dtype=torch.int32)
        own = np.repeat(np.arange(graph.shape[0], dtype=np.int32), np.diff(graph.indptr))
        self._own = torch.from_numpy(own)
        strength = torch.tensor(graph.data / graph.data.max(), dtype=torch.float32)
        self._strength = strength * (2 if both_move else 1)  # drawn from both of its ends
        drawn = torch.zeros(graph.shape[0]).index_add_(0, self._own, strength)
        self._pushes = drawn * (_PUSHES / _DRAWN)

    def pull(
        self, at: torch.Tensor, others: torch.Tensor, shape: tuple[float, float]
    ) -> torch.Tensor:
        """Return the forces along the edges, 2ab d^2(b-1) / (1 + a d^2b) times the distance."""
        import torch

        a, b = shape
        square = torch.zeros_like(self._strength)
        for axis, other in zip(at, others, strict=True):
            gap = axis.index_select(0, self._own) - other.index_select(0, self._other)
            square.addcmul_(gap, gap)
        square.clamp_min_(1e-12)
        power = square.pow(b)
        force = (self._strength * power).mul_(2 * a * b).div_(power.mul_(a).add_(1).mul_(square))
        matrix = torch.sparse_csr_tensor(
            self._first, self._other, force, self._shape, check_invariants=False
        )
        sums = matrix @ torch.cat([others, torch.ones(1, others.shape[1])]).T.contiguous()
        return (sums[:, :-1] - sums[:, -1:] * at.T).T.contiguous()

    def push(
        self,
        at: torch.Tensor,
        others: torch.Tensor,
        shape: tuple[float, float],
        draw: torch.Generator,
    ) -> torch.Tensor:
        """Return the forces from rows drawn, 2b / ((.001 + d²) (1 + a d^2b)) times the distance."""
        import torch

        a, b = shape
        drawn = torch.randint(others.shape[1], (_DRAWN, at.shape[1]), generator=draw)
        gaps = [axis - other[drawn] for axis, other in zip(at, others, strict=True)]
        square = torch.zeros_like(gaps[0])
        for gap in gaps:
            square.addcmul_(gap, gap)
        force = square.pow(b).mul_(a).add_(1).mul_(square.add_(1e-3)).reciprocal_().mul_(2 * b)
        clipped = [gap.mul_(force).clamp_(-_CLIP, _CLIP).sum(dim=0) for gap in gaps]
        return torch.stack(clipped).mul_(self._pushes)
