"""Images as a pretrained model wants them: by PIL and numpy, as its own settings say."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from curalab._check import FloatArray
from curalab.encoders._pretrained import Stamp, settings_of

if TYPE_CHECKING:
    from PIL.Image import Image

__all__: list[str] = []

_BICUBIC = 3  # PIL's number for it, and what a model means that does not say
_STRIP = 10  # how many times as long as wide: of a longer one only the middle is resized


class Frame(NamedTuple):
    """The shape (h, w) that is cut out of the middle, and what is done before and after.

    `shortest` is the length that the shortest side is brought to; None resizes to the shape
    itself, whatever the proportions.
    """

    shape: tuple[int, int]
    shortest: int | None
    resample: int
    factor: float
    mean: FloatArray
    std: FloatArray


def prepared(images: Sequence[Image], frame: Frame) -> FloatArray:
    """Return images as numbers, shape (b, 3, h, w)."""
    made = np.stack([_cut(image.convert("RGB"), frame) for image in images])
    numbers = (made * np.float32(frame.factor) - frame.mean) / frame.std
    return np.ascontiguousarray(numbers.transpose(0, 3, 1, 2), dtype=np.float32)


def _cut(image: Image, frame: Frame) -> FloatArray:
    height, width = frame.shape
    if frame.shortest is None:
        return np.asarray(image.resize((width, height), frame.resample), dtype=np.float32)
    most = _STRIP * min(image.size)
    if max(image.size) > most:  # resized, the whole of it might not fit into memory
        image = _middle(image, min(image.width, most), min(image.height, most))
    long = int(frame.shortest * max(image.size) / min(image.size))
    size = [long if side > min(image.size) else frame.shortest for side in image.size]
    resized = image.resize((size[0], size[1]), frame.resample)
    return np.asarray(_middle(resized, width, height), dtype=np.float32)


def _middle(image: Image, width: int, height: int) -> Image:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


@functools.lru_cache(maxsize=8)
def frame_of(folder: Path, stamp: Stamp) -> Frame:
    """Return how the model in a folder wants its images."""
    told = settings_of(folder, "image_processor")
    size, crop = _shape(told.get("size")), _shape(told.get("crop_size"))
    if not told.get("do_center_crop", crop is not None):
        crop = None
    shortest = size if isinstance(size, int) else None
    shape = (crop, crop) if isinstance(crop, int) else crop or size
    is_told = isinstance(shape, tuple) and {"image_mean", "image_std"} <= told.keys()
    if not isinstance(shape, tuple) or not is_told or (shortest and shortest < max(shape)):
        raise ValueError(
            f"The preprocessor_config.json of the model in {str(folder)!r} must bring all images "
            f"to one shape, and give image_mean and image_std. Got size {told.get('size')} and "
            f"crop_size {told.get('crop_size')} instead."
        )
    resample = told.get("resample", _BICUBIC)
    factor = told.get("rescale_factor", 1 / 255) if told.get("do_rescale", True) else 1.0
    mean, std = (np.asarray(told[name], dtype=np.float32) for name in ("image_mean", "image_std"))
    return Frame(shape, shortest, int(resample), float(factor), mean, std)


def _shape(size: Any) -> tuple[int, int] | int | None:
    """Return (h, w), or the length of the shortest side."""
    if not isinstance(size, dict):
        return None if size is None else int(size)
    if {"height", "width"} <= size.keys():
        return int(size["height"]), int(size["width"])
    return int(size["shortest_edge"]) if size.get("shortest_edge") else None
