"""The picked items, and what picking them does to the mix of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import (
    AnyArray,
    FloatArray,
    IntArray,
    carried_ids,
    check_integer,
    complain,
    first_few,
    rows_of,
)
from curalab.neighbors import nearest
from curalab.pool import as_pool
from curalab.results import StageResult

__all__ = ["Selection", "mix_of"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Selection(StageResult):
    """The picked items, best first.

    Attributes
    ----------
    ids : pandas.Index of shape (k,)
        Ids of the picked items, best first.
    rows : ndarray of shape (k,), int
        Their row numbers in the pool.
    gain : ndarray of shape (k,), float
        What each pick added when it was made, in the method's own unit; higher is more. NaN
        where the method does not say.
    details : mapping
        With labels, `classes`: a DataFrame with the shares of each class in the pool and in the
        selection (the last row is of rows without a label); the same as `groups` where the pool
        has some. `missed` lists what has rows in the pool and was never picked. `n_pool` is the
        size of the pool.
    """

    prefix: ClassVar[str] = "selection"

    rows: IntArray
    gain: FloatArray

    @property
    def summary(self) -> str:
        missed = self.details.get("missed", {})
        parts = [f"{name} never picked: {len(v):,}" for name, v in missed.items() if v]
        return ", ".join([f"of {self.details['n_pool']:,}", *parts])

    def to_frame(self) -> pd.DataFrame:
        """Return one row a pick, best first, with its rank from 1 and its gain."""
        rank = np.arange(1, len(self) + 1)
        columns = {"selection_rank": rank, "selection_gain": self.gain}
        return pd.DataFrame(columns, index=self.ids)

    def mix(self, values: Any) -> pd.DataFrame:
        """Compare the picks with the pool by any value that each row of the pool has.

        Parameters
        ----------
        values : Clustering, Series or array-like of shape (n_pool,)
            Clusters, sources, languages: one value a row of the pool. What carries ids goes by
            id, the rest by position.

        Returns
        -------
        pandas.DataFrame
            One row a value: `value`, and its share of the `pool` and of the `selection` (0 where
            it was never picked).
        """
        column, picked = self._placed(values)
        return mix_of(column, picked, "value")

    def _placed(self, values: Any) -> tuple[AnyArray, IntArray]:
        """Return the values of all rows, and where the picks are among them."""
        ids = carried_ids(values)
        column = getattr(values, "labels", values)
        rule = f"{self.details['n_pool']:,} values, one for each row of the pool"
        if np.ndim(column) != 1:
            raise ValueError(complain("values", rule, what=f"shape {np.shape(column)}"))
        if ids is None:
            if len(column) != self.details["n_pool"]:
                raise ValueError(complain("values", rule, what=f"{len(column):,} values"))
            return np.asarray(column), self.rows
        picked = ids.get_indexer(self.ids)
        if (picked < 0).any():
            rule = "values for every row of the pool"
            got = f"none for the ids {first_few(self.ids[picked < 0])}"
            raise ValueError(complain("values", rule, what=got))
        return np.asarray(column), picked

    def uncovered(self, embedding: Any, n: int = 10) -> pd.DataFrame:
        """Return the rows that are farthest from every pick, the farthest first.

        Parameters
        ----------
        embedding : Embedding or Pool
            What the rows were picked from, or another view of the same rows.
        n : int, default=10
            Rows to return, at most as many as were not picked.

        Returns
        -------
        pandas.DataFrame
            Indexed by id: `distance` to the nearest pick (1 - cosine, or Euclidean), and
            `nearest`, the id of that pick.
        """
        space = as_pool(embedding).embedding
        n = check_integer("n", n, low=1)
        picked = rows_of(space.ids, self.ids, name="embedding")
        left = np.setdiff1d(np.arange(len(space)), picked)
        if not len(left):
            return pd.DataFrame({"distance": [], "nearest": []}, index=space.ids[left])
        found = nearest(space.points[picked], 1, metric=space.metric, queries=space.points[left])
        columns = {
            "distance": found.distance[:, 0],
            "nearest": self.ids[found.indices[:, 0]],
        }
        frame = pd.DataFrame(columns, index=space.ids[left])
        return frame.sort_values("distance", ascending=False, kind="stable").head(n)


def mix_of(values: AnyArray, rows: IntArray, name: str) -> pd.DataFrame:
    shares = {
        part: pd.Series(some).value_counts(normalize=True, dropna=False)
        for part, some in (("pool", values), ("selection", values[rows]))
    }
    frame = pd.DataFrame(shares).fillna(0.0).sort_index(na_position="last")
    return frame.rename_axis(name).reset_index()
