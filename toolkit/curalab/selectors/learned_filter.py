"""Selection by a scorer that was trained to tell a target from the pool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import BoolArray, check_integer, check_labels
from curalab.heads import Head, fit_head, kernel_features
from curalab.pool import FloatArray, IntArray, Pool
from curalab.selectors._target import check_space
from curalab.selectors._top_k import best_rows

__all__ = ["LearnedFilter"]

_PENALTIES = (3.0, 1.0, 0.3)
_MOST = 5_000  # rows of the pool that one scorer trains on


@dataclass(frozen=True, kw_only=True)
class LearnedFilter:
    """Data filtering network: a small scorer of quality seeds against the pool; the top is kept.

    `target` holds the seeds. Scorers are linear heads on the vectors and on kernel features of
    them, with three penalties each. The paper's point is that a scorer is judged by the set that it
    induces, not by how well it tells its own training data apart:

    - where the pool has labels and `reference` is a Pool with labels, by the loss on the reference
      of a head trained on the rows that the scorer keeps;
    - else by the likelihood of seeds that the scorer did not train on, under the pool's rows
      weighted by p(seed) / p(pool): log of their mean weight relative to the pool's, averaged.

    No row of the pool is scored by a scorer that saw it as a negative (ours: the paper's pool is so
    large that it need not care; in a small one such a scorer learns its negatives by heart).

    Parameters
    ----------
    n_folds : int, default=3
        Parts into which pool and seeds are dealt; a scorer trains on all but one.

    Notes
    -----
    Gain is the log odds of being a seed. `details["scorers"]` is a DataFrame of the scorers tried:
    `features`, `penalty`, and the `criterion` by which they were compared (higher is better;
    NaN for a single seed, where the strongest penalty on the vectors is taken);
    `details["criterion"]` says which it is, and `details["scorer"]` which row was taken.

    References
    ----------
    .. [1] Fang, Jose, Jain, Schmidt, Toshev, Shankar (2024), "Data Filtering Networks", ICLR,
       arXiv:2309.17425.
    .. [2] Sugiyama, Nakajima, Kashima, Buenau, Kawanabe (2007), "Direct Importance Estimation with
       Model Selection and Its Application to Covariate Shift Adaptation", NIPS. The likelihood.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import LearnedFilter
    >>> x = np.random.default_rng(0).normal(size=(200, 5)) + 4 * np.eye(5)[np.arange(200) % 4]
    >>> pick = cl.select(x[20:], 30, target=x[:20:4], method=LearnedFilter(), random_state=0)
    >>> bool((pick.rows % 4 == 0).all())
    True
    """

    needs: ClassVar[tuple[str, ...]] = ("target",)
    cost: ClassVar[str] = "18 heads on up to 5,000 rows"

    n_folds: int = 3

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return the `k` rows likeliest to be seeds, their log odds, and the scorers tried."""
        check_integer("n_folds", self.n_folds, low=2)
        target: Any = pool.target
        check_space("target", target, pool.embedding)
        n, m = len(pool), len(target)
        n_folds = min(self.n_folds, n)
        if n_folds == 1:  # one row, and no other to train on
            return np.zeros(1, dtype=np.int64), {}
        fold = np.concatenate([rng.permutation(size) % n_folds for size in (n, m)])
        if m == 1:
            fold[-1] = -1  # never left out
        points = np.concatenate([pool.embedding.points, target.points])
        tried = list(_scorers(points, np.arange(n + m) >= n, fold, rng))
        criterion, values = _judged(tried, pool, k, m)
        best = 0 if np.isnan(values).all() else int(np.nanargmax(values))
        odds = tried[best].odds[:n]
        rows = best_rows(odds, pool, k, rng=rng)
        table = pd.DataFrame(tried)[["features", "penalty"]].assign(criterion=values)
        return rows, {
            "gain": odds[rows],
            "criterion": criterion,
            "scorers": table,
            "scorer": best,
        }


class _Scorer(NamedTuple):
    """A kind of head, and the log odds of being a seed that it gives rows it was not trained on."""

    features: str
    penalty: float
    odds: FloatArray


def _scorers(
    points: FloatArray, is_seed: BoolArray, fold: IntArray, rng: np.random.Generator
) -> Iterator[_Scorer]:
    """Try every kind of head; seeds and pool weigh the same in the training of each."""
    train = []
    for i in range(int(fold.max()) + 1):
        seeds = np.flatnonzero(is_seed & (fold != i))
        others = rng.permutation(np.flatnonzero(~is_seed & (fold != i)))[:_MOST]
        train.append(np.concatenate([seeds, np.sort(others)]))
    for features, x in (("vectors", points), ("kernel", kernel_features(points, rng=rng))):
        heads: dict[int, Head] = {}
        for penalty in _PENALTIES:
            odds = np.zeros(len(x))
            for i, rows in enumerate(train):
                code = is_seed[rows].astype(np.int64)
                weight = 1 / np.bincount(code)[code]
                heads[i] = head = fit_head(
                    x[rows], code, 2, penalty=penalty, sample_weight=weight, start=heads.get(i)
                )
                left = (fold == i) | (fold < 0)
                logits = (x[left] - head.centre) @ (head.weight / head.scale) + head.bias
                odds[left] = logits[:, 1] - logits[:, 0]
            yield _Scorer(features, penalty, odds)


def _judged(tried: list[_Scorer], pool: Pool, k: int, n_seeds: int) -> tuple[str, FloatArray]:
    """Return by what the scorers are compared, and the value of each; higher is better."""
    clean = pool.reference
    if pool.is_labelled.any() and clean is not None and clean.labels is not None:
        value = [-_downstream_loss(one.odds[: len(pool)], pool, clean, k) for one in tried]
        return "minus the loss on the reference", np.array(value)
    if n_seeds == 1:
        return "none", np.full(len(tried), np.nan)
    value = [_likelihood(one.odds[: len(pool)], one.odds[len(pool) :]) for one in tried]
    return "likelihood of seeds left out", np.array(value)


def _likelihood(odds: FloatArray, odds_of_seeds: FloatArray) -> float:
    """Return the mean log weight of the seeds, the weights p(seed) / p(pool) made 1 on average."""
    top = odds.max()
    return float(odds_of_seeds.mean() - top - np.log(np.exp(odds - top).mean()))


def _downstream_loss(odds: FloatArray, pool: Pool, clean: Pool, k: int) -> float:
    """Return the loss on clean rows of a head trained on the best `k` rows that have a label."""
    known = check_labels(clean.labels, classes=pool.classes, name="reference")[1]
    labelled = np.flatnonzero(pool.is_labelled)
    kept = labelled[np.argsort(-odds[labelled], kind="stable")[:k]]
    head = fit_head(pool.embedding.points[kept], pool.codes[kept], len(pool.classes))
    rows = np.flatnonzero(known >= 0)
    proba = head.predict_proba(clean.embedding.points[rows])[np.arange(len(rows)), known[rows]]
    return float(-np.log(np.maximum(proba, 1e-12)).mean())
