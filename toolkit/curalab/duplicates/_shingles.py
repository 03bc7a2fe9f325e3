"""Texts as sets of word n-grams, and how much two sets share."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from curalab._check import AnyArray, FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["MULTIPLIER", "jaccard", "plain", "shingle_sets", "words_of"]

# Thai and Lao, Burmese, Khmer, kana, Han: written without spaces between words.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd; makes the order of words count
_CELLS = 4_000_000  # shingles looked at in a block of pairs
_TEXTS = 4_096  # taken apart together
_PARTS = 16  # of the range of hashes, numbered one by one


def plain(text: str) -> str:
    """Return a text without regard to case, white space and ways to write a character."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case and without punctuation.

    A character of a script without spaces is a word. Of a text without letters and digits, every
    character is one.
    """
    text = plain(text)
    return _WORD.findall(text) or list(text.replace(" ", ""))


def shingle_sets(texts: Sequence[str | None], n: int) -> tuple[csr_array, AnyArray]:
    """Return which n-grams of words each text has, and a hash of each n-gram.

    A text of fewer than `n` words is one n-gram, as short as it is; a missing text has none.

    Returns
    -------
    sets : sparse array of shape (n_texts, n_shingles), int32
        One where a text has the n-gram.
    hashes : ndarray of shape (n_shingles,), uint64
        The same for the same n-gram in any set of texts.
    """
    from scipy.sparse import csr_array

    blocks = (texts[at : at + _TEXTS] for at in range(0, len(texts), _TEXTS))
    parts = [_shingled(block, n) for block in blocks]
    every = np.concatenate([np.empty(0, dtype=np.uint64), *(part for part, _ in parts)])
    count = np.concatenate([np.zeros(1, dtype=np.int64), *(size for _, size in parts)])
    del parts
    column, found = _numbered(every)
    ones = np.ones(len(every), dtype=np.int32)
    return csr_array((ones, column, np.cumsum(count)), shape=(len(texts), len(found))), found


def _shingled(texts: Sequence[str | None], n: int) -> tuple[AnyArray, IntArray]:
    """Return the hashes of the n-grams text after text, ascending, and how many each has."""
    codes, lengths, hashes = _coded(texts)
    is_present = np.array([text is not None for text in texts], dtype=bool)
    count = np.where(is_present, np.maximum(lengths - n + 1, 1), 0)
    row = np.repeat(np.arange(len(texts)), count)
    at = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)  # place in the text
    start = (np.cumsum(lengths) - lengths)[row]
    shingle = np.zeros(len(row), dtype=np.uint64)
    for step in range(n):
        word = np.where(at + step < lengths[row], start + at + step, len(codes) - 1)
        shingle = shingle * MULTIPLIER + hashes[codes[word]]
    order = np.lexsort((shingle, row))
    row, shingle = row[order], shingle[order]
    is_again = np.zeros(len(row), dtype=bool)
    is_again[1:] = (row[1:] == row[:-1]) & (shingle[1:] == shingle[:-1])
    return shingle[~is_again], np.bincount(row[~is_again], minlength=len(texts))


def _numbered(values: AnyArray) -> tuple[IntArray, AnyArray]:
    """Return the place of each value among the distinct ones, and these, ascending.

    As `numpy.unique` does, which needs four more arrays of this length at once.
    """
    number: IntArray = np.empty(len(values), np.int32 if len(values) < 2**31 else np.int64)
    found, n_found, limits = [], 0, np.arange(_PARTS, dtype=np.uint64) * np.uint64(2**64 // _PARTS)
    for low, high in zip(limits, [*limits[1:], None], strict=True):
        here = values >= low
        if high is not None:
            here &= values < high
        at = np.flatnonzero(here)
        distinct, place = np.unique(values[at], return_inverse=True)
        number[at] = place + n_found
        found.append(distinct)
        n_found += len(distinct)
    return number, np.concatenate(found)


def _coded(texts: Sequence[str | None]) -> tuple[IntArray, IntArray, AnyArray]:
    """Return all words as numbers, how many each text has, and the hash of each number.

    The last number and the last hash stand for the absence of a word.
    """
    vocabulary: dict[str, int] = {}
    codes, lengths = array("q"), array("q")
    for text in texts:
        words = [] if text is None else words_of(text)
        codes.extend(vocabulary.setdefault(word, len(vocabulary)) for word in words)
        lengths.append(len(words))
    codes.append(len(vocabulary))
    raw = (blake2b(w.encode("utf-8", "surrogatepass"), digest_size=8).digest() for w in vocabulary)
    hashes = np.frombuffer(b"".join([*raw, bytes(8)]), dtype="<u8").astype(np.uint64)
    return np.array(codes, dtype=np.int64), np.array(lengths, dtype=np.int64), hashes


def jaccard(sets: Any, pairs: IntArray) -> FloatArray:
    """Return the share of n-grams that both texts of a pair have, of those that one has; (m,).

    Zero where neither has any.
    """
    size = np.diff(sets.indptr)
    shared = [np.empty(0)]
    block = np.cumsum(size[pairs].sum(axis=1)) // _CELLS
    for part in np.split(pairs, np.flatnonzero(np.diff(block)) + 1):
        both = sets[part[:, 0]].multiply(sets[part[:, 1]])
        shared.append(np.asarray(both.sum(axis=1), dtype=np.float64))
    common = np.concatenate(shared)
    either = size[pairs].sum(axis=1) - common
    return np.asarray(common / np.maximum(either, 1))
