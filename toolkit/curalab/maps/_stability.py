"""How much a map changes over seeds and row orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from curalab._check import check_integer, complain
from curalab._stability import Stability, compare, reruns
from curalab.embedding import Embedding
from curalab.maps._quality import default_k, shared_neighbors
from curalab.pool import as_pool

__all__ = ["MapStability", "stability"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MapStability(Stability):
    """How alike several maps are; `agreement` is the share of map neighbours that two share."""

    columns: ClassVar[Mapping[str, str]] = {"agreement": "map_agreement"}


def stability(
    embedding: Any,
    *,
    method: str | Callable[..., Any] = "umap",
    n_components: int = 2,
    k: int | None = None,
    n_runs: int = 5,
    random_state: int | None = None,
) -> MapStability:
    """Map several times, with other seeds and row orders, and see which neighbours stay.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        What to map.
    method : str or callable, default="umap"
        As for `reduce`.
    n_components : int, default=2
        Columns of the maps.
    k : int, default=None
        Neighbours on the map that are compared. None takes 15, or a tenth of the rows where they
        are fewer than 150.
    n_runs : int, default=5
        Maps made.
    random_state : int, default=None
        Draws the seeds and orders. None draws one and records it.

    Returns
    -------
    MapStability
        ``details["chance"]`` is the share that two random maps would have in common.

    Notes
    -----
    A steady map need not be a true one: `map_quality` says that.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.maps import stability
    >>> emb = cl.Embedding(vectors=np.random.default_rng(0).normal(size=(60, 4)))
    >>> stability(emb, method="pca", n_runs=3, random_state=0).agreement.min()
    np.float64(1.0)
    """
    from curalab.maps import reduce

    pool = as_pool(embedding)
    n = len(pool)
    if n < 3:
        raise ValueError(complain("embedding", "of at least 3 rows", what=f"{n} rows"))
    k = check_integer("k", default_k(n) if k is None else k, low=1, high=n - 1)

    def draw(shuffled: Any, seed: int) -> Embedding:
        return reduce(shuffled, method=method, n_components=n_components, random_state=seed)

    made, params = reruns(draw, pool, n_runs=n_runs, random_state=random_state)
    near = [view.take(pool.ids).neighbors(k).indices for view in made]
    agreement, pairs = compare(near, shared_neighbors)
    chance = k / (n - 1)
    says = (
        f"two of {n_runs} maps share {agreement.mean():.0%} of a row's {k} neighbours "
        f"({pairs['agreement'].min():.0%} to {pairs['agreement'].max():.0%}; "
        f"chance gives {chance:.0%})"
    )
    return MapStability(
        ids=pool.ids,
        agreement=agreement,
        pairs=pairs,
        params={**params, "n_components": n_components, "k": k},
        details={"says": says, "chance": chance, "agreement": float(agreement.mean())},
    )
