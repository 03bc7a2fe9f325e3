"""Selection of rows that stand for all the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import AnyArray, BoolArray, check_integer, check_real
from curalab._points import centred_rows
from curalab.pool import FloatArray, IntArray, Pool

__all__ = ["FacilityLocation", "serve"]

_ROUGH = 50_000_000  # similarities, above which they are rounded to 8 bits: 200 MB as they are
_MOST = 800_000_000  # similarities that are kept: 800 MB
_BLOCK = 1_024  # rows at a time
_AT_ONCE = 8  # rows looked at before the others: mostly one of them is the best


@dataclass(frozen=True, kw_only=True)
class FacilityLocation:
    """The row that raises most the similarity of all rows to their nearest pick.

    Each row of the pool is served by the pick most similar to it; the picks shall serve all rows as
    well as possible. Unlike `k_center` it minds how many rows gain, so that outliers come late.
    Greedy picking reaches at least 63 % of the best possible coverage [2]_. Rows in `chosen` serve
    from the start.

    Parameters
    ----------
    n_served : int, default=None
        Rows whose service is counted; any row may be picked. Fewer than all are drawn. None means
        all up to 28,000 rows, and beyond as many as 800 MB hold: 8,000 of 100,000.
    slack : float, default=None
        How far below greedy the coverage may stay on average, from 0 to 0.5. Above 0 each pick is
        the best of n / k · ln(1 / slack) drawn rows (stochastic greedy [4]_). None means 0 up to
        7,000 rows, 0.005 beyond.

    Notes
    -----
    Similarity is the cosine, 0 where negative, or 1 / (1 + distance / s), with s the root of the
    pool's mean squared distance to its mean, so that no unit of length matters. Gain is by how
    much the mean similarity to the nearest pick rises, ``details["coverage"]`` that mean at the
    end; both over the rows served, in [0, 1].

    A row's gain can only fall as others are picked, so an earlier one bounds it from above: only
    rows whose bound is the highest are looked at again, in batches (lazy greedy [3]_). Without
    slack it gives the very picks of greedy. Above 7,000 rows similarities are kept to 8 bits, so
    that picks of nearly the same gain may change places.

    References
    ----------
    .. [1] Wei, Iyer, Bilmes (2015), "Submodularity in Data Subset Selection and Active Learning",
       ICML.
    .. [2] Nemhauser, Wolsey, Fisher (1978), "An analysis of approximations for maximizing
       submodular set functions", Mathematical Programming 14.
    .. [3] Minoux (1978), "Accelerated greedy algorithms for maximizing submodular set functions",
       Optimization Techniques, Springer.
    .. [4] Mirzasoleiman, Badanidiyuru, Karbasi, Vondrak, Krause (2015), "Lazier Than Lazy Greedy",
       AAAI, arXiv:1409.7938.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import FacilityLocation
    >>> x = np.array([[0.0], [1], [2], [20], [21], [22], [23]])
    >>> line = cl.Embedding(vectors=x, metric="euclidean")
    >>> cl.select(line, 2, method=FacilityLocation()).ids.tolist()
    [4, 1]
    """

    cost: ClassVar[str] = "one pass over all pairs, of 8,000 with all at 100,000 rows"

    n_served: int | None = None
    slack: float | None = None

    def __post_init__(self) -> None:
        if self.n_served is not None:
            check_integer("n_served", self.n_served, low=1)
        if self.slack is not None:
            check_real("slack", self.slack, low=0, high=0.5)

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return `k` row numbers in the order of picking, their gain and the coverage."""
        return serve(pool, k, n_served=self.n_served, slack=self.slack, rng=rng)


def serve(
    pool: Pool,
    k: int,
    *,
    n_served: int | None = None,
    slack: float | None = None,
    weight: FloatArray | None = None,
    rng: np.random.Generator,
) -> tuple[IntArray, dict[str, Any]]:
    """Pick `k` rows that serve the others best; row i counts `weight[i]` times, all alike if None.

    Returns row numbers in the order of picking, their gain and the coverage, as `FacilityLocation`
    says.
    """
    n = len(pool)
    n_served = min(n, max(_MOST // n, 1) if n_served is None else n_served)
    served = np.arange(n)
    if n_served < n:
        served = np.sort(rng.choice(n, n_served, replace=False))
    counts = np.ones(n_served) if weight is None else weight[served]
    share = (counts / (counts.sum() or 1.0)).astype(np.float32)
    similarity, unit = _similarities(pool, served)
    best = np.zeros(n_served, dtype=np.float32)
    is_free = np.ones(n, dtype=bool)
    if pool.chosen is not None:
        for row in pool.chosen:
            np.maximum(best, similarity[row], out=best)
        is_free[pool.chosen] = False
    if slack is None:
        slack = 0.005 if unit > 1 else 0.0
    rows, gain = _greedy(similarity, best, is_free, k, slack, share, rng)
    return rows, {"gain": gain / unit, "coverage": float(share @ best) / unit}


def _similarities(pool: Pool, served: IntArray) -> tuple[AnyArray, int]:
    """Return the similarity of each row to the rows served, (n, n_served), and what is 1 in it.

    Float32 and 1, or whole numbers up to 255 where there are many.
    """
    import torch

    points: Any = pool.embedding.points
    is_unit = pool.embedding.metric == "cosine"
    if not is_unit:  # |x|² + |y|² - 2xy cancels badly far from the origin
        points = centred_rows(points, points.mean(axis=0, dtype=np.float64), np.float32)
        spread = np.einsum("ij,ij->", points, points, dtype=np.float64) / len(points)
        points = points / np.float32(np.sqrt(spread) or 1.0)
    points = torch.from_numpy(np.array(points, dtype=np.float32))
    is_rough = len(points) * len(served) > _ROUGH
    others = points[torch.from_numpy(served)]
    is_all = len(served) == len(points)
    square = (others * others).sum(dim=1)
    kind = torch.uint8 if is_rough else torch.float32
    found = torch.empty(len(points), len(served), dtype=kind)
    for i in range(0, len(points), _BLOCK):
        block, start = points[i : i + _BLOCK], i if is_all else 0  # half of a symmetric matrix
        near = block @ others[start:].T
        if not is_unit:
            length = (block * block).sum(dim=1)[:, None] + square[start:]
            near = 1 / (1 + (length - 2 * near).clamp_(min=0).sqrt_())
        near.clamp_(0, 1)
        found[i : i + _BLOCK, start:] = near.mul_(255).add_(0.5) if is_rough else near
        if is_all:
            end = i + _BLOCK
            found[end:, i:end] = found[i:end, end:].T
    return found.numpy(), 255 if is_rough else 1


def _greedy(
    similarity: AnyArray,
    best: FloatArray,
    is_free: BoolArray,
    k: int,
    slack: float,
    share: FloatArray,
    rng: np.random.Generator,
) -> tuple[IntArray, FloatArray]:
    """Pick `k` rows of the largest gain by lazy greedy; `best` is raised in place."""
    from tqdm.auto import tqdm

    from curalab.selectors._gains import gains

    n_free = int(is_free.sum())
    size = min(n_free, int(np.ceil(n_free / k * -np.log(slack)))) if slack else n_free
    bound = np.full(len(similarity), np.inf, dtype=np.float32)
    rows, gain = np.empty(k, dtype=np.int64), np.empty(k)
    for i in tqdm(range(k), desc="facility_location", delay=2, disable=None):
        seen = np.flatnonzero(is_free)
        if size < len(seen):
            seen = rng.choice(seen, size, replace=False)
        seen = seen[np.argsort(-bound[seen], kind="stable")]
        row, most, at, n_more = -1, -1.0, 0, _AT_ONCE
        while at < len(seen) and bound[seen[at]] > most:
            part = seen[at : at + n_more]
            bound[part] = found = gains(similarity, part, best, share)
            if found.max() > most:
                row, most = int(part[found.argmax()]), float(found.max())
            at, n_more = at + n_more, 2 * n_more
        rows[i], gain[i] = row, most
        is_free[row] = False
        np.maximum(best, similarity[row], out=best)
    return rows, gain
