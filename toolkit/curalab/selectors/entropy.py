"""Selection of the rows whose prediction is the most spread out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab.pool import IntArray, Pool
from curalab.selectors._top_k import best_rows

__all__ = ["Entropy"]


@dataclass(frozen=True, kw_only=True)
class Entropy:
    """Rows whose predicted probabilities are spread over the most classes.

    With two classes the order is that of `margin`. With many, rows win that are spread over all
    classes alike, rather than rows between two. Gain is the entropy in nats, from 0 to the
    logarithm of the number of classes.

    References
    ----------
    .. [1] Settles (2009), "Active Learning Literature Survey", Computer Sciences Technical Report
       1648, University of Wisconsin-Madison, section 3.1.
    """

    needs: ClassVar[tuple[str, ...]] = ("proba",)
    cost: ClassVar[str] = "out-of-fold probabilities"

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers, the highest entropy first, and their gain."""
        from scipy.special import entr

        # A pool allows values a rounding below 0, of which there is no logarithm.
        entropy = entr(np.maximum(pool.proba, 0.0)).sum(axis=1)
        rows = best_rows(entropy, pool, k, rng=rng)
        return rows, {"gain": entropy[rows]}
