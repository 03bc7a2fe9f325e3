"""Near-duplicate texts by the word n-grams that they share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, check_integer, complain, need_extra
from curalab.duplicates._bands import near_pairs
from curalab.duplicates._content import texts_of
from curalab.duplicates._pairs import expanded
from curalab.duplicates._shingles import jaccard, shingle_sets
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["NearText"]

_RECALL = 0.95  # of pairs exactly at the threshold
_NAME = "near_text"
_AT_ONCE = 4_096  # n-grams of a text


@dataclass(frozen=True, kw_only=True)
class NearText:
    """Texts that share most of their word n-grams: copies with small edits.

    Similarity is the Jaccard index of two sets of n-grams: of the n-grams that one of the texts
    has, the share that both have. Candidates come from MinHash and locality-sensitive hashing,
    then the index itself decides, so that similarity is exact and no pair is false; a pair right
    at the threshold is looked at with a probability of at least 0.95, one above it almost surely
    (``details["recall"]`` is the former). Needs the extra "duplicates" (datasketch).

    The texts are the `data` of the pool or embedding; text columns of a table are joined. Texts
    are compared without regard to case, white space and punctuation. A missing text is like no
    other.

    Parameters
    ----------
    n_words : int, default=2
        Words of an n-gram. More ask for longer passages in common: 5 and more suit documents, one
        compares the words alone. A text of fewer words is a single n-gram. In scripts without
        spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each character counts
        as a word, and so it does in texts without any letter or digit.
    permutations : int, default=128
        Hash functions, 16 to 4,096. More allow for lower thresholds and compare fewer candidates,
        and take longer.

    Notes
    -----
    Ours: the signatures are datasketch's, but the buckets are gone through here, band by band. In
    a bucket of more than 100 texts, up to 30 of them in turn are compared with all others, so that
    a text copied 100,000 times with small edits does not make 10^10 candidates; of a group of more
    than 100 different texts, members far from all these may be left out. In smaller groups every
    pair is looked at in the end, also where no band has it.

    References
    ----------
    .. [1] Broder (1997), "On the Resemblance and Containment of Documents", Compression and
       Complexity of Sequences. (Shingles, their Jaccard index, and its estimate by minima of
       hashes; the bands of locality-sensitive hashing are by Indyk and Motwani 1998,
       "Approximate Nearest Neighbors", STOC.)
    """

    cost: ClassVar[str] = "one MinHash of each text, then the pairs that share a band of it"
    needs: ClassVar[str] = "data"
    default_threshold: ClassVar[float] = 0.7

    n_words: int = 2
    permutations: int = 128

    def __call__(
        self, pool: Pool, threshold: float, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray, dict[str, Any]]:
        """Return pairs of row numbers (m, 2) and their similarity (m,), from `threshold` up."""
        n_words = check_integer("n_words", self.n_words, low=1, high=100)
        most = check_integer("permutations", self.permutations, low=16, high=4_096)
        n_bands, width, recall = _bands(threshold, most)
        sets, hashes = shingle_sets(texts_of(pool, name=_NAME), n_words)
        label, first = _equal(sets)
        sets = sets[first]
        signature = _signatures(sets, hashes, n_bands * width).reshape(len(first), n_bands, width)
        pairs, similarity = near_pairs(sets, signature, threshold)
        details = {"bands": n_bands, "hashes_a_band": width, "recall": recall}
        return *expanded(label, pairs, similarity), details

    def similarity(self, pool: Pool, pairs: IntArray) -> FloatArray:
        """Return the similarity of pairs of row numbers (m, 2), shape (m,)."""
        n_words = check_integer("n_words", self.n_words, low=1, high=100)
        rows, at = np.unique(pairs, return_inverse=True)
        sets, _ = shingle_sets(texts_of(pool, rows, name=_NAME), n_words)
        return jaccard(sets, at.reshape(-1, 2))


def _bands(threshold: float, most: int) -> tuple[int, int, float]:
    """Return how many bands of how many hashes find a pair at the threshold, how surely.

    Two sets of similarity t agree in a hash with probability t, in one of b bands of r hashes
    with 1 - (1 - t^r)^b. The longest bands that are sure enough compare the fewest candidates.
    """
    for width in range(most, 0, -1):
        recall = 1 - (1 - threshold**width) ** (most // width)
        if recall >= _RECALL:
            return most // width, width, recall
    least = math.ceil(1000 * (1 - (1 - _RECALL) ** (1 / most))) / 1000
    rule = f"a number from {least:g} to 1 for {most:,} permutations of the method {_NAME!r}"
    raise ValueError(complain("threshold", rule, threshold))


def _equal(sets: Any) -> tuple[IntArray, IntArray]:
    """Return the number of each text's set, -1 where it is empty, and the first text of each."""
    held = (sets.indices[start:end] for start, end in pairwise(sets.indptr))
    keys = [blake2b(own.data, digest_size=16).digest() if len(own) else None for own in held]
    label = pd.factorize(np.array(keys, dtype=object))[0]
    first = np.unique(label, return_index=True)[1][int((label < 0).any()) :]
    return label, first


def _signatures(sets: Any, hashes: AnyArray, n: int) -> AnyArray:
    """Return the MinHash signature of each set, shape (n_sets, n), uint64."""
    datasketch = need_extra("datasketch", "duplicates", purpose=f"The method {_NAME!r}")
    from tqdm.auto import tqdm

    blank = datasketch.MinHash(num_perm=n, seed=1, hashfunc=int, scheme="affine64")
    found = np.empty((sets.shape[0], n), dtype=np.uint64)
    for row in tqdm(range(sets.shape[0]), desc="minhash", delay=2, disable=None):
        made = blank.copy()
        own = hashes[sets.indices[sets.indptr[row] : sets.indptr[row + 1]]]
        for at in range(0, len(own), _AT_ONCE):
            made.update_batch(own[at : at + _AT_ONCE].tolist())
        found[row] = made.hashvalues
    return found
