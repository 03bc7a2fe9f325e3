"""How similar pairs are that the user brings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, complain, first_few, rows_of
from curalab.pool import as_pool, find_stage, resolve

__all__ = ["score_pairs"]

_COLUMNS = ["id_a", "id_b"]


def score_pairs(
    embedding: Any, pairs: Any, *, method: str | Callable[..., Any] = "semantic"
) -> pd.DataFrame:
    """Say how similar the two items of each given pair are.

    For pairs that a person, a rule or another tool suspects: no threshold, nothing is searched.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    pairs : DataFrame or array-like of shape (m, 2)
        Ids. Of a DataFrame the columns `id_a` and `id_b` count, as in `Duplicates.pairs()`.
    method : str or callable, default="semantic"
        A method of ``cl.methods("duplicates")`` that can score a given pair: "semantic", "exact"
        (1 or 0), "near_text", "perceptual" or "record_linkage", by name or with settings; or an
        object with ``similarity(pool, pairs)`` for pairs of row numbers.

    Returns
    -------
    DataFrame
        Columns `id_a`, `id_b` and `similarity`, in the order and with the index of `pairs`. The
        numbers are those that `find_duplicates` gives by the same method; 0 to 1, and below 0 only
        where the cosine is.

    Raises
    ------
    KeyError
        Ids that are not in the embedding; the error lists them.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.duplicates import score_pairs
    >>> emb = cl.Embedding(vectors=[[1, 0], [1, 0], [0, 1]], ids=["a", "b", "c"])
    >>> score_pairs(emb, [("a", "b"), ("c", "a")])["similarity"].round(3).tolist()
    [1.0, 0.0]
    """
    pool = as_pool(embedding)
    scorer = _scorer(method)
    table = _table(pairs)
    asked = pd.Index(pd.concat([table["id_a"], table["id_b"]]))
    rows_of(pool.ids, asked.unique(), name="pairs")
    rows = np.asarray(pool.ids.get_indexer(asked), dtype=np.int64).reshape(2, -1).T
    table["similarity"] = _scored(scorer, pool, rows)
    return table


def _scorer(method: Any) -> Any:
    stage = find_stage("duplicates")
    name, function = resolve(stage, method)
    if not callable(getattr(function, "similarity", None)):
        able = [known for known, made in stage.methods.items() if hasattr(made, "similarity")]
        rule = f"one that can score a given pair, such as {first_few(able)}"
        hint = "Give it a method similarity(pool, pairs) that returns one number a pair."
        raise TypeError(complain("method", rule, name, hint))
    return function


def _table(pairs: Any) -> pd.DataFrame:
    """Return the columns id_a and id_b, in a new table."""
    rule = "a DataFrame with the columns 'id_a' and 'id_b', or ids of shape (m, 2)"
    if isinstance(pairs, pd.DataFrame):
        if not set(_COLUMNS) <= set(pairs.columns):
            got = f"a DataFrame with the columns {first_few(pairs.columns)}"
            raise ValueError(complain("pairs", rule, what=got))
        return pairs[_COLUMNS].copy()
    if not hasattr(pairs, "__iter__") or isinstance(pairs, str):
        raise TypeError(complain("pairs", rule, pairs))
    given = pairs if isinstance(pairs, np.ndarray) else list(pairs)
    wrong = [pair for pair in given if np.shape(pair) != (2,)]
    if wrong:
        got = f"{len(wrong):,} of {len(given):,} that are no two ids: {first_few(wrong)}"
        raise ValueError(complain("pairs", rule, what=got))
    columns = zip(*given, strict=True) if len(given) else ([], [])
    return pd.DataFrame(dict(zip(_COLUMNS, map(list, columns), strict=True)))


def _scored(scorer: Any, pool: Any, rows: IntArray) -> FloatArray:
    similarity = np.asarray(scorer.similarity(pool, rows))
    is_right = similarity.shape == (len(rows),) and similarity.dtype.kind in "fiub"
    if not is_right or not np.isfinite(similarity).all():
        got = f"shape {similarity.shape}, dtype {similarity.dtype}"
        got += "" if not is_right else " with NaN or infinite values"
        raise ValueError(complain("method", f"one that returns {len(rows):,} numbers", what=got))
    return similarity.astype(np.float64)
