"""What is made of blocks, in a folder: readable by anything, and a stopped run goes on from it.

An array is one file, ``rows.npy``, in which each block has its place; tables are the parts of a
Parquet dataset. A line of ``_done.txt`` says that a block is there as a whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import check_seed
from curalab.encoders._cache import batches_folder
from curalab.scale._blocks import Blocks

__all__ = ["Kept", "kept_in"]

_log = logging.getLogger(__name__)

_VERSION = 1
# Readers of Parquet folders pass over names with a line or a dot before them.
_MANIFEST, _ROWS, _DONE, _LOCK = "_manifest.json", "rows.npy", "_done.txt", ".lock"
_TOLD = {"data": "data", "function": "function", "sizes": "sizes of its batches"}


class Kept:
    """Results of blocks, in a folder that one run at a time writes to.

    Parameters
    ----------
    folder : Path
    lock : FileLock
        Of the folder, held by this run.
    sizes : list of int
        Rows of each block.
    data, function : str or None
        Hashes. What was made of others is refused.
    seed : int or None
        Seed asked for; None takes the one of the run that is gone on with, or `drawn`.
    drawn : int
        A seed of a run that begins.

    Attributes
    ----------
    seed : int
        The seed of this run.
    done : set of int
        Blocks that are there.
    """

    def __init__(
        self,
        folder: Path,
        lock: Any,
        *,
        sizes: list[int],
        data: str | None,
        function: str | None,
        seed: int | None,
        drawn: int,
    ) -> None:
        self._folder = folder
        self._starts = [0, *np.cumsum(sizes).tolist()]
        told = {"data": data, "function": function, "sizes": _in_short(sizes)}
        self._lock = lock
        try:
            manifest = _opened(folder, told, seed)
        except BaseException:
            self.close()
            raise
        self.seed = int((manifest or {}).get("random_state", drawn if seed is None else seed))
        if manifest is None:
            manifest = {"made_by": "curalab.map_batches", "version": _VERSION}
            manifest |= {"rows": self._starts[-1], "random_state": self.seed, **told}
            (folder / _DONE).write_text("", encoding="ascii")
            _write_whole(folder / _MANIFEST, json.dumps(manifest, indent=1).encode())
        self.done = self._whole()

    def add(self, number: int, made: Any) -> None:
        """Write what was made of a block, and then that it is there."""
        is_table = isinstance(made, pd.DataFrame)
        if self.done and is_table == (self._folder / _ROWS).is_file():
            kinds = ("a table", "an array") if is_table else ("an array", "a table")
            raise ValueError("it returned {} where another batch returned {}".format(*kinds))
        if is_table:
            part = self._part(number)
            fresh = part.with_suffix(".new")
            made.to_parquet(fresh)
            with fresh.open("r+b") as stream:
                os.fsync(stream.fileno())
            os.replace(fresh, part)
        else:
            self._put(number, made)
        with (self._folder / _DONE).open("a", encoding="ascii") as stream:
            stream.write(f"{number}\n")
            stream.flush()
            os.fsync(stream.fileno())
        self.done.add(number)

    def result(self) -> Any:
        """Return the array, mapped from its file, or the tables one below the other."""
        if (self._folder / _ROWS).is_file():
            return np.load(self._folder / _ROWS, mmap_mode="r", allow_pickle=False)
        parts = [pd.read_parquet(self._part(i)) for i in range(len(self._starts) - 1)]
        indexes = (part.index for part in parts)
        numbered = all(isinstance(index, pd.RangeIndex) and not index.start for index in indexes)
        return pd.concat(parts, ignore_index=numbered)

    def close(self) -> None:
        """Let others write to the folder."""
        self._lock.release()

    # ---- arrays ----------------------------------------------------------------------------------

    def _put(self, number: int, made: Any) -> None:
        path = self._folder / _ROWS
        if not path.exists():
            self._begin(path, made)
        held, offset = _header(path)
        if (held.dtype, held.shape[1:]) != (made.dtype, made.shape[1:]):
            raise ValueError(
                f"it returned {made.dtype} of shape {made.shape[1:]} a row, where another batch "
                f"returned {held.dtype} of shape {held.shape[1:]}"
            )
        with path.open("r+b") as stream:  # not through a map: a full disk would kill the process
            stream.seek(offset + self._starts[number] * _row_bytes(held))
            stream.write(made.view(np.uint8))
            stream.flush()
            os.fsync(stream.fileno())  # before _done.txt says so: the machine may stop, too

    def _begin(self, path: Path, made: Any) -> None:
        shape = (self._starts[-1], *made.shape[1:])
        head = {"descr": np.lib.format.dtype_to_descr(made.dtype), "shape": shape}
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as stream:
            np.lib.format.write_array_header_2_0(stream, {**head, "fortran_order": False})
            stream.truncate(stream.tell() + math.prod(shape) * made.dtype.itemsize)
        os.replace(fresh, path)

    def _whole(self) -> set[int]:
        """Return the blocks that are there: a part may have been deleted, or a file cut off."""
        *lines, torn = (self._folder / _DONE).read_text(encoding="ascii").split("\n")
        told = {int(line) for line in lines if line.isdecimal()}
        path = self._folder / _ROWS
        is_array = not any(self._part(number).is_file() for number in told)
        if is_array and path.is_file():
            try:
                held, offset = _header(path)
                size = offset + len(held) * _row_bytes(held)
                there = told if path.stat().st_size == size else set()
            except ValueError:
                there = set()
            if not there:
                path.unlink()
        else:
            there = {number for number in told if self._part(number).is_file()}
        if told - there:
            _log.warning("%s blocks of %s are lost, and done again.", len(told - there), path)
        if told - there or torn:  # the next number would be written behind what was cut off
            text = "".join(f"{number}\n" for number in sorted(there))
            _write_whole(self._folder / _DONE, text.encode())
        return there

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:06d}.parquet"


@contextmanager
def kept_in(
    folder: str | os.PathLike[str] | None, blocks: Blocks, code: str | None, seed: int | None
) -> Iterator[tuple[Kept, bool]]:
    """Yield where results are kept, and whether a run that fails leaves them there.

    Without a folder that is the cache, under a name made of the data and the code, else a
    temporary folder; both are gone when all is done.
    """
    place, lock = None if folder is None else Path(folder).expanduser(), None
    if place is None and blocks.content and code:
        told = repr((blocks.content, code, blocks.sizes, seed)).encode()
        place = batches_folder() / hashlib.blake2b(told, digest_size=16).hexdigest()
        lock = _locked_in_cache(place)
    is_lasting = folder is not None or lock is not None
    if place is None or not is_lasting:
        place = Path(tempfile.mkdtemp(prefix="curalab-batches-"))
    lock = lock or _locked(place)
    drawn, ended = check_seed(None), False
    hashes = {"data": blocks.content, "function": code}
    kept = Kept(place, lock, sizes=blocks.sizes, seed=seed, drawn=drawn, **hashes)
    try:
        yield kept, is_lasting
        ended = True
    finally:
        kept.close()
        if folder is None and (ended or not is_lasting):
            shutil.rmtree(place, ignore_errors=True)


def _locked_in_cache(place: Path) -> Any:
    """Return the lock of a folder of the cache; None where it cannot be made, or is taken."""
    try:
        return _locked(place)
    except OSError as error:
        _log.warning("A crash would cost what is done: %s cannot be used (%s).", place, error)
        return None


def _opened(folder: Path, told: dict[str, Any], seed: int | None) -> dict[str, Any] | None:
    """Return the manifest of the run that the folder holds, if it is this one; None if empty."""
    path = folder / _MANIFEST
    if not path.exists():
        if any(file.name != _LOCK for file in folder.iterdir()):
            raise FileExistsError(
                f"{str(folder)!r} exists and holds no results of map_batches. Choose another "
                "folder."
            )
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["version"]
        held = {name: manifest[name] for name in (*told, "random_state")}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(path)!r} is damaged. Delete the folder to begin anew.") from error
    hint = "Choose another folder, or delete it to begin anew."
    if version != _VERSION:
        raise ValueError(
            f"{str(folder)!r} was written in the form of version {version}, and this curalab reads "
            f"version {_VERSION}. {hint}"
        )
    other = [words for name, words in _TOLD.items() if held[name] != told[name]]
    if seed is not None and held["random_state"] != seed:
        other.append("random_state")
    if other:
        raise ValueError(
            f"{str(folder)!r} holds the results of another run: the {' and the '.join(other)} "
            f"differed. {hint}"
        )
    return dict(manifest)


def _in_short(sizes: list[int]) -> list[int]:
    """Return how many blocks there are, and the rows of the first and the last."""
    return [len(sizes), sizes[0], sizes[-1]]


def _locked(folder: Path) -> Any:
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)  # the system frees it when a process ends, however it does
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BlockingIOError(
            f"Another run is writing to {str(folder)!r}. Wait for it, or choose another folder."
        ) from None
    return lock


def _header(path: Path) -> tuple[Any, int]:
    held = np.lib.format.open_memmap(path, mode="r")
    return held, int(held.offset)


def _row_bytes(held: Any) -> int:
    return int(held[:1].nbytes)


def _write_whole(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    os.replace(fresh, path)
