"""Selection of rows to have labelled for an anomaly detector, and that detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import BoolArray, check_integer, check_real, complain
from curalab.neighbors import nearest
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["AnomalyQuery"]

_ROUNDS = 5
_PLAIN = (
    3.0  # spread of the plain oddness beside kernel features of spread 1: few labels, less bent
)


@dataclass(frozen=True, kw_only=True)
class AnomalyQuery:
    """Cover the pool by chance, far rows first; with labels, detect anomalies.

    Which rows to have labelled for an anomaly detector: the next pick is drawn with probability
    proportional to exp(d / temperature), where d is a row's distance to the nearest pick or
    chosen row, as a share of the pool's diameter (k-means++ seeding, sharpened). Anomalies of many
    kinds come early, and ordinary rows with them; picking the oddest rows sees fewer kinds.

    Once rows in `chosen` have labels that tell anomalies from others, details hold the detector
    that these labels give, ``details["oddness"]`` of shape (n_items,), higher is odder, and
    ``details["contamination"]``, the share of anomalies estimated from the labelled rows, each
    weighted by how common its kind of row is. Gain is the distance to the nearest earlier pick or
    chosen row (1 - cosine, or Euclidean), NaN for a first pick without `chosen`.

    Parameters
    ----------
    anomaly : object, default=None
        The label of anomalies; all others are ordinary. None takes True where labels are bool, and
        otherwise looks at no labels.
    temperature : float, default=0.05
        Near 0 takes the farthest row each time, large draws evenly.
    n_neighbors : int, default=10
        Neighbours whose mean distance says how odd a row is before there are labels.

    Notes
    -----
    The paper trains a deep detector; here it is a linear head on `kernel_features` and the log of
    the mean neighbour distance, on frozen vectors. As there, known labels and the rest weigh the
    same in sum, and of the rest as many of the oddest rows as `contamination` foretells count as
    half anomalies, found anew in each of five rounds. Without a known or foretold anomaly the
    neighbour distance stays. The paper's code takes 0.01 as temperature, on learned vectors.

    The picks of `k_center` find more anomalies and taught this detector as much or more in our
    benches, at the price of a share of anomalies that can be far off: they are no sample.

    References
    ----------
    .. [1] Li, Qiu, Kloft, Smyth, Mandt, Rudolph (2023), "Deep Anomaly Detection under Labeling
       Budget Constraints", ICML, arXiv:2302.07832.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import AnomalyQuery
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 2))
    >>> x[:5] += 9
    >>> emb, known = cl.Embedding(vectors=x, metric="euclidean"), np.arange(200) < 5
    >>> first = cl.select(emb, 10, method=AnomalyQuery(), random_state=0)
    >>> then = cl.select(emb, 10, method=AnomalyQuery(), labels=known, chosen=first.ids,
    ...                  random_state=0)
    >>> sorted(np.argsort(-then.details["oddness"])[:5].tolist())
    [0, 1, 2, 3, 4]
    """

    cost: ClassVar[str] = "one pass over the vectors a pick; with labels, five linear heads"

    anomaly: Any = None
    temperature: float = 0.05
    n_neighbors: int = 10

    def __post_init__(self) -> None:
        check_real("temperature", self.temperature, low=0.001, high=1_000)
        check_integer("n_neighbors", self.n_neighbors, low=1)

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers in the order drawn; with labels, the detector in the details."""
        rows, gain = self._cover(pool, k, rng)
        if pool.embedding.metric == "cosine":  # of unit vectors
            gain = gain**2 / 2
        known, is_anomaly = self._known(pool)
        found = _detect(pool, known, is_anomaly, self.n_neighbors, rng) if len(known) else {}
        return rows, {"gain": gain, **found}

    def _cover(self, pool: Pool, k: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        points = np.asarray(pool.embedding.points - pool.embedding.points.mean(axis=0))
        square = np.einsum("ij,ij->i", points, points)

        def gap(row: int) -> FloatArray:
            between = square + square[row] - 2 * (points @ points[row])
            return np.asarray(np.sqrt(np.maximum(between, 0)), dtype=np.float64)

        diameter = float(gap(int(square.argmax())).max()) or 1.0
        is_free, near = np.ones(len(points), dtype=bool), np.full(len(points), np.inf)
        if pool.chosen is not None and len(pool.chosen):
            is_free[pool.chosen] = False
            found = nearest(points[pool.chosen], 1, metric="euclidean", queries=points)
            near = found.distance[:, 0].astype(np.float64)
        rows, gain = np.empty(k, dtype=np.int64), np.full(k, np.nan)
        for i in range(k):
            if np.isinf(near[0]):
                row = int(square.argmin())
            else:
                row = self._draw(near / diameter, is_free, rng)
                gain[i] = near[row]
            rows[i], is_free[row] = row, False
            np.minimum(near, gap(row), out=near)
        return rows, gain

    def _draw(self, near: FloatArray, is_free: BoolArray, rng: np.random.Generator) -> int:
        free = np.flatnonzero(is_free)
        power = near[free] / self.temperature
        odds = np.exp(power - power.max())
        return int(rng.choice(free, p=odds / odds.sum()))

    def _known(self, pool: Pool) -> tuple[IntArray, BoolArray]:
        """Return the chosen rows whose labels tell, and which of them are anomalies."""
        nothing = np.empty(0, dtype=np.int64), np.empty(0, dtype=bool)
        if pool.chosen is None or pool.labels is None:
            return nothing
        anomaly, classes = self.anomaly, pool.classes.tolist()
        if anomaly is None:
            if not classes or not all(isinstance(name, bool | np.bool_) for name in classes):
                return nothing
            anomaly = True
        if anomaly not in classes and len(classes) > 1:
            rule = f"one of the labels, {', '.join(map(repr, classes))}"
            raise ValueError(complain("anomaly", rule, anomaly))
        known = pool.chosen[pool.is_labelled[pool.chosen]]
        return known, np.asarray(pd.Series(pool.labels)[known] == anomaly, dtype=bool)


def _detect(
    pool: Pool,
    known: IntArray,
    is_anomaly: BoolArray,
    n_neighbors: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return oddness by known labels and inferred ones of the rest, and the contamination."""
    from curalab.heads import fit_head, kernel_features

    n, points = len(pool), pool.embedding.points
    plain = np.log(pool.embedding.neighbors(min(n_neighbors, n - 1)).distance.mean(axis=1) + 1e-6)
    share = _contamination(plain, known, is_anomaly)
    bent = kernel_features(points, rng=rng)
    bent -= bent.mean(axis=0)
    spread = float(np.sqrt(bent.var(axis=0).sum())) or 1.0
    both = np.c_[bent / spread, _PLAIN * (plain - plain.mean()) / (plain.std() or 1.0)]
    rest = np.setdiff1d(np.arange(n), known)
    n_more = min(max(round(share * n) - int(is_anomaly.sum()), 0), len(rest))
    doubt, weight = np.zeros(n), np.full(n, 1 / max(len(rest), 1))
    weight[known] = 1 / len(known)
    oddness = plain
    for _ in range(_ROUNDS if n_more or is_anomaly.any() else 0):  # else nothing to learn from
        doubt[rest] = 0
        doubt[known] = is_anomaly
        doubt[rest[np.argsort(-oddness[rest], kind="stable")[:n_more]]] = 0.5
        # a row of doubt t stands twice: as an anomaly of weight t, as ordinary with 1 - t
        odd, usual = np.flatnonzero(doubt > 0), np.flatnonzero(doubt < 1)
        head = fit_head(
            both[np.r_[odd, usual]],
            np.repeat([1, 0], [len(odd), len(usual)]),
            2,
            sample_weight=np.r_[weight[odd] * doubt[odd], weight[usual] * (1 - doubt[usual])],
        )
        proba = np.maximum(head.predict_proba(both.astype(np.float32)), 1e-12)
        oddness = np.log(proba[:, 1]) - np.log(proba[:, 0])
    return {"oddness": oddness, "contamination": share}


def _contamination(plain: FloatArray, known: IntArray, is_anomaly: BoolArray) -> float:
    """Return the share of anomalies, each label weighted by p(oddness) / q(oddness).

    p is the density of the oddness over all rows and q that over the labelled ones, both by
    Gaussian kernels whose width is the range over the number of labels.
    """
    width = float(np.ptp(plain)) / len(known) or 1.0
    at = plain[known]
    p, q = (
        np.array([np.exp(-(((one - some) / width) ** 2) / 2).mean() for one in at])
        for some in (plain, at)
    )
    share = float((p / q * is_anomaly).mean())
    least, most = is_anomaly.sum() / len(plain), 1 - (~is_anomaly).sum() / len(plain)
    return float(np.clip(min(share, 0.5), least, most))
