"""Duplicates: rows that say the same, within a set or across two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray, check_integer, check_real
from curalab.duplicates._conflicts import label_conflicts
from curalab.duplicates._leakage import Leakage, find_leakage
from curalab.duplicates._pairs import distinct, group_rows
from curalab.duplicates._scoring import score_pairs
from curalab.duplicates._threshold import ordinary_threshold
from curalab.duplicates._verdicts import estimated_precision, spread_rows, verdicts_of
from curalab.duplicates.exact import Exact
from curalab.duplicates.near_text import NearText
from curalab.duplicates.perceptual import Perceptual
from curalab.duplicates.record_linkage import RecordLinkage
from curalab.duplicates.semantic import Semantic
from curalab.pool import Array, Pool, Stage, as_pool, resolve, run
from curalab.results import StageResult

__all__ = [
    "STAGE",
    "Duplicates",
    "Exact",
    "Leakage",
    "NearText",
    "Perceptual",
    "RecordLinkage",
    "Semantic",
    "find_duplicates",
    "find_leakage",
    "score_pairs",
]


def _promise(pool: Pool, arguments: tuple[float], arrays: dict[str, Any]) -> str:
    pairs, similarity = arrays["pairs"], arrays["similarity"]
    if pairs.max(initial=0) >= len(pool):
        return f"row number {pairs.max():,} in {len(pool):,} rows."
    if (same := pairs[pairs[:, 0] == pairs[:, 1]]).size:
        return f"row {same[0, 0]:,} paired with itself."
    if (similarity < arguments[0] - 1e-6).any():
        return f"a similarity of {similarity.min():g} below the threshold of {arguments[0]:g}."
    return ""


STAGE = Stage(
    name="duplicates",
    verb="find_duplicates",
    contract=(
        "A method gets (pool, threshold, *, rng) and returns pairs of row numbers and the "
        "similarity of each pair, from the threshold up."
    ),
    returns=(
        Array(name="pairs", kind="int", rows="any", columns="pair", low=0),
        Array(name="similarity", rows="any"),
    ),
    methods={
        "semantic": Semantic,
        "exact": Exact,
        "near_text": NearText,
        "perceptual": Perceptual,
        "record_linkage": RecordLinkage,
    },
    functions={"score_pairs": score_pairs},
    start_here="semantic",
    promise=_promise,
)


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
    def summary(self) -> str:  # noqa: D102
        return f"{int((~self.keep).sum()):,} duplicates in {self.n_groups:,} groups"

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
        item: items stay in such a group as long as these pairs last.

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
        group, keep, similarity = _grouped(len(self), found)
        params = {**self.params, "threshold": threshold}
        return replace(
            self, group=group, keep=keep, similarity=similarity, found=found, params=params
        )

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
            reached; `strata`, a DataFrame of the strata and their verdicts.

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


def find_duplicates(
    embedding: Any,
    *,
    method: str | Callable[..., Any] = "semantic",
    threshold: float | None = None,
    random_state: int | None = None,
) -> Duplicates:
    """Find items that are copies or near-copies of each other.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    method : str or callable, default="semantic"
        A name in ``cl.methods("duplicates")``, a method with settings, or a function
        ``(pool, threshold, *, rng)`` that returns pairs of row numbers and the similarity of each
        pair.
    threshold : float, default=None
        Similarity from which two rows are a pair, 0 to 1: 1 - distance under "cosine", else
        1 / (1 + distance). None sets it from the data: neighbours count as duplicates where they
        are nearer than ordinary neighbours would be by chance, and of the rows with a duplicate
        at most 5 % are so by chance. ``details["threshold"]`` says what it is, and why. Methods
        that compare content ("exact", "near_text", "perceptual", "record_linkage") have their own.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    Duplicates

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(100, 8))
    >>> x[7] = x[3] + 0.01
    >>> dup = cl.find_duplicates(x)
    >>> dup
    Duplicates(100 items, 1 duplicates in 1 groups, method=semantic)
    >>> dup.pairs()[["id_a", "id_b"]].to_numpy().tolist()
    [[3, 7]]
    """
    pool = as_pool(embedding)
    threshold, how = _resolved(pool, method, threshold)
    answer = run(STAGE, method, pool, threshold, random_state=random_state)
    pairs, similarity = distinct(len(pool), answer.arrays["pairs"], answer.arrays["similarity"])
    order = np.argsort(-similarity, kind="stable")
    columns = {"row_a": pairs[order, 0], "row_b": pairs[order, 1], "similarity": similarity[order]}
    found = pd.DataFrame(columns)
    group, keep, to_kept = _grouped(len(pool), found)
    return Duplicates(
        ids=pool.ids,
        group=group,
        keep=keep,
        similarity=to_kept,
        found=found,
        params={**answer.params, "threshold": threshold},
        details={**answer.details, "threshold": how},
    )


def _resolved(pool: Pool, method: Any, threshold: float | None) -> tuple[float, dict[str, Any]]:
    if threshold is not None:
        threshold = check_real("threshold", threshold, low=0, high=1)
        return threshold, {"rule": "given", "threshold": threshold}
    name, function = resolve(STAGE, method)
    own = getattr(function, "default_threshold", 1.0 if len(pool) < 2 else None)
    if own is not None:
        return own, {"rule": f"set by {name}", "threshold": own}
    near = pool.embedding.neighbors
    return ordinary_threshold(
        lambda k: near(k).distance, len(pool) - 1, metric=pool.embedding.metric
    )


def _grouped(n: int, found: pd.DataFrame) -> tuple[IntArray, BoolArray, FloatArray]:
    pairs = found[["row_a", "row_b"]].to_numpy(dtype=np.int64)
    return group_rows(n, pairs, found["similarity"].to_numpy())
