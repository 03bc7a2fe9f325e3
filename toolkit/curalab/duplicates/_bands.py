"""Pairs of similar sets, out of the bands of their MinHash signatures."""

from __future__ import annotations

from typing import Any

import numpy as np

from curalab._check import AnyArray, FloatArray, IntArray
from curalab.duplicates._pairs import COMPLETE, components, pairs_within
from curalab.duplicates._shingles import MULTIPLIER, jaccard

__all__ = ["near_pairs"]

_LEADERS = 30  # of a bucket of more than 100 sets


def near_pairs(sets: Any, signature: AnyArray, threshold: float) -> tuple[IntArray, FloatArray]:
    """Return pairs of sets at least as similar as `threshold`, and how similar they are.

    The bands link sets to groups; in a group of up to 100, every pair is then looked at.

    Parameters
    ----------
    sets : sparse array of shape (n_sets, n_shingles)
        One where a set has a shingle.
    signature : ndarray of shape (n_sets, n_bands, n_hashes), uint64
        MinHashes; sets that agree in a whole band are candidates.
    threshold : float
        The Jaccard index from which two sets are a pair.
    """
    part = np.arange(sets.shape[0])
    links, similarity = np.empty((0, 2), dtype=np.int64), np.empty(0)
    for turn in range(signature.shape[1]):
        small, large = _buckets(signature[:, turn])
        pairs = pairs_within(small)
        tried = [pairs[part[pairs[:, 0]] != part[pairs[:, 1]]]]
        tried += [_led(sets, members, part, turn, threshold) for members in large]
        candidates = np.concatenate(tried)
        shared = jaccard(sets, candidates)
        is_near = shared >= threshold
        links = np.concatenate([links, candidates[is_near]])
        similarity = np.concatenate([similarity, shared[is_near]])
        part = components(len(part), links)
    is_large = np.bincount(part, minlength=1)[part] > COMPLETE
    pairs = pairs_within(np.where(is_large, -1, part))
    shared = jaccard(sets, pairs)
    is_near, is_kept = shared >= threshold, is_large[links[:, 0]]
    return (
        np.concatenate([pairs[is_near], links[is_kept]]),
        np.concatenate([shared[is_near], similarity[is_kept]]),
    )


def _buckets(band: AnyArray) -> tuple[IntArray, list[IntArray]]:
    """Return a number for sets whose hashes in a band agree (-1: alone), and large such buckets."""
    key = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:
        key = key * MULTIPLIER + column
    _, number, count = np.unique(key, return_inverse=True, return_counts=True)
    size = count[number]
    rows = np.flatnonzero(size > COMPLETE)
    rows = rows[np.argsort(number[rows], kind="stable")]
    large: list[IntArray] = []
    if len(rows):
        large = np.split(rows, np.flatnonzero(np.diff(number[rows])) + 1)
    return np.where((size > 1) & (size <= COMPLETE), number, -1), large


def _led(sets: Any, members: IntArray, part: IntArray, turn: int, threshold: float) -> IntArray:
    """Return links within a large bucket, and mark in `part` (n_sets,) what they connect.

    A leader is compared with the whole bucket, but for what it is connected to; the next one is a
    member that is connected to none so far. Bands differ in who leads first.
    """
    links = [np.empty((0, 2), dtype=np.int64)]
    left = members
    for _ in range(_LEADERS):
        if not len(left):
            break
        leader = left[turn % len(left)]
        others = members[part[members] != part[leader]]
        tried = np.column_stack([np.full(len(others), leader), others])
        shared = jaccard(sets, tried)
        order = np.argsort(-shared, kind="stable")
        near = tried[order[shared[order] >= threshold]]
        joined, first = np.unique(part[near[:, 1]], return_index=True)
        links.append(near[first])
        part[np.isin(part, joined)] = part[leader]
        left = left[part[left] != part[leader]]
    return np.concatenate(links)
