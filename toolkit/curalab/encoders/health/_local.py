"""How many dimensions there are around each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray, check_integer
from curalab.embedding import Embedding
from curalab.encoders.health._rows import checked
from curalab.results import StageResult

__all__ = ["LocalDimension", "local_dimension"]

_K = 20
_LOW = 0.5  # at k = 20 chance alone almost never halves the mean over a neighbourhood


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LocalDimension(StageResult):
    """How many dimensions the data have around each row.

    Attributes
    ----------
    dimension : ndarray of shape (n_items,), float
        Local intrinsic dimension. NaN where the neighbours are copies, or all equally far.
    is_collapsed : ndarray of shape (n_items,), bool
        Rows in regions of low dimension: over the row and its neighbours the mean is under half
        the usual, or the neighbours are copies.
    mean : float
        Geometric mean over the rows; 0 where no row can be measured.
    """

    prefix: ClassVar[str] = "local"
    columns: ClassVar[Mapping[str, str]] = {"is_collapsed": "is_collapsed"}

    dimension: FloatArray
    is_collapsed: BoolArray
    mean: float

    @property
    def summary(self) -> str:
        return f"{self.mean:.1f} dimensions, {int(self.is_collapsed.sum()):,} items in low regions"

    @property
    def collapsed(self) -> pd.Index:
        """Ids of the rows in regions of low dimension."""
        return self.ids[self.is_collapsed]


def local_dimension(embedding: Any, *, k: int | None = None) -> LocalDimension:
    """Estimate the local intrinsic dimension around each row from its neighbour distances.

    An embedding can span many directions as a whole and still be flat in places: rows there are
    told apart by next to nothing. `is_collapsed` is the map of such places.

    Parameters
    ----------
    embedding : Embedding or array-like of shape (n, d)
        At least 5 rows.
    k : int, default=None
        Neighbours, from 4 to n - 1. None takes 20, fewer where there are fewer rows. Fewer see
        smaller regions and estimate worse.

    Returns
    -------
    LocalDimension

    Notes
    -----
    The method of moments: with w the distance to the k-th neighbour and m the mean distance to
    those before it, m / (w - m), the estimator of the paper's code. It is scaled so that its
    logarithm has no bias, because the paper shows that local dimensions are to be averaged as
    geometric means. Exact copies are left out of a row's neighbours, so duplicates do not pass
    for a low dimension; under "cosine" the distance is the chord. Above about 10 dimensions a few
    thousand rows are too few, and the estimates are low.

    The regions are this implementation's: the geometric mean over the row and its neighbours,
    against half the median of all. The paper's other half, a regulariser while an encoder trains,
    is not part of this function.

    References
    ----------
    .. [1] Huang, Campello, Erfani, Ma, Houle, Bailey (2024), "LDReg: Local Dimensionality
       Regularized Self-Supervised Learning", ICLR, arXiv:2401.10474.
    .. [2] Amsaleg, Chelly, Furon, Girard, Houle, Kawarabayashi, Nett (2015), "Estimating Local
       Intrinsic Dimensionality", KDD.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.encoders import health
    >>> flat = np.random.default_rng(0).normal(size=(800, 2))
    >>> folded = np.c_[flat, np.sin(flat), np.zeros((800, 10))]
    >>> round(health.local_dimension(cl.Embedding(vectors=folded, metric="euclidean")).mean)
    2
    """
    made = checked(embedding)
    n = len(made)
    k = min(_K, n - 1) if k is None else check_integer("k", k, low=4, high=n - 1)
    near = made.neighbors(k)
    dimension, is_crowded = _by_moments(_distances(made, near.distance), made)
    log = np.log(dimension)
    region = _mean_over(log, near.indices)
    seen = np.isfinite(region)
    low = np.median(region[seen]) + np.log(_LOW) if seen.any() else 0.0
    is_low = np.where(seen, region, np.inf) < low
    measured = log[np.isfinite(log)]
    return LocalDimension(
        ids=made.ids,
        dimension=dimension,
        is_collapsed=is_crowded | is_low,
        mean=float(np.exp(measured.mean())) if len(measured) else 0.0,
        params={"k": k, "embedding": made.fingerprint},
    )


def _distances(embedding: Embedding, distance: FloatArray) -> FloatArray:
    exact = distance.astype(np.float64)
    return np.asarray(np.sqrt(2 * exact) if embedding.metric == "cosine" else exact)


def _by_moments(distance: FloatArray, embedding: Embedding) -> tuple[FloatArray, BoolArray]:
    """Return the dimension around each row, and the rows whose neighbours are copies."""
    from scipy.special import digamma

    length = float(np.sqrt(np.square(embedding.points, dtype=np.float64).sum(axis=1).mean()))
    is_other = distance > 1e-6 * length  # nearer is rounding
    inner = is_other.sum(axis=1) - 1
    is_crowded = inner < 2
    last = distance[:, -1]
    mean = (np.where(is_other, distance, 0).sum(axis=1) - last) / np.maximum(inner, 1)
    can = ~is_crowded & (last - mean > 1e-6 * last)
    dimension = np.full(len(distance), np.nan)
    count = inner[can]
    unbiased = np.exp(digamma(count)) / count  # of a Gamma(count) variable's logarithm
    dimension[can] = mean[can] / (last[can] - mean[can]) * unbiased
    return dimension, is_crowded


def _mean_over(values: FloatArray, indices: IntArray) -> FloatArray:
    """Return the mean over each row and its neighbours, without NaN; NaN where nothing is left."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    total = filled + filled[indices].sum(axis=1)
    count = known.astype(int) + known[indices].sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
