"""Label errors by the relations between all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from curalab._check import check_real
from curalab._points import unit_rows
from curalab.pool import AnyArray, BoolArray, FloatArray, IntArray, Pool

if TYPE_CHECKING:
    import torch

__all__ = ["RelationGraph"]

_EXACT = 20_000
_NEIGHBORS = 100
_NOISY = 0.05  # the paper's lambda
_BLOCK = 512


@dataclass(frozen=True, kw_only=True)
class RelationGraph:
    """Rows that like rows contradict are errors; like rows agree in features and in prediction.

    The relation of two rows is max(cosine, 0) times the inner product of their class
    probabilities, negative where their labels differ; small ones count as 0. A row's reliability
    is the sum of its relations, each raised to `power` with its sign kept. Rows of clearly
    negative reliability are then taken for errors, and what they said of others is turned round,
    once.

    Ours: a row's relation with itself is left out, since it says nothing of the label (mean
    average precision over thirteen columns .63 instead of .59); quality is the rank of the
    reliability, from 0 to 1; the label suggested is the class with the largest relations to the
    row; up to 20,000 rows all pairs count, above that the 100 nearest neighbours of each row.

    Parameters
    ----------
    power : float, default=4
        Larger trusts the closest relations more.
    threshold : float, default=0.03
        Relations up to this count as 0.

    References
    ----------
    .. [1] Kim, Yun, Song (2023), "Neural Relation Graph: A Unified Framework for
       Identifying Label Noise and Outlier Data", NeurIPS. arXiv:2301.12321.
    """

    cost: ClassVar[str] = "a head for each fold, all pairs of rows in blocks"
    needs: ClassVar[tuple[str, ...]] = ("labels", "proba")

    power: float = 4.0
    threshold: float = 0.03

    def __call__(self, pool: Pool, *, rng: np.random.Generator) -> tuple[FloatArray, AnyArray]:
        """Return quality in [0, 1] and suggested labels, each (n_items,)."""
        check_real("power", self.power, low=1, high=100)
        check_real("threshold", self.threshold, low=0, high=1)
        judged = np.flatnonzero(pool.is_labelled)
        codes, rows = pool.codes[judged], np.arange(len(judged))
        mass = self._mass(pool, judged, np.ones(len(judged), dtype=bool))
        reliability = 2 * mass[rows, codes] - mass.sum(axis=1)
        largest = np.abs(reliability).max(initial=0)
        is_noisy = reliability < -_NOISY * largest
        if is_noisy.any():
            said = self._mass(pool, judged, is_noisy)
            reliability -= 2 * (2 * said[rows, codes] - said.sum(axis=1))
            mass -= said
        quality = np.ones(len(pool))
        quality[judged] = _ranked(reliability)
        best = np.asarray(pool.proba).argmax(axis=1)
        told = mass.sum(axis=1) > 0
        best[judged[told]] = mass[told].argmax(axis=1)
        return quality, pool.classes[best]

    def _mass(self, pool: Pool, judged: IntArray, speaks: BoolArray) -> FloatArray:
        """Return the powered relations of each judged row to each class, (n_judged, n_classes).

        Only the rows that `speaks` marks are counted as neighbours.
        """
        import torch

        features = torch.from_numpy(unit_rows(pool.embedding.points[judged]))
        proba = torch.from_numpy(np.asarray(pool.proba)[judged].astype(np.float32))
        codes = torch.from_numpy(pool.codes[judged])
        labels = torch.nn.functional.one_hot(codes, len(pool.classes)).float()
        is_large = len(judged) > _EXACT
        if is_large:
            near = pool.embedding.neighbors(min(_NEIGHBORS, len(pool) - 1)).indices[judged]
            place = np.full(len(pool), -1)
            place[judged[speaks]] = np.flatnonzero(speaks)
            heard = torch.from_numpy(place[near])
        else:
            heard = torch.from_numpy(np.flatnonzero(speaks))
        find = self._near_mass if is_large else self._full_mass
        blocks = [
            find(slice(at, at + _BLOCK), heard, features, proba, labels)
            for at in range(0, len(judged), _BLOCK)
        ]
        return np.asarray(torch.cat(blocks).double().numpy())

    def _full_mass(
        self,
        block: slice,
        heard: torch.Tensor,
        features: torch.Tensor,
        proba: torch.Tensor,
        labels: torch.Tensor,
    ) -> torch.Tensor:
        """Return the mass of a block of rows, from all the rows `heard`."""
        relation = (features[block] @ features[heard].T).clamp_min_(0)
        relation *= proba[block] @ proba[heard].T
        own = heard - block.start
        is_here = (own >= 0) & (own < len(relation))
        relation[own[is_here], is_here.nonzero().squeeze(1)] = 0
        return self._powered(relation) @ labels[heard]

    def _near_mass(
        self,
        block: slice,
        heard: torch.Tensor,
        features: torch.Tensor,
        proba: torch.Tensor,
        labels: torch.Tensor,
    ) -> torch.Tensor:
        """Return the mass of a block of rows, from their neighbours `heard`; -1 is silent."""
        import torch

        near = heard[block].clamp_min(0)
        relation = torch.einsum("nd,nkd->nk", features[block], features[near]).clamp_min_(0)
        relation *= torch.einsum("nc,nkc->nk", proba[block], proba[near]) * (heard[block] >= 0)
        return torch.einsum("nk,nkc->nc", self._powered(relation), labels[near])

    def _powered(self, relation: torch.Tensor) -> torch.Tensor:
        relation[relation <= self.threshold] = 0
        return relation.pow_(self.power)


def _ranked(values: FloatArray) -> FloatArray:
    from scipy.stats import rankdata

    if len(values) < 2:
        return np.ones(len(values))
    return np.asarray((rankdata(values) - 1) / (len(values) - 1))
