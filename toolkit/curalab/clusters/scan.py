"""Clusters by a linear head that gives neighbours the same cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from curalab._check import check_integer, check_real
from curalab._networks import begun, generator_of, layers, pick_device, shuffled, train
from curalab.clusters._heads import Scale, neighbours_of, number_for
from curalab.pool import FloatArray, IntArray, Pool

if TYPE_CHECKING:
    import torch

__all__ = ["Scan"]

_RATE = 1e-2
_EPOCHS = 50
_LEAST = 10  # steps an epoch, so that few rows are learned from as long
_BATCH = 1_000  # rows, or ten times the clusters where that is more
_SURE = 0.99
_SELF_RATE = 1e-3
_SELF_EPOCHS = 20
_DROPPED = 0.2  # share of the features that a noised copy loses
_TINY = 1e-8


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A head that learns to put each row into the cluster of its neighbours (SCAN).

    Every row belongs to a cluster; clusters come out of like size. Strength is the probability of
    the cluster taken.

    Parameters
    ----------
    n_clusters : int, default=None
        None takes the number that `Agglomerative` would; its curve is in ``details["numbers"]``.
        Fewer clusters than asked for may be used.
    n_neighbors : int, default=20
        Neighbours that a row is taught to agree with.
    entropy_weight : float, default=5.0
        From 0 to 1,000. Weight of clusters of equal size against agreement; at 0 one cluster may
        take all rows.
    n_heads : int, default=5
        Heads that learn at the same time; the one with the lowest loss is kept.
    device : str, default="auto"
        Where torch computes; "auto" takes CUDA where there is some.

    Notes
    -----
    As in the paper: -log(p_i · p_j) for a random neighbour j, less the weighted entropy of the
    mean p of a batch; then rows whose largest probability is above 0.99 teach a noised copy of
    themselves, clusters weighing the same. Other than there only the head learns, so that its rate
    is higher (0.01) and one layer is enough; batches have ten rows a cluster at least, as the mean
    over fewer says little; the noised copy lacks a fifth of its features at random, in place of
    strong augmentations of an image. The losses of the heads are in ``details["losses"]``.

    References
    ----------
    .. [1] Van Gansbeke, Vandenhende, Georgoulis, Proesmans, Van Gool (2020), "SCAN: Learning to
       Classify Images without Labels", ECCV. arXiv:2005.12320.
    """

    cost: ClassVar[str] = "one neighbour pass and about 10 s to train for 10,000 rows"

    n_clusters: int | None = None
    n_neighbors: int = 20
    entropy_weight: float = 5.0
    n_heads: int = 5
    device: str = "auto"

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, dict[str, Any]]:
        """Return labels and strength in [0, 1], each (n_items,)."""
        k = min(check_integer("n_neighbors", self.n_neighbors, low=1), len(pool) - 1)
        weight = check_real("entropy_weight", self.entropy_weight, low=0, high=1_000)
        n_heads = check_integer("n_heads", self.n_heads, low=1)
        device = pick_device(self.device)
        number, details = number_for(pool, self.n_clusters, rng)
        points, near = pool.embedding.points, pool.embedding.neighbors(k).indices
        scale = Scale(points, device)
        x, seed = scale(points), generator_of(rng)
        head, losses = _agreeing(x, near, (n_heads, number), weight, rng, seed)
        _teach_itself(head, x, number, rng, seed)

        def decide(new: FloatArray) -> tuple[IntArray, FloatArray]:
            import torch

            with torch.no_grad():
                top = head(scale(new)).softmax(dim=1).max(dim=1)
            return top.indices.cpu().numpy(), top.values.clamp(max=1).cpu().numpy()

        details |= {"losses": losses, "predict": lambda new: decide(new)[0]}
        return *decide(points), details


def _agreeing(
    x: torch.Tensor,
    near: IntArray,
    shape: tuple[int, int],
    weight: float,
    rng: np.random.Generator,
    seed: torch.Generator,
) -> tuple[torch.nn.Linear, FloatArray]:
    """Return the head whose neighbours agree best, and the losses of all."""
    import torch

    n, d = x.shape
    n_heads, number = shape
    heads = begun(lambda: layers(d, n_heads * number), seed).to(x.device)

    def losses(rows: IntArray) -> torch.Tensor:
        own, other = (
            heads(x[part]).unflatten(1, shape).softmax(dim=2)
            for part in (rows, neighbours_of(rows, near, rng))
        )
        apart = -(own * other).sum(dim=2).clamp(min=_TINY).log().mean(dim=0)
        mean = own.mean(dim=0).clamp(min=_TINY)
        found: torch.Tensor = apart + weight * (mean * mean.log()).sum(dim=1)
        return found

    size = min(n, max(_BATCH, 10 * number))
    batches, n_steps = shuffled(n, size, rng), _EPOCHS * max(_LEAST, n // size)
    train([heads], lambda rows: losses(rows).sum(), batches, n_steps, rate=_RATE, name="scan")
    best = torch.nn.Linear(d, number, device="meta").to_empty(device=x.device)
    with torch.no_grad():
        found = losses(np.arange(n))
        at = int(found.argmin())
        best.weight.copy_(heads[0].weight.unflatten(0, shape)[at])
        best.bias.copy_(heads[0].bias.unflatten(0, shape)[at])
    return best, found.cpu().numpy()


def _teach_itself(
    head: torch.nn.Linear,
    x: torch.Tensor,
    number: int,
    rng: np.random.Generator,
    seed: torch.Generator,
) -> None:
    """Let rows that the head is sure of teach it noised copies of themselves."""
    import torch
    from torch.nn.functional import cross_entropy

    def loss_of(rows: IntArray) -> torch.Tensor:
        batch = x[rows]
        kept = torch.rand(batch.shape, generator=seed).to(x.device) > _DROPPED
        with torch.no_grad():
            top = head(batch).softmax(dim=1).max(dim=1)
        sure = top.values > _SURE
        scores = head(batch * kept / (1 - _DROPPED))[sure]
        taken = top.indices[sure]
        weight = 1 / torch.bincount(taken, minlength=number).clamp(min=1)
        loss: torch.Tensor = cross_entropy(scores, taken, weight=weight, reduction="sum")
        return loss / weight[taken].sum().clamp(min=_TINY)  # 0 where it is sure of none

    size = min(len(x), max(_BATCH, 10 * number))
    batches, n_steps = shuffled(len(x), size, rng), _SELF_EPOCHS * max(_LEAST, len(x) // size)
    train([head], loss_of, batches, n_steps, rate=_SELF_RATE, name="scan's own labels")
