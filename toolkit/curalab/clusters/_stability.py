"""How much a clustering changes over seeds and row orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import FloatArray, IntArray
from curalab._stability import Stability, compare, reruns
from curalab.clusters._defaults import DEFAULTS
from curalab.pool import as_pool

__all__ = ["ClusterStability", "stability"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ClusterStability(Stability):
    """How alike several clusterings are.

    `agreement` is the share of a row's cluster mates that two clusterings have in common, out of
    those that either gives it. `pairs` has the adjusted Rand index (ARI: 1 the same, 0 chance).
    """

    columns: ClassVar[Mapping[str, str]] = {"agreement": "cluster_agreement"}


def stability(
    embedding: Any,
    *,
    method: str | Callable[..., Any] | Mapping[str, Any] = DEFAULTS,
    n_runs: int = 5,
    random_state: int | None = None,
) -> ClusterStability:
    """Cluster several times, with other seeds and row orders, and see who stays together.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    method : str, callable or mapping, default="agglomerative", "spectral" for flat euclidean rows
        As for `cluster`.
    n_runs : int, default=5
        Clusterings made.
    random_state : int, default=None
        Draws the seeds and orders. None draws one and records it.

    Returns
    -------
    ClusterStability
        ``details["ari"]`` has the least, the median and the largest ARI of two runs;
        ``details["n_clusters"]`` the number of clusters of each.

    Notes
    -----
    A row of noise counts as a cluster of its own. A steady clustering need not be a good one: a
    method that draws nothing gives nearly the same whatever its setting. To choose a setting, see
    whether clusterings of samples of the rows agree.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.clusters import stability
    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(size=(30, 2)), rng.normal(size=(30, 2)) + 20])
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> stability(emb, method="kmeans", n_runs=3, random_state=0).details["ari"]["min"]
    1.0
    """
    from curalab.clusters import cluster

    pool = as_pool(embedding)

    def draw(shuffled: Any, seed: int) -> Any:
        return cluster(shuffled, method=method, random_state=seed)

    made, params = reruns(draw, pool, n_runs=n_runs, random_state=random_state)
    labels = [_own(c.labels[c.ids.get_indexer(pool.ids)]) for c in made]
    agreement, pairs = compare(labels, _shared_mates)
    pairs["ari"] = [
        _ari(labels[a], labels[b]) for a, b in zip(pairs["run"], pairs["other"], strict=True)
    ]
    ari = {name: float(getattr(pairs["ari"], name)()) for name in ("min", "median", "max")}
    found = [c.n_clusters for c in made]
    numbers = f"{min(found)} to {max(found)}" if min(found) < max(found) else f"{found[0]}"
    says = (
        f"two of {n_runs} clusterings agree on {agreement.mean():.0%} of a row's cluster mates "
        f"(ARI {ari['min']:.2f} to {ari['max']:.2f}, median {ari['median']:.2f}); "
        f"each has {numbers} clusters"
    )
    return ClusterStability(
        ids=pool.ids,
        agreement=agreement,
        pairs=pairs,
        params=params,
        details={
            "says": says,
            "ari": ari,
            "n_clusters": found,
            "agreement": float(agreement.mean()),
        },
    )


def _own(labels: IntArray) -> IntArray:
    """Return labels with each row of noise in a cluster of its own, numbered from 0."""
    alone = np.where(labels < 0, labels.max(initial=0) + 1 + np.arange(len(labels)), labels)
    return np.unique(alone, return_inverse=True)[1]


def _shared_mates(a: IntArray, b: IntArray) -> FloatArray:
    """Return the Jaccard index of each row's mates in `a` and in `b`; 1 where it never has any."""
    _, cell, size = np.unique(a * (b.max() + 1) + b, return_inverse=True, return_counts=True)
    both, in_a, in_b = size[cell] - 1, np.bincount(a)[a] - 1, np.bincount(b)[b] - 1
    either = in_a + in_b - both
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def _ari(a: IntArray, b: IntArray) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(a, b))
