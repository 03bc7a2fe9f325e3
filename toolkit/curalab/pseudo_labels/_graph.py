"""The neighbour graph as a sparse matrix, and what spreads over it."""

from __future__ import annotations

from typing import Any

import numpy as np

from curalab._check import BoolArray, FloatArray
from curalab.pool import Pool

__all__ = ["graph_of", "is_reached", "solved", "spread"]

_STEPS = 100
_ENOUGH = 1e-5
_FAINT = 1e-6  # of the mean: what arrives below it says nothing


def spread(graph: Any, given: FloatArray, alpha: float, share: FloatArray) -> FloatArray:
    """Return what each row hears of each class, in rows that sum to 1; `share` where nothing."""
    heard = np.maximum(solved(graph, given, alpha), 0).astype(np.float64)
    faint = _FAINT * heard.sum() / len(heard)
    return np.asarray((heard + faint * share) / (heard.sum(axis=1, keepdims=True) + faint))


def graph_of(pool: Pool, k: int, power: float) -> Any:
    """Return the symmetric, normalised graph as a sparse array, (n_items, n_items) float32."""
    from scipy.sparse import csr_array, diags_array

    n, near = len(pool), pool.embedding.neighbors(k)
    # Wide: far apart, similarities to a power are as small as 1e-50 before they are normalised.
    weight = np.maximum(near.similarity, 0).astype(np.float64) ** power
    starts = np.arange(0, n * k + 1, k)
    one_way = csr_array((weight.ravel(), near.indices.ravel(), starts), shape=(n, n))
    graph = one_way + one_way.T
    graph.eliminate_zeros()
    degree = np.asarray(graph.sum(axis=1)).ravel()
    root = diags_array(1 / np.sqrt(np.where(degree > 0, degree, 1)))
    return (root @ graph @ root).tocsr().astype(np.float32)


def solved(graph: Any, given: FloatArray, alpha: float) -> FloatArray:
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


def is_reached(graph: Any, is_labelled: BoolArray) -> BoolArray:
    """Return whether any label is in the row's part of the graph, (n_items,)."""
    from scipy.sparse.csgraph import connected_components

    _, part = connected_components(graph, directed=False)
    return np.asarray(np.isin(part, part[is_labelled]))
