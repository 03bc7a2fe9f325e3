"""Images of any kind, opened as grey or RGB pictures of 8 bits."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray

if TYPE_CHECKING:
    from PIL.Image import Image

__all__: list[str] = []


def opened(item: Any) -> Image:
    """Return a grey or RGB image of 8 bits made of a path, a PIL image or an array."""
    from PIL.Image import Image

    raw = raw_of(item)
    if raw is not None:
        with open_raw(raw) as image:
            return _plain(image)
    if isinstance(item, Image):
        return _plain(item)
    if item is None or np.ndim(item) == 0:
        raise TypeError("no image" if pd.isna(item) else f"not an image but {item!r:.40}")
    return _from_array(np.asarray(item))


def open_raw(raw: bytes) -> Image:
    """Return the image that the bytes of a file hold; its pixels are read when asked for."""
    from PIL import Image

    return Image.open(io.BytesIO(raw))


def raw_of(item: Any) -> bytes | None:
    """Return the bytes of a file, None for what is in memory.

    An image that its owner has not loaded yet is read as a file: loading it would keep its pixels
    in memory for as long as the owner keeps the image.
    """
    from PIL.ImageFile import ImageFile

    if isinstance(item, str | os.PathLike):
        return Path(item).read_bytes()
    if not isinstance(item, ImageFile) or item.fp is None or not item.tile or item.tell():
        return None
    at = item.fp.tell()
    item.fp.seek(0)
    raw = item.fp.read()
    item.fp.seek(at)
    return raw


def _plain(image: Image) -> Image:
    import PIL.Image
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode[0] in "IF":
        return _from_array(np.asarray(image))
    if image.has_transparency_data:
        over = image.convert("RGBA")
        white = PIL.Image.new("RGBA", over.size, "white")
        flat = PIL.Image.alpha_composite(white, over)
        return flat.convert("L" if image.mode in ("L", "LA", "La") else "RGB")
    return image.convert("L" if image.mode == "1" else "RGB")


def _from_array(array: AnyArray) -> Image:
    from PIL import Image

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if 0 in array.shape or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ValueError(f"shape {array.shape} instead of (h, w), (h, w, 3) or (h, w, 4)")
    return _plain(Image.fromarray(np.ascontiguousarray(_in_bytes(array))))


def _in_bytes(array: AnyArray) -> AnyArray:
    if array.dtype == np.uint8:
        return array
    ranges = {"b": (1.0, "booleans"), "f": (1.0, "floats"), "u": (255.0, "integers")}
    full, kind = ranges.get(array.dtype.kind, (255.0, "integers"))
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        full, kind = 65535.0, "uint16"
    if array.dtype.kind not in "bfui":
        raise TypeError(f"dtype {array.dtype} instead of numbers")
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= full):
        raise ValueError(f"{kind} from {low:g} to {high:g} instead of 0 to {full:g}")
    return np.round(array * (255 / full)).astype(np.uint8)


def why_unreadable(error: Exception) -> str:
    """Say in a few words why an image, or another file, could not be opened."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if type(error).__name__ == "UnidentifiedImageError":
        return "not an image"
    return str(error) or type(error).__name__
