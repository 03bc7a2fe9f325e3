"""Cells of near points, of which a search needs to look into a few."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["AXES", "Cells"]

_MANY = 6.5  # times √n is about how many cells there are
AXES = 48  # coordinates at most, by which points are put into cells
_SEEN = 24  # points a cell from which the cells are made
_STEPS = 4  # of the power iteration that finds where a half is longest
_MOVES = 2  # of the means, after the halving
_BLOCK = 2_048


class Cells:
    """Points, each in the cell whose mean is nearest by the first coordinates.

    The means are those of a sample that was halved again and again where it is longest, moved
    twice as k-means does. Such cells are of nearly one size, and cells with near numbers are near.

    Attributes
    ----------
    order : tensor of shape (n,)
        The points cell by cell.
    sizes : tensor of shape (n_cells,)
        Points in each cell.
    """

    def __init__(self, points: torch.Tensor) -> None:
        import torch

        points = points[:, :AXES]
        depth = max(1, round(math.log2(_MANY * math.sqrt(len(points)))))
        some = points[:: max(1, len(points) // (_SEEN << depth))]
        self._centres = _halved(some, depth)
        self._half = self._centres.square().sum(dim=1) / 2
        for _ in range(_MOVES):
            self._centres = _means(some, self._cell_of(some), self._centres)
            self._half = self._centres.square().sum(dim=1) / 2
        self.cell = self._cell_of(points)
        self.order = self.cell.argsort(stable=True)
        self.sizes = torch.bincount(self.cell, minlength=len(self._centres))
        self._first = self.sizes.cumsum(0) - self.sizes

    def nearest(self, rows: torch.Tensor, n: int) -> torch.Tensor:
        """Return the `n` cells nearest to each row, nearest first, shape (n_rows, n)."""
        return self._likeness(rows).topk(min(n, len(self._centres)), dim=1).indices

    def members(self, cells: torch.Tensor) -> torch.Tensor:
        """Return where in `order` the points of some cells are, ascending."""
        import torch

        cells = torch.bincount(cells.flatten(), minlength=len(self.sizes)).nonzero()[:, 0]
        sizes = self.sizes[cells]
        ends = sizes.cumsum(0)
        shift = (self._first[cells] - ends + sizes).repeat_interleave(sizes)
        return torch.arange(len(shift), device=shift.device) + shift

    def _likeness(self, rows: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.addmm(self._half, rows[:, : self._centres.shape[1]], self._centres.T, beta=-1)

    def _cell_of(self, points: torch.Tensor) -> torch.Tensor:
        import torch

        starts = range(0, len(points), _BLOCK)
        parts = [self._likeness(points[at : at + _BLOCK]).argmax(dim=1) for at in starts]
        return torch.cat(parts)


def _halved(points: torch.Tensor, depth: int) -> torch.Tensor:
    """Return the means of 2^depth parts of equal size, each cut at the middle of its length."""
    import torch

    size = len(points) >> depth
    points = points[: size << depth]
    draw = torch.Generator().manual_seed(0)
    for level in range(depth):
        parts = points.view(1 << level, -1, points.shape[1])
        mean = parts.mean(dim=1, keepdim=True)
        way = torch.randn(len(parts), points.shape[1], 1, generator=draw).to(points.device)
        for _ in range(_STEPS):
            along = parts @ way - mean @ way
            way = parts.mT @ along - mean.mT * along.sum(dim=1, keepdim=True)
            way /= way.norm(dim=1, keepdim=True).clamp_min_(1e-30)
        place = (parts @ way).squeeze(2).argsort(dim=1)
        place += torch.arange(len(parts), device=place.device).unsqueeze(1) * parts.shape[1]
        points = points[place.flatten()]
    return points.view(1 << depth, size, -1).mean(dim=1)


def _means(points: torch.Tensor, cell: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """Return the mean of each cell, and where it is empty the one before."""
    import torch

    sums = torch.zeros_like(before).index_add_(0, cell, points)
    sizes = torch.bincount(cell, minlength=len(before)).unsqueeze(1)
    return torch.where(sizes > 0, sums / sizes.clamp_min(1), before)
