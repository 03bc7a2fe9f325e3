"""Items that stand for a class: those by which its other members are found."""

from __future__ import annotations

import numpy as np

from curalab.pool import BoolArray, FloatArray, IntArray

__all__ = ["average_precision", "chosen_exemplars", "retrieval_precision"]

_CANDIDATES = 32  # members of a class,
_ODD = 0.1  # of which the share farthest from all others stands for nothing
_MEMBERS = 1_000  # of the class that are to be found,
_OTHERS = 2_000  # among so many rows of other classes


def average_precision(score: FloatArray, is_member: BoolArray) -> FloatArray:
    """Return the average precision of each row of scores, shape (m,); 0 without a member."""
    order = np.argsort(-score, axis=1, kind="stable")
    hit = np.take_along_axis(np.broadcast_to(is_member, score.shape), order, axis=1)
    precision = hit.cumsum(axis=1) / np.arange(1, score.shape[1] + 1)
    return np.asarray((precision * hit).sum(axis=1) / np.maximum(hit.sum(axis=1), 1))


def retrieval_precision(
    points: FloatArray, codes: IntArray, picked: list[IntArray], *, rng: np.random.Generator
) -> FloatArray:
    """Return the average precision at which each class is found by its `picked` rows.

    Rows are ranked by the nearest of them; those with code -1 are looked at by none. NaN where
    a class has no row to be found.
    """
    quality = np.full(len(picked), np.nan)
    for c, rows in enumerate(picked):
        members, among = _sampled(codes, c, rng)
        if len(rows) and len(members):
            near = _nearness(points[rows], points[among]).max(axis=0, keepdims=True)
            quality[c] = average_precision(near, np.arange(len(among)) < len(members))[0]
    return quality


def chosen_exemplars(
    points: FloatArray, codes: IntArray, n_classes: int, n: int, *, rng: np.random.Generator
) -> list[IntArray]:
    """Return up to `n` rows that stand for each class, best first; code -1 is looked at by none."""
    from tqdm.auto import tqdm

    classes = tqdm(range(n_classes), "exemplars", delay=2, disable=None)
    return [_greedy(points, *_sampled(codes, c, rng), n) for c in classes]


def _sampled(codes: IntArray, c: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Return members of a class, and the rows that they are looked for among: them first."""
    members = rng.permutation(np.flatnonzero(codes == c))[:_MEMBERS]
    others = rng.permutation(np.flatnonzero((codes != c) & (codes >= 0)))[:_OTHERS]
    return members, np.concatenate([members, others])


def _nearness(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return minus the squared distance of each two rows, which ranks unit rows as cosine does."""
    lengths = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)
    return np.asarray(2 * (a @ b.T) - lengths)


def _greedy(points: FloatArray, members: IntArray, among: IntArray, n: int) -> IntArray:
    """Add the candidate that most raises the average precision, while one does.

    Chosen rows do not count themselves: to be found by itself is no merit of an odd item.
    """
    candidates = members[:_CANDIDATES]
    near = _nearness(points[candidates], points[among])
    is_member = np.arange(len(among)) < len(members)
    is_own = np.eye(len(candidates), len(among), dtype=bool)
    # An odd item may find its class by being unlike the others; nobody learns a class from it.
    nearest = np.where(is_own | ~is_member, -np.inf, near).max(axis=1, initial=-np.inf)
    is_odd = nearest < np.sort(nearest)[int(_ODD * len(nearest)) :][:1]
    chosen: list[int] = []
    best, so_far = -1.0, np.full(len(among), -np.inf)
    while len(chosen) < min(n, len(candidates)):
        hidden = is_own | is_own[chosen].any(axis=0)
        score = np.where(hidden, -np.inf, np.maximum(so_far, near))
        gained = average_precision(score, is_member & ~hidden)
        gained[is_odd] = gained[chosen] = -1
        pick = int(gained.argmax())
        if gained[pick] <= best:
            break
        best, so_far = gained[pick], np.maximum(so_far, near[pick])
        chosen.append(pick)
    return candidates[chosen]
