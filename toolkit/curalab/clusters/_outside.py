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

    Attributes
    ----------
    points : ndarray of shape (n, d), float32
        The points about their mean: |x|² + |y|² - 2xy cancels badly far from the origin.
    """

    def __init__(self, points: FloatArray, core: FloatArray) -> None:
        import torch

        n, d = points.shape
        held = np.ones((n, d + 2), dtype=np.float32)  # x·y + |x|²/2 + |y|²/2 in one product
        self.points: FloatArray = held[:, :d]
        np.subtract(
            points, points.mean(axis=0, dtype=np.float64), out=self.points, casting="unsafe"
        )
        held[:, d] = np.einsum("ij,ij->i", self.points, self.points) / 2
        self._held, self._core = torch.from_numpy(held), core
        self._half_core = torch.from_numpy((core**2 / 2).astype(np.float32))

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
        gap = self.points[rows].astype(np.float64) - self.points[found]
        straight = np.linalg.norm(gap, axis=1)
        return found, np.maximum(np.maximum(straight, self._core[rows]), self._core[found])

    def _of_block(self, rows: torch.Tensor, part: torch.Tensor, core: torch.Tensor) -> torch.Tensor:
        import torch

        asked = -self._held[rows]
        asked[:, -2:] = -asked[:, [-1, -2]]
        own = part[rows].unsqueeze(1)
        best, found = torch.full((len(rows),), torch.inf), torch.zeros(len(rows), dtype=torch.int64)
        for at in range(0, len(part), _COLUMNS):
            columns = slice(at, at + _COLUMNS)
            gap = asked @ self._held[columns].T  # half the squared distance
            torch.maximum(gap, core[columns], out=gap)
            gap.masked_fill_(own == part[columns], torch.inf)
            least, place = gap.min(dim=1)  # the core of the row itself changes no order
            closer = least < best
            best = torch.where(closer, least, best)
            found = torch.where(closer, place + at, found)
        return found
