"""Items that are opened one by one, when a batch asks for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar, overload

import pandas as pd

from curalab._check import complain

__all__: list[str] = []

T = TypeVar("T")


class UnreadableError(Exception):
    """Some item cannot be read; `Opened.refuse` says which ones."""


class Opened(Sequence[T], ABC):
    """Images or sounds that are opened when asked for, so that few of them are in memory.

    Parameters
    ----------
    items : sequence
        What `open` takes.
    ids : Index
        What errors call the items.
    """

    noun: ClassVar[str]

    def __init__(self, items: Any, ids: pd.Index) -> None:
        self._items, self._ids = items, ids

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> list[T]: ...
    def __getitem__(self, at: int | slice) -> T | list[T]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)  # where a loop ends
        try:
            return self.open(self._items[at])
        except Exception as error:  # a decoder may raise anything on a broken file
            raise UnreadableError from error

    @abstractmethod
    def open(self, item: Any) -> T:
        """Return what a path or an object in memory holds."""

    @abstractmethod
    def content(self, at: int) -> bytes:
        """Return what tells an item from others."""

    def refuse(self) -> None:
        """Open every item, then raise one error about all that cannot be read."""
        from tqdm.auto import tqdm

        told = []
        for i in tqdm(range(len(self)), desc=f"check {self.noun}", delay=2, disable=None):
            try:
                self.open(self._items[i])
            except Exception as error:
                told.append(f"{self._ids[i]!r}: {_reason(error)}")
        if not told:  # it could be read this time
            return
        listed = "; ".join(told[:5]) + (f" and {len(told) - 5:,} more" if len(told) > 5 else "")
        got = f"{len(told):,} of {len(self):,} rows that cannot be read ({listed})"
        hint = "Drop these rows; check_items(items) lists all of them."
        raise ValueError(complain("data", f"{self.noun} that can be read", what=got, hint=hint))


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if type(error).__name__ == "UnidentifiedImageError":
        return "not an image"
    return str(error) or type(error).__name__
