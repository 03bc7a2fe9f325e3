"""Clusters of given sizes by a head that learns labels handed out by optimal transport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from curalab._check import check_integer, complain
from curalab._networks import pick_device, shuffled, train
from curalab.clusters._heads import Scale, neighbours_of, number_for
from curalab.clusters._tree import smoothed
from curalab.pool import FloatArray, IntArray, Pool

if TYPE_CHECKING:
    import torch

__all__ = ["Sinkhorn", "sinkhorn_knopp"]

_NEAR = 20
_ROUNDS = 50  # of labels handed out, and passes over the rows
_BATCH = 1_000
_LEAST = 10  # steps a round, so that few rows are learned from as long
_RATE = 1e-2
_TEMPERATURE = 0.2
_SHARP = 25.0  # λ of the paper
_ITERATIONS = 50
_TINY = 1e-300


@dataclass(frozen=True, kw_only=True)
class Sinkhorn:
    """Labels handed out in equal shares, and a head that learns them, in turns (SeLa).

    Every row belongs to a cluster. Suits rows whose classes are known to be balanced, or of known
    sizes. Strength is the head's probability of the cluster taken, in the mean with the row's
    neighbours.

    Parameters
    ----------
    n_clusters : int, default=None
        None takes as many as there are `shares`, else the number that `Agglomerative` would; its
        curve is in ``details["numbers"]``.
    shares : sequence of float, default=None
        Relative sizes of the clusters, in any order. None is equal sizes.
    n_heads : int, default=3
        Heads that learn at the same time; the one with the lowest loss is kept.
    device : str, default="auto"
        Where torch computes; "auto" takes CUDA where there is some.

    Notes
    -----
    As in the paper: the labels of all rows come from Sinkhorn-Knopp on the head's probabilities to
    the power of 25, and the head learns them by cross-entropy; 50 rounds of one pass each. Shares
    go to the clusters by rank of what these take now, after [2]_. Other than in [1]_, vectors stay
    as they are and have no augmentations: a row's neighbours stand for them. Labels come from the
    mean scores of a row and its 20 neighbours (n / 10, where that is less), and one of these is
    shown to the head in its place. The head compares directions (cosine / 0.2) and begins at rows
    drawn as k-means++ draws them: a free head fits its first labels, whatever they are. The losses
    of the heads are in ``details["losses"]``.

    References
    ----------
    .. [1] Asano, Rupprecht, Vedaldi (2020), "Self-labelling via simultaneous clustering and
       representation learning", ICLR. arXiv:1911.05371.
    .. [2] Asano, Patrick, Rupprecht, Vedaldi (2020), "Labelling unlabelled videos from scratch
       with multi-modal self-supervision", NeurIPS. arXiv:2006.13662.
    """

    cost: ClassVar[str] = "one neighbour pass and about 15 s to train for 10,000 rows"

    n_clusters: int | None = None
    shares: Sequence[float] | None = None
    n_heads: int = 3
    device: str = "auto"

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, dict[str, Any]]:
        """Return labels and strength in [0, 1], each (n_items,)."""
        import torch
        from torch.nn.functional import normalize

        n_heads = check_integer("n_heads", self.n_heads, low=1)
        device = pick_device(self.device)
        given = None if self.shares is None else _shares(self.shares, self.n_clusters)
        asked = self.n_clusters if given is None else len(given)
        number, details = number_for(pool, asked, rng)
        shares = np.full(number, 1 / number) if given is None else given
        points, k = pool.embedding.points, min(_NEAR, len(pool) - 1)
        near = pool.embedding.neighbors(k).indices[:, : max(1, len(pool) // 10)]
        scale = Scale(points, device)
        heads = _Heads(scale(points), near, n_heads, shares, rng)
        losses = heads.learn(rng)
        best = int(np.argmin(losses))
        with torch.no_grad():
            labels, scores = heads.labels()[:, best], heads.mean_scores()[:, best]
            taken = scores.softmax(dim=1).gather(1, labels[:, None])[:, 0]

        def predict(new: FloatArray) -> IntArray:
            with torch.no_grad():
                return heads.scores(normalize(scale(new)))[:, best].argmax(dim=1).cpu().numpy()

        details |= {"losses": losses, "predict": predict}
        return labels.cpu().numpy(), taken.clamp(0, 1).cpu().numpy(), details


class _Heads:
    """Several heads that learn the labels which they give, in given shares, to all rows."""

    def __init__(
        self,
        x: torch.Tensor,
        near: IntArray,
        n_heads: int,
        shares: FloatArray,
        rng: np.random.Generator,
    ) -> None:
        import torch
        from sklearn.cluster import kmeans_plusplus
        from torch.nn.functional import normalize

        self._x, self._near, self._shares = normalize(x), near, shares
        rows = self._x.cpu().numpy()
        # Scores are linear: those of a row moved halfway to its neighbours are the mean scores.
        self._smooth = torch.from_numpy(smoothed(rows, near, metric="euclidean")).to(x.device)
        begin = [
            kmeans_plusplus(rows, len(shares), random_state=int(rng.integers(2**31)))[0]
            for _ in range(n_heads)
        ]
        self._weight = torch.nn.Parameter(torch.from_numpy(np.stack(begin)).to(x.device))

    def scores(self, rows: torch.Tensor) -> torch.Tensor:
        """Return what each head gives unit rows for each cluster, shape (b, h, k)."""
        import torch
        from torch.nn.functional import normalize

        weight = normalize(self._weight, dim=2)
        return torch.einsum("bd,hkd->bhk", rows, weight) / _TEMPERATURE

    def mean_scores(self) -> torch.Tensor:
        """Return the scores of all rows, in the mean with those of their neighbours."""
        return self.scores(self._smooth)

    def labels(self) -> torch.Tensor:
        """Return the labels that keep to the shares, shape (n, h)."""
        import torch

        scores = self.mean_scores()
        plans = [sinkhorn_knopp(_SHARP * one, self._shares) for one in scores.unbind(dim=1)]
        return torch.stack([plan.argmax(dim=1) for plan in plans], dim=1)

    def learn(self, rng: np.random.Generator) -> FloatArray:
        """Hand out labels and learn them, in turns; return the loss of each head."""
        import torch
        from torch.nn.functional import cross_entropy

        n = len(self._x)
        size = min(n, _BATCH)
        a_round = max(_LEAST, n // size)
        labels = torch.empty(0)
        step = 0

        def losses(rows: IntArray, shown: IntArray) -> torch.Tensor:
            scores = self.scores(self._x[shown]).transpose(1, 2)
            return cross_entropy(scores, labels[rows], reduction="none").mean(dim=0)

        def loss_of(rows: IntArray) -> torch.Tensor:
            nonlocal labels, step
            if step % a_round == 0:
                with torch.no_grad():
                    labels = self.labels()
            step += 1
            return losses(rows, neighbours_of(rows, self._near, rng)).sum()

        network = torch.nn.ParameterList([self._weight])
        batches, n_steps = shuffled(n, size, rng), _ROUNDS * a_round
        train([network], loss_of, batches, n_steps, rate=_RATE, name="sinkhorn")
        with torch.no_grad():
            labels = self.labels()
            return losses(np.arange(n), np.arange(n)).cpu().numpy()


def sinkhorn_knopp(scores: torch.Tensor, shares: FloatArray) -> torch.Tensor:
    """Return the plan nearest to exp(scores): rows add up to 1, columns to n times the shares.

    The largest share goes to the column that takes most without any constraint, and so on.
    """
    import torch

    taken = scores.double().softmax(dim=1).sum(dim=0)
    wanted = torch.empty_like(taken)
    sizes = torch.from_numpy(np.sort(shares) * len(scores)).to(taken)
    wanted[taken.argsort(stable=True)] = sizes
    kernel = (scores.double() - scores.amax(dim=1, keepdim=True)).exp()  # float32 would be 0
    column = torch.ones_like(wanted)
    for _ in range(_ITERATIONS):
        row = 1 / (kernel @ column)
        column = wanted / (row @ kernel).clamp(min=_TINY)
    plan = kernel * column
    return plan / plan.sum(dim=1, keepdim=True)


def _shares(shares: Sequence[float], n_clusters: int | None) -> FloatArray:
    """Return shares that add up to 1, or say what is wrong with them."""
    array = np.asarray(shares, dtype=float)
    if array.ndim != 1 or not len(array) or not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(complain("shares", "a list of numbers above 0", shares))
    if n_clusters is not None and n_clusters != len(array):
        rule = f"of {n_clusters} numbers, one for each cluster"
        raise ValueError(complain("shares", rule, what=f"{len(array)} numbers"))
    return np.asarray(array / array.sum())
