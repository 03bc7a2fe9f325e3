"""Selection by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from curalab.pool import IntArray, Pool

__all__ = ["Random"]


@dataclass(frozen=True, kw_only=True)
class Random:
    """Rows drawn uniformly, without repetition.

    The baseline that every other selector has to beat.

    References
    ----------
    .. [1] Cochran (1977), "Sampling Techniques", 3rd edition, Wiley, chapter 2.
    """

    cost: ClassVar[str] = "none"

    def __call__(self, pool: Pool, k: int, *, rng: np.random.Generator) -> IntArray:
        """Return `k` row numbers, shape (k,)."""
        free = np.arange(len(pool))
        if pool.chosen is not None:
            free = np.delete(free, pool.chosen)
        return rng.permutation(free)[:k]
