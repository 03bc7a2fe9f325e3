"""What encoders share that put texts and something else into one space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import FloatArray, check_integer
from curalab.encoders._pixels import frame_of, prepared
from curalab.encoders._pretrained import (
    Family,
    Loaded,
    Origin,
    find,
    load,
    stamp_of,
    tokenizer,
    unit,
)

__all__: list[str] = []

_LETTERS = 20_000  # of a text; no model reads as far


@dataclass(frozen=True, kw_only=True)
class Dual(ABC):
    """Two networks, one of them for texts, whose vectors compare."""

    family: ClassVar[Family]

    model: str
    device: str = "auto"
    batch_size: int = 64

    def __post_init__(self) -> None:
        check_integer("batch_size", self.batch_size, low=1)

    @property
    def origin(self) -> Origin:
        """The model's name, where it came from, its revision and a hash of its files."""
        return find(self.model, self.family)[1]

    def encode(self, batch: Sequence[Any]) -> FloatArray:
        """Return vectors of unit length, shape (b, d), the same space for texts and all else."""
        import torch

        known = load(self.model, self.family, self.device)
        with torch.inference_mode():
            made = (self._texts if isinstance(batch[0], str) else self._others)(known, batch)
        return np.asarray(unit(made))

    @abstractmethod
    def _others(self, known: Loaded, batch: Sequence[Any]) -> Any: ...

    @abstractmethod
    def _texts(self, known: Loaded, batch: Sequence[str]) -> Any: ...


def images_of(known: Loaded, batch: Sequence[Any]) -> Any:
    """Return the features of images."""
    pixels = prepared(batch, frame_of(known.folder, stamp_of(known.folder)))
    return features(known.model.get_image_features(pixel_values=known.numbers(pixels)))


def tokens_of(known: Loaded, texts: Sequence[str], *, longest: int, fill: bool = False) -> Any:
    """Return texts as numbers of tokens, cut at `longest`, with `fill` filled up to it."""
    make = tokenizer(known.folder, stamp_of(known.folder))
    return make(
        [text[:_LETTERS] for text in texts],
        padding="max_length" if fill else True,
        truncation=True,
        max_length=longest,
        return_tensors="pt",
    ).to(known.device)


def features(made: Any) -> Any:
    """Return the tensor of an answer, which older versions of transformers give bare."""
    return getattr(made, "pooler_output", made)
