"""Products of blocks of rows with all points, the best of them, and an exact second look."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from curalab._check import FloatArray
from curalab._points import centred_rows

if TYPE_CHECKING:
    import torch

__all__ = ["ROWS", "Base", "fast_products", "half_squares", "merged", "second_look", "tensor"]

ROWS = 512  # a block of products is 128 MiB at the most
_COLUMNS = 65_536
_TILE = 1_024  # columns multiplied at a time at most: they are in the cache when read again
_GROUP = 16  # neighbouring columns of which only the largest is compared at first
_SPARE = 4  # candidates beyond k that the exact second look may reorder
_SQUARED = 4_096  # rows squared at a time
_LOOK = 1 << 18  # numbers of candidates looked at together: they fit into the cache


class Base:
    """Points to search, and room for a block of products of `n_rows` with them.

    With `half_square`, |y|²/2 of each point, what ranks is x·y - |y|²/2 instead of x·y.
    """

    def __init__(
        self, points: torch.Tensor, *, half_square: torch.Tensor | None = None, n_rows: int = ROWS
    ) -> None:
        self.points, self.half_square = points, half_square
        self._tile = min(_TILE, max(_GROUP, 1 << (len(points) - 1).bit_length()))
        n_tiles = -(-min(_COLUMNS * 4 // points.element_size(), len(points)) // self._tile)
        self._columns = n_tiles * self._tile
        self._room = points.new_empty(n_rows * self._columns)

    def of(self, rows: torch.Tensor) -> Base:
        """Return some of the points, in the same room."""
        part = copy(self)
        part.points = self.points[rows]
        part.half_square = None if self.half_square is None else self.half_square[rows]
        return part

    def apart(self) -> Base:
        """Return the same points in a room of their own, for another thread."""
        other = copy(self)
        other._room = self._room.new_empty(len(self._room))
        return other

    def nearest(
        self, rows: torch.Tensor, own: torch.Tensor | None, k: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the `k` nearest points of each row and their distances, ties by row number."""
        score, index = self.candidates(rows, own, k + _SPARE)
        return second_look(rows, self.points, index, score.isneginf(), k)

    def candidates(
        self, rows: torch.Tensor, own: torch.Tensor | None, n: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the `n` best scores of each row, best first, and the points they are of.

        `own` is the number of each row itself, which is ruled out with a score of -inf.
        """
        import torch

        scores, numbers = [], []
        for at in range(0, len(self.points), self._columns):
            best, index = _best_of(*self._products(rows, own, at), n)
            scores.append(best)
            numbers.append((index + at).clamp_max_(len(self.points) - 1))
        if len(scores) == 1:
            return scores[0], numbers[0]
        best, index = torch.cat(scores, dim=1).topk(min(n, len(self.points)), dim=1)
        return best, torch.cat(numbers, dim=1).gather(1, index)

    def _products(
        self, rows: torch.Tensor, own: torch.Tensor | None, at: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scores of points from `at` on, (n_tiles, n_rows, tile), the best of each group.

        Behind the last point there are scores of -inf.
        """
        import torch

        width = self._tile
        n_tiles = -(-min(self._columns, len(self.points) - at) // width)
        score = self._room[: n_tiles * len(rows) * width].view(n_tiles, len(rows), width)
        groups = []
        for number, tile in enumerate(score):
            begin = at + number * width
            points = self.points[begin : begin + width]
            n = len(points)
            if n < width:  # for each shape of a product, torch keeps what it made for it
                points = torch.nn.functional.pad(points, (0, 0, 0, width - n))
            torch.mm(rows, points.T, out=tile)
            tile[:, n:] = -torch.inf
            if self.half_square is not None:
                tile[:, :n] -= self.half_square[begin : begin + width]
            groups.append(torch.nn.functional.max_pool1d(tile.unsqueeze(0), _GROUP)[0])
        largest = torch.cat(groups, dim=1)
        if own is not None:
            _rule_out(own - at, score, largest.view(len(rows), n_tiles, -1))
        return score, largest


def _rule_out(column: torch.Tensor, score: torch.Tensor, largest: torch.Tensor) -> None:
    """Set the scores in one column of each row to -inf, if it is among these."""
    import torch

    width = score.shape[2]
    row = ((column >= 0) & (column < len(score) * width)).nonzero()[:, 0]
    tile, column = column[row] // width, column[row] % width
    score[tile, row, column] = -torch.inf
    group = column // _GROUP
    grouped = score.view(*score.shape[:2], -1, _GROUP)
    largest[row, tile, group] = grouped[tile, row, group].amax(dim=1)


def _best_of(score: torch.Tensor, group: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the `n` best scores of each row, or all, best first, and the columns they are in.

    They lie in the n groups with the largest maxima, so only those are sorted.
    """
    import torch

    n_rows, n_groups = group.shape
    chosen = group.topk(min(n, n_groups), dim=1, sorted=False).indices
    row, width = torch.arange(n_rows, device=score.device), score.shape[2] // _GROUP
    place = (chosen // width * n_rows + row.unsqueeze(1)) * width + chosen % width
    member = score.view(-1, _GROUP).index_select(0, place.flatten()).view(n_rows, -1)
    best, order = member.topk(min(n, member.shape[1]), dim=1)
    return best, chosen.gather(1, order // _GROUP) * _GROUP + order % _GROUP


def tensor(array: FloatArray, centre: FloatArray | None, device: str) -> torch.Tensor:
    """Return an array, moved by `centre` in its precision, as a tensor; without one, not copied."""
    import torch

    moved = np.asarray(array) if centre is None else centred_rows(array, centre)
    with warnings.catch_warnings():  # a read-only array is welcome: nothing here writes
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(moved)).to(device)


def half_squares(points: torch.Tensor) -> torch.Tensor:
    """Return |y|²/2 of each point."""
    import torch

    starts = range(0, len(points), _SQUARED)
    parts = [points[at : at + _SQUARED].square().sum(dim=1) for at in starts]
    return torch.cat(parts).div_(2)


def merged(
    index: torch.Tensor,
    distance: torch.Tensor,
    later: torch.Tensor,
    their_distance: torch.Tensor,
    k: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the `k` nearest of those found and of others with larger numbers."""
    import torch

    both, named = torch.cat([distance, their_distance], dim=1), torch.cat([index, later], dim=1)
    near = both.sort(dim=1, stable=True)
    return named.gather(1, near.indices[:, :k]), near.values[:, :k]


@contextmanager
def fast_products() -> Iterator[None]:
    """Let float32 products use the processor's faster units; their error here is about 1e-6."""
    import torch

    before = torch.get_float32_matmul_precision()
    if not torch.cuda.is_available():
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def second_look(
    rows: torch.Tensor, base: torch.Tensor, index: torch.Tensor, excluded: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Order candidates by their distance, computed from differences; ties by row number."""
    import torch

    distance = torch.empty(index.shape, dtype=base.dtype, device=base.device)
    step = max(1, _LOOK // (index.shape[1] * base.shape[1]))
    for at in range(0, len(rows), step):
        part = index[at : at + step]
        gap = base.index_select(0, part.flatten()).view(*part.shape, -1)
        gap -= rows[at : at + step].unsqueeze(1)
        distance[at : at + step] = torch.linalg.vector_norm(gap, dim=2)
    distance[excluded] = torch.inf
    by_number = index.argsort(dim=1)
    in_order = distance.gather(1, by_number).sort(dim=1, stable=True)
    chosen = by_number.gather(1, in_order.indices[:, :k])
    return index.gather(1, chosen), in_order.values[:, :k]
