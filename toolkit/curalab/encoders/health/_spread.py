"""How much of the space the vectors use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from curalab._check import FloatArray, check_seed, read_only
from curalab.encoders.health._rows import checked, principal_axes, sample

__all__ = ["Spread", "spread"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """How much of the space is used, from 0 (a line or a point) to 1 (all directions alike).

    Attributes
    ----------
    eigenvalue : float
        By the variance along the principal axes.
    entropy : float
        By the entropy along the principal axes: where the two differ, the values along the axes
        are far from normal (a few lumps, or binary).
    shares : ndarray of shape (m,)
        Share of the variance along each principal axis, largest first; m is the smaller of
        dimensions and rows - 1.
    n_rows : int
        Distinct rows that were measured.
    is_sampled : bool
        Whether they are a sample: 5,000 drawn of more, or 2,000 above 1,024 dimensions.
    """

    eigenvalue: float
    entropy: float
    shares: FloatArray
    n_rows: int
    is_sampled: bool

    def __repr__(self) -> str:
        return f"Spread(eigenvalue={self.eigenvalue:.3f}, entropy={self.entropy:.3f})"


def spread(embedding: Any, *, random_state: int | None = None) -> Spread:
    """Measure how much of the space an embedding uses, without looking at labels.

    Parameters
    ----------
    embedding : Embedding or array-like of shape (n, d)
        At least 5 rows. Under "cosine" only directions count.
    random_state : int, default=None
        Seed of the rows that are drawn where there are more than 5,000 (2,000 above 1,024
        dimensions). None draws one.

    Returns
    -------
    Spread
        Neither number changes with scale or rotation, and both compare between dimensions.

    Notes
    -----
    `eigenvalue` is one minus the paper's Eigenvalue Early Enrichment, the area between the
    cumulative shares of variance and those of a space used evenly. `entropy` compares exp(entropy)
    along each principal axis, total variance normalised, with that of a standard normal
    distribution, as its Vasicek Ratio MSE does; here the mean of the ratios counts, which equals
    the paper's measure for normal axes, stays within bounds, and falls with all that is lost,
    where the squared difference forgives an axis too narrow if another is too wide.

    Both are placed between a line (0) and what a sample of so many rows from an even space would
    show (1); without that, few rows in many dimensions look collapsed. The eigenvalues of such a
    sample are taken to lie at the zeros of a Laguerre polynomial. Copies count once.

    References
    ----------
    .. [1] Marbut, McKinney-Bock, Wheeler (2023), "Reliable Measures of Spread in High Dimensional
       Latent Spaces", ICML, arXiv:2212.08172.
    .. [2] Dumitriu, Edelman (2005), "Eigenvalues of Hermite and Laguerre Ensembles: Large Beta
       Asymptotics", Annales de l'Institut Henri Poincaré B 41.

    Examples
    --------
    >>> import numpy as np
    >>> from curalab.encoders import health
    >>> x = np.random.default_rng(0).normal(size=(500, 16))
    >>> health.spread(x).eigenvalue > 0.95
    True
    >>> x[:, 0] *= 100
    >>> health.spread(x).eigenvalue < 0.05
    True
    """
    made = checked(embedding)
    points, is_sampled = sample(made, np.random.default_rng(check_seed(random_state)))
    if len(points) < 3:
        none = read_only(np.zeros(0))
        return Spread(
            eigenvalue=0.0, entropy=0.0, shares=none, n_rows=len(points), is_sampled=False
        )
    values, axes = principal_axes(points)
    shares = values**2 / (values**2).sum()
    m = len(shares)
    even = _even_shares(m, max(len(points) - 1, made.shape[1]))
    along = (
        (points - points.mean(axis=0))
        @ axes
        * (np.sqrt(m * len(points)) / np.sqrt((values**2).sum()))
    )
    ratio = _entropy_ratio(along[:, shares > 1e-12]).sum() / m
    line = 1 / np.sqrt(m)
    return Spread(
        eigenvalue=_placed(_evenness(shares), 0.0, _evenness(even)),
        entropy=_placed(ratio, line, np.sqrt(m * even).mean()),
        shares=np.asarray(read_only(shares)),
        n_rows=len(points),
        is_sampled=is_sampled,
    )


def _placed(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0, 1)) if high > low else 1.0


def _evenness(shares: FloatArray) -> float:
    """Return 1 - EEE: 1 where all shares are the same, 0 where one has all."""
    m = len(shares)
    ahead = np.cumsum(shares) - np.arange(1, m + 1) / m
    return float(1 - ahead.sum() / ((m - 1) / 2)) if m > 1 else 1.0


def _entropy_ratio(along: FloatArray) -> FloatArray:
    """Return exp(entropy) of each column over that of a standard normal distribution."""
    from scipy.stats import differential_entropy

    with np.errstate(divide="ignore"):  # equal values have an entropy of -inf: a ratio of 0
        entropy = differential_entropy(along, axis=0)
    return np.asarray(np.exp(entropy) / np.sqrt(2 * np.pi * np.e))


def _even_shares(m: int, n: int) -> FloatArray:
    """Return the shares of variance that `n` normal rows show along `m` even axes.

    The zeros of a Laguerre polynomial, as eigenvalues of its three-term recurrence.
    """
    from scipy.linalg import eigvalsh_tridiagonal

    step = np.arange(m)
    diagonal = (n - step) + np.append(0, m - step[1:])
    beside = np.sqrt((n - step[:-1]) * (m - step[1:]))
    value = np.maximum(eigvalsh_tridiagonal(diagonal.astype(float), beside)[::-1], 0)
    return np.asarray(value / value.sum())
