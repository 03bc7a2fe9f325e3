"""Label errors in long-tailed sets, by classes modelled as Gaussians."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_integer, check_real
from curalab.label_errors._chance import beyond_chance
from curalab.label_errors._joint import label_issues
from curalab.pool import AnyArray, BoolArray, FloatArray, IntArray, Pool

__all__ = ["CalibratedGaussians"]

_FOLDS = 5
_MOST = 2_000  # rows drawn for a class; where more are missing, each of them weighs more
_FEWEST = 4  # rows of a class below which none of them can be told to be an outlier
_RULE = (
    "least quality, as many as the confident joint of labels and these probabilities estimates, "
    "where another label is suggested"
)


@dataclass(frozen=True, kw_only=True)
class CalibratedGaussians:
    """Held-out probability of the given label, from a head for which all classes are as large.

    For sets with a few large classes and many rare ones. A head trained on such a set hardly
    believes in a rare class, and calls its clean rows errors. Here each class is taken to be a
    Gaussian. Its mean and covariance come from the rows that carry its label, without the local
    outliers among them, since those are likely to be mislabelled. A tail class (below the median
    size) has too few rows for that, and borrows: a part `mix` of its mean and covariance is that
    of the `n_heads` head classes with the nearest means. Rows drawn from the Gaussians fill each
    class up to the size of the largest, and the head is trained on given and drawn rows.

    Ours: frozen vectors, reduced by principal components, in place of a network trained by
    contrast; so the paper's second calibration, which holds the network close to where contrast
    left it, and its mixup have nothing to act on. The covariance is shrunk after Ledoit and Wolf.
    The numbers of head classes and of what is borrowed, the head (linear, cross-fitted in five
    folds) and its use to rank labels are ours too. At most 2,000 rows a class are drawn, and weigh
    as many as are missing.

    Parameters
    ----------
    n_components : int, default=64
        Principal components kept, fewer where there are fewer rows or columns.
    n_neighbors : int, default=20
        Neighbours that the local outlier factor looks at, fewer in smaller classes.
    n_heads : int, default=3
        Head classes that a tail class borrows from, fewer where there are fewer.
    mix : float, default=0.5
        Part borrowed, from 0 (none) to 1.

    Notes
    -----
    ``details["proba"]`` has the probabilities, shape (n_items, n_classes), and ``details["tail"]``
    the tail classes. On digits (`patches`, 50:1) and banking77 (20:1) cut to long tails, with 20 %
    of the labels wrong and the wrong ones falling on classes by their size, the average precision
    among the rows that truly are of tail classes was .98 and .95, that of `consensus` .88 and .90,
    of `confident_learning` .25 and .86. Most of the gain is that all classes count alike: the
    probabilities of confident learning, divided by the frequency of the class, reached .99 and
    .98. Over all rows the gain is small or none (.98 and .98, `consensus` .99 and .97), and
    without a tail there is none.

    References
    ----------
    .. [1] Zhang, Zhao, Yao, Yuan, Huang (2023), "When Noisy Labels Meet Long Tail Dilemmas: A
       Representation Calibration Method", ICCV. arXiv:2211.10955.
    """

    cost: ClassVar[str] = "a head for each fold, and the outliers within each class"
    needs: ClassVar[str] = "labels"

    n_components: int = 64
    n_neighbors: int = 20
    n_heads: int = 3
    mix: float = 0.5

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, AnyArray, dict[str, Any]]:
        """Return quality in [0, 1] and suggested labels, each (n_items,)."""
        check_integer("n_components", self.n_components, low=1)
        check_integer("n_neighbors", self.n_neighbors, low=1)
        check_integer("n_heads", self.n_heads, low=1)
        check_real("mix", self.mix, low=0, high=1)
        judged, n_classes = np.flatnonzero(pool.is_labelled), len(pool.classes)
        codes = pool.codes[judged]
        points = _reduced(pool.embedding.points[judged], self.n_components, rng)
        proba = np.full((len(pool), n_classes), np.nan)
        proba[judged] = self._held_out(points, codes, n_classes, rng)
        quality, best = np.ones(len(pool)), np.zeros(len(pool), dtype=int)
        quality[judged] = proba[judged, codes]
        best[judged] = proba[judged].argmax(axis=1)
        estimated = int(label_issues(codes, proba[judged], "confident_learning").sum())
        is_error = np.zeros(len(pool), dtype=bool)
        is_error[judged[np.argsort(quality[judged], kind="stable")[:estimated]]] = True
        is_error &= best != pool.codes
        is_error, rule = beyond_chance(is_error, _RULE, proba[judged], codes)
        details: dict[str, Any] = {"is_error": is_error, "proba": proba}
        details["cut"] = {"rule": rule, "estimated": estimated}
        details["tail"] = [str(name) for name in pool.classes[_tail(codes, n_classes)]]
        return quality, pool.classes[best], details

    def _held_out(
        self, points: FloatArray, codes: IntArray, n_classes: int, rng: np.random.Generator
    ) -> FloatArray:
        """Return the probabilities of each row by the head of the other folds."""
        from curalab.heads import fit_head, folds_of

        is_typical = _typical(points, codes, self.n_neighbors)
        fold = folds_of(codes, max(2, min(_FOLDS, len(codes))), rng=rng)
        proba = np.zeros((len(codes), n_classes))
        for i in np.unique(fold):
            train = fold != i
            parts = self._filled(points[train], codes[train], is_typical[train], n_classes, rng)
            head = fit_head(parts[0], parts[1], n_classes, sample_weight=parts[2])
            proba[~train] = head.predict_proba(points[~train])
        return proba

    def _filled(
        self,
        points: FloatArray,
        codes: IntArray,
        is_typical: BoolArray,
        n_classes: int,
        rng: np.random.Generator,
    ) -> tuple[FloatArray, IntArray, FloatArray]:
        """Return given and drawn rows, their classes and their weights."""
        size = np.bincount(codes, minlength=n_classes)
        mean, spread = self._calibrated(points, codes, is_typical, n_classes)
        rows, told, weight = [points], [codes], [np.ones(len(codes))]
        for c in np.flatnonzero((size > 0) & (size < size.max())):
            missing = int(size.max() - size[c])
            n = min(missing, _MOST)
            drawn = rng.standard_normal((n, points.shape[1])) @ _root(spread[c]).T
            rows.append((mean[c] + drawn).astype(np.float32))
            told.append(np.full(n, c))
            weight.append(np.full(n, missing / n))
        return np.concatenate(rows), np.concatenate(told), np.concatenate(weight)

    def _calibrated(
        self, points: FloatArray, codes: IntArray, is_typical: BoolArray, n_classes: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return the mean (n_classes, d) and covariance (n_classes, d, d) of each class."""
        from sklearn.covariance import ledoit_wolf

        d = points.shape[1]
        own, spread = np.zeros((n_classes, d)), np.zeros((n_classes, d, d))
        for c in np.unique(codes):
            rows = points[(codes == c) & is_typical]
            rows = np.asarray(rows if len(rows) else points[codes == c], dtype=np.float64)
            own[c] = rows.mean(axis=0)
            if len(rows) > 1:
                spread[c] = ledoit_wolf(rows)[0]
        mean, shared = own.copy(), spread.copy()
        tail = _tail(codes, n_classes)
        heads = np.setdiff1d(codes, tail)
        for c in tail:
            gap = np.square(own[heads] - own[c]).sum(axis=1)
            near = heads[np.argsort(gap, kind="stable")[: self.n_heads]]
            mean[c] += self.mix * (own[near].mean(axis=0) - own[c])
            shared[c] += self.mix * (spread[near].mean(axis=0) - spread[c])
        return mean, shared


def _tail(codes: IntArray, n_classes: int) -> IntArray:
    """Return the classes with fewer rows than the median class has."""
    size = np.bincount(codes, minlength=n_classes)
    return np.flatnonzero((size > 0) & (size < np.median(size[size > 0])))


def _reduced(points: FloatArray, n_components: int, rng: np.random.Generator) -> FloatArray:
    from sklearn.decomposition import PCA

    n = min(n_components, *points.shape)
    model = PCA(n, random_state=int(rng.integers(2**31)))
    with np.errstate(invalid="ignore"):  # the share of the variance explained, where there is none
        return np.asarray(model.fit_transform(points), dtype=np.float32)


def _typical(points: FloatArray, codes: IntArray, n_neighbors: int) -> BoolArray:
    """Return which rows are no local outliers among the rows with their label."""
    from sklearn.neighbors import LocalOutlierFactor

    is_typical = np.ones(len(codes), dtype=bool)
    for c in np.unique(codes):
        rows = np.flatnonzero(codes == c)
        if len(rows) < _FEWEST:
            continue
        factor = LocalOutlierFactor(n_neighbors=min(n_neighbors, len(rows) - 1))
        with warnings.catch_warnings():  # copies are no outliers, however strange their densities
            warnings.filterwarnings("ignore", message="Duplicate values")
            is_typical[rows] = factor.fit_predict(points[rows]) == 1
    return is_typical


def _root(spread: FloatArray) -> FloatArray:
    """Return a matrix whose product with its transpose is the covariance, which may be flat."""
    value, vector = np.linalg.eigh(spread)
    return np.asarray(vector * np.sqrt(np.maximum(value, 0)))
