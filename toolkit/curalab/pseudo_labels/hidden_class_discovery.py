"""Discovery of new classes with settings tuned on known classes that are hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_integer
from curalab.pool import FloatArray, IntArray, Pool
from curalab.pseudo_labels._discovery import (
    Found,
    answer,
    begin,
    blurred,
    compact,
    constrained,
    in_order,
    matched,
    space_of,
    square_gaps,
)

__all__ = ["HiddenClassDiscovery"]

_GRID: list[dict[str, Any]] = [
    {"n_dims": d, "shrink": s} for d in (8, 16, 32, 64) for s in (0.05, 0.2, 0.5)
]
_STEP = 1.15  # between numbers of new classes
_RUNS, _LARGE = 3, 7_000
_ABOUT = 0.97


@dataclass(frozen=True, kw_only=True)
class HiddenClassDiscovery:
    """Clusters beside the known classes, in a space and number that known classes vouch for.

    A linear space is learned in which rows of one known class lie close, its settings by hiding a
    third of the known classes at a time: the space in which k-means, told their number, finds
    the hidden ones best. "NCD k-means" then starts from the means of the known classes, whose
    labelled rows stay. The number of new classes is the smallest whose clusters in that space are
    within 3 % of the clearest (silhouette).

    What it says is calibrated by the same trick: some known classes are hidden, looked for among
    the unlabelled rows, and the chance of being new, and of being right, is set to the share that
    was. Rows more than twice as far (by squared distance) from all clusters as all but 1 % of the
    rows looked at there are set aside: all classes become about equally likely, so that their
    label has little confidence. Needs some labelled rows a class.

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
        k = min(self.k, len(pool) - 1)
        points = blurred(pool, k)
        codes, n_known = compact(pool.codes)
        told = _tuned(points, codes, rng)
        most = self.max_new or max(3 * n_known, 10)

        def discover(codes: IntArray, rng: np.random.Generator) -> Found:
            return _found(points, codes, told, most, rng)

        return answer(pool, k, points, discover, rng)


def _tuned(points: FloatArray, codes: IntArray, rng: np.random.Generator) -> dict[str, Any]:
    """Return the settings of the space in which hidden classes are found best."""
    rows = np.flatnonzero(codes >= 0)
    truth, n_known = compact(codes[rows])
    fold = rng.permutation(np.arange(n_known) % 3)
    held = rng.random(len(rows)) < 0.5
    right = np.zeros(len(_GRID))
    for number in range(3):
        hidden = fold[truth] == number
        kept, n_kept = compact(np.where(hidden | held, -1, truth))
        if not 1 <= n_kept < n_known:
            continue
        for i, told in enumerate(_GRID):
            z = space_of(points[rows], kept, **told).of(points[rows])
            cluster, _ = constrained(z, kept, begin(z, kept, n_known, rng))
            right[i] += matched(truth, cluster, kept < 0)
    return _GRID[int(right.argmax())]


def _best_of(
    z: FloatArray, codes: IntArray, n: int, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """Return the tightest of a few runs, of one where rows are many."""
    runs = [
        constrained(z, codes, begin(z, codes, n, rng))
        for _ in range(_RUNS if len(z) < _LARGE else 1)
    ]
    return min(runs, key=lambda run: float(np.square(z - run[1][run[0]]).sum()))


def _found(
    points: FloatArray, codes: IntArray, told: dict[str, Any], most: int, rng: np.random.Generator
) -> Found:
    n_known, free = int(codes.max()) + 1, codes < 0
    space = space_of(points, codes, **told)
    z = space.of(points)
    curve: dict[int, float] = {}
    runs: dict[int, tuple[IntArray, FloatArray]] = {}
    number = 1
    while number <= most and free.any():
        cluster, centres = _best_of(z, codes, n_known + number, rng)
        n_new = len(centres) - n_known
        if n_new > 0 and len(centres) > 1:
            near = np.sqrt(np.partition(square_gaps(z[free], centres), 1, axis=1)[:, :2])
            clear = float((1 - near[:, 0] / np.maximum(near[:, 1], 1e-12)).mean())
            if clear > curve.get(n_new, -1.0):
                curve[n_new], runs[n_new] = clear, (cluster, centres)
        number = max(number + 1, round(number * _STEP))
    if runs:  # the curve is flat beyond the true number: the fewest that are about as clear
        clearest = max(curve.values())
        cluster, centres = runs[min(n for n in curve if curve[n] >= _ABOUT * clearest)]
    else:
        cluster, centres = constrained(z, codes, begin(z, codes, n_known, rng))
    return in_order(space, z, codes, cluster, centres, {"silhouette": curve, "space": told})
