"""How clustered the vectors are, from the tree that joins them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from curalab._check import FloatArray, check_seed, read_only
from curalab._points import unit_rows
from curalab.encoders.health._local import local_dimension
from curalab.encoders.health._rows import FEWEST, checked, principal_axes, sample

__all__ = ["Separability", "separability"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Separability:
    """How clustered an embedding is.

    Attributes
    ----------
    structure : float
        By how much the vectors are more clustered than a normal cloud of the same covariance, in
        nats: 0 is a normal cloud or noise, 1 to 5 is usual for good encoders. Compares between
        encoders and dimensions.
    contrast : float
        One minus the median persistence, from 0 to 1: near 1, a few long edges join dense groups.
        Compares checkpoints of one encoder; between encoders it mostly tells the dimension.
    persistence : ndarray of shape (n_rows - 1,)
        H0 persistence times over the largest: the lengths of the edges of the minimum spanning
        tree, longest first.
    n_rows : int
        Distinct rows that were measured.
    is_sampled : bool
        Whether they are a sample: 5,000 drawn of more, or 2,000 above 1,024 dimensions.
    """

    structure: float
    contrast: float
    persistence: FloatArray
    n_rows: int
    is_sampled: bool

    def __repr__(self) -> str:
        of = f"{self.n_rows:,} {'drawn ' if self.is_sampled else ''}rows"
        numbers = f"structure={self.structure:.2f}, contrast={self.contrast:.2f}"
        return f"Separability({numbers}, {of})"


def separability(embedding: Any, *, random_state: int | None = None) -> Separability:
    """Estimate without labels how well classes could be told apart in an embedding.

    Parameters
    ----------
    embedding : Embedding or array-like of shape (n, d)
        At least 5 rows.
    random_state : int, default=None
        Seed of the normal cloud that the tree is compared with, and of the rows that are drawn
        where there are more than 5,000 (2,000 above 1,024 dimensions). None draws one.

    Returns
    -------
    Separability

    Notes
    -----
    The paper takes the H0 persistence times of the Vietoris–Rips filtration, which are the edge
    lengths of the minimum spanning tree, over their maximum: few large and many small times mean
    clusters. That is `persistence` and `contrast`, and serves to follow one encoder while it is
    trained. Between encoders the times follow the number of dimensions, because in many
    dimensions all distances are alike: two random projections of an image look better than any
    good encoder.

    `structure`, which is this implementation's, therefore compares the tree's length L with the
    length G of the tree of as many normal points of the same mean and covariance (put on the unit
    sphere under "cosine"), and multiplies by the local dimension D: D log(G / L). The length of
    the tree estimates an entropy [2]_, and so this is about how much lower the data's entropy is
    than the normal cloud's. Copies count once. It is not to be believed of an embedding whose
    spread is bad: one column of noise that outweighs all others lowers the entropy too.

    References
    ----------
    .. [1] Ghalyan, Gourgoulias, Satsangi, Moran, Labonne, Sabelja (2023), "An Unsupervised Method
       for Estimating Class Separability of Datasets with Application to LLMs Fine-Tuning",
       arXiv:2305.15016.
    .. [2] Hero, Michel (1999), "Asymptotic Theory of Greedy Approximations to Minimal k-Point
       Random Graphs", IEEE Transactions on Information Theory 45.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.encoders import health
    >>> x = np.random.default_rng(0).normal(size=(300, 8))
    >>> cloud = health.separability(cl.Embedding(vectors=x, metric="euclidean"), random_state=0)
    >>> x[:100] += 20
    >>> two = health.separability(cl.Embedding(vectors=x, metric="euclidean"), random_state=0)
    >>> abs(cloud.structure) < 0.5 < two.structure
    True
    """
    made = checked(embedding)
    rng = np.random.default_rng(check_seed(random_state))
    points, is_sampled = sample(made, rng)
    n = len(points)
    edges = _tree(points)
    longest = edges.max(initial=0.0)
    persistence = np.sort(edges / longest)[::-1] if longest else np.zeros(n - 1)
    structure = 0.0
    if n >= FEWEST:
        cloud = _tree(_normal_like(points, made.metric, rng))
        shorter = np.log(cloud.sum() / edges.sum())
        structure = float(local_dimension(made).mean * shorter)
    return Separability(
        structure=structure,
        contrast=float(1 - np.median(persistence)) if n > 1 else 0.0,
        persistence=np.asarray(read_only(persistence)),
        n_rows=n,
        is_sampled=is_sampled,
    )


def _normal_like(points: FloatArray, metric: str, rng: np.random.Generator) -> FloatArray:
    """Return as many normal points of exactly the same mean and covariance.

    Under "cosine" they are put on the unit sphere, as the points are.
    """
    values, axes = principal_axes(points)
    axes = axes[:, values > 1e-6 * values[0]]
    values = values[: axes.shape[1]]
    drawn = rng.normal(size=(len(points), len(values)))
    even, _ = np.linalg.qr(drawn - drawn.mean(axis=0))
    cloud = np.asarray((even * values) @ axes.T + points.mean(axis=0))
    return unit_rows(cloud).astype(np.float64) if metric == "cosine" else cloud


def _tree(points: FloatArray) -> FloatArray:
    """Return the edge lengths of the minimum spanning tree, by Prim's algorithm on all pairs."""
    n = len(points)
    low = (points - points.mean(axis=0)).astype(np.float32)
    square = np.square(low).sum(axis=1)
    far = low @ low.T  # from here on squared distances, in place: this is the memory it takes
    far *= -2
    far += square
    far += square[:, None]
    edges = np.empty((n - 1, 2), dtype=np.intp)
    nearest, best = np.zeros(n, dtype=np.intp), far[0].copy()
    outside = np.ones(n, dtype=bool)
    outside[0], best[0] = False, np.inf
    for i in range(n - 1):
        new = int(best.argmin())
        edges[i] = nearest[new], new
        outside[new], best[new] = False, np.inf
        closer = outside & (far[new] < best)
        nearest[closer], best[closer] = new, far[new][closer]
    # Rounded products may swap edges of nearly one length; their lengths are taken exactly.
    gap = points[edges[:, 0]] - points[edges[:, 1]]
    return np.asarray(np.linalg.norm(gap, axis=1))
