"""Curate datasets in notebooks: one small interface to every method of the field."""

from curalab._check import AlignmentError, MissingExtraError, StaleDecisionError
from curalab.embedding import Embedding
from curalab.outliers import Outliers, find_outliers
from curalab.pool import Pool, methods

__all__ = [
    "AlignmentError",
    "Embedding",
    "MissingExtraError",
    "Outliers",
    "Pool",
    "StaleDecisionError",
    "find_outliers",
    "methods",
]
