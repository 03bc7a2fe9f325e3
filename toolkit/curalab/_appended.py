"""Rows added to a saved embedding: written behind the others, and counted last."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import ROW, AlignmentError, are_invented, complain, first_few, invented_ids
from curalab._saved import BROKEN, IDS, check_kept, damaged, locked, read_meta, whole

if TYPE_CHECKING:
    from curalab.embedding import Embedding

__all__ = ["append"]

_VECTORS = "vectors.npy"


def append(embedding: Embedding, path: Path) -> None:
    """Add the rows of an embedding to the one that was saved into a folder."""
    folder = whole(path)
    read_meta(folder, type(embedding))  # a lock would make a folder where there is none
    with locked(folder):
        if folder != path:
            os.replace(folder, path)
        _append(embedding, path, read_meta(path, type(embedding))[0])


def _append(embedding: Embedding, folder: Path, meta: dict[str, Any]) -> None:
    path, fresh = folder / _VECTORS, folder / f".{IDS}"
    try:
        held = np.lib.format.open_memmap(path, mode="r")
        known = pd.Index(pd.read_parquet(folder / IDS)["id"])
        metric, _ = meta["plain"]["metric"]["json"], meta["plain"]["vectors"]
        if held.ndim != 2 or held.dtype != np.float32 or not held.flags.c_contiguous:
            raise ValueError(f"{_VECTORS} holds no rows of float32 numbers")
        if len(held) < len(known):
            raise ValueError(f"{len(known):,} ids, {len(held):,} vectors")
    except BROKEN as error:
        raise damaged(folder, error) from error
    _check_alike(embedding, folder, {"metric": metric, **meta["params"]}, held.shape[1])
    is_numbered = meta["range"] is not None and meta["ids_name"] == ROW
    ids = _ids(embedding.ids, known, is_numbered)
    try:
        pd.DataFrame({"id": ids}).to_parquet(fresh)
        _write(path, held, embedding.vectors, at=len(known))
        os.replace(fresh, folder / IDS)
    finally:
        fresh.unlink(missing_ok=True)


def _write(path: Path, held: np.memmap[Any, Any], vectors: Any, *, at: int) -> None:
    """Write vectors behind the first rows; what is behind these is lost."""
    row = int(held[:1].nbytes)
    try:
        with path.open("r+b") as stream:
            stream.seek(held.offset + at * row)
            for begin in range(0, len(vectors), 65_536):
                stream.write(np.ascontiguousarray(vectors[begin : begin + 65_536]).data)
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())
            _write_shape(stream, held, at + len(vectors))
            os.fsync(stream.fileno())
    except BaseException:
        with path.open("r+b") as stream:  # leaves no room taken on a disk that is full
            _write_shape(stream, held, at)
            stream.truncate(held.offset + at * row)
        raise


def _write_shape(stream: Any, held: np.memmap[Any, Any], n: int) -> None:
    """Write the header anew, in its place: NumPy leaves room in it for a larger number of rows."""
    head = {"descr": np.lib.format.dtype_to_descr(held.dtype), "shape": (n, *held.shape[1:])}
    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(made, {**head, "fortran_order": False})
    stream.seek(0)
    stream.write(made.getvalue())


def _check_alike(embedding: Embedding, folder: Path, told: dict[str, Any], d: int) -> None:
    held = {
        "of {} dimensions": (f"{d:,}", f"{embedding.shape[1]:,}"),
        "of metric {!r}": (told["metric"], embedding.metric),
        "made by the encoder {!r}": (told.get("method"), embedding.params.get("method")),
    }
    for rule, (own, other) in held.items():
        if own != other and None not in (own, other):
            raise ValueError(
                f"The embedding must be {rule.format(own)}, as the one in {str(folder)!r} is. Got "
                f"{other} instead."
            )


def _ids(new: pd.Index, held: pd.Index, is_numbered: bool) -> pd.Index:
    """Return all ids, those held first."""
    if is_numbered and are_invented(new):
        return invented_ids(len(held) + len(new))
    if is_numbered or are_invented(new):
        raise AlignmentError("Both embeddings must have ids, or neither. Got ids on one side only.")
    if isinstance(held, pd.CategoricalIndex):
        held = held.astype(held.categories.dtype)
    new = _as_held(new, held)
    both = new[new.isin(held)]
    if len(both):
        raise AlignmentError(
            f"Ids must be new to the embedding. Got {len(both):,} that it has: {first_few(both)}."
        )
    every: pd.Index = held.append(new)
    return check_kept(every)


def _as_held(new: pd.Index, held: pd.Index) -> pd.Index:
    """Return new ids in the type of those held, or refuse them where they would not be the same."""
    try:
        made: pd.Index = new.astype(held.dtype)
        if made.tolist() == new.tolist():  # as Python compares: floats hide what is beyond 2**53
            return made
    except (TypeError, ValueError, OverflowError):
        pass
    rule = f"of type {held.dtype}, as the ids saved are"
    raise TypeError(complain("ids", rule, what=f"type {new.dtype} (ids {first_few(new)})"))
