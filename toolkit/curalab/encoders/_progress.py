"""What a run has encoded so far, on disk, so that a crash costs seconds and not hours."""

from __future__ import annotations

import logging
import pickle
import shutil
import time
from typing import Any

import numpy as np

from curalab._check import FloatArray
from curalab.encoders import _cache

__all__: list[str] = []

_log = logging.getLogger(__name__)

_EVERY = 10.0  # seconds between two writes; a shorter run writes nothing
_HEAD, _ROWS = "head.pickle", "rows.f32"


class Progress:
    """The vectors of a run in the order in which they are made, kept beside its cache entry.

    Attributes
    ----------
    seed : int or None
        The seed of the run that is gone on with, else the one asked for.
    learned : dict or None
        What its encoder had learned; None where nothing is kept.
    rows : ndarray of shape (n_done, d)
        What it had encoded.
    """

    def __init__(self, key: str | None, seed: int | None) -> None:
        self.seed, self.learned = seed, None
        self.rows: FloatArray = np.empty((0, 0), dtype=np.float32)
        self._key, self._place = key, _cache.taken_over(key, seed) if key else None
        self._new: list[FloatArray] = []
        self._written = time.monotonic()
        if self._place:
            try:
                head = pickle.loads((self._place / _HEAD).read_bytes())
                held = np.fromfile(self._place / _ROWS, dtype=np.float32)
                whole = len(held) // head["d"]  # the last row may be cut off
                self.rows = held[: whole * head["d"]].reshape(whole, head["d"])
                with (self._place / _ROWS).open("r+b") as stream:
                    stream.truncate(self.rows.nbytes)
                self.seed, self.learned = head["seed"], head["learned"]
                _log.info("Going on with %s rows that were embedded before.", f"{whole:,}")
            except Exception as error:  # a damaged file may raise anything
                _log.warning("Embedding from the start: %s is broken (%s).", self._place, error)
                self.remove()

    def add(self, part: FloatArray, learned: dict[str, Any], seed: int | None) -> None:
        """Take the vectors of a batch, and write what there is every few seconds."""
        self._new.append(part)
        if self._key and time.monotonic() - self._written > _EVERY:
            self.write(learned, seed)

    def write(self, learned: dict[str, Any], seed: int | None) -> None:
        """Write what was added since the last time."""
        self._written = time.monotonic()
        if not (self._key and self._new):
            return
        try:
            if self._place is None:
                self._place = _cache.unfinished(self._key, seed)
                self._place.mkdir(parents=True)
                (self._place / _ROWS).write_bytes(b"")
                head = {"d": self._new[0].shape[1], "seed": seed, "learned": learned}
                (self._place / _HEAD).write_bytes(pickle.dumps(head))
            with (self._place / _ROWS).open("ab") as stream:
                for part in self._new:
                    part.tofile(stream)
        except Exception as error:  # pickling may raise anything, and a folder be read-only
            _log.warning("A crash would cost the vectors made so far (%s).", error)
            self.remove()
            self._key = None
        self._new = []

    def remove(self) -> None:
        """Forget all; the run is over or begins anew."""
        if self._place:
            shutil.rmtree(self._place, ignore_errors=True)
        self._place, self._new, self.learned = None, [], None
        self.rows = np.empty((0, 0), dtype=np.float32)
