"""Names of clusters: from class texts in a joint space, or from a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, FloatArray, IntArray, complain, first_few
from curalab._points import unit_rows
from curalab.embedding import as_embedding
from curalab.explanations._centres import by_centrality
from curalab.pool import Pool, as_pool, cluster_codes
from curalab.results import StageResult

__all__ = ["ClusterNames", "ask_names", "name_clusters"]

_N_EXAMPLES = 5


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ClusterNames(StageResult):
    """The name of each cluster; row i belongs to the cluster `ids[i]`.

    Attributes
    ----------
    name : ndarray of shape (n_clusters,), str
        The name chosen.
    similarity : ndarray of shape (n_clusters,), float
        Cosine of the cluster's mean direction and the name, -1 to 1.
    margin : ndarray of shape (n_clusters,), float
        How much more similar it is than the best other name. Near 0: either would do; below 0:
        another cluster took a better one.
    runner_up : ndarray of shape (n_clusters,), str
        The best other name, None where there is none.
    """

    prefix: ClassVar[str] = "cluster"

    name: AnyArray
    similarity: FloatArray
    margin: FloatArray
    runner_up: AnyArray

    def __repr__(self) -> str:
        return f"ClusterNames({len(self)} clusters, {len(set(self.name))} names)"


def name_clusters(
    embedding: Any,
    clustering: Any,
    *,
    names: Sequence[str],
    name_embedding: Any,
    one_to_one: bool = False,
) -> ClusterNames:
    """Name each cluster by the nearest of given texts, in a space that holds items and texts.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The items.
    clustering : Clustering or array-like of shape (n_items,), int
        Cluster of each row; -1 is noise, which gets no name.
    names : sequence of str of shape (n_names,)
        Names to choose from.
    name_embedding : Embedding or array-like of shape (n_names, d)
        Their vectors, by the encoder that made `embedding` or the text side of it.
    one_to_one : bool, default=False
        Give no name twice: the assignment with the largest sum of similarities. Needs as many
        names as clusters.

    Returns
    -------
    ClusterNames

    Notes
    -----
    The similarity is the cosine of the mean of the members' unit vectors and the text, as zero-shot
    classification takes it [1]_, with the cluster in place of an image. Names are never invented:
    a cluster that none fits gets the nearest, with a small margin.

    References
    ----------
    .. [1] Radford et al. (2021), "Learning Transferable Visual Models From Natural Language
       Supervision", ICML, arXiv:2103.00020.

    Examples
    --------
    >>> from curalab.explanations import name_clusters
    >>> x = [[1, 0.1], [1, 0.2], [0.1, 1], [0.2, 1]]
    >>> texts = ["car", "tree"]
    >>> found = name_clusters(x, [0, 0, 1, 1], names=texts, name_embedding=[[0, 1], [1, 0]])
    >>> found.name.tolist()
    ['tree', 'car']
    """
    pool = as_pool(embedding)
    texts = as_embedding(name_embedding, name="name_embedding")
    chosen = _checked_names(names, len(texts))
    if texts.shape[1] != pool.embedding.shape[1]:
        rule = f"of {pool.embedding.shape[1]} dimensions, as the items are"
        raise ValueError(complain("name_embedding", rule, what=f"{texts.shape[1]} dimensions"))
    found, labels = cluster_codes(clustering, pool.ids)
    if one_to_one and len(found) > len(chosen):
        hint = "Give more names, or pass one_to_one=False."
        rule = f"{len(found)} names or more, one for each cluster"
        raise ValueError(complain("names", rule, what=f"{len(chosen)} names", hint=hint))
    centres = _centres(unit_rows(pool.embedding.vectors), labels, len(found))
    similarity = centres @ unit_rows(texts.vectors).T.astype(np.float64)
    best = _one_each(similarity) if one_to_one else similarity.argmax(axis=1)
    rows = np.arange(len(found))
    others = similarity.copy()
    others[rows, best] = -np.inf
    second = others.argmax(axis=1)
    alone = len(chosen) == 1
    return ClusterNames(
        ids=pd.Index(found, name="cluster"),
        name=chosen[best],
        similarity=similarity[rows, best],
        margin=np.full(len(found), np.nan)
        if alone
        else similarity[rows, best] - others[rows, second],
        runner_up=np.full(len(found), None) if alone else chosen[second],
        params={
            "verb": "name_clusters",
            "settings": {"one_to_one": one_to_one},
            "embedding": pool.embedding.fingerprint,
            "name_embedding": texts.fingerprint,
        },
    )


def ask_names(
    name: Any,
    words: Sequence[Sequence[str]],
    pool: Pool,
    clustering: IntArray,
) -> tuple[AnyArray, dict[int, str]]:
    """Ask a function for a name of each cluster; what it raises is recorded, not passed on.

    Parameters
    ----------
    name : callable
        ``name(words, examples) -> str``: the words or rules of a cluster, and its five most
        central items (rows of the pool's data as they are; ids where it has none).
    words : list of list of str
        What the method said of each cluster.
    pool : Pool
        The rows.
    clustering : ndarray of shape (n_items,), int
        Clusters numbered from 0; -1 is noise.

    Returns
    -------
    names : ndarray of shape (n_clusters,), object
        None where the function failed.
    errors : dict
        What went wrong, by the number of the cluster.
    """
    if not callable(name):
        rule = "a function of words and example items that returns a name"
        raise TypeError(complain("name", rule, name))
    found = np.full(len(words), None, dtype=object)
    errors: dict[int, str] = {}
    for number, rows in enumerate(by_centrality(pool.embedding.points, clustering)):
        try:
            answer = name(list(words[number]), _examples(pool, rows[:_N_EXAMPLES]))
        except Exception as error:  # a service that fails must not cost the explanation
            errors[number] = f"{type(error).__name__}: {error}"
            continue
        if isinstance(answer, str) and answer.strip():
            found[number] = answer.strip()
        else:
            errors[number] = f"returned {answer!r:.60} instead of a text"
    return found, errors


def _examples(pool: Pool, rows: IntArray) -> list[Any]:
    data = pool.data
    if data is None:
        return list(pool.ids[rows])
    if isinstance(data, pd.DataFrame):
        return data.iloc[rows].to_dict("records")
    return data.iloc[rows].tolist() if hasattr(data, "iloc") else [data[row] for row in rows]


def _checked_names(names: Sequence[str], n: int) -> AnyArray:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(complain("names", "a sequence of texts", names))
    chosen = np.array(list(names), dtype=object)
    if len(chosen) != n:
        rule = f"{n} names, one for each row of 'name_embedding'"
        raise ValueError(complain("names", rule, what=f"{len(chosen)} names"))
    twice = pd.Index(chosen)[pd.Index(chosen).duplicated()].unique()
    if len(twice):
        raise ValueError(complain("names", "distinct", what=f"{first_few(twice)} more than once"))
    return chosen


def _centres(points: FloatArray, labels: IntArray, n_clusters: int) -> FloatArray:
    """Return the unit vector of the mean direction of each cluster."""
    made = np.zeros((n_clusters, points.shape[1]))
    np.add.at(made, labels[labels >= 0], points[labels >= 0])
    return np.asarray(made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12))


def _one_each(similarity: FloatArray) -> IntArray:
    from scipy.optimize import linear_sum_assignment

    return np.asarray(linear_sum_assignment(-similarity)[1])
