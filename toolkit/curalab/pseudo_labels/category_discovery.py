"""Discovery of new classes by splitting and merging Gaussian clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_integer, check_real
from curalab.pool import FloatArray, IntArray, Pool
from curalab.pseudo_labels._discovery import (
    Found,
    averaged,
    begin,
    constrained,
    in_order,
    space_of,
)
from curalab.pseudo_labels._rehearsal import answer
from curalab.pseudo_labels._split_merge import moved, prior_of, scale_of

__all__ = ["CategoryDiscovery"]


@dataclass(frozen=True, kw_only=True)
class CategoryDiscovery:
    """Gaussian clusters beside the known classes, split and merged until it no longer pays (GPC).

    Each row is averaged with its neighbours, and a linear map makes the known classes round. Then,
    a few rounds: k-means in which labelled rows stay; each cluster is split in two where the two
    halves are likelier, and each new one merged with its nearest where one is likelier. What a
    known class takes up of the unlabelled rows may be split off too. After each round the map is
    learned anew, with the clusters as classes.

    Three witnesses say whether two groups are two classes: how much likelier two Gaussians are
    than one; whether the sizes are those of the known classes; and, beside a known class, whether
    its labelled rows avoid one of the groups. The last takes it that the labelled rows of a class
    were drawn from all of it: where only easy rows were labelled, the hard ones come out as new.
    And where known classes are all of one size and small, a new one of twice that may be halved.

    Probabilities are calibrated by what happens to known classes: a fifth of them is hidden and
    looked for among the unlabelled rows, three to five times, and the chance of being new and of
    being right is set to what it was there. Where more rows are far from all clusters than were
    then, the surplus belongs to no class: by that chance the classes of a row become equally
    likely, so that its label has little confidence, and from 0.4 it is set aside.

    ``details`` has `n_new`, the number of new clusters in all `rounds`, the `limit` of a split,
    `is_new_proba` and `set_aside`, one a row, and `calibration`. New classes are ordered by size,
    largest first. A class of which no row is labelled gets probability 0.

    Parameters
    ----------
    k : int, default=10
        Neighbours that a row is averaged with; 0 takes the rows as they are.
    n_dims : int, default=None
        Dimensions of the map. None is twice the known classes, from 16 to 48.
    shrink : float, default=0.2
        How far the variance within classes is drawn to that of a ball, from 0 to 1. Less trusts
        the known classes more to look like the new ones.
    start : float, default=1.5
        Clusters at the start, as a multiple of the known classes.
    n_rounds : int, default=10
        Rounds at most.

    Notes
    -----
    As in the paper: labelled rows fixed, constrained k-means, 2-means and log Hastings ratios of
    normal-inverse-Wishart marginals (concentration 1) for splits and merges. Different, and ours:
    the scatter and freedom of the prior are those under which the known classes are likeliest,
    since one fixed small scatter fits no two embeddings; a ratio counts a row of equal halves, and
    must pass not 0 but the middle between halves of one hidden class and two classes, since
    classes are not Gaussian and 0 splits each of them where rows are many; sizes and labelled
    rows are heard beside it; moves by chance are left out; merging with a known class is allowed,
    and so is splitting one; and the representation learned between rounds
    is a linear map on averaged rows in place of a contrastive network on images.

    References
    ----------
    .. [1] Zhao, Wen, Han (2023), "Learning Semi-supervised Gaussian Mixture Models for Generalized
       Category Discovery", ICCV. arXiv:2305.06144.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(200, 4)) + 9 * np.eye(4)[np.arange(200) % 4]
    >>> labels = [["a", "b", "c", None][i % 4] if i < 100 else None for i in range(200)]
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> soft = cl.pseudo_label(emb, labels, method="category_discovery", random_state=0)
    >>> soft.classes.tolist()
    ['a', 'b', 'c', 'new_0']
    """

    cost: ClassVar[str] = "a neighbour pass and three runs of some dozen passes of k-means"
    needs: ClassVar[str] = "labels"

    k: int = 10
    n_dims: int | None = None
    shrink: float = 0.2
    start: float = 1.5
    n_rounds: int = 10

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes + n_new)."""
        check_integer("k", self.k, low=0)
        if self.n_dims is not None:
            check_integer("n_dims", self.n_dims, low=1)
        check_real("shrink", self.shrink, low=0, high=1)
        check_real("start", self.start, low=1, high=10)
        check_integer("n_rounds", self.n_rounds, low=1)
        points, of = averaged(pool, min(self.k, len(pool) - 1), rng)
        return answer(pool, points, of, lambda codes, rng: self._found(points, codes, rng), rng)

    def _found(self, points: FloatArray, codes: IntArray, rng: np.random.Generator) -> Found:
        n_known, free = int(codes.max()) + 1, codes < 0
        n_dims = self.n_dims or int(np.clip(2 * n_known, 16, 48))
        told: dict[str, Any] = {"n_dims": n_dims, "shrink": self.shrink}
        space = space_of(points, codes, **told)
        z = space.of(points)
        centres = begin(z, codes, int(np.ceil(self.start * n_known)), rng)
        scale = scale_of(points, codes, told)
        if scale.unit == 0:  # too few labels a class: its first cluster stands for it
            cluster, _ = constrained(z, codes, centres)
            scale = scale_of(points, np.where(cluster < n_known, cluster, -1), told)
        sizes = []
        for number in range(self.n_rounds):
            cluster, centres = constrained(z, codes, centres)
            sizes.append(len(centres) - n_known)
            prior = prior_of(z, cluster * ~free - free, space)
            better = moved(z, codes, cluster, centres, prior, scale)
            if better is None:
                break
            cluster, centres = constrained(z, codes, better)
            if number < self.n_rounds - 1:
                space = space_of(points, cluster, **told)
                z = space.of(points)
                centres = np.stack([z[cluster == i].mean(axis=0) for i in range(len(centres))])
        cluster, centres = constrained(z, codes, centres)
        details = {"limit": scale.limit, "rounds": sizes}
        return in_order(space, z, codes, cluster, centres, details)
