"""Selection by chance within classes, groups or clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._cells import k_means, nearest_centre, rank_within
from curalab._check import check_choice, check_integer, complain
from curalab.pool import IntArray, Pool

__all__ = ["Stratified"]

_MOST = 500  # clusters


@dataclass(frozen=True, kw_only=True)
class Stratified:
    """Rows drawn uniformly within strata: classes, groups, or clusters of the vectors.

    Every stratum gets its share, which chance alone gives only on average. Rows in `chosen` count
    towards the share of their stratum. Any first part of the picks is shared out too, so that fewer
    picks than strata work: one each, the largest strata first, or by chance under "equal".

    Parameters
    ----------
    by : {"labels", "groups", "clusters"}, default=None
        What the strata are. None means labels where every row has one, else groups where there are
        some, else clusters. Rows without a label are a stratum of their own.
    share : {"proportional", "equal"}, default="proportional"
        Picks a stratum: as its share of the rows (rounded so that none is favoured), or the same
        number for each as far as it has rows.
    n_clusters : int, default=None
        Clusters that k-means makes. None means as many as there are rows in `chosen` and picks
        together, up to 500.

    Notes
    -----
    ``details["strata"]`` is a DataFrame: `stratum`, and its rows in the `pool` and `picked`.

    References
    ----------
    .. [1] Cochran (1977), "Sampling Techniques", 3rd edition, Wiley, chapters 5 and 5A.
    .. [2] Balinski, Young (1982), "Fair Representation", Yale University Press: the method of
       Webster, by which proportional shares are rounded.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import Stratified
    >>> kind = np.repeat(["a", "b", "c"], [80, 15, 5])
    >>> for share in ("proportional", "equal"):
    ...     method = Stratified(share=share)
    ...     pick = cl.select(np.eye(100), 19, labels=kind, method=method, random_state=0)
    ...     print(pick.details["strata"]["picked"].tolist())
    [15, 3, 1]
    [7, 7, 5]
    """

    cost: ClassVar[str] = "none; k-means without labels or groups"

    by: str | None = None
    share: str = "proportional"
    n_clusters: int | None = None

    def __post_init__(self) -> None:
        if self.by is not None:
            check_choice("by", self.by, ["labels", "groups", "clusters"])
        check_choice("share", self.share, ["proportional", "equal"])
        if self.n_clusters is not None:
            check_integer("n_clusters", self.n_clusters, low=1)

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers in the order of dealing, and how the strata were shared out."""
        n = len(pool)
        chosen = np.zeros(0, dtype=np.int64) if pool.chosen is None else pool.chosen
        stratum, names = self._strata(pool, len(chosen) + k, rng)
        is_chosen = np.isin(np.arange(n), chosen)
        rank = rank_within(stratum, 1 - is_chosen, rng.random(n))
        size = np.bincount(stratum)
        due = (rank + 0.5) / size[stratum] if self.share == "proportional" else rank
        tie = rng.random(len(size))
        first = -size[stratum] if self.share == "proportional" else tie[stratum]
        order = np.lexsort((tie[stratum], first, due))
        rows = order[~is_chosen[order]][:k]
        picked = np.bincount(stratum[rows], minlength=len(size))
        table = pd.DataFrame({"stratum": names, "pool": size, "picked": picked})
        return rows, {"strata": table}

    def _strata(
        self, pool: Pool, n_asked: int, rng: np.random.Generator
    ) -> tuple[IntArray, list[Any]]:
        """Return the number of each row's stratum, and what each is called; none is empty."""
        by = self.by
        if by is None:
            is_known = pool.labels is not None and pool.is_labelled.all()
            by = "labels" if is_known else "clusters" if pool.groups is None else "groups"
        if by == "clusters":
            asked = min(n_asked, _MOST) if self.n_clusters is None else self.n_clusters
            points = pool.embedding.points
            centres = k_means(points, min(asked, len(pool)), rng=rng)
            values, _ = nearest_centre(points, centres, offset=centres.mean(axis=0))
        else:
            values = getattr(pool, by)
            if values is None:
                rule = "what the pool has, or None"
                hint = f"Pass {by}=… in the pool, or choose by='clusters'."
                raise ValueError(complain("by", rule, by, hint))
        codes, names = pd.factorize(pd.Series(np.asarray(values)), sort=True, use_na_sentinel=False)
        return codes.astype(np.int64), list(names)
