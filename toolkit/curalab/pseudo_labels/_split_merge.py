"""Whether two groups of rows are two classes or one: clusters are split and merged by it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from curalab.pool import FloatArray, IntArray
from curalab.pseudo_labels._discovery import Space, compact, space_of, square_gaps

__all__ = ["Prior", "Scale", "moved", "prior_of", "scale_of"]

_FEWEST = 5  # rows of a half, as in the paper
_FREEDOM = (3.0, 10.0, 30.0, 100.0, 300.0)
_FOLDS = 5
_LLOYD = 20
_STRAY = 50.0  # a class that is new holds one in so many of the labelled rows beside it
_SURE = 4.0  # log odds from halves of a class to two classes; labelled rows say no more
_SPREAD = 0.7  # of the log size of classes, before any is seen,
_HELD = 2.0  # and its weight in classes


class Prior(NamedTuple):
    """A normal-inverse-Wishart prior of a cluster: its mean is 0, its scatter is about I."""

    n_dims: int
    freedom: float  # beyond n_dims + 1
    strength: float  # kappa, of the mean

    def evidence(self, rows: FloatArray) -> float:
        """Return the log marginal likelihood of the rows as one cluster."""
        from scipy.special import multigammaln

        n, d = rows.shape
        nu = d + 1 + self.freedom
        middle = rows.mean(axis=0)
        off = rows - middle
        scatter = off.T @ off + self.freedom * np.eye(d)
        scatter += self.strength * n / (self.strength + n) * np.outer(middle, middle)
        value = d / 2 * np.log(self.strength / (self.strength + n)) - n * d / 2 * np.log(np.pi)
        value += nu / 2 * d * np.log(self.freedom) - (nu + n) / 2 * np.linalg.slogdet(scatter)[1]
        return float(value + multigammaln((nu + n) / 2, d) - multigammaln(nu / 2, d))

    def gain(self, a: FloatArray, b: FloatArray) -> float:
        """Return the log Hastings ratio of two clusters against one, a row (of equal halves)."""
        from scipy.special import gammaln

        ratio = gammaln(len(a)) + gammaln(len(b)) - gammaln(len(a) + len(b))
        ratio += self.evidence(a) + self.evidence(b) - self.evidence(np.concatenate([a, b]))
        return float(ratio * (len(a) + len(b)) / (4 * len(a) * len(b)))


def prior_of(z: FloatArray, codes: IntArray, space: Space) -> Prior:
    """Return the prior under which the labelled classes are likeliest."""
    classes = [z[codes == code] for code in np.unique(codes[codes >= 0])]
    made = [Prior(z.shape[1], f, 1 / max(float(space.gain.mean()) - 1, 0.1)) for f in _FREEDOM]
    return max(made, key=lambda prior: sum(prior.evidence(rows) for rows in classes))


class Scale(NamedTuple):
    """The gain at which one class is as likely as two, and how much gain is a unit of log odds."""

    limit: float
    unit: float


def scale_of(points: FloatArray, codes: IntArray, told: dict[str, Any]) -> Scale:
    """Return the scale on which halves of a hidden class and two classes lie far apart."""
    n_known = int(codes.max()) + 1
    one, two = [], []
    for fold in range(min(_FOLDS, n_known)):
        hidden = np.flatnonzero(np.arange(n_known) % _FOLDS == fold)
        kept = compact(np.where(np.isin(codes, hidden), -1, codes))[0]
        if kept.max() < 0:
            continue
        space = space_of(points, kept, **told)
        classes = [space.of(points[codes == code]) for code in range(n_known)]
        prior = prior_of(space.of(points), kept, space)
        means = np.stack([rows.mean(axis=0) for rows in classes])
        for code in hidden:
            if len(classes[code]) <= _FEWEST:
                continue
            a, b = _halves(classes[code])
            if min(len(a), len(b)) > 2:
                one.append(prior.gain(a, b))
            gap = np.square(means - means[code]).sum(axis=1)
            gap[code] = np.inf
            two.append(prior.gain(classes[code], classes[int(gap.argmin())]))
    if not one or not two:
        return Scale(0.0, 0.0)
    low, high = float(np.median(one)), float(np.median(two))
    return Scale((low + high) / 2, max(high - low, 0.0) / _SURE)


def moved(
    z: FloatArray,
    codes: IntArray,
    cluster: IntArray,
    centres: FloatArray,
    prior: Prior,
    scale: Scale,
) -> FloatArray | None:
    """Split and merge where it pays; return the centres, None where nothing pays."""
    n, n_known = len(centres), int(codes.max()) + 1
    sizes = _Sizes.of(np.bincount(cluster, minlength=n)[:n_known])

    def are_two(a: FloatArray, b: FloatArray, heard: float) -> bool:
        more = sizes.odds(len(a)) + sizes.odds(len(b)) - sizes.odds(len(a) + len(b))
        return prior.gain(a, b) + scale.unit * (more + heard) > scale.limit

    better, added, touched = centres.copy(), [], np.zeros(n, dtype=bool)
    for i in range(n):
        rows, labelled = z[cluster == i], codes[cluster == i] >= 0
        a, b, heard = _beside(rows, labelled) if labelled.any() else (*_halves(rows), 0.0)
        if min(len(a), len(b)) > _FEWEST and are_two(a, b, heard):
            touched[i] = True
            added.append(b.mean(axis=0))
            if i >= n_known:
                better[i] = a.mean(axis=0)
    gap = square_gaps(centres, centres)
    gap[np.arange(n), np.arange(n)] = gap[:n_known, :n_known] = np.inf
    nearest, kept = square_gaps(z, centres).argmin(axis=1), np.ones(n, dtype=bool)
    for i in n_known + np.argsort(gap[n_known:].min(axis=1), kind="stable"):
        other = int(gap[i].argmin())
        if touched[i] or touched[other] or not np.isfinite(gap[i, other]):
            continue
        a, b = z[cluster == i], z[cluster == other]
        if not are_two(a, b, _avoided(codes, nearest, int(i), other) if other < n_known else 0.0):
            touched[[i, other]], kept[i] = True, False
            if other >= n_known:
                better[other] = (len(a) * centres[i] + len(b) * centres[other]) / (len(a) + len(b))
    if not added and kept.all():
        return None
    return np.concatenate([better[kept], np.array(added).reshape(-1, z.shape[1])])


class _Sizes(NamedTuple):
    """What the sizes of the known classes say of the size of a class: Student's t of its log."""

    middle: float
    spread: float
    freedom: float

    @classmethod
    def of(cls, size: IntArray) -> _Sizes:
        log, n = np.log(np.maximum(size, 1)), len(size)
        middle = float(np.median(log))
        spread = 1.48 * np.median(np.abs(log - middle))  # some hold two classes, at first
        square = (_HELD * _SPREAD**2 + n * spread**2) / (_HELD + n) * (1 + 1 / n)
        return cls(middle, float(np.sqrt(square)), _HELD + n)

    def odds(self, size: int) -> float:
        """Return the log density at a size, less that at the likeliest."""
        off = (np.log(size) - self.middle) / self.spread
        return float(-(self.freedom + 1) / 2 * np.log1p(off**2 / self.freedom))


def _halves(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Part rows by 2-means, begun on either side of their mean along the widest direction."""
    if len(rows) < 2:
        return rows, rows[:0]
    off = rows - rows.mean(axis=0)
    side = _parted(rows, off @ np.linalg.eigh(off.T @ off)[1][:, -1] > 0)
    return rows[side], rows[~side]


def _beside(rows: FloatArray, labelled: Any) -> tuple[FloatArray, FloatArray, float]:
    """Part a known class by 2-means: its own half with all labelled rows, the other, log odds.

    The odds are those that the other half is no part of the class, by how many labelled rows fell
    into either.
    """
    if labelled.all():
        return rows, rows[:0], 0.0
    gap = np.square(rows - rows[labelled].mean(axis=0)).sum(axis=1)
    side = _parted(rows, labelled | (gap <= np.median(gap[~labelled])))
    if 2 * side[labelled].sum() < labelled.sum():
        side = ~side
    own = int(side[labelled].sum())
    odds = _unlike(own, int(side.sum()), int(labelled.sum()) - own, int((~side).sum()))
    return rows[side | labelled], rows[~side & ~labelled], odds


def _parted(rows: FloatArray, side: Any) -> Any:
    """Return the side of each row after 2-means that begins with these."""
    for _ in range(_LLOYD if side.any() and not side.all() else 0):
        a, b = rows[side].mean(axis=0), rows[~side].mean(axis=0)
        before, side = side, rows @ (a - b) > (a + b) @ (a - b) / 2
        if np.array_equal(side, before) or side.all() or not side.any():
            break
    return side


def _avoided(codes: IntArray, nearest: IntArray, new: int, known: int) -> float:
    """Return the log odds that a cluster is no part of a known class, by its labelled rows."""
    where = nearest[codes == known]
    return _unlike(
        int((where == known).sum()),
        int((nearest == known).sum()),
        int((where == new).sum()),
        int((nearest == new).sum()),
    )


def _unlike(labelled: int, n: int, labelled_other: int, n_other: int) -> float:
    """Return the log odds that another group has next to no labelled rows, not the same share."""
    from scipy.special import betaln

    def log_chance(hits: int, of: int, rare: float) -> float:
        return float(betaln(1 + hits, rare + of - hits) - betaln(1, rare))

    apart = log_chance(labelled, n, 1.0) + log_chance(labelled_other, n_other, _STRAY)
    alike = log_chance(labelled + labelled_other, n + n_other, 1.0)
    return float(np.clip(apart - alike, -_SURE, _SURE))
