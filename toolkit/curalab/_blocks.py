"""Work on a tall array in blocks of rows that stay in the processor's cache, on all cores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from curalab._check import AnyArray

__all__ = ["by_blocks"]

_CELLS = 1 << 19  # numbers looked at together


def by_blocks(function: Callable[[slice], AnyArray], array: AnyArray) -> AnyArray:
    """Return what the function says of all rows, asked for block after block of them.

    Parameters
    ----------
    function : callable
        ``function(rows)``, where `rows` is a slice: an array with an entry for each. It is called
        from several threads, and is faster for it as far as numpy does without the interpreter.
    array : ndarray of shape (n, d)
        Whose rows are cut into blocks.

    Returns
    -------
    ndarray of n entries
    """
    import joblib

    step = max(1, _CELLS // array.shape[1])
    blocks = [slice(at, at + step) for at in range(0, max(len(array), 1), step)]
    if len(blocks) == 1:
        return np.asarray(function(blocks[0]))
    with ThreadPoolExecutor(joblib.cpu_count()) as pool:
        return np.concatenate(list(pool.map(function, blocks)))
