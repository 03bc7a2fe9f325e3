"""Finished runs kept on disk, so that a bench that was cut off goes on where it was."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
import os
import secrets
import sys
from pathlib import Path
from typing import Any

import numpy as np

import curalab
from curalab.encoders._cache import runs_folder
from curalab.encoders._key import UnhashableError, content_of, encoder_key
from curalab.leaderboard._runs import Run
from curalab.pool import Pool, Stage, find_stage, resolve

__all__ = ["Kept"]

_log = logging.getLogger(__name__)


class Kept:
    """What is kept of one bench's runs; none where something cannot be hashed.

    A run is known by its seed, and by hashes of the method with the code that it refers to (a
    plug-in's module too), of the toolkit's own code, and of all that the bench was given.
    """

    def __init__(self, attempt: Any) -> None:
        self._stage = find_stage(attempt.stage)
        try:
            self._key = _hash(_toolkit(), *_parts(attempt))
        except UnhashableError as error:
            _log.info("Runs are not kept: %s cannot be hashed.", error)
            self._key = ""

    def place(self, method: Any, seed: int) -> Path | None:
        """Return the file of one run, None where it is not to be kept."""
        try:
            key = self._key and _hash(self._key, *_method(self._stage, method), str(seed))
        except (Exception, SystemExit):  # it does not load, or depends on what cannot be compared
            return None
        return runs_folder() / f"{key}.json" if key else None


def read(place: Path | None) -> list[Run] | None:
    """Return the run in a file, None where there is none that can be read."""
    if place is None or not place.is_file():
        return None
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
        return [Run(**{**run, "values": np.array(run["values"], dtype=float)}) for run in told]
    except (OSError, ValueError, TypeError, KeyError):  # damaged: it is run again
        return None


def write(place: Path | None, runs: list[Run]) -> None:
    """Write a run, all of it or nothing; a folder that cannot be written keeps none."""
    if place is None:
        return
    told = json.dumps([{**run._asdict(), "values": run.values.tolist()} for run in runs])
    fresh = place.with_suffix(f".{secrets.token_hex(4)}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(told, encoding="utf-8")
        os.replace(fresh, place)
    except OSError as error:
        _log.info("A run is not kept: %s.", error)


def _method(stage: Stage, method: Any) -> list[str | bytes]:
    """Return what tells a method from others: a name, or code; of a plug-in its whole module."""
    if not isinstance(method, str):
        return [encoder_key(method)]
    if method in stage.methods:
        return [method]
    function = resolve(stage, method)[1]
    file = getattr(sys.modules.get(function.__module__), "__file__", None)
    return [method, encoder_key(function), *([Path(file).read_bytes()] if file else [])]


@functools.cache
def _toolkit() -> str:
    """Return a hash of the toolkit's source: what any of it computes may change with it."""
    files = sorted(Path(curalab.__file__).parent.rglob("*.py"))
    return _hash(*(path.read_bytes() for path in files))


def _parts(value: Any) -> list[str]:
    """Return what tells one bench's input from another's."""
    if isinstance(value, Pool):
        parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return [part for name, own in parts.items() for part in (name, *_parts(own))]
    if hasattr(value, "fingerprint"):
        return [value.fingerprint, *(_parts(value.data) if value.data is not None else [])]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [
            type(value).__name__,
            *(part for f in dataclasses.fields(value) for part in _parts(getattr(value, f.name))),
        ]
    return [repr(value) if isinstance(value, str | int | float | None) else _content(value)]


def _content(value: Any) -> str:
    return content_of(value if hasattr(value, "__len__") else [value])


def _hash(*parts: str | bytes) -> str:
    made = hashlib.blake2b(digest_size=16)
    for part in parts:
        made.update(hashlib.blake2b(part if isinstance(part, bytes) else part.encode()).digest())
    return made.hexdigest()
