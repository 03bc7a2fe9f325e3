"""No mark on a label where the labels have nothing to do with what speaks against them."""

from __future__ import annotations

import numpy as np

from curalab._check import AnyArray, BoolArray, IntArray
from curalab.label_errors._noise import is_learnable

__all__ = ["beyond_chance"]

_ENOUGH = 20  # rows, below which chance cannot be told from anything else
_RULE = "none: the labels agree with what is predicted no more than by chance"


def beyond_chance(
    is_error: BoolArray, rule: str, belief: AnyArray, codes: IntArray
) -> tuple[BoolArray, str]:
    """Return marks and their rule as they are, or no marks where the labels follow chance.

    Rows that are all alike, or vectors that say nothing of the classes, leave no reason to doubt
    one label rather than another. Marks on fewer than 20 rows stay.

    Parameters
    ----------
    is_error : ndarray of shape (n_items,), bool
        The rows marked.
    rule : str
        What marked them.
    belief : ndarray of shape (n_judged, n_classes)
        What speaks for each class in the rows judged.
    codes : ndarray of shape (n_judged,), int
        Their labels.
    """
    if len(codes) < _ENOUGH or is_learnable(np.asarray(belief), codes):
        return is_error, rule
    return np.zeros_like(is_error), _RULE
