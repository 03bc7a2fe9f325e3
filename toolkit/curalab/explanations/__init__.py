"""Explanations: what clusters mean, in words and examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, IntArray, align
from curalab.explanations._association import Association, association_test
from curalab.explanations._centres import by_centrality
from curalab.explanations._frequency import ConceptFrequency, concept_frequency
from curalab.explanations._gaps import SubgroupGap, subgroup_gap
from curalab.explanations._naming import ClusterNames, ask_names, name_clusters, numbered
from curalab.explanations._prototypes import Prototypes, shared_prototypes
from curalab.explanations.medoids import Medoids
from curalab.explanations.rules import Rules
from curalab.explanations.words import Words
from curalab.pool import Array, Pool, Stage, as_pool, describe, run
from curalab.results import StageResult

__all__ = [
    "STAGE",
    "Association",
    "ClusterNames",
    "ConceptFrequency",
    "Explanation",
    "Medoids",
    "Prototypes",
    "Rules",
    "SubgroupGap",
    "Words",
    "association_test",
    "concept_frequency",
    "explain",
    "name_clusters",
    "shared_prototypes",
    "subgroup_gap",
]


def _one_list_a_cluster(pool: Pool, arguments: tuple[Any, ...], arrays: dict[str, Any]) -> str:
    n_clusters = int(arguments[0].max(initial=-1)) + 1
    got = len(arrays["words"])
    return "" if got == n_clusters else f"{got} lists for {n_clusters} clusters"


STAGE = Stage(
    name="explanations",
    verb="explain",
    contract=(
        "A method gets (pool, clustering, *, rng), with clustering the label of each row (-1 is "
        "noise), and returns one list of texts for each cluster from 0."
    ),
    returns=(Array(name="words", kind="text"),),
    methods={"words": Words, "rules": Rules, "medoids": Medoids},
    functions={
        "name_clusters": name_clusters,
        "shared_prototypes": shared_prototypes,
        "subgroup_gap": subgroup_gap,
        "association_test": association_test,
        "concept_frequency": concept_frequency,
    },
    start_here="words",
    promise=_one_list_a_cluster,
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Explanation(StageResult):
    """What each cluster is about; row i belongs to the cluster `ids[i]`.

    Attributes
    ----------
    size : ndarray of shape (n_clusters,), int
        Items of each cluster.
    words : list of list of str
        What the method says of each cluster, most telling first.
    medoid : ndarray of shape (n_clusters,)
        Id of the item nearest to the cluster's mean.
    border : list of list
        Ids of the items farthest from it, farthest first.
    name : ndarray of shape (n_clusters,)
        What the function `name` of `explain` called it; None where it gave no name.
    """

    prefix: ClassVar[str] = "cluster"

    size: IntArray
    words: list[list[str]]
    medoid: AnyArray
    border: list[list[Any]]
    name: AnyArray

    def __repr__(self) -> str:
        return f"Explanation({len(self)} clusters, method={self.params.get('method')})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a cluster: size, words, medoid and border."""
        frame = super().to_frame()
        if "name" not in self.params:
            del frame["cluster_name"]
        frame.insert(1, "cluster_words", [", ".join(row) for row in self.words])
        frame["cluster_border"] = [", ".join(map(str, row)) for row in self.border]
        return frame


def explain(
    embedding: Any,
    clustering: Any,
    *,
    items: Any = None,
    method: str | Callable[..., Any] = "words",
    name: Callable[[list[str], list[Any]], str] | None = None,
    random_state: int | None = None,
) -> Explanation:
    """Say what clusters are about.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    clustering : Clustering or array-like of shape (n_items,), int
        Cluster of each row; -1 is noise, which is not explained.
    items : DataFrame, Series or list, default=None
        The items themselves. None takes what was embedded.
    method : str or callable, default="words"
        A name in ``cl.methods("explanations")``, a method with settings, or a function
        ``(pool, clustering, *, rng)`` that returns one list of texts for each cluster.
    name : callable, default=None
        Names a cluster, by a language model, say: ``name(words, examples) -> str`` gets what the
        method says of it and its five most central items. What it raises is kept in
        ``details["name_errors"]``, by cluster; that cluster stays without a name.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    Explanation

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> texts = ["red apple", "green apple", "fast car", "old car"]
    >>> emb = cl.Embedding(vectors=[[1, 0.1], [1, 0.2], [0.1, 1], [0.2, 1]], data=texts)
    >>> why = cl.explain(emb, [0, 0, 1, 1], random_state=0)
    >>> [words[0] for words in why.words]
    ['apple', 'car']
    """
    pool = as_pool(embedding)
    if items is not None:
        pool = pool.replace(data=align("items", items, pool.ids))
    found, labels = numbered(clustering, pool.ids)
    answer = run(STAGE, method, pool, labels, random_state=random_state)
    inward = by_centrality(pool.embedding.points, labels)
    names, named = np.full(len(found), None, dtype=object), {}
    if name is not None:
        names, errors = ask_names(name, answer.arrays["words"], pool, labels)
        answer.details["name_errors"] = {str(found[i]): text for i, text in errors.items()}
        named = {"name": describe("function", name)}
    return Explanation(
        ids=pd.Index(found, name="cluster"),
        size=np.array([len(rows) for rows in inward], dtype=np.int64),
        words=answer.arrays["words"],
        medoid=np.array([pool.ids[rows[0]] for rows in inward], dtype=object),
        border=[pool.ids[rows[::-1][:3]].tolist() for rows in inward],
        name=names,
        params={**answer.params, **named},
        details=answer.details,
    )
