"""Small maps of picks, drawn as SVG over one pale picture of all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from curalab._check import BoolArray, FloatArray, IntArray
from curalab_widgets._cards import data_uri, plain
from curalab_widgets._points import COLORS, GREY, Paint, raster
from curalab_widgets._points._raster import framed, size_of
from curalab_widgets.figures._selections import mark

__all__ = ["RINGS", "PickMaps"]

_SIDE = 600  # pixels of the picture, and units of the drawing
_EACH = 400  # picks of a map up to which each can be clicked
RINGS = 400
_MOST = 300  # pixels of a map on the page
_SHAPES = (  # about the point 0, 0, in the order of `mark`
    "m-9 0a9 9 0 1 0 18 0a9 9 0 1 0-18 0z",
    "m-8-8h16v16h-16z",
    "m0-11l11 11l-11 11l-11-11z",
    "m0-11l10 18h-20z",
    "m-4-10h8v6h6v8h-6v6h-8v-6h-6v-8h6z",
    "m-9-5l4-4l5 5l5-5l4 4l-5 5l5 5l-4 4l-5-5l-5 5l-4-4l5-5z",
)


class PickMaps:
    """A map for each selector: all rows pale, its picks as symbols, rings around the selected.

    Parameters
    ----------
    xy : ndarray of shape (n_items, 2)
        Where the rows lie. Rows that are not finite are not drawn.
    key : str
        Distinguishes the picture from those of other panels on the page.
    """

    def __init__(self, xy: FloatArray, key: str) -> None:
        self._known: BoolArray = np.asarray(np.isfinite(xy).all(axis=1))
        shown = xy[self._known]
        size = size_of(len(shown))
        # What sticks out over the edge of the picture is part of it: see `raster`.
        places = np.full(xy.shape, np.nan)
        places[self._known] = (framed(shown) * [1, -1] + 1) / 2 * _SIDE + size / 2
        self._places, self._wide = places, _SIDE + size
        self._name = f"curalab-selectors-back-{key}"
        alike, faint = np.zeros(len(shown), dtype=np.intp), np.ones(len(shown), dtype=bool)
        pale = Paint(codes=alike, colors=[GREY], names=[""], faint=faint)
        address = data_uri(raster(shown, pale, side=_SIDE))
        self.back = f"<style>.{self._name} {{ background-image: url('{address}'); }}</style>"

    def draw(
        self,
        rows: Mapping[str, IntArray],
        *,
        hovers: Mapping[str, Sequence[str]],
        selected: IntArray,
        shown: str,
    ) -> str:
        """Return all maps as HTML; a click on a pick is ``pick:I.ROW`` for selector I."""
        rings = self._rings(selected)
        maps = []
        for i, (name, picked) in enumerate(rows.items()):
            now = " curalab-selectors-now" if name == shown else ""
            maps.append(
                f"<figure class='curalab-selectors-map{now}'><figcaption data-pick='map:{i}'>"
                f"{mark(i)} <b>{plain(name, limit=28)}</b></figcaption>"
                f"<svg class='{self._name}' viewBox='0 0 {self._wide} {self._wide}' role='img' "
                f"aria-label='{plain(name)}: {len(picked):,} picks'>"
                f"{self._dots(i, picked, hovers[name])}{rings}</svg></figure>"
            )
        columns = len(maps) if len(maps) <= 4 else 3
        grid = f"grid-template-columns:repeat({columns}, minmax(0, {_MOST}px))"
        return f"<div class='curalab-selectors-row' style='{grid}'>{''.join(maps)}</div>"

    def _dots(self, i: int, rows: IntArray, hovers: Sequence[str]) -> str:
        drawn = rows[self._known[rows]]
        at = np.round(self._places[drawn]).astype(int).tolist()
        look = f"fill='{COLORS[i]}' stroke='#fff' stroke-opacity='.8' stroke-width='2'"
        if len(rows) > _EACH:  # one shape for all: quick to send and to draw
            return f"<path {look} d='{''.join(f'M{x} {y}{_SHAPES[i]}' for x, y in at)}'/>"
        told = [text for text, known in zip(hovers, self._known[rows], strict=True) if known]
        dots = "".join(
            f"<path data-pick='{i}:{row}' d='M{x} {y}{_SHAPES[i]}'><title>{text}</title></path>"
            for (x, y), row, text in zip(at, drawn.tolist(), told, strict=True)
        )
        return f"<g {look}>{dots}</g>"

    def _rings(self, rows: IntArray) -> str:
        drawn = rows[self._known[rows]][:RINGS]
        at = np.round(self._places[drawn]).astype(int).tolist()
        rings = "".join(f"M{x} {y}m-18 0a18 18 0 1 0 36 0a18 18 0 1 0-36 0z" for x, y in at)
        return f"<path class='curalab-selectors-ring' d='{rings}'/>"
