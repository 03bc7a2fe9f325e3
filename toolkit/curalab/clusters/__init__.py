"""Clusters: groups of like rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, complain
from curalab.clusters._defaults import DEFAULTS, suiting
from curalab.clusters._estimate import estimate_n_clusters
from curalab.clusters._grow import Grown, grow
from curalab.clusters._levels import ClusterTree, cluster_tree
from curalab.clusters._stability import ClusterStability, stability
from curalab.clusters._sweep import Sweep, sweep
from curalab.clusters.agglomerative import Agglomerative
from curalab.clusters.hdbscan import HDBSCAN
from curalab.clusters.kmeans import KMeans
from curalab.clusters.latent_shift import LatentShift
from curalab.clusters.leiden import Leiden
from curalab.clusters.rate_reduction import RateReduction
from curalab.clusters.scan import Scan
from curalab.clusters.sinkhorn import Sinkhorn
from curalab.clusters.spectral import Spectral
from curalab.embedding import as_embedding, check_space
from curalab.pool import Array, Pool, Stage, as_pool, run
from curalab.results import StageResult

__all__ = [
    "DEFAULTS",
    "HDBSCAN",
    "STAGE",
    "Agglomerative",
    "ClusterStability",
    "ClusterTree",
    "Clustering",
    "Grown",
    "KMeans",
    "LatentShift",
    "Leiden",
    "RateReduction",
    "Scan",
    "Sinkhorn",
    "Spectral",
    "Sweep",
    "cluster",
    "cluster_tree",
    "estimate_n_clusters",
    "grow",
    "stability",
    "sweep",
]

STAGE = Stage(
    name="clusters",
    verb="cluster",
    contract=(
        "A method gets (pool, *, rng) and returns labels (whole numbers, -1 is noise) and "
        "strength in [0, 1], one of each a row."
    ),
    returns=(
        Array(name="labels", kind="int", low=-1),
        Array(name="strength", low=0, high=1),
    ),
    methods={
        "agglomerative": Agglomerative,
        "spectral": Spectral,
        "hdbscan": HDBSCAN,
        "kmeans": KMeans,
        "leiden": Leiden,
        "scan": Scan,
        "sinkhorn": Sinkhorn,
        "rate_reduction": RateReduction,
        "latent_shift": LatentShift,
    },
    functions={
        "grow": grow,
        "sweep": sweep,
        "stability": stability,
        "cluster_tree": cluster_tree,
        "estimate_n_clusters": estimate_n_clusters,
    },
    start_here="agglomerative",
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Clustering(StageResult):
    """Which cluster each item belongs to.

    Attributes
    ----------
    labels : ndarray of shape (n_items,), int
        Cluster of each item from 0; -1 is noise.
    strength : ndarray of shape (n_items,), float
        How firmly the item belongs to its cluster, from 0 to 1; 0 for noise.
    n_clusters : int
        Clusters found, noise not counted.
    """

    prefix: ClassVar[str] = "cluster"
    columns: ClassVar[dict[str, str]] = {"labels": "cluster"}

    labels: IntArray
    strength: FloatArray
    n_clusters: int

    @property
    def summary(self) -> str:  # noqa: D102
        noise = int((self.labels < 0).sum())
        return f"{self.n_clusters:,} clusters" + (f", {noise:,} noise" if noise else "")

    def sizes(self) -> pd.Series:
        """Return the number of items in each cluster, indexed by cluster; -1 is noise."""
        return (
            pd.Series(self.labels, name="size").value_counts().sort_index().rename_axis("cluster")
        )


def cluster(
    embedding: Any,
    *,
    method: str | Callable[..., Any] | Mapping[str, Any] = DEFAULTS,
    random_state: int | None = None,
) -> Clustering:
    """Group like rows.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    method : str or callable, default="agglomerative", "spectral" for flat euclidean rows
        A name in ``cl.methods("clusters")``, a method with settings, or a function
        ``(pool, *, rng)`` that returns labels (-1 is noise) and strength in [0, 1]; or a mapping
        that has one of these for "cosine", "euclidean" and, where that differs, "euclidean,
        wide": rows that fill more than three dimensions locally.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    Clustering
        ``result.predict(new)`` gives the clusters of new rows where the method can.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(size=(30, 2)), rng.normal(size=(30, 2)) + 20])
    >>> cl.cluster(cl.Embedding(vectors=x, metric="euclidean"), random_state=0)
    Clustering(60 items, 2 clusters, method=spectral)
    """
    pool = as_pool(embedding)
    if len(pool) < 2:
        raise ValueError(complain("embedding", "of at least 2 rows", what=f"{len(pool)} row"))
    answer = run(STAGE, suiting(method, pool.embedding), pool, random_state=random_state)
    labels = answer.arrays["labels"]
    details = dict(answer.details)
    n_clusters = int(details.pop("n_clusters", len(np.unique(labels[labels >= 0]))))
    if "predict" in details:
        details["predict"] = _predicting(details["predict"], pool)
    return Clustering(
        ids=pool.ids,
        labels=labels,
        strength=answer.arrays["strength"],
        n_clusters=n_clusters,
        params=answer.params,
        details=details,
    )


def _predicting(decide: Callable[..., Any], pool: Pool) -> Callable[[Any], pd.Series]:
    def predict(new: Any) -> pd.Series:
        asked = as_embedding(new, metric=pool.embedding.metric, name="new")
        check_space("new", asked, pool.embedding)
        return pd.Series(np.asarray(decide(asked.points)), index=asked.ids, name="cluster")

    return predict
