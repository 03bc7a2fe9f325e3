"""Embedding on one machine or many."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import check_seed
from curalab.embedding import Embedding, take_rows
from curalab.encoders import STAGE
from curalab.encoders import embed as embed_here
from curalab.encoders._contract import checked, find_encoder, needs_fit, record, takes_of
from curalab.encoders._rows import ids_of, kind_of_data, rows_for
from curalab.scale._blocks import blocks_of
from curalab.scale._run import Where, mapped

__all__ = ["embed"]

_LEARNS_FROM = 20_000  # rows


def embed(
    data: Any,
    *,
    encoder: Any,
    backend: str = "local",
    address: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    random_state: int | None = None,
) -> Embedding:
    """Turn texts, images, sounds or rows of a table into vectors, on this machine or on many.

    `curalab.embed` for data of which no machine makes all vectors: in batches that are kept one by
    one. An encoder that learns is fitted here, on at most 20,000 rows, drawn by the seed.

    Parameters
    ----------
    data, encoder
        As for `curalab.embed`.
    backend, address, folder
        As for `map_batches`.
    random_state : int, default=None
        Seed for an encoder that learns. None draws one and records it.

    Returns
    -------
    Embedding
        With `folder` its vectors are mapped from there.

    Raises
    ------
    BatchError
        Batches that the encoder failed on twice; unreadable images among them.

    Examples
    --------
    >>> import curalab as cl
    >>> texts = ["a red car", "the red cars", "green tea"]
    >>> emb = cl.scale.embed(texts, encoder="tfidf", backend="local", random_state=0)
    >>> emb.neighbors(1).indices[0, 0]
    np.int64(1)
    """
    ids, kind = ids_of(data), kind_of_data(data)
    name, made = find_encoder(STAGE, encoder, kind)
    told, seed = record(name, made), None
    if needs_fit(name, made):
        seed = check_seed(random_state)
        rows = np.arange(len(ids))
        if len(ids) > _LEARNS_FROM:
            rows = np.sort(np.random.default_rng(seed).permutation(rows)[:_LEARNS_FROM])
        made = embed_here(take_rows(data, rows), encoder=made, random_state=seed).encoder
    takes = takes_of(name, made, kind)
    blocks = blocks_of(rows_for(takes, data, ids, name=name), None, ids=ids)
    work = Encode(made, name)
    vectors = mapped(work, blocks, Where(backend, address), seed=0, code=made, folder=folder)
    metric = "euclidean" if takes == "columns" or isinstance(data, pd.DataFrame) else "cosine"
    return Embedding(
        ids=ids,
        vectors=vectors,
        metric=getattr(made, "metric", metric),
        params={"verb": "embed", **told, "random_state": seed, "data": blocks.content},
        data=data,
        encoder=made,
    )


class Encode:
    """What an encoder makes of a batch, checked."""

    def __init__(self, encoder: Any, name: str) -> None:
        self._encoder, self._name = encoder, name

    def __call__(self, batch: Any) -> Any:
        """Return vectors of shape (b, d), float32."""
        encode = self._encoder.encode if hasattr(self._encoder, "encode") else self._encoder
        return checked(self._name, encode(batch), len(batch), 0, pd.RangeIndex(len(batch)))
