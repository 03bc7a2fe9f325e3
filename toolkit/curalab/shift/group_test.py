"""A classifier test of whether groups differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_integer, check_real
from curalab.pool import FloatArray, Pool, group_codes
from curalab.shift._tell_apart import refuse_few_rows, tell_apart

__all__ = ["GroupTest"]


@dataclass(frozen=True, kw_only=True)
class GroupTest:
    """Whether a classifier can tell from its vector which group a held-out row belongs to.

    If it can, the groups differ in content. Scores say how well a row gives its group away: the
    held-out prediction of its own group, less the group's share of all rows.

    Parameters
    ----------
    penalty : float, default=0.3
        Of the ridge regression, in units of the mean variance along the principal axes. Smaller
        sees shifts along directions of little variance, larger those along the main ones.
    n_permutations : int, default=199
        Shuffles of the groups; the smallest p-value there can be is 1 / (n_permutations + 1).

    Notes
    -----
    The p-value is that of the group told apart best, with all shuffles fitted and held out anew:
    the rate of false alarms is the nominal one at any size.

    References
    ----------
    .. [1] Lopez-Paz and Oquab (2017), "Revisiting Classifier Two-Sample Tests", ICLR,
       arXiv:1610.06545. (There a neural network or nearest neighbours, one split, and the accuracy
       against its normal limit. Here a linear classifier, every row held out once, and a
       permutation test, which needs no limit and, using all rows on both sides, sees smaller
       shifts.)
    """

    needs: ClassVar[str] = "groups"
    cost: ClassVar[str] = "a product of the vectors with each shuffle"

    penalty: float = 0.3
    n_permutations: int = 199

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[float, FloatArray, dict[str, Any]]:
        """Return the p-value, a score for each row, and the table of groups."""
        refuse_few_rows(len(pool))
        codes, names = group_codes(
            pool, hint="For a time or a rank, use order=… and method='order'."
        )
        return tell_apart(
            pool.embedding.points,
            codes,
            names,
            penalty=check_real("penalty", self.penalty, low=1e-6, high=1e6),
            n_permutations=check_integer("n_permutations", self.n_permutations, low=1),
            rng=rng,
        )
