"""Which method each metric starts with."""

from collections.abc import Mapping

__all__ = ["DEFAULTS"]

DEFAULTS: Mapping[str, str] = {"cosine": "agglomerative", "euclidean": "spectral"}
