"""Prototypes that several datasets share, and those that one of them has alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import (
    AnyArray,
    BoolArray,
    FloatArray,
    IntArray,
    check_integer,
    check_seed,
    complain,
)
from curalab.embedding import Embedding, as_embedding
from curalab.pool import Pool
from curalab.results import StageResult

__all__ = ["Prototypes", "shared_prototypes"]

_SAMPLE = 20_000
_STARTS = 10


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Prototypes(StageResult):
    """What datasets are made of; row i belongs to the prototype `ids[i]`, the most specific first.

    Attributes
    ----------
    share : DataFrame of shape (n_prototypes, n_datasets)
        Share of each dataset's rows that take the prototype, 0 to 1; a column sums to 1.
    dataset : ndarray of shape (n_prototypes,), str
        The dataset with the largest share.
    specificity : ndarray of shape (n_prototypes,), float
        0 where all datasets have the same share, 1 where one has the prototype alone.
    p_value : ndarray of shape (n_prototypes,), float
        Chance of shares as unequal if the datasets were one, corrected for the number of
        prototypes (Benjamini–Hochberg).
    is_specific : ndarray of shape (n_prototypes,), bool
        Specificity of 0.5 or more, and p below 0.05.
    nearest : list of dict
        For each prototype, the ids of its nearest rows by dataset, nearest first.
    assigned : DataFrame
        One row an item: `dataset`, `id` and `prototype`.
    """

    prefix: ClassVar[str] = "prototype"
    columns: ClassVar[Mapping[str, str]] = {"is_specific": "is_specific"}

    share: pd.DataFrame
    dataset: AnyArray
    specificity: FloatArray
    p_value: FloatArray
    is_specific: BoolArray
    nearest: list[dict[str, list[Any]]]
    assigned: pd.DataFrame

    def __repr__(self) -> str:
        datasets = ", ".join(map(str, self.share.columns))
        return f"Prototypes({len(self)} of {datasets}; {self.is_specific.sum()} specific)"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a prototype: dataset, specificity, shares and nearest ids."""
        frame = super().to_frame()
        for name in self.share.columns:
            frame[f"share_{name}"] = self.share[name].to_numpy()
        for name in self.share.columns:
            frame[f"nearest_{name}"] = [", ".join(map(str, row[name])) for row in self.nearest]
        return frame

    def only_in(self, dataset: str) -> pd.DataFrame:
        """Return the prototypes that are specific to a dataset, the most frequent in it first."""
        known = self.share.columns.tolist()
        if dataset not in known:
            rule = f"one of {', '.join(map(repr, known))}"
            raise ValueError(complain("dataset", rule, dataset))
        rows = np.flatnonzero(self.is_specific & (self.dataset == dataset))
        share = self.share[dataset].to_numpy()[rows]
        return self.to_frame().iloc[rows[np.argsort(-share, kind="stable")]]


def shared_prototypes(
    embedding: Any,
    *,
    groups: Any = None,
    n_prototypes: int = 16,
    n_examples: int = 3,
    random_state: int | None = None,
) -> Prototypes:
    """Learn prototypes over several datasets: what is in one and not in another.

    Parameters
    ----------
    embedding : mapping of str to Embedding, or Embedding, Pool or array-like of shape (n, d)
        The datasets by name, in one space; or one embedding, with the dataset of each row in
        `groups`.
    groups : array-like of shape (n,), default=None
        Dataset of each row. None takes the Pool's groups.
    n_prototypes : int, default=16
        Prototypes learned. Too many split what could be one and lose little; too few join a
        concept of one dataset to a shared one, and hide it.
    n_examples : int, default=3
        Nearest rows listed for each prototype and dataset.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    Prototypes

    Notes
    -----
    The paper trains prototypes together with an image network: each image takes prototypes by a
    hard (Gumbel-softmax) choice, under a self-supervised loss. Here the network is the encoder
    that made the vectors, and what is left to learn is which prototype each row takes and where
    the prototypes lie: k-means (spherical under "cosine") on as many rows of each dataset, those
    of a small one repeated, so that a large one does not take all prototypes. Frequencies are
    counted over all rows and compared by chi-squared tests.

    References
    ----------
    .. [1] van Noord (2023), "Prototype-based Dataset Comparison", ICCV, arXiv:2309.02401.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.explanations import shared_prototypes
    >>> x = np.repeat(np.eye(3), 20, axis=0) + np.random.default_rng(0).normal(size=(60, 3)) / 20
    >>> found = shared_prototypes({"old": x[:40], "new": x[20:]}, n_prototypes=3, random_state=0)
    >>> found.only_in("new")["share_new"].tolist()
    [0.5]
    """
    points, names, ids, metric = _rows(embedding, groups)
    datasets, codes = np.unique(names, return_inverse=True)
    if len(datasets) < 2:
        what = f"{len(datasets)} dataset"
        raise ValueError(complain("groups", "the names of two datasets or more", what=what))
    check_integer("n_prototypes", n_prototypes, low=1, high=len(points))
    check_integer("n_examples", n_examples, low=1)
    seed = check_seed(random_state)
    centres = _centres(points, codes, n_prototypes, metric, np.random.default_rng(seed))
    distance = _distances(points, centres)
    taken = distance.argmin(axis=1)
    found = np.unique(taken)
    counts = pd.crosstab(taken, codes).to_numpy()
    share = counts / counts.sum(axis=0)
    specificity, p_value = _specificity(share), _p_values(counts)
    order = np.lexsort((-share.max(axis=1), -specificity))
    place = np.empty(n_prototypes, dtype=np.int64)
    place[found[order]] = np.arange(len(found))
    near = [_nearest(distance[:, j], taken == j, codes, ids, n_examples) for j in found[order]]
    return Prototypes(
        ids=pd.RangeIndex(len(found), name="prototype"),
        share=pd.DataFrame(share[order], columns=datasets.tolist()),
        dataset=datasets[share[order].argmax(axis=1)].astype(object),
        specificity=specificity[order],
        p_value=p_value[order],
        is_specific=((specificity >= 0.5) & (p_value < 0.05))[order],
        nearest=[dict(zip(datasets.tolist(), rows, strict=True)) for rows in near],
        assigned=pd.DataFrame({"dataset": names, "id": ids, "prototype": place[taken]}),
        params={
            "verb": "shared_prototypes",
            "settings": {"n_prototypes": n_prototypes, "n_examples": n_examples},
            "random_state": seed,
        },
    )


def _rows(embedding: Any, groups: Any) -> tuple[FloatArray, AnyArray, AnyArray, str]:
    """Return the points of all datasets, the dataset and the id of each, and the metric."""
    if isinstance(embedding, Mapping):
        if groups is not None:
            what = "a mapping and groups"
            raise TypeError(complain("groups", "None where datasets come by name", what=what))
        parts = {
            str(name): as_embedding(getattr(part, "embedding", part), name=str(name))
            for name, part in embedding.items()
        }
        spaces = {(part.shape[1], part.metric) for part in parts.values()}
        if len(spaces) > 1:
            what = "; ".join(f"{n}: {p.shape[1]} dimensions, {p.metric}" for n, p in parts.items())
            raise ValueError(complain("embedding", "datasets of one space", what=what))
        if not parts:
            rule = "the names of two datasets or more"
            raise ValueError(complain("embedding", rule, what="an empty mapping"))
        names = np.repeat(list(parts), [len(part) for part in parts.values()])
        ids = np.concatenate([part.ids.to_numpy(dtype=object) for part in parts.values()])
        return np.concatenate([p.points for p in parts.values()]), names, ids, spaces.pop()[1]
    pool = embedding if isinstance(embedding, Pool) else Pool(embedding=embedding, groups=groups)
    if isinstance(embedding, Pool) and groups is not None:
        pool = pool.replace(groups=groups)
    if pool.groups is None:
        hint = 'Pass groups=…, or the datasets by name: {"a": …, "b": …}.'
        raise ValueError(complain("groups", "the dataset of each row", None, hint))
    missing = pd.isna(pool.groups)
    if missing.any():
        what = f"{int(missing.sum()):,} rows without one"
        raise ValueError(complain("groups", "the dataset of each row", what=what))
    made: Embedding = pool.embedding
    return made.points, pool.groups.astype(str), pool.ids.to_numpy(dtype=object), made.metric


def _centres(
    points: FloatArray, codes: IntArray, k: int, metric: str, rng: np.random.Generator
) -> FloatArray:
    from sklearn.cluster import KMeans

    sizes = np.bincount(codes)
    each = min(int(sizes.max()), max(_SAMPLE // len(sizes), k))
    drawn = []
    for number, size in enumerate(sizes):
        own = np.flatnonzero(codes == number)
        whole = np.tile(own, each // size) if size <= each else own[:0]
        rest = rng.choice(own, each - len(whole), replace=False)
        drawn.append(np.concatenate([whole, rest]))
    sample = points[np.concatenate(drawn)]
    k = min(k, len(np.unique(sample, axis=0)))
    fitted = KMeans(k, n_init=_STARTS, random_state=int(rng.integers(2**31))).fit(sample)
    centres = fitted.cluster_centers_
    if metric == "cosine":
        length = np.linalg.norm(centres, axis=1, keepdims=True)
        centres = centres / np.where(length > 0, length, 1)
    return np.asarray(centres)


def _distances(points: FloatArray, centres: FloatArray) -> FloatArray:
    squared = (points**2).sum(axis=1)[:, None] - 2 * points @ centres.T
    return np.asarray(squared + (centres**2).sum(axis=1))


def _specificity(share: FloatArray) -> FloatArray:
    """Return how far the largest share stands out, 0 for equal shares and 1 for one alone."""
    n = share.shape[1]
    part = share.max(axis=1) / share.sum(axis=1)
    return np.asarray((part - 1 / n) / (1 - 1 / n))


def _p_values(counts: IntArray) -> FloatArray:
    from scipy.stats import chi2_contingency, false_discovery_control

    rest = counts.sum(axis=0) - counts
    plain = [
        chi2_contingency(np.stack([one, other])).pvalue if other.any() else 1.0
        for one, other in zip(counts, rest, strict=True)
    ]
    return np.asarray(false_discovery_control(plain))


def _nearest(
    distance: FloatArray, mine: BoolArray, codes: IntArray, ids: AnyArray, n: int
) -> list[list[Any]]:
    """Return the ids of the `n` nearest rows of each dataset among those that take a prototype."""
    found = []
    for number in range(int(codes.max()) + 1):
        rows = np.flatnonzero(mine & (codes == number))
        found.append(ids[rows[np.argsort(distance[rows], kind="stable")[:n]]].tolist())
    return found
