"""Pictures and sounds as addresses that hold them: never paths or addresses from the data."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from typing import Any

import numpy as np

from curalab._check import AnyArray
from curalab.encoders._sounds import opened

__all__ = ["data_uri", "player", "thumbnail"]

_SECONDS, _RATE = 8, 16_000  # of a sound, at most


def data_uri(png: bytes) -> str:
    """Return a picture as an address that holds the picture itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def player(cell: Any) -> str:
    """Return the first seconds of a sound as a data address.

    Parameters
    ----------
    cell : path of a wav file, or pair (rate, samples)
        As encoders of sounds take it.

    Raises
    ------
    ValueError
        The sound cannot be read; the message says why.
    """
    if isinstance(cell, str):
        return _player_of_path(cell)
    return _played(cell)


@lru_cache(maxsize=64)
def _player_of_path(path: str) -> str:
    return _played(path)


def _played(cell: Any) -> str:
    from scipy.io import wavfile

    try:
        sound = opened(cell)
        rate = min(sound.rate or _RATE, _RATE)
        samples = sound.at(rate)[: _SECONDS * rate]
    except Exception as error:  # decoders raise whatever they like
        raise ValueError(f"{type(error).__name__}: {error}") from error
    loudest = max(float(np.abs(samples).max()), 1e-9)
    made = io.BytesIO()
    wavfile.write(made, rate, (samples / max(loudest, 1.0) * 32767).astype(np.int16))
    return f"data:audio/wav;base64,{base64.b64encode(made.getvalue()).decode()}"


def thumbnail(cell: Any, *, side: int = 160) -> str:
    """Return an image as a small picture in a data address.

    Parameters
    ----------
    cell : PIL image, array of shape (h, w), (h, w, bands) or (bands, h, w), or path
        Arrays of floats are taken to run from 0 to 1, or to 255 where they go beyond 1.
    side : int, default=160
        Longest side, in pixels. Images much smaller are enlarged, their pixels kept sharp.

    Raises
    ------
    ValueError
        The image cannot be read; the message says why.
    """
    if isinstance(cell, str):
        return _from_path(cell, side)
    return _shrunk(cell, side)


@lru_cache(maxsize=2048)
def _from_path(path: str, side: int) -> str:
    return _shrunk(path, side)


def _shrunk(cell: Any, side: int) -> str:
    from PIL import Image

    try:
        if isinstance(cell, str):
            with Image.open(cell) as opened:
                opened.draft("RGB", (side, side))  # large JPEGs are decoded small, in a tenth
                image = opened.copy()
        else:
            image = cell.copy() if hasattr(cell, "convert") else Image.fromarray(_bytes(cell))
        image = image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGBA")
        image.thumbnail((side, side))
        if (times := side // max(image.size)) > 2:
            image = image.resize([times * n for n in image.size], Image.Resampling.NEAREST)
    except Exception as error:  # decoders raise whatever they like
        raise ValueError(f"{type(error).__name__}: {error}") from error
    made = io.BytesIO()
    image.save(made, "PNG")
    return data_uri(made.getvalue())


def _bytes(array: Any) -> AnyArray:
    values = np.asarray(array)
    if values.ndim not in (2, 3):
        raise ValueError(f"a {type(array).__name__} of shape {values.shape} is no image")
    if values.ndim == 3 and values.shape[0] in (1, 3, 4) and values.shape[2] not in (1, 3, 4):
        values = np.moveaxis(values, 0, 2)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.dtype != np.uint8:
        values = np.nan_to_num(values.astype(float))
        scale = 255 if values.max(initial=0) <= 1 else 1
        values = np.clip(values * scale, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(values)
