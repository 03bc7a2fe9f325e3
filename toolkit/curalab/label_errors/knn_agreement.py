"""Label errors by the labels around a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curalab._check import check_integer
from curalab.pool import AnyArray, FloatArray, Pool

__all__ = ["KNNAgreement"]


@dataclass(frozen=True, kw_only=True)
class KNNAgreement:
    """Share of the `k` nearest labelled neighbours that carry the row's own label.

    The plain baseline: no training, and no probabilities.

    Parameters
    ----------
    k : int, default=15
        Neighbours asked, fewer where there are fewer rows. Those without a label do not vote.

    References
    ----------
    .. [1] Wilson (1972), "Asymptotic Properties of Nearest Neighbor Rules Using Edited Data",
       IEEE Transactions on Systems, Man, and Cybernetics 2.
    """

    cost: ClassVar[str] = "one neighbour pass"
    needs: ClassVar[str] = "labels"

    k: int = 15

    def __call__(self, pool: Pool, *, rng: np.random.Generator) -> tuple[FloatArray, AnyArray]:
        """Return quality in [0, 1] and suggested labels, each (n_items,)."""
        check_integer("k", self.k, low=1)
        near = pool.embedding.neighbors(min(self.k, len(pool) - 1)).indices
        votes = np.zeros((len(pool), len(pool.classes)))
        told = pool.codes[near]
        row, at = np.nonzero(told >= 0)
        np.add.at(votes, (row, told[row, at]), 1)
        share = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
        given = np.where(pool.is_labelled, pool.codes, 0)
        alone = votes.sum(axis=1) == 0  # no neighbour has a label: nothing speaks against it
        share[alone, given[alone]] = 1
        return share[np.arange(len(pool)), given], pool.classes[share.argmax(axis=1)]
