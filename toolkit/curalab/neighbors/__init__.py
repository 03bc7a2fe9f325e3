"""Nearest neighbours, exact and approximate, block by block, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from curalab._check import FloatArray, IntArray, read_only

__all__ = ["RECALL", "Neighbors", "nearest", "without_own"]

RECALL = 0.98  # asked of an approximate search
_MANY = 16_384  # points from which an approximate search is tried
_LARGE = 4_096  # points from which rounding is tried
_TREE_DIMENSIONS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbors:
    """The k nearest rows of each row, nearest first, the row itself left out.

    Attributes
    ----------
    indices : ndarray of shape (n, k), int
        Row numbers of the neighbours.
    distance : ndarray of shape (n, k), float32
        1 - cosine under "cosine", the Euclidean distance under "euclidean".
    metric : {"cosine", "euclidean"}
        Which of the two.
    recall : float, default=1.0
        Share of the true neighbours that are among these: 1 after an exact search, else as seen on
        a sample of rows.
    """

    indices: IntArray
    distance: FloatArray
    metric: str
    recall: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "indices", read_only(self.indices))
        object.__setattr__(self, "distance", read_only(self.distance))

    @property
    def similarity(self) -> FloatArray:
        """Higher is nearer: 1 - distance under "cosine", else 1 / (1 + distance)."""
        return 1 - self.distance if self.metric == "cosine" else 1 / (1 + self.distance)

    @property
    def k(self) -> int:
        """Neighbours a row."""
        return int(self.indices.shape[1])

    def first(self, k: int) -> Neighbors:
        """Return the `k` nearest of these, as views."""
        return replace(self, indices=self.indices[:, :k], distance=self.distance[:, :k])


def nearest(
    points: FloatArray,
    k: int,
    *,
    metric: str,
    queries: FloatArray | None = None,
    recall: float = RECALL,
) -> Neighbors:
    """Find the `k` rows of `points` nearest to each query.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32
        Under "cosine" the rows must have unit length.
    k : int
        Neighbours a row; fewer than n where `queries` is None, else at most n.
    metric : {"cosine", "euclidean"}
        How to measure.
    queries : ndarray of shape (m, d), float32, default=None
        Whose neighbours to find, exactly. None means the points themselves, each left out of its
        own list.
    recall : float, default=0.98
        Share of the true neighbours that shall be found. Below 1, among 16,384 points and more, the
        search is approximate where that costs clearly less; `recall` of what is returned says so.
        What is missed are mostly distant ones of the k.

    Returns
    -------
    Neighbors
        Equal distances are ordered by row number.
    """
    if metric == "euclidean" and points.shape[1] <= _TREE_DIMENSIONS:
        indices, distance, found = *_by_tree(points, k, queries), 1.0
    else:
        indices, distance, found = _by_blocks(points, k, queries, metric == "euclidean", recall)
    if metric == "cosine":
        distance = distance**2 / 2  # of unit vectors; exact near 0, where 1 - cosine is not
    distance = distance.astype(np.float32)
    return Neighbors(indices=indices, distance=distance, metric=metric, recall=found)


def _by_tree(points: FloatArray, k: int, queries: FloatArray | None) -> tuple[IntArray, FloatArray]:
    from scipy.spatial import cKDTree

    own = queries is None
    asked = points if queries is None else queries
    distance, indices = cKDTree(points).query(asked, k=np.arange(1, k + 1 + own), workers=-1)
    if not own:
        return indices, distance
    return without_own(indices, distance, np.arange(len(points)))


def without_own(
    indices: IntArray, distance: FloatArray, own: IntArray
) -> tuple[IntArray, FloatArray]:
    """Leave each row out of its own list, which gets one shorter."""
    # Where copies tie with the row itself, the row may stand anywhere among them, or be cut off.
    is_self = indices == own[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    shape = len(indices), indices.shape[1] - 1
    return indices[~is_self].reshape(shape), distance[~is_self].reshape(shape)


def _by_blocks(
    points: FloatArray, k: int, queries: FloatArray | None, double: bool, recall: float
) -> tuple[IntArray, FloatArray, float]:
    import torch
    from tqdm.auto import tqdm

    from curalab.neighbors._blocks import ROWS, Base, fast_products, tensor
    from curalab.neighbors._rounded import Rounded, rounding_pays
    from curalab.neighbors._short import LEAST_K, shortened

    device = "cuda" if torch.cuda.is_available() else "cpu"
    # Centred double precision: |x|² + |y|² - 2xy cancels badly where data lie far from the origin.
    centre = points.mean(axis=0, dtype=np.float64) if double else None
    at = tensor(points, centre, device)
    half_square = at.square().sum(dim=1).div_(2) if double else None
    asked = at if queries is None else tensor(queries, centre, device)
    with fast_products(), torch.inference_mode():
        if device == "cpu" and queries is None and recall < 1 and len(points) >= _MANY:
            short = shortened(at, half_square, max(k, LEAST_K), recall)
            if short is not None:
                found = short.all(max(k, LEAST_K))
                return found[0][:, :k].numpy(), found[1][:, :k].numpy(), short.recall
        exact = Base(at, half_square=half_square)
        is_rounded = device == "cpu" and not double and len(points) >= _LARGE and rounding_pays()
        search = Rounded(exact) if is_rounded else exact
        parts = []
        for start in tqdm(range(0, len(asked), ROWS), "neighbours", delay=2, disable=None):
            rows = asked[start : start + ROWS]
            own = torch.arange(start, start + len(rows), device=device)
            parts.append(search.nearest(rows, own if queries is None else None, k))
    index, distance = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
    return index, distance, 1.0
