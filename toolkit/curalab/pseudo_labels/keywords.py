"""Keywords, and the rows nearest to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_integer
from curalab._points import unit_rows
from curalab.pool import FloatArray, IntArray, Pool
from curalab.pseudo_labels._texts import (
    ClassTexts,
    agreement,
    centred,
    class_vectors,
    temperature_at,
)

__all__ = ["Keywords"]

_FEW = 5  # among which no outlier can be told


@dataclass(frozen=True, kw_only=True)
class Keywords:
    """Classes are where the rows nearest to their keywords are (Lbl2Vec).

    The `n_nearest` rows nearest to the mean of a class's keywords, less those that the local
    outlier factor finds odd among them, are averaged; every row gets the class whose average is
    nearest. Rows with a label are averaged, too. To be preferred to ``descriptions`` where it must
    be shown which rows speak for a class: ``details["evidence"]`` has their numbers, by class.

    Parameters
    ----------
    texts : mapping of class to str, sequence of str or array of shape (d,) or (m, d)
        The keywords of each class: one, or a list of them.
        Several are averaged; vectors in the space of the rows do as well. A sequence of names
        stands for themselves, read with blanks for underscores.
    encoder : encoder or str, default=None
        What encodes texts into the space of the rows. None takes the embedding's own.
    n_nearest : int, default=None
        Rows averaged for a class. None takes half of the rows divided by the number of classes:
        on five sets of texts better than 10, 50 or 200 in four of them.

    Notes
    -----
    Class names alone, MiniLM: accuracy .80 on ag_news, .67 on banking77, .47 on trec6; the nearest
    name has .64, .62 and .43, ``descriptions`` .85, .70 and .49. Confidence, made as there, is off
    by -.05 to +.22.

    Ours: any encoder in place of word and document vectors learned together; a number of rows in
    place of a threshold of similarity, which differs from encoder to encoder; and rows and words
    seen from their own means.

    References
    ----------
    .. [1] Schopf, Braun, Matthes (2021), "Lbl2Vec: An Embedding-Based Approach for Unsupervised
       Document Retrieval on Predefined Topics", WEBIST. arXiv:2210.06023.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.pseudo_labels import Keywords
    >>> x = np.random.default_rng(0).normal(size=(60, 3)) + np.repeat([[4, 0, 0], [0, 4, 0]], 30, 0)
    >>> words = {"car": np.array([1.0, 0.9, 0]), "tree": np.array([0.9, 1.0, 0])}
    >>> soft = cl.pseudo_label(x, method=Keywords(texts=words))
    >>> soft.labels[[0, 59]].tolist(), len(soft.details["evidence"]["car"])
    (['car', 'tree'], 15)
    """

    cost: ClassVar[str] = "two products of matrices"

    texts: Any
    encoder: Any = None
    n_nearest: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", ClassTexts(self.texts))

    @property
    def classes(self) -> list[Any]:
        """The classes that have keywords."""
        return list(self.texts)

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes)."""
        from scipy.special import softmax

        told = class_vectors(pool, self.texts, self.encoder)
        names = self.classes if pool.classes is None else list(pool.classes)
        middle = pool.embedding.points.mean(axis=0)
        rows, words = centred(pool.embedding.points, middle), centred(told, told.mean(axis=0))
        first = rows @ words.T
        number = self.n_nearest
        if number is None:
            number = max(2, len(rows) // (2 * len(words)))
        number = min(check_integer("n_nearest", number, low=1), len(rows))
        centres, evidence = np.empty_like(words), {}
        for c, likeness in enumerate(first.T):
            near = np.argpartition(-likeness, number - 1)[:number]
            near = np.union1d(near[_is_plain(rows[near])], np.flatnonzero(pool.codes == c))
            evidence[names[c]] = near
            centres[c] = unit_rows(rows[near].mean(axis=0, keepdims=True))[0]
        scores = rows @ centres.T
        heat = temperature_at(scores, agreement(scores, first))

        def predict(new: FloatArray) -> FloatArray:
            return np.asarray(softmax(centred(new, middle) @ centres.T / heat, axis=1))

        details = {"predict": predict, "temperature": heat, "evidence": evidence}
        return np.asarray(softmax(scores / heat, axis=1)), details


def _is_plain(rows: FloatArray) -> IntArray:
    """Return which rows are no outliers among them, as numbers."""
    from sklearn.neighbors import LocalOutlierFactor

    if len(rows) <= _FEW or len(np.unique(rows, axis=0)) <= _FEW:
        return np.arange(len(rows))
    seen = LocalOutlierFactor(n_neighbors=min(20, len(rows) - 1)).fit_predict(rows)
    return np.flatnonzero(seen > 0)
