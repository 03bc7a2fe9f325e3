"""Approximate search: rows are compared by their principal coordinates first.

How many coordinates, and how many candidates are compared exactly thereafter, is chosen on a sample
of rows whose neighbours are known exactly, and what is lost is seen on another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from curalab.neighbors._blocks import ROWS, Base, second_look

if TYPE_CHECKING:
    import torch

__all__ = ["LEAST_K", "Short", "shortened"]

LEAST_K = 32  # fewer neighbours are the first of so many: what is found does not depend on k then
_SAMPLE = 256  # rows whose neighbours are found exactly, half of them to choose by
_SPARE = 0.3  # of the neighbours that may be lost, how many the sample must not lose
_SHARES = (1 / 12, 1 / 8, 1 / 6, 1 / 4, 1 / 3)  # of the dimensions, that are tried
_LEAST = 16  # dimensions
_DEPTHS = (4, 16, 32, 64, 128, 192)  # candidates beyond k that are tried
_LOOK_COST = 80  # a candidate costs as much as this many products
_GAIN = 0.6  # of the cost of an exact search, above which it is not worth being inexact
_SEEN = 20_000  # points that principal axes are made of
_BLOCK = 65_536


class Short:
    """Search by principal coordinates: `recall` of the true neighbours are found, by a sample."""

    def __init__(self, base: Base, axes: torch.Tensor, depth: int) -> None:
        import torch

        self.recall, self.points = 1.0, base.points
        self._axes, self._depth = axes, depth
        starts = range(0, len(base.points), _BLOCK)
        points = torch.cat([base.points[at : at + _BLOCK].float() @ axes for at in starts])
        half = None if base.half_square is None else base.half_square.float()
        self._low = Base(points, half_square=half)

    def nearest(
        self, rows: torch.Tensor, own: torch.Tensor | None, k: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return neighbours and distances as `Base` does, some of them further ones."""
        score, index = self._low.candidates(rows.float() @ self._axes, own, k + self._depth)
        return second_look(rows, self.points, index, score.isneginf(), k)


def shortened(base: Base, k: int, recall: float) -> Short | None:
    """Return a search that finds a share `recall` of the neighbours; None where none is cheap."""
    import torch

    n, d = base.points.shape
    rows = torch.arange(0, n, -(-n // _SAMPLE))
    index, distance = _in_blocks(base, rows, k)
    some = base.points[:: -(-n // _SEEN)].float()
    axes = torch.linalg.eigh(some.T @ some).eigenvectors.flip(1)
    lost = (1 - recall) * (1 - _SPARE)
    best, chosen = _GAIN * (1 + (k + _DEPTHS[0]) * _LOOK_COST / n), None
    sizes = sorted({max(_LEAST, int(d * share)) for share in _SHARES})
    for size, rank in zip(sizes, _ranks(base, axes, sizes, rows[::2], index[::2]), strict=True):
        for depth in _DEPTHS:
            cost = size / d + (k + depth) * _LOOK_COST / n
            if cost < best and float((rank > k + depth).double().mean()) <= lost:
                best, chosen = cost, (size, depth)
    if chosen is None:
        return None
    search = Short(base, axes[:, : chosen[0]].contiguous(), chosen[1])
    found = _in_blocks(search, rows[1::2], k)[1]
    far = distance[1::2, -1:] * (1 + 1e-6) + 1e-7  # ties count as found
    search.recall = min(float((found <= far).double().mean()), 1 - 1 / found.numel())
    return search if search.recall >= recall else None


def _in_blocks(
    search: Base | Short, rows: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    parts = [rows[at : at + ROWS] for at in range(0, len(rows), ROWS)]
    found = [search.nearest(search.points[part], part, k) for part in parts]
    return torch.cat([i for i, _ in found]), torch.cat([d for _, d in found])


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
        others = base.points[at : at + _BLOCK].float() @ axes[:, : sizes[-1]]
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
