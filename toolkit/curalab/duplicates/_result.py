"""What copies of each other are, and which to keep."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import (
    BoolArray,
    FloatArray,
    IntArray,
    align,
    check_integer,
    check_real,
    complain,
)
from curalab.duplicates._conflicts import label_conflicts
from curalab.duplicates._pairs import group_rows, kept_rows
from curalab.duplicates._verdicts import estimated_precision, spread_rows, verdicts_of
from curalab.results import StageResult

__all__ = ["Duplicates"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Duplicates(StageResult):
    """Which items are copies or near-copies of each other, and which one of each to keep.

    Attributes
    ----------
    group : ndarray of shape (n_items,), int
        Group of items linked by pairs, numbered from 0 by its first row; -1 is alone.
    keep : ndarray of shape (n_items,), bool
        True for items alone, and for one item of each group: the one most similar to the others,
        of equals the first.
    similarity : ndarray of shape (n_items,), float
        To the item kept: 1 for that item itself, and NaN for items alone. Also NaN for members
        that are no pair with the item kept and belong to its group through others only: a copy
        of another may be worth keeping.
    found : DataFrame
        The pairs, by row number; `pairs()` names them by id.
    """

    prefix: ClassVar[str] = "duplicate"

    group: IntArray
    keep: BoolArray
    similarity: FloatArray
    found: pd.DataFrame

    @property
    def summary(self) -> str:
        n, n_groups = int((~self.keep).sum()), self.n_groups
        return f"{n:,} duplicate{'s' * (n != 1)} in {n_groups:,} group{'s' * (n_groups != 1)}"

    @property
    def n_groups(self) -> int:
        """Groups of two items or more."""
        return int(self.group.max(initial=-1)) + 1

    @property
    def threshold(self) -> float:
        """Similarity from which two items are a pair."""
        return float(self.params["threshold"])

    def pairs(self) -> pd.DataFrame:
        """Return the pairs, most similar first.

        All pairs of groups of up to 100 items; of a larger group enough to connect it.

        Returns
        -------
        pandas.DataFrame
            Columns `id_a`, `id_b` and `similarity`.
        """
        return pd.DataFrame(
            {
                "id_a": self.ids[self.found["row_a"]],
                "id_b": self.ids[self.found["row_b"]],
                "similarity": self.found["similarity"].to_numpy(),
            }
        )

    def at(self, threshold: float) -> Duplicates:
        """Return the duplicates at a higher threshold, without computing anything anew.

        Groups of more than 100 items came with enough pairs to connect them, most of them to one
        item: items stay in such a group as long as these pairs last. Kept is the most central item
        of each group again, also after `keeping`.

        Parameters
        ----------
        threshold : float
            From the threshold of this result to 1.

        Returns
        -------
        Duplicates
        """
        hint = "Pairs below were not computed: call find_duplicates with a lower threshold=…."
        threshold = check_real("threshold", threshold, low=self.threshold, high=1, hint=hint)
        found = self.found[self.found["similarity"] >= threshold].reset_index(drop=True)
        group, keep, similarity = group_rows(len(self), found)
        params = {k: v for k, v in self.params.items() if k != "keeping"}
        params["threshold"] = threshold
        return replace(
            self, group=group, keep=keep, similarity=similarity, found=found, params=params
        )

    def keeping(self, by: Any) -> Duplicates:
        """Return the duplicates with another member of each group kept: the best by a value.

        Parameters
        ----------
        by : array-like of shape (n_items,)
            One value a row, higher is rather kept: a quality, a length, a time for the newest, its
            negative for the oldest, or 1 and 0 for a rule. Ties, and groups whose values are all
            missing (None, NaN), keep the first row.

        Returns
        -------
        Duplicates
            With the same groups; `similarity` is that to the items now kept.

        Examples
        --------
        >>> import numpy as np, curalab as cl
        >>> x = np.random.default_rng(0).normal(size=(100, 8))
        >>> x[7] = x[3] + 0.01
        >>> dup = cl.find_duplicates(x)
        >>> np.flatnonzero(~dup.keep), np.flatnonzero(~dup.keeping(np.arange(100)).keep)
        (array([7]), array([3]))
        """
        given = pd.Series(np.asarray(align("by", by, self.ids)))
        if given.dtype == object or not (
            pd.api.types.is_numeric_dtype(given) or pd.api.types.is_datetime64_any_dtype(given)
        ):
            rule = "of numbers or times, one a row, higher is rather kept"
            raise TypeError(complain("by", rule, what=f"dtype {given.dtype}"))
        best = given.rank(method="dense").fillna(0).to_numpy()
        keep, similarity = kept_rows(self.group, best, self.found)
        params = {**self.params, "keeping": "by a value of each row"}
        return replace(self, keep=keep, similarity=similarity, params=params)

    def borderline(self, n: int) -> pd.DataFrame:
        """Return pairs for a person to judge, the least similar first.

        They are spread evenly over the similarities found, from the threshold up, so that the
        verdicts tell where precision falls: see `precision`.

        Parameters
        ----------
        n : int
            How many; all pairs, where there are fewer.

        Returns
        -------
        pandas.DataFrame
            Rows of `pairs()`, with their positions in it as index.
        """
        n = check_integer("n", n, low=1, high=1_000_000)
        return self.pairs().iloc[spread_rows(self.found["similarity"].to_numpy(), n)]

    def precision(self, verdicts: Any, *, wanted: float = 0.95) -> dict[str, Any]:
        """Estimate how many of the pairs found are duplicates, from verdicts on some of them.

        Pairs are cut into strata of similarity, and each stratum counts with its pairs, whichever
        were judged of it: verdicts on `borderline` pairs will do, and so will those on pairs drawn
        at random, which give shorter intervals. Few verdicts give a wide interval, drawn a little
        towards one half.

        Parameters
        ----------
        verdicts : DataFrame or Series
            A DataFrame with the columns `id_a`, `id_b` (in either order) and `is_duplicate`, or a
            Series of verdicts indexed by positions in `pairs()`. Missing verdicts are left out.
        wanted : float, default=0.95
            The precision, 0 to 1, for which a threshold is suggested.

        Returns
        -------
        dict
            `precision` at the present threshold, with `low` and `high`, a 95 % interval; `n_pairs`
            and `n_judged`; `suggested_threshold`, for `at`: the lowest from which precision is
            estimated as `wanted`, which rises with similarity in that; None where it is not
            reached (judge more pairs, or want less: few verdicts are drawn towards one half);
            `strata`, a DataFrame of the strata and their verdicts.

        Examples
        --------
        >>> import numpy as np, curalab as cl
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> dup = cl.find_duplicates(x, threshold=0.9)
        >>> asked = dup.borderline(20)
        >>> said = dup.precision(asked["similarity"] > 0.97)
        >>> said["n_pairs"], said["n_judged"], said["low"] < said["precision"] < said["high"]
        (80, 20, True)
        """
        wanted = check_real("wanted", wanted, low=0, high=1)
        rows, is_right = verdicts_of(verdicts, self.pairs())
        return estimated_precision(self.found["similarity"].to_numpy(), rows, is_right, wanted)

    def conflicts(self, labels: Any) -> pd.DataFrame:
        """Return the groups whose members have different labels: errors, or ambiguous items.

        Parameters
        ----------
        labels : array-like of shape (n_items,)
            One label a row; None or NaN is missing, and such rows do not count.

        Returns
        -------
        pandas.DataFrame
            A row for each labelled member: `group`, `id`, `label`, `similarity` to the item kept,
            and `majority`, the most frequent label of the group (None where two are). First the
            groups with most labels beside the most frequent, of these the most similar.
        """
        return label_conflicts(self.ids, self.group, self.similarity, labels)
