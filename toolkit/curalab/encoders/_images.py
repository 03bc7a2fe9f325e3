"""Images of any kind, opened one by one as grey or RGB pictures of 8 bits."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray
from curalab.encoders._opened import Opened, UnreadableError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__: list[str] = []

_KEPT = (8, 64)  # shortest and longest side of images that keep their size
_ELSE = 32


class Images(Opened["Image"]):
    """Images that are opened when asked for, so that few of them are in memory at a time.

    Parameters
    ----------
    items : sequence
        PIL images, arrays or paths. Arrays are (h, w), (h, w, 1), (h, w, 3) or (h, w, 4): bool,
        integers from 0 to 255, uint16 over its whole range, or floats from 0 to 1.
    ids : Index
        What errors call the images.

    Notes
    -----
    Grey images become mode "L", all others "RGB": transparent pixels are laid on white, palettes,
    CMYK and other colour spaces are converted, 16 bits become 8, of an animation the first frame
    is taken, and photographs are turned upright as their EXIF says.
    """

    noun = "images"

    def open(self, item: Any) -> Image:
        """Return a grey or RGB image of 8 bits."""
        return opened(item)

    def content(self, at: int) -> bytes:
        """Return what tells an image from others: the file's bytes, or its pixels."""
        item = self._items[at]
        try:
            raw = _raw(item)
            if raw is None:
                image = opened(item)
                return repr((image.mode, image.size)).encode() + image.tobytes()
            _open(raw).close()  # the header alone: most broken files are found before any work
        except Exception as error:
            raise UnreadableError from error
        return raw


# ---- one image -----------------------------------------------------------------------------------


def opened(item: Any) -> Image:
    """Return a grey or RGB image of 8 bits made of a path, a PIL image or an array."""
    from PIL.Image import Image

    raw = _raw(item)
    if raw is not None:
        with _open(raw) as image:
            return _plain(image)
    if isinstance(item, Image):
        return _plain(item)
    if item is None or np.ndim(item) == 0:
        raise TypeError("no image" if pd.isna(item) else f"not an image but {item!r:.40}")
    return _from_array(np.asarray(item))


def _open(raw: bytes) -> Image:
    from PIL import Image

    return Image.open(io.BytesIO(raw))


def _raw(item: Any) -> bytes | None:
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


# ---- for encoders that compute on pixels ---------------------------------------------------------


def frame_for(images: Iterable[Image], size: int | None) -> dict[str, Any]:
    """Return the shape that images are brought to, and whether they are all grey."""
    seen = {(image.size, image.mode) for image in images}
    grey = all(mode == "L" for _, mode in seen)
    sizes = {wh for wh, _ in seen}
    width, height = next(iter(sizes))
    keep = len(sizes) == 1 and min(width, height) >= _KEPT[0] and max(width, height) <= _KEPT[1]
    if size is None and keep:
        return {"shape": (height, width), "grey": grey}
    return {"shape": (size or _ELSE,) * 2, "grey": grey}


def pixels(images: Sequence[Image], *, shape: tuple[int, int], grey: bool) -> AnyArray:
    """Return images of one shape (h, w) as an array (n, h, w, 1 or 3), uint8."""
    from PIL.Image import Resampling

    height, width = shape
    out = np.empty((len(images), height, width, 1 if grey else 3), dtype=np.uint8)
    for i, image in enumerate(images):
        if image.size != (width, height):
            image = image.resize((width, height), Resampling.BILINEAR, reducing_gap=3)
        out[i] = np.asarray(image.convert("L" if grey else "RGB")).reshape(out.shape[1:])
    return out
