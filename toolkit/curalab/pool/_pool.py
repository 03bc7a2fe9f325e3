"""The pool that methods are functions of."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from curalab._blocks import by_blocks
from curalab._check import (
    AnyArray,
    BoolArray,
    FloatArray,
    IntArray,
    align,
    are_invented,
    carried_ids,
    check_classes,
    check_labels,
    complain,
    first_few,
    read_only,
    rows_of,
)
from curalab.embedding import Embedding, as_embedding, check_space
from curalab.results import StageResult

__all__ = ["Pool", "as_pool", "cluster_codes", "group_codes"]

_ROWWISE = ("labels", "proba", "groups", "order")


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """What a method may look at: vectors, and whatever else is known of the rows.

    Verbs take a Pool wherever they take an Embedding; their keywords are shorthand for its
    fields. Parts that are not there are None; arrays are read-only. Inputs that carry ids are
    put into the order of the embedding's ids when the pool is made.

    Parameters
    ----------
    embedding : Embedding or array-like of shape (n, d)
        The vectors.
    labels : array-like of shape (n,), default=None
        One label a row; None or NaN is missing.
    classes : array-like of shape (n_classes,), default=None
        What the columns of `proba` mean. None takes the columns of `proba` where it is a
        DataFrame, else the sorted distinct labels.
    proba : array-like of shape (n, n_classes), default=None
        Probability of each class, from a model that did not train on the row.
    groups, order : array-like of shape (n,), default=None
        A group (site, speaker, source) or a time or rank for each row.
    target : Embedding or array-like of shape (m, d), default=None
        Rows that the choice should resemble.
    reference : Embedding or Pool, default=None
        Rows known to be clean.
    chosen : sequence of ids, or boolean array of shape (n,), default=None
        Rows already labelled or kept. Kept as row numbers.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> pool = cl.Pool(embedding=np.eye(3), labels=["b", "a", None])
    >>> pool.classes.tolist(), pool.codes.tolist()
    (['a', 'b'], [1, 0, -1])
    """

    embedding: Embedding
    data: Any = None
    # Any: a method that says what it `needs` finds it there, and need not ask for None again.
    labels: Any = None
    classes: Any = None
    proba: Any = None
    groups: AnyArray | None = None
    order: AnyArray | None = None
    target: Embedding | None = None
    reference: Pool | None = None
    chosen: IntArray | None = None

    def __post_init__(self) -> None:
        put = functools.partial(object.__setattr__, self)
        embedding = as_embedding(self.embedding)
        parts = {name: getattr(self, name) for name in _ROWWISE}
        put("embedding", _adopt_ids(embedding, parts))
        put("data", self.embedding.data if self.data is None else self.data)
        for name, value in parts.items():
            if value is not None:
                if name != "proba" and getattr(value, "ndim", 1) != 1:
                    rule = "one column, a value for each item"
                    raise ValueError(complain(name, rule, what=f"shape {value.shape}"))
                put(name, align(name, value, self.embedding.ids))
        if self.proba is not None:
            put("proba", self._checked_proba())
        if self.classes is not None:
            check_classes(pd.Index(np.asarray(self.classes)))
        if self.labels is not None:
            self._check_labels()
        for name in ("groups", "order"):
            value = getattr(self, name)
            if value is not None:  # an array of a list would make texts of all that is in it
                is_array = hasattr(value, "__array__")
                put(name, read_only(np.asarray(value if is_array else pd.Series(list(value)))))
        if self.target is not None:
            put("target", as_embedding(self.target, metric=self.embedding.metric, name="target"))
            check_space("target", self.target, self.embedding)
        clean: Any = self.reference
        if clean is not None:
            put("reference", self._checked_reference(clean))
        if self.chosen is not None:
            put("chosen", read_only(self._checked_chosen(self.chosen)))

    def __len__(self) -> int:
        return len(self.embedding)

    @property
    def ids(self) -> pd.Index:
        """Ids of the rows."""
        return self.embedding.ids

    @cached_property
    def codes(self) -> IntArray:
        """Label of each row as a number into `classes`, -1 where missing; shape (n,)."""
        if self.labels is None:
            return read_only(np.full(len(self), -1))
        return read_only(check_labels(self.labels, classes=self.classes)[1])

    @property
    def is_labelled(self) -> BoolArray:
        """Whether each row has a label; shape (n,)."""
        return np.asarray(self.codes >= 0)

    def replace(self, **parts: Any) -> Pool:
        """Return a pool with some parts exchanged."""
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if self.chosen is not None:
            own["chosen"] = self.ids[self.chosen]
        if parts.get("labels") is not None and "classes" not in parts and self.proba is None:
            own["classes"] = None
        return Pool(**{**own, **parts})

    def _check_labels(self) -> None:
        labels, codes, classes = check_labels(self.labels, classes=self.classes)
        put = functools.partial(object.__setattr__, self)
        if self.proba is not None and self.proba.shape[1] != len(classes):
            raise ValueError(
                complain(
                    "proba",
                    f"of {len(classes)} columns, one for each class",
                    hint="Name the columns with classes=….",
                    what=f"{self.proba.shape[1]} columns",
                )
            )
        put("labels", read_only(labels))
        put("classes", read_only(classes))
        self.__dict__["codes"] = read_only(codes)

    def _checked_proba(self) -> FloatArray:
        given: Any = self.proba
        if isinstance(given, pd.DataFrame) and self.classes is None:
            object.__setattr__(self, "classes", given.columns.to_numpy())
        proba = np.asarray(given, dtype=np.float64)
        if proba.ndim != 2:
            raise ValueError(
                complain("proba", "of shape (n, n_classes)", what=f"shape {proba.shape}")
            )
        rows = np.flatnonzero(by_blocks(lambda block: _are_no_shares(proba[block]), proba))
        if len(rows):
            got = f"{len(rows):,} rows that are not (ids {first_few(self.ids[rows])})"
            raise ValueError(complain("proba", "probabilities that sum to 1 in each row", what=got))
        return read_only(proba)

    def _checked_reference(self, clean: Any) -> Pool:
        own = self.embedding
        pool: Pool = (
            clean
            if isinstance(clean, Pool)
            else Pool(embedding=as_embedding(clean, metric=own.metric, name="reference"))
        )
        check_space("reference", pool.embedding, own)
        return pool

    def _checked_chosen(self, chosen: Any) -> IntArray:
        asked = getattr(chosen, "ids", chosen)
        mask = np.asarray(asked)
        if mask.dtype == np.bool_:
            return np.flatnonzero(align("chosen", asked, self.ids))
        return np.sort(rows_of(self.ids, asked, name="chosen"))


def _adopt_ids(embedding: Embedding, parts: Mapping[str, Any]) -> Embedding:
    """Give an embedding without ids those of the first part that carries some."""
    if not are_invented(embedding.ids):
        return embedding
    for name, value in parts.items():
        ids = carried_ids(value)
        if ids is not None:
            if len(ids) != len(embedding):
                rule = f"{len(embedding):,} rows, one for each item"
                raise ValueError(complain(name, rule, what=f"{len(ids):,} rows"))
            return embedding._with_ids(ids)
    return embedding


def _are_no_shares(proba: FloatArray) -> BoolArray:
    """Return which rows are no probabilities that sum to 1."""
    # A product sums short rows several times as fast; NaN and infinity fail the comparison.
    bad = ~(np.abs(proba @ np.ones(proba.shape[1]) - 1) <= 1e-3)
    if not proba.min(initial=0) >= -1e-6:
        bad |= (proba < -1e-6).any(axis=1)
    return np.asarray(bad)


def as_pool(embedding: Any, **parts: Any) -> Pool:
    """Return the pool given, or one made of an embedding, with the parts that are not None."""
    given = {name: value for name, value in parts.items() if value is not None}
    if isinstance(embedding, Pool):
        return embedding.replace(**given) if given else embedding
    return Pool(embedding=embedding, **given)


def group_codes(pool: Pool, *, hint: str = "") -> tuple[IntArray, AnyArray]:
    """Return the group of each row as a number, and the groups; two or more, none missing."""
    _, codes, names = check_labels(pool.groups, name="groups")
    if (codes < 0).any():
        without = pool.ids[codes < 0]
        got = f"none in {len(without):,} rows (ids {first_few(without)})"
        mend = "Drop these rows, or give them a group of their own."
        raise ValueError(complain("groups", "present for every row", what=got, hint=mend))
    if len(names) < 2:
        got = f"one group, {names[0]!r}"
        raise ValueError(complain("groups", "of at least two groups", what=got))
    if 2 * len(names) > len(codes):
        got = f"{len(names):,} groups for {len(codes):,} rows"
        rule = "of two rows or more on average"
        raise ValueError(complain("groups", rule, what=got, hint=hint))
    return codes, names


def cluster_codes(clustering: Any, ids: pd.Index) -> tuple[IntArray, IntArray]:
    """Return the clusters there are, and the number of each row's among them (-1 is noise)."""
    if isinstance(clustering, StageResult):
        clustering = clustering.to_frame()["cluster"]
    labels = np.asarray(align("clustering", clustering, ids))
    if labels.dtype.kind not in "iu" or labels.ndim != 1 or (labels < -1).any():
        rule = "a Clustering, or whole numbers from -1, one a row"
        raise TypeError(complain("clustering", rule, what=f"dtype {labels.dtype}"))
    found = np.unique(labels[labels >= 0])
    return found, np.where(labels < 0, -1, np.searchsorted(found, labels))
