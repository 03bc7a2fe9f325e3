"""Images of any kind, opened one by one as grey or RGB pictures of 8 bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from curalab._check import AnyArray
from curalab.encoders._opened import Opened, UnreadableError
from curalab.items._images import open_raw, opened, raw_of

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
            raw = raw_of(item)
            if raw is None:
                image = opened(item)
                return repr((image.mode, image.size)).encode() + image.tobytes()
            open_raw(raw).close()  # the header alone: most broken files are found before any work
        except Exception as error:
            raise UnreadableError from error
        return raw


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
