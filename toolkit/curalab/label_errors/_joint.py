"""The scores, the confident joint and the filters of confident learning, whole arrays at a time.

The numbers are cleanlab's, rounding and ties included: its flags are matched row by row. Where a
tie decides which of equal rows is marked, the same sort is run on the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curalab._blocks import by_blocks
from curalab._check import AnyArray, BoolArray, FloatArray, IntArray

__all__ = ["label_issues", "label_scores", "likeliest"]

_CLOSE = 1e-6  # probabilities this close count as equal
_TINY = 1e-100
_NEVER = 2.0  # threshold of a class that no row is labelled as


# ---- scores --------------------------------------------------------------------------------------


def label_scores(codes: IntArray, proba: FloatArray, rank: str) -> FloatArray:
    """Return the quality of each label by the score named, shape (n,).

    Parameters
    ----------
    codes : ndarray of shape (n,), int
        The labels given.
    proba : ndarray of shape (n, n_classes)
        Probability of each class.
    rank : {"self_confidence", "normalized_margin", "confidence_weighted_entropy"}
        The score.
    """
    own = _picked(proba, codes)
    if rank == "self_confidence":
        return own
    if rank == "normalized_margin":

        def other(block: slice) -> FloatArray:
            column = np.array(proba[block].T, order="C")
            column[codes[block], np.arange(column.shape[1])] = -np.inf
            return np.asarray(column.max(axis=0))

        return (own - by_blocks(other, proba) + 1) / 2
    from scipy.special import xlogy

    def spread(block: slice) -> FloatArray:
        part = np.maximum(proba[block], 0)  # a pool allows -1e-6, of which there is no logarithm
        return np.asarray(-np.sum(xlogy(part, part), axis=1))

    entropy = by_blocks(spread, proba)
    ratio = entropy / np.log(proba.shape[1]) / np.maximum(own, _CLOSE)
    return np.asarray(np.log(ratio + 1) / np.maximum(ratio, _CLOSE))


def likeliest(proba: FloatArray) -> IntArray:
    """Return the likeliest class of each row, shape (n,), in few bits; the first of equals."""
    # Block by block, as numpy first copies an array that is read-only.
    narrow = np.min_scalar_type(-proba.shape[1])
    return by_blocks(lambda block: proba[block].argmax(axis=1).astype(narrow), proba)


# ---- filters -------------------------------------------------------------------------------------


def label_issues(
    codes: IntArray,
    proba: FloatArray,
    filter_by: str,
    *,
    best: IntArray | None = None,
    own: FloatArray | None = None,
) -> BoolArray:
    """Return whether each label is marked as an error by the filter named, shape (n,).

    Parameters
    ----------
    codes : ndarray of shape (n,), int
        The labels given.
    proba : ndarray of shape (n, n_classes)
        Probability of each class.
    filter_by : {"prune_by_noise_rate", "confident_learning", "prune_by_class", "both"}
        The filter.
    best : ndarray of shape (n,), int, default=None
        The likeliest class of each row, where it is known already.
    own : ndarray of shape (n,), default=None
        The probability of each label, where it is known already.
    """
    n_classes = proba.shape[1]
    size = np.bincount(codes, minlength=n_classes)
    narrow = codes.astype(np.min_scalar_type(n_classes))  # few bits sort faster
    rows = np.split(np.argsort(narrow, kind="stable"), np.cumsum(size)[:-1])  # of each class
    own = _picked(proba, codes) if own is None else own
    best = likeliest(proba) if best is None else best
    guess = _confident_class(proba, _thresholds(own, rows), best)
    if filter_by == "confident_learning":
        marked = (guess >= 0) & (guess != codes)
    else:
        pruned = _prune_counts(_calibrated_joint(codes, guess, size))
        marked = np.ones(len(codes), dtype=bool)
        if filter_by in ("prune_by_class", "both"):
            marked &= _by_class(own, rows, pruned)
        if filter_by in ("prune_by_noise_rate", "both"):
            marked &= _by_count(proba, own, rows, pruned)
    found = np.flatnonzero(marked)
    part = proba[found]
    part[np.arange(len(found)), codes[found]] += _CLOSE
    marked[found] = part.argmax(axis=1) != codes[found]  # the likeliest class is no error
    return np.asarray(marked)


def _thresholds(own: FloatArray, rows: Sequence[IntArray]) -> FloatArray:
    """Return the mean probability of each class over the rows labelled so."""
    mean = [own[of].mean() if len(of) else _NEVER for of in rows]
    return np.maximum(mean, 2 * _CLOSE)


def _confident_class(proba: FloatArray, threshold: FloatArray, best: IntArray) -> IntArray:
    """Return the class that each row is confidently of, -1 where there is none; shape (n,).

    Of several, it is the likeliest class of all, which need not be one of them. So it is the
    likeliest class wherever that one reaches its threshold; only where it does not, and might reach
    another's, the others have to be looked at.
    """
    least = threshold - _CLOSE

    def guessed(block: slice) -> IntArray:
        part, guess = proba[block], best[block].copy()
        top = _cells_of(part, guess)
        is_unsure = top < least[guess]
        guess[is_unsure] = -1
        rest = np.flatnonzero(is_unsure & (top >= least.min()))
        if len(rest):
            row, column = _cells(part[rest] >= least)
            others = np.full(len(rest), -1, dtype=guess.dtype)
            others[row] = column
            several = np.bincount(row, minlength=len(rest)) > 1
            others[several] = best[block][rest[several]]
            guess[rest] = others
        return guess

    return by_blocks(guessed, proba)


def _picked(proba: FloatArray, codes: IntArray) -> FloatArray:
    """Return of each row the probability of one class, shape (n,)."""
    return by_blocks(lambda block: _cells_of(proba[block], codes[block]), proba)


def _cells_of(part: FloatArray, codes: IntArray) -> FloatArray:
    return np.asarray(part.ravel().take(np.arange(0, part.size, part.shape[1]) + codes))


def _calibrated_joint(codes: IntArray, guess: IntArray, size: IntArray) -> IntArray:
    """Return the counts of (label, confident class), scaled up to the counts of the labels."""
    k, sure = len(size), guess >= 0
    # Counted class by label, then turned: the order in memory is the order of the sums below.
    joint = np.bincount(guess[sure] * np.int64(k) + codes[sure], minlength=k * k).reshape(k, k).T
    np.fill_diagonal(joint, joint.diagonal().clip(min=1))
    scaled = (joint.T / joint.sum(axis=1) * size).T
    scaled = scaled / max(np.sum(scaled), _TINY) * size.sum()
    return np.stack([_rounded(row) for row in scaled])


def _rounded(row: FloatArray) -> IntArray:
    """Round so that the sum stays what it is: those furthest off give way, later ones first."""
    whole, total = row.round(), np.sum(row).round()
    while gap := int(total - whole.sum()):
        step = 1 if gap > 0 else -1
        whole[np.argsort(row - whole)[::-step][: abs(gap)]] += step
    return np.asarray(whole.astype(int))


def _prune_counts(joint: IntArray) -> IntArray:
    """Return how many rows of label j look like class i, at [i, j]; each label keeps one row."""
    kept = np.maximum(joint.diagonal(), 1)
    added = kept - joint.diagonal()
    others = np.maximum(np.count_nonzero(joint.T, axis=0) - 1.0, 1.0)
    counts = np.maximum(joint.T - added / others, 0)
    np.fill_diagonal(counts, kept)
    return np.asarray(counts.astype(int))


def _by_class(own: FloatArray, rows: Sequence[IntArray], pruned: IntArray) -> BoolArray:
    """Mark the rows of each label with the least probability of it."""
    marked = np.zeros(len(own), dtype=bool)
    for k, of in enumerate(rows):
        n = len(of) - int(pruned[k, k])
        if len(of) > 1 and n >= 1:
            marked[of[_least(own[of], n)]] = True
    return marked


def _by_count(
    proba: FloatArray, own: FloatArray, rows: Sequence[IntArray], pruned: IntArray
) -> BoolArray:
    """Mark, for each pair of label and class, the rows where the class leads the label most."""
    marked = np.zeros(len(own), dtype=bool)
    for k, of in enumerate(rows):
        if len(of) < 2:
            continue
        part, given, here = proba[of], own[of], np.zeros(len(of), dtype=bool)
        for j in np.flatnonzero(pruned[:, k]):
            if j != k:
                here[_least(given - part[:, j], int(pruned[j, k]))] = True
        marked[of] = here
    return marked


def _least(values: FloatArray, n: int) -> AnyArray:
    """Return the places of the `n` least values, or a mask of them."""
    if n >= len(values):
        return np.ones(len(values), dtype=bool)
    within = values <= np.partition(values, n - 1)[n - 1]
    return within if np.count_nonzero(within) == n else np.argsort(values)[:n]


def _cells(mask: BoolArray) -> tuple[IntArray, IntArray]:
    """Return row and column of each cell marked; faster than `nonzero` of two dimensions."""
    place = np.flatnonzero(mask)
    row = place // mask.shape[1]
    return row, place - row * mask.shape[1]
