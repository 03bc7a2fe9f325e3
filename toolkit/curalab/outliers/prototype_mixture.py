"""Outliers by distance to several learned prototypes of each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from curalab._check import check_integer, check_real
from curalab._networks import begun, generator_of, layers, pick_device, shuffled, train
from curalab.pool import FloatArray, IntArray, Pool

if TYPE_CHECKING:
    import torch

__all__ = ["PrototypeMixture"]

_WIDTH = 128  # of the sphere, as in the paper
_BATCH = 512
_RATE = 1e-3
_MOMENTUM = 0.9
_CLOSEST = 5  # prototypes that a row belongs to
_SHARP, _ITERATIONS = 0.05, 3  # of the assignment
_WARM = 0.5  # temperature between prototypes
_TINY = 1e-30
_FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class PrototypeMixture:
    """Distance to the nearest of several prototypes of each class, in a learned space (PALM).

    A small network puts ordinary rows on a sphere, so that each lies close to some prototypes of
    its class, and far from those of the others: what tells classes apart then counts in the
    distance, other differences do not. Ordinary rows are those of the reference or, without one,
    the pool's own, with their labels where they have any. Pays where there are many classes and
    a wide vector. With few classes, what sets a new class apart may be lost, and without labels or
    a reference it sees less than `KNN`.

    Oddness is 1 minus the cosine to the nearest prototype, 0 to 2.

    Parameters
    ----------
    n_prototypes : int, default=6
        Prototypes of each class; without labels all rows are one class, with ten times as many.
        A class has no more than it has rows.
    temperature : float, default=0.1
        Of the likelihood, from 0.01 to 10. Higher asks rows to lie closer to their prototypes.
    steps : int, default=300
        Batches of 512 rows that the network learns from.
    device : str, default="auto"
        Where torch computes; "auto" takes CUDA where there is some.

    Notes
    -----
    As in the paper: assignments in equal shares from three rounds of Sinkhorn-Knopp, of which
    each row keeps its five nearest prototypes of its class; prototypes follow their rows by a
    moving average; the loss is the rows' likelihood under their prototypes plus a contrast
    between prototypes of the same and of other classes.

    Ours: vectors are frozen and have no augmentations. The paper learns the vectors too, and takes
    the Mahalanobis distance in the layer before the sphere; here that was worse than the distance
    to the prototypes. These begin at rows of their class, and follow quickly (momentum 0.9), as
    there are few steps. Rows without a label are left out where others have one. One class has
    no contrast. With a reference, a second network that learned from four fifths of it judges
    the last fifth as unseen rows, which sets the cut.

    References
    ----------
    .. [1] Lu, Gong, Wang, Xue, Yao, Moore (2024), "Learning with Mixture of Prototypes for
       Out-of-Distribution Detection", ICLR. arXiv:2402.02653.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.outliers.prototype_mixture import PrototypeMixture
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(3 * np.eye(8)[np.arange(90) % 3], 0.3)
    >>> x[7] = -x[7]
    >>> odd = cl.find_outliers(
    ...     x, labels=np.arange(90) % 3, method=PrototypeMixture(steps=50), random_state=0
    ... )
    >>> odd.top(1).tolist()
    [7]
    """

    cost: ClassVar[str] = "about 5 s to train, twice with a reference"

    n_prototypes: int = 6
    temperature: float = 0.1
    steps: int = 300
    device: str = "auto"

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return oddness, shape (n_items,), higher is odder; and that of unseen clean rows."""
        check_integer("n_prototypes", self.n_prototypes, low=1)
        check_real("temperature", self.temperature, low=0.01, high=10)
        check_integer("steps", self.steps, low=1)
        device = pick_device(self.device)
        known = pool if pool.reference is None else pool.reference
        points, codes = known.embedding.points, np.asarray(known.codes)
        if not known.is_labelled.any():
            codes = np.zeros(len(points), dtype=int)
        points, codes = points[codes >= 0], np.unique(codes[codes >= 0], return_inverse=True)[1]

        def oddness(rows: IntArray, judged: FloatArray) -> FloatArray:
            kinds = np.unique(codes[rows], return_inverse=True)[1]
            return _Space(self, points[rows], kinds, device, rng).oddness(judged)

        found = oddness(np.arange(len(points)), pool.embedding.points)
        if pool.reference is None or len(points) < 2:
            return found, {}
        order, n_left = rng.permutation(len(points)), -(-len(points) // _FOLDS)
        left, rest = order[:n_left], np.sort(order[n_left:])
        return found, {"reference_oddness": oddness(rest, points[left])}


class _Space:
    """A network that has learned to put rows close to the prototypes of their class."""

    def __init__(
        self,
        settings: PrototypeMixture,
        points: FloatArray,
        codes: IntArray,
        device: torch.device,
        rng: np.random.Generator,
    ) -> None:
        import torch

        self._mean = points.mean(axis=0)
        self._size = float(np.sqrt(np.mean((points - self._mean) ** 2))) or 1.0
        self._device, self._temperature = device, settings.temperature
        d = points.shape[1]
        self._network = begun(lambda: layers(d, d, _WIDTH), generator_of(rng)).to(device)
        sizes, number = np.bincount(codes), settings.n_prototypes
        number *= 1 if len(sizes) > 1 else 10
        begin = [
            rng.permutation(np.flatnonzero(codes == code))[:number] for code in range(len(sizes))
        ]
        kinds = np.repeat(np.arange(len(sizes)), [len(rows) for rows in begin])
        x = self._scaled(points)
        own, kind = torch.from_numpy(codes).to(device), torch.from_numpy(kinds).to(device)
        with torch.no_grad():
            self._prototypes = self._placed(x[np.concatenate(begin)])

        def loss_of(rows: IntArray) -> torch.Tensor:
            return self._loss(self._placed(x[rows]), own[rows][:, None] == kind, kind)

        batches = shuffled(len(x), _BATCH, rng)
        name = "prototype_mixture"
        train([self._network], loss_of, batches, settings.steps, rate=_RATE, name=name)

    def oddness(self, points: FloatArray) -> FloatArray:
        """Return 1 minus the cosine of each row to the nearest prototype."""
        import torch

        with torch.no_grad():
            cosine = self._placed(self._scaled(points)) @ self._prototypes.T
            return np.asarray(1 - cosine.amax(dim=1).double().cpu().numpy())

    def _scaled(self, points: FloatArray) -> torch.Tensor:
        import torch

        scaled = np.asarray((points - self._mean) / self._size, dtype=np.float32)
        return torch.from_numpy(scaled).to(self._device)

    def _placed(self, x: torch.Tensor) -> torch.Tensor:
        from torch.nn.functional import normalize

        placed: torch.Tensor = normalize(self._network(x), dim=1)
        return placed

    def _loss(self, placed: torch.Tensor, is_own: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        """Move the prototypes towards their rows; return how far these are from them."""
        from torch.nn.functional import normalize

        weight = _assigned(placed.detach() @ self._prototypes.T, is_own)
        pull = weight / weight.sum(dim=0).clamp(min=_TINY)
        moved = _MOMENTUM * self._prototypes + (1 - _MOMENTUM) * (pull.T @ placed)
        prototypes = normalize(moved, dim=1)
        self._prototypes = prototypes.detach()
        cosine = placed @ self._prototypes.T
        weight = _assigned(cosine.detach(), is_own)
        score = cosine / self._temperature
        likely = (weight * score).sum(dim=1) - score.logsumexp(dim=1)
        return _contrast(prototypes, kind) - likely.mean()


def _assigned(cosine: torch.Tensor, is_own: torch.Tensor) -> torch.Tensor:
    """Return the share of each row that each prototype of its class has; rows add up to 1."""
    import torch

    plan = (cosine / _SHARP).softmax(dim=1)
    for _ in range(_ITERATIONS):  # in turns, prototypes and rows get equal shares
        plan = plan / plan.sum(dim=0).clamp(min=_TINY)
        plan = plan / plan.sum(dim=1, keepdim=True).clamp(min=_TINY)
    top = (plan * is_own).topk(min(_CLOSEST, plan.shape[1]), dim=1)
    kept = torch.zeros_like(plan).scatter(1, top.indices, top.values)
    return kept / kept.sum(dim=1, keepdim=True).clamp(min=_TINY)


def _contrast(prototypes: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
    """Return how much nearer prototypes are to those of other classes than to their own."""
    import torch

    itself = torch.eye(len(kind), dtype=torch.bool, device=kind.device)
    same = (kind[:, None] == kind) & ~itself
    paired = same.any(dim=1)
    if same.equal(~itself) or not paired.any():  # one class, or single prototypes
        return prototypes.new_zeros(())
    score = prototypes @ prototypes.T / _WARM
    near = score.masked_fill(~same, 0).sum(dim=1) / same.sum(dim=1).clamp(min=1)
    every = score.masked_fill(itself, -torch.inf).logsumexp(dim=1)
    return (every - near)[paired].mean()
