"""Rows that are everybody's neighbour, and rows that are nobody's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import IntArray, check_integer
from curalab.encoders.health._rows import checked
from curalab.results import StageResult

__all__ = ["Hubness", "hubness"]

_K = 10


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Hubness(StageResult):
    """How unevenly rows are neighbours of others.

    Attributes
    ----------
    occurrence : ndarray of shape (n_items,), int
        In how many other rows' lists of `k` neighbours the row stands; `k` on average.
    skewness : float
        Of the occurrences: 0 is even, above 1.5 a few rows are in very many lists.
    antihub_share : float
        Share of rows that are in no list at all.
    """

    prefix: ClassVar[str] = "neighbor"
    columns: ClassVar[Mapping[str, str]] = {}

    occurrence: IntArray
    skewness: float
    antihub_share: float

    @property
    def summary(self) -> str:
        return f"skewness {self.skewness:.2f}, {self.antihub_share:.1%} in no list"

    def top(self, n: int) -> pd.Index:
        """Return the ids of the `n` largest hubs, largest first."""
        n = check_integer("n", n, low=0, high=len(self))
        return self.ids[np.argsort(-self.occurrence, kind="stable")[:n]]


def hubness(embedding: Any, *, k: int | None = None) -> Hubness:
    """Count how often each row is a neighbour of others, and say how uneven that is.

    Hubs are wrong answers to many searches, and rows that are nobody's neighbour are never found.

    Parameters
    ----------
    embedding : Embedding or array-like of shape (n, d)
        At least 5 rows.
    k : int, default=None
        Neighbours, from 1 to n - 1. None takes 10, fewer where there are fewer rows.

    Returns
    -------
    Hubness

    References
    ----------
    .. [1] Radovanović, Nanopoulos, Ivanović (2010), "Hubs in Space: Popular Nearest Neighbors in
       High-Dimensional Data", Journal of Machine Learning Research 11.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.encoders import health
    >>> star = np.r_[np.zeros((1, 20)), np.eye(20), -np.eye(20)]
    >>> health.hubness(cl.Embedding(vectors=star, metric="euclidean"), k=1).top(1).tolist()
    [0]
    """
    made = checked(embedding)
    k = min(_K, len(made) - 1) if k is None else check_integer("k", k, low=1, high=len(made) - 1)
    occurrence = np.bincount(made.neighbors(k).indices.ravel(), minlength=len(made))
    gap = occurrence - occurrence.mean()
    width = float(np.sqrt((gap**2).mean()))
    return Hubness(
        ids=made.ids,
        occurrence=occurrence,
        skewness=float((gap**3).mean() / width**3) if width else 0.0,
        antihub_share=float((occurrence == 0).mean()),
        params={"k": k, "embedding": made.fingerprint},
    )
