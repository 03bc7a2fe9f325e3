"""Embeddings kept on disk, so that the same data and encoder are never embedded twice."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from curalab._check import FloatArray

__all__ = ["CacheInfo", "batches_folder", "cache_info", "clear_cache", "runs_folder"]

_log = logging.getLogger(__name__)

_KEY = re.compile(r"[0-9a-f]{32}")
_VECTORS, _STATE, _META = "vectors.npy", "learned.pickle", "entry.json"
_UNFINISHED = ".unfinished-"
_PART = ".part-"
_told: set[Path] = set()


class CacheInfo(NamedTuple):
    """Where the cache is and what it holds."""

    folder: Path
    entries: int
    megabytes: float


class Entry(NamedTuple):
    """One embedding: vectors (n, d), what the encoder learned, and the seed it learned with."""

    vectors: FloatArray
    learned: dict[str, Any]
    seed: int | None


def cache_info() -> CacheInfo:
    """Say where embeddings, finished runs of `bench` and unfinished batches are kept.

    The folder is the environment variable ``CURALAB_CACHE``, else the user's cache folder.

    Returns
    -------
    CacheInfo
        `folder` (of the embeddings; the others lie beside it), the number of `entries` and their
        size in `megabytes`.

    Examples
    --------
    >>> import curalab as cl
    >>> cl.cache_info().entries >= 0
    True
    """
    files = [file for place in _places() for file in place.rglob("*") if file.is_file()]
    entries = sum(f.name == _META and _is_whole(f.parents[1]) for f in files)
    runs, batches = _runs(), _batches()
    entries, files = entries + len(runs) + len(batches), files + runs
    files += [file for place in batches for file in place.iterdir()]
    size = sum(file.stat().st_size for file in files)
    return CacheInfo(_folder(), entries, round(size / 1e6, 3))


def clear_cache() -> None:
    """Delete every embedding, run of `bench` and unfinished batch on disk, and nothing else.

    Examples
    --------
    >>> import curalab as cl
    >>> cl.clear_cache()  # doctest: +SKIP
    >>> cl.cache_info().entries  # doctest: +SKIP
    0
    """
    for place in [*_places(), *_batches()]:
        shutil.rmtree(place)
    for run in _runs():
        run.unlink(missing_ok=True)


def _folder() -> Path:
    given = os.environ.get("CURALAB_CACHE")
    if given:
        return Path(given).expanduser() / "embeddings"
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "curalab" / "embeddings"


def _places() -> Iterator[Path]:
    """Yield the folders that this module made; the user may keep other things beside them."""
    folder = _folder()
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        if place.is_dir() and (_is_whole(place) or place.name.startswith(_UNFINISHED)):
            yield place


def runs_folder() -> Path:
    """Return where finished runs of `bench` are kept."""
    return _folder().with_name("bench")


def _runs() -> list[Path]:
    files = runs_folder().glob("*.*")
    return [file for file in files if _KEY.fullmatch(file.name.partition(".")[0])]


def batches_folder() -> Path:
    """Return where `map_batches` keeps what it has done so far."""
    return _folder().with_name("batches")


def _batches() -> list[Path]:
    return [place for place in batches_folder().glob("*") if _is_whole(place)]


def _is_whole(place: Path) -> bool:
    return _KEY.fullmatch(place.name) is not None


# ---- one entry -----------------------------------------------------------------------------------


def find(key: str, seed: int | None, n: int) -> Entry | None:
    """Return what is kept of `n` rows under a key; without a seed, of any seed. None if nothing."""
    pattern = "*" if seed is None else _seed_name(seed)
    for meta in sorted((_folder() / key).glob(f"{pattern}/{_META}")):
        try:
            return _read(meta.parent, n)
        except Exception as error:  # a damaged file may raise anything; the entry is made anew
            reason = f"{type(error).__name__}: {error}"
            _log.warning("Embedding again: the cached %s is broken (%s).", meta.parent, reason)
    return None


def unfinished(key: str, seed: int | None) -> Path:
    """Return a new place for what a run has made so far, which no other run writes to."""
    return _folder() / key / f"{_seed_name(seed)}{_PART}{secrets.token_hex(4)}"


def taken_over(key: str, seed: int | None) -> Path | None:
    """Return what a run left that was cut off, under a name of our own; without a seed, any.

    If that run is still alive it goes on, but no longer writes what it makes.
    """
    pattern = "*" if seed is None else _seed_name(seed)
    for left in sorted((_folder() / key).glob(f"{pattern}{_PART}*")):
        own = left.with_name(left.name.partition(_PART)[0] + _PART + secrets.token_hex(4))
        try:
            return left.rename(own)
        except OSError:  # another run was faster
            continue
    return None


def _seed_name(seed: int | None) -> str:
    return "no-seed" if seed is None else str(seed)


def _read(place: Path, n: int) -> Entry:
    meta = json.loads((place / _META).read_text(encoding="utf-8"))
    for name, digest in meta["digests"].items():
        if _digest(place / name) != digest:
            raise ValueError(f"{name} has changed")
    vectors = np.load(place / _VECTORS, allow_pickle=False)
    if len(vectors) != n:
        raise ValueError(f"{len(vectors):,} rows instead of {n:,}")
    # Only the user's own cache is unpickled, and only what its entry says was written there.
    return Entry(vectors, pickle.loads((place / _STATE).read_bytes()), meta["seed"])


def keep(key: str, entry: Entry) -> None:
    """Write an entry, all of it or nothing; a folder that cannot be written is named once."""
    folder = _folder()
    try:
        state = pickle.dumps(entry.learned, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # pickling may raise anything
        _log.warning("Not cached: what the encoder learned cannot be pickled (%s).", error)
        return
    try:
        (folder / key).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=_UNFINISHED) as made:
            _write(Path(made) / "new", entry, state)
            place = folder / key / _seed_name(entry.seed)
            if place.exists():
                os.replace(place, Path(made) / "old")
            os.replace(Path(made) / "new", place)
    except OSError as error:
        if folder not in _told:
            _told.add(folder)
            _log.warning("Embeddings are not cached: %s cannot be written (%s).", folder, error)


def _write(fresh: Path, entry: Entry, state: bytes) -> None:
    fresh.mkdir()
    np.save(fresh / _VECTORS, entry.vectors)
    (fresh / _STATE).write_bytes(state)
    digests = {name: _digest(fresh / name) for name in (_VECTORS, _STATE)}
    meta = {"seed": entry.seed, "digests": digests}
    (fresh / _META).write_text(json.dumps(meta), encoding="utf-8")


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
