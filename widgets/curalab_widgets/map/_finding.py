"""Finding items of a table: by ids, by a value, by words, by likeness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

import curalab as cl
from curalab._check import IntArray, complain
from curalab.embedding import Embedding
from curalab.maps import tour

__all__ = ["RULES", "found", "joined", "like", "walk"]

_WALK = 500  # items that a walk is made of at most
RULES = {
    "new": "What is selected next takes the place of what is selected",
    "add": "What is selected next is added",
    "subtract": "What is selected next is taken away",
    "intersect": "Only what is selected now and next stays selected",
}


def found(text: str, items: pd.DataFrame, *, column: str | None, texts: Sequence[str]) -> IntArray:
    """Return the rows that a text means: ids, else values of `column`, else words in `texts`.

    Parameters
    ----------
    text : str
        Ids with commas between them, a value or ``low..high`` of the column, or words.
    items : DataFrame
        The items, by id.
    column : str or None
        The column whose values may be meant.
    texts : sequence of str
        Columns of texts to look for words in, upper and lower case alike.
    """
    parts = pd.Index([part.strip() for part in text.split(",")])
    known = items.index.astype(str)
    rows = known.get_indexer(parts) if known.is_unique else np.array([-1])
    if (rows >= 0).all():
        return np.asarray(rows)
    if column is not None:
        values = items[column]
        ends = pd.to_numeric(pd.Series(text.split("..")), errors="coerce")
        if len(ends) == 2 and pd.api.types.is_numeric_dtype(values):
            return np.flatnonzero(values.between(*ends))
        if len(rows := np.flatnonzero(values.astype(str) == text)):
            return rows
    words = [items[name].astype("string") for name in texts]
    hits = [each.str.contains(text, case=False, regex=False).fillna(False) for each in words]
    return np.flatnonzero(np.any(hits, axis=0)) if hits else np.array([], dtype=np.intp)


def like(example: Any, embedding: Embedding, n: int) -> pd.Index:
    """Return the ids of the `n` rows nearest to an example: an id, or what the encoder takes."""
    if isinstance(example, str | int | np.integer) and example in embedding.ids:
        asked = embedding.take([example])
    elif embedding.encoder is None:
        rule = "the id of an item, as the embedding has no encoder for other examples"
        raise ValueError(complain("example", rule, example))
    else:
        asked = cl.embed([example], encoder=embedding.encoder, cache=False)
    rows = embedding.search(asked, min(n, len(embedding))).indices[0]
    ids: pd.Index = embedding.ids[rows]
    return ids


def joined(rule: str, now: IntArray, rows: IntArray) -> IntArray:
    """Return the rows selected now, and those selected next, joined by a rule of `RULES`."""
    if rule == "new":
        return rows
    if rule == "add":
        return np.asarray(pd.unique(np.concatenate([now, rows])))
    inside = np.isin(now, rows)
    return now[inside] if rule == "intersect" else now[~inside]


def walk(ids: Sequence[Any], embedding: Embedding, n: int) -> pd.Index:
    """Return `n` of the ids, evenly from a walk through them on which neighbours are alike.

    Of more than 500, the walk is made of 500 evenly spaced ones. Ids without a vector are left out.
    """
    known = pd.Index(list(ids))
    known = known[embedding.ids.get_indexer(known) >= 0]
    if len(known) > 2:
        known = tour(embedding.take(_spread(known, _WALK)), random_state=0)
    return _spread(known, n)


def _spread(ids: pd.Index, n: int) -> pd.Index:
    return ids[np.unique(np.linspace(0, len(ids) - 1, min(n, len(ids))).round().astype(int))]
