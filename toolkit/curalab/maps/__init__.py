"""Maps: fewer dimensions, so that people and clusterers can see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from curalab._check import check_integer, complain
from curalab.embedding import Embedding, as_embedding, check_space
from curalab.maps._quality import MapQuality, map_quality
from curalab.maps._stability import MapStability, stability
from curalab.maps._tour import tour
from curalab.maps.pca import PCA
from curalab.maps.tldr import TLDR
from curalab.maps.tsne import TSNE
from curalab.maps.umap import UMAP
from curalab.maps.umap_learn import UMAPLearn
from curalab.pool import Array, Stage, as_pool, run

__all__ = [
    "PCA",
    "STAGE",
    "TLDR",
    "TSNE",
    "UMAP",
    "MapQuality",
    "MapStability",
    "UMAPLearn",
    "map_quality",
    "reduce",
    "stability",
    "tour",
]

STAGE = Stage(
    name="maps",
    verb="reduce",
    contract="A method gets (pool, n_components, *, rng) and returns an array (n, n_components).",
    returns=(Array(name="vectors", columns="map"),),
    methods={"umap": UMAP, "umap_learn": UMAPLearn, "tsne": TSNE, "tldr": TLDR, "pca": PCA},
    functions={"map_quality": map_quality, "stability": stability, "tour": tour},
    start_here="umap",
)


def reduce(
    embedding: Any,
    *,
    method: str | Callable[..., Any] = "umap",
    n_components: int = 2,
    random_state: int | None = None,
) -> Embedding:
    """Map an embedding to a few dimensions.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        What to map.
    method : str or callable, default="umap"
        A name in ``cl.methods("maps")``, a method with settings, or a function
        ``(pool, n_components, *, rng)`` that returns an array (n_items, n_components).
    n_components : int, default=2
        Columns of the map.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    Embedding
        The map, with metric "euclidean" and the same ids; ``result.transform(new)`` places new
        rows where the method can.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> emb = cl.Embedding(vectors=np.random.default_rng(0).normal(size=(50, 8)))
    >>> cl.reduce(emb, method="pca")
    Embedding(50 items, 2 dimensions, euclidean)
    """
    pool = as_pool(embedding)
    if len(pool) < 3:
        raise ValueError(complain("embedding", "of at least 3 rows", what=f"{len(pool)} rows"))
    n_components = check_integer("n_components", n_components, low=1)
    answer = run(STAGE, method, pool, n_components, random_state=random_state)
    parent = pool.embedding
    details = dict(answer.details)
    if "transform" in details:
        details["transform"] = _placing(details["transform"], parent)
    ancestors = [*answer.params["ancestors"], parent.fingerprint]
    return Embedding(
        ids=parent.ids,
        vectors=answer.arrays["vectors"],
        metric="euclidean",
        data=pool.data,
        params={**answer.params, "n_components": n_components, "ancestors": ancestors},
        details=details,
    )


def _placing(place: Callable[..., Any], parent: Embedding) -> Callable[[Any], Embedding]:
    def transform(new: Any) -> Embedding:
        asked = as_embedding(new, metric=parent.metric, name="new")
        check_space("new", asked, parent)
        return Embedding(ids=asked.ids, vectors=place(asked.points), metric="euclidean")

    return transform
