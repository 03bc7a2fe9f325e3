"""Label errors by the relations between all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from curalab._check import check_real
from curalab.pool import AnyArray, BoolArray, FloatArray, Pool

if TYPE_CHECKING:
    import torch

__all__ = ["RelationGraph"]

_EXACT = 20_000
_NEIGHBORS = 100
_BLOCK = 2_048


@dataclass(frozen=True, kw_only=True)
class RelationGraph:
    """Rows that like rows contradict are errors; like rows agree in features and in prediction.

    The relation of two rows is max(cosine, 0) times the inner product of their class
    probabilities, negative where their labels differ; small ones count as 0. A row's reliability
    is the sum of its relations, each raised to `power` with its sign kept. Rows of clearly
    negative reliability are then taken for errors, and what they said of others is turned round,
    once. Quality is the rank of the reliability, from 0 to 1 (the paper leaves the sum as it is);
    the label suggested is the class with the largest relations to the row. Up to 20,000 rows all
    pairs count, above that the 100 nearest neighbours of each row (also ours).

    Parameters
    ----------
    power : float, default=4
        Larger trusts the closest relations more.
    threshold : float, default=0.03
        Relations up to this count as 0.

    References
    ----------
    .. [1] Kim, Yun, Song, et al. (2023), "Neural Relation Graph: A Unified Framework for
       Identifying Label Noise and Outlier Data", NeurIPS. arXiv:2301.12321.
    """

    cost: ClassVar[str] = "a linear head for each fold, and all pairs of rows in blocks"
    needs: ClassVar[tuple[str, ...]] = ("labels", "proba")

    power: float = 4.0
    threshold: float = 0.03

    def __call__(self, pool: Pool, *, rng: np.random.Generator) -> tuple[FloatArray, AnyArray]:
        """Return quality in [0, 1] and suggested labels, each (n_items,)."""
        check_real("power", self.power, low=1, high=100)
        judged = np.flatnonzero(pool.is_labelled)
        codes, rows = pool.codes[judged], np.arange(len(judged))
        mass = self._mass(pool, judged, np.ones(len(judged), dtype=bool))
        reliability = 2 * mass[rows, codes] - mass.sum(axis=1)
        largest = np.abs(reliability).max(initial=0)
        is_noisy = reliability < -0.05 * largest
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

    def _mass(self, pool: Pool, judged: AnyArray, speaks: BoolArray) -> FloatArray:
        """Return the powered relations of each judged row to each class, (n_judged, n_classes)."""
        import torch

        labels = torch.nn.functional.one_hot(
            torch.from_numpy(pool.codes[judged].copy()), len(pool.classes)
        ).float() * torch.from_numpy(speaks).float().unsqueeze(1)
        features = torch.from_numpy(_unit(pool.embedding.points[judged]))
        proba = torch.from_numpy(np.asarray(pool.proba[judged], dtype=np.float32))
        if len(judged) > _EXACT:
            return self._near_mass(pool, judged, features, proba, labels)
        found = []
        for at in range(0, len(judged), _BLOCK):
            block = slice(at, at + _BLOCK)
            relation = (features[block] @ features.T).clamp_min_(0) * (proba[block] @ proba.T)
            relation[torch.arange(len(relation)), torch.arange(at, at + len(relation))] = 0
            found.append(self._powered(relation) @ labels)
        return np.asarray(torch.cat(found).double().numpy())

    def _near_mass(
        self,
        pool: Pool,
        judged: AnyArray,
        features: torch.Tensor,
        proba: torch.Tensor,
        labels: torch.Tensor,
    ) -> FloatArray:
        import torch

        place = np.full(len(pool), -1)
        place[judged] = np.arange(len(judged))
        near = place[pool.embedding.neighbors(min(_NEIGHBORS, len(pool) - 1)).indices[judged]]
        found = []
        for at in range(0, len(judged), _BLOCK):
            index = torch.from_numpy(near[at : at + _BLOCK])
            other = index.clamp_min(0)
            like = torch.einsum("nd,nkd->nk", features[at : at + _BLOCK], features[other])
            agree = torch.einsum("nc,nkc->nk", proba[at : at + _BLOCK], proba[other])
            relation = self._powered(like.clamp_min_(0) * agree * (index >= 0))
            found.append(torch.einsum("nk,nkc->nc", relation, labels[other]))
        return np.asarray(torch.cat(found).double().numpy())

    def _powered(self, relation: torch.Tensor) -> torch.Tensor:
        relation[relation <= self.threshold] = 0
        return relation.pow_(self.power)


def _unit(points: FloatArray) -> FloatArray:
    centred = np.asarray(points, dtype=np.float32)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(length, np.finfo(np.float32).tiny))


def _ranked(values: FloatArray) -> FloatArray:
    from scipy.stats import rankdata

    if len(values) < 2:
        return np.ones(len(values))
    return np.asarray((rankdata(values) - 1) / (len(values) - 1))
