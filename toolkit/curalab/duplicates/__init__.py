"""Duplicates: rows that say the same, within a set or across two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import check_real
from curalab.duplicates._graph import nearest_of
from curalab.duplicates._leakage import Leakage, find_leakage
from curalab.duplicates._pairs import distinct, group_rows, without_copies
from curalab.duplicates._result import Duplicates
from curalab.duplicates._scoring import score_pairs
from curalab.duplicates._threshold import ordinary_threshold
from curalab.duplicates.exact import Exact
from curalab.duplicates.near_text import NearText
from curalab.duplicates.perceptual import Perceptual
from curalab.duplicates.record_linkage import RecordLinkage
from curalab.duplicates.semantic import Semantic
from curalab.pool import Array, Pool, Stage, as_pool, resolve, run

__all__ = [
    "STAGE",
    "Duplicates",
    "Exact",
    "Leakage",
    "NearText",
    "Perceptual",
    "RecordLinkage",
    "Semantic",
    "find_duplicates",
    "find_leakage",
    "score_pairs",
]


def _promise(pool: Pool, arguments: tuple[float], arrays: dict[str, Any]) -> str:
    pairs, similarity = arrays["pairs"], arrays["similarity"]
    if pairs.max(initial=0) >= len(pool):
        return f"row number {pairs.max():,} in {len(pool):,} rows."
    if (same := pairs[pairs[:, 0] == pairs[:, 1]]).size:
        return f"row {same[0, 0]:,} paired with itself."
    if (similarity < arguments[0] - 1e-6).any():
        return f"a similarity of {similarity.min():g} below the threshold of {arguments[0]:g}."
    return ""


STAGE = Stage(
    name="duplicates",
    verb="find_duplicates",
    contract=(
        "A method gets (pool, threshold, *, rng) and returns pairs of row numbers and the "
        "similarity of each pair, from the threshold up."
    ),
    returns=(
        Array(name="pairs", kind="int", rows="any", columns="pair", low=0),
        Array(name="similarity", rows="any"),
    ),
    methods={
        "semantic": Semantic,
        "exact": Exact,
        "near_text": NearText,
        "perceptual": Perceptual,
        "record_linkage": RecordLinkage,
    },
    functions={"score_pairs": score_pairs},
    start_here="semantic",
    promise=_promise,
)


def find_duplicates(
    embedding: Any,
    *,
    method: str | Callable[..., Any] = "semantic",
    threshold: float | None = None,
    random_state: int | None = None,
) -> Duplicates:
    """Find items that are copies or near-copies of each other.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    method : str or callable, default="semantic"
        A name in ``cl.methods("duplicates")``, a method with settings, or a function
        ``(pool, threshold, *, rng)`` that returns pairs of row numbers and the similarity of each
        pair.
    threshold : float, default=None
        Similarity from which two rows are a pair, 0 to 1: 1 - distance under "cosine", else
        1 / (1 + distance). None sets it from the data: neighbours count as duplicates where they
        are nearer than ordinary neighbours would be by chance, and of the rows with a duplicate
        at most 5 % are so by chance. ``details["threshold"]`` says what it is, and why. Methods
        that compare content ("exact", "near_text", "perceptual", "record_linkage") have their own.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    Duplicates

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(100, 8))
    >>> x[7] = x[3] + 0.01
    >>> dup = cl.find_duplicates(x)
    >>> dup
    Duplicates(100 items, 1 duplicate in 1 group, method=semantic)
    >>> dup.pairs()[["id_a", "id_b"]].to_numpy().tolist()
    [[3, 7]]
    """
    pool = as_pool(embedding)
    threshold, how = _resolved(pool, method, threshold)
    answer = run(STAGE, method, pool, threshold, random_state=random_state)
    pairs, similarity = distinct(len(pool), answer.arrays["pairs"], answer.arrays["similarity"])
    order = np.argsort(-similarity, kind="stable")
    columns = {"row_a": pairs[order, 0], "row_b": pairs[order, 1], "similarity": similarity[order]}
    found = pd.DataFrame(columns)
    group, keep, to_kept = group_rows(len(pool), found)
    return Duplicates(
        ids=pool.ids,
        group=group,
        keep=keep,
        similarity=to_kept,
        found=found,
        params={**answer.params, "threshold": threshold},
        details={**answer.details, "threshold": how},
    )


def _resolved(pool: Pool, method: Any, threshold: float | None) -> tuple[float, dict[str, Any]]:
    if threshold is not None:
        threshold = check_real("threshold", threshold, low=0, high=1)
        return threshold, {"rule": "given", "threshold": threshold}
    name, function = resolve(STAGE, method)
    own = getattr(function, "default_threshold", 1.0 if len(pool) < 2 else None)
    if own is not None:
        return own, {"rule": f"set by {name}", "threshold": own}
    few = without_copies(pool.embedding)
    rows = pool.embedding if few is None else few[0]
    if len(rows) < 2:
        return 1.0, {"rule": "all rows are copies of one", "threshold": 1.0}
    n = len(rows)
    return ordinary_threshold(
        lambda k, step: nearest_of(rows, np.arange(0, n, step), k).distance,
        n,
        n - 1,
        metric=rows.metric,
    )
