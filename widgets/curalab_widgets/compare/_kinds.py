"""What can be compared: two of one kind, about the same rows or about tables of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import AlignmentError, align, are_invented, complain, first_few
from curalab.clusters import Clustering
from curalab.embedding import Embedding, as_embedding
from curalab.items._table import check_table
from curalab.label_errors import LabelErrors
from curalab.outliers import Outliers
from curalab.pseudo_labels import PseudoLabels
from curalab.selectors import Selection
from curalab_widgets.compare._compared import Compared, Sides
from curalab_widgets.compare._rows import (
    clusterings,
    detectors,
    embeddings,
    pseudo_labels,
    selections,
    tables,
)

__all__ = ["compare_sides", "sides_of"]


def sides_of(left: Any, right: Any, items: pd.DataFrame | None) -> Sides:
    """Return what is compared, or say why it cannot be."""
    kind = _kind_of(left)
    if kind is None:
        rule = "an Embedding, a DataFrame or a result: " + ", ".join(_RESULTS)
        raise TypeError(complain("left", rule, what=type(left).__name__))
    if _kind_of(right) != kind:
        raise TypeError(complain("right", f"{kind}, as left is", what=type(right).__name__))
    if items is not None:
        check_table("items", items)
    ids, left, right = _KINDS[kind].pair(left, right, items)
    if items is None and kind == "a DataFrame":
        new = left.index.get_indexer(right.index) < 0
        items = pd.concat([left, right[new]]) if new.any() else left
    elif items is None:
        items = pd.DataFrame(index=ids)
    return Sides(kind, left, right, ids, align("items", items, ids))


def compare_sides(sides: Sides, *, k: int | None, labels: str | None) -> Compared:
    """Compare; `k` counts for embeddings, the column `labels` for tables."""
    return _KINDS[sides.kind].compare(sides, k, labels)


def _kind_of(value: Any) -> str | None:
    return next((name for name, kind in _KINDS.items() if isinstance(value, kind.types)), None)


def _pair_embeddings(left: Any, right: Any, items: Any) -> tuple[pd.Index, Any, Any]:
    metrics = ["euclidean" if np.shape(e)[1:] == (2,) else "cosine" for e in (left, right)]
    left, right = (
        as_embedding(side, metric=metric, name=name)
        for side, metric, name in zip((left, right), metrics, ("left", "right"), strict=True)
    )
    ids = _ids((left, right), items)
    if are_invented(left.ids):
        left = align("left", left, ids)._with_ids(ids)
    if are_invented(right.ids):
        right = align("right", right, ids)._with_ids(ids)
    same: pd.Index = align("right", right.ids.to_series(), left.ids).index
    return left.ids, left, right if same.equals(right.ids) else right.take(same)


def _pair_results(left: Any, right: Any, items: Any) -> tuple[pd.Index, Any, Any]:
    ids = _ids((left, right), items)
    for name, side in (("left", left), ("right", right)):
        align(name, pd.Series(0, index=side.ids) if not are_invented(side.ids) else side, ids)
    return ids, left, right


def _ids(pair: Sequence[Any], items: pd.DataFrame | None) -> pd.Index:
    own = [side.ids for side in pair if not are_invented(side.ids)]
    known: pd.Index = own[0] if own else pair[0].ids if items is None else items.index
    return known


def _pair_selections(left: Any, right: Any, items: Any) -> tuple[pd.Index, Any, Any]:
    both = left.ids.append(right.ids[left.ids.get_indexer(right.ids) < 0])
    if items is None:
        return both, left, right
    if not (known := items.index.get_indexer(both) >= 0).all():
        got = f"{first_few(both[~known])} only in the selections"
        raise AlignmentError(complain("items", "a table with every row picked", what=got))
    return items.index, left, right


def _pair_tables(left: Any, right: Any, _: Any) -> tuple[pd.Index, Any, Any]:
    check_table("left", left)
    check_table("right", right)
    new = left.index.get_indexer(right.index) < 0
    return left.index.append(right.index[new]), left, right


class _Kind(NamedTuple):
    types: tuple[type, ...]
    pair: Callable[[Any, Any, Any], tuple[pd.Index, Any, Any]]
    compare: Callable[[Sides, int | None, str | None], Compared]


# What is said of the kinds in errors; label errors and outliers are both detectors.
_KINDS = {
    "an Embedding": _Kind((Embedding, np.ndarray), _pair_embeddings, embeddings),
    "a Clustering": _Kind((Clustering,), _pair_results, clusterings),
    "LabelErrors or Outliers": _Kind((LabelErrors, Outliers), _pair_results, detectors),
    "PseudoLabels": _Kind((PseudoLabels,), _pair_results, pseudo_labels),
    "a Selection": _Kind((Selection,), _pair_selections, selections),
    "a DataFrame": _Kind((pd.DataFrame,), _pair_tables, tables),
}
_RESULTS = ["Clustering", "LabelErrors", "Outliers", "PseudoLabels", "Selection"]
