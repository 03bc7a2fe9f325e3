"""How many clusters: as many as stand apart and as two halves of the data agree on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from curalab.clusters._indices import silhouette
from curalab.clusters._tree import Tree
from curalab.pool import FloatArray, IntArray

__all__ = ["choose_number", "numbers_to_try"]

_SPLITS = 2
_HALF = 4_000  # rows
_JUDGED = 3_000
_STRONG = 0.8  # as in the paper of prediction strength


def numbers_to_try(n: int) -> list[int]:
    """Return numbers of clusters from 2 to 1.5 √n, each a fifth above the last."""
    numbers, k = [], 2.0
    while k <= min(1.5 * np.sqrt(n), n - 1):
        numbers.append(round(k))
        k = max(k * 1.2, k + 1)
    return numbers


def choose_number(
    smooth: FloatArray,
    points: FloatArray,
    *,
    grow: Callable[[FloatArray], Tree],
    rng: np.random.Generator,
) -> tuple[int, pd.DataFrame]:
    """Return the number, and a table of the numbers tried.

    Two halves are clustered apart, and each assigns the same rows, over two splits. `silhouette`
    is the mean silhouette of the assignments by `points`, `agreement` their adjusted Rand index,
    `strength` the prediction strength: the share of pairs of one cluster that the other half
    keeps together, in the cluster where it is least. Chosen is the number with the largest
    product of the first two, or a larger one with a strength of 0.8 or more.
    """
    from sklearn.metrics import adjusted_rand_score, pairwise_distances

    judged = rng.permutation(len(points))[:_JUDGED]
    distance = pairwise_distances(points[judged])
    numbers = numbers_to_try(min(len(points) // 2, _HALF))
    found = []
    for _ in range(_SPLITS if numbers else 0):  # halves of one row have nothing to say
        order = rng.permutation(len(points))
        trees = [grow(smooth[np.sort(order[at::2][:_HALF])]) for at in (0, 1)]
        for k in numbers:
            one, other = (tree.centres(k).assign(smooth[judged]) for tree in trees)
            apart = (silhouette(distance, one) + silhouette(distance, other)) / 2
            kept = (_strength(one, other) + _strength(other, one)) / 2
            found.append((k, apart, adjusted_rand_score(one, other), kept))
    names = ["n_clusters", "silhouette", "agreement", "strength"]
    curve = pd.DataFrame(found, columns=names).groupby("n_clusters", as_index=False).mean()
    if curve.empty:
        return 1, curve
    best = int((curve["silhouette"] * curve["agreement"].clip(lower=0)).argmax())
    strong = np.flatnonzero(curve["strength"] >= _STRONG)
    return int(curve["n_clusters"][max([best, *strong.tolist()])]), curve


def _strength(one: IntArray, other: IntArray) -> float:
    """Return the least share of pairs in a cluster of `one` that `other` keeps together."""
    from sklearn.metrics.cluster import contingency_matrix

    shared = contingency_matrix(one, other)
    size = shared.sum(axis=1)
    kept = (shared * (shared - 1)).sum(axis=1) / np.maximum(size * (size - 1), 1)
    return float(kept[size > 1].min(initial=1.0))
