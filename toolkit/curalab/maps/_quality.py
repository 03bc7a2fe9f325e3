"""How far to trust a map: what lies together on it, and what it tore apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import (
    BoolArray,
    FloatArray,
    IntArray,
    align,
    are_invented,
    check_integer,
    complain,
)
from curalab.embedding import Embedding, as_embedding
from curalab.pool import as_pool
from curalab.results import StageResult

__all__ = ["MapQuality", "map_quality"]

_EXACT = 10_000  # rows up to which ranks are counted among all rows
_SAMPLE = 5_000  # rows they are counted among beyond that
_CELLS = 1_000_000  # of a block of distances: 8 MB
_NEAR = 0.1  # share of all rows that are no strangers
_VERDICTS = {
    0.95: "what lies together is alike",
    0.85: "what lies together is mostly alike: look inside a group before acting on it",
    0.0: "much of what lies together is not alike: do not read groups off this map",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MapQuality(StageResult):
    """How well a map keeps each row's neighbours.

    The three numbers go from 0 to 1, higher is better; `details` has their means.

    Attributes
    ----------
    trustworthiness : ndarray of shape (n_items,), float
        Are the row's neighbours on the map like it? 1 if they are its nearest rows, about 0.5 in
        a random place, 0 if they are the rows least like it.
    continuity : ndarray of shape (n_items,), float
        Are the rows most like it near it on the map? On the same scale.
    recall : ndarray of shape (n_items,), float
        Share of the row's k nearest rows that are among its k nearest on the map.
    misplaced : ndarray of shape (n_items,), bool
        Rows that the map puts among strangers, by ``details["rule"]``.
    """

    prefix: ClassVar[str] = "map"

    trustworthiness: FloatArray
    continuity: FloatArray
    recall: FloatArray
    misplaced: BoolArray

    @property
    def summary(self) -> str:
        """How far to trust the map, in one sentence."""
        trust = float(self.trustworthiness.mean())
        verdict = next(text for low, text in _VERDICTS.items() if trust >= low)
        return (
            f"{verdict} (trustworthiness {trust:.2f}, continuity {self.continuity.mean():.2f}); "
            f"of a row's {self.params['k']} nearest {self.recall.mean():.0%} are its nearest on "
            f"the map, and {int(self.misplaced.sum()):,} rows lie among strangers"
        )


def map_quality(map: Any, embedding: Any, *, k: int | None = None) -> MapQuality:
    """Measure how far a map keeps the neighbours of each row.

    Parameters
    ----------
    map : Embedding or array-like of shape (n_items, n_components)
        The map, or any other embedding of the same rows.
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        What was mapped. Rows go by id where both sides carry ids.
    k : int, default=None
        Neighbours that count, fewer than half the rows. None takes 15, or a tenth of the rows
        where they are fewer than 150.

    Returns
    -------
    MapQuality
        ``summary`` says in a sentence how far to trust the picture.

    Notes
    -----
    Ranks are counted exactly up to 10,000 rows. Beyond that a rank is estimated from the share of
    5,000 rows, drawn once with a fixed seed, that are nearer; a row's trustworthiness is then off
    by at most about 0.01, and the means by less. Rows equally far (to nine digits) share the
    better rank, so that a map is not blamed for the order of copies; recall does blame it.

    A row is misplaced where more than half of its neighbours on the map are not among the tenth
    of all rows nearest to it (the 2k nearest, where those are more).

    References
    ----------
    .. [1] Venna, Kaski (2001), "Neighborhood Preservation in Nonlinear Projection Methods: An
       Experimental Study", ICANN. (Trustworthiness and continuity; here by row.)

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.maps import map_quality
    >>> emb = cl.Embedding(vectors=np.random.default_rng(0).normal(size=(200, 3)))
    >>> map_quality(emb, emb).details["recall"]
    1.0
    """
    shown, origin = _same_rows(map, embedding)
    n = len(shown)
    k = default_k(n) if k is None else k
    k = check_integer("k", k, low=1, high=(n - 1) // 2, hint="It must be below half the rows.")
    sample = _counted(n)
    near, near_shown = origin.neighbors(k).indices, shown.neighbors(k).indices
    rank = _ranks(origin.points, near_shown, sample)
    nearest = max(_NEAR * n, 2 * k)
    made = {
        "trustworthiness": _kept(rank, n),
        "continuity": _kept(_ranks(shown.points, near, sample), n),
        "recall": shared_neighbors(near, near_shown),
    }
    rule = f"more than half of its {k} map neighbours are not among its {nearest:,.0f} nearest rows"
    counted = "all rows" if len(sample) == n else f"{len(sample):,} rows drawn with seed 0"
    return MapQuality(
        ids=shown.ids,
        misplaced=(rank > nearest).mean(axis=1) > 0.5,
        params={"k": k, "map": shown.fingerprint, "embedding": origin.fingerprint},
        details={name: float(v.mean()) for name, v in made.items()}
        | {"rule": rule, "ranks": f"counted among {counted}"},
        **made,
    )


def default_k(n: int) -> int:
    """Return how many neighbours of `n` rows count: 15, or a tenth of few rows."""
    return min(15, max(1, n // 10))


def _same_rows(map: Any, embedding: Any) -> tuple[Embedding, Embedding]:
    """Return both embeddings, the second one's rows in the order of the first's."""
    shown, origin = as_embedding(map, metric="euclidean", name="map"), as_pool(embedding).embedding
    if len(shown) < 3:
        raise ValueError(complain("map", "of at least 3 rows", what=f"{len(shown)} rows"))
    if are_invented(origin.ids):
        align("embedding", origin, shown.ids)
        return shown, origin
    if are_invented(shown.ids):
        align("map", shown, origin.ids)
        return shown._with_ids(origin.ids), origin
    same = align("embedding", origin.ids.to_series(), shown.ids).index
    return shown, origin if origin.ids.equals(same) else origin.take(same)


def _counted(n: int) -> IntArray:
    """Return the rows that ranks are counted among."""
    if n <= _EXACT:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).permutation(n)[:_SAMPLE])


def _ranks(points: FloatArray, near: IntArray, sample: IntArray) -> FloatArray:
    """Return the rank of row near[i, j] among the rows nearest to row i, from 1; shape (n, k)."""
    n, k = near.shape
    # Centred double precision: |x|² + |y|² - 2xy cancels badly where data lie far from the origin.
    centre = points.mean(axis=0, dtype=np.float64)
    others = points[sample] - centre
    square = np.square(others).sum(axis=1)
    slack = 1e-12 * square.mean()
    columns = np.column_stack([-2 * others, square]).T
    place = np.full(n, -1)
    place[sample] = np.arange(len(sample))
    rank = np.empty((n, k))
    step = max(1, _CELLS // max(len(sample), k * points.shape[1]))
    for at in range(0, n, step):
        rows, own = points[at : at + step] - centre, place[at : at + step]
        gap = np.column_stack([rows, np.ones(len(rows))]) @ columns  # |y|² - 2xy
        counts = own >= 0
        gap[counts, own[counts]] = np.inf
        asked = points[near[at : at + step]] - centre
        limit = np.square(asked - rows[:, None]).sum(axis=2)
        limit -= 1e-9 * limit + slack + np.square(rows).sum(axis=1)[:, None]
        nearer = np.stack([(gap < one[:, None]).sum(axis=1) for one in limit.T], axis=1)
        rank[at : at + step] = 1 + nearer * ((n - 1) / (len(sample) - counts))[:, None]
    return rank


def _kept(rank: FloatArray, n: int) -> FloatArray:
    """Return 1 less the ranks beyond k, over the worst that they can be."""
    k = rank.shape[1]
    return np.asarray(1 - 2 / (k * (2 * n - 3 * k - 1)) * np.maximum(rank - k, 0).sum(axis=1))


def shared_neighbors(near: IntArray, near_shown: IntArray) -> FloatArray:
    """Return the share of each row of `near` that is in the same row of `near_shown`."""
    both = [(near == one[:, None]).any(axis=1) for one in near_shown.T]
    return np.asarray(np.mean(both, axis=0))
