"""Labels spread over the neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_real
from curalab.pool import FloatArray, Pool

__all__ = ["Propagation"]

_STEPS = 200
_ENOUGH = 1e-6


@dataclass(frozen=True, kw_only=True)
class Propagation:
    """Rows take the labels of the rows around them, and of those around these.

    Solves (I - alpha·S) F = Y by conjugate gradients, one class at a time, with S the symmetric
    normalised graph of the `k` nearest neighbours, weighted by similarity to the power `power`
    (as in the second paper, where it is called gamma). Columns are then scaled so that each class
    has the share it has among the labels given. A row that no label reaches gets those shares.

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
        known = pool.is_labelled
        given = np.zeros((len(pool), len(pool.classes)))
        given[known, pool.codes[known]] = 1
        share = given.sum(axis=0) / given.sum()
        spread = np.maximum(self._solve(pool, given / given.sum(axis=0).clip(1)), 0)
        reached = spread.sum(axis=1) > 1e-12
        proba = np.tile(share, (len(pool), 1))
        weighted = spread[reached] * share
        proba[reached] = weighted / weighted.sum(axis=1, keepdims=True)

        def predict(new: FloatArray) -> FloatArray:
            near = pool.embedding.search(new, min(self.k, len(pool)))
            weight = near.similarity.clip(1e-6) ** self.power
            mixed = np.einsum("nk,nkc->nc", weight, proba[near.indices])
            return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))

        return proba, {"predict": predict, "unreached": int((~reached).sum())}

    def _solve(self, pool: Pool, given: FloatArray) -> FloatArray:
        from scipy.sparse import csr_matrix, diags_array, eye_array
        from scipy.sparse.linalg import cg

        n = len(pool)
        near = pool.embedding.neighbors(min(self.k, n - 1))
        weight = near.similarity.clip(0).astype(np.float64) ** self.power
        starts = np.arange(0, n * near.k + 1, near.k)
        graph = csr_matrix((weight.ravel(), near.indices.ravel(), starts), shape=(n, n))
        graph = graph + graph.T
        degree = np.asarray(graph.sum(axis=1)).ravel()
        root = diags_array(1 / np.sqrt(np.maximum(degree, 1e-12)))
        system = eye_array(n, format="csr") - self.alpha * (root @ graph @ root)
        columns = [cg(system, column, rtol=_ENOUGH, maxiter=_STEPS)[0] for column in given.T]
        return np.stack(columns, axis=1)
