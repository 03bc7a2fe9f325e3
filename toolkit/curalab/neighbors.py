"""Exact nearest neighbours, block by block, in bounded memory."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from curalab._check import FloatArray, IntArray, read_only

if TYPE_CHECKING:
    import torch

__all__ = ["Neighbors", "nearest"]

_ROWS = 512  # a block of products is 64 MiB at the most
_COLUMNS = 32_768
_GROUP = 16  # columns of which only the largest is compared at first
_SPARE = 4  # candidates beyond k that the exact second look may reorder
_MORE = 17  # candidates beyond k that rounded products may have put before others
_LARGE = 4_096  # points from which rounding is tried
_WORTH = 0.5  # share of sure rows in a block below which the next ones are not tried
_HOPELESS = 0.05  # seconds of one product of a probe that takes a millisecond in hardware
_LOOK = 128  # rows whose candidates fit into the processor's cache
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
    """

    indices: IntArray
    distance: FloatArray
    metric: str

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
        return Neighbors(
            indices=self.indices[:, :k], distance=self.distance[:, :k], metric=self.metric
        )


def nearest(
    points: FloatArray, k: int, *, metric: str, queries: FloatArray | None = None
) -> Neighbors:
    """Find the `k` rows of `points` nearest to each query, exactly.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32
        Under "cosine" the rows must have unit length.
    k : int
        Neighbours a row; fewer than n where `queries` is None, else at most n.
    metric : {"cosine", "euclidean"}
        How to measure.
    queries : ndarray of shape (m, d), float32, default=None
        Whose neighbours to find. None means the points themselves, each left out of its own list.

    Returns
    -------
    Neighbors
        Equal distances are ordered by row number.
    """
    if metric == "euclidean" and points.shape[1] <= _TREE_DIMENSIONS:
        indices, distance = _by_tree(points, k, queries)
    else:
        indices, distance = _by_blocks(points, k, queries, double=metric == "euclidean")
    if metric == "cosine":
        distance = distance**2 / 2  # of unit vectors; exact near 0, where 1 - cosine is not
    return Neighbors(indices=indices, distance=distance.astype(np.float32), metric=metric)


def _by_tree(points: FloatArray, k: int, queries: FloatArray | None) -> tuple[IntArray, FloatArray]:
    from scipy.spatial import cKDTree

    own = queries is None
    asked = points if queries is None else queries
    distance, indices = cKDTree(points).query(asked, k=np.arange(1, k + 1 + own), workers=-1)
    if not own:
        return indices, distance
    # Where copies tie with the row itself, the row may stand anywhere among them, or be cut off.
    is_self = indices == np.arange(len(points))[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    return indices[~is_self].reshape(-1, k), distance[~is_self].reshape(-1, k)


def _by_blocks(
    points: FloatArray, k: int, queries: FloatArray | None, *, double: bool
) -> tuple[IntArray, FloatArray]:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    # Centred double precision: |x|² + |y|² - 2xy cancels badly where data lie far from the origin.
    centre = points.mean(axis=0, dtype=np.float64) if double else None
    base = _Base(_tensor(points, centre, device), double=double)
    asked = base.points if queries is None else _tensor(queries, centre, device)
    tries = not double and device == "cpu" and len(points) >= _LARGE and _rounding_pays()
    search = _Rounded(base) if tries else base
    found = []
    with _fast_products(), torch.inference_mode():
        for start in range(0, len(asked), _ROWS):
            rows = asked[start : start + _ROWS]
            own = torch.arange(start, start + len(rows), device=device)
            found.append(search.nearest(rows, own if queries is None else None, k))
    return (
        torch.cat([i for i, _ in found]).cpu().numpy(),
        torch.cat([d for _, d in found]).cpu().numpy(),
    )


class _Base:
    """Points to search, and room for a block of products with them."""

    def __init__(self, points: torch.Tensor, *, double: bool = False) -> None:
        import torch

        self.points = points
        self.half_square = points.square().sum(dim=1).div_(2) if double else None
        self._columns = min(_COLUMNS // 2 if double else _COLUMNS, len(points))
        self._room = torch.empty(_ROWS * self._columns, dtype=points.dtype, device=points.device)

    def nearest(
        self, rows: torch.Tensor, own: torch.Tensor | None, k: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the `k` nearest points of each row and their distances, ties by row number."""
        score, index = self.candidates(rows, own, k + _SPARE)
        return _second_look(rows, self.points, index, score.isneginf(), k)

    def candidates(
        self, rows: torch.Tensor, own: torch.Tensor | None, n: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the `n` best scores of each row, best first, and the points they are of.

        `own` is the number of each row itself, which is ruled out with a score of -inf.
        """
        import torch

        scores, numbers = [], []
        for at in range(0, len(self.points), self._columns):
            block = self.points[at : at + self._columns]
            room = self._room[: len(rows) * len(block)].view(len(rows), len(block))
            score = torch.mm(rows, block.T, out=room)
            if self.half_square is not None:
                score -= self.half_square[at : at + self._columns]
            if own is not None:
                here = ((own >= at) & (own < at + len(block))).nonzero()[:, 0]
                score[here, own[here] - at] = -torch.inf
            best, index = _best_of(score, n)
            scores.append(best)
            numbers.append(index + at)
        all_scores, index = torch.cat(scores, dim=1), torch.cat(numbers, dim=1)
        first = all_scores.topk(min(n, all_scores.shape[1]), dim=1)
        return first.values, index.gather(1, first.indices)


@cache
def _rounding_pays() -> bool:
    """Whether this processor multiplies bfloat16 numbers clearly faster than float32 ones."""
    import torch

    def seconds(dtype: torch.dtype) -> float:
        left, right = torch.ones(128, 384, dtype=dtype), torch.ones(2048, 384, dtype=dtype)
        taken = []
        for _ in range(6):  # the first of them prepares
            began = time.perf_counter()
            torch.mm(left, right.T)
            taken.append(time.perf_counter() - began)
            if taken[-1] > _HOPELESS:
                break
        return min(taken)

    with _fast_products():
        return seconds(torch.bfloat16) < 0.75 * seconds(torch.float32)


class _Rounded:
    """Search of unit vectors by products of rounded numbers, with a proof for each row."""

    def __init__(self, base: _Base) -> None:
        self._base, self._low = base, _Base(base.points.bfloat16())
        starts = range(0, len(base.points), _COLUMNS)
        parts = ([p[at : at + _COLUMNS] for p in (base.points, self._low.points)] for at in starts)
        self._lost = max(float(_lost(*part).max()) for part in parts)
        self._gave_up = False

    def nearest(
        self, rows: torch.Tensor, own: torch.Tensor | None, k: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return neighbours and distances as `_Base` does."""
        if self._gave_up:
            return self._base.nearest(rows, own, k)
        index, distance, is_sure = self._sure(rows, own, k)
        if not is_sure.all():
            left = None if own is None else own[~is_sure]
            index[~is_sure], distance[~is_sure] = self._base.nearest(rows[~is_sure], left, k)
            self._gave_up = bool(is_sure.float().mean() < _WORTH)
        return index, distance

    def _sure(
        self, rows: torch.Tensor, own: torch.Tensor | None, k: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return neighbours, distances and which rows are sure.

        With x̂ and ŷ the rounded vectors, |x·y - x̂·ŷ| ≤ |x - x̂| + |x̂| |y - ŷ|. A row is sure where
        its k-th similarity, computed exactly, is above all that those passed over can have.
        """
        low = rows.bfloat16()
        score, index = self._low.candidates(low, own, k + _MORE)
        index, distance = _second_look(rows, self._base.points, index, score.isneginf(), k)
        lost, rest = _lost(rows, low), score[:, -1].float()
        # Products are summed in float32 and then rounded too.
        error = lost + (1 + lost) * self._lost + rest.abs() / 250 + rows.shape[1] * 2.0**-22
        return index, distance, 1 - distance[:, -1].square() / 2 > rest + error


def _lost(points: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
    return (points - low.float()).square().sum(dim=1).sqrt()


def _tensor(array: FloatArray, centre: FloatArray | None, device: str) -> torch.Tensor:
    import torch

    moved = np.asarray(array) if centre is None else array - centre
    with warnings.catch_warnings():  # a read-only array is welcome: nothing here writes
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(moved)).to(device)


@contextmanager
def _fast_products() -> Iterator[None]:
    """Let float32 products use the processor's faster units; their error here is about 1e-6."""
    import torch

    before = torch.get_float32_matmul_precision()
    if not torch.cuda.is_available():
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _best_of(score: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the `k` best scores of each row and their columns.

    Columns are dealt into groups; the best k columns lie in the k groups with the largest maxima,
    so only those are sorted, and the full block is read once.
    """
    import torch

    n_rows, n_columns = score.shape
    k, width = min(k, n_columns), n_columns // _GROUP
    if width < 2 * k:
        best = score.topk(k, dim=1)
        return best.values, best.indices
    dealt = score[:, : width * _GROUP].view(n_rows, _GROUP, width)
    group = dealt.amax(dim=1).topk(k, dim=1).indices
    offset = torch.arange(_GROUP, device=score.device) * width
    rest = torch.arange(width * _GROUP, n_columns, device=score.device).expand(n_rows, -1)
    index = torch.cat([(group.unsqueeze(2) + offset).flatten(1), rest], dim=1)
    best = score.gather(1, index).topk(k, dim=1)
    return best.values, index.gather(1, best.indices)


def _second_look(
    rows: torch.Tensor, base: torch.Tensor, index: torch.Tensor, excluded: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Order candidates by their distance, computed from differences; ties by row number."""
    import torch

    distance = torch.empty(index.shape, dtype=base.dtype, device=base.device)
    for at in range(0, len(rows), _LOOK):
        part = index[at : at + _LOOK]
        gap = base.index_select(0, part.flatten()).view(*part.shape, -1)
        gap -= rows[at : at + _LOOK].unsqueeze(1)
        distance[at : at + _LOOK] = torch.linalg.vector_norm(gap, dim=2)
    distance[excluded] = torch.inf
    by_number = index.argsort(dim=1)
    in_order = distance.gather(1, by_number).sort(dim=1, stable=True)
    chosen = by_number.gather(1, in_order.indices[:, :k])
    return index.gather(1, chosen), in_order.values[:, :k]
