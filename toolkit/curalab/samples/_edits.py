"""Small changes that keep what an item is, and items that come from elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from curalab.samples._rows import to_floats

Array = np.ndarray[Any, np.dtype[Any]]

_WORDS = """great excellent, good fine, bad poor, terrible awful, awful terrible, excellent superb,
love adore, hate dislike, quickly fast, big large, small little, buy purchase, bought purchased,
broke failed, cheap inexpensive, easy simple, hard difficult, happy pleased, use employ,
perfect flawless, return give, returns gives, compute calculate, computes calculates,
computed calculated, values entries, element item, elements items, number count,
create make, creates makes, determine decide, specified stated, using with, method procedure,
must should, only just, also too, because since, want wish, began started, started began,
nice lovely, works functions, stopped ceased"""
_SYNONYMS: dict[str, str] = dict(pair.split() for pair in _WORDS.split(","))
_FILLERS = {"very", "really", "just", "quite", "the", "a", "an", "so"}


# ---- images --------------------------------------------------------------------------------------


def pixels(cell: Any) -> Array:
    """Return an image cell (array, PIL image or path) as an array."""
    if isinstance(cell, str):
        from PIL import Image

        with Image.open(cell) as opened:
            return np.asarray(opened)
    return np.asarray(cell)


def jitter_image(cell: Any, rng: np.random.Generator) -> Array:
    """Move an image by up to 1/128 of its side, change its light by up to 5 %, add 2 % noise."""
    from scipy.ndimage import shift

    image = pixels(cell)
    low, high = _range(image)
    sides = np.array(image.shape[:2])
    move = np.zeros(image.ndim)
    move[:2] = rng.uniform(-1, 1, 2) * sides / 128
    moved = shift(image.astype(float), move, order=1, mode="nearest")
    noise = rng.normal(scale=0.02 * (high - low), size=image.shape)
    return _like(moved * rng.uniform(0.95, 1.05) + noise, image)


def fade_image(cell: Any, strength: float) -> Array:
    """Take contrast from an image and lighten it, as another camera would."""
    image = pixels(cell)
    low, high = _range(image)
    middle = (low + high) / 2
    paler = middle + (image - middle) * (1 - 0.5 * strength) + 0.25 * strength * (high - low)
    return _like(paler, image)


def foreign_image(cell: Any, rng: np.random.Generator) -> Array:
    """Return an image that is none of these: a piece of a photograph, or shuffled tiles.

    Both have about the brightness and contrast of `cell`.
    """
    image = pixels(cell)
    return _tiles(image, rng) if rng.random() < 0.5 else _photograph(image, rng)


def _photograph(image: Array, rng: np.random.Generator) -> Array:
    from PIL import Image

    photo = _photos()[rng.integers(2)]
    side = int(rng.integers(60, 300))
    top, left = rng.integers(photo.shape[0] - side), rng.integers(photo.shape[1] - side)
    piece = Image.fromarray(photo[top : top + side, left : left + side])
    piece = piece.convert("L" if image.ndim == 2 or image.shape[2] == 1 else "RGB")
    small = np.asarray(piece.resize(image.shape[1::-1]), dtype=float)
    if image.ndim == 3:
        small = np.resize(np.atleast_3d(small).transpose(2, 0, 1), image.transpose(2, 0, 1).shape)
        small = small.transpose(1, 2, 0)
    light = (small - small.mean()) / max(small.std(), 1e-6)
    return _like(light * image.std() + image.mean(), image)


@cache
def _photos() -> list[Array]:
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)


def _tiles(image: Array, rng: np.random.Generator) -> Array:
    rows = [np.array_split(part, 4, axis=1) for part in np.array_split(image, 4, axis=0)]
    tiles = [tile for row in rows for tile in row]
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for at, tile in enumerate(tiles):
        by_shape.setdefault(tile.shape, []).append(at)
    mixed = list(tiles)
    for places in by_shape.values():
        for at, take in zip(places, rng.permutation(places), strict=True):
            mixed[at] = np.rot90(tiles[take], 2)
    return np.vstack([np.hstack(mixed[i : i + 4]) for i in range(0, 16, 4)])


def _range(image: Array) -> tuple[float, float]:
    if image.dtype.kind in "ui":
        return 0.0, float(np.iinfo(image.dtype).max)
    return float(min(image.min(), 0)), float(max(image.max(), 1))


def _like(values: Array, image: Array) -> Array:
    low, high = _range(image)
    kept = values.clip(low, high)
    return (np.round(kept) if image.dtype.kind in "ui" else kept).astype(image.dtype)


# ---- texts ---------------------------------------------------------------------------------------


def jitter_text(text: str, rng: np.random.Generator) -> str:
    """Type a text once more, carelessly: a slip or two, another ending, sometimes no capitals."""
    letters = list(text)
    for _ in range(1 + len(letters) // 150):
        spots = [i for i in range(1, len(letters) - 1) if letters[i].isalpha()]
        if spots:
            at = rng.choice(spots)
            letters[at] = ["", letters[at] * 2][rng.integers(2)]
    again = "".join(letters)
    again = again[:-1] if again.endswith((".", "!", "?")) else again + "."
    return again.lower() if rng.random() < 0.3 else again


def paraphrase(text: str, rng: np.random.Generator) -> str:
    """Say the same in other words: synonyms, fewer fillers, sentences in another order."""
    sentences = re.split(r"(?<=[.!?])\s+", text)
    said = []
    for sentence in sentences:
        words = [_other(word, rng) for word in sentence.split()]
        said.append(" ".join(word for word in words if word))
    if len(said) > 1 and rng.random() < 0.5:
        said = said[1:] + said[:1]
    again = " ".join(said)
    return again if again.strip() and again != text else f"In short: {text}"


def _other(word: str, rng: np.random.Generator) -> str:
    bare = word.strip(".,!?;:").lower()
    if bare in _SYNONYMS and rng.random() < 0.7:
        new = _SYNONYMS[bare]
        new = new.capitalize() if word[:1].isupper() else new
        return re.sub(re.escape(bare), new, word, count=1, flags=re.IGNORECASE)
    return "" if word in _FILLERS and rng.random() < 0.5 else word


def vocabulary(texts: pd.Series[Any]) -> Array:
    """Return the distinct words of texts, without those of a single text if there are others."""
    times = Counter(word for text in texts.dropna() for word in set(text.lower().split()))
    words = [word for word, n in times.items() if n > 1]
    return np.array(words or list(times), dtype=object)


def foreign_text(text: str, words: Array, rng: np.random.Generator) -> str:
    """Return words in no order, about as many as in `text`."""
    n = min(max(6, len(text.split())), len(words))
    return " ".join(rng.choice(words, n, replace=False))


# ---- numbers -------------------------------------------------------------------------------------


def jitter_numbers(
    picked: pd.Series[Any], column: pd.Series[Any], rng: np.random.Generator
) -> Array:
    """Measure again: add 1 % of the column's standard deviation as noise."""
    noise = rng.normal(scale=0.01, size=len(picked)) * np.nanstd(to_floats(column))
    return to_floats(picked) + noise


def foreign_numbers(column: pd.Series[Any], n: int, rng: np.random.Generator) -> Array:
    """Draw evenly from the column's range, made 10 % wider at both ends."""
    numbers = to_floats(column)
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    wider = 0.1 * (high - low)
    return rng.uniform(low - wider, high + wider, n)
