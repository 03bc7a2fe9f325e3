"""Labels spread over the neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import BoolArray, check_integer, check_real
from curalab.pool import FloatArray, Pool
from curalab.pseudo_labels.low_shot_probe import probe_of

__all__ = ["Propagation"]

_C = 10.0
_STEPS = 100
_ENOUGH = 1e-5
_FAINT = 1e-6  # of the mean: what arrives below it says nothing


@dataclass(frozen=True, kw_only=True)
class Propagation:
    """Rows take the labels of the rows around them, and of those around these.

    Solves (I - alpha·S) F = Y for all classes at once by conjugate gradients. S is the graph of
    the `k` nearest neighbours with weights similarity^power, made symmetric by the sum of both
    directions as in [2]_, and normalised by its degrees as in [1]_; Y holds the given labels.
    Rows of F that sum to 1 are the graph's probabilities f.

    With `probe`, they are joined with the probabilities p of logistic regression on the labelled
    rows, as two independent witnesses are: p·f / share, where share is that of each class among
    the labels (ours). The graph is better with one label a class, the probe with many; together
    they were at least as good as the probe at 1, 3, 5 and 10 labels a class on five sets, and
    their confidence was off by .02 to .14 on average, that of each alone by up to .6 and .3.

    A row in a part of the graph that holds no label gets the shares of the classes;
    ``details["unreached"]`` counts them. New rows take the mean of F over their `k` nearest.

    Parameters
    ----------
    k : int, default=15
        Neighbours a row, fewer where there are fewer rows.
    alpha : float, default=0.95
        Share of the neighbours' opinion, from 0 to 0.999.
    power : float, default=3
        Larger trusts the closest neighbours more.
    probe : bool, default=True
        Whether to join the probe. False is label spreading as published.
    balance : bool, default=False
        Whether to scale the columns of F so that each class gets the share it has among the
        labels given ("class mass normalisation" [3]_). Helps where these shares hold for all rows.

    References
    ----------
    .. [1] Zhou, Bousquet, Lal, Weston, Schölkopf (2004), "Learning with Local and Global
       Consistency", NeurIPS 16.
    .. [2] Iscen, Tolias, Avrithis, Chum (2019), "Label Propagation for Deep Semi-supervised
       Learning", CVPR. arXiv:1904.04717.
    .. [3] Zhu, Ghahramani, Lafferty (2003), "Semi-Supervised Learning Using Gaussian Fields and
       Harmonic Functions", ICML.
    """

    cost: ClassVar[str] = "one neighbour pass, a sparse solve, one fit on the labelled rows"
    needs: ClassVar[str] = "labels"

    k: int = 15
    alpha: float = 0.95
    power: float = 3.0
    probe: bool = True
    balance: bool = False

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes)."""
        check_integer("k", self.k, low=1)
        check_real("alpha", self.alpha, low=0, high=0.999)
        check_real("power", self.power, low=0, high=100)
        known, codes = np.flatnonzero(pool.is_labelled), pool.codes
        given = np.zeros((len(pool), len(pool.classes)), dtype=np.float32)
        given[known, codes[known]] = 1
        share = np.bincount(codes[known], minlength=given.shape[1]) / len(known)
        graph = _graph(pool, min(self.k, len(pool) - 1), self.power)
        spread = np.maximum(_solved(graph, given, self.alpha), 0).astype(np.float64)
        if self.balance:
            spread *= share / np.maximum(spread.sum(axis=0), 1e-12)
        faint = _FAINT * spread.sum() / len(spread)
        heard = (spread + faint * share) / (spread.sum(axis=1, keepdims=True) + faint)
        ask = probe_of(pool, C=_C) if self.probe else None

        def joined(seen: FloatArray, points: FloatArray) -> FloatArray:
            if ask is None:
                return seen
            both = ask(points) * seen / np.maximum(share, 1e-12)
            return np.asarray(both / both.sum(axis=1, keepdims=True))

        def predict(new: FloatArray) -> FloatArray:
            near = pool.embedding.search(new, min(self.k, len(pool)))
            weight = np.maximum(near.similarity, 1e-6) ** self.power
            seen = np.einsum("nk,nkc->nc", weight, heard[near.indices])
            return joined(seen / weight.sum(axis=1, keepdims=True), new)

        proba = joined(heard, pool.embedding.points)
        apart = ~_reached(graph, pool.is_labelled)
        proba[apart] = share
        return proba, {"predict": predict, "unreached": int(apart.sum())}


def _graph(pool: Pool, k: int, power: float) -> Any:
    """Return the symmetric, normalised graph as a sparse array, (n_items, n_items) float32."""
    from scipy.sparse import csr_array, diags_array

    n, near = len(pool), pool.embedding.neighbors(k)
    weight = np.maximum(near.similarity, 0).astype(np.float32) ** power
    starts = np.arange(0, n * k + 1, k)
    one_way = csr_array((weight.ravel(), near.indices.ravel(), starts), shape=(n, n))
    graph = one_way + one_way.T
    graph.eliminate_zeros()
    degree = np.asarray(graph.sum(axis=1)).ravel()
    root = diags_array((1 / np.sqrt(np.maximum(degree, 1e-12))).astype(np.float32))
    return (root @ graph @ root).tocsr()


def _solved(graph: Any, given: FloatArray, alpha: float) -> FloatArray:
    """Solve (I - alpha·graph) F = given by conjugate gradients, every column its own way."""
    found, rest = given.copy(), alpha * (graph @ given)
    way, size = rest.copy(), np.square(rest).sum(axis=0)
    wanted = _ENOUGH**2 * np.square(given).sum(axis=0)
    for _ in range(_STEPS):
        if (size <= wanted).all():
            break
        bent = way - alpha * (graph @ way)
        step = size / np.maximum((way * bent).sum(axis=0), 1e-30)
        found += step * way
        rest -= step * bent
        size, before = np.square(rest).sum(axis=0), size
        way = rest + size / np.maximum(before, 1e-30) * way
    return found


def _reached(graph: Any, is_labelled: BoolArray) -> BoolArray:
    """Return whether any label is in the row's part of the graph, (n_items,)."""
    from scipy.sparse.csgraph import connected_components

    _, part = connected_components(graph, directed=False)
    return np.asarray(np.isin(part, part[is_labelled]))
