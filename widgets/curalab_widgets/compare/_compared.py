"""What is compared, and what a comparison is: something said of each row, and of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import IntArray, complain

__all__ = ["QUIET", "Compared", "Sides"]

# What a side calls a row of which it says nothing, and outcomes that are no news.
QUIET = ("not there", "not marked", "not picked", "not judged", "neither", "same", "stayed")


class Sides(NamedTuple):
    """Two things of one kind, their rows in one order where they have the same."""

    kind: str
    left: Any
    right: Any
    ids: pd.Index
    items: pd.DataFrame

    @property
    def are_vectors(self) -> bool:
        """Whether embeddings are compared, whose rows have neighbours."""
        return hasattr(self.left, "neighbors")


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """What is said of each row, and of all.

    `table` has a row an id: what `left` and `right` call it, where they do (`named`), numbers, and
    `outcome`, one of `outcomes`. `order` lists the rows that differ, the most different first;
    `shown` the columns that tell of that; `plane` those that place rows by two scores. `matched`
    gives names on the right the name on the left that means the same. Each of `stories` is a
    sentence and what it speaks of, as keywords of `find`.
    """

    table: pd.DataFrame
    order: Any
    outcomes: list[str]
    says: str
    measures: dict[str, float]
    shown: tuple[str, ...]
    named: bool = True
    plane: tuple[str, str] | None = None
    matched: dict[Any, Any] = field(default_factory=dict)
    stories: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def difference(self) -> pd.DataFrame:
        """The rows that differ, the most different first."""
        rows: pd.DataFrame = self.table.iloc[self.order]
        return rows

    @cached_property
    def place(self) -> IntArray:
        """Where each row stands in `order`; beyond its end if it does not differ."""
        place = np.full(len(self.table), len(self.table))
        place[self.order] = np.arange(len(self.order))
        return place

    def where(self, asked: Mapping[str, Any], labels: pd.Series[Any] | None) -> IntArray:
        """Return the rows of which a column, or "label", has the value asked for, or one of them.

        The most different come first.
        """
        chosen = np.ones(len(self.table), dtype=bool)
        for name, value in asked.items():
            column = labels if name == "label" else self.table.get(name)
            if column is None:
                raise ValueError(complain(name, "None: rows have none here", value))
            chosen &= column.isin(value if isinstance(value, list) else [value]).to_numpy()
        return self.ranked(np.flatnonzero(chosen))

    def ranked(self, rows: IntArray) -> IntArray:
        """Return rows with the most different first."""
        return rows[np.argsort(self.place[rows], kind="stable")]

    def told(self, rows: Sequence[int]) -> dict[str, list[Any]]:
        """Return what tells of the difference of rows, as columns."""
        table = self.table.iloc[list(rows)]
        return {name.replace("_", " "): table[name].tolist() for name in self.shown}

    def reasons(self, rows: Sequence[int]) -> list[str]:
        """Return the same in words, a line a row."""
        told = self.told(rows)
        return [
            "compared: "
            + ", ".join(f"{name} {_short(v)}" for name, v in zip(told, row, strict=True))
            for row in zip(*told.values(), strict=True)
        ]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)[:80]
