"""Vectors with ids, and their one neighbour graph."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from curalab._blocks import by_blocks
from curalab._check import (
    AnyArray,
    FloatArray,
    IntArray,
    are_invented,
    carried_ids,
    check_choice,
    check_ids,
    check_integer,
    check_real,
    check_vectors,
    complain,
    invented_ids,
    refuse_rows,
    rows_of,
)
from curalab._points import UnitRows, is_large, unit_rows
from curalab._saved import path_of
from curalab.neighbors import RECALL, Neighbors, nearest, shared_k
from curalab.neighbors._grown import grown, opened_graph
from curalab.results import StageResult

__all__ = ["Embedding", "as_embedding", "check_space", "take_rows"]

_BLOCK = 65_536  # rows looked at together
_OF_GRAPH = ("indices", "distance", "recall")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Embedding(StageResult):
    """One vector an item.

    Arrays are accepted wherever an Embedding is; make one yourself to give ids or the metric.

    Parameters
    ----------
    vectors : array-like of shape (n, d)
        Finite numbers, kept as float32. A DataFrame brings its index as ids.
    ids : sequence of shape (n,), default=None
        Distinct ids of the rows. None means none: they are numbered, and other inputs go by
        position.
    metric : {"cosine", "euclidean"}, default="cosine"
        "cosine" suits texts and images, "euclidean" maps and tables. A row of zeros has no
        direction and is refused under "cosine".

    Attributes
    ----------
    data : object
        What was embedded, None if unknown; `save` leaves it out.
    encoder : object
        The fitted encoder, None if unknown: ``embed(new, encoder=embedding.encoder)`` is the
        same space. `save` leaves it out.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> emb = cl.Embedding(vectors=np.eye(3) + 0.1, ids=["a", "b", "c"])
    >>> emb
    Embedding(3 items, 3 dimensions, cosine)
    >>> emb.take(["c", "a"]).ids.tolist()
    ['c', 'a']
    """

    prefix: ClassVar[str] = "embedding"

    ids: pd.Index = None  # type: ignore[assignment]
    vectors: FloatArray
    metric: str = "cosine"
    data: Any = field(default=None, metadata={"unsaved": True})
    encoder: Any = field(default=None, metadata={"unsaved": True})
    _graph: dict[str, Any] = field(default_factory=dict, metadata={"unsaved": True})

    def __post_init__(self) -> None:
        check_choice("metric", self.metric, ["cosine", "euclidean"])
        given = self.ids if self.ids is not None else carried_ids(self.vectors)
        ids = None if given is None else check_ids(given)
        vectors = check_vectors("vectors", self.vectors, ids=ids)
        ids = invented_ids(len(vectors)) if ids is None else check_ids(ids, n=len(vectors))
        if self.metric == "cosine":
            _refuse_zeros("vectors", vectors, ids)
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "vectors", vectors)
        super().__post_init__()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and dimensions."""
        return self.vectors.shape[0], self.vectors.shape[1]

    @property
    def summary(self) -> str:  # noqa: D102
        return f"{self.shape[1]:,} dimensions, {self.metric}"

    def __repr__(self) -> str:
        return f"Embedding({len(self):,} items, {self.summary})"

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> FloatArray:
        return np.array(self.vectors, dtype=dtype, copy=copy)

    @cached_property
    def points(self) -> FloatArray:
        """Vectors whose Euclidean distance ranks as the metric does: of unit length under cosine.

        Shape (n, d), float32.
        """
        if self.metric == "euclidean":
            return self.vectors
        points = unit_rows(self.vectors)
        points.flags.writeable = False
        return points

    @cached_property
    def fingerprint(self) -> str:
        """A hash of vectors, metric and ids, if there are any."""
        made, has_ids = hashlib.blake2b(digest_size=16), not are_invented(self.ids)
        made.update(repr((self.metric, self.shape, has_ids)).encode())
        made.update(by_blocks(self._digest, self.vectors).data)
        for at in range(0, len(self) if has_ids else 0, _BLOCK):
            made.update("\0".join(map(repr, self.ids[at : at + _BLOCK].tolist())).encode())
        return made.hexdigest()

    def _digest(self, rows: slice) -> AnyArray:
        block = np.ascontiguousarray(self.vectors[rows])
        return np.frombuffer(hashlib.sha256(block.data).digest(), dtype=np.uint8)

    # ---- neighbours ------------------------------------------------------------------------------

    def neighbors(self, k: int, *, recall: float | None = None) -> Neighbors:
        """Return the `k` nearest rows of each row, the row itself left out.

        The graph is computed once for the largest k so far, and for 32 at least with 16,384 rows
        and more; a smaller k is a slice of it. `save` keeps it beside the vectors, and after
        `append_to` only the new rows are searched.

        Parameters
        ----------
        k : int
            From 1 to n - 1.
        recall : float, default=None
            Share of the true neighbours that shall be found, from 0 to 1 (exactly all). Below 1,
            with 16,384 rows and more, the search is approximate where that is clearly faster; what
            it misses are mostly distant ones of the k. None, as all stages ask, takes the graph
            that there is, and else seeks one of 0.98.

        Returns
        -------
        Neighbors
            `indices`, `distance` (1 - cosine, or Euclidean) and `similarity`, each (n, k), and the
            `recall` that was seen.
        """
        if len(self) < 2:
            raise ValueError(
                "The embedding must have 2 rows or more for neighbours. Got 1 instead."
            )
        k = check_integer("k", k, low=1, high=len(self) - 1, hint=_few(len(self)))
        if recall is not None:
            check_real("recall", recall, low=0, high=1)
        known: Neighbors | None = self._graph.get("neighbors")
        k_most = k if known is None else max(k, known.k)
        if known is not None and (known.k < k or known.recall < (recall or 0)):
            known = None
        elif known is not None and not self.has_graph:  # rows have come behind those it is of
            known = grown(known, self.points)
        if known is None:
            wanted = RECALL if recall is None else recall
            k_most = shared_k(len(self), k_most)
            known = nearest(self.points, k_most, metric=self.metric, recall=wanted)
        self._graph["neighbors"] = known
        return known.first(k)

    @property
    def has_graph(self) -> bool:
        """Whether neighbours of all rows are known, so that asking for as many costs nothing."""
        known: Neighbors | None = self._graph.get("neighbors")
        return known is not None and len(known.indices) == len(self)

    def search(self, queries: Any, k: int) -> Neighbors:
        """Return the `k` rows of this embedding nearest to each query.

        Parameters
        ----------
        queries : Embedding or array-like of shape (m, d)
            Vectors of the same space; an Embedding must be of the same metric.
        k : int
            From 1 to n.

        Returns
        -------
        Neighbors
            Row numbers in this embedding, shape (m, k).
        """
        asked = as_embedding(queries, metric=self.metric, name="queries")
        check_space("queries", asked, self)
        k = check_integer("k", k, low=1, high=len(self))
        return nearest(self._looked_at, k, metric=self.metric, queries=asked.points)

    @property
    def _looked_at(self) -> FloatArray:
        """The points, without a copy of vectors that are too many to hold one for a search."""
        if self.metric == "euclidean" or "points" in vars(self) or not is_large(self.vectors):
            return self.points
        return UnitRows(self.vectors)  # type: ignore[return-value]  # all that a search asks for

    # ---- parts -----------------------------------------------------------------------------------

    def take(self, ids: Any) -> Embedding:
        """Return the embedding of the rows with these `ids`, in this order."""
        rows = rows_of(self.ids, ids)
        ancestors = [*self.params.get("ancestors", []), self.fingerprint]
        return Embedding(
            ids=self.ids[rows],
            vectors=np.asarray(self.vectors[rows]),
            metric=self.metric,
            params={**self.params, "ancestors": ancestors},
            data=take_rows(self.data, rows),
            encoder=self.encoder,
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one column a dimension; `map_0`, `map_1` where the embedding is a map."""
        return self._first(len(self))

    def _first(self, n: int) -> pd.DataFrame:  # a frame copies the vectors that go into it
        prefix = "map" if self.params.get("verb") == "reduce" else self.prefix
        names = [f"{prefix}_{i}" for i in range(self.shape[1])]
        return pd.DataFrame(np.asarray(self.vectors[:n]), index=self.ids[:n], columns=names)

    def _parts(self) -> dict[str, Any]:
        parts, known = super()._parts(), self._graph.get("neighbors")
        if known is None:
            return parts
        return {**parts, **{f"neighbors.{name}": getattr(known, name) for name in _OF_GRAPH}}

    @classmethod
    def _restored(cls, plain: dict[str, Any], n: int) -> dict[str, Any]:
        """Leave out vectors behind the last id: they were being appended when that was stopped."""
        found = {name: plain.pop(f"neighbors.{name}", None) for name in _OF_GRAPH}
        vectors, metric = plain["vectors"], plain["metric"]
        if len(vectors) < n:
            raise ValueError(f"{n:,} ids, {len(vectors):,} vectors")
        if any(part is not None for part in found.values()):
            plain["_graph"] = {"neighbors": opened_graph(n, metric=metric, **found)}
        return {**plain, "vectors": vectors[:n]}

    def append_to(self, path: str | os.PathLike[str]) -> None:
        """Add these rows to the embedding that `save` wrote into the folder `path`.

        Only the new rows are written, and counted last: whatever happens, the folder holds the
        rows before or all of them.

        Parameters
        ----------
        path : path
            A folder that holds an embedding of as many dimensions, the same metric and encoder by
            name; that one that learns was fitted on the same rows cannot be checked. Ids must be
            new to it; where neither has any, the numbers go on.

        Raises
        ------
        ValueError, AlignmentError
            The folder holds something else, or ids that are among these.
        TypeError
            The ids are of another type than those that the folder holds.
        BlockingIOError
            Another process is writing to it.

        Examples
        --------
        >>> import numpy as np, tempfile, curalab as cl
        >>> folder = f"{tempfile.mkdtemp()}/vectors"
        >>> cl.Embedding(vectors=np.eye(3), ids=["a", "b", "c"]).save(folder)
        >>> cl.Embedding(vectors=np.ones((1, 3)), ids=["d"]).append_to(folder)
        >>> cl.Embedding.open(folder).ids.tolist()
        ['a', 'b', 'c', 'd']
        """
        from curalab._appended import append

        append(self, path_of(path))

    def _with_ids(self, ids: pd.Index) -> Embedding:
        """Return the same vectors and graph under the ids that another input carries."""
        made = copy(self)  # without looking at all vectors once more
        object.__setattr__(made, "ids", check_ids(ids, n=len(self)))
        vars(made).pop("fingerprint", None)
        return made


def _refuse_zeros(name: str, vectors: FloatArray, ids: pd.Index | None) -> None:
    refuse_rows(
        name,
        vectors,
        lambda block: np.asarray(~block.any(axis=1)),
        rule='different from zero under metric="cosine"',
        what="of zeros",
        ids=ids,
        hint='Drop these rows, or use Embedding(vectors=…, metric="euclidean").',
    )


def _few(n: int) -> str:
    return f"There are {n:,} rows, and a row is not its own neighbour."


def take_rows(data: Any, rows: IntArray) -> Any:
    """Return some rows of what was embedded, in the form it has."""
    if data is None:
        return None
    if hasattr(data, "iloc"):
        return data.iloc[rows]
    return data[rows] if isinstance(data, np.ndarray) else [data[i] for i in rows]


def as_embedding(value: Any, *, metric: str = "cosine", name: str = "embedding") -> Embedding:
    """Return an Embedding: the one given, or one made of an array or DataFrame."""
    if isinstance(value, Embedding):
        return value
    if value is None or isinstance(value, str | Mapping):
        raise TypeError(
            f"The {name!r} parameter must be an Embedding or an array of shape (n, d). "
            f"Got {type(value).__name__} instead. Make one with embed(data, encoder=…)."
        )
    ids = carried_ids(value)
    vectors = check_vectors(name, value, ids=ids)
    if metric == "cosine":
        _refuse_zeros(name, vectors, ids)
    return Embedding(ids=ids, vectors=vectors, metric=metric)  # type: ignore[arg-type]


def check_space(name: str, other: Embedding, embedding: Embedding) -> None:
    """Refuse an embedding of another space than the one it goes with."""
    if other.metric != embedding.metric:
        raise ValueError(complain(name, f"of metric {embedding.metric!r}", other.metric))
    if other.shape[1] != embedding.shape[1]:
        rule = f"of {embedding.shape[1]:,} dimensions, as the embedding is"
        raise ValueError(complain(name, rule, other.shape[1]))
