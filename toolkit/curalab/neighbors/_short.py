"""Approximate search: few cells, and in them principal coordinates first.

How many cells and coordinates, and how many candidates are compared exactly thereafter, is chosen
on a sample of rows whose neighbours are known exactly, and what is lost is seen on another.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from functools import partial
from itertools import product
from operator import itemgetter
from typing import TYPE_CHECKING

from curalab.neighbors._blocks import Base, second_look
from curalab.neighbors._cells import AXES, Cells

if TYPE_CHECKING:
    import torch

__all__ = ["Settings", "Short", "shortened"]

_TOGETHER = 128  # rows that look into each other's cells
_SHIFT = 4_096  # rows that a core works on before it takes others, and that are read at once
_SAMPLE = 256  # rows whose neighbours are found exactly, half of them to choose by
_PLACES = 16  # blocks of rows that these are from
_SPARES = (0.05, 0.1, 0.4, 0.7)  # of the neighbours that may be lost, kept in reserve
_SHARES = (1 / 12, 1 / 8, 1 / 6, 1 / 4, 1 / 3)  # of the dimensions, that are tried
_LEAST = 16  # dimensions
_DEPTHS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192)  # candidates beyond k that are tried
_CELLS = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96)  # for each row
_LOOK_COST = 80  # a candidate costs as much as this many products
_COLUMN_COST = 32  # finding the best products costs as much as this many dimensions
_GAIN = 0.6  # of the cost of an exact search, above which it is not worth being inexact
_SEEN = 20_000  # points that principal axes are made of
_BLOCK = 16_384  # points at a time


@dataclass(frozen=True, eq=False)
class Settings:
    """Coordinates, candidates beyond k, and cells a row."""

    size: int
    depth: int
    cells: int


class Short:
    """Search by principal coordinates: `recall` of the true neighbours are found, by a sample."""

    def __init__(self, base: Base, axes: torch.Tensor, cells: Cells, settings: Settings) -> None:

        self.recall = 1.0
        self._points, self._axes, self._cells = base.points, axes, cells
        self._settings = settings
        low = _along(base.points, axes[:, : settings.size], cells.order)
        half = None if base.half_square is None else base.half_square[cells.order].float()
        self._low = Base(low, half_square=half, n_rows=_TOGETHER)
        self._place = cells.order.argsort()

    def all(self, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return neighbours of all points and their distances, some of them further ones.

        Each core works on blocks of its own: their products are too small to be shared out.
        """
        import torch
        from tqdm.auto import tqdm

        n, cores = len(self._points), torch.get_num_threads()
        index = torch.empty(n, k, dtype=torch.int64)
        distance = torch.empty(n, k, dtype=self._points.dtype)

        def work(start: int) -> None:
            mine = copy(self)
            mine._low = self._low.apart()
            with torch.inference_mode():
                for at in range(start, min(start + _SHIFT, n), _TOGETHER):
                    own = self._cells.order[at : at + _TOGETHER]
                    rows = self._points[own]
                    index[own], distance[own] = mine.among(rows, rows, own, k)

        starts = range(0, n, _SHIFT)
        try:
            with ThreadPoolExecutor(cores, initializer=partial(torch.set_num_threads, 1)) as pool:
                done = pool.map(work, starts)
                list(tqdm(done, "neighbours", total=len(starts), delay=2, disable=None))
        finally:
            torch.set_num_threads(cores)  # of threads to come; this one kept its own
        return index, distance

    def among(
        self, block: torch.Tensor, rows: torch.Tensor, own: torch.Tensor, k: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the same for some rows of a block, in the cells that the block looks into."""
        import torch

        wanted, n_cells = k + self._settings.depth, self._settings.cells
        looking, members = block.float() @ self._axes, self._place[:0]
        while len(members) <= wanted:
            members = self._cells.members(self._cells.nearest(looking, n_cells))
            n_cells *= 2
        place = self._place[own]
        at = torch.searchsorted(members, place).clamp_max_(len(members) - 1)
        at[members[at] != place] = -1
        low = rows.float() @ self._axes[:, : self._settings.size]
        score, index = self._low.of(members).candidates(low, at, wanted)
        return second_look(
            rows, self._points, self._cells.order[members[index]], score.isneginf(), k
        )


def shortened(
    points: torch.Tensor, half_square: torch.Tensor | None, k: int, recall: float
) -> Short | None:
    """Return a search that finds a share `recall` of the neighbours; None where none is cheap."""
    import torch

    n, d = points.shape
    sizes = sorted({max(_LEAST, int(d * share)) for share in _SHARES})
    spread, apart = torch.zeros(d, d), -(-n // _SEEN)
    for at in range(0, n, _SHIFT * apart):
        some = points[at : at + _SHIFT * apart : apart].float()
        spread.addmm_(some.T, some)
    axes = torch.linalg.eigh(spread).eigenvectors.flip(1)[:, : sizes[-1]].contiguous()
    cells = Cells(_along(points, axes[:, :AXES]))
    base = Base(points, half_square=half_square, n_rows=_SAMPLE)
    begins = torch.linspace(0, n - _TOGETHER, _PLACES).long().tolist()
    blocks = [cells.order[at : at + _TOGETHER] for at in begins]
    step = _TOGETHER * _PLACES // _SAMPLE
    rows = torch.stack([block[::step] for block in blocks])
    index, distance = base.nearest(points[rows.flatten()], rows.flatten(), k)
    shape = (*rows.shape, k)
    index, distance = index.view(shape), distance.view(shape)
    options = _options(base, axes, cells, sizes, blocks, rows[:, ::2], index[:, ::2])
    far = distance[:, 1::2, -1:] * (1 + 1e-6) + 1e-7  # ties count as found
    for spare in _SPARES:
        enough = [option for option in options if option[1] <= (1 - recall) * (1 - spare)]
        if not enough:
            break
        search = Short(base, axes, cells, min(enough, key=itemgetter(0))[2])
        seen = [
            search.among(base.points[block], base.points[some], some, k)[1]
            for block, some in zip(blocks, rows[:, 1::2], strict=True)
        ]
        found = torch.stack(seen) <= far
        search.recall = min(float(found.double().mean()), 1 - 1 / found.numel())
        if search.recall >= recall:
            return search
    return None


def _along(
    points: torch.Tensor, axes: torch.Tensor, order: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the points along the axes, in an order."""
    low = points.new_empty(len(points), axes.shape[1], dtype=axes.dtype)
    for at in range(0, len(points), _SHIFT):
        rows = slice(at, at + _SHIFT) if order is None else order[at : at + _SHIFT]
        low[at : at + _SHIFT] = points[rows].float() @ axes
    return low


def _options(
    base: Base,
    axes: torch.Tensor,
    cells: Cells,
    sizes: list[int],
    blocks: list[torch.Tensor],
    rows: torch.Tensor,
    near: torch.Tensor,
) -> list[tuple[float, float, Settings]]:
    """Return settings cheaper than an exact search: cost, lost share of neighbours, settings."""
    (n, d), k = base.points.shape, near.shape[2]
    ranks = _ranks(base, axes, sizes, rows.flatten(), near.flatten(0, 1))
    looked = _looked_into(base, axes, cells, blocks, near)
    most, options = _GAIN * (1 + (k + _DEPTHS[0]) * _LOOK_COST / n), []
    for (size, rank), (n_cells, share, is_in), depth in product(
        zip(sizes, ranks, strict=True), looked, _DEPTHS
    ):
        cost = share * (size + _COLUMN_COST) / (d + _COLUMN_COST) + (k + depth) * _LOOK_COST / n
        if cost < most:
            lost = float((~is_in | (rank > k + depth)).double().mean())
            options.append((cost, lost, Settings(size, depth, n_cells)))
    return options


def _looked_into(
    base: Base, axes: torch.Tensor, cells: Cells, blocks: list[torch.Tensor], near: torch.Tensor
) -> list[tuple[int, float, torch.Tensor]]:
    """Return for numbers of cells the share of points in them, and which neighbours are there."""
    import torch

    numbers = [n for n in _CELLS if n <= len(cells.sizes)]
    into = torch.zeros(len(numbers), len(blocks), len(cells.sizes), dtype=torch.bool)
    for at, block in enumerate(blocks):
        nearest = cells.nearest(base.points[block].float() @ axes, numbers[-1])
        for i, number in enumerate(numbers):
            into[i, at, nearest[:, :number].flatten()] = True
    share = (into * cells.sizes).sum(dim=2).double().mean(dim=1) / len(base.points)
    cell = cells.cell[near].flatten(1)
    is_in = [here.gather(1, cell).view(-1, near.shape[2]) for here in into]
    return list(zip(numbers, share.tolist(), is_in, strict=True))


def _ranks(
    base: Base, axes: torch.Tensor, sizes: list[int], rows: torch.Tensor, near: torch.Tensor
) -> list[torch.Tensor]:
    """Return for each number of coordinates how many points come before each true neighbour."""
    import torch

    most = near.shape[1] + _DEPTHS[-1] + 1
    asked = base.points[rows].float() @ axes
    tops: list[list[torch.Tensor]] = [[] for _ in sizes]
    reached = [torch.zeros(near.shape) for _ in sizes]
    for at in range(0, len(base.points), _BLOCK):
        others = base.points[at : at + _BLOCK].float() @ axes
        score = torch.zeros(len(rows), len(others))
        if base.half_square is not None:
            score -= base.half_square[at : at + _BLOCK].float()
        begin, here = 0, (near >= at) & (near < at + len(others))
        place = (near - at).clamp(0, len(others) - 1)
        for i, end in enumerate(sizes):
            score.addmm_(asked[:, begin:end], others[:, begin:end].T)
            tops[i].append(score.topk(min(most, score.shape[1]), dim=1).values)
            reached[i] += score.gather(1, place) * here
            begin = end
    firsts = [torch.cat(top, dim=1).sort(dim=1).values for top in tops]
    return [
        first.shape[1] - torch.searchsorted(first, own.contiguous(), right=True)
        for first, own in zip(firsts, reached, strict=True)
    ]
