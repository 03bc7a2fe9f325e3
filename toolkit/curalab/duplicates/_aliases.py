"""What known aliases tell: which names belong together, and how alike names of one thing are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from curalab._check import FloatArray, IntArray, need_extra
from curalab.duplicates._blocks import cosine, gram_vectors
from curalab.duplicates._pairs import components
from curalab.duplicates._shingles import plain

__all__ = ["alias_communities", "alias_model", "name_features"]

_ENOUGH = 20  # pairs of aliases to learn from
_SHIFTS = 5  # other names that each name is set against
_INFLATION = 2.0
_ROUNDS = 60
_NEGLIGIBLE = 1e-4


def alias_communities(aliases: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the first name of its community for each alias, by Markov clustering.

    Names are linked as often as they come as a pair. A walk spreads from each name along the
    links, is sharpened and spreads again, until it stays in one community: one odd link between
    two well-linked groups of names does not make them one.
    """
    from scipy.sparse import coo_array, diags_array

    linked = [(plain(one), plain(other)) for one, other in aliases]
    names = sorted({name for pair in linked for name in pair})
    at = {name: number for number, name in enumerate(names)}
    ends = np.array([[at[name] for name in pair] for pair in linked], dtype=np.int64).reshape(-1, 2)
    n, ones = len(names), np.ones(len(linked))
    links = coo_array((ones, (ends[:, 0], ends[:, 1])), shape=(n, n)).tocsr()
    links = links + links.T
    loops = np.maximum(links.max(axis=0).toarray().ravel(), 1) if n else np.empty(0)
    walk = links + diags_array(loops, format="csr")
    for _ in range(_ROUNDS):
        walk = (walk @ diags_array(1 / walk.sum(axis=0))).tocsr()
        spread = (walk @ walk).power(_INFLATION).tocsr()
        spread.data[spread.data < _NEGLIGIBLE] = 0
        spread.eliminate_zeros()
        spread = (spread @ diags_array(1 / spread.sum(axis=0))).tocsr()
        is_settled = abs(spread - walk).max() < _NEGLIGIBLE if n else True
        walk = spread
        if is_settled:
            break
    label = components(n, np.column_stack(walk.nonzero()))
    first = dict(zip(label[::-1].tolist(), names[::-1], strict=True))
    return {name: first[number] for name, number in zip(names, label.tolist(), strict=True)}


def alias_model(aliases: Sequence[tuple[str, str]], community: dict[str, str]) -> Any:
    """Return a logistic regression that tells pairs of aliases from pairs of other names.

    None where there are fewer than 20 pairs of different aliases. The other pairs: each alias and
    the five names that follow its partner in the alphabet, as far as they are of other
    communities; near in the alphabet, these are harder than names drawn at random.
    """
    linked = sorted({tuple(sorted((plain(a), plain(b)))) for a, b in aliases})
    linked = [pair for pair in linked if pair[0] != pair[1] and all(pair)]
    if len(linked) < _ENOUGH:
        return None
    from sklearn.linear_model import LogisticRegression

    names = sorted(community)
    at = {name: number for number, name in enumerate(names)}
    same = np.array([[at[a], at[b]] for a, b in linked])
    shifted = [
        np.column_stack([same[:, 0], (same[:, 1] + s) % len(names)]) for s in range(1, _SHIFTS + 1)
    ]
    other = np.concatenate(shifted)
    other = other[[community[names[a]] != community[names[b]] for a, b in other.tolist()]]
    pairs = np.concatenate([same, other])
    shown = name_features(names, pairs, cosine(gram_vectors(names), pairs))
    return LogisticRegression(class_weight="balanced", max_iter=1000).fit(
        shown, np.arange(len(pairs)) < len(same)
    )


def name_features(texts: Sequence[str], pairs: IntArray, shared: FloatArray) -> FloatArray:
    """Return how alike the two texts of each pair are in six ways, shape (m, 6), 0 to 1."""
    purpose = "The method 'record_linkage' with 'aliases'"
    fuzz = need_extra("rapidfuzz.fuzz", "duplicates", purpose=purpose)
    process = need_extra("rapidfuzz.process", "duplicates", purpose=purpose)
    distance = need_extra("rapidfuzz.distance", "duplicates", purpose=purpose)
    one, other = ([texts[row] for row in side] for side in pairs.T.tolist())
    of_100 = (fuzz.ratio, fuzz.partial_ratio, fuzz.token_sort_ratio, fuzz.token_set_ratio)
    ways = [process.cpdist(one, other, scorer=scorer) / 100 for scorer in of_100]
    jaro = process.cpdist(one, other, scorer=distance.JaroWinkler.similarity)
    return np.column_stack([shared, jaro, *ways]).astype(np.float64)
