"""Where results of blocks are kept: a folder of the user's, the cache, or neither for long."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from curalab._check import check_seed, complain
from curalab.encoders._cache import batches_folder
from curalab.scale._blocks import Blocks
from curalab.scale._kept import DONE, LOCK, MANIFEST, Kept

__all__ = ["kept_in"]

_log = logging.getLogger(__name__)


@contextmanager
def kept_in(
    folder: str | os.PathLike[str] | None, blocks: Blocks, code: str | None, seed: int | None
) -> Iterator[tuple[Kept, bool]]:
    """Yield where results are kept, and whether a run that fails leaves them there.

    Without a folder that is the cache, under a name made of the data and the code, else a
    temporary folder; both are gone when all is done.
    """
    hashes = {"data": blocks.content, "function": code}
    is_known, lock, ended = all(hashes.values()), None, False
    place = None if folder is None else _given(folder)
    if place is None and is_known:
        told = repr((blocks.content, code, blocks.sizes, seed)).encode()
        place = batches_folder() / hashlib.blake2b(told, digest_size=16).hexdigest()
        lock = _locked_in_cache(place)
    is_lasting = is_known and (folder is not None or lock is not None)
    if place is None or (folder is None and lock is None):
        place = Path(tempfile.mkdtemp(prefix="curalab-batches-"))
    refused = None
    try:
        lock = lock or _locked(place)
    except OSError as error:
        if isinstance(error, BlockingIOError) or not (place / MANIFEST).is_file():
            raise
        refused = error  # what is finished can be read where nothing can be written
    kept = Kept(place, lock, sizes=blocks.sizes, seed=seed, drawn=check_seed(None), **hashes)
    if refused is not None and len(kept.done) < len(blocks.sizes):
        raise refused
    try:
        yield kept, is_lasting
        ended = True
    finally:
        kept.close()
        if folder is None and (ended or not is_lasting):
            shutil.rmtree(place, ignore_errors=True)


def _given(folder: Any) -> Path:
    """Return a path given by the user, if it can hold results; nothing is made there."""
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(complain("folder", "a path", folder))
    if not os.fspath(folder):
        raise ValueError(complain("folder", "a path", folder))
    path = Path(folder).expanduser()
    if not path.exists() or (path / MANIFEST).exists():
        return path
    if not path.is_dir() or any(file.name not in (LOCK, DONE) for file in path.iterdir()):
        raise FileExistsError(
            f"{str(path)!r} exists and holds no results of map_batches. Choose another folder."
        )
    return path


def _locked_in_cache(place: Path) -> Any:
    """Return the lock of a folder of the cache; None where it cannot be made, or is taken."""
    try:
        return _locked(place)
    except OSError as error:
        _log.warning("A crash would cost what is done: %s cannot be used (%s).", place, error)
        return None


def _locked(folder: Path) -> Any:
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)  # the system frees it when a process ends, however it does
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BlockingIOError(
            f"Another run is writing to {str(folder)!r}. Wait for it, or choose another folder."
        ) from None
    return lock
