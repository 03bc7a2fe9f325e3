"""What the labels nearby say of a row."""

from __future__ import annotations

import numpy as np

from curalab.pool import FloatArray, Pool

__all__ = ["corrected", "labels_of", "votes"]

_FLOOR = 1e-6


def labels_of(pool: Pool) -> FloatArray:
    """Return 1 at the label of each row, else 0, (n_items, n_classes)."""
    said = np.zeros((len(pool), len(pool.classes)))
    rows = np.flatnonzero(pool.is_labelled)
    said[rows, pool.codes[rows]] = 1
    return said


def corrected(pool: Pool, likely: FloatArray, trust: FloatArray) -> FloatArray:
    """Return how far each row speaks for its label and, by half of the doubt, for the others."""
    doubt = (pool.is_labelled - trust) / 2
    said = likely * (doubt / likely.sum(axis=1))[:, None]
    said[np.arange(len(pool)), np.maximum(pool.codes, 0)] = trust
    return np.asarray(said)


def votes(pool: Pool, said: FloatArray, reach: list[int]) -> FloatArray:
    """Return log q / f, the mean over all numbers of neighbours in `reach`, of (n, n_classes)."""
    common = np.bincount(pool.codes[pool.is_labelled], minlength=said.shape[1])
    common = np.maximum(common, 1) / common.sum()
    return np.asarray(np.mean([np.log(_share(pool, said, k) / common) for k in reach], axis=0))


def _share(pool: Pool, said: FloatArray, k: int) -> FloatArray:
    """Return the smoothed share of the votes of the `k` nearest, (n_items, n_classes)."""
    from scipy.sparse import csr_array

    near = pool.embedding.neighbors(k)
    square = near.distance if near.metric == "cosine" else np.square(near.distance)
    weight = np.exp(-square / np.maximum(square[:, -1:], np.finfo(np.float32).tiny))
    start = np.arange(0, weight.size + 1, k)
    shape = (len(pool), len(pool))
    heard = csr_array((weight.ravel(), near.indices.ravel(), start), shape=shape) @ said
    usual = said.sum(axis=0) / said.sum()
    return np.asarray(np.maximum((heard + usual) / (heard.sum(axis=1, keepdims=True) + 1), _FLOOR))
