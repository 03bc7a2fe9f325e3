"""Clusters by the words that set them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import check_integer
from curalab.explanations._kinds import texts_of
from curalab.pool import IntArray, Pool

__all__ = ["Words"]

_PLAIN_WORD = r"(?u)\b[^\W\d_]\w+\b"


@dataclass(frozen=True, kw_only=True)
class Words:
    """Distinctive words by class-based tf-idf: all texts of a cluster count as one document.

    A word weighs tf · log(1 + A / f), with tf its share of the cluster's words, f its count in all
    clusters and A the mean number of words a cluster. English stop words are left out, and words
    found in one text of a cluster only, as long as others remain.

    Parameters
    ----------
    n : int, default=8
        Words a cluster, most distinctive first.

    References
    ----------
    .. [1] Grootendorst (2022), "BERTopic: Neural topic modeling with a class-based TF-IDF
       procedure", arXiv:2203.05794.
    """

    cost: ClassVar[str] = "one pass over the texts"
    needs: ClassVar[str] = "data"

    n: int = 8

    def __call__(
        self, pool: Pool, clustering: IntArray, *, rng: np.random.Generator
    ) -> list[list[str]]:
        """Return the words, one list a cluster."""
        from sklearn.feature_extraction.text import CountVectorizer

        check_integer("n", self.n, low=1)
        n_clusters = int(clustering.max(initial=-1)) + 1
        if not n_clusters:
            return []
        counter = CountVectorizer(stop_words="english", token_pattern=_PLAIN_WORD)
        try:
            counts = counter.fit_transform(_texts(pool.data))
        except ValueError:  # not one word in any text
            return [[] for _ in range(n_clusters)]
        vocabulary = counter.get_feature_names_out()
        member = (clustering[:, None] == np.arange(n_clusters)).T.astype(np.float64)
        used = member @ counts
        texts_with = member @ counts.sign()
        weight = used / np.maximum(used.sum(axis=1, keepdims=True), 1)
        weight *= np.log1p(used.sum() / n_clusters / np.maximum(used.sum(axis=0), 1))
        weight[texts_with == 1] *= 1e-6
        order = np.argsort(-weight, axis=1, kind="stable")[:, : self.n]
        return [
            [str(vocabulary[j]) for j in row if weight[i, j] > 0] for i, row in enumerate(order)
        ]


def _texts(data: Any) -> list[str]:
    texts = texts_of(data)
    if texts is not None:
        return texts
    got = "names of files"
    if isinstance(data, pd.DataFrame):
        got = f"columns {', '.join(map(repr, data.columns))}"
    elif not isinstance(first := next(iter(data), None), str):
        got = f"items of type {type(first).__name__}"
    raise TypeError(
        f"The method 'words' needs texts. Got {got} instead. "
        "Pass items=… with a column of texts, or choose method='medoids'."
    )
