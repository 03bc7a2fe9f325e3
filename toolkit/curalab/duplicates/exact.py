"""Duplicates by equal content."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import first_few
from curalab.duplicates._pairs import pairs_within
from curalab.duplicates._shingles import plain
from curalab.embedding import take_rows
from curalab.items._table import kind_of
from curalab.pool import AnyArray, FloatArray, IntArray, Pool

__all__ = ["Exact"]


@dataclass(frozen=True, kw_only=True)
class Exact:
    """Rows with the same content: texts, images, rows of a table; else the same vector.

    Takes one look at each row's content (`data` of the embedding or the pool); similarity is 1
    for every pair. Rows whose content is missing are like no other.

    Parameters
    ----------
    normalise : bool, default=True
        Compare texts without regard to case, white space and ways to write the same character
        (Unicode NFKC), and image files by their pixels. False compares texts and files as they
        are.

    References
    ----------
    .. [1] Lee, Ippolito, Nystrom, Zhang, Eck, Callison-Burch, Carlini (2022), "Deduplicating
       Training Data Makes Language Models Better", ACL, arXiv:2107.06499. (There equal substrings
       count as well; here whole items only.)
    """

    cost: ClassVar[str] = "one look at the content of each row"
    default_threshold: ClassVar[float] = 1.0

    normalise: bool = True

    def __call__(
        self, pool: Pool, threshold: float, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray]:
        """Return pairs of row numbers (m, 2) and their similarity (m,), which is 1."""
        data: Any = pool.embedding.vectors if pool.data is None else pool.data
        pairs = pairs_within(self._labels(data, pool.ids))
        return pairs, np.ones(len(pairs))

    def similarity(self, pool: Pool, pairs: IntArray) -> FloatArray:
        """Return 1 for pairs of row numbers (m, 2) of the same content, else 0; shape (m,)."""
        data: Any = pool.embedding.vectors if pool.data is None else pool.data
        rows, at = np.unique(pairs, return_inverse=True)
        label = self._labels(take_rows(data, rows), pool.ids[rows])[at.reshape(-1, 2)]
        is_same = (label[:, 0] == label[:, 1]) & (label[:, 0] >= 0)
        return np.asarray(is_same, dtype=np.float64)

    def _labels(self, data: Any, ids: pd.Index) -> IntArray:
        """Return a number for each content, -1 where it is missing; shape (n,)."""
        keys: list[Hashable]
        if isinstance(data, pd.DataFrame):
            columns = [self._keys(data.iloc[:, at], ids) for at in range(data.shape[1])]
            rows = zip(*columns, strict=True)
            keys = [None if all(key is None for key in row) else row for row in rows]
        else:
            keys = self._keys(data, ids)
        return pd.factorize(np.fromiter(keys, dtype=object, count=len(ids)))[0]

    def _keys(self, cells: Iterable[Any], ids: pd.Index) -> list[Hashable]:
        cells = list(cells)
        kind = next((kind_of(cell) for cell in cells if _is_present(cell)), "")
        keys: list[Hashable] = []
        unread = []
        for id, cell in zip(ids, cells, strict=True):
            try:
                keys.append(self._key(cell, is_file=kind in ("image", "audio")))
            except OSError:
                unread.append(id)
        if unread:
            raise ValueError(
                f"The files of the data must be readable. Got {len(unread):,} that are not (ids "
                f"{first_few(unread)}) instead. Drop these rows, or mend the files."
            )
        return keys

    def _key(self, cell: Any, *, is_file: bool = False) -> Hashable:
        """Return something that is equal where the content is; None where there is none."""
        if isinstance(cell, str) and is_file:
            return self._file_key(cell)
        if isinstance(cell, str):
            return plain(cell) if self.normalise else cell
        if isinstance(cell, Mapping):
            return tuple((name, self._key(part)) for name, part in sorted(cell.items()))
        if isinstance(cell, list | tuple):
            return tuple(self._key(part) for part in cell)
        if np.ndim(cell) or type(cell).__module__.startswith("PIL."):
            return _array_key(np.asarray(cell))
        return cell if _is_present(cell) else None

    def _file_key(self, path: str) -> Hashable:
        if not self.normalise or kind_of(path) != "image":
            return blake2b(Path(path).read_bytes()).digest()
        from PIL import Image

        with Image.open(path) as image:
            return _array_key(np.asarray(image.convert("RGBA") if image.mode == "P" else image))


def _is_present(cell: Any) -> bool:
    return bool(np.ndim(cell)) or not pd.isna(cell)


def _array_key(array: AnyArray) -> Hashable:
    whole = np.ascontiguousarray(array + 0.0 if array.dtype.kind == "f" else array)  # -0.0 is 0.0
    return whole.shape, whole.dtype.str, blake2b(whole.data, digest_size=16).digest()
