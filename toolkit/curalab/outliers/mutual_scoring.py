"""Outliers by parts that few other items have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_integer, check_real, complain, first_few
from curalab.embedding import Embedding
from curalab.pool import FloatArray, Pool

__all__ = ["MutualScoring"]

_SIZES = (3, 5)  # sides of the squares of parts that are averaged, beside 1
_ROWS = 512  # parts compared at a time: with 2,000 items a block of 4 MB, which caches hold
_TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class MutualScoring:
    """Distance of an item's oddest part to the parts of the other items (MuSc).

    Finds items that are ordinary as a whole and wrong in one place: a scratch on one of many like
    pictures, a strange sentence in a letter. No item needs to be known as clean: most items have
    something like an ordinary part, hardly any has something like a defect. A part's oddness is
    the mean distance to the nearest part of each other item, over the closest `share` of items;
    an item's is that of its oddest part, in the mean with the most similar items.

    Parameters
    ----------
    parts : array-like of shape (n_items, n_parts, d), default=None
        Vectors of the parts (patches, sentences, frames) of each row of the pool, in its order,
        then, where the pool has a reference, of each row of the reference: rows are then compared
        with it, not with each other. Only their direction counts where the pool's metric is
        "cosine". None: each row is its own single part, and its oddness a trimmed mean distance
        to all others.
    grid : tuple of two int, default=None
        Rows and columns of the grid that the parts form, row by row. Oddness is then the mean
        over parts averaged in squares of 1, 3 and 5 (up to the grid's shorter side), for defects
        of other sizes. None takes parts as they are.
    share : float, default=0.3
        Share of the other items, the closest ones, that a part is compared with; above 0.
    k : int, default=3
        An item's oddness becomes the mean, over 1 … k, of the mean oddness of that many items most
        similar as a whole, itself included, weighted by similarity. 1 leaves it as it is.

    Notes
    -----
    ``details["part_oddness"]``, shape (n_items, n_parts), says where in an item the oddness lies.
    Time grows with the square of the number of all parts.

    Ours: oddness stays a distance, as scaling it to [0, 1] before the last mean changes no rank;
    similarities below 0 weigh nothing; squares of parts end at the grid's edge; under "euclidean"
    parts keep their lengths; a reference, whose items, each judged by the others, set the cut. The
    paper averages scores over several layers of a
    network; here a part's vectors from several layers may be joined.

    References
    ----------
    .. [1] Li, Huang, Xue, Zhou (2024), "MuSc: Zero-Shot Industrial Anomaly Classification and
       Segmentation with Mutual Scoring of the Unlabeled Images", ICLR. arXiv:2401.16753.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.outliers.mutual_scoring import MutualScoring
    >>> parts = np.tile(np.eye(4), (30, 1, 1)) + np.random.default_rng(0).random((30, 4, 4)) / 9
    >>> parts[7, 2] = [1, 1, -1, -1]
    >>> odd = cl.find_outliers(parts.mean(axis=1), method=MutualScoring(parts=parts))
    >>> odd.top(1).tolist(), odd.details["part_oddness"][7].argmax().item()
    ([7], 2)
    """

    cost: ClassVar[str] = "about 30 s for 2,000 rows of 49 parts, with a grid three times that"

    parts: Any = field(default=None, hash=False)
    grid: tuple[int, int] | None = None
    share: float = 0.3
    k: int = 3

    def __eq__(self, other: object) -> bool:  # == of arrays is an array, which has no truth
        if not isinstance(other, MutualScoring):
            return NotImplemented
        same = (self.grid, self.share, self.k) == (other.grid, other.share, other.k)
        if self.parts is None or other.parts is None:
            return same and self.parts is other.parts
        return same and np.array_equal(self.parts, other.parts)

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return oddness, shape (n_items,), higher is odder; and that of the parts."""
        if not check_real("share", self.share, low=0, high=1):
            raise ValueError(complain("share", "above 0", self.share))
        k = check_integer("k", self.k, low=1)
        parts = _unit_parts(pool) if self.parts is None else _checked(self.parts, pool)
        sizes = () if self.grid is None else _sizes(self.grid, parts.shape[1])
        scales = [parts]
        for size in sizes:
            around = _around(parts, self.grid or (), size)
            if pool.embedding.metric == "cosine":
                around /= np.maximum(np.linalg.norm(around, axis=2, keepdims=True), _TINY)
            scales.append(around)
        n = len(pool)
        by_part = np.mean([_part_oddness(x[:n], x[n:], self.share) for x in scales], axis=0)
        details = {"part_oddness": by_part}
        if pool.reference is not None:  # each of its rows by the others, which sets the cut
            known = np.mean([_part_oddness(x[n:], x[:0], self.share) for x in scales], axis=0)
            clean = pool.reference.embedding
            details["reference_oddness"] = _rescored(known.max(axis=1), clean, k)
        return _rescored(by_part.max(axis=1), pool.embedding, k), details


def _unit_parts(pool: Pool) -> FloatArray:
    """Return each row as a part, first those of the pool, then those of the reference."""
    own = pool.embedding.points
    if pool.reference is None:
        return own[:, None]
    return np.concatenate([own, pool.reference.embedding.points])[:, None]


def _checked(parts: Any, pool: Pool) -> FloatArray:
    """Return the parts given as a float32 array, of unit vectors under "cosine"."""
    n, m = len(pool), 0 if pool.reference is None else len(pool.reference)
    try:
        array = np.asarray(parts, dtype=np.float32)
    except (TypeError, ValueError) as error:  # text, or items with different numbers of parts
        rule = "numbers of shape (n_items, n_parts, d), as many parts for each item"
        raise TypeError(complain("parts", rule, what=type(parts).__name__)) from error
    if array.ndim != 3 or len(array) != n + m or 0 in array.shape:
        rows = f"{n + m:,}" if not m else f"{n:,} + {m:,} of the reference"
        rule = f"of shape (n_items, n_parts, d), with n_items = {rows}"
        raise ValueError(complain("parts", rule, what=f"shape {array.shape}"))
    bad = ~np.isfinite(array).all(axis=(1, 2))
    if bad.any():
        got = f"NaN or infinite numbers in rows {first_few(np.flatnonzero(bad))}"
        raise ValueError(complain("parts", "finite", what=got))
    if pool.embedding.metric == "euclidean":
        return array
    length = np.linalg.norm(array, axis=2, keepdims=True)
    bad = ~length.all(axis=(1, 2))
    if bad.any():
        rule = 'different from zero under metric="cosine"'
        hint = 'Leave these parts out, or use Embedding(vectors=…, metric="euclidean").'
        got = f"parts of zeros in rows {first_few(np.flatnonzero(bad))}"
        raise ValueError(complain("parts", rule, what=got, hint=hint))
    return np.asarray(array / length)


def _sizes(grid: tuple[int, int], n_parts: int) -> list[int]:
    """Return the sides of the squares that fit into the grid."""
    sides = np.asarray(grid)
    if sides.shape != (2,) or sides.dtype.kind not in "iu" or sides.prod() != n_parts:
        rule = f"two integers whose product is {n_parts:,}, the number of parts"
        raise ValueError(complain("grid", rule, grid))
    return [size for size in _SIZES if size <= sides.min()]


def _around(parts: FloatArray, grid: tuple[int, ...], size: int) -> FloatArray:
    """Return the mean of each part and its neighbours in a square, cut off at the grid's edge."""
    from scipy.ndimage import uniform_filter

    n, p, d = parts.shape
    on_grid = parts.reshape(n, *grid, d)
    total = uniform_filter(on_grid, size, axes=(1, 2), mode="constant")
    inside = uniform_filter(np.ones(grid, dtype=np.float32), size, mode="constant")
    return np.asarray((total / inside[:, :, None]).reshape(n, p, d))


def _part_oddness(parts: FloatArray, others: FloatArray, share: float) -> FloatArray:
    """Return the mean distance of parts to the nearest part of the closest other items.

    Where `others` is empty, the other items are those of `parts`.
    """
    import torch

    n, device = len(parts), "cuda" if torch.cuda.is_available() else "cpu"
    centre = parts.mean(axis=(0, 1))
    x = torch.from_numpy(np.asarray(parts - centre, dtype=np.float32)).to(device)
    y = torch.from_numpy(np.asarray(others - centre, dtype=np.float32)).to(device)
    among_themselves = not len(y)
    if among_themselves:
        y = x
    columns = y.permute(1, 2, 0).contiguous()  # a product for each part of all items
    half = columns.square().sum(dim=1) / 2
    k = max(1, int(share * (len(y) - among_themselves)))
    rows, item = x.flatten(0, 1), torch.arange(n, device=device).repeat_interleave(x.shape[1])
    found = []
    for at in range(0, len(rows), _ROWS):
        block = rows[at : at + _ROWS]
        # |x - y|² = |x|² - 2 (x·y - |y|²/2): the nearest part of an item has the largest bracket.
        best = torch.addmm(half[0], block, columns[0], beta=-1)
        for side, column in zip(half[1:], columns[1:], strict=True):
            torch.maximum(best, torch.addmm(side, block, column, beta=-1), out=best)
        if among_themselves:
            best.scatter_(1, item[at : at + _ROWS, None], -torch.inf)
        near = best.topk(k, dim=1, sorted=False).values
        square = block.square().sum(dim=1, keepdim=True) - 2 * near
        found.append(square.clamp(min=0).sqrt().mean(dim=1))
    return torch.cat(found).reshape(n, -1).double().cpu().numpy()


def _rescored(oddness: FloatArray, embedding: Embedding, k: int) -> FloatArray:
    """Return the oddness in the mean with that of the most similar items."""
    k = min(k, len(oddness))
    if k == 1:
        return oddness
    near = embedding.neighbors(k - 1)
    weight = np.column_stack([np.ones(len(oddness)), np.maximum(near.similarity, 0)])
    score = weight * np.column_stack([oddness, oddness[near.indices]])
    return np.asarray((score.cumsum(axis=1) / weight.cumsum(axis=1)).mean(axis=1))
