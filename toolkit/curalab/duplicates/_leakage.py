"""Leakage: test rows that the training rows give away."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import AnyArray, FloatArray, check_real, complain
from curalab.duplicates._threshold import FIRST, ordinary_threshold
from curalab.embedding import Embedding, as_embedding
from curalab.pool import Pool
from curalab.results import StageResult

__all__ = ["Leakage", "find_leakage"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Leakage(StageResult):
    """Test rows with a copy or near-copy among the training rows, most similar first.

    Attributes
    ----------
    ids : pandas.Index
        Ids of the test rows that leak; other test rows are not in the result.
    nearest : ndarray of shape (n_leaks,)
        Id of the most similar training row.
    similarity : ndarray of shape (n_leaks,), float
        How similar the two are: 1 - distance under "cosine", else 1 / (1 + distance).
    """

    prefix: ClassVar[str] = "leak"

    nearest: AnyArray
    similarity: FloatArray

    @property
    def summary(self) -> str:
        return f"of {self.params['n_test']:,} test rows"


def find_leakage(train: Any, test: Any, *, threshold: float | None = None) -> Leakage:
    """Find test rows that are copies or near-copies of training rows.

    Parameters
    ----------
    train, test : Embedding, Pool or array-like of shape (n, d)
        Vectors of the same space.
    threshold : float, default=None
        Similarity from which a test row leaks, 0 to 1. None sets it from the data, as
        `find_duplicates` does: where the nearest training row is nearer than ordinary neighbours
        of a test row would be by chance. ``details["threshold"]`` says what it is, and why.

    Returns
    -------
    Leakage
        The test rows that leak, most similar first; its length is their number.

    Raises
    ------
    ValueError
        The two differ in metric or dimensions.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(130, 8))
    >>> x[110] = x[5] + 0.01
    >>> leak = cl.find_leakage(x[:100], x[100:])
    >>> leak.to_frame().index.tolist(), leak.nearest.tolist()
    ([10], [5])
    """
    if threshold is not None:
        threshold = check_real("threshold", threshold, low=0, high=1)
    known = as_embedding(_vectors_of(train), name="train")
    asked = as_embedding(_vectors_of(test), metric=known.metric, name="test")
    _refuse_other_space(known, asked)
    search = functools.cache(functools.partial(known.search, asked))
    near = search(min(FIRST, len(known)))
    how: dict[str, Any] = {"rule": "given", "threshold": threshold}
    if threshold is None:
        threshold, how = ordinary_threshold(
            lambda k: search(k).distance, len(known), metric=known.metric
        )
    similarity = near.similarity[:, 0].astype(np.float64)
    order = np.argsort(-similarity, kind="stable")
    order = order[similarity[order] >= threshold]
    return Leakage(
        ids=asked.ids[order],
        nearest=known.ids.to_numpy()[near.indices[order, 0]],
        similarity=similarity[order],
        params={
            "verb": "find_leakage",
            "threshold": threshold,
            "n_test": len(asked),
            "train": known.fingerprint,
            "test": asked.fingerprint,
        },
        details={"threshold": how},
    )


def _vectors_of(value: Any) -> Any:
    return value.embedding if isinstance(value, Pool) else value


def _refuse_other_space(train: Embedding, test: Embedding) -> None:
    if test.metric != train.metric:
        hint = "Make both with the same metric=…."
        raise ValueError(complain("test", f"of metric {train.metric!r}", test.metric, hint))
    if test.shape[1] != train.shape[1]:
        rule = f"of {train.shape[1]:,} dimensions, as 'train' is"
        hint = "Embed both with the same encoder: embed(test, encoder=train.encoder)."
        raise ValueError(complain("test", rule, test.shape[1], hint))
