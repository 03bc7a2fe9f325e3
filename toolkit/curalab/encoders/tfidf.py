"""Texts as weighted counts of their words and letter groups."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from curalab._check import FloatArray, check_integer
from curalab.encoders._contract import refuse_unfitted

__all__ = ["TfIdf"]

_MOST = 20_000  # n-grams of a kind; the rarer ones say little about similarity
_FIT_ON = 50_000


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
        Shortest and longest run of characters within a word that is counted. Short ones serve
        scripts without spaces; 3 to 5, the habit for English, found fewer neighbours of the same
        class in English and in Chinese (Notes).

    Notes
    -----
    The n-grams and their weights come from at most 50,000 texts drawn at random, and the 20,000
    most frequent n-grams of each kind are kept. A text that has none of them gets hashed counts
    of its character n-grams as its vector: it lies near texts spelt alike and far from all others.

    5 neighbours named the intent of banking77 (5,000 training rows) in 81.0 % of cases, with
    characters of 3 to 5 in 80.5 %; the sentiment of Chinese hotel reviews in 88 % against 81 %.

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
        for name, (low, high) in (("words", self.words), ("characters", self.characters)):
            check_integer(name, high, low=check_integer(name, low, low=1))

    def fit(self, data: list[str], *, rng: np.random.Generator) -> TfIdf:
        """Return an encoder that knows the n-grams of these texts and their main directions."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import FeatureUnion

        if len(data) > _FIT_ON:
            data = [data[i] for i in np.sort(rng.choice(len(data), _FIT_ON, replace=False))]
        shared = {"sublinear_tf": True, "max_features": _MOST, "dtype": np.float32}
        # Words of one letter count: I, a, and most of Chinese.
        words = TfidfVectorizer(ngram_range=self.words, token_pattern=r"(?u)\b\w+\b", **shared)
        characters = TfidfVectorizer(ngram_range=self.characters, analyzer="char_wb", **shared)
        counts = FeatureUnion([("words", words), ("characters", characters)])
        weights = counts.fit_transform(data)
        d = min(self.n_components, *weights.shape)
        svd = TruncatedSVD(d, random_state=int(rng.integers(2**31))).fit(weights)
        return replace(self, fitted=(counts, svd.components_.T.astype(np.float32)))

    def encode(self, batch: list[str]) -> FloatArray:
        """Return vectors of unit length, shape (b, d)."""
        from sklearn.feature_extraction.text import HashingVectorizer
        from sklearn.preprocessing import normalize

        refuse_unfitted(self)
        counts, directions = self.fitted
        weights = counts.transform(batch)
        vectors = np.asarray(weights @ directions)
        unknown = np.flatnonzero(np.diff(weights.indptr) == 0)
        if len(unknown):
            hashed = HashingVectorizer(
                analyzer="char_wb",
                ngram_range=self.characters,
                n_features=directions.shape[1],
                alternate_sign=False,
            )
            vectors[unknown] = hashed.transform([batch[i] for i in unknown]).toarray()
        return np.asarray(normalize(vectors), dtype=np.float32)
