"""A scorer as a selector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from curalab._check import complain, first_few
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["TopK", "best_rows", "top_k"]


def best_rows(score: FloatArray, pool: Pool, k: int, *, rng: np.random.Generator) -> IntArray:
    """Return the `k` rows of the highest score that are not chosen yet; ties fall by chance."""
    order = np.lexsort((rng.random(len(score)), -score))
    if pool.chosen is not None:
        order = order[~np.isin(order, pool.chosen)]
    return np.asarray(order[:k])


@dataclass(frozen=True, repr=False)
class TopK:
    """The selector that `top_k` makes; `scorer` gives one number a row, higher is better."""

    scorer: Callable[[Pool], Any]

    @property
    def needs(self) -> Any:
        """What the scorer needs of the pool."""
        return getattr(self.scorer, "needs", ())

    def __repr__(self) -> str:
        return f"top_k({getattr(self.scorer, '__name__', repr(self.scorer))})"

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return the `k` rows with the highest score, best first, and their scores as gain."""
        score = np.asarray(self.scorer(pool))
        if score.shape != (len(pool),) or score.dtype.kind not in "fiub":
            rule = f"{len(pool):,} numbers, one for each row"
            got = f"shape {score.shape}, dtype {score.dtype}"
            raise ValueError(f"The scorer in {self!r} must return {rule}. Got {got} instead.")
        score = score.astype(np.float64)
        if not np.isfinite(score).all():
            bad = first_few(np.flatnonzero(~np.isfinite(score)))
            rule = "must return finite numbers"
            raise ValueError(f"The scorer in {self!r} {rule}. Got others in rows {bad} instead.")
        rows = best_rows(score, pool, k, rng=rng)
        return rows, {"gain": score[rows]}


def top_k(scorer: Callable[[Pool], Any]) -> TopK:
    """Make a selector of a scorer: it picks the rows with the highest scores.

    Parameters
    ----------
    scorer : callable
        Gets the pool and returns one finite number a row, shape (n_items,); higher is more worth
        choosing. Equal scores are ordered by chance. An attribute `needs` ("proba") says what the
        scorer needs of the pool.

    Returns
    -------
    TopK
        For ``select(…, method=…)`` and ``bench``; records the scorer's name and source.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> def long_vectors(pool):
    ...     return np.linalg.norm(pool.embedding.vectors, axis=1)
    >>> cl.top_k(long_vectors)
    top_k(long_vectors)
    >>> cl.select(np.array([[1.0], [3], [2]]), 2, method=cl.top_k(long_vectors)).ids.tolist()
    [1, 2]
    """
    if isinstance(scorer, type) or not callable(scorer):
        raise TypeError(complain("scorer", "a function of the pool", scorer))
    return TopK(scorer)
