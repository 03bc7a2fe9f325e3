"""The pool that methods are tried on, the same in another order, and answers compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, IntArray
from curalab.embedding import Embedding
from curalab.pool import Array, Pool

__all__ = ["agree", "bared", "permuted", "planted", "snapshot"]

_ROWWISE = ("labels", "proba", "groups", "order")


def planted() -> Pool:
    """Return 60 rows in three classes, in mixed order, with every part that a pool may have.

    One row is almost a copy of another, two have the wrong label, six have none.
    """
    rng = np.random.default_rng(7)
    truth = rng.permutation(np.repeat([0, 1, 2], 20))
    vectors = rng.normal(size=(60, 6)) + 4 * np.eye(6)[truth]
    vectors[9] = vectors[3] + 1e-3
    truth[9] = truth[3]
    labels = np.array(["a", "b", "c"], dtype=object)[truth]
    labels[[5, 17]] = labels[[17, 5]] if truth[5] != truth[17] else ["a", "b"]
    labels[[1, 12, 23, 34, 45, 56]] = None
    odds = np.exp(vectors[:, :3])
    words = [["apple", "pear", "plum"], ["car", "bus", "tram"], ["oak", "elm", "fir"]]
    texts = [" ".join(rng.choice(words[kind], size=4)) for kind in truth]
    ids = pd.Index([f"row-{i:02d}" for i in range(60)])
    kinds = np.array(["fruit", "traffic", "trees"])[truth]
    data = pd.DataFrame({"text": texts, "kind": kinds}, index=ids)
    clean = np.repeat([0, 1, 2], 7)
    return Pool(
        embedding=Embedding(vectors=vectors, ids=ids, data=data),
        labels=labels,
        proba=odds / odds.sum(axis=1, keepdims=True),
        classes=np.array(["a", "b", "c"], dtype=object),
        groups=np.where(rng.random(60) < 0.5, "north", "south"),
        order=rng.permutation(60),
        target=Embedding(vectors=rng.normal(size=(9, 6)) + 4 * np.eye(6)[0]),
        reference=Pool(
            embedding=Embedding(vectors=rng.normal(size=(21, 6)) + 4 * np.eye(6)[clean]),
            labels=np.array(["a", "b", "c"], dtype=object)[clean],
        ),
    )


def bared(pool: Pool, needs: tuple[str, ...]) -> Pool:
    """Return the pool without the parts that `needs` does not name."""
    whole = pool.embedding
    given = {name: getattr(pool, name) for name in needs}
    if "proba" in needs:
        given["classes"] = pool.classes
    bare = Embedding(ids=whole.ids, vectors=whole.vectors, metric=whole.metric)
    return Pool(embedding=bare, **given)


def permuted(pool: Pool, order: IntArray) -> Pool:
    rowwise = {name: getattr(pool, name) for name in _ROWWISE}
    data = pool.data if hasattr(pool.data, "iloc") else pd.Series(list(pool.data or []))
    return pool.replace(
        embedding=pool.embedding.take(pool.ids[order]),
        data=data.iloc[order] if len(data) else None,
        classes=pool.classes,
        **{name: value[order] for name, value in rowwise.items() if value is not None},
    )


def snapshot(pool: Pool) -> dict[str, Any]:
    parts = {name: getattr(pool, name) for name in (*_ROWWISE, "data", "chosen")}
    parts |= {"vectors": pool.embedding.vectors, "ids": pool.ids.to_numpy()}
    for name in ("target", "reference"):
        part = getattr(pool, name)
        if part is not None:
            parts[f"{name} vectors"] = getattr(part, "embedding", part).vectors
    return {
        name: value.copy() if hasattr(value, "copy") else value for name, value in parts.items()
    }


def agree(spec: Array, plain: Any, moved: Any, order: IntArray, stage: str) -> bool:
    """Whether `moved`, the answer for the rows in `order`, says the same as `plain`."""
    if spec.kind == "text":
        return bool(plain == moved)
    if spec.rows == "argument":
        return bool(np.array_equal(order[moved], plain))
    if spec.columns == "pair":
        pairs, again = ({frozenset(p) for p in rows.tolist()} for rows in (plain, order[moved]))
        return pairs == again
    if spec.rows in ("any", "one"):
        return bool(np.allclose(np.sort(plain), np.sort(moved), rtol=1e-3, atol=1e-4))
    back = np.empty_like(moved)
    back[order] = moved
    if spec.columns == "map":  # a map may be turned or mirrored
        return bool(np.corrcoef(_gaps(plain), _gaps(back))[0, 1] > 0.99)
    if spec.kind == "int" and stage == "clusters":
        return bool((np.equal.outer(plain, plain) == np.equal.outer(back, back)).all())
    if spec.kind == "class":
        return bool(((plain == back) | (pd.isna(plain) & pd.isna(back))).all())
    return bool(np.allclose(plain, back, rtol=1e-3, atol=1e-4, equal_nan=True))


def _gaps(points: AnyArray) -> AnyArray:
    rows, columns = np.triu_indices(len(points), 1)
    return np.asarray(np.linalg.norm(points[rows] - points[columns], axis=1))
