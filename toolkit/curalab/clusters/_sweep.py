"""Every reducer with every clusterer, and what several validity indices say of each."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import (
    FloatArray,
    IntArray,
    check_choice,
    check_integer,
    check_seed,
    complain,
)
from curalab.embedding import Embedding
from curalab.pool import Pool, as_pool, describe, find_stage, resolve, run
from curalab.results import StageResult

__all__ = ["Sweep", "sweep"]

_log = logging.getLogger(__name__)
_CLUSTERERS = ("agglomerative", "kmeans", "spectral", "hdbscan")
_JUDGED = 3_000  # rows that silhouette and DBCV look at, both of which take time n²
_DIMENSIONS = 20  # DBCV takes powers of distances with the dimension, and they overflow
_FEWEST = 3  # rows of a cluster that DBCV looks at
_HIGHER = {  # whether a higher index is better
    "silhouette": True,
    "calinski_harabasz": True,
    "davies_bouldin": False,
    "dbcv": True,
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Sweep(StageResult):
    """How good combinations of reducer and clusterer look, the best first.

    Attributes
    ----------
    ids : pandas.Index of shape (n_combinations,)
        Names of the combinations, as "pca + kmeans".
    table : DataFrame
        What `to_frame` returns.
    labels : DataFrame of shape (n_items, n_combinations)
        Cluster of each item in each combination that did not fail, by its name; -1 is noise.
    """

    table: pd.DataFrame
    labels: pd.DataFrame

    def __repr__(self) -> str:
        failed = int((self.table["error"] != "").sum())
        told = f", {failed} failed" if failed else ""
        return f"Sweep({len(self)} combinations, best: {self.ids[0]}{told})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a combination, the best first; those that failed are last.

        Returns
        -------
        pandas.DataFrame
            `reducer`, `clusterer`, `n_clusters`, `noise` (share of rows, 0 to 1), `silhouette`
            (-1 to 1), `calinski_harabasz` (from 0), `davies_bouldin` (from 0, lower is better),
            `dbcv` (-1 to 1), `mean_rank` over these four (from 1, lower is better), `seconds`,
            and `error`, "" where there was none. An index is NaN where there is no second cluster.
        """
        return self.table.copy()

    def pivot(self, index: str = "mean_rank") -> pd.DataFrame:
        """Return one column of the table as reducer × clusterer, for a heat map.

        Parameters
        ----------
        index : str, default="mean_rank"
            A column of numbers in `to_frame`.

        Returns
        -------
        pandas.DataFrame of shape (n_reducers, n_clusterers)
            In the order in which they were asked for; NaN where the combination failed.
        """
        numbers = self.table.select_dtypes("number").columns
        check_choice("index", index, numbers)
        wide = self.table.pivot(index="reducer", columns="clusterer", values=index)
        return wide.astype(float).reindex(
            index=self.params["reducers"], columns=self.params["clusterers"]
        )


def sweep(
    embedding: Any,
    *,
    reducers: Sequence[str | Callable[..., Any]] = ("none", "pca"),
    clusterers: Sequence[str | Callable[..., Any]] = _CLUSTERERS,
    n_components: int = 5,
    random_state: int | None = None,
) -> Sweep:
    """Cluster with every combination of reducer and clusterer, and compare validity indices.

    Do not fix the reducer before looking: which one suits depends on the clusterer.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows; at least 3.
    reducers : sequence of str or callable, default=("none", "pca")
        As the `method` of `reduce`, and "none". Settings go in as methods: ``UMAP(min_dist=0)``.
    clusterers : sequence of str or callable
        As the `method` of `cluster`: ``["hdbscan", KMeans(n_clusters=5), KMeans(n_clusters=9)]``.
        Default: agglomerative, kmeans, spectral and hdbscan.
    n_components : int, default=5
        Dimensions that reducers reduce to.
    random_state : int, default=None
        Seed of every method, and of the 3,000 rows that silhouette and DBCV are taken from where
        there are more. None draws one and records it.

    Returns
    -------
    Sweep
        A combination that fails is a row with its error.

    Notes
    -----
    All indices are measured among the vectors as given, not in the reduced space, so that they
    compare across reducers. Noise is no cluster; silhouette and Calinski–Harabasz are those of
    the other rows times their share, Davies–Bouldin is divided by it, and DBCV counts noise
    itself. DBCV raises distances to the power of the dimension, at most 20 here.

    Indices favour round clusters, DBCV excepted: a good rank is a hint, not a proof.

    References
    ----------
    .. [1] "Combating Financial Crimes with Unsupervised Learning Techniques: Clustering and
       Dimensionality Reduction for Anti-Money Laundering". (The grid and ranks; its reducers and
       indices are other ones.)
    .. [2] Moulavi, Jaskowiak, Campello, Zimek, Sander (2014), "Density-Based Clustering
       Validation", SDM. (DBCV.)

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.clusters import sweep
    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(size=(40, 8)), rng.normal(size=(40, 8)) + 9])
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> found = sweep(emb, clusterers=["kmeans", "hdbscan"], random_state=0)
    >>> found.pivot("n_clusters")
    clusterer  kmeans  hdbscan
    reducer
    none          2.0      2.0
    pca           2.0      2.0
    """
    from tqdm.auto import tqdm

    pool = as_pool(embedding)
    if len(pool) < 3:
        raise ValueError(complain("embedding", "of at least 3 rows", what=f"{len(pool)} rows"))
    n_components = check_integer("n_components", n_components, low=1)
    ways = _named("reducers", reducers, "maps", also=("none",))
    methods = _named("clusterers", clusterers, "clusters")
    seed = check_seed(random_state)
    views = {name: _view(way, pool, n_components, seed) for name, way in ways.items()}
    judged = np.random.default_rng(seed).permutation(len(pool))[:_JUDGED]
    rows, labels = {}, {}
    pairs = list(product(ways, methods))
    for reducer, clusterer in tqdm(pairs, desc="sweep", delay=2, disable=None):
        name = f"{reducer} + {clusterer}"
        row, found = _row(views[reducer], methods[clusterer], pool.embedding, judged, seed)
        rows[name] = {"reducer": reducer, "clusterer": clusterer, **row}
        if found is not None:
            labels[name] = found
    table = _ranked(rows)
    kept = [name for name in table.index if name in labels]
    return Sweep(
        ids=table.index,
        table=table,
        labels=pd.DataFrame(labels, index=pool.ids)[kept],
        params={
            "verb": "sweep",
            "reducers": list(ways),
            "clusterers": list(methods),
            "n_components": n_components,
            "random_state": seed,
            "embedding": pool.embedding.fingerprint,
        },
    )


def _named(parameter: str, methods: Any, stage: str, also: Sequence[str] = ()) -> dict[str, Any]:
    """Return the methods under names that tell their settings."""
    if isinstance(methods, str) or not isinstance(methods, Sequence) or not methods:
        raise TypeError(complain(parameter, "a list of at least one method", methods))
    named: dict[str, Any] = {}
    for method in methods:
        name = method if method in also else _name_of(method, stage)
        if name in named:
            raise ValueError(complain(parameter, "different methods", what=f"{name!r} twice"))
        named[name] = method
    return named


def _name_of(method: Any, stage: str) -> str:
    name, function = resolve(find_stage(stage), method)
    if not is_dataclass(function) or isinstance(method, str):
        return getattr(method, "__name__", name)
    settings = describe(name, function)["settings"]
    changed = [
        f"{f.name}={settings[f.name]!r}"
        for f in fields(function)
        if f.init and getattr(function, f.name) != f.default
    ]
    return f"{name}({', '.join(changed)})" if changed else name


def _view(way: Any, pool: Pool, n_components: int, seed: int) -> Pool | Exception:
    if isinstance(way, str) and way == "none":
        return pool
    try:
        answer = run(find_stage("maps"), way, pool, n_components, random_state=seed)
        made = Embedding(ids=pool.ids, vectors=answer.arrays["vectors"], metric="euclidean")
        return pool.replace(embedding=made)
    except Exception as error:  # anything; the others are to be compared
        return error


def _row(
    view: Pool | Exception, method: Any, original: Embedding, judged: IntArray, seed: int
) -> tuple[dict[str, Any], IntArray | None]:
    from curalab.clusters import cluster

    try:
        if isinstance(view, Exception):
            raise view
        began = time.perf_counter()
        found = cluster(view, method=method, random_state=seed)
        seconds = time.perf_counter() - began
        # Numbered as they appear, the same clusters get the same indices, not rounded elsewise.
        labels = pd.factorize(pd.Series(found.labels).where(found.labels >= 0))[0]
        numbers = _indices(original.points.astype(np.float64), labels, judged)
    except Exception as error:  # as above
        _log.warning("A combination of the sweep failed: %s", error)
        return {"error": f"{type(error).__name__}: {error}"}, None
    noise = float((labels < 0).mean())
    about = {"n_clusters": found.n_clusters, "noise": noise, "seconds": seconds, "error": ""}
    return {**about, **numbers}, labels


def _indices(points: FloatArray, labels: IntArray, judged: IntArray) -> dict[str, float]:
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

    clustered = labels >= 0
    share = clustered.mean()
    kept, inside = points[clustered], labels[clustered]
    found = {"dbcv": _dbcv(points[judged], labels[judged])}
    if 1 < len(np.unique(inside)) < len(inside):
        found["calinski_harabasz"] = calinski_harabasz_score(kept, inside) * share
        found["davies_bouldin"] = davies_bouldin_score(kept, inside) / share
    seen = judged[clustered[judged]]
    if 1 < len(np.unique(labels[seen])) < len(seen):
        found["silhouette"] = silhouette_score(points[seen], labels[seen]) * share
    return found


def _dbcv(points: FloatArray, labels: IntArray) -> float:
    from scipy.spatial.distance import pdist, squareform

    known, code, size = np.unique(labels, return_inverse=True, return_counts=True)
    labels = np.where((known >= 0) & (size >= _FEWEST), known, -1)[code]
    distance = squareform(pdist(points))
    if len(np.unique(labels[labels >= 0])) < 2:
        return np.nan
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of its own dependencies
        from hdbscan.validity import validity_index

        scaled = distance / distance[distance > 0].min()
        d = min(points.shape[1], _DIMENSIONS)
        return float(validity_index(scaled, labels, metric="precomputed", d=d))


def _ranked(rows: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return the table, sorted by the mean rank of each combination over the indices."""
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("combination")
    names = ["reducer", "clusterer", "n_clusters", "noise", *_HIGHER, "mean_rank", "seconds"]
    table = table.reindex(columns=[*names, "error"])
    table["n_clusters"] = table["n_clusters"].astype("Int64")
    worked = table["error"] == ""
    ranks = {
        index: table.loc[worked, index].astype(float).rank(ascending=not higher, na_option="bottom")
        for index, higher in _HIGHER.items()
    }
    table["mean_rank"] = pd.DataFrame(ranks).mean(axis=1).reindex(table.index)
    return table.sort_values("mean_rank", kind="stable")
