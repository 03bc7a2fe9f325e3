"""Discovery of new classes by splitting and merging Gaussian clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from curalab._check import check_integer, check_real
from curalab.pool import FloatArray, IntArray, Pool
from curalab.pseudo_labels._discovery import (
    Found,
    Space,
    begin,
    blurred,
    compact,
    constrained,
    in_order,
    space_of,
    square_gaps,
)
from curalab.pseudo_labels._rehearsal import answer

__all__ = ["CategoryDiscovery"]

_FEWEST = 5  # rows of a half, as in the paper
_FREEDOM = (3.0, 10.0, 30.0, 100.0, 300.0)
_FOLDS = 5
_LLOYD = 20


@dataclass(frozen=True, kw_only=True)
class CategoryDiscovery:
    """Gaussian clusters beside the known classes, split and merged until it no longer pays (GPC).

    Each row is averaged with its neighbours, and a linear map makes the known classes round. Then,
    a few rounds: k-means in which labelled rows stay; each cluster is split in two where the two
    halves are likelier, and each new one merged with its nearest where one is likelier. What a
    known class takes up of the unlabelled rows may be split off too. After each round the map is
    learned anew, with the clusters as classes.

    Probabilities are calibrated by what happens to known classes: a fifth of them is hidden and
    looked for among the unlabelled rows, three to five times, and the chance of being new and of
    being right is set to what it was there. Rows more than twice as far (by squared distance) from
    all clusters as all but 1 % of the rows looked at there are set aside: all classes become about
    equally likely, so that their label has little confidence.

    ``details`` has `n_new`, the number of new clusters in all `rounds`, the `limit` of a split,
    `is_new_proba` and `set_aside`, one a row, and `calibration`. New classes are ordered by size,
    largest first. A class of which no row is labelled gets probability 0.

    Parameters
    ----------
    k : int, default=10
        Neighbours that a row is averaged with; 0 takes the rows as they are.
    n_dims : int, default=None
        Dimensions of the map. None is twice the known classes, from 16 to 48.
    shrink : float, default=0.2
        How far the variance within classes is drawn to that of a ball, from 0 to 1. Less trusts
        the known classes more to look like the new ones.
    start : float, default=1.5
        Clusters at the start, as a multiple of the known classes.
    n_rounds : int, default=10
        Rounds at most.

    Notes
    -----
    As in the paper: labelled rows fixed, constrained k-means, 2-means and log Hastings ratios of
    normal-inverse-Wishart marginals (concentration 1) for splits and merges. Different, and ours:
    the scatter and freedom of the prior are those under which the known classes are likeliest,
    since one fixed small scatter fits no two embeddings; a ratio counts a row of equal halves, and
    must pass not 0 but the middle between halves of one hidden class and two classes, since
    classes are not Gaussian and 0 splits each of them where rows are many; moves by chance are
    left out; merging with a known class is allowed; and the representation learned between rounds
    is a linear map on averaged rows in place of a contrastive network on images.

    References
    ----------
    .. [1] Zhao, Wen, Han (2023), "Learning Semi-supervised Gaussian Mixture Models for Generalized
       Category Discovery", ICCV. arXiv:2305.06144.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(200, 3)) + 9 * np.eye(5, 3)[np.arange(200) % 5]
    >>> labels = [["a", "b", "c", None, None][i % 5] if i < 100 else None for i in range(200)]
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> soft = cl.pseudo_label(emb, labels, method="category_discovery", random_state=0)
    >>> soft.classes.tolist()
    ['a', 'b', 'c', 'new_0']
    """

    cost: ClassVar[str] = "a neighbour pass and three runs of some dozen passes of k-means"
    needs: ClassVar[str] = "labels"

    k: int = 10
    n_dims: int | None = None
    shrink: float = 0.2
    start: float = 1.5
    n_rounds: int = 10

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes + n_new)."""
        check_integer("k", self.k, low=0)
        if self.n_dims is not None:
            check_integer("n_dims", self.n_dims, low=1)
        check_real("shrink", self.shrink, low=0, high=1)
        check_real("start", self.start, low=1, high=10)
        check_integer("n_rounds", self.n_rounds, low=1)
        k = min(self.k, len(pool) - 1)
        points = blurred(pool, k)
        return answer(pool, k, points, lambda codes, rng: self._found(points, codes, rng), rng)

    def _found(self, points: FloatArray, codes: IntArray, rng: np.random.Generator) -> Found:
        n_known, free = int(codes.max()) + 1, codes < 0
        n_dims = self.n_dims or int(np.clip(2 * n_known, 16, 48))
        told: dict[str, Any] = {"n_dims": n_dims, "shrink": self.shrink}
        limit = _limit(points, codes, told)
        space = space_of(points, codes, **told)
        z = space.of(points)
        centres = begin(z, codes, int(np.ceil(self.start * n_known)), rng)
        sizes = []
        for number in range(self.n_rounds):
            cluster, centres = constrained(z, codes, centres)
            sizes.append(len(centres) - n_known)
            moved = _moved(
                z, codes, cluster, centres, _prior(z, cluster * ~free - free, space), limit
            )
            if moved is None:
                break
            cluster, centres = constrained(z, codes, moved)
            if number < self.n_rounds - 1:
                space = space_of(points, cluster, **told)
                z = space.of(points)
                centres = np.stack([z[cluster == i].mean(axis=0) for i in range(len(centres))])
        cluster, centres = constrained(z, codes, centres)
        details = {"limit": limit, "rounds": sizes}
        return in_order(space, z, codes, cluster, centres, details)


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


def _prior(z: FloatArray, codes: IntArray, space: Space) -> Prior:
    """Return the prior under which the labelled classes are likeliest."""
    classes = [z[codes == code] for code in np.unique(codes[codes >= 0])]
    made = [Prior(z.shape[1], f, 1 / max(float(space.gain.mean()) - 1, 0.1)) for f in _FREEDOM]
    return max(made, key=lambda prior: sum(prior.evidence(rows) for rows in classes))


def _halves(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Part rows by 2-means, begun on either side of their mean along the widest direction."""
    if len(rows) < 2:
        return rows, rows[:0]
    off = rows - rows.mean(axis=0)
    side = off @ np.linalg.eigh(off.T @ off)[1][:, -1] > 0
    for _ in range(_LLOYD if side.any() and not side.all() else 0):
        a, b = rows[side].mean(axis=0), rows[~side].mean(axis=0)
        before, side = side, rows @ (a - b) > (a + b) @ (a - b) / 2
        if np.array_equal(side, before) or side.all() or not side.any():
            break
    return rows[side], rows[~side]


def _limit(points: FloatArray, codes: IntArray, told: dict[str, Any]) -> float:
    """Return the gain between those of halves of a hidden class and of two classes."""
    n_known = int(codes.max()) + 1
    one, two = [], []
    for fold in range(min(_FOLDS, n_known)):
        hidden = np.flatnonzero(np.arange(n_known) % _FOLDS == fold)
        kept = compact(np.where(np.isin(codes, hidden), -1, codes))[0]
        if kept.max() < 0:
            continue
        space = space_of(points, kept, **told)
        classes = [space.of(points[codes == code]) for code in range(n_known)]
        prior = _prior(space.of(points), kept, space)
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
    return float(np.median(one) + np.median(two)) / 2 if one and two else 0.0


def _moved(
    z: FloatArray,
    codes: IntArray,
    cluster: IntArray,
    centres: FloatArray,
    prior: Prior,
    limit: float,
) -> FloatArray | None:
    """Split and merge where it pays; return the centres, None where nothing pays."""
    n, n_known = len(centres), int(codes.max()) + 1
    moved, added, split = centres.copy(), [], np.zeros(n, dtype=bool)
    for i in range(n):
        known = z[(cluster == i) & (codes >= 0)]
        a, b = _halves(z[(cluster == i) & (codes < 0)])
        if (
            len(known) and len(a) and len(b)
        ):  # a known class gives away the half that is farther from it
            middle = known.mean(axis=0)
            if np.square(a.mean(axis=0) - middle).sum() > np.square(b.mean(axis=0) - middle).sum():
                a, b = b, a
            a = np.concatenate([known, a])
        if min(len(a), len(b)) > _FEWEST and prior.gain(a, b) > limit:
            split[i] = True
            added.append(b.mean(axis=0))
            if i >= n_known:
                moved[i] = a.mean(axis=0)
    gap = square_gaps(centres, centres)
    gap[np.arange(n), np.arange(n)] = gap[:n_known, :n_known] = np.inf
    kept, touched = np.ones(n, dtype=bool), split.copy()
    for i in n_known + np.argsort(gap[n_known:].min(axis=1), kind="stable"):
        other = int(gap[i].argmin())
        if touched[i] or touched[other] or not np.isfinite(gap[i, other]):
            continue
        a, b = z[cluster == i], z[cluster == other]
        if prior.gain(a, b) < limit:
            touched[[i, other]], kept[i] = True, False
            if other >= n_known:
                moved[other] = (len(a) * centres[i] + len(b) * centres[other]) / (len(a) + len(b))
    if not added and kept.all():
        return None
    return np.concatenate([moved[kept], np.array(added).reshape(-1, z.shape[1])])
