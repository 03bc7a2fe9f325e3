"""How alike two records are, field by field and as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray
from curalab.duplicates._aliases import alias_communities, alias_model, name_features
from curalab.duplicates._blocks import candidate_pairs, cosine, gram_vectors, usual_similarity
from curalab.duplicates._mixture import MatchModel, fit_matches, match_probability
from curalab.duplicates._records import Records

__all__ = ["Linkage", "linkage_of"]

_SEED = 0.6  # similarity as a whole from which pairs are taken for matches at first
_STANDING = 0.8  # the standing that counts as full
_SPREAD = 0.1  # of the usual distance of numbers from their median: such a difference halves


class Linkage(NamedTuple):
    """What is computed once of all records, to tell which pairs of them match.

    Attributes
    ----------
    texts, communities : list
        For each field of texts compared by itself, its cells, and the community of aliases that
        each is of, -1 for none.
    vectors : list
        The n-grams of the records as a whole, then those of each such field.
    numbers : list of ndarray of shape (n_records,)
        For each field of numbers compared by itself, its values, in spreads.
    names : LogisticRegression or None
        Says from aliases how likely two texts name the same.
    content : ndarray of shape (n_records,), int
        The same number for records that are equal, up to aliases.
    candidates : ndarray of shape (m, 2), int
        Pairs of records that are worth comparing.
    usual : ndarray of shape (n_records,)
        Mean similarity of a record to its nearest others.
    model : MatchModel
        What agreements are worth.
    """

    texts: list[list[str]]
    communities: list[IntArray]
    vectors: list[Any]
    numbers: list[FloatArray]
    names: Any
    content: IntArray
    candidates: IntArray
    usual: FloatArray
    model: MatchModel

    def probability(self, pairs: IntArray) -> FloatArray:
        """Return the probability that each pair of records (m, 2) matches, shape (m,)."""
        is_same = self.content[pairs[:, 0]] == self.content[pairs[:, 1]]
        return np.where(is_same, 1.0, match_probability(_compared(self, pairs), self.model))


def linkage_of(
    records: Records,
    *,
    by_field: bool,
    aliases: Sequence[tuple[str, str]],
    partners: int,
    largest: int,
) -> Linkage:
    """Find candidates among the records, and learn from them what agreements are worth."""
    community = alias_communities(aliases)
    number = {name: at for at, name in enumerate(sorted(set(community.values())))}
    cells = list(records.texts.values())
    told = [[community.get(cell, "") for cell in field] for field in cells]
    whole = [" ".join(filter(None, row)) for row in zip(*cells, *told, strict=True)]
    vectors = gram_vectors(whole)
    candidates = candidate_pairs(vectors, partners, largest)
    shared = cosine(vectors, candidates)
    # A single field is the whole, unless aliases say more of it.
    by_field = by_field and len(cells) + len(records.numbers) + bool(community) > 1
    fields = cells if by_field else []
    made = Linkage(
        texts=fields,
        communities=[np.array([number.get(name, -1) for name in field]) for field in told],
        vectors=[vectors, *map(gram_vectors, fields)],
        numbers=[_in_spreads(values) for values in records.numbers.values()] if by_field else [],
        names=alias_model(aliases, community) if by_field else None,
        content=_contents(records, community),
        candidates=candidates,
        usual=usual_similarity(len(whole), candidates, shared, partners),
        model=MatchModel(np.empty((0, 0)), 0.0),
    )
    best = np.zeros(len(whole))
    np.maximum.at(best, candidates.ravel(), np.repeat(shared, 2))
    is_best = (shared[:, None] >= best[candidates]).all(axis=1)
    model = fit_matches(_compared(made, candidates), is_best & (shared >= _SEED))
    return made._replace(model=model)


def _compared(made: Linkage, pairs: IntArray) -> FloatArray:
    """Return how alike pairs of records are, shape (m, 1 + n_fields), 0 to 1; NaN is missing."""
    one, other = pairs.T
    whole, *vectors = (cosine(of_field, pairs) for of_field in made.vectors)
    standing = (whole - (made.usual[one] + made.usual[other]) / 4) / _STANDING
    compared = [standing.clip(0, 1)]
    for texts, community, shared in zip(made.texts, made.communities, vectors, strict=False):
        likeness = shared
        if made.names is not None and len(pairs):
            likeness = made.names.predict_proba(name_features(texts, pairs, shared))[:, 1]
        is_equal = np.array([texts[a] == texts[b] for a, b in pairs.tolist()], dtype=bool)
        is_equal |= (community[one] == community[other]) & (community[one] >= 0)
        is_there = np.array([text != "" for text in texts], dtype=bool)
        likeness = np.where(is_equal, 1.0, np.minimum(likeness, 0.99))
        compared.append(np.where(is_there[one] & is_there[other], likeness, np.nan))
    compared += [1 / (1 + np.abs(values[one] - values[other])) for values in made.numbers]
    if len(compared) == 1:  # alone, the standing is too little to tell matches from others
        compared.append(whole)
    return np.column_stack(compared)


def _contents(records: Records, community: dict[str, str]) -> IntArray:
    cells = [[community.get(cell, cell) for cell in field] for field in records.texts.values()]
    cells += [list(map(str, values)) for values in records.numbers.values()]
    return np.asarray(pd.factorize(pd.Series(list(zip(*cells, strict=True))))[0])


def _in_spreads(values: FloatArray) -> FloatArray:
    """Return numbers in tenths of their usual distance from the median; infinite ones missing."""
    values = np.where(np.isfinite(values), values, np.nan)
    spread = _SPREAD * float(np.nanmean(np.abs(values - np.nanmedian(values))))
    return np.asarray(values / spread)
