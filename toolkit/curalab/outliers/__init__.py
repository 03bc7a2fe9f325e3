"""Outliers: rows unlike the others, or unlike a clean reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, check_integer, check_real, complain
from curalab.outliers.knn import KNN
from curalab.pool import Array, Pool, Stage, as_pool, run
from curalab.results import StageResult

__all__ = ["KNN", "STAGE", "Outliers", "find_outliers"]

STAGE = Stage(
    name="outliers",
    verb="find_outliers",
    contract="A method gets (pool, *, rng) and returns oddness, one number a row, higher is odder.",
    returns=(Array(name="oddness"),),
    methods={"knn": KNN},
    start_here="knn",
)


_RULE = "median + 2.5 robust standard deviations of the upper half"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Outliers(StageResult):
    """How odd each item is.

    Attributes
    ----------
    oddness : ndarray of shape (n_items,), float
        Higher is odder. Scales differ between methods; ranks compare.
    is_outlier : ndarray of shape (n_items,), bool
        Items past the cut: the one that `expected_share` asks for, the method's own, or the
        robust one that `details["cut"]` describes.
    """

    prefix: ClassVar[str] = "outlier"
    columns: ClassVar[dict[str, str]] = {"is_outlier": "is_outlier"}

    oddness: FloatArray
    is_outlier: BoolArray

    @property
    def summary(self) -> str:  # noqa: D102
        return f"{int(self.is_outlier.sum()):,} outliers"

    def top(self, n: int) -> pd.Index:
        """Return the ids of the `n` oddest items, oddest first."""
        n = check_integer("n", n, low=0, high=len(self))
        return self.ids[np.argsort(-self.oddness, kind="stable")[:n]]


def find_outliers(
    embedding: Any,
    *,
    labels: Any = None,
    reference: Any = None,
    expected_share: float | None = None,
    method: str | Callable[..., Any] = "knn",
    random_state: int | None = None,
) -> Outliers:
    """Find rows that are unlike the others, or unlike clean reference rows.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows judged.
    labels : array-like of shape (n_items,), default=None
        Classes of the rows judged, for methods that look within classes.
    reference : Embedding, Pool or array-like of shape (m, d), default=None
        Rows known to be clean. None compares the rows with each other.
    expected_share : float, default=None
        Share of rows to mark, from 0 to 1. None takes the method's own cut, or marks rows whose
        oddness lies 2.5 robust standard deviations (of the upper half) above the median.
    method : str or callable, default="knn"
        A name in ``cl.methods("outliers")``, a method with settings, or a function
        ``(pool, *, rng)`` that returns one number a row, higher is odder.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    Outliers

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(100, 4))
    >>> x[7] += 20
    >>> odd = cl.find_outliers(cl.Embedding(vectors=x, metric="euclidean"))
    >>> odd.top(1).tolist()
    [7]
    """
    if expected_share is not None:
        check_real("expected_share", expected_share, low=0, high=1)
    pool = as_pool(embedding, labels=labels, reference=reference)
    _refuse_one_row(pool)
    answer = run(STAGE, method, pool, random_state=random_state)
    oddness = answer.arrays["oddness"]
    is_outlier, cut = _cut(oddness, expected_share, answer.details)
    return Outliers(
        ids=pool.ids,
        oddness=oddness,
        is_outlier=is_outlier,
        params={**answer.params, "expected_share": expected_share},
        details={**answer.details, "cut": cut},
    )


def _refuse_one_row(pool: Pool) -> None:
    if len(pool) < 2 and pool.reference is None:
        rule = "of at least 2 rows, to compare them with each other"
        raise ValueError(complain("embedding", rule, what="1 row", hint="Or pass reference=…."))


def _cut(
    oddness: FloatArray, share: float | None, details: dict[str, Any]
) -> tuple[BoolArray, dict[str, Any]]:
    if share is not None:
        wanted = round(share * len(oddness))
        is_outlier = np.zeros(len(oddness), dtype=bool)
        is_outlier[np.argsort(-oddness, kind="stable")[:wanted]] = True
        return is_outlier, {"rule": "expected_share", "marked": wanted}
    if "is_outlier" in details:
        return np.asarray(details.pop("is_outlier"), dtype=bool), {"rule": "the method's own"}
    # The spread of the upper half: scores lean to the right in tables, to the left in embeddings.
    middle, upper = np.quantile(oddness, [0.5, 0.75])
    value = float(middle + 2.5 * (upper - middle) / 0.6745)  # 0.6745: the normal upper quartile
    return oddness > value, {"rule": _RULE, "value": value}
