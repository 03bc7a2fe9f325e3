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


def density(xy: FloatArray, colored: Paint, *, side: int = SIDE) -> bytes:
    """Draw how densely points lie, in the mean of their colours; return it as PNG.

    How solid a pixel is goes with the logarithm of the number of its points.
    """
    from PIL import Image

    x, y = np.round((framed(xy).T * [[1], [-1]] + 1) / 2 * (side - 1)).astype(np.intp)
    cell = y * side + x
    count = np.bincount(cell, minlength=side * side).astype(np.float64)
    bands = np.array([rgb(color) for color in colored.colors], dtype=np.float64)[colored.codes].T
    pixels = np.zeros((side * side, 4), dtype=np.uint8)
    for band, values in enumerate(bands):
        total = np.bincount(cell, values, minlength=side * side)
        pixels[:, band] = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    strength = np.log1p(count) / np.log1p(count.max())
    pixels[:, 3] = np.where(count > 0, 255 * (0.15 + 0.85 * strength), 0)
    made = io.BytesIO()
    Image.fromarray(pixels.reshape(side, side, 4)).save(made, "PNG")
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
