"""What part of a map is in view, and pictures in the places of the points there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from curalab._check import FloatArray, IntArray

__all__ = ["PICTURE", "OnHover", "OnSelect", "PictureOf", "Sight", "around", "pictures_in"]

OnSelect = Callable[[IntArray], None]
OnHover = Callable[[int | None], None]
PictureOf = Callable[[int], str]

_MOST = 400  # points in view, of which some have pictures
_ROOM = 0.15  # around what is zoomed in on, as a share of it
_LEAST = 0.02  # side of what is in view at least
PICTURE = 0.09  # side of a picture, as a share of what is in view


def pictures_in(
    xy: FloatArray, sight: Sequence[float], of: PictureOf | None
) -> list[tuple[int, str]]:
    """Return points in view that have a picture, and its address; none where many are in view.

    Of points whose pictures would lie on each other, the first has one.
    """
    if of is None:
        return []
    left, right, bottom, top = sight
    x, y = xy.T
    points = np.flatnonzero((x >= left) & (x <= right) & (y >= bottom) & (y <= top))
    if len(points) > _MOST:
        return []
    placed, room = np.empty((0, 2)), PICTURE * (right - left)
    found = []
    for point in points.tolist():
        if len(placed) and (np.abs(placed - xy[point]).max(axis=1) < room).any():
            continue
        if address := of(point):
            placed = np.vstack([placed, xy[point]])
            found.append((point, address))
    return found


def around(xy: FloatArray) -> list[float]:
    """Return the part to have in view so that these points are."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    reach = max(float((high - low).max()) * (0.5 + _ROOM), _LEAST / 2)
    x, y = ((low + high) / 2).tolist()
    return [x - reach, x + reach, y - reach, y + reach]


class Sight(anywidget.AnyWidget):
    """A layer over a jupyter-scatter: says what part is in view, and draws pictures there.

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
        Where the points lie, in the square -1 … 1.
    name : str
        What the scatter was given as `view_sync`: under this name it tells its moves.

    Attributes
    ----------
    sight : list of 4 floats
        Left, right, bottom and top of what is in view.
    places : list
        [point, x, y, address of its picture] of the points in view, where there are few.
    """

    _esm = Path(__file__).parent / "_sight.js"
    name = traitlets.Unicode().tag(sync=True)
    sight = traitlets.List([-1.0, 1.0, -1.0, 1.0]).tag(sync=True)
    places: list[list[Any]] = traitlets.List().tag(sync=True)  # type: ignore[assignment]

    def __init__(self, xy: FloatArray, name: str) -> None:
        self._xy = xy
        self._of: PictureOf | None = None
        super().__init__(name=name)

    def picture(self, of: PictureOf | None) -> None:
        """Draw what `of` returns for a point in its place; None ends it."""
        self._of = of
        self._draw()

    @traitlets.observe("sight")
    def _draw(self, _: Any = None) -> None:
        self.places = [
            [point, *self._xy[point].tolist(), address]
            for point, address in pictures_in(self._xy, self.sight, self._of)
        ]
