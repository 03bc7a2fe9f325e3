"""Selection of the rows nearest to a target, part by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import check_integer, check_real
from curalab._points import unit_rows
from curalab.pool import FloatArray, IntArray, Pool
from curalab.selectors._target import check_space, free_rows, in_turns

__all__ = ["NearestToTarget"]


@dataclass(frozen=True, kw_only=True)
class NearestToTarget:
    """SimCore: in each round, the row nearest to each part of the target.

    k-means finds the parts of the target. In each round every centre takes the row nearest to it
    that is still there, so that all parts get about as many rows: what the rows resemble together
    is the target, not its middle. Gain is the similarity of a row to the centre that took it
    (cosine, or 1 / (1 + distance)).

    The paper stops by itself, where the mean similarity of a round falls below `stop` times that
    of the first round. `select` asks for `k` rows and gets them; `details["n_near"]` says how
    many come before that round.

    Parameters
    ----------
    n_centers : int, default=100
        Parts of the target, as in the paper. A target of no more distinct rows is not clustered:
        each row is a centre.
    stop : float, default=0.95
        Share of the first round's mean similarity below which a round is no longer near.

    Notes
    -----
    `details["rounds"]` is a DataFrame of one row a round: `n` rows picked and their mean
    `similarity`. `details["center"]` is the centre, as a number, that took each pick.

    References
    ----------
    .. [1] Kim, Bae, Yun (2023), "Coreset Sampling from Open-Set for Fine-Grained Self-Supervised
       Learning", CVPR, arXiv:2303.11101.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import NearestToTarget
    >>> line = cl.Embedding(vectors=np.array([[0.0], [1], [5], [9], [10]]), metric="euclidean")
    >>> cl.select(line, 3, target=np.array([[-0.1], [9.3]]), method=NearestToTarget()).ids.tolist()
    [0, 3, 4]
    """

    needs: ClassVar[tuple[str, ...]] = ("target",)
    cost: ClassVar[str] = "similarities to the centres"

    n_centers: int = 100
    stop: float = 0.95

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers, round by round, their similarity, and the rounds."""
        check_integer("n_centers", self.n_centers, low=1)
        check_real("stop", self.stop, low=0, high=1)
        target: Any = pool.target
        check_space("target", target, pool.embedding)
        centers = self._centers(target.points, target.metric, rng)
        free = free_rows(pool)
        picks, center, near, turn = in_turns(
            pool.embedding.points[free], centers, k, metric=target.metric
        )
        rounds = pd.Series(near).groupby(turn).agg(["size", "mean"])
        rounds = rounds.set_axis(["n", "similarity"], axis=1).rename_axis("round")
        is_far = (rounds["similarity"] < self.stop * rounds["similarity"].iloc[0]).to_numpy()
        first_far = int(is_far.argmax()) if is_far.any() else len(rounds)
        return free[picks], {
            "gain": near,
            "center": center,
            "rounds": rounds.reset_index(),
            "n_near": int(rounds["n"].iloc[:first_far].sum()),
        }

    def _centers(self, points: FloatArray, metric: str, rng: np.random.Generator) -> FloatArray:
        from sklearn.cluster import KMeans

        seed = int(rng.integers(2**31))
        distinct = np.unique(points, axis=0)
        if len(distinct) <= self.n_centers:
            return distinct
        found = KMeans(self.n_centers, n_init=3, random_state=seed).fit(points)
        centers = np.asarray(found.cluster_centers_, dtype=np.float32)
        return unit_rows(centers) if metric == "cosine" else centers
