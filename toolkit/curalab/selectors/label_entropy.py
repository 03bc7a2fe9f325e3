"""Selection of rows whose labels, counted together, are as diverse and even as can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, complain, first_few
from curalab.pool import Pool

__all__ = ["LabelEntropy"]


@dataclass(frozen=True, kw_only=True)
class LabelEntropy:
    """Greedy maximum entropy: the next pick is what most raises the entropy of the label counts.

    With one label a row that deals the budget evenly over the classes, the rarest first; with
    several a row (topics, relations, entities of a text), it prefers rows that bring many that are
    still rare in the selection. Ties fall by chance. Labels of rows in `chosen` count from the
    start; rows without a label come last.

    Parameters
    ----------
    column : str, default=None
        Column of `pool.data`, a DataFrame, with a list of values a row. None counts
        `pool.labels`, one a row. A value that stands twice in a row counts twice.

    Notes
    -----
    Gain is the change of the Shannon entropy, in nats; 0 for a first row of one label, negative
    once the rare labels are used up, NaN for a row without labels. `details["counts"]` is a Series:
    how often each label is in the selection, with `chosen`. The paper's second half, generating
    synthetic data, is not here.

    References
    ----------
    .. [1] Delmas, Wysocka, Freitas (2024), "Relation Extraction in Underexplored Biomedical
       Domains: A Diversity-optimized Sampling and Synthetic Data Generation Approach",
       Computational Linguistics 50, arXiv:2311.06364.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import LabelEntropy
    >>> labels = np.array(["common"] * 8 + ["rare"] * 2)
    >>> pick = cl.select(np.eye(10), 4, labels=labels, method=LabelEntropy(), random_state=0)
    >>> sorted(labels[pick.rows].tolist())
    ['common', 'common', 'rare', 'rare']
    """

    needs: ClassVar[tuple[str, ...]] = ("labels",)
    cost: ClassVar[str] = "one pass over the distinct sets of labels a pick"

    column: str | None = None

    def __post_init__(self) -> None:
        if self.column is not None:  # then labels are not looked at
            object.__setattr__(self, "needs", ("data",))

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers in the order picked, their gain and the label counts."""
        kind, table, names = _kinds(self._values(pool))
        length = table.sum(axis=1)
        held = np.empty(0, dtype=np.int64) if pool.chosen is None else pool.chosen
        counts = table[kind[held]].sum(axis=0, dtype=np.float64)
        free = rng.permutation(len(kind))
        free = free[~np.isin(free, held)]
        left = [free[kind[free] == i].tolist() for i in range(len(table))]
        n_left = np.array([len(rows) for rows in left])
        rows, gain = np.empty(k, dtype=np.int64), np.empty(k)
        for i in range(k):
            after = _entropy(counts + table)
            value = np.where(length > 0, after, -1.0)  # without labels: last
            value[n_left == 0] = -np.inf
            best = np.flatnonzero(value >= value.max() - 1e-12)
            one = int(rng.choice(best, p=n_left[best] / n_left[best].sum()))
            rows[i] = left[one].pop()
            n_left[one] -= 1
            gain[i] = after[one] - _entropy(counts[None])[0] if length[one] else np.nan
            counts += table[one]
        return rows, {"gain": gain, "counts": pd.Series(counts.astype(int), index=names)}

    def _values(self, pool: Pool) -> list[list[Any]]:
        """Return the labels of each row."""
        if self.column is None:
            known = zip(pool.labels, pool.is_labelled, strict=True)
            return [[label] if is_known else [] for label, is_known in known]
        if not isinstance(pool.data, pd.DataFrame) or self.column not in pool.data:
            is_table = isinstance(pool.data, pd.DataFrame)
            there = f"columns {first_few(pool.data)}" if is_table else "data that are no DataFrame"
            got = f"{self.column!r}, of {there}"
            raise ValueError(complain("column", "a column of the data", what=got))
        values = pool.data[self.column].tolist()
        for one in values:
            if not isinstance(one, list | tuple | set | frozenset | np.ndarray):
                rule = "a column with a list of labels in each row"
                raise TypeError(complain("column", rule, what=f"{one!r} in a row"))
        return [list(one) for one in values]


def _kinds(values: list[list[Any]]) -> tuple[IntArray, IntArray, list[Any]]:
    """Return which distinct set of labels each row has, the counts in each, and the labels."""
    names = sorted({one for row in values for one in row}, key=lambda one: (str(type(one)), one))
    number = {name: i for i, name in enumerate(names)}
    sets = [tuple(sorted(number[one] for one in row)) for row in values]
    distinct = sorted(set(sets))
    place = {one: i for i, one in enumerate(distinct)}
    table = np.zeros((len(distinct), len(names)), dtype=np.int64)
    for i, one in enumerate(distinct):
        np.add.at(table[i], list(one), 1)
    return np.array([place[one] for one in sets]), table, names


def _entropy(counts: FloatArray) -> FloatArray:
    """Return the entropy of each row of counts, in nats; 0 of none."""
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    share = counts / total
    return np.asarray(-(share * np.log(np.where(share > 0, share, 1))).sum(axis=1))
