"""The nearest row of another part, by products of blocks of rows with all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curalab.pool import FloatArray, IntArray

if TYPE_CHECKING:
    import torch

__all__ = ["Outside"]

_ROWS = 512
_COLUMNS = 4_096  # a block of products stays in the processor's cache until it is used up


class Outside:
    """Compares rows with all others by mutual reachability, max(d, core, core).

    Parameters
    ----------
    points : ndarray of shape (n, d)
    core : ndarray of shape (n,)
        Distance of each row within which it has its `min_samples` neighbours.
    """

    def __init__(self, points: FloatArray, core: FloatArray) -> None:
        import torch

        self._points, self._core = points, core
        self._mean = points.mean(axis=0, dtype=np.float64)
        half = [np.square(self[block]).sum(axis=1) / 2 for block in self._blocks()]
        self._half = torch.from_numpy(np.concatenate(half))
        self._half_core = torch.from_numpy((core**2 / 2).astype(np.float32))

    def __getitem__(self, rows: slice | IntArray) -> FloatArray:
        """Return some points about the mean of all, float32: far from it, products cancel badly."""
        return np.asarray(self._points[rows] - self._mean, dtype=np.float32)

    def _blocks(self) -> list[slice]:
        return [slice(at, at + _COLUMNS) for at in range(0, len(self._points), _COLUMNS)]

    def nearest(self, rows: IntArray, part: IntArray) -> tuple[IntArray, FloatArray]:
        """Return the nearest row of another part for each of `rows`, and how far it is.

        Rows of part -1 are not looked at.
        """
        import torch
        from tqdm.auto import tqdm

        found, parts = np.empty(len(rows), dtype=np.int64), torch.from_numpy(part)
        core = torch.where(parts < 0, torch.inf, self._half_core)
        for at in tqdm(range(0, len(rows), _ROWS), "spanning tree", delay=2, disable=None):
            some = rows[at : at + _ROWS]
            found[at : at + _ROWS] = self._of_block(torch.from_numpy(some), parts, core).numpy()
        gap = self._points[rows].astype(np.float64) - self._points[found]
        straight = np.linalg.norm(gap, axis=1)
        return found, np.maximum(np.maximum(straight, self._core[rows]), self._core[found])

    def _of_block(self, rows: torch.Tensor, part: torch.Tensor, core: torch.Tensor) -> torch.Tensor:
        import torch

        asked, half = torch.from_numpy(self[rows.numpy()]), self._half[rows].unsqueeze(1)
        own = part[rows].unsqueeze(1)
        best, found = torch.full((len(rows),), torch.inf), torch.zeros(len(rows), dtype=torch.int64)
        for columns in self._blocks():
            others = torch.from_numpy(self[columns])
            gap = torch.addmm(self._half[columns], asked, others.T, alpha=-1)
            gap += half  # half the squared distance
            torch.maximum(gap, core[columns], out=gap)
            gap.masked_fill_(own == part[columns], torch.inf)
            least, place = gap.min(dim=1)  # the core of the row itself changes no order
            closer = least < best
            best = torch.where(closer, least, best)
            found = torch.where(closer, place + columns.start, found)
        return found
