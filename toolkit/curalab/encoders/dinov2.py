"""Images by what they show: a vision transformer trained without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from curalab._check import FloatArray, check_integer
from curalab.encoders._pixels import frame_of, prepared
from curalab.encoders._pretrained import Family, Origin, find, load, stamp_of, unit

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["DINOv2"]

_FAMILY = Family("dinov2", "image", ("dinov2", "dinov2_with_registers"))
_SIZES = ("small", "base", "large", "giant")


@dataclass(frozen=True, kw_only=True)
class DINOv2:
    """The class token of DINOv2, a vision transformer that learned from images alone.

    Images that show the same kind of thing lie near each other, in fine classes too. It knows no
    texts; ``clip`` and ``siglip`` do. 384 dimensions (small), unit length.

    Parameters
    ----------
    model : str, default="small"
        "small", "base", "large" or "giant" (22, 86, 300 and 1,100 million weights), a folder that
        holds a model, or the name of one on the hub. A name is looked for in the local hub cache,
        then fetched from the hub; `origin` says which it was. Nothing takes its place.
    device : str, default="auto"
        Where torch computes; "auto" takes CUDA where there is some, in half precision.
    batch_size : int, default=64
        Images opened and encoded at a time.

    Notes
    -----
    Size, crop, mean and deviation are those of the model's own preprocessor_config.json: the
    shortest side is brought to 256 pixels and the middle 224 x 224 are seen.

    References
    ----------
    .. [1] Oquab, Darcet, Moutakanni et al. (2023), "DINOv2: Learning Robust Visual Features
       without Supervision", TMLR 2024.
    """

    takes: ClassVar[str] = "image"
    extra: ClassVar[str] = "sees what is shown: pip install 'curalab[image]'"
    cost: ClassVar[str] = "about 15 minutes for 10,000 images on 2 cores"

    model: str = "small"
    device: str = "auto"
    batch_size: int = 64

    def __post_init__(self) -> None:
        check_integer("batch_size", self.batch_size, low=1)

    @property
    def origin(self) -> Origin:
        """The model's name, where it came from, its revision and a hash of its files."""
        return find(self._name, _FAMILY)[1]

    @property
    def _name(self) -> str:
        return f"facebook/dinov2-{self.model}" if self.model in _SIZES else self.model

    def encode(self, batch: Sequence[Image]) -> FloatArray:
        """Return vectors of unit length, shape (b, d)."""
        import torch

        known = load(self._name, _FAMILY, self.device)
        pixels = prepared(batch, frame_of(known.folder, stamp_of(known.folder)))
        with torch.inference_mode():
            made = known.model(pixel_values=known.numbers(pixels))
        return np.asarray(unit(made.last_hidden_state[:, 0]))
