"""A classifier test of whether rows differ from a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_integer, check_real
from curalab.pool import FloatArray, Pool
from curalab.shift._tell_apart import refuse_few_rows, tell_apart

__all__ = ["ReferenceTest"]


@dataclass(frozen=True, kw_only=True)
class ReferenceTest:
    """Whether a classifier can tell held-out rows from those of the reference.

    If it can, the rows are not a sample of what the reference is. Scores say how unlike the
    reference a row is: the held-out prediction that it is no reference row, less the share of
    such rows.

    Parameters
    ----------
    penalty : float, default=0.3
        Of the ridge regression, in units of the mean variance along the principal axes. Smaller
        sees shifts along directions of little variance, larger those along the main ones.
    n_permutations : int, default=199
        Shuffles; the smallest p-value there can be is 1 / (n_permutations + 1).

    References
    ----------
    .. [1] Lopez-Paz and Oquab (2017), "Revisiting Classifier Two-Sample Tests", ICLR,
       arXiv:1610.06545. (With a linear classifier, every row held out once and a permutation
       test, as in `GroupTest`.)
    """

    needs: ClassVar[str] = "reference"
    cost: ClassVar[str] = "a product of the vectors with each shuffle"

    penalty: float = 0.3
    n_permutations: int = 199

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[float, FloatArray, dict[str, Any]]:
        """Return the p-value, a score for each row, and the table of the two sides."""
        clean: Any = pool.reference
        points, known = pool.embedding.points, clean.embedding.points
        refuse_few_rows(len(points))
        is_known = np.repeat([0, 1], [len(points), len(known)])
        p_value, score, details = tell_apart(
            np.concatenate([points, known]),
            is_known,
            np.array(["rows", "reference"], dtype=object),
            penalty=check_real("penalty", self.penalty, low=1e-6, high=1e6),
            n_permutations=check_integer("n_permutations", self.n_permutations, low=1),
            rng=rng,
        )
        return p_value, score[: len(points)], details
