"""Which texts are worth comparing: those that share rare character n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from curalab._check import FloatArray, IntArray
from curalab.duplicates._pairs import distinct

__all__ = ["candidate_pairs", "cosine", "gram_vectors", "usual_similarity"]

_GRAMS = (2, 4)  # characters, within words
_CELLS = 4_000_000  # products in a block
_PAIRS = 20_000  # in a block


def gram_vectors(texts: Sequence[str]) -> Any:
    """Return TF-IDF vectors of character n-grams, sparse, of length 1; an empty text has none."""
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not any(texts):
        return csr_array((len(texts), 1))
    made = TfidfVectorizer(analyzer="char_wb", ngram_range=_GRAMS, sublinear_tf=True)
    return csr_array(made.fit_transform(texts))


def cosine(vectors: Any, pairs: IntArray) -> FloatArray:
    """Return the cosine of each pair of rows, shape (m,), 0 to 1."""
    found = [np.empty(0)]
    for start in range(0, len(pairs), _PAIRS):
        one, other = pairs[start : start + _PAIRS].T
        both = vectors[one].multiply(vectors[other])
        found.append(np.asarray(both.sum(axis=1), dtype=np.float64).ravel())
    return np.concatenate(found).clip(0, 1)


def candidate_pairs(vectors: Any, partners: int, largest: int) -> IntArray:
    """Return pairs of rows that share n-grams of few rows, shape (m, 2), each once.

    An n-gram is a block: the rows that have it. Blocks of more than `largest` rows are left out,
    and of each row's partners in the others only the `partners` most similar count, so that n rows
    never make more than ``n * partners`` pairs.
    """
    if not vectors.shape[0]:
        return np.empty((0, 2), dtype=np.int64)
    n, size = vectors.shape[0], np.bincount(vectors.indices, minlength=vectors.shape[1])
    kept = np.flatnonzero((size > 1) & (size <= largest))
    rare = vectors[:, kept].tocsr()
    index = rare.T.tocsr()
    cost = np.concatenate([[0], np.cumsum(size[kept][rare.indices])])[rare.indptr]
    starts = np.flatnonzero(np.diff(cost[:-1] // _CELLS, prepend=-1))
    made = [np.empty((0, 2), dtype=np.int64)]
    for start, end in zip(starts, [*starts[1:], n], strict=True):
        products = (rare[start:end] @ index).tocoo()
        row, other = products.row + start, products.col
        is_other = row != other
        row, other, shared = row[is_other], other[is_other], products.data[is_other]
        order = np.lexsort((other, -shared, row))
        row, other = row[order], other[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        made.append(np.column_stack([row, other])[rank < partners])
    pairs = np.concatenate(made).astype(np.int64)
    return distinct(n, pairs, np.zeros(len(pairs)))[0]


def usual_similarity(n: int, pairs: IntArray, similarity: FloatArray, partners: int) -> FloatArray:
    """Return each row's mean similarity to its most similar partners, shape (n,).

    A partner that is missing among `partners` counts as one of similarity 0, unless there are no
    more rows.
    """
    row, shared = pairs.T.ravel(), np.tile(similarity, 2)
    order = np.lexsort((-shared, row))
    row, shared = row[order], shared[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    near = rank < partners
    total = np.bincount(row[near], shared[near], minlength=n)
    return np.asarray(total / max(min(partners, n - 1), 1))
