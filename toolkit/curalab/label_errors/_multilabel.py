"""Several labels an item: which are missing, and which should not be there."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import (
    AnyArray,
    BoolArray,
    FloatArray,
    align,
    check_integer,
    check_seed,
    complain,
    first_few,
)
from curalab.pool import Pool, as_pool
from curalab.results import StageResult

__all__ = ["MultilabelErrors", "multilabel_errors"]

_FEWEST = 3  # items with a class, and without it, below which it is not judged
_RULE = "a table of 0, 1 and NaN, or the classes of each item"
_TEMPERATURE = 0.1  # of the soft minimum: the lower, the less the better classes count


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MultilabelErrors(StageResult):
    """How far each item's set of labels can be trusted.

    Attributes
    ----------
    quality : ndarray of shape (n_items,), float
        From 0 (some label is surely missing or wrong) to 1 (clean); NaN where no class was judged.
    missing : ndarray of shape (n_items,)
        List of the classes that the item should probably have, the surest first.
    wrong : ndarray of shape (n_items,)
        List of the classes that it should probably not have, the surest first.
    is_error : ndarray of shape (n_items,), bool
        Items with a missing or a wrong class.
    """

    prefix: ClassVar[str] = "multilabel"

    quality: FloatArray
    missing: AnyArray
    wrong: AnyArray
    is_error: BoolArray

    @property
    def summary(self) -> str:
        n = int(self.is_error.sum())
        return f"{n:,} item{'s' * (n != 1)} with label errors"

    def worst(self, n: int) -> pd.Index:
        """Return the ids of the `n` least trusted items, the least trusted first."""
        judged = int(np.isfinite(self.quality).sum())
        n = check_integer("n", n, low=0, high=judged, hint=f"{judged:,} items were judged.")
        return self.ids[np.argsort(self.quality, kind="stable")[:n]]


def multilabel_errors(
    embedding: Any,
    labels: Any,
    *,
    proba: Any = None,
    method: str | Callable[..., Any] = "consensus",
    random_state: int | None = None,
) -> MultilabelErrors:
    """Find labels that are missing or wrong where an item may have several.

    Each class is a problem of its own, given or not given, and `find_label_errors` judges it; all
    of them read one neighbour graph. An item is about as good as its worst class.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The items.
    labels : DataFrame or array of shape (n_items, n_classes), or sequence of collections
        1 where the item has the class, 0 where not, NaN where nobody looked; or the classes of
        each item, None where nobody looked.
    proba : DataFrame or array-like of shape (n_items, n_classes), default=None
        Probability that the item has each class, from a model that did not train on the item.
        Columns in the order of the classes: of `labels`, or sorted where it lists them. None makes
        them where the method needs them.
    method : str or callable, default="consensus"
        As of `find_label_errors`.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    MultilabelErrors
        ``details["class_quality"]`` is a DataFrame (n_items, n_classes), NaN where a label was not
        judged; ``details["class_proba"]`` holds the probabilities used, NaN where the method needs
        none; ``details["not_judged"]`` names the classes that fewer than three items have, or
        fewer than three have not.

    Raises
    ------
    ValueError
        No class can be judged.

    Notes
    -----
    The quality of an item is the soft minimum over its classes, which [1]_ has beside its
    preferred moving average: sum(w q) / sum(w) with w = exp((1 - q) / 0.1). It ranked better here
    in all trials. Ours: the classes are judged by any method of the stage, where [1]_ takes the
    probability of what is given; and classes may be left open. Where tags show in single
    directions of few dimensions, neighbours mix them up, and `confident_learning`, which asks
    none, ranks better than the default.

    References
    ----------
    .. [1] Thyagarajan, Snorrason, Northcutt, Mueller (2022), "Identifying Incorrect Annotations in
       Multi-Label Classification Data", ICLR Workshop on Trustworthy ML. arXiv:2211.13895.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.label_errors import multilabel_errors
    >>> x = np.random.default_rng(0).normal(size=(60, 2)) + 6 * np.eye(2)[np.arange(60) % 2]
    >>> tags = [["round", "red"], ["square"]] * 30
    >>> tags[4], tags[9] = ["red"], ["square", "red"]
    >>> found = multilabel_errors(cl.Embedding(vectors=x), tags, random_state=0)
    >>> sorted(found.worst(2)), found.missing[4], found.wrong[9]
    ([4, 9], ['round'], ['red'])
    """
    from curalab.label_errors import find_label_errors

    seed = check_seed(random_state)
    table = _table(labels)
    pool = _pool(embedding, table, labels)
    table = align("labels", table.set_axis(pool.ids) if not _carries(labels) else table, pool.ids)
    likely = None if proba is None else _likely(proba, table)
    count = pd.DataFrame({"given": (table == 1).sum(), "not_given": (table == 0).sum()})
    judged = table.columns[(count >= _FEWEST).all(axis=1)]
    if not len(judged):
        rule = f"of a class that at least {_FEWEST} items have and {_FEWEST} have not"
        raise ValueError(complain("labels", rule, what="none"))
    quality = pd.DataFrame(np.nan, index=table.index, columns=table.columns)
    marked = pd.DataFrame(False, index=table.index, columns=table.columns)
    used = quality.copy()
    for name in judged:
        of = None if likely is None else np.column_stack([1 - likely[name], likely[name]])
        found = find_label_errors(
            pool.replace(labels=table[name].to_numpy(), proba=of), method=method, random_state=seed
        )
        quality[name], marked[name] = found.quality, found.is_error
        if found.pool is not None and found.pool.proba is not None:
            used[name] = found.pool.proba[:, 1]
    few = count.drop(index=judged)
    return MultilabelErrors(
        ids=pool.ids,
        quality=_together(quality.to_numpy()),
        missing=_named(marked & (table == 0), quality),
        wrong=_named(marked & (table == 1), quality),
        is_error=np.asarray(marked.to_numpy().any(axis=1)),
        params={**found.params, "verb": "multilabel_errors"},
        details={
            "class_quality": quality,
            "class_proba": used,
            "not_judged": {str(c): row.to_dict() for c, row in few.iterrows()},
        },
    )


def _together(quality: FloatArray) -> FloatArray:
    """Return the soft minimum over the classes judged, (n_items,); NaN where there is none."""
    has = np.isfinite(quality)
    weight = np.where(has, np.exp((1 - np.where(has, quality, 1)) / _TEMPERATURE), 0)
    total = weight.sum(axis=1)
    sums = (weight * np.where(has, quality, 0)).sum(axis=1)
    return np.asarray(np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0))


def _named(marked: pd.DataFrame, quality: pd.DataFrame) -> AnyArray:
    """Return the classes marked in each row, those of least quality first."""
    names = marked.columns.to_numpy()
    told = np.empty(len(marked), dtype=object)
    for i, (row, sure) in enumerate(zip(marked.to_numpy(), quality.to_numpy(), strict=True)):
        at = np.flatnonzero(row)
        told[i] = names[at[np.argsort(sure[at], kind="stable")]].tolist()
    return told


# ---- input ---------------------------------------------------------------------------------------


def _carries(labels: Any) -> bool:
    return isinstance(labels, pd.Series | pd.DataFrame)


def _pool(embedding: Any, table: pd.DataFrame, labels: Any) -> Pool:
    """Return the items with the ids of either side, and with labels of no class in particular."""
    if isinstance(embedding, Pool):
        embedding = embedding.replace(labels=None, classes=None, proba=None)
    first = table.iloc[:, 0]
    return as_pool(embedding, labels=first if _carries(labels) else first.to_numpy())


def _table(labels: Any) -> pd.DataFrame:
    """Return one column a class: 1 given, 0 not given, NaN not labelled."""
    listed = isinstance(labels, pd.Series) or not (
        isinstance(labels, pd.DataFrame) or getattr(labels, "ndim", 0) == 2
    )
    table = _listed(labels) if listed else pd.DataFrame(labels)
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise ValueError(complain("labels", "of distinct columns", what=f"{first_few(twice)}"))
    if not table.shape[1]:
        raise ValueError(complain("labels", "of at least 1 class", what="none"))
    try:
        table = table.astype(float)
    except (TypeError, ValueError) as error:
        raise TypeError(complain("labels", _RULE, what="a table of other values")) from error
    other = pd.unique(table.to_numpy().ravel())
    other = other[~np.isin(other, [0, 1]) & ~np.isnan(other)]
    if len(other):
        raise ValueError(complain("labels", _RULE, what=f"a table with {first_few(other)}"))
    return table


def _listed(labels: Any) -> pd.DataFrame:
    rows = list(labels)
    bad = [
        i for i, row in enumerate(rows)
        if isinstance(row, str) or not (_is_missing(row) or isinstance(row, Collection))
    ]  # fmt: skip
    if bad:
        got = f"{type(rows[bad[0]]).__name__} in row {bad[0]}"
        raise TypeError(complain("labels", _RULE, what=got))
    index = labels.index if isinstance(labels, pd.Series) else None
    found = {name for row in rows if not _is_missing(row) for name in row}
    try:
        classes = sorted(found)
    except TypeError as error:
        kinds = ", ".join(sorted({type(name).__name__ for name in found}))
        raise TypeError(complain("labels", _RULE, what=f"classes of types {kinds}")) from error
    values = np.zeros((len(rows), len(classes)))
    place = {name: i for i, name in enumerate(classes)}
    for i, row in enumerate(rows):
        if _is_missing(row):
            values[i] = np.nan
        else:
            values[i, [place[name] for name in row]] = 1
    return pd.DataFrame(values, columns=pd.Index(classes), index=index)


def _is_missing(row: Any) -> bool:
    return row is None or (isinstance(row, float) and np.isnan(row))


def _likely(proba: Any, table: pd.DataFrame) -> pd.DataFrame:
    """Return the probability of each class as a table of its items and classes."""
    proba = align("proba", proba, table.index)
    if isinstance(proba, pd.DataFrame) and set(proba.columns) == set(table.columns):
        proba = proba[table.columns]
    values = np.asarray(proba, dtype=float)
    if values.shape != table.shape:
        got = f"shape {values.shape}"
        raise ValueError(complain("proba", f"of shape {table.shape}", what=got))
    if not ((values >= 0) & (values <= 1)).all():  # false of NaN
        raise ValueError(complain("proba", "from 0 to 1", what="values that are not"))
    return pd.DataFrame(values, index=table.index, columns=table.columns)
