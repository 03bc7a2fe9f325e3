"""Near-duplicate images by perceptual hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import (
    AnyArray,
    BoolArray,
    check_choice,
    check_integer,
    complain,
    need_extra,
)
from curalab.duplicates._content import images_of
from curalab.duplicates._pairs import COMPLETE, expanded
from curalab.items._images import opened, why_unreadable
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["Perceptual"]

_NAME = "perceptual"
_HASHES = ("phash", "dhash")
_CELLS = 4_000_000  # comparisons in a block


@dataclass(frozen=True, kw_only=True)
class Perceptual:
    """Images whose perceptual hashes differ in few bits: other sizes, formats, light, noise.

    Similarity is the share of bits that agree; two unrelated images agree in about half. All pairs
    from the threshold up are found. Needs the extra "duplicates" (imagehash).

    The images are the `data` of the pool or embedding: paths, arrays or PIL images, of a table its
    one column of images. A missing image is like no other.

    Parameters
    ----------
    hash : {"phash", "dhash"}, default="phash"
        Which low frequencies of the image are above their median (a cosine transform), or which
        pixels of a small copy are lighter than their left neighbours.
    hash_size : int, default=12
        From 2 to 32; an image gets ``hash_size**2`` bits. More bits see finer detail: unrelated
        images agree less, and copies differ in a larger share of the bits.

    Notes
    -----
    Colour does not count: an image and its grey copy are alike. Images without any contrast have
    nearly the same hash, whatever their shade; turned or mirrored copies, and cuts, have others.

    The default threshold is set on photographs (15,000 images of CIFAR-10, with the default hash):
    0.8 finds half of the pairs known to be of the same shot, and of the pairs found nearly all are
    the same picture by eye. Plain drawings agree by chance: for digits take 0.9.

    Ours: 12 by 12 bits, where 8 by 8 are usual. With equally few false pairs, these find 39 % of
    the same shots. Wavelet and colour hashes are left out: on the same images they found hundreds
    of pairs for each that is right.

    References
    ----------
    .. [1] Zauner (2010), "Implementation and Benchmarking of Perceptual Image Hash Functions",
       Master's thesis, Upper Austria University of Applied Sciences. (The cosine transform; the
       hashes themselves are those of the package imagehash.)
    """

    cost: ClassVar[str] = "opens each image once, then compares all pairs of hashes"
    needs: ClassVar[str] = "data"
    default_threshold: ClassVar[float] = 0.8

    hash: str = "phash"
    hash_size: int = 12

    def __call__(
        self, pool: Pool, threshold: float, *, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray]:
        """Return pairs of row numbers (m, 2) and their similarity (m,), from `threshold` up."""
        codes, is_present, n_bits = self._codes(*images_of(pool, name=_NAME))
        label = np.full(len(pool), -1)
        unique, label[is_present] = np.unique(codes[is_present], axis=0, return_inverse=True)
        allowed = 1 - np.arange(n_bits + 1) / n_bits >= threshold
        pairs, differing = _close(unique, int(np.flatnonzero(allowed).max(initial=0)))
        return expanded(label, pairs, 1 - differing / n_bits)

    def similarity(self, pool: Pool, pairs: IntArray) -> FloatArray:
        """Return the similarity of pairs of row numbers (m, 2), shape (m,); 0 where one misses."""
        rows, at = np.unique(pairs, return_inverse=True)
        codes, is_present, n_bits = self._codes(*images_of(pool, rows, name=_NAME))
        one, other = at.reshape(-1, 2).T
        differing = np.bitwise_count(codes[one] ^ codes[other]).sum(axis=1, dtype=np.int64)
        return np.where(is_present[one] & is_present[other], 1 - differing / n_bits, 0.0)

    def _codes(self, images: Sequence[Any], ids: pd.Index) -> tuple[AnyArray, BoolArray, int]:
        """Return the hashes as words of 64 bits (n, w), which images are there, and the bits."""
        from tqdm.auto import tqdm

        check_choice("hash", self.hash, _HASHES)
        size = check_integer("hash_size", self.hash_size, low=2, high=32)
        package = need_extra("imagehash", "duplicates", purpose=f"The method {_NAME!r}")
        function = getattr(package, self.hash)
        bits = np.zeros((len(images), -(-size * size // 64) * 64), dtype=bool)
        failed = {}
        for at, cell in enumerate(tqdm(images, desc=self.hash, delay=2, disable=None)):
            if cell is None:
                continue
            try:
                bits[at, : size * size] = function(opened(cell), size).hash.ravel()
            except Exception as error:  # a decoder may raise anything on a broken file
                failed[ids[at]] = why_unreadable(error)
        if failed:
            raise ValueError(_unread(failed, len(images)))
        is_present = np.array([cell is not None for cell in images], dtype=bool)
        return np.packbits(bits, axis=1).view(np.uint64), is_present, size * size


def _unread(failed: dict[Any, str], n: int) -> str:
    told = [f"{id!r}: {reason}" for id, reason in failed.items()]
    listed = "; ".join(told[:5]) + (f" and {len(told) - 5:,} more" if len(told) > 5 else "")
    got = f"{len(failed):,} of {n:,} rows that cannot be read ({listed})"
    hint = "Drop these rows, or mend the files."
    return complain("data", "images that can be read", what=got, hint=hint)


def _close(codes: AnyArray, most: int) -> tuple[IntArray, IntArray]:
    """Return all pairs of codes (n, w) that differ in at most `most` bits, and in how many.

    A code with more than 100 such partners among those after it is in a group of more than 100,
    of which links are enough: it is linked to partners that nothing links it to yet.
    """
    n = len(codes)
    part = np.arange(n)
    pairs, found = [np.empty((0, 2), dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    step = max(1, _CELLS // max(n, 1))
    for start in range(0, n, step):
        later = codes[start:]
        differing = np.zeros((min(step, n - start), len(later)), dtype=np.uint16)
        for word in range(codes.shape[1]):
            differing += np.bitwise_count(later[: len(differing), word, None] ^ later[:, word])
        is_close = differing <= most
        is_close &= np.arange(len(later)) > np.arange(len(differing))[:, None]
        for row in np.flatnonzero(is_close.sum(axis=1) > COMPLETE):
            partners = np.flatnonzero(is_close[row]) + start
            new = part[partners] != part[start + row]
            is_close[row] = False
            is_close[row, partners[new] - start] = True
            part[np.isin(part, part[partners[new]])] = part[start + row]
        one, other = np.nonzero(is_close)
        pairs.append(np.column_stack([one, other]) + start)
        found.append(differing[one, other].astype(np.int64))
    return np.concatenate(pairs), np.concatenate(found)
