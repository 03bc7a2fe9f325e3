"""Points as a picture, drawn without a browser."""

from __future__ import annotations

import io

import numpy as np

from curalab._check import FloatArray
from curalab_widgets._points._paint import GREY, Paint, rgb

__all__ = ["FAINT", "SIDE", "SIZES", "density", "framed", "raster", "size_of", "sizes_of"]

SIDE = 480  # pixels
FAINT = 0.25  # of a colour
SIZES = 8  # steps of size
_CELLS = 160  # across a picture of density
_FEW = 0.05  # points in a cell from which it shows


def framed(xy: FloatArray) -> FloatArray:
    """Return the points moved and scaled, alike in both directions, into the square -1 … 1."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    reach = float((high - low).max()) / 2 or 1.0
    return np.asarray((xy - (low + high) / 2) / (reach * 1.05), dtype=np.float32)


def size_of(n: int) -> int:
    """Return the diameter of `n` points, in pixels."""
    return int(np.clip(round(60 / n**0.28), 2, 14))


def sizes_of(n: int) -> list[float]:
    """Return the diameters of the steps of size, in pixels."""
    return [round(float(size), 1) for size in size_of(n) * np.linspace(0.6, 2.6, SIZES)]


def density(
    xy: FloatArray, colored: Paint, *, side: int = SIDE, premultiplied: bool = False
) -> bytes:
    """Draw how densely points lie, in the mean of their colours; return it as PNG.

    How solid a place is goes with the logarithm of the number of points there. `premultiplied`
    colours are what WebGL takes pixels for.
    """
    from PIL import Image
    from scipy.ndimage import gaussian_filter, zoom

    x, y = np.round((framed(xy).T * [[1], [-1]] + 1) / 2 * (_CELLS - 1)).astype(np.intp)
    cell = y * _CELLS + x

    def spread(weights: FloatArray | None) -> FloatArray:
        total = np.bincount(cell, weights, minlength=_CELLS**2).astype(float)
        return np.asarray(gaussian_filter(total.reshape(_CELLS, _CELLS), 1.0))

    count = spread(None)
    mixed = np.array([rgb(color) for color in colored.colors], dtype=float)[colored.codes].T
    shares = [spread(band) / np.maximum(count, 1e-12) for band in mixed]
    strength = np.log1p(count / _FEW) / np.log1p(count.max() / _FEW)
    if premultiplied:
        shares = [share * strength for share in shares]
    bands = [zoom(band, side / _CELLS, order=1) for band in (*shares, 255 * strength)]
    pixels = np.dstack(bands).round().clip(0, 255).astype(np.uint8)
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "PNG")
    return made.getvalue()


def raster(xy: FloatArray, colored: Paint, *, side: int = SIDE) -> bytes:
    """Draw points into a square picture without a browser; return it as PNG."""
    from PIL import Image

    fine = 2 * side  # drawn twice as large: its pixels are averaged into smooth edges
    reach = size_of(len(xy))
    width = fine + 2 * reach
    solid = [[*rgb(c), 255] for c in colored.colors]
    faint = [[*rgb, round(255 * FAINT)] for *rgb, _ in solid]
    colors = np.array([*solid, *faint], dtype=np.uint8).view(np.uint32)[:, 0]
    last = np.argsort(-colored.levels, kind="stable")  # what is not faint lies on top
    each = colors[colored.codes + len(solid) * colored.levels][last]
    places = framed(xy)[last].T
    x, y = np.round((places * [[1], [-1]] + 1) / 2 * (fine - 1)).astype(np.intp) + reach
    pixels = np.full((width * width, 4), [*rgb(GREY), 0], dtype=np.uint8).view(np.uint32)[:, 0]
    steps = range(-reach, reach + 1)
    for shift in (dy * width + dx for dx in steps for dy in steps if dx**2 + dy**2 <= reach**2):
        pixels[y * width + x + shift] = each
    made = io.BytesIO()
    picture = Image.fromarray(pixels.view(np.uint8).reshape(width, width, 4))
    picture.reduce(2).save(made, "PNG")
    return made.getvalue()
