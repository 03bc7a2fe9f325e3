"""From discovered clusters to chances, by looking for known classes that are hidden."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from curalab.pool import BoolArray, FloatArray, IntArray, Pool
from curalab.pseudo_labels._discovery import Found, compact, square_gaps
from curalab.pseudo_labels._matching import counted, matched

__all__ = ["answer"]

_HELD_OUT = 0.25
_TAILS = (0.1, 0.05, 0.02, 0.01)  # shares of the rehearsal's rows that are far, and farther
_BEYOND = 2.0  # odd at any rate: so many times as far as the last of these
_ODD, _ASIDE = 0.9, 0.4  # a row is odd by this chance at most; is set aside from that
_DOUBT = 1.64  # standard errors that a count of far rows is lowered by
_LARGE = 5_000
_ENOUGH = 20  # rows that tell what is far
_NONE = 1_000_000  # no cluster
_EVENTS = 10.0  # hidden classes that say half of what many would on how often one is missed


class Calibration(NamedTuple):
    """How gaps between distances become chances; see `_calibrated`."""

    slope: float
    offset: float
    known: tuple[float, float]  # sharpness, floor
    new: tuple[float, float]


def answer(
    pool: Pool,
    points: FloatArray,
    averaged: Callable[[FloatArray], FloatArray],
    discover: Callable[[IntArray, np.random.Generator], Found],
    rng: np.random.Generator,
) -> tuple[FloatArray, dict[str, Any]]:
    """Discover, rehearse on hidden classes to calibrate, and return what a method returns.

    `averaged` makes of new rows what `points` are of the pool's.
    """
    codes, n_known = compact(pool.codes)
    found = discover(codes, rng)
    free = codes < 0
    n_new = len(found.centres) - n_known
    share_new = found.n_rows[n_known:].sum() / max(free.sum(), 1)
    calibration, seen = _rehearsed(points, codes, discover, share_new, rng)
    columns = np.unique(pool.codes[pool.is_labelled])
    columns = np.concatenate([columns, len(pool.classes) + np.arange(n_new)])

    def gaps(points: FloatArray) -> FloatArray:
        return square_gaps(found.space.of(points), found.centres)

    gap = gaps(points)
    nearest = gap[free].min(axis=1)
    unit = _unit(nearest)
    odd = _oddness(nearest / unit, seen)

    def chances(gap: FloatArray) -> tuple[FloatArray, BoolArray]:
        small = _proba(gap, n_known, calibration)
        strange = odd(gap.min(axis=1) / unit)
        proba = np.zeros((len(gap), len(pool.classes) + n_new))
        proba[:, columns] = (1 - strange) * small + strange / small.shape[1]
        return proba, strange[:, 0] > _ASIDE

    proba, aside = chances(gap)
    return proba, {
        "n_new": n_new,
        "is_new_proba": np.where(free, proba[:, len(pool.classes) :].sum(axis=1), 0.0),
        "set_aside": aside & free,
        "calibration": calibration._asdict(),
        **found.details,
        "predict": lambda new: chances(gaps(averaged(new)))[0],
    }


def _nearest(points: FloatArray, found: Found) -> FloatArray:
    return np.asarray(square_gaps(found.space.of(points), found.centres).min(axis=1))


def _unit(nearest: FloatArray) -> float:
    """Return the median squared distance to the nearest cluster, which differs between spaces."""
    return max(float(np.median(nearest)), 1e-12) if len(nearest) else 1.0


def _oddness(gap: FloatArray, seen: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return what gives the chance that a row is of no class, by how far it is from all clusters.

    Where more rows are so far than there were in the rehearsal, the surplus is odd (a false
    discovery rate, in bins). A few single rows prove nothing so; they are odd if very far.
    """
    if len(seen) < _ENOUGH or not len(gap):
        return lambda far: np.zeros((len(far), 1))
    edges = np.quantile(seen, 1 - np.array(_TAILS))
    usual = -np.diff([*_TAILS, 0.0])
    count = np.bincount(np.searchsorted(edges, gap), minlength=len(edges) + 1)[1:]
    there = np.maximum(count - _DOUBT * np.sqrt(count), 1e-9) / len(gap)
    surplus = np.maximum.accumulate(np.clip(1 - usual / there, 0, _ODD))
    chance = np.concatenate([[0.0], surplus])
    return lambda far: np.where(
        far > _BEYOND * edges[-1], _ODD, chance[np.searchsorted(edges, far)]
    )[:, None]


def _rehearsed(
    points: FloatArray,
    codes: IntArray,
    discover: Callable[[IntArray, np.random.Generator], Found],
    share_new: float,
    rng: np.random.Generator,
) -> tuple[Calibration, FloatArray]:
    """Hide some of the classes, discover, and calibrate on what was hidden; a few times.

    Also returns how far the rows of hidden classes were from the nearest cluster, by `_unit`.
    """
    n_known = int(codes.max()) + 1
    n_folds = int(np.clip(n_known, 2, 5))
    fold = rng.permutation(np.arange(n_known) % n_folds)
    held = (rng.random(len(codes)) < _HELD_OUT) & (codes >= 0)
    seen: list[tuple[FloatArray, IntArray, int]] = []
    far: list[FloatArray] = []
    for number in range(min(n_folds, 5 if len(codes) < _LARGE else 3) if (codes < 0).any() else 0):
        hidden = (codes >= 0) & (fold[codes] == number)
        kept, n_kept = compact(np.where(hidden | held, -1, codes))
        if n_kept < 1:
            continue
        found = discover(kept, rng)
        rows = np.flatnonzero((codes >= 0) & (kept < 0))
        gap = square_gaps(found.space.of(points[rows]), found.centres)
        right = _right(codes, kept, rows, gap.argmin(axis=1), n_kept)
        unit = _unit(_nearest(points[kept < 0], found))
        far.append(gap.min(axis=1)[right >= n_kept] / unit)
        seen.append((gap, right, n_kept))
    n_hidden = n_known * len(seen) // n_folds
    return _calibrated(seen, share_new, n_hidden), np.concatenate([np.zeros(0), *far])


def _right(
    codes: IntArray, kept: IntArray, rows: IntArray, cluster: IntArray, n_kept: int
) -> IntArray:
    """Return the right cluster of each row: of its class, or matched to it; _NONE is no cluster."""
    column = np.full(int(codes.max()) + 1, _NONE)
    column[codes[kept >= 0]] = kept[kept >= 0]
    new = (column[codes[rows]] == _NONE) & (cluster >= n_kept)
    shape = len(column), max(int(cluster.max(initial=0)) + 1 - n_kept, 1)
    to = matched(counted(codes[rows[new]], cluster[new] - n_kept, shape))
    column[to >= 0] = n_kept + to[to >= 0]
    return np.asarray(column[codes[rows]])


def _calibrated(
    seen: list[tuple[FloatArray, IntArray, int]], share_new: float, n_hidden: int
) -> Calibration:
    """Fit the chance of being new by its slope and offset, that within either side by two more.

    A hidden class that was split, or found together with another, is one event, though it makes
    hundreds of rows wrong: such rows count by how many classes were hidden in all.
    """
    from scipy.optimize import minimize

    if not seen:
        return Calibration(0.5, 0.0, (0.5, 0.01), (0.5, 0.1))
    lead = np.concatenate([_lead(gap, n) for gap, _, n in seen])
    is_new = np.concatenate([right >= n for _, right, n in seen])
    share = np.clip(share_new, 0.02, 0.98)
    weight = np.where(
        is_new, share / max(is_new.mean(), 1e-9), (1 - share) / max((~is_new).mean(), 1e-9)
    )

    def loss(theta: FloatArray) -> float:
        z = theta[0] * lead + theta[1]
        each = np.logaddexp(0, np.where(is_new, -z, z))
        return float(weight @ each + (theta[0] - 0.5) ** 2 + 0.1 * theta[1] ** 2)

    slope, offset = minimize(loss, np.array([0.2, 0.0]), method="Nelder-Mead").x
    known = [(g[r < n, :n], r[r < n], np.ones((r < n).sum())) for g, r, n in seen]
    new = [(g[r >= n, n:], r[r >= n] - n) for g, r, n in seen if g.shape[1] > n]
    say = n_hidden / (n_hidden + _EVENTS)
    found = [(gap, right, np.where(_found_whole(gap, right), 1.0, say)) for gap, right in new]
    sides = [_side(part) for part in (known, found)]
    return Calibration(max(float(slope), 0.0), float(offset), sides[0], sides[1])


def _found_whole(gap: FloatArray, right: IntArray) -> BoolArray:
    """Return which rows are of a class that has a cluster, and nearest to one that has a class."""
    return np.asarray(np.isin(gap.argmin(axis=1), right) & (right < gap.shape[1]))


def _side(parts: list[tuple[FloatArray, IntArray, FloatArray]]) -> tuple[float, float]:
    """Return the sharpness and floor of the likeliest mix of a softmax and equal shares.

    Each part has gaps, the right column and the weight of its rows.
    """
    best, chosen = np.inf, (0.5, 0.05)
    parts = [part for part in parts if part[0].shape[1] > 1 and len(part[0])]
    for sharp in (0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0) if parts else ():
        for floor in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4):
            loss = 0.0
            for gap, right, weight in parts:
                soft = _softmax(gap, sharp)
                there = right < gap.shape[1]
                hit = np.where(there, soft[np.arange(len(gap)), np.where(there, right, 0)], 0.0)
                loss -= weight @ np.log((1 - floor) * hit + floor / gap.shape[1])
            if loss < best:
                best, chosen = loss, (sharp, floor)
    return chosen


def _softmax(gap: FloatArray, sharp: float) -> FloatArray:
    soft = np.exp(-0.5 * sharp * (gap - gap.min(axis=1, keepdims=True)))
    return np.asarray(soft / soft.sum(axis=1, keepdims=True))


def _lead(gap: FloatArray, n_known: int) -> FloatArray:
    """Return by how much the nearest new cluster is nearer than the nearest known one."""
    if gap.shape[1] == n_known:
        return np.full(len(gap), -50.0)
    lead = gap[:, :n_known].min(axis=1) - gap[:, n_known:].min(axis=1)
    return np.asarray(np.clip(lead / 2, -50, 50))


def _proba(gap: FloatArray, n_known: int, how: Calibration) -> FloatArray:
    n = gap.shape[1]
    new = 1 / (1 + np.exp(-np.clip(how.slope * _lead(gap, n_known) + how.offset, -30, 30)))
    proba = np.zeros(gap.shape)
    for side, (sharp, floor), p in (
        (slice(0, n_known), how.known, 1 - new if n > n_known else np.ones(len(gap))),
        (slice(n_known, n), how.new, new),
    ):
        part = gap[:, side]
        if part.shape[1]:
            soft = (1 - floor) * _softmax(part, sharp) + floor / part.shape[1]
            proba[:, side] = p[:, None] * soft
    return proba
