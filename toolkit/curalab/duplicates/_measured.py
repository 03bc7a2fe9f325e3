"""Pairs of similar rows, found by products in few coordinates and measured; no graph is needed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curalab._cells import Rows
from curalab._check import FloatArray, IntArray
from curalab.duplicates._pairs import COMPLETE, distinct
from curalab.embedding import Embedding
from curalab.neighbors import Neighbors

if TYPE_CHECKING:
    import torch

__all__ = ["measured_pairs", "similarity_of", "squared_reach"]

_CELLS = 1 << 22  # numbers of rows or pairs looked at together
_ROWS, _COLUMNS = 512, 1_024  # of a block of products: few enough to stay in the cache
_SIZES = (16, 24, 32, 48, 64, 96, 128, 192, 256)  # coordinates that are tried
_SEEN, _ASKED = 8_192, 512  # rows that tell which to take
_STEPS = 2  # of the subspace iteration that finds principal axes
_LOOK_COST = 150_000  # a pair measured costs as much as this many products
_COSTLY = 500  # products a pair, from which the graph is cheaper
_DENSE = 1_000_000  # pairs to measure in a block, from which a group is too large for that


class _Sketch(NamedTuple):
    """Rows by the first of few coordinates; left @ right.T is at most half a squared distance."""

    order: IntArray
    first: FloatArray
    left: torch.Tensor
    right: torch.Tensor


def measured_pairs(embedding: Embedding, threshold: float) -> tuple[IntArray, FloatArray] | None:
    """Return all pairs from `threshold` up, exactly; None where there are too many to measure.

    Rows within a distance are so in some orthogonal coordinates, too, with the length of what
    these leave out as one more: |x - y|² ≥ |Px - Py|² + (|x - Px| - |y - Py|)². Pairs that are
    far apart there, beyond rounding, are passed over, and the others are measured.
    """
    import torch
    from tqdm.auto import tqdm

    n, reach = len(embedding), squared_reach(threshold, embedding.metric)
    sketch = _sketched(Rows.of(embedding), reach)
    if sketch is None:
        return None

    def work(start: int) -> tuple[IntArray, FloatArray] | None:
        near = _candidates(sketch, start, reach)
        if len(near) > _DENSE:
            return None
        similarity = similarity_of(embedding, near)
        is_pair = similarity >= np.float64(threshold)
        return near[is_pair], similarity[is_pair]

    cores, starts, found, n_found = torch.get_num_threads(), range(0, n, _ROWS), [], 0
    pool = ThreadPoolExecutor(cores, initializer=partial(torch.set_num_threads, 1))
    try:
        done = pool.map(work, starts)
        for part in tqdm(done, "pairs", total=len(starts), delay=2, disable=None):
            n_found += 0 if part is None else len(part[0])
            if part is None or n_found > n * COMPLETE // 2:  # more than groups of 100 have
                return None
            found.append(part)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)  # of threads to come; this one kept its own
    pairs, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
    return distinct(n, pairs, similarity)


def squared_reach(threshold: float, metric: str) -> float:
    """Return the squared distance of points within which pairs are, and a little more."""
    if metric == "cosine":
        return 2 - 2 * threshold + 2e-6
    far = 1 / max(threshold, 1e-12) - 1
    return (far + 1e-6 * (1 + far)) ** 2


def _sketched(rows: Rows, reach: float) -> _Sketch | None:
    """Return the rows in as many coordinates as cost least; None where all cost too much."""
    import torch

    n, d = rows.vectors.shape
    some = rows[:: -(-n // _SEEN)]
    centre = some.mean(axis=0, dtype=np.float64)
    axes = _axes(some[::2] - centre, min(d, _SIZES[-1]))  # the other half has not shaped them
    chosen = _chosen((some[1::2] - centre).astype(np.float32), axes.astype(np.float32), reach)
    if chosen is None:
        return None
    del some
    size, dtype = chosen
    low = np.empty((n, size + 1), dtype=np.float32)
    for block in _slices(n, d):
        x = rows[block] - centre
        along = x @ axes[:, :size]
        rest = np.einsum("ij,ij->i", x, x) - np.einsum("ij,ij->i", along, along)
        low[block] = np.column_stack([along, np.sqrt(np.maximum(rest, 0))])
    order = np.argsort(low[:, 0], kind="stable")
    sides = [_sides(low[order[block]], dtype) for block in _slices(n, size)]
    left, right = (torch.cat(side) for side in zip(*sides, strict=True))
    return _Sketch(order, low[order, 0], left, right)


def _slices(n: int, width: int) -> Iterator[slice]:
    """Return slices of `n` rows that have about so many numbers that they may lie in memory."""
    step = max(1, _CELLS // width)
    return (slice(at, at + step) for at in range(0, n, step))


def _axes(centred: FloatArray, n: int) -> FloatArray:
    """Return `n` principal axes, about, longest first; orthogonal they are to all digits."""
    way = np.random.default_rng(0).normal(size=(centred.shape[1], n))
    for _ in range(_STEPS):
        way = np.linalg.qr(centred.T @ (centred @ way))[0]
    along = centred @ way
    return np.asarray(way @ np.linalg.eigh(along.T @ along)[1][:, ::-1])


def _chosen(x: FloatArray, axes: FloatArray, reach: float) -> tuple[int, torch.dtype] | None:
    """Return the number of coordinates, and their type, by the pairs that these leave over."""
    import torch

    from curalab.neighbors._rounded import rounding_pays

    along, whole = x @ axes, np.square(x).sum(axis=1)
    asked = slice(None, None, -(-len(x) // _ASKED))
    half = (whole[asked, None] + whole) / 2
    product, begin, best, chosen = np.zeros_like(half), 0, float(_COSTLY), None
    for size in sorted({min(size, axes.shape[1]) for size in _SIZES}):
        product += along[asked, begin:size] @ along[:, begin:size].T
        rest = np.sqrt(np.maximum(whole - np.square(along[:, :size]).sum(axis=1), 0))
        apart = half - product - np.outer(rest[asked], rest)
        for dtype in (torch.bfloat16, torch.float32)[not rounding_pays() :]:
            near = np.count_nonzero(apart <= _slack(dtype) * half + reach / 2) - len(half)
            look = near / half.size * _LOOK_COST  # a row is near itself, which does not count
            cost = size * dtype.itemsize / 2 + look
            if cost < best:
                best, chosen = cost, (size, dtype)
        begin = size
    return chosen


def _slack(dtype: torch.dtype) -> float:
    """Return the share of (|u|² + |v|²) / 2 by which rounding to b bits may move u·v: 2^-b."""
    return 2.0**-7 + 2.0**-12 if dtype.itemsize == 2 else 2.0**-14


def _sides(low: FloatArray, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows whose products are (|u|² + |v|²) / 2 - u·v, less what rounding may add."""
    import torch

    along = torch.from_numpy(low).to(dtype)
    square = np.square(low, dtype=np.float64).sum(axis=1)
    half = torch.from_numpy((1 - _slack(dtype)) / 2 * square)
    high = half.to(dtype)
    rest = (half - high).to(dtype)
    one = torch.ones_like(high)
    own, other = torch.stack([high, rest], dim=1), torch.stack([one, one], dim=1)
    return torch.cat([-along, own, other], dim=1), torch.cat([along, other, own], dim=1)


def _candidates(sketch: _Sketch, start: int, reach: float) -> IntArray:
    """Return pairs that may be within reach, of a block of rows with later ones; all if not many.

    The first coordinates of a pair are no farther apart than its rows are.
    """
    import torch

    rows, found, n_found = sketch.left[start : start + _ROWS], [], 0
    last = float(sketch.first[start + len(rows) - 1])
    end = np.searchsorted(sketch.first, last + np.sqrt(reach) + 1e-6 * abs(last), side="right")
    limit = torch.tensor(reach / 2 * (1 + 2.0**-6), dtype=rows.dtype)  # both may be rounded
    whole = torch.int16 if rows.dtype == torch.bfloat16 else torch.int32
    for at in range(start, int(end), _COLUMNS):
        with torch.inference_mode():
            product = rows @ sketch.right[at : at + _COLUMNS].T
            # The bits of positive numbers are in their order, and compare faster as integers.
            hit = (product.view(whole).amin(dim=1) <= limit.view(whole)).nonzero()[:, 0]
            row, column = (product[hit] <= limit).nonzero(as_tuple=True)
            pairs = torch.stack([hit[row] + start, column + at], dim=1).numpy()
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
        n_found += len(found[-1])
        if n_found > _DENSE:
            break
    return np.asarray(sketch.order[np.concatenate(found)])


# ---- how similar pairs are -----------------------------------------------------------------------


def similarity_of(embedding: Embedding, pairs: IntArray) -> FloatArray:
    """Return how similar the rows of each pair are, shape (m,), float64.

    In the precision of `nearest`: the same pair gets the same number from both.
    """
    import torch

    rows = Rows.of(embedding)
    distance: FloatArray = np.empty(len(pairs), "f4" if embedding.metric == "cosine" else "f8")
    for block in _slices(len(pairs), embedding.shape[1]):
        one, other = pairs[block].T
        gap = torch.from_numpy(rows[other].astype(distance.dtype, copy=False) - rows[one])
        distance[block] = torch.linalg.vector_norm(gap, dim=1).numpy()
    if embedding.metric == "cosine":
        distance = distance**2 / 2
    found = Neighbors(indices=pairs, distance=distance.astype(np.float32), metric=embedding.metric)
    return found.similarity.astype(np.float64)
