"""Leakage: test rows that the training rows give away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, FloatArray, align, check_real, complain, first_few
from curalab.duplicates._threshold import FIRST, ordinary_threshold
from curalab.duplicates.semantic import Semantic
from curalab.embedding import Embedding, as_embedding
from curalab.pool import Pool, as_pool, find_stage, resolve
from curalab.results import StageResult

__all__ = ["Leakage", "find_leakage"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Leakage(StageResult):
    """Test rows with a copy or near-copy among the training rows, most similar first.

    Attributes
    ----------
    ids : pandas.Index
        Ids of the test rows that leak; other test rows are not in the result.
    nearest : ndarray of shape (n_leaks,)
        Id of the most similar training row.
    similarity : ndarray of shape (n_leaks,), float
        How similar the two are, as the method says; by "semantic", 1 - distance under "cosine",
        else 1 / (1 + distance).
    """

    prefix: ClassVar[str] = "leak"

    nearest: AnyArray
    similarity: FloatArray

    @property
    def summary(self) -> str:
        return f"of {self.params['n_test']:,} test rows"


def find_leakage(
    train: Any,
    test: Any,
    *,
    method: str | Callable[..., Any] = "semantic",
    threshold: float | None = None,
    random_state: int | None = None,
) -> Leakage:
    """Find test rows that are copies or near-copies of training rows.

    Parameters
    ----------
    train, test : Embedding, Pool or array-like of shape (n, d)
        Vectors of the same space, with data of the same kind for methods that compare content.
        Ids of the two sides may be the same.
    method : str or callable, default="semantic"
        As of `find_duplicates`. "semantic" compares the two sides by their vectors, exactly. Any
        other method looks for duplicates in both sides together, and the pairs across count.
    threshold : float, default=None
        Similarity from which a test row leaks, 0 to 1. None sets it as `find_duplicates` does:
        for "semantic", where the nearest training row is nearer than ordinary neighbours
        of a test row would be by chance. ``details["threshold"]`` says what it is, and why.
    random_state : int, default=None
        Seed of methods other than "semantic". None draws one and records it.

    Returns
    -------
    Leakage
        The test rows that leak, most similar first; its length is their number.

    Raises
    ------
    ValueError
        The two differ in metric, dimensions or kind of data.

    Notes
    -----
    Of a group of more than 100 copies, only enough pairs are known to connect it: where a method
    found a test row in such a group with training rows, but no pair with one of them, the row is
    not in the result, and ``details["linked_through_others"]`` counts it.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(130, 8))
    >>> x[110] = x[5] + 0.01
    >>> leak = cl.find_leakage(x[:100], x[100:])
    >>> leak.to_frame().index.tolist(), leak.nearest.tolist()
    ([10], [5])
    """
    if threshold is not None:
        threshold = check_real("threshold", threshold, low=0, high=1)
    if not _is_search(method):
        return _by_method(as_pool(train), as_pool(test), method, threshold, random_state)
    known = as_embedding(_vectors_of(train), name="train")
    asked = as_embedding(_vectors_of(test), metric=known.metric, name="test")
    _refuse_other_space(known, asked)
    near = known.search(asked, min(FIRST, len(known)))
    how: dict[str, Any] = {"rule": "given", "threshold": threshold}
    if threshold is None:

        def distances(k: int, step: int) -> FloatArray:
            some = near if k == near.k else known.search(asked.vectors[::step], k)
            return some.distance[::step] if some is near else some.distance

        threshold, how = ordinary_threshold(distances, len(asked), len(known), metric=known.metric)
    similarity = near.similarity[:, 0].astype(np.float64)
    order = np.argsort(-similarity, kind="stable")
    order = order[similarity[order] >= threshold]
    return Leakage(
        ids=asked.ids[order],
        nearest=known.ids.to_numpy()[near.indices[order, 0]],
        similarity=similarity[order],
        params={
            "verb": "find_leakage",
            "threshold": threshold,
            "n_test": len(asked),
            "train": known.fingerprint,
            "test": asked.fingerprint,
        },
        details={"threshold": how},
    )


def _is_search(method: Any) -> bool:
    return bool(resolve(find_stage("duplicates"), method)[1] == Semantic())


def _by_method(
    train: Pool, test: Pool, method: Any, threshold: float | None, random_state: int | None
) -> Leakage:
    """Find duplicates in both sides as one, and keep each test row's best pair across."""
    from curalab.duplicates import find_duplicates

    _refuse_other_space(train.embedding, test.embedding)
    found = find_duplicates(
        _joined(train, test), method=method, threshold=threshold, random_state=random_state
    )
    n = len(train)
    crossing = found.found[(found.found["row_a"] < n) & (found.found["row_b"] >= n)]
    best = crossing.drop_duplicates("row_b")  # pairs come most similar first
    rows = best["row_b"].to_numpy() - n
    known, asked = found.group[:n], found.group[n:]
    is_beside = (asked >= 0) & np.isin(asked, known)
    is_beside[rows] = False
    params = {name: value for name, value in found.params.items() if name != "embedding"}
    return Leakage(
        ids=test.ids[rows],
        nearest=train.ids.to_numpy()[best["row_a"]],
        similarity=best["similarity"].to_numpy(),
        params={
            **params,
            "verb": "find_leakage",
            "n_test": len(test),
            "train": train.embedding.fingerprint,
            "test": test.embedding.fingerprint,
        },
        details={**found.details, "linked_through_others": int(is_beside.sum())},
    )


def _joined(train: Pool, test: Pool) -> Pool:
    """Return the rows of both sides as one pool, under ids that tell the sides apart."""
    sides = {"train": train, "test": test}
    ids = pd.Index([f"{side} {id!r}" for side, pool in sides.items() for id in pool.ids.tolist()])
    vectors = np.concatenate([pool.embedding.vectors for pool in sides.values()])
    embedding = Embedding(vectors=vectors, ids=ids, metric=train.embedding.metric)
    data = _joined_data(train, test)
    if isinstance(data, pd.DataFrame):
        data = data.set_axis(embedding.ids)
    return Pool(embedding=embedding, data=data)


def _joined_data(train: Pool, test: Pool) -> Any:
    one, other = (_data_of(pool) for pool in (train, test))
    if one is None and other is None:
        return None
    tables = [isinstance(data, pd.DataFrame) for data in (one, other)]
    if all(tables) and list(one.columns) == list(other.columns):
        return pd.concat([one, other], ignore_index=True)
    if one is None or other is None or any(tables):
        told = [_shape_of(data) for data in (one, other)]
        rule = f"with data of the same kind as 'train' has, {told[0]}"
        raise ValueError(complain("test", rule, what=told[1]))
    return [*one, *other]


def _data_of(pool: Pool) -> Any:
    return None if pool.data is None else align("data", pool.data, pool.ids)


def _shape_of(data: Any) -> str:
    if data is None:
        return "no data"
    if isinstance(data, pd.DataFrame):
        return f"a table with the columns {first_few(data.columns)}"
    return "one value a row"


def _vectors_of(value: Any) -> Any:
    return value.embedding if isinstance(value, Pool) else value


def _refuse_other_space(train: Embedding, test: Embedding) -> None:
    if test.metric != train.metric:
        hint = "Make both with the same metric=…."
        raise ValueError(complain("test", f"of metric {train.metric!r}", test.metric, hint))
    if test.shape[1] != train.shape[1]:
        rule = f"of {train.shape[1]:,} dimensions, as 'train' is"
        hint = "Embed both with the same encoder: embed(test, encoder=train.encoder)."
        raise ValueError(complain("test", rule, test.shape[1], hint))
