"""Discovery of new classes with settings tuned on known classes that are hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from curalab._check import check_integer
from curalab.pool import FloatArray, IntArray, Pool
from curalab.pseudo_labels._discovery import (
    Found,
    averaged,
    begin,
    compact,
    constrained,
    in_order,
    space_of,
    square_gaps,
)
from curalab.pseudo_labels._matching import share_matched
from curalab.pseudo_labels._rehearsal import answer

__all__ = ["HiddenClassDiscovery"]

_GRID: list[dict[str, Any]] = [
    {"n_dims": d, "shrink": s} for d in (8, 16, 32, 64) for s in (0.05, 0.2, 0.5)
]
_STEP = 1.15  # between numbers of new classes
_RUNS, _LARGE = 3, 7_000
_ABOUT = (0.99, 1.0, 0.98, 0.97, 0.96, 0.95)  # shares of the clearest silhouette; first of ties


@dataclass(frozen=True, kw_only=True)
class HiddenClassDiscovery:
    """Clusters beside the known classes, in a space and number that known classes vouch for.

    A linear space is learned in which rows of one known class lie close, its settings by hiding a
    third of the known classes at a time: the space in which k-means, told their number, finds
    the hidden ones best. "NCD k-means" then starts from the means of the known classes, whose
    labelled rows stay. The number of new classes is the smallest whose clusters in that space are
    about as clear as the clearest (silhouette); how much "about" is, is tuned likewise.

    What it says is calibrated by the same trick: some known classes are hidden, looked for among
    the unlabelled rows, and the chance of being new, and of being right, is set to the share that
    was. Where more rows are far from all clusters than were then, the surplus belongs to no class:
    by that chance the classes of a row become equally likely, so that its label has little
    confidence, and from 0.4 it is set aside. Needs some labelled rows a class.

    ``details`` has `n_new`, `silhouette` by number, the `space` that was tuned, `is_new_proba` and
    `set_aside`, one a row, and `calibration`. New classes are ordered by size, largest first.

    Parameters
    ----------
    k : int, default=10
        Neighbours that a row is averaged with before all else; 0 takes the rows as they are.
    max_new : int, default=None
        Largest number of new classes tried. None is three times the known ones, 10 at least.

    Notes
    -----
    The paper's space is a small network that classifies known rows and restores all rows; its
    weights and depth are tuned. Here it is the linear map that spreads all rows most against the
    rows of one class, whose dimensions and regularisation are tuned: it takes well under a second
    to learn, so that the tuning and the calibration can be repeated for each pool. Ours too: that
    unlabelled rows may belong to known classes, averaging with neighbours, the smallest of about
    equally clear numbers, the calibration and the rows set aside. Spectral clustering, the paper's
    other baseline, is left out.

    References
    ----------
    .. [1] Troisemaine, Reiffers-Masson, Gosselin, Lemaire, Vaton (2023), "A Practical Approach to
       Novel Class Discovery in Tabular Data". arXiv:2311.05440.
    """

    cost: ClassVar[str] = "a neighbour pass and some hundred passes of k-means"
    needs: ClassVar[str] = "labels"

    k: int = 10
    max_new: int | None = None

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes + n_new)."""
        check_integer("k", self.k, low=0)
        if self.max_new is not None:
            check_integer("max_new", self.max_new, low=1)
        points, of = averaged(pool, min(self.k, len(pool) - 1), rng)
        codes, n_known = compact(pool.codes)
        tuned = _tuned(points, codes, rng)
        most = self.max_new or max(3 * n_known, 10)

        def discover(codes: IntArray, rng: np.random.Generator) -> Found:
            return _found(points, codes, tuned, most, rng)

        return answer(pool, points, of, discover, rng)


class Tuned(NamedTuple):
    """What hiding known classes chose."""

    space: dict[str, Any]
    about: float  # as clear as the clearest, as a share of it


def _tuned(points: FloatArray, codes: IntArray, rng: np.random.Generator) -> Tuned:
    """Return the settings with which hidden classes, and how many there are, are found best."""
    rows = np.flatnonzero(codes >= 0)
    seen, (truth, n_known) = points[rows], compact(codes[rows])
    fold = rng.permutation(np.arange(n_known) % 3)
    held = rng.random(len(rows)) < 0.5
    folds = [compact(np.where((fold[truth] == i) | held, -1, truth)) for i in range(3)]
    folds = [(kept, n_kept) for kept, n_kept in folds if 1 <= n_kept < n_known]
    right = np.zeros(len(_GRID))
    for i, told in enumerate(_GRID):
        for kept, _ in folds:
            z = space_of(seen, kept, **told).of(seen)
            cluster, _ = constrained(z, kept, begin(z, kept, n_known, rng))
            right[i] += share_matched(truth[kept < 0], cluster[kept < 0])
    told = _GRID[int(right.argmax())]
    off = np.zeros(len(_ABOUT))
    for kept, n_kept in folds:
        hidden = n_known - n_kept
        z = space_of(seen, kept, **told).of(seen)
        curve = {n: run[0] for n, run in _runs(z, kept, 2 * hidden + 1, rng).items()}
        off += [abs(np.log(_fewest(curve, about) / hidden)) if curve else 0.0 for about in _ABOUT]
    return Tuned(told, _ABOUT[int(off.argmin())])


def _fewest(curve: dict[int, float], about: float) -> int:
    """Return the smallest number that is about as clear as the clearest."""
    return min(n for n, clear in curve.items() if clear >= about * max(curve.values()))


def _best_of(
    z: FloatArray, codes: IntArray, n: int, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """Return the tightest of a few runs, of one where rows are many."""
    runs = [
        constrained(z, codes, begin(z, codes, n, rng))
        for _ in range(_RUNS if len(z) < _LARGE else 1)
    ]
    return min(runs, key=lambda run: float(np.square(z - run[1][run[0]]).sum()))


def _runs(
    z: FloatArray, codes: IntArray, most: int, rng: np.random.Generator
) -> dict[int, tuple[float, IntArray, FloatArray]]:
    """Return silhouette, clusters and centres by the number of new classes."""
    n_known, free = int(codes.max()) + 1, codes < 0
    made: dict[int, tuple[float, IntArray, FloatArray]] = {}
    number = 1
    while number <= most and free.any():
        cluster, centres = _best_of(z, codes, n_known + number, rng)
        n_new = len(centres) - n_known
        if n_new > 0:
            near = np.sqrt(np.partition(square_gaps(z[free], centres), 1, axis=1)[:, :2])
            clear = float((1 - near[:, 0] / np.maximum(near[:, 1], 1e-12)).mean())
            if n_new not in made or clear > made[n_new][0]:
                made[n_new] = clear, cluster, centres
        number = max(number + 1, round(number * _STEP))
    return made


def _found(
    points: FloatArray, codes: IntArray, tuned: Tuned, most: int, rng: np.random.Generator
) -> Found:
    space = space_of(points, codes, **tuned.space)
    z = space.of(points)
    made = _runs(z, codes, most, rng)
    curve = {n: run[0] for n, run in made.items()}
    if made:
        _, cluster, centres = made[_fewest(curve, tuned.about)]
    else:
        cluster, centres = constrained(z, codes, begin(z, codes, int(codes.max()) + 1, rng))
    details = {"silhouette": curve, "space": {**tuned.space, "about": tuned.about}}
    return in_order(space, z, codes, cluster, centres, details)
