"""More rows like these: a cluster grown from seeds along the neighbour graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray, check_seed, complain, rows_of
from curalab.clusters.spectral import similarity_graph
from curalab.pool import as_pool
from curalab.results import StageResult

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Grown", "grow"]

_NEIGHBORS = 15
_EPSILON = 0.05  # what is left of an edge between rows of different labels
_STEP = 2.0  # each source mass is so many times the last
_MOST = 0.75  # of the volume of all rows: more is not a cluster
_FULL = 0.95  # of the volume of a part of the graph: it is taken as a whole
_SLACK = 0.01  # a row may hold so much more than its capacity, as a share of it
_BEYOND = 20  # times the cluster's size are looked at before it is settled for
_PUSHES = 30  # before each solve
_ROUNDS = 200
_RISE = 2.0  # by which the conductance rises after a dip


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Grown(StageResult):
    """Rows that belong with the seeds, best first.

    Attributes
    ----------
    ids : pandas.Index of shape (n_grown,)
        Ids of the cluster's rows: the seeds, then the others, strongest first.
    strength : ndarray of shape (n_grown,), float
        Potential of the row as a share of the largest, from 0 to 1; 1 for seeds. It falls along
        the graph; 0 is a row that belongs only because nothing separates it from the others.
    is_seed : ndarray of shape (n_grown,), bool
        Whether the row was given.
    details : mapping
        `conductance`: share of the cluster's edge weight that leads out of it, 0 to 1, lower is
        better separated; `n_touched`: rows that the flow reached; `sizes`: a DataFrame with the
        least `conductance` of each `size` that was looked at.
    """

    prefix: ClassVar[str] = "grown"
    columns: ClassVar[Mapping[str, str]] = {"is_seed": "is_seed"}

    strength: FloatArray
    is_seed: BoolArray

    @property
    def summary(self) -> str:
        return f"from {self.is_seed.sum():,} seeds" if self.is_seed.sum() > 1 else "from 1 seed"


def grow(
    embedding: Any, seeds: Any, *, labels: Any = None, random_state: int | None = None
) -> Grown:
    """Select more rows like these.

    Mass flows from the seeds along the neighbour graph; where it cannot get out, is a cluster.
    Follows shapes that the nearest neighbours of the seeds do not: chains, rings, sheets.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows; at least 2.
    seeds : sequence of ids, or a result with ids
        Rows to start from. Several, spread over what is wanted, do better than one.
    labels : array-like of shape (n_items,), default=None
        A label a row, which may be wrong, or missing (None, NaN). The cluster grows along rows of
        one label, and takes in wrongly labelled rows amid them. None takes the Pool's.
    random_state : int, default=None
        Only recorded: nothing is drawn.

    Returns
    -------
    Grown
        Ids best first, with strength.

    Notes
    -----
    The graph is that of the 15 nearest neighbours. An edge weighs exp(-d² / (s t)), with s and t
    the distances of its two rows to their middle neighbour; [1]_ has one width for all. With
    labels [2]_, an edge between rows of different labels weighs 0.05 of that; edges of seeds, and
    of rows without a label, keep their weight (ours).

    Each row holds as much mass as the weight of its edges, its volume, and passes on what is
    more. That is the least x ≥ 0 (the potential) with Δ - L x ≤ T, which [1]_ finds by pushing
    from one row at a time. Here rows push together, then all rows reached so far are solved for
    at once by conjugate gradients; it stays local, and long chains fill in few rounds.

    The papers are told the mass. Here it doubles from twice the seeds' volume; each time
    the rows are taken in the order of their potentials, and each size has a conductance.
    A dip is a size after which (conductance + 0.003) · size ^ 0.2 doubles before it falls below,
    from 15 rows on, fewer than which a graph of 15 neighbours cannot part; the cluster is the dip
    where (conductance + 0.001) · size ^ 1.15, about the weight of the edges cut, is least. So a
    clear cluster wins over a larger one around it, whose conductance is often less. Where
    clusters run into each other there may be no dip, and the answer can be most rows: look at
    ``details["conductance"]``. (The numbers are ours, from planted blobs and rings.)

    References
    ----------
    .. [1] Yang, Fountoulakis (2023), "Weighted Flow Diffusion for Local Graph Clustering with
       Node Attributes: an Algorithm and Statistical Guarantees", ICML, arXiv:2301.13187.
    .. [2] Back de Luca, Fountoulakis, Yang (2024), "Local Graph Clustering with Noisy Labels",
       ICLR, arXiv:2310.08031.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.clusters import grow
    >>> angle = np.linspace(0, 6, 200)
    >>> ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    >>> emb = cl.Embedding(vectors=np.concatenate([ring, 2 * ring]), metric="euclidean")
    >>> grow(emb, [0])
    Grown(200 items, from 1 seed)
    """
    pool = as_pool(embedding, labels=labels)
    if len(pool) < 2:
        raise ValueError(complain("embedding", "of at least 2 rows", what=f"{len(pool)} row"))
    rows = _rows(pool.ids, seeds)
    near = pool.embedding.neighbors(min(_NEIGHBORS, len(pool) - 1))
    flow = _Flow(_weighted(similarity_graph(near), pool.codes, rows), rows)
    cuts: list[_Cuts] = []
    for cut in flow.cuts():
        cuts.append(cut)
        sizes = _sizes(cuts)
        at, is_sure = _dip(sizes, least=len(rows) + near.k)
        if is_sure and len(cut.rows) > _BEYOND * sizes["size"][at]:
            break
    best = cuts[int(sizes["cut"][at])]
    found = best.rows[: sizes["size"][at]]
    strength = best.potential[: len(found)] / max(best.potential.max(), 1e-300)
    is_seed = flow.is_seed[found]
    return Grown(
        ids=pool.ids[found],
        strength=np.where(is_seed, 1.0, strength),
        is_seed=is_seed,
        params={
            "verb": "grow",
            "seeds": len(rows),
            "labels": bool(pool.is_labelled.any()),
            "random_state": check_seed(random_state),
            "embedding": pool.embedding.fingerprint,
        },
        details={
            "conductance": float(sizes["conductance"][at]),
            "n_touched": int((flow.potential > 0).sum()),
            "sizes": sizes[["size", "conductance"]],
        },
    )


def _rows(ids: pd.Index, seeds: Any) -> IntArray:
    asked = getattr(seeds, "ids", seeds)
    if isinstance(asked, str) or not hasattr(asked, "__len__"):
        hint = "Put a single one into a list."
        raise TypeError(complain("seeds", "a list of ids", seeds, hint))
    if not len(asked):
        raise ValueError(complain("seeds", "at least one id", what="none"))
    return np.unique(rows_of(ids, asked, name="seeds"))


def _weighted(graph: csr_matrix, codes: IntArray, seeds: IntArray) -> csr_matrix:
    """Return the graph with little left of edges between rows of different labels."""
    edges = graph.tocoo(copy=True)
    known = codes.copy()
    known[seeds] = -1
    one, other = known[edges.row], known[edges.col]
    edges.data[(one >= 0) & (other >= 0) & (one != other)] *= _EPSILON
    return edges.tocsr()


class _Cuts(NamedTuple):
    """Rows in the order of their potential, and the conductance of the first 1, 2, … of them."""

    rows: IntArray
    potential: FloatArray
    conductance: FloatArray


def _sizes(cuts: list[_Cuts]) -> pd.DataFrame:
    """Return the least conductance of each size, and the cut that has it."""
    parts = [
        pd.DataFrame({"size": np.arange(1, len(c.rows) + 1), "conductance": c.conductance})
        for c in cuts
    ]
    every = pd.concat(parts, keys=range(len(cuts)), names=["cut", None]).reset_index(level="cut")
    every = every.dropna().sort_values(["size", "conductance"], kind="stable")
    return every.drop_duplicates("size").reset_index(drop=True)


def _dip(sizes: pd.DataFrame, *, least: int) -> tuple[int, bool]:
    """Return where the best dip is, and whether the conductance rises after it."""
    size, conductance = sizes["size"].to_numpy(), sizes["conductance"].to_numpy()
    depth = (conductance + 0.003) * size**0.2
    low = min(int(np.searchsorted(size, least)), len(size) - 1)
    dips, high = [], depth[low]
    for at in range(low + 1, len(size)):
        if depth[at] >= depth[low]:
            high = max(high, depth[at])
            continue
        if high >= _RISE * depth[low]:
            dips.append(low)
        low, high = at, depth[at]
    dips.append(low)
    edges = (conductance[dips] + 0.001) * size[dips] ** 1.15
    best = dips[int(edges.argmin())]
    return best, bool(best != low or high >= _RISE * depth[low])


class _Flow:
    """Mass on a graph: what each row holds, and the potential that drove it there."""

    def __init__(self, graph: csr_matrix, seeds: IntArray) -> None:
        n = graph.shape[0]
        self.graph, self.seeds = graph, seeds
        self.volume = np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1e-300)
        self.held, self.potential = np.zeros(n), np.zeros(n)
        self.is_seed = np.zeros(n, dtype=bool)
        self.is_seed[seeds] = True

    def cuts(self) -> Iterator[_Cuts]:
        """Yield the cuts for each mass, until the seeds' parts or most of the graph are full.

        Parts of the graph without an edge between them fill apart; full ones are one more cut.
        """
        from scipy.sparse.csgraph import connected_components

        _, part = connected_components(self.graph, directed=False)
        most = _MOST * self.volume.sum()
        own = part[self.seeds]
        room = np.minimum(_FULL * np.bincount(part, self.volume), most)
        share = self.volume[self.seeds]
        mass, given, is_full = 2 * share.sum(), np.zeros(len(own)), np.zeros(len(own), dtype=bool)
        while not is_full.all():
            asked = share * (mass / share.sum())
            filled = np.bincount(own, asked, minlength=len(room))
            is_full = (filled >= room)[own]
            source = np.where(is_full, asked * (room / np.maximum(filled, 1e-300))[own], asked)
            self.held[self.seeds] += source - given
            given = source
            self.settle()
            yield self.cut(self.potential > 0)
            mass *= _STEP
        whole = np.isin(part, own)
        if is_full.all() and self.volume[whole].sum() < most:
            yield self.cut(whole)

    def settle(self) -> None:
        """Push what rows hold too much of, until none does."""
        from scipy.sparse import diags
        from scipy.sparse.linalg import cg

        for _ in range(_ROUNDS):
            for _ in range(_PUSHES):
                over = np.flatnonzero(self.held > (1 + _SLACK) * self.volume)
                if not len(over):
                    return
                self.push(over, self.held[over] / self.volume[over] - 1)
            rows = np.flatnonzero(self.potential > 0)
            volume = self.volume[rows]
            inner = diags(volume) - self.graph[rows][:, rows]
            excess = self.held[rows] - volume
            more, _ = cg(inner, excess, rtol=1e-2, maxiter=1_000, M=diags(1 / volume))
            self.push(rows, np.maximum(more, -self.potential[rows]))

    def push(self, rows: IntArray, amount: FloatArray) -> None:
        """Raise potentials; mass flows to the neighbours."""
        self.potential[rows] += amount
        self.held += self.graph[rows].T @ amount
        self.held[rows] -= self.volume[rows] * amount

    def in_order(self, mask: BoolArray) -> IntArray:
        """Return the rows of a mask, strongest first, after the seeds."""
        rows = np.flatnonzero(mask & ~self.is_seed)
        order = np.argsort(-self.potential[rows], kind="stable")
        return np.concatenate([self.seeds, rows[order]])

    def cut(self, mask: BoolArray) -> _Cuts:
        """Return the cuts that take the rows of a mask in their order; NaN before all seeds."""
        order = self.in_order(mask)
        rank = np.full(len(self.volume), len(order))
        rank[order] = np.arange(len(order))
        edges = self.graph[order].tocoo()
        last = np.maximum(edges.row, rank[edges.col])  # when both ends are in
        inside = np.bincount(last, edges.data, minlength=len(order) + 1)[: len(order)].cumsum()
        volume, total = self.volume[order].cumsum(), self.volume.sum()
        smaller = np.maximum(np.minimum(volume, total - volume), 1e-12 * total)
        conductance = np.clip((volume - inside) / smaller, 0, 1)
        conductance[: len(self.seeds) - 1] = np.nan
        return _Cuts(order, self.potential[order], conductance)
