"""Work on a tall array in blocks of rows that stay in the processor's cache, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from curalab._check import AnyArray

__all__ = ["by_blocks"]

_CELLS = 1 << 18  # numbers looked at together
_MOST = 4  # threads: more wait for memory


def by_blocks(function: Callable[[slice], AnyArray], array: AnyArray) -> AnyArray:
    """Return what the function says of all rows, asked for block after block of them.

    Parameters
    ----------
    function : callable
        ``function(rows)``, where `rows` is a slice: an array, mostly with an entry for each. It is
        called from several threads, and is faster for it as far as numpy does without the
        interpreter.
    array : ndarray of shape (n, d)
        Whose rows are cut into blocks.

    Returns
    -------
    ndarray
        What it returned, joined in the order of the rows: mostly n entries.
    """
    step = max(1, _CELLS // max(1, array.shape[1]))
    blocks = [slice(at, at + step) for at in range(0, max(len(array), 1), step)]
    share = -(-len(blocks) // min(os.cpu_count() or 1, _MOST))
    parts = [blocks[at : at + share] for at in range(0, len(blocks), share)]
    first, rest = parts[0], parts[1:]
    with ThreadPoolExecutor(max(len(rest), 1)) as pool:  # starts no thread before it has work
        later = pool.map(lambda part: [function(rows) for rows in part], rest)
        done = [[function(rows) for rows in first], *later]
    return np.concatenate([found for part in done for found in part])
