"""Texts as weighted counts of their words and letter groups."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from curalab._check import FloatArray, check_integer, complain
from curalab.encoders._contract import refuse_unfitted

__all__ = ["TfIdf"]

_MOST = 20_000  # n-grams of a kind; the rarer ones say little about similarity
_FIT_ON = 50_000
# Words of one letter count (I, a, most of Chinese); of a text without words, all of it is one.
_WORD = r"(?u)\b\w+\b|^\W+$"


@dataclass(frozen=True, kw_only=True)
class TfIdf:
    """Word and character n-grams, sublinear tf-idf, truncated SVD, unit length.

    Sees words and their parts, not meaning: good for near-copies and for topics with words of
    their own, in any language, without a download. ``minilm`` also sees synonyms.

    Parameters
    ----------
    n_components : int, default=256
        Dimensions, fewer where the data have fewer rows or n-grams.
    words : tuple of int, default=(1, 2)
        Shortest and longest run of words that is counted.
    characters : tuple of int, default=(1, 4)
        Shortest and longest run of characters within a word that is counted. The habit for
        English, 3 to 5, is as good there and worse for scripts without spaces (Notes).

    Notes
    -----
    The n-grams and their weights come from at most 50,000 texts drawn at random, and the 20,000
    most frequent n-grams of each kind are kept. A text that has none of them gets hashed counts
    of its character n-grams as its vector: it lies near texts spelt alike and far from all others.

    With 5 neighbours, characters of 1 to 4 and of 3 to 5 both name 81 % of the intents of
    banking77 (5,000 training rows), and 88 % against 81 % of the sentiments of Chinese reviews.

    References
    ----------
    .. [1] Deerwester, Dumais, Furnas, Landauer, Harshman (1990), "Indexing by Latent Semantic
       Analysis", Journal of the American Society for Information Science 41(6).
    """

    takes: ClassVar[str] = "text"
    cost: ClassVar[str] = "about 5 s for 10,000 sentences"

    n_components: int = 256
    words: tuple[int, int] = (1, 2)
    characters: tuple[int, int] = (1, 4)
    fitted: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_integer("n_components", self.n_components, low=1)
        for name in ("words", "characters"):
            span = getattr(self, name)
            whole = isinstance(span, tuple) and [type(end) for end in span] == [int, int]
            if not whole or not 1 <= span[0] <= span[1]:
                raise ValueError(complain(name, "two integers, 1 or more, as (1, 3)", span))

    def fit(self, data: list[str], *, rng: np.random.Generator) -> TfIdf:
        """Return an encoder that knows the n-grams of these texts and their main directions."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import FeatureUnion
        from sklearn.utils.extmath import randomized_svd

        if len(data) > _FIT_ON:
            data = [data[i] for i in np.sort(rng.choice(len(data), _FIT_ON, replace=False))]
        shared = {"sublinear_tf": True, "max_features": _MOST, "dtype": np.float32}
        words = TfidfVectorizer(ngram_range=self.words, token_pattern=_WORD, **shared)
        characters = TfidfVectorizer(ngram_range=self.characters, analyzer="char_wb", **shared)
        counts = FeatureUnion([("words", words), ("characters", characters)])
        weights = counts.fit_transform(data)
        d = min(self.n_components, *weights.shape)
        seed = int(rng.integers(2**31))
        directions = randomized_svd(weights, d, n_iter=4, random_state=seed)[2].T.copy()
        if " " in characters.vocabulary_:  # every text has one, so it says nothing
            directions[len(words.vocabulary_) + characters.vocabulary_[" "]] = 0
        return replace(self, fitted=_Learned(counts, directions.astype(np.float32)))

    def encode(self, batch: list[str]) -> FloatArray:
        """Return vectors of unit length, shape (b, d)."""
        from sklearn.feature_extraction.text import HashingVectorizer
        from sklearn.preprocessing import normalize

        refuse_unfitted(self)
        known: _Learned = self.fitted
        vectors = np.asarray(known.counts.transform(batch) @ known.directions)
        unknown = np.flatnonzero(~vectors.any(axis=1))
        if len(unknown):
            hashed = HashingVectorizer(
                analyzer="char_wb",
                ngram_range=self.characters,
                n_features=vectors.shape[1],
                alternate_sign=False,
            )
            vectors[unknown] = hashed.transform([batch[i] for i in unknown]).toarray()
        return np.asarray(normalize(vectors), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class _Learned:
    """What counts n-grams, and the directions of the counts, shape (n_ngrams, d)."""

    counts: Any
    directions: FloatArray

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the n-grams, their weights and the directions."""
        made = hashlib.blake2b(np.ascontiguousarray(self.directions).data, digest_size=16)
        for _, part in self.counts.transformer_list:
            made.update("\0".join(part.get_feature_names_out()).encode())
            made.update(part.idf_.tobytes())
        return made.hexdigest()
