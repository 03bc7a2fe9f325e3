"""Images and sounds as the bytes of a file, without loss, and back."""

from __future__ import annotations

import io
import numbers
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab.items._cells import missing_kind
from curalab.items._images import open_raw, raw_of, why_unreadable
from curalab.items._table import AUDIO, IMAGES

__all__: list[str] = []

_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")  # modes that PNG keeps as they are
_TIFF = ("I", "I;16B", "F", "CMYK", "YCbCr", "LAB", "PA")
_SOUNDS = ("uint8", "int16", "int32", "float32", "float64")  # that wav does
_BEGIN = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"RIFF": "wav"}


class Packed(NamedTuple):
    """A cell as the bytes of a file; `kind` says what it was."""

    kind: str
    raw: bytes
    ending: str


def is_media(column: pd.Series[Any]) -> bool:
    """Whether the column holds images or sounds: its first cell does, as a file that exists."""
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return False
    first = next((cell for cell in column if missing_kind(cell) is None), None)
    if isinstance(first, str | os.PathLike):
        return _is_media_name(first) and os.path.isfile(first)
    if isinstance(first, bytes):
        return _ending(first) != "bin"
    return _is_image(first) or is_array(first) or is_sound(first)


def _is_media_name(path: str | os.PathLike[str]) -> bool:
    return os.fspath(path)[-5:].lower().endswith((*IMAGES, *AUDIO))


def _is_image(cell: object) -> bool:
    return type(cell).__module__.startswith("PIL.")


def is_array(cell: object) -> bool:
    """Whether a cell is an array of two or three axes, as an image is."""
    return isinstance(cell, np.ndarray) and cell.ndim in (2, 3) and cell.dtype.kind in "biufc"


def is_sound(cell: Any) -> bool:
    """Whether a cell is a pair of rate and samples."""
    is_pair = isinstance(cell, tuple) and len(cell) == 2 and isinstance(cell[0], numbers.Integral)
    return is_pair and isinstance(cell[1], np.ndarray) and cell[1].dtype.kind in "iuf"


def packed(cell: Any) -> Packed:
    """Return a cell as the bytes of a file; raise where it is not an image or a sound."""
    if isinstance(cell, str | os.PathLike):
        kind, ending = "path" if isinstance(cell, str) else "path object", Path(cell).suffix[1:]
        return Packed(kind, _readable(Path(cell).read_bytes(), ending.lower()), ending.lower())
    if isinstance(cell, bytes):
        return Packed("bytes", _readable(cell, _ending(cell)), _ending(cell))
    if _is_image(cell):
        return _packed_image(cell)
    if is_array(cell):
        return _packed_array(cell)
    if is_sound(cell):
        return _packed_sound(*cell)
    raise TypeError(type(cell).__name__)


def _ending(raw: bytes) -> str:
    if raw[8:12] == b"WEBP":
        return "webp"
    return next((ending for start, ending in _BEGIN.items() if raw.startswith(start)), "bin")


def _readable(raw: bytes, ending: str) -> bytes:
    if ending != "wav":
        open_raw(raw).close()  # reads the header alone
    elif raw[:4] not in (b"RIFF", b"RIFX", b"RF64"):
        raise ValueError("not a wav file")
    return raw


def _packed_image(image: Any) -> Packed:
    raw = raw_of(image)
    if raw is not None:  # the file it was opened from, as it is
        return Packed("image", _readable(raw, ""), (image.format or "bin").lower())
    if image.mode not in _PNG + _TIFF:
        raise ValueError(f"an image of mode {image.mode}: convert it to RGB")
    form = "png" if image.mode in _PNG else "tiff"
    out = io.BytesIO()
    image.save(out, form)
    return Packed("image", out.getvalue(), form)


def _packed_array(array: Any) -> Packed:
    from PIL import Image

    out = io.BytesIO()
    is_picture = array.ndim == 2 or array.shape[2] in (3, 4)
    if array.dtype == np.uint8 and is_picture and array.size:
        Image.fromarray(np.ascontiguousarray(array)).save(out, "png")
        return Packed("array", out.getvalue(), "png")
    np.save(out, array, allow_pickle=False)
    return Packed("array", out.getvalue(), "npy")


def _packed_sound(rate: int, samples: Any) -> Packed:
    from scipy.io import wavfile

    out = io.BytesIO()
    is_wav = samples.ndim == 1 or (samples.ndim == 2 and samples.shape[1] > 1)
    if samples.dtype.name in _SOUNDS and is_wav and samples.size and 0 < rate < 2**31:
        wavfile.write(out, rate, samples)
        return Packed("sound", out.getvalue(), "wav")
    np.savez(out, rate=rate, samples=samples)
    return Packed("sound", out.getvalue(), "npz")


# ---- and back ------------------------------------------------------------------------------------


def unpacked(kind: str, stored: bytes | Path, name: str) -> Any:
    """Return the cell that `packed` made of: `stored` are its bytes, or the file they are in."""
    if kind in ("path", "path object") and isinstance(stored, Path):
        return str(stored) if kind == "path" else stored
    raw = stored.read_bytes() if isinstance(stored, Path) else stored
    if kind == "bytes":
        return raw
    if name.endswith(".npy"):
        return np.load(io.BytesIO(raw), allow_pickle=False)
    if name.endswith(".npz"):
        with np.load(io.BytesIO(raw), allow_pickle=False) as both:
            return int(both["rate"]), both["samples"]
    if name.endswith(".wav"):
        return sound_of(raw)
    image = open_raw(raw)
    return np.array(image) if kind == "array" else image


def sound_of(raw: bytes) -> tuple[int, Any]:
    """Return the rate and the samples that a wav file holds."""
    from scipy.io import wavfile

    rate, samples = wavfile.read(io.BytesIO(raw))
    return int(rate), samples


def reason(error: Exception) -> str:
    """Say in a few words why a cell is not an image or a sound that can be kept."""
    return f"a {error}" if isinstance(error, TypeError) else why_unreadable(error)
