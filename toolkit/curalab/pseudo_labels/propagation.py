"""Labels spread over the neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_real
from curalab.pool import BoolArray, FloatArray, IntArray, Pool

__all__ = ["Propagation"]

_STEPS = 200
_CLOSE = 1e-6
_SHARPNESS = tuple(float(s) for s in np.geomspace(0.5, 16, 16))
_UNMEASURED, _ENOUGH_LABELS = 2.0, 30


@dataclass(frozen=True, kw_only=True)
class Propagation:
    """Rows take the labels of the rows around them, and of those around these.

    Solves (I - alpha·S) F = Y by conjugate gradients, one class at a time, with S the symmetric
    normalised graph of the `k` nearest neighbours, weighted by similarity to the power `power`
    (as in the second paper, where it is called gamma). Columns are then scaled so that each class
    has the share it has among the labels given. A row that no label reaches gets those shares.
    Ours: the shares of F are raised to a power, the one under which a fifth of the labels, hidden,
    is likeliest (2 where there are fewer than 30), so that confidence is near the share of rows
    that are right.

    Parameters
    ----------
    k : int, default=15
        Neighbours a row, fewer where there are fewer rows.
    alpha : float, default=0.95
        Share of the neighbours' opinion, from 0 to below 1.
    power : float, default=3
        Larger trusts the closest neighbours more.

    References
    ----------
    .. [1] Zhou, Bousquet, Lal, et al. (2004), "Learning with Local and Global Consistency",
       NeurIPS 16.
    .. [2] Iscen, Tolias, Avrithis, Chum (2019), "Label Propagation for Deep Semi-supervised
       Learning", CVPR. arXiv:1904.04717.
    """

    cost: ClassVar[str] = "one neighbour pass and a sparse solve a class"
    needs: ClassVar[str] = "labels"

    k: int = 15
    alpha: float = 0.95
    power: float = 3.0

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes)."""
        check_real("alpha", self.alpha, low=0, high=0.999)
        system = self._system(pool)
        known = np.flatnonzero(pool.is_labelled)
        sharpness, doubt = _UNMEASURED, 0.0
        if len(known) >= _ENOUGH_LABELS:
            hidden = rng.permutation(known)[: len(known) // 5]
            shares, _ = _spread(system, pool, np.setdiff1d(known, hidden))
            right = pool.codes[hidden]
            doubt = 1 / (len(hidden) + 2)  # the rule of succession: few hidden labels prove little
            sharpness = min(_SHARPNESS, key=lambda s: _surprise(shares[hidden], right, s))
        shares, reached = _spread(system, pool, known)
        proba = (1 - doubt) * _sharpened(shares, sharpness) + doubt / len(pool.classes)
        proba[~reached] = shares[~reached]

        def predict(new: FloatArray) -> FloatArray:
            near = pool.embedding.search(new, min(self.k, len(pool)))
            weight = near.similarity.clip(1e-6) ** self.power
            mixed = np.einsum("nk,nkc->nc", weight, proba[near.indices])
            return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))

        details = {"unreached": int((~reached).sum()), "sharpness": sharpness}
        return proba, {**details, "predict": predict}

    def _system(self, pool: Pool) -> Any:
        from scipy.sparse import csr_matrix, diags_array, eye_array

        n = len(pool)
        near = pool.embedding.neighbors(min(self.k, n - 1))
        weight = near.similarity.clip(0).astype(np.float64) ** self.power
        starts = np.arange(0, n * near.k + 1, near.k)
        graph = csr_matrix((weight.ravel(), near.indices.ravel(), starts), shape=(n, n))
        graph = graph + graph.T
        degree = np.asarray(graph.sum(axis=1)).ravel()
        root = diags_array(1 / np.sqrt(np.maximum(degree, 1e-12)))
        return eye_array(n, format="csr") - self.alpha * (root @ graph @ root)


def _spread(system: Any, pool: Pool, known: IntArray) -> tuple[FloatArray, BoolArray]:
    """Return each class's share of what reaches a row, and which rows anything reaches."""
    from scipy.sparse.linalg import cg

    given = np.zeros((len(pool), len(pool.classes)))
    given[known, pool.codes[known]] = 1
    prior = given.sum(axis=0) / given.sum()
    given /= given.sum(axis=0).clip(1)
    columns = [cg(system, column, rtol=_CLOSE, maxiter=_STEPS)[0] for column in given.T]
    spread = np.maximum(np.stack(columns, axis=1), 0) * prior
    total = spread.sum(axis=1, keepdims=True)
    reached = total[:, 0] > 1e-12
    return np.where(reached[:, None], spread / np.where(total > 0, total, 1), prior), reached


def _sharpened(shares: FloatArray, sharpness: float) -> FloatArray:
    logs = sharpness * np.log(np.maximum(shares, 1e-12))
    raised = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _surprise(shares: FloatArray, right: IntArray, sharpness: float) -> float:
    likely = _sharpened(shares, sharpness)[np.arange(len(right)), right]
    return float(-np.log(np.maximum(likely, 1e-12)).mean())
