"""Selection of the rows between two classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab.pool import FloatArray, IntArray, Pool
from curalab.selectors._top_k import best_rows

__all__ = ["Margin", "gap"]


@dataclass(frozen=True, kw_only=True)
class Margin:
    """Rows whose two likeliest classes are nearly as likely.

    Cheap and hard to beat once a first model exists; with very few labels the model is not
    worth asking. Gain is 1 minus the gap between the two probabilities, in [0, 1].

    References
    ----------
    .. [1] Scheffer, Decomain, Wrobel (2001), "Active Hidden Markov Models for Information
       Extraction", IDA, LNCS 2189.
    """

    needs: ClassVar[tuple[str, ...]] = ("proba",)
    cost: ClassVar[str] = "out-of-fold probabilities"

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers, the smallest gap first, and their gain."""
        closeness = 1 - gap(np.asarray(pool.proba))
        rows = best_rows(closeness, pool, k, rng=rng)
        return rows, {"gain": closeness[rows]}


def gap(proba: FloatArray) -> FloatArray:
    """Return by how much the likeliest class leads the next one, shape (n,)."""
    if proba.shape[1] == 1:  # the only class has no rival
        return proba[:, 0]
    best = np.partition(proba, -2, axis=1)
    return best[:, -1] - best[:, -2]
