"""What is made of blocks, in a folder: readable by anything, and a stopped run goes on from it.

An array is one file, ``rows.npy``, in which each block has its place; tables are the parts of a
Parquet dataset. A line of ``_done.txt`` says that a block is there as a whole.
"""

from __future__ import annotations

import json
import logging
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import first_few
from curalab.items._parquet import below_each_other

__all__ = ["DONE", "LOCK", "MANIFEST", "Kept"]

_log = logging.getLogger(__name__)

_VERSION = 1
# Readers of Parquet folders pass over names with a line or a dot before them.
MANIFEST, _ROWS, DONE, LOCK = "_manifest.json", "rows.npy", "_done.txt", ".lock"
_TOLD = {"data": "data", "function": "function", "sizes": "sizes of its batches"}


class Kept:
    """Results of blocks, in a folder that one run at a time writes to.

    Parameters
    ----------
    folder : Path
    lock : FileLock or None
        Of the folder, held by this run. None of a folder that can only be read.
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
        self._columns: set[Any] | None = None
        try:
            manifest = _opened(folder, told, seed)
        except BaseException:
            self.close()
            raise
        self.seed = int((manifest or {}).get("random_state", drawn if seed is None else seed))
        if manifest is None:
            manifest = {"made_by": "curalab.map_batches", "version": _VERSION}
            manifest |= {"rows": self._starts[-1], "random_state": self.seed, **told}
            (folder / DONE).write_text("", encoding="ascii")
            _write_whole(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
        self.done = self._whole()

    def add(self, number: int, made: Any) -> None:
        """Write what was made of a block, and then that it is there."""
        is_table = isinstance(made, pd.DataFrame)
        if self.done and is_table == (self._folder / _ROWS).is_file():
            kinds = ("a table", "an array") if is_table else ("an array", "a table")
            raise ValueError("it returned {} where another batch returned {}".format(*kinds))
        if is_table:
            self._refuse_other_columns(made)
            part = self._part(number)
            fresh = part.with_suffix(".new")
            made.to_parquet(fresh)
            with fresh.open("r+b") as stream:
                os.fsync(stream.fileno())
            os.replace(fresh, part)
        else:
            self._put(number, made)
        with (self._folder / DONE).open("a", encoding="ascii") as stream:
            stream.write(f"{number}\n")
            stream.flush()
            os.fsync(stream.fileno())
        self.done.add(number)

    def result(self) -> Any:
        """Return the array, mapped from its file, or the tables one below the other."""
        if (self._folder / _ROWS).is_file():
            return np.load(self._folder / _ROWS, mmap_mode="r", allow_pickle=False)
        return below_each_other(
            [pd.read_parquet(self._part(i)) for i in range(len(self._starts) - 1)]
        )

    def close(self) -> None:
        """Let others write to the folder."""
        if self._lock is not None:
            self._lock.release()

    def _refuse_other_columns(self, made: pd.DataFrame) -> None:
        """Raise where the columns are not those of the batches that are there."""
        if self._columns is None:
            held = made if not self.done else pd.read_parquet(self._part(min(self.done)))
            self._columns = set(held.columns)
        if set(made.columns) != self._columns:
            raise ValueError(
                f"it returned a table with the columns {first_few(made.columns, 20)}, where "
                f"another batch returned {first_few(sorted(self._columns, key=str), 20)}"
            )

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
        *lines, torn = (self._folder / DONE).read_text(encoding="ascii").split("\n")
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
            _write_whole(self._folder / DONE, text.encode())
        return there

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:06d}.parquet"


def _opened(folder: Path, told: dict[str, Any], seed: int | None) -> dict[str, Any] | None:
    """Return the manifest of the run that the folder holds, if it is this one; None if empty."""
    path = folder / MANIFEST
    if not path.exists():
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
    for name in ("data", "function"):
        if told[name] is None:
            raise ValueError(
                f"{str(folder)!r} holds results, and whether they are of this {name!r} cannot be "
                "told: it, or something that it refers to, cannot be hashed. Give that an "
                f"attribute `fingerprint`, a text that changes when it does. {hint}"
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


def _header(path: Path) -> tuple[Any, int]:
    held = np.lib.format.open_memmap(path, mode="r")
    return held, int(held.offset)


def _row_bytes(held: Any) -> int:
    return int(held[:1].nbytes)


def _write_whole(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    os.replace(fresh, path)
