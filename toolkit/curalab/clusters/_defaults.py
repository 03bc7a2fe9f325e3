"""Which method a clustering starts with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curalab._check import check_choice
from curalab._dimension import dimension_of
from curalab.embedding import Embedding

__all__ = ["DEFAULTS", "suiting"]

_WIDE = "euclidean, wide"

DEFAULTS: Mapping[str, str] = {
    "cosine": "agglomerative",
    "euclidean": "spectral",
    _WIDE: "agglomerative",
}

_NEAR = 20
_FLAT = 3.5  # local dimensions up to which shapes can be told from their surroundings


def suiting(method: Any, embedding: Embedding) -> Any:
    """Return the method, or the one that a mapping by metric has for the embedding.

    Rows are wide where they fill more than three dimensions locally: there all rows are about as
    far from each other, the neighbour graph has no gaps, and round clusters are what is left to
    find.
    """
    if not isinstance(method, Mapping):
        return method
    kind = embedding.metric
    if kind == "euclidean" and _WIDE in method and _local_dimension(embedding) > _FLAT:
        kind = _WIDE
    return method[check_choice("metric", kind, method)]


def _local_dimension(embedding: Embedding) -> float:
    k = min(_NEAR, len(embedding) - 1)
    if k < _NEAR or embedding.shape[1] <= 3:  # too few rows to say, or flat as they are
        return 0.0
    return dimension_of(embedding.neighbors(k).distance.astype(float))
