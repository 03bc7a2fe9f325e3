"""Unlabelled rows that should not be trained on: floods of copies, and planted chains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, FloatArray, IntArray, check_integer
from curalab.pool import Pool, as_pool
from curalab.results import StageResult

__all__ = ["Screened", "screen_unlabelled"]

_K = 10
_COPY, _LINK = 0.2, 0.7  # of the ordinary distance to the nearest row
_FEWEST = 8  # rows of a chain
_STRAIGHT = 0.7  # share of a chain's variance along one axis; a round heap in a plane has .5


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Screened(StageResult):
    """Which rows may be trained on.

    Attributes
    ----------
    keep : ndarray of shape (n_items,), bool
        False for unlabelled rows better left out; labelled ones are always kept.
    reason : ndarray of shape (n_items,)
        "copy", "conflict" or "chain" for those left out, else "".
    group : ndarray of shape (n_items,), int
        Number of the copies or the chain that a row belongs to, -1 where to none; kept rows of
        such a group have it, too.
    """

    prefix: ClassVar[str] = "screen"
    columns: ClassVar[Mapping[str, str]] = {}

    keep: BoolArray
    reason: AnyArray
    group: IntArray

    @property
    def summary(self) -> str:  # noqa: D102
        count = pd.Series(self.reason[~self.keep], dtype=object).value_counts()
        return ", ".join(f"{n:,} {reason}" for reason, n in count.items()) or "nothing to leave out"


def screen_unlabelled(
    embedding: Any, labels: Any = None, *, max_copies: int = 5, chains: bool = True
) -> Screened:
    """Find unlabelled rows that would mislead a method that trains on them.

    A row's ordinary distance is the median distance of rows to their nearest one. Of the graph of
    the ten nearest neighbours, links far shorter than that connect

    - copies (links under a fifth of it): of a group with more than `max_copies` unlabelled rows
      the others are left out, as one wrong label would count as often; of a group whose labelled
      rows are of two classes, all unlabelled ones ("conflict");
    - chains (links under .7 of it): eight rows or more that lie along one axis (70 % of their
      variance) and reach further than an ordinary distance. Such a dense path from a labelled row
      to a target carries the label there [1]_, which takes a thousandth of the rows.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    labels : array-like of shape (n_items,), default=None
        Their labels; None or NaN is missing. May be left out where a Pool brings them.
    max_copies : int, default=5
        Unlabelled copies that may stay, the first ones.
    chains : bool, default=True
        Whether to look for chains. Frames of a film are chains by nature.

    Returns
    -------
    Screened
        ``embedding.take(found.ids[found.keep])`` is what to go on with.

    Notes
    -----
    The paper's defences are clusters of unusually near pairs and, in training, which rows pull
    others along. This is the first of them, on the neighbour graph, with a test for the shape of
    a path (ours). A chain with gaps above .7 of an ordinary distance falls apart and may be
    missed, so one of ten rows often is. Of rows drawn from a normal distribution in three or
    four dimensions up to three in a thousand are chains by chance; in embeddings, none was.

    References
    ----------
    .. [1] Carlini (2021), "Poisoning the Unlabeled Dataset of Semi-Supervised Learning", USENIX
       Security. arXiv:2105.01622.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.pseudo_labels import screen_unlabelled
    >>> x = np.random.default_rng(0).normal(size=(200, 8))
    >>> flood = np.concatenate([x, np.repeat(x[:1], 30, axis=0)])
    >>> screen_unlabelled(cl.Embedding(vectors=flood, metric="euclidean"))
    Screened(230 items, 26 copy, method=screen_unlabelled)
    """
    check_integer("max_copies", max_copies, low=1)
    pool = as_pool(embedding, labels=labels)
    reason = np.full(len(pool), "", dtype=object)
    group = np.full(len(pool), -1)
    params = {"method": "screen_unlabelled", "max_copies": max_copies, "chains": chains}
    params |= {"verb": "screen_unlabelled", "embedding": pool.embedding.fingerprint}
    ordinary = 0.0
    if len(pool) > 1:
        distance, near = _distances(pool)
        nearest = distance[:, 0]
        ordinary = float(np.median(nearest[nearest > 0])) if nearest.any() else 0.0
        _mark_copies(pool, _groups(distance <= _COPY * ordinary, near), max_copies, reason, group)
        if chains and ordinary > 0:
            linked = _groups(distance <= _LINK * ordinary, near)
            _mark_chains(pool, linked, ordinary, reason, group)
    return Screened(
        ids=pool.ids,
        keep=reason == "",
        reason=reason,
        group=np.unique(group, return_inverse=True)[1] - int((group < 0).any()),
        params=params,
        details={"ordinary_distance": ordinary},
    )


def _distances(pool: Pool) -> tuple[FloatArray, IntArray]:
    """Return Euclidean distances of points to their nearest, and which these are."""
    near = pool.embedding.neighbors(min(_K, len(pool) - 1))
    distance = near.distance.astype(np.float64)
    return np.sqrt(2 * distance) if near.metric == "cosine" else distance, near.indices


def _groups(is_short: BoolArray, near: IntArray) -> list[IntArray]:
    """Return the rows of each part that short links connect, two rows or more, in order."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    row, place = np.nonzero(is_short)
    n = len(near)
    graph = coo_array((np.ones(len(row), dtype=np.int8), (row, near[row, place])), shape=(n, n))
    _, part = connected_components(graph, directed=False)
    order = np.argsort(part, kind="stable")
    cuts = np.flatnonzero(np.diff(part[order])) + 1
    return [rows for rows in np.split(order, cuts) if len(rows) > 1]


def _mark_copies(
    pool: Pool, groups: list[IntArray], most: int, reason: AnyArray, group: IntArray
) -> None:
    for rows in groups:
        free = rows[~pool.is_labelled[rows]]
        if len(np.unique(pool.codes[rows][pool.is_labelled[rows]])) > 1:
            reason[free] = "conflict"
        elif len(free) > most:
            reason[free[most:]] = "copy"
        else:
            continue
        group[rows] = rows[0]


def _mark_chains(
    pool: Pool, groups: list[IntArray], ordinary: float, reason: AnyArray, group: IntArray
) -> None:
    for rows in groups:
        if len(rows) < _FEWEST:
            continue
        centred = pool.embedding.points[rows].astype(np.float64)
        centred -= centred.mean(axis=0)
        is_wide = len(rows) < centred.shape[1]
        strength, axes = np.linalg.eigh(centred @ centred.T if is_wide else centred.T @ centred)
        is_path = strength[-1] >= _STRAIGHT * strength.sum()
        along = axes[:, -1] * np.sqrt(strength[-1]) if is_wide else centred @ axes[:, -1]
        if is_path and np.ptp(along) > ordinary:
            reason[rows[~pool.is_labelled[rows]]] = "chain"
            group[rows] = rows[0]
