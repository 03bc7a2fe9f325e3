"""What several selectors picked from the same rows, up to a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray, complain, rows_of
from curalab.embedding import Embedding
from curalab.selectors import Selection

__all__ = ["ALL", "NONE", "Picks"]

ALL, NONE = "picked by all", "picked by none"

_MOST = 6


class Picks:
    """Selections by name, over the rows of one table.

    Parameters
    ----------
    selections : list of Selection or dict of str to Selection
        2 to 6. In a list each goes by its method.
    ids : Index
        Ids of the rows.
    view : Embedding or array-like of shape (n_items, 2)
        The map of the rows.
    xy : ndarray of shape (n_items, 2)
        Its numbers.
    embedding : Embedding, default=None
        Where `left_out` measures distances; None measures them on the map.

    Attributes
    ----------
    by_name : dict of str to Selection
    rows : dict of str to ndarray of int
        Row numbers in the table, best picks first.
    """

    def __init__(
        self,
        selections: Sequence[Selection] | Mapping[str, Selection],
        ids: pd.Index,
        *,
        view: Any,
        xy: FloatArray,
        embedding: Embedding | None,
    ) -> None:
        self.by_name = _named(selections)
        _refuse_others(view, embedding, self.by_name)
        self.rows: dict[str, IntArray] = {
            name: rows_of(ids, found.ids, name="selections") for name, found in self.by_name.items()
        }
        self._ids = ids
        if embedding is None:
            known = np.flatnonzero(np.isfinite(xy).all(axis=1))
            embedding = Embedding(vectors=xy[known], ids=ids[known], metric="euclidean")
        elif not embedding.ids.equals(ids):
            embedding = embedding.take(ids)
        self._space = embedding
        self.left_out = lru_cache(maxsize=64)(self._left_out)

    @property
    def names(self) -> list[str]:
        """Names of the selectors."""
        return list(self.by_name)

    @property
    def sizes(self) -> list[int]:
        """How many rows each picked."""
        return [len(rows) for rows in self.rows.values()]

    def first(self, name: str, budget: int) -> Selection:
        """Return the first picks of a selector."""
        found = self.by_name[name]
        rows, gain = found.rows[:budget], found.gain[:budget]
        return replace(found, ids=found.ids[:budget], rows=rows, gain=gain)

    def is_picked(self, name: str, budget: int) -> BoolArray:
        """Mark the rows among a selector's first picks."""
        picked = np.zeros(len(self._ids), dtype=bool)
        picked[self.rows[name][:budget]] = True
        return picked

    def votes(self, budget: int) -> IntArray:
        """Return how many selectors picked each row."""
        return np.asarray(sum(self.is_picked(name, budget).astype(int) for name in self.names))

    def overlap(self, budget: int) -> pd.DataFrame:
        """Return rows in both over rows in either for each two selectors (Jaccard), 0 to 1."""
        picked = np.array([self.is_picked(name, budget) for name in self.names], dtype=float)
        both, size = picked @ picked.T, picked.sum(axis=1)
        shares = both / (size[:, None] + size - both)
        return pd.DataFrame(shares, index=self.names, columns=self.names)

    def common(self, budget: int) -> IntArray:
        """Return the rows that every selector picked."""
        return np.flatnonzero(self.votes(budget) == len(self.names))

    def shown(self, what: str, budget: int) -> IntArray:
        """Return the rows of a selector, best first, or those picked by all, or by none."""
        if what == ALL:
            return self.common(budget)
        return self.left_out(budget) if what == NONE else self.rows[what][:budget]

    def _left_out(self, budget: int) -> IntArray:
        """Return the rows that no selector picked, the farthest from every pick first.

        Rows without a place come last.
        """
        votes = self.votes(budget)
        rows = np.flatnonzero(votes)
        rows = rows[self._space.ids.get_indexer(self._ids[rows]) >= 0]
        left = np.flatnonzero(votes == 0)
        if not len(rows) or not len(left):
            return left
        # All picks as one selection: what it does not cover, none of them does.
        one = next(iter(self.by_name.values()))
        union = replace(one, ids=self._ids[rows], rows=rows, gain=np.zeros(len(rows)))
        far = self._ids.get_indexer(union.uncovered(self._space, n=len(self._ids)).index)
        return np.concatenate([far, np.setdiff1d(left, far)])


def _named(selections: Any) -> dict[str, Selection]:
    rule = f"2 to {_MOST} Selections, in a list or by name"
    if not isinstance(selections, list | tuple | Mapping):
        raise TypeError(complain("selections", rule, selections))
    given = list(selections.values() if isinstance(selections, Mapping) else selections)
    for one in given:
        if not isinstance(one, Selection):
            raise TypeError(complain("selections", rule, one))
    if not 2 <= len(given) <= _MOST:
        raise ValueError(complain("selections", rule, what=str(len(given))))
    if isinstance(selections, Mapping):
        return {str(name): one for name, one in selections.items()}
    named: dict[str, Selection] = {}
    for one in given:
        # A function of the notebook goes by its name alone.
        name = str(one.params.get("method") or "selection").rpartition(".")[2]
        twice = sum(known.partition(" #")[0] == name for known in named)
        named[f"{name} #{twice + 1}" if twice else name] = one
    return named


def _refuse_others(
    view: Any, embedding: Embedding | None, selections: Mapping[str, Selection]
) -> None:
    """Refuse selections from other vectors than those the map, or the embedding, is of."""
    made_of = list(view.params.get("ancestors", ())) if isinstance(view, Embedding) else []
    if embedding is not None:
        made_of = [*made_of, embedding.fingerprint]
    for name, found in selections.items() if made_of else ():
        of = [found.params.get("embedding"), *found.params.get("ancestors", ())]
        own = view.fingerprint if isinstance(view, Embedding) else None
        if of[0] is not None and not {*made_of, own}.intersection(of):
            what = (
                f"{name!r} of the embedding {of[0][:8]}, while the map is one of {made_of[0][:8]}"
            )
            raise ValueError(complain("selections", "of the vectors that the map shows", what=what))
    if embedding is not None and len(made_of) > 1 and embedding.fingerprint not in made_of[:-1]:
        what = (
            f"the embedding {embedding.fingerprint[:8]}, while the map is one of {made_of[0][:8]}"
        )
        raise ValueError(complain("embedding", "of the vectors that the map shows", what=what))
