"""How many clusters there are, by the way of each metric's default method."""

from __future__ import annotations

from typing import Any

__all__ = ["estimate_n_clusters"]


def estimate_n_clusters(embedding: Any, *, random_state: int | None = None) -> int:
    """Estimate the number of clusters.

    It is the number on which two halves of the data agree and whose clusters stand apart (see
    `Agglomerative`); for rows under "euclidean" that locally fill three dimensions or fewer, the
    number after which the eigenvalues of the neighbour graph's Laplacian leap (see `Spectral`).
    Real data often have several right answers;
    ``cluster(embedding).details["numbers"]`` shows how close the others were.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    random_state : int, default=None
        Seed. None draws one.

    Returns
    -------
    int

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.clusters import estimate_n_clusters
    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(size=(30, 2)) + 20 * i for i in range(3)])
    >>> estimate_n_clusters(cl.Embedding(vectors=x, metric="euclidean"), random_state=0)
    3
    """
    from curalab.clusters import cluster

    return cluster(embedding, random_state=random_state).n_clusters
