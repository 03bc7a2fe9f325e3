"""Nearest neighbours, exact and approximate, block by block, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from curalab._check import FloatArray, IntArray, read_only

if TYPE_CHECKING:
    import torch

    from curalab.neighbors._blocks import Base
    from curalab.neighbors._rounded import Rounded

__all__ = ["RECALL", "Neighbors", "nearest", "shared_k", "without_own"]

RECALL = 0.98  # asked of an approximate search
_MANY = 16_384  # points from which an approximate search is tried
_SHARED = 32  # neighbours that are enough for most stages
_LARGE = 4_096  # points from which rounding is tried
_FEW = 64  # rows below which it is not
_HELD = 1 << 23  # numbers of points that are copied at a time for rows to search
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


def shared_k(n: int, k: int) -> int:
    """Return how many neighbours of `n` rows to look for where `k` are asked for.

    Of many rows as many as most stages ask for: a second search would cost as much as the first,
    and what is found does not depend on who asked first.
    """
    return k if n < _MANY else min(max(k, _SHARED), n - 1)


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
        Under "cosine" the rows must have unit length. For `queries` it may be a UnitRows.
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
    elif queries is not None:
        indices, distance, found = *_of_queries(points, k, queries, metric == "euclidean"), 1.0
    else:
        indices, distance, found = _of_all(points, k, metric == "euclidean", recall)
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


def _of_all(
    points: FloatArray, k: int, double: bool, recall: float
) -> tuple[IntArray, FloatArray, float]:
    """Return neighbours of the points themselves, distances, and the recall."""
    import torch
    from tqdm.auto import tqdm

    from curalab.neighbors._blocks import ROWS, fast_products, half_squares, tensor
    from curalab.neighbors._short import shortened

    device = "cuda" if torch.cuda.is_available() else "cpu"
    # Centred double precision: |x|² + |y|² - 2xy cancels badly where data lie far from the origin.
    at = tensor(points, points.mean(axis=0, dtype=np.float64) if double else None, device)
    with fast_products(), torch.inference_mode():
        half = half_squares(at) if double else None
        if device == "cpu" and recall < 1 and len(points) >= _MANY:
            short = shortened(at, half, k, recall)
            if short is not None:
                index, distance = short.all(k)
                return index.numpy(), distance.numpy(), short.recall
        search, parts = _exact(at, half, len(points)), []
        for start in tqdm(range(0, len(at), ROWS), "neighbours", delay=2, disable=None):
            rows = at[start : start + ROWS]
            own = torch.arange(start, start + len(rows), device=device)
            parts.append(search.nearest(rows, own, k))
        index, distance = (torch.cat(part) for part in zip(*parts, strict=True))
    return index.cpu().numpy(), distance.cpu().numpy(), 1.0


def _of_queries(
    points: FloatArray, k: int, queries: FloatArray, double: bool
) -> tuple[IntArray, FloatArray]:
    """Return the points nearest to other rows, looking at each block of points once."""
    import torch
    from tqdm.auto import tqdm

    from curalab.neighbors._blocks import ROWS, fast_products, merged

    n, d = points.shape
    size = max(ROWS, min(n, _HELD // d))
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    total = -(-n // size) * -(-len(queries) // ROWS)
    bar = tqdm(None, "neighbours", total, delay=2, disable=None)
    with bar, fast_products(), torch.inference_mode():
        for at in range(0, n, size):
            part = _in_block(points[at : at + size], k, queries, double)
            for number, (index, distance) in enumerate(part):
                if at:
                    found[number] = merged(*found[number], index + at, distance, k)
                else:
                    found.append((index, distance))
                bar.update()
        near, distances = (torch.cat(part) for part in zip(*found, strict=True))
    return near.cpu().numpy(), distances.cpu().numpy()


def _in_block(
    points: FloatArray, k: int, queries: FloatArray, double: bool
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the nearest of some points, or all, to blocks of queries, and their distances."""
    import torch

    from curalab.neighbors._blocks import ROWS, half_squares, tensor

    device = "cuda" if torch.cuda.is_available() else "cpu"
    centre = points.mean(axis=0, dtype=np.float64) if double else None
    at = tensor(points, centre, device)
    search = _exact(at, half_squares(at) if double else None, len(queries))
    for start in range(0, len(queries), ROWS):
        rows = tensor(queries[start : start + ROWS], centre, device)
        yield search.nearest(rows, None, min(k, len(points)))


def _exact(points: torch.Tensor, half_square: torch.Tensor | None, n_rows: int) -> Base | Rounded:
    """Return what finds the points nearest to blocks of rows, of which there are so many."""
    from curalab.neighbors._blocks import ROWS, Base
    from curalab.neighbors._rounded import Rounded, rounding_pays

    base = Base(points, half_square=half_square, n_rows=min(n_rows, ROWS))
    is_worth = half_square is None and points.device.type == "cpu" and len(points) >= _LARGE
    return Rounded(base) if is_worth and n_rows >= _FEW and rounding_pays() else base
