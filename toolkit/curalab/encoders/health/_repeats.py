"""Rows that say what another row says, and rows and columns that say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import BoolArray
from curalab.encoders.health._rows import checked, first_of_each
from curalab.results import StageResult

__all__ = ["Repeats", "repeats"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Repeats(StageResult):
    """Exact copies, and rows and columns of one value.

    Attributes
    ----------
    is_copy : ndarray of shape (n_items,), bool
        The row's vector equals that of an earlier row.
    is_constant : ndarray of shape (n_items,), bool
        The row holds one value in all its columns; never so where there is only one column.
    constant_columns : tuple of int
        Numbers of the columns that hold one value in all rows.
    """

    prefix: ClassVar[str] = "embedding"
    columns: ClassVar[Mapping[str, str]] = {
        "is_copy": "is_embedding_copy",
        "is_constant": "is_embedding_constant",
    }

    is_copy: BoolArray
    is_constant: BoolArray
    constant_columns: tuple[int, ...]

    @property
    def summary(self) -> str:
        return (
            f"{int(self.is_copy.sum()):,} copies, {int(self.is_constant.sum()):,} constant rows, "
            f"{len(self.constant_columns):,} constant columns"
        )


def repeats(embedding: Any) -> Repeats:
    """Find rows whose vectors are equal, and rows and columns that hold one value.

    Parameters
    ----------
    embedding : Embedding or array-like of shape (n, d)
        At least 5 rows.

    Returns
    -------
    Repeats

    Examples
    --------
    >>> import numpy as np
    >>> from curalab.encoders import health
    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> x[7], x[:, 2] = x[3], 1.0
    >>> found = health.repeats(x)
    >>> found.ids[found.is_copy].tolist(), found.constant_columns
    ([7], (2,))
    """
    made = checked(embedding)
    vectors = made.vectors
    is_copy = np.ones(len(made), dtype=bool)
    is_copy[first_of_each(vectors)] = False
    is_constant = (vectors == vectors[:, :1]).all(axis=1) & (vectors.shape[1] > 1)
    columns = np.flatnonzero((vectors == vectors[0]).all(axis=0))
    return Repeats(
        ids=made.ids,
        is_copy=is_copy,
        is_constant=is_constant,
        constant_columns=tuple(columns.tolist()),
        params={"embedding": made.fingerprint},
    )
