"""What a person knows of pairs: rows that belong together, and rows that do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray, complain, first_few

__all__: list[str] = []


@dataclass(frozen=True, eq=False)
class Links:
    """Parts of rows that belong together, and which parts do not.

    Attributes
    ----------
    rows : ndarray of shape (n_linked,), int
        The rows named, in rising order.
    part : ndarray of shape (n_linked,), int
        The part of each, from 0.
    apart : ndarray of shape (n_parts, n_parts), bool
        Parts that must not share a cluster or a class.
    """

    rows: IntArray
    part: IntArray
    apart: BoolArray

    def fewest(self) -> int:
        """Return a number of clusters that is enough to keep the parts apart."""
        return int(coloured(self.apart).max(initial=0)) + 1


def read_links(ids: pd.Index, must_link: Any, cannot_link: Any) -> Links:
    """Return the links as parts: a must-link holds for whatever it reaches over others."""
    must = _positions(ids, must_link, "must_link")
    cannot = _positions(ids, cannot_link, "cannot_link")
    pairs = [(one, other) for group in must for one, other in pairwise(group)]
    rows = np.unique(np.concatenate([np.zeros(0, dtype=int), *must, *cannot]).astype(int))
    if not len(rows):
        return Links(rows=rows, part=rows, apart=np.zeros((0, 0), dtype=bool))
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    ends = np.searchsorted(rows, np.array(pairs, dtype=int).reshape(-1, 2))
    joined = csr_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(rows),) * 2)
    n_parts, part = connected_components(joined, directed=False)
    apart = np.zeros((n_parts, n_parts), dtype=bool)
    for group in cannot:
        of = part[np.searchsorted(rows, group)]
        seen, first = np.unique(of, return_index=True)
        if len(seen) < len(of):
            again = next(at for at in range(len(of)) if at not in first)
            one, other = ids[group[first[seen == of[again]][0]]], ids[group[again]]
            raise ValueError(
                f"The 'cannot_link' parameter must not part rows that 'must_link' joins. Got "
                f"{first_few([one])} and {first_few([other])}."
            )
        apart[np.ix_(of, of)] = True
    np.fill_diagonal(apart, False)
    return Links(rows=rows, part=part, apart=apart)


def _positions(ids: pd.Index, groups: Any, name: str) -> list[IntArray]:
    rule = "groups of two or more ids"
    if isinstance(groups, str) or not isinstance(groups, Iterable):
        raise TypeError(complain(name, rule, groups))
    found: list[IntArray] = []
    for group in groups:
        if isinstance(group, str) or not isinstance(group, Sequence | np.ndarray | pd.Index):
            raise TypeError(complain(name, rule, group))
        if len(group) < 2:
            raise ValueError(complain(name, rule, list(group)))
        rows = ids.get_indexer(pd.Index(group))
        if (rows < 0).any():
            unknown = [one for one, row in zip(group, rows, strict=True) if row < 0]
            raise ValueError(complain(name, "made of ids of the embedding", unknown[:5]))
        found.append(rows)
    return found


def coloured(apart: BoolArray) -> IntArray:
    """Return a number from 0 for each part, two numbers for two that are kept apart."""
    most = int(apart.sum(axis=1).max(initial=0)) + 1
    return assigned(np.zeros((len(apart), most)), apart)


def assigned(cost: FloatArray, apart: BoolArray) -> IntArray:
    """Return the column of each part: the cheapest one that is free, most restricted part first."""
    n_parts, n_columns = cost.shape
    taken = np.zeros((n_parts, n_columns), dtype=bool)  # by a part that it is kept apart from
    column = np.full(n_parts, -1)
    degree = apart.sum(axis=1) / (n_parts + 1)
    for _ in range(n_parts):
        at = np.where(column < 0, taken.sum(axis=1) + degree, -1).argmax()
        if taken[at].all():
            raise ValueError(
                f"The 'n_clusters' parameter must be large enough to keep all of 'cannot_link'. "
                f"Got {n_columns} instead."
            )
        column[at] = np.where(taken[at], np.inf, cost[at]).argmin()
        taken[apart[at], column[at]] = True
    return column
