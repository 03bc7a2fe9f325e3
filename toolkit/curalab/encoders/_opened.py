"""Items that are opened one by one, when a batch asks for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self, TypeVar, overload

import pandas as pd

from curalab._check import IntArray
from curalab.items._images import why_unreadable

__all__: list[str] = []

T = TypeVar("T")


class UnreadableError(Exception):
    """Some item cannot be read; `Opened.unreadable` says which ones."""


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

    def only(self, rows: IntArray) -> Self:
        """Return some of the items."""
        return type(self)([self._items[i] for i in rows], self._ids[rows])

    def unreadable(self, rows: Iterable[int] | None = None) -> dict[int, str]:
        """Open items, all of them where `rows` is None; return why those that fail do."""
        from tqdm.auto import tqdm

        rows = range(len(self)) if rows is None else rows
        told = {}
        for i in tqdm(rows, desc=f"check {self.noun}", delay=2, disable=None):
            try:
                self.open(self._items[i])
            except Exception as error:
                told[int(i)] = why_unreadable(error)
        return told
