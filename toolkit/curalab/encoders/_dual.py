"""What encoders share that put texts and something else into one space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from curalab._check import FloatArray
from curalab.encoders._pixels import frame_of, prepared
from curalab.encoders._pretrained import Loaded, stamp_of, tokenizer, unit

__all__: list[str] = []

_LETTERS = 20_000  # of a text; no model reads as far
_Network = Callable[[Loaded, Sequence[Any]], Any]


def encoded(
    known: Loaded, batch: Sequence[Any], *, texts: _Network, others: _Network
) -> FloatArray:
    """Return vectors of unit length, shape (b, d), by one of two networks whose vectors compare."""
    import torch

    with torch.inference_mode():
        return np.asarray(unit((texts if isinstance(batch[0], str) else others)(known, batch)))


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
