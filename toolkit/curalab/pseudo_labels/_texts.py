"""Classes told in words: their vectors beside the rows', and probabilities from similarities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import FloatArray, check_classes, complain, first_few
from curalab._points import unit_rows
from curalab.pool import Pool, find_stage, resolve

__all__: list[str] = []

_RULE = "a mapping of classes to texts or vectors, or a sequence of names"
_BATCH = 256  # where the encoder does not say
_SURE = 0.98  # no more, however well two views agree


class ClassTexts(Mapping[Any, Any]):
    """Texts or vectors by class, as a value: it compares, hashes and does not change.

    A class has a tuple of texts or an array of shape (m, d).
    """

    def __init__(self, given: Any) -> None:
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise TypeError(complain("texts", _RULE, given))
        if not isinstance(given, Mapping):
            names = check_classes(pd.Index(list(given), dtype=object), name="texts")
            given = {name: _readable(name) for name in names}
        self._held = {name: _checked(name, told) for name, told in given.items()}
        if len(self._held) < 2:
            raise ValueError(complain("texts", "of at least 2 classes", what=f"{len(self._held)}"))
        self._key = tuple(
            (name, told.tobytes() if isinstance(told, np.ndarray) else told)
            for name, told in self._held.items()
        )

    def __getitem__(self, name: Any) -> Any:
        return self._held[name]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClassTexts) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"{self._held!r}"


def class_vectors(pool: Pool, texts: ClassTexts, encoder: Any) -> FloatArray:
    """Return a vector a class, shape (n_classes, d): the mean of those of its texts.

    In the order of the pool's classes where it has some.
    """
    names = list(texts) if pool.classes is None else list(pool.classes)
    untold = [name for name in names if name not in texts]
    if untold:
        raise ValueError(complain("texts", "of every class", what=f"none of {first_few(untold)}"))
    said = [text for name in names for text in _words(texts[name])]
    read: Iterator[Any] = iter(encoded(pool, said, encoder) if said else [])
    made = []
    for name in names:
        one = (
            texts[name]
            if isinstance(texts[name], np.ndarray)
            else [next(read) for _ in texts[name]]
        )
        many = np.asarray(one, dtype=np.float32)
        if many.shape[1] != pool.embedding.shape[1]:
            rule = f"of {pool.embedding.shape[1]} dimensions, as the embedding is"
            raise ValueError(complain("texts", rule, what=f"{many.shape[1]} for {name!r}"))
        if pool.embedding.metric == "cosine" and not many.any(axis=1).all():
            rule = 'vectors different from zero under metric="cosine"'
            raise ValueError(complain("texts", rule, what=f"zeros for {name!r}"))
        made.append((unit_rows(many) if pool.embedding.metric == "cosine" else many).mean(axis=0))
    vectors = np.stack(made)
    return unit_rows(vectors) if pool.embedding.metric == "cosine" else vectors


def encoded(pool: Pool, texts: list[str], encoder: Any) -> FloatArray:
    """Return the vectors of texts, by the encoder given or else the embedding's own."""
    made = pool.embedding.encoder if encoder is None else encoder
    if made is None:
        hint = "Pass encoder=…, or vectors in place of texts."
        rule = "given where the embedding does not know its own"
        raise ValueError(complain("encoder", rule, None, hint))
    if isinstance(made, str):
        made = resolve(find_stage("encoders"), made)[1]
    takes = getattr(made, "takes", "text")
    if "text" not in ((takes,) if isinstance(takes, str) else takes):
        hint = "Pass the encoder of texts that shares the space of the rows."
        raise ValueError(complain("encoder", "one that takes texts", what=f"{made!r}", hint=hint))
    encode, size = getattr(made, "encode", made), getattr(made, "batch_size", _BATCH)
    parts = [np.asarray(encode(texts[i : i + size])) for i in range(0, len(texts), size)]
    return np.concatenate(parts).astype(np.float32)


def centred(points: FloatArray, around: FloatArray) -> FloatArray:
    """Return directions as seen from `around`, of unit length.

    Rows seen from their mean and texts from theirs have no gap between modalities.
    """
    return unit_rows(np.asarray(points - around, dtype=np.float32))


def temperature_of(scores: FloatArray) -> float:
    """Return the temperature at which similarities become about as sure as they are right.

    Noise of spread s over C classes is frozen, its softmax sure of one class, below
    s / √(2 log C). One and a half times that was right within .14 on five sets of texts.
    """
    return max(1.5 * _frozen(scores), 1e-6)


def _frozen(scores: FloatArray) -> float:
    return float(scores.std(axis=1).mean() / np.sqrt(2 * np.log(max(scores.shape[1], 2))))


def temperature_at(scores: FloatArray, share: float) -> float:
    """Return the temperature at which the mean confidence is `share`."""
    from scipy.special import softmax

    low, high = (max(_frozen(scores), 1e-6) * factor for factor in (0.05, 50))
    for _ in range(20):
        middle = float(np.sqrt(low * high))
        sure = softmax(scores / middle, axis=1).max(axis=1).mean()
        low, high = (middle, high) if sure > min(share, _SURE) else (low, middle)
    return float(np.sqrt(low * high))


def agreement(first: FloatArray, second: FloatArray) -> float:
    """Return the share of rows to which two scores give the same class."""
    return float((first.argmax(axis=1) == second.argmax(axis=1)).mean())


def _words(told: Any) -> tuple[str, ...]:
    return () if isinstance(told, np.ndarray) else told


def _readable(name: Any) -> str:
    return name.replace("_", " ") if isinstance(name, str) else str(name)


def _checked(name: Any, told: Any) -> Any:
    """Return a tuple of texts or an array (m, d)."""
    texts = (told,) if isinstance(told, str) else told
    if isinstance(texts, np.ndarray) and texts.dtype.kind in "fiu":
        vectors = np.atleast_2d(np.array(texts, dtype=np.float32))
        if vectors.ndim == 2 and vectors.size and np.isfinite(vectors).all():
            vectors.flags.writeable = False
            return vectors
    elif isinstance(texts, Iterable):
        listed = tuple(texts)
        if listed and all(isinstance(text, str) and text.strip() for text in listed):
            return listed
    raise ValueError(complain("texts", _RULE, what=f"{told!r:.60} for {name!r}"))
