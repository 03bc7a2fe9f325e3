"""Clusters of rows that become frequent and rare together, from domain to domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import check_integer
from curalab.heads import folds_of, out_of_fold_proba
from curalab.neighbors import nearest
from curalab.pool import FloatArray, IntArray, Pool, group_codes

__all__ = ["LatentShift"]

_BINS = 2  # for each cluster
_NUMBERS = 40  # numbers of clusters tried
_DEALS = 2  # of the rows into halves, for each number
_STEPS = 200  # of a factorisation; it settles long before
_LEAST = 1e-6  # share: a product with 0 stays 0
_NEAREST = 10  # rows that say what a new row is
_HINT = (
    "Clusters are told apart by their shares of the domains: there can be no more of them than "
    "domains, or than rows that differ."
)


@dataclass(frozen=True, kw_only=True)
class LatentShift:
    """Group rows that become frequent and rare together, from domain to domain.

    For a pool with `groups` (sites, sources, months) in which the same classes have other shares.
    Rows of a class need not be alike, and classes may overlap: what counts is that their share
    shifts together. Every row belongs to a cluster. Strength is the probability of the row's
    cluster, given its vector and its domain.

    Parameters
    ----------
    n_clusters : int, default=None
        At most the number of domains. None takes the number whose factorisation of one half of
        the rows makes the other half most likely; the curve is in ``details["numbers"]``.
    n_bins : int, default=None
        Parts into which the rows are cut before they are counted, `n_clusters` or more. None takes
        twice the clusters, or twice the domains where the number is to be chosen.

    Notes
    -----
    A classifier that did not see the row gives p(d|x), the probability of each domain. Rows with
    like probabilities make a bin. Counts of the bins in each domain are factorised,
    p(bin|d) = Σ p(bin|y) p(y|d), and p_d(y|x) follows from p(y|d) and p(d|x) by Bayes' rule.
    ``details["domain_share"]`` holds p(y|d): domains by clusters. ``result.predict(new)`` takes
    new rows as if from all domains alike; it averages p(y|x) over the ten nearest rows.

    The clusters are right where p(x|y) is the same in all domains and each class has rows like no
    other class's. Two classes with the same shares everywhere become one cluster. The number found
    is too small where domains differ little and have few rows: of 20 intents it finds 13 to 19 in
    40 domains of 40 rows that differ much, 1 or 2 where they differ little. A single cluster says
    that the domains look alike.

    References
    ----------
    .. [1] Roberts, Mani, Garg, Lipton (2022), "Unsupervised Learning under Latent Label Shift",
       NeurIPS, arXiv:2207.13179. (There a deep classifier, the number given, factors of least
       squares from a random start, and p(y|x) by a pseudo-inverse. Here a kernel classifier; bins
       of the roots of its probabilities; factors and p(y|x) of least Kullback-Leibler divergence,
       which suits counts; and a start with one group of like rows a cluster, since with as many
       clusters as domains many factors fit, and those near such groups are the ones meant.)
    """

    needs: ClassVar[tuple[str, ...]] = ("groups",)
    cost: ClassVar[str] = "a classifier of the domains: 10 s for 10,000 rows in 10"

    n_clusters: int | None = None
    n_bins: int | None = None

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, dict[str, Any]]:
        """Return labels and strength in [0, 1], each (n_items,)."""
        domain, names = group_codes(pool)
        points, metric = pool.embedding.points, pool.embedding.metric
        most = min(len(names), len(np.unique(points, axis=0)))
        number = self.n_clusters
        if number is not None:
            number = check_integer("n_clusters", number, low=1, high=most, hint=_HINT)
        if self.n_bins is not None:
            most = min(most, check_integer("n_bins", self.n_bins, low=number or 1))
        proba, _ = out_of_fold_proba(points, domain, len(names), rng=rng)
        rows = _Rows(proba, domain, seed=int(rng.integers(2**31)))
        details: dict[str, Any] = {}
        if number is None:
            most = most if rows.tell_domains() else 1
            number, details["numbers"] = rows.choose(most, self.n_bins or _BINS * most, rng=rng)
        share = rows.domain_share(number, self.n_bins or _BINS * number)
        of_domain = share / share.sum(axis=0)  # p(d|y), domains of one size
        anywhere = _mixed(rows.flat, of_domain)
        own = _to_one(anywhere * of_domain[domain])  # p_d(y|x) in the row's own domain
        details["domain_share"] = pd.DataFrame(share, index=pd.Index(names, name="domain"))

        def predict(new: FloatArray) -> IntArray:
            near = nearest(points, min(_NEAREST, len(points)), metric=metric, queries=new).indices
            return np.asarray(anywhere[near].mean(axis=1).argmax(axis=1))

        return own.argmax(axis=1), own.max(axis=1), {**details, "predict": predict}


class _Rows:
    """What the classifier says of each row, and the domain that it comes from."""

    def __init__(self, proba: FloatArray, domain: IntArray, *, seed: int) -> None:
        self.domain, self.seed = domain, seed
        self.flat = _to_one(proba / np.bincount(domain))  # p(d|x), domains of one size
        self.roots = np.sqrt(self.flat)  # so that 0.01 is as far from 0.03 as 0.5 from 0.6
        self.n_distinct = len(np.unique(self.roots, axis=0))
        self._cuts: dict[int, IntArray] = {}

    def tell_domains(self) -> bool:
        """Whether vectors foretell the domain better than sizes do, by two standard errors."""
        own = self.flat[np.arange(len(self.domain)), self.domain]
        gain = np.log(np.maximum(own * self.flat.shape[1], _LEAST))
        return bool(gain.mean() > 2 * gain.std() / np.sqrt(len(gain)))

    def domain_share(self, number: int, n_bins: int) -> FloatArray:
        """Return p(y|d), shape (n_domains, number)."""
        bins = self._cut(n_bins)
        share, _ = self._factors(self._counts(bins), bins, number)
        return _to_one(share + _LEAST)

    def choose(
        self, most: int, n_bins: int, *, rng: np.random.Generator
    ) -> tuple[int, pd.DataFrame]:
        """Return the number that foretells counts of rows left out best, and the curve."""
        bins = self._cut(n_bins)
        numbers = np.unique(np.geomspace(1, most, _NUMBERS).round().astype(int))
        told = np.zeros(len(numbers))
        for _ in range(_DEALS):
            half = folds_of(self.domain, 2, rng=rng)
            seen, left = (self._counts(bins, half == side) for side in (0, 1))
            for at, number in enumerate(numbers):
                told[at] += self._foretold(seen, left, bins, number)
                told[at] += self._foretold(left, seen, bins, number)
        told /= _DEALS * len(bins)
        table = pd.DataFrame({"n_clusters": numbers, "log_likelihood": told})
        return int(numbers[told.argmax()]), table

    def _foretold(self, seen: FloatArray, left: FloatArray, bins: IntArray, number: int) -> float:
        share, parts = self._factors(seen, bins, number)
        half_a_row = 0.5 / seen.shape[1] / seen.sum(axis=1, keepdims=True)  # more than was seen
        return float((left * np.log(_to_one(share @ parts + half_a_row))).sum())

    def _factors(
        self, counts: FloatArray, bins: IntArray, number: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return p(y|d) and p(bin|y)."""
        member = np.eye(number)[self._cut(number)]
        share = self.flat.T @ member / len(bins) + _LEAST
        parts = _to_one(member.T @ np.eye(counts.shape[1])[bins] + 0.01)
        found, parts = _factorised(_to_one(counts), share, parts)
        return _to_one(found * parts.sum(axis=1)), _to_one(parts)

    def _cut(self, number: int) -> IntArray:
        """Return the bin of each row, made once for each number of them."""
        from sklearn.cluster import KMeans

        number = min(number, self.n_distinct)
        if number not in self._cuts:
            bins = KMeans(number, n_init=3, random_state=self.seed).fit_predict(self.roots)
            self._cuts[number] = np.asarray(bins)
        return self._cuts[number]

    def _counts(self, bins: IntArray, chosen: Any = slice(None)) -> FloatArray:
        counts = np.zeros((self.flat.shape[1], int(bins.max()) + 1))
        np.add.at(counts, (self.domain[chosen], bins[chosen]), 1)
        return counts


def _mixed(flat: FloatArray, of_domain: FloatArray) -> FloatArray:
    """Return p(y|x), with p(d|x) as near as can be to Σ p(d|y) p(y|x)."""
    n, number = len(flat), of_domain.shape[1]
    start = np.full((n, number), 1 / number)
    return _to_one(_factorised(flat, start, of_domain.T.copy(), both=False)[0] + _LEAST)


def _factorised(
    whole: FloatArray, left: FloatArray, right: FloatArray, *, both: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Return non-negative factors of least Kullback-Leibler divergence, from this start."""
    from sklearn.decomposition import non_negative_factorization

    left, right, _ = non_negative_factorization(
        whole,
        W=left if both else None,
        H=right,
        n_components=len(right),
        init="custom",
        update_H=both,
        solver="mu",
        beta_loss="kullback-leibler",
        tol=0,
        max_iter=_STEPS,
    )
    return left, right


def _to_one(table: FloatArray) -> FloatArray:
    """Return the table with rows that sum to 1."""
    return np.asarray(table / np.maximum(table.sum(axis=1, keepdims=True), np.finfo(float).tiny))
