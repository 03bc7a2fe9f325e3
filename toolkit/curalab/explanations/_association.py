"""Whether an encoder ties one set of concepts to one set of attributes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, check_integer, check_seed, complain
from curalab._points import unit_rows
from curalab.embedding import Embedding, as_embedding

__all__ = ["Association", "association_test"]

_BLOCK = 1_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Association:
    """How much more the concepts x go with the attributes a than the concepts y do.

    Attributes
    ----------
    effect_size : float
        Difference of the mean associations of x and y, in standard deviations over both, from -2
        to 2; above 0 ties x to a and y to b. NaN where all rows are associated alike.
    p_value : float
        One-sided: share of the splits of x and y into sets of their sizes whose difference is at
        least as large.
    n_permutations : int
        Splits looked at.
    is_exact : bool
        Whether these are all that there are.
    associations : DataFrame
        One row a concept item: `set` ("x" or "y"), `id`, `association` (mean cosine with a minus
        mean cosine with b).
    random_state : int
        The seed.
    """

    effect_size: float
    p_value: float
    n_permutations: int
    is_exact: bool
    associations: pd.DataFrame
    random_state: int

    def __repr__(self) -> str:
        how = "all" if self.is_exact else "random"
        return (
            f"Association(effect_size={self.effect_size:.2f}, p_value={self.p_value:.3g}, "
            f"{self.n_permutations:,} {how} splits)"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return `associations`: one row a concept item."""
        return self.associations.copy()


def association_test(
    x: Any,
    y: Any,
    *,
    a: Any,
    b: Any,
    n_permutations: int = 10_000,
    random_state: int | None = None,
) -> Association:
    """Test whether the concepts `x` lie nearer to `a`, and `y` to `b`, than chance has it (iEAT).

    Parameters
    ----------
    x, y : Embedding or array-like of shape (n, d)
        Items of two concepts, by one encoder: photographs of two groups of people. A set may be
        the intersection of groups.
    a, b : Embedding or array-like of shape (m, d)
        Items of two attributes, by the same encoder: pleasant and unpleasant scenes.
    n_permutations : int, default=10_000
        All splits are tried where there are no more than this many, else this many random ones.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    Association

    Notes
    -----
    With s(w) the mean cosine of w with `a` minus that with `b`, the effect size is
    (mean of s over x - mean of s over y) / (standard deviation of s over both, with n - 1). With
    random splits p is (1 + number at least as large) / (1 + number tried), so never 0. Both sets
    of the paper are of one size; here they need not be. Few items give large effects by chance:
    read the p-value beside them, and correct it where many pairs of sets are tried.

    References
    ----------
    .. [1] Steed, Caliskan (2021), "Image Representations Learned With Unsupervised Pre-Training
       Contain Human-like Biases", FAccT, arXiv:2010.15052.
    .. [2] Caliskan, Bryson, Narayanan (2017), "Semantics derived automatically from language
       corpora contain human-like biases", Science 356, arXiv:1608.07187.

    Examples
    --------
    >>> from curalab.explanations import association_test
    >>> near_a, near_b = [[1, 0.1], [1, 0.2], [1, 0.3]], [[0.1, 1], [0.2, 1], [0.3, 1]]
    >>> association_test(near_a, near_b, a=[[1, 0]], b=[[0, 1]]).p_value
    0.05
    """
    check_integer("n_permutations", n_permutations, low=1)
    seed = check_seed(random_state)
    sets = {"x": x, "y": y, "a": a, "b": b}
    known = {name: as_embedding(value, name=name) for name, value in sets.items()}
    _refuse_other_spaces(known)
    unit = {name: unit_rows(part.vectors).astype(np.float64) for name, part in known.items()}
    concepts = np.concatenate([unit["x"], unit["y"]])
    score = (concepts @ unit["a"].T).mean(axis=1) - (concepts @ unit["b"].T).mean(axis=1)
    n, n_x = len(score), len(known["x"])
    n_splits = math.comb(n, n_x)
    is_exact = n_splits <= n_permutations
    # the mean of y follows from that of x, so splits are compared by their sum over x
    sums = _all_sums(score, n_x) if is_exact else _some_sums(score, n_x, n_permutations, seed)
    as_large = int((sums >= score[:n_x].sum() - 1e-12 * n).sum())
    spread = float(score.std(ddof=1))
    gap = float(score[:n_x].mean() - score[n_x:].mean())
    ids = [*known["x"].ids, *known["y"].ids]
    return Association(
        effect_size=gap / spread if spread > 1e-12 else math.nan,
        p_value=as_large / n_splits if is_exact else (1 + as_large) / (1 + n_permutations),
        n_permutations=len(sums),
        is_exact=is_exact,
        associations=pd.DataFrame(
            {"set": np.where(np.arange(n) < n_x, "x", "y"), "id": ids, "association": score}
        ),
        random_state=seed,
    )


def _refuse_other_spaces(known: dict[str, Embedding]) -> None:
    wide = {name: part.shape[1] for name, part in known.items()}
    for name, width in wide.items():
        if width != wide["x"]:
            rule = f"of {wide['x']} dimensions, as 'x' is"
            raise ValueError(complain(name, rule, what=f"{width} dimensions"))


def _all_sums(score: FloatArray, n_x: int) -> FloatArray:
    return np.array([score[list(rows)].sum() for rows in combinations(range(len(score)), n_x)])


def _some_sums(score: FloatArray, n_x: int, n: int, seed: int) -> FloatArray:
    rng, found = np.random.default_rng(seed), []
    first: BoolArray = np.arange(len(score)) < n_x
    for at in range(0, n, _BLOCK):
        drawn = rng.permuted(np.tile(first, (min(_BLOCK, n - at), 1)), axis=1)
        found.append(drawn @ score)
    return np.concatenate(found)
