"""Folders that hold a result: found whole, locked, exchanged, and named where damaged."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from curalab._check import complain

__all__ = [
    "BROKEN",
    "IDS",
    "META",
    "VERSION",
    "check_kept",
    "damaged",
    "exchange",
    "locked",
    "path_of",
    "read_meta",
    "whole",
]

META, IDS = "result.json", "rows.parquet"
VERSION = 1
BROKEN = (OSError, ValueError, EOFError, LookupError, TypeError, AttributeError)
_TOLD = {"class": str, "params": dict, "plain": dict, "details": dict}
_MAYBE = ("ids_name", "range")
_KINDS = {"string", "bytes", "integer", "floating", "boolean", "decimal", "date", "datetime"}
_KINDS |= {"time", "timedelta"}  # of objects that Parquet gives back as they are


def path_of(path: str | os.PathLike[str]) -> Path:
    """Return where the user wants the result, ``~`` being the home folder."""
    return Path(path).expanduser()


def whole(path: Path) -> Path:
    """Return where the result of a path lies: beside it, if a `save` was killed in between."""
    aside = _aside(path)
    return aside if not path.exists() and aside.exists() else path


def exchange(fresh: Path, target: Path) -> None:
    """Put a folder in the place of another, which goes beside it; `whole` finds one at any time."""
    aside, made = _aside(target), fresh.parent
    if target.exists():
        if aside.exists():  # a save was killed after its result was in place
            os.replace(aside, made / "older")
        os.replace(target, aside)
    os.replace(fresh, target)
    if aside.exists():
        os.replace(aside, made / "old")


def _aside(path: Path) -> Path:
    return path.parent / f".{path.name}.old"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to what a folder holds."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BlockingIOError(f"Another process is writing to {str(folder)!r}.") from None
    try:
        yield
    finally:
        lock.release()


def read_meta(folder: Path, cls: type) -> tuple[dict[str, Any], type[Any]]:
    """Return what is told of a saved result and its class, or say that there is none of `cls`."""
    nothing = f"{str(folder)!r} does not hold a saved result."
    try:
        meta: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
        version = meta.get("version", VERSION)
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(nothing) from error
    if isinstance(version, int) and version != VERSION:
        raise ValueError(
            f"{str(folder)!r} was saved in the form of version {version}, and this curalab reads "
            f"version {VERSION}. Open it with the curalab that wrote it, and save it again."
        )
    lost = [name for name, kind in _TOLD.items() if not isinstance(meta.get(name), kind)]
    lost += [name for name in _MAYBE if name not in meta]
    lost += ["version"] if version != VERSION else []
    if lost:
        raise damaged(folder, f"{META} lacks {', '.join(map(repr, lost))}")
    try:
        module, _, name = meta["class"].partition(":")
        made = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(nothing) from error
    if not (isinstance(made, type) and issubclass(made, cls)):
        raise TypeError(f"{str(folder)!r} holds {meta['class']!r}, not {cls.__qualname__}.")
    return meta, made


def damaged(folder: Path, why: Exception | str) -> ValueError:
    """Return the error of a result of which a part is missing, was cut off, or does not fit."""
    said = why if isinstance(why, str) else f"{type(why).__name__}: {why}"
    return ValueError(f"The result in {str(folder)!r} is damaged ({said}). Save it again.")


def check_kept(ids: pd.Index) -> pd.Index:
    """Return `ids`, if a file of Parquet gives them back as they are."""
    import pyarrow as pa

    plain = ids.categories if isinstance(ids, pd.CategoricalIndex) else ids
    try:
        if plain.dtype == object and pd.api.types.infer_dtype(plain) not in _KINDS:
            raise TypeError
        pa.array(plain)
    except (TypeError, ValueError, OverflowError) as error:
        kinds = ", ".join(sorted({type(value).__name__ for value in plain}))
        rule = "of one type that a Parquet file holds, such as texts or numbers, to be saved"
        raise TypeError(complain("ids", rule, what=f"ids of type {kinds}")) from error
    return ids
