"""Explanations: what clusters mean, in words and examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, IntArray, align, check_choice
from curalab.explanations._association import Association, association_test
from curalab.explanations._centres import by_centrality
from curalab.explanations._datamodels import Datamodels, datamodels
from curalab.explanations._frequency import ConceptFrequency, concept_frequency
from curalab.explanations._gaps import SubgroupGap, subgroup_gap
from curalab.explanations._kinds import DEFAULTS, kind_of
from curalab.explanations._naming import ClusterNames, ask_names, name_clusters
from curalab.explanations._prototypes import Prototypes, shared_prototypes
from curalab.explanations.medoids import Medoids
from curalab.explanations.rules import Rules
from curalab.explanations.words import Words
from curalab.pool import Array, Pool, Stage, as_pool, cluster_codes, describe, run
from curalab.results import StageResult

__all__ = [
    "DEFAULTS",
    "STAGE",
    "Association",
    "ClusterNames",
    "ConceptFrequency",
    "Datamodels",
    "Explanation",
    "Medoids",
    "Prototypes",
    "Rules",
    "SubgroupGap",
    "Words",
    "association_test",
    "concept_frequency",
    "datamodels",
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
        "datamodels": datamodels,
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
    items : DataFrame
        The explained clustering: column `cluster`, indexed by the ids of the items.
    """

    prefix: ClassVar[str] = "cluster"

    size: IntArray
    words: list[list[str]]
    medoid: AnyArray
    border: list[list[Any]]
    name: AnyArray
    items: pd.DataFrame

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

    def titles(self) -> pd.Series:
        """Return one short title a cluster: its name, else what the method says first of it."""
        n = 3 if self.params.get("method") == "words" else 1
        more = " and similar" if self.params.get("method") == "medoids" else ""
        said = [", ".join(words[:n]).partition(" (covers ")[0] + more for words in self.words]
        said = [text if words else "" for text, words in zip(said, self.words, strict=True)]
        named = [
            name or text or f"cluster {id}"
            for id, text, name in zip(self.ids, said, self.name, strict=True)
        ]
        titles = pd.Series(named, index=self.ids, name="cluster_title", dtype=object)
        again = titles.duplicated(keep=False)  # two clusters must not become one
        titles[again] += [f" ({id})" for id in self.ids[again]]
        return titles

    def by_item(self) -> pd.Series:
        """Return the title of each item's cluster, missing for noise: ``MapPanel(…, color=…)``."""
        return self.items["cluster"].map(self.titles()).rename("cluster_title")


def explain(
    embedding: Any,
    clustering: Any,
    *,
    items: Any = None,
    method: str | Callable[..., Any] | Mapping[str, Any] = DEFAULTS,
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
    method : str or callable, default="words" for texts, "rules" for tables, else "medoids"
        A name in ``cl.methods("explanations")``, a method with settings, or a function
        ``(pool, clustering, *, rng)`` that returns one list of texts for each cluster; or a
        mapping that has one of these for each of "text", "columns" and "other". What was
        embedded decides, or `items` where only vectors were given.
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
    if isinstance(method, Mapping):
        embedded = pool.embedding.data
        method = method[
            check_choice("data", kind_of(pool.data if embedded is None else embedded), method)
        ]
    found, labels = cluster_codes(clustering, pool.ids)
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
        items=pd.DataFrame(
            {"cluster": np.where(labels < 0, -1, np.append(found, -1)[labels])}, pool.ids
        ),
        params={**answer.params, **named},
        details=answer.details,
    )
