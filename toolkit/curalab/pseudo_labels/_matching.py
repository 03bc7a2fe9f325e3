"""Which cluster stands for which class, one for one."""

from __future__ import annotations

import numpy as np

from curalab._check import FloatArray, IntArray

__all__ = ["counted", "matched", "share_matched"]


def counted(one: IntArray, other: IntArray, shape: tuple[int, int]) -> FloatArray:
    """Return how many rows each of one grouping and each of the other have in common."""
    table = np.zeros(shape)
    np.add.at(table, (one, other), 1)
    return table


def matched(table: FloatArray) -> IntArray:
    """Return the column of each line, -1 where they have nothing in common (Hungarian)."""
    from scipy.optimize import linear_sum_assignment

    lines, columns = linear_sum_assignment(-table)
    found = np.full(len(table), -1)
    found[lines] = np.where(table[lines, columns] > 0, columns, -1)
    return found


def share_matched(truth: IntArray, cluster: IntArray) -> float:
    """Return the share of rows whose cluster stands for their class."""
    n = int(max(truth.max(), cluster.max())) + 1
    to = matched(counted(truth, cluster, (n, n)))
    return float((to[truth] == cluster).mean())
