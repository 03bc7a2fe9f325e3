"""Exact search by products of rounded numbers, with a proof for each row."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

from curalab.neighbors._blocks import Base, fast_products, second_look

if TYPE_CHECKING:
    import torch

__all__ = ["Rounded", "rounding_pays"]

_MORE = 17  # candidates beyond k that rounded products may have put before others
_WORTH = 0.5  # share of sure rows in a block below which the next ones are not tried
_BLOCK = 32_768  # points compared with what rounding leaves of them
_HOPELESS = 0.05  # seconds of one product of a probe that takes a millisecond in hardware


class Rounded:
    """Search of unit vectors by products of rounded numbers.

    Rounded products put forward candidates; these are compared exactly. A row is sure where its
    k-th similarity is above all that those passed over can have; the others are searched again.
    """

    def __init__(self, base: Base) -> None:
        self._base, self._low = base, Base(base.points.bfloat16())
        starts = range(0, len(base.points), _BLOCK)
        parts = ([p[at : at + _BLOCK] for p in (base.points, self._low.points)] for at in starts)
        self._lost = max(float(_lost(*part).max()) for part in parts)
        self._gave_up = False

    def nearest(
        self, rows: torch.Tensor, own: torch.Tensor | None, k: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return neighbours and distances as `Base` does."""
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

        With x̂ and ŷ the rounded vectors, |x·y - x̂·ŷ| ≤ |x - x̂| + |x̂| |y - ŷ|.
        """
        low = rows.bfloat16()
        score, index = self._low.candidates(low, own, k + _MORE)
        index, distance = second_look(rows, self._base.points, index, score.isneginf(), k)
        lost, rest = _lost(rows, low), score[:, -1].float()
        # Products are summed in float32 and then rounded too.
        error = lost + (1 + lost) * self._lost + rest.abs() / 250 + rows.shape[1] * 2.0**-22
        return index, distance, 1 - distance[:, -1].square() / 2 > rest + error


def _lost(points: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
    return (points - low.float()).square().sum(dim=1).sqrt()


@cache
def rounding_pays() -> bool:
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

    with fast_products():
        return seconds(torch.bfloat16) < 0.75 * seconds(torch.float32)
