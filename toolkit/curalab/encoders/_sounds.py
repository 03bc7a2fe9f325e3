"""Sounds of any kind, read one by one as one channel of numbers from -1 to 1."""

from __future__ import annotations

import io
import math
import numbers
import os
import struct
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import AnyArray, FloatArray
from curalab.encoders._opened import Opened

__all__: list[str] = []

_MOST_CHANNELS = 64  # a second axis that is longer holds the samples
_FRAMES = 10_000  # transformed at a time, so that hours of sound fit into memory
_ANY_LENGTH = b"\xff\xff\xff\xff"  # what a program writes that does not know the length yet


class Sound(NamedTuple):
    """One channel, float32; the rate in samples a second, None where nothing says it."""

    rate: int | None
    samples: FloatArray

    def at(self, rate: int) -> FloatArray:
        """Return the samples at another rate; a sound without a rate is taken to have it."""
        from scipy.signal import resample_poly

        if self.rate in (None, rate):
            return self.samples
        shared = math.gcd(self.rate, rate)
        made = resample_poly(self.samples, rate // shared, self.rate // shared)
        return np.asarray(made, dtype=np.float32)


class Sounds(Opened[Sound]):
    """Sounds that are read when asked for, so that few of them are in memory at a time.

    Parameters
    ----------
    items : sequence
        Paths of wav files, pairs (rate, samples) as ``scipy.io.wavfile.read`` returns them, or
        samples alone. Samples are (n,) or (n, channels): floats, or integers over the whole range
        of their type.
    ids : Index
        What errors call the sounds.

    Notes
    -----
    Channels are averaged. A sound without samples, with NaN or infinite ones, and a file that
    ends before its header says so cannot be read.
    """

    noun = "sounds"

    def open(self, item: Any) -> Sound:
        """Return one channel of samples, and their rate."""
        return opened(item)

    def content(self, at: int) -> bytes:
        """Return what tells a sound from others: its rate and its samples."""
        sound = self[at]
        return f"{sound.rate} ".encode() + sound.samples.tobytes()


# ---- one sound -----------------------------------------------------------------------------------


def is_pair(item: Any) -> bool:
    """Whether an item is a rate and samples."""
    is_two = isinstance(item, tuple | list) and len(item) == 2
    return is_two and isinstance(item[0], numbers.Integral) and np.ndim(item[1]) > 0


def opened(item: Any) -> Sound:
    """Return the sound of a path, of a pair of rate and samples, or of samples."""
    if isinstance(item, str | os.PathLike):
        rate, samples = _read(Path(item).read_bytes())
        return Sound(rate, _one_channel(samples))
    if is_pair(item):
        if int(item[0]) < 1:
            raise ValueError(f"a rate of {int(item[0])} samples a second")
        return Sound(int(item[0]), _one_channel(np.asarray(item[1])))
    if isinstance(item, tuple):
        raise TypeError("a tuple instead of (rate, samples)")
    if item is None or np.ndim(item) == 0:
        raise TypeError("no sound" if pd.isna(item) else f"not a sound but {item!r:.40}")
    return Sound(None, _one_channel(np.asarray(item)))


def _read(raw: bytes) -> tuple[int, AnyArray]:
    from scipy.io import wavfile

    if raw[:4] not in (b"RIFF", b"RIFX", b"RF64"):
        raise ValueError("not a wav file" if raw else "an empty file")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")  # about chunks that are not sound, too
        try:
            rate, samples = wavfile.read(io.BytesIO(raw))
        except struct.error as error:  # within the header
            raise ValueError("the file is cut off") from error
    is_cut = any("EOF" in str(warning.message) for warning in told)
    if is_cut and raw[4:8] != _ANY_LENGTH:
        raise ValueError("the file is cut off")
    return int(rate), samples


def _one_channel(array: AnyArray) -> FloatArray:
    shape = array.shape
    if not array.size:
        raise ValueError("no samples")
    if array.ndim > 2 or (array.ndim == 2 and shape[1] > _MOST_CHANNELS):
        raise ValueError(f"shape {shape} instead of (n,) or (n, channels)")
    if array.dtype.kind not in "fiu":
        raise TypeError(f"dtype {array.dtype} instead of numbers")
    samples: FloatArray = array.astype(np.float32, copy=False)
    if not np.isfinite(samples).all():
        raise ValueError("NaN or infinite samples")
    if array.dtype.kind in "iu":
        info = np.iinfo(array.dtype)
        middle = (int(info.max) + int(info.min) + 1) // 2  # 128 of 8 bits, else 0
        samples = (samples - np.float32(middle)) / np.float32(int(info.max) + 1 - middle)
    return samples.mean(axis=1) if samples.ndim == 2 else samples


# ---- for pretrained models -----------------------------------------------------------------------


def pieces(
    sounds: Sequence[FloatArray], *, at_most: int, at_least: int, together: int
) -> Iterator[tuple[list[int], FloatArray]]:
    """Cut sounds and yield pieces of one length: the numbers of their sounds, and the pieces.

    So no model sees padding, which would change what it hears. Only a whole sound of less than
    `at_least` samples is filled up with silence; so short a rest of a longer one is left out.
    """
    by_length: dict[int, list[tuple[int, FloatArray]]] = {}
    for owner, sound in enumerate(sounds):
        whole = np.pad(sound, (0, max(at_least - len(sound), 0)))
        for start in range(0, len(whole), at_most):
            piece = whole[start : start + at_most]
            if len(piece) >= at_least:
                by_length.setdefault(len(piece), []).append((owner, piece))
    for found in by_length.values():
        for at in range(0, len(found), together):
            owners, block = zip(*found[at : at + together], strict=True)
            yield list(owners), np.stack(block)


# ---- for encoders that compute on spectra --------------------------------------------------------


def mel_bands(samples: FloatArray, *, rate: int, n_bands: int) -> FloatArray:
    """Return the power in bands of the mel scale, shape (n_frames, n_bands), 100 frames a second.

    A frame is 25 ms long; a sound that is shorter is filled up with silence.
    """
    from scipy.signal.windows import hann

    width, hop, n_points = _frame(rate)
    filters = mel_filters(rate, n_bands)
    samples = np.pad(samples, (0, max(width - len(samples), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, width)[::hop]
    window = hann(width, sym=False).astype(np.float32)
    parts = []
    for start in range(0, len(frames), _FRAMES):
        spectrum = np.fft.rfft(frames[start : start + _FRAMES] * window, n_points)
        parts.append(np.square(np.abs(spectrum)) @ filters.T)
    return np.concatenate(parts)


def _frame(rate: int) -> tuple[int, int, int]:
    """Return the samples in a frame, from one to the next, and in its transform."""
    width = round(0.025 * rate)
    return width, round(0.01 * rate), 1 << (width - 1).bit_length()


def mel_filters(rate: int, n_bands: int) -> FloatArray:
    """Return triangles over the frequencies, evenly spaced in mel from 50 Hz to half the rate."""
    low, high = (2595 * math.log10(1 + f / 700) for f in (50, rate / 2))
    edges = 700 * (10 ** (np.linspace(low, high, n_bands + 2) / 2595) - 1)
    frequency = np.fft.rfftfreq(_frame(rate)[2], 1 / rate)
    below, middle, above = (edges[i : i + n_bands, None] for i in range(3))
    rising = (frequency - below) / (middle - below)
    falling = (above - frequency) / (above - middle)
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))
