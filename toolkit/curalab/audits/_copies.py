"""Copies whose content agrees, and not their vectors alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, FloatArray, IntArray
from curalab.duplicates import Leakage, Semantic, find_leakage
from curalab.duplicates._shingles import shingle_sets
from curalab.embedding import Embedding
from curalab.items._table import kind_of
from curalab.pool import Pool

__all__ = ["Copies", "agreement", "is_same", "leaks"]

_SAME = 0.6  # of the words of two texts, weighed by how rare they are
_SAME_CELLS = 0.8  # of two rows of a table, whose columns often say the same twice
_CANDIDATES = 10  # training rows that a test row is compared with
_JUDGED = 8_192  # test rows that set the threshold
_NEIGHBORS = 30  # as many as the audit has
_BLOCK = 10_000  # texts whose words are counted in one go, or pairs compared
_NEAR = 0.001  # of a column's standard deviation: numbers this close are the same


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Rows with near vectors that also say the same, where what was embedded can be compared.

    Texts and tables of one kind are near each other without being copies: "What does NASA stand
    for?" and "What does NAFTA stand for?", two people of the same trade and town. Of the pairs that
    `Semantic` finds, those stay that have at least 60 % of their words, or 80 % of their cells, in
    common, each weighed by how rare it is. Images, sounds and bare vectors go by their vectors
    alone.
    """

    cost: ClassVar[str] = "that of semantic, and the words or cells of the pairs it finds"

    def __call__(
        self, pool: Pool, threshold: float, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray]:
        """Return pairs of row numbers (m, 2) and their similarity (m,), from `threshold` up."""
        pairs, similarity = Semantic()(pool, threshold, rng=rng)
        same = is_same(pool.data, pairs)
        return pairs[same], similarity[same]


def leaks(pool: Pool, is_test: AnyArray) -> Leakage:
    """Return the test rows with a copy among the training rows.

    Of more than 8,192 test rows, every second or third sets the threshold, and the neighbour graph
    tells which of all are worth a search: that of each in all training rows grows with the square
    of their number.
    """
    embedding: Embedding = pool.embedding
    known, asked = (embedding.take(embedding.ids[side]) for side in (~is_test, is_test))
    step = -(-len(asked) // _JUDGED)
    found = find_leakage(known, asked.take(asked.ids[::step]) if step > 1 else asked)
    if step > 1:
        params = {**found.params, "n_test": len(asked), "test": asked.fingerprint}
        suspects = _suspects(embedding, is_test, params["threshold"])
        found = replace(found, ids=suspects, params=params)
    if not len(found.ids):
        return replace(found, nearest=found.nearest[:0], similarity=found.similarity[:0])
    near = known.search(embedding.take(found.ids), min(_CANDIDATES, len(known)))
    similarity = near.similarity.astype(np.float64)
    test, place = np.nonzero(similarity >= found.params["threshold"])
    ids = found.ids[test], known.ids[near.indices[test, place]]
    same = np.flatnonzero(is_same(pool.data, np.column_stack([*map(pool.ids.get_indexer, ids)])))
    chosen = same[np.unique(test[same], return_index=True)[1]]  # the first of each test row
    similarity = similarity[test, place][chosen]
    order = np.argsort(-similarity, kind="stable")
    chosen = chosen[order]
    nearest = ids[1].to_numpy()[chosen]
    return replace(found, ids=ids[0][chosen], nearest=nearest, similarity=similarity[order])


def _suspects(embedding: Embedding, is_test: AnyArray, threshold: float) -> pd.Index:
    """Return the ids of test rows that may be near a training row, as the graph tells."""
    graph = embedding.neighbors(min(_NEIGHBORS, len(embedding) - 1))
    rows = np.flatnonzero(is_test)
    is_near = graph.similarity[rows] >= np.float64(threshold)
    has_train = (is_near & ~is_test[graph.indices[rows]]).any(axis=1)
    return embedding.ids[rows[has_train | is_near[:, -1]]]  # or copies in the way


def is_same(data: Any, pairs: IntArray) -> BoolArray:
    """Return which pairs of rows say the same; all, where there is nothing to compare."""
    least = _SAME_CELLS if isinstance(data, pd.DataFrame) else _SAME
    return np.asarray(agreement(data, pairs) >= least, dtype=bool)


def agreement(data: Any, pairs: IntArray) -> FloatArray:
    """Return how much of what the rows of each pair say is in both, from 0 to 1; (m,).

    The weight of a word or cell that `df` of n distinct rows have is ``1 + log((1 + n) / (1 +
    df))``; the weights in both rows are divided by those in either. One where neither texts nor
    cells are there to compare.
    """
    if isinstance(data, pd.DataFrame):
        return _of_cells(data, pairs)
    texts = [] if data is None else [c if kind_of(c) == "text" else None for c in data]
    if not len(pairs) or 2 * sum(text is not None for text in texts) <= len(texts):
        return np.ones(len(pairs))  # names of files are no texts
    rows, place = np.unique(pairs, return_inverse=True)
    sets, known = shingle_sets([texts[row] for row in rows], 1)
    sets = sets.astype(np.float64)
    distinct = list(dict.fromkeys(texts))
    n_with = np.zeros(len(known))
    for start in range(0, len(distinct), _BLOCK):
        found, words = shingle_sets(distinct[start : start + _BLOCK], 1)
        _, at, which = np.intersect1d(known, words, assume_unique=True, return_indices=True)
        n_with[at] += found.sum(axis=0)[which]
    weight = _rarity(n_with, len(distinct))
    parts = np.array_split(place.reshape(pairs.shape), len(pairs) // _BLOCK + 1)
    both = [sets[part[:, 0]].multiply(sets[part[:, 1]]) @ weight for part in parts]
    return _shared(np.concatenate(both), (sets @ weight)[place].reshape(pairs.shape).sum(axis=1))


def _of_cells(table: pd.DataFrame, pairs: IntArray) -> FloatArray:
    one, other = pairs.T
    both, either = np.zeros((2, len(pairs)))
    first = ~_hashed(table).duplicated().to_numpy()
    for at in range(table.shape[1]):
        cells = table.iloc[:, at]
        if pd.api.types.is_numeric_dtype(cells) and cells.dtype != bool:
            weight, same = _of_numbers(cells.to_numpy(np.float64, na_value=np.nan), first, pairs)
        else:
            code = pd.factorize(np.array([str(cell) for cell in cells], dtype=object))[0]
            weight = _rarity(np.bincount(code[first], minlength=code.max() + 1), first.sum())[code]
            same = code[one] == code[other]
        mean = (weight[one] + weight[other]) / 2
        both += np.where(same, mean, 0)
        either += 2 * mean
    return _shared(both, either)


def _of_numbers(
    values: FloatArray, first: AnyArray, pairs: IntArray
) -> tuple[FloatArray, AnyArray]:
    """Return the weight of each number, and which pairs have the same one, or none."""
    finite = values[first & np.isfinite(values)]
    near = _NEAR * (finite.std() if len(finite) else 0.0)
    ordered = np.sort(finite)
    count = ordered.searchsorted(values + near, "right") - ordered.searchsorted(values - near)
    n_first = int(first.sum())
    count = np.where(np.isnan(values), n_first - len(finite), count)
    a, b = values[pairs].T
    same = (a == b) | (np.abs(a - b) <= near) | (np.isnan(a) & np.isnan(b))
    return _rarity(count, n_first), same


def _hashed(table: pd.DataFrame) -> pd.Series[Any]:
    return pd.util.hash_pandas_object(table.astype(str), index=False)


def _rarity(n_with: AnyArray, n: int) -> FloatArray:
    return np.asarray(1 + np.log((1 + n) / (1 + n_with)))


def _shared(both: FloatArray, summed: FloatArray) -> FloatArray:
    """Return what both have over what one of them has, 1 where neither has anything."""
    either = summed - both
    return np.asarray(np.where(either > 0, both / np.where(either > 0, either, 1), 1.0))
