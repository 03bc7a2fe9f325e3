"""Rows added to a saved embedding: written behind the others, and counted last."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import ROW, AlignmentError, are_invented, first_few, invented_ids
from curalab.results import read_meta

if TYPE_CHECKING:
    from curalab.embedding import Embedding

__all__ = ["append"]

_IDS, _VECTORS = "rows.parquet", "vectors.npy"


def append(embedding: Embedding, folder: Path) -> None:
    """Add the rows of an embedding to the one that was saved into a folder."""
    from filelock import FileLock, Timeout

    meta = read_meta(folder)
    try:
        with FileLock(folder / ".lock", timeout=0):
            _append(embedding, folder, meta)
    except Timeout:
        raise BlockingIOError(f"Another process is adding rows to {str(folder)!r}.") from None


def _append(embedding: Embedding, folder: Path, meta: dict[str, Any]) -> None:
    path = folder / _VECTORS
    try:
        held = np.lib.format.open_memmap(path, mode="r")
        known = pd.read_parquet(folder / _IDS)
    except (OSError, ValueError) as error:
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"{str(folder)!r} holds no whole embedding ({said}).") from error
    _check_alike(embedding, folder, meta, held.shape[1])
    ids = _ids(embedding.ids, known["id"], meta["range"] is not None and meta["ids_name"] == ROW)
    n_before, row = len(known), int(held[:1].nbytes)
    with path.open("r+b") as stream:
        stream.seek(held.offset + n_before * row)  # what was left behind the last id is lost
        for at in range(0, len(embedding), 65_536):
            stream.write(np.ascontiguousarray(embedding.vectors[at : at + 65_536]).data)
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())
        _write_shape(stream, held, n_before + len(embedding))
        os.fsync(stream.fileno())
    fresh = folder / f".{_IDS}"
    pd.DataFrame({"id": ids}).to_parquet(fresh)
    os.replace(fresh, folder / _IDS)


def _write_shape(stream: Any, held: Any, n: int) -> None:
    """Write the header anew, in its place: NumPy leaves room in it for a larger number of rows."""
    head = {"descr": np.lib.format.dtype_to_descr(held.dtype), "shape": (n, *held.shape[1:])}
    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(made, {**head, "fortran_order": False})
    stream.seek(0)
    stream.write(made.getvalue())


def _check_alike(embedding: Embedding, folder: Path, meta: dict[str, Any], d: int) -> None:
    held = {
        "of {} dimensions": (f"{d:,}", f"{embedding.shape[1]:,}"),
        "of metric {!r}": (meta["plain"]["metric"]["json"], embedding.metric),
        "made by the encoder {!r}": tuple(
            params.get("method") for params in (meta["params"], embedding.params)
        ),
    }
    for rule, (own, other) in held.items():
        if own != other and None not in (own, other):
            raise ValueError(
                f"The embedding must be {rule.format(own)}, as the one in {str(folder)!r} is. Got "
                f"{other} instead."
            )


def _ids(new: pd.Index, held: pd.Series, is_numbered: bool) -> pd.Index:
    """Return all ids, those held first."""
    if is_numbered and are_invented(new):
        return invented_ids(len(held) + len(new))
    if is_numbered or are_invented(new):
        raise AlignmentError("Both embeddings must have ids, or neither. Got ids on one side only.")
    both = new[new.isin(held)]
    if len(both):
        raise AlignmentError(
            f"Ids must be new to the embedding. Got {len(both):,} that it has: {first_few(both)}."
        )
    every: pd.Index = pd.Index(held).append(new)
    return every
