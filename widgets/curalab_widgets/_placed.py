"""What a map shows: where items lie, what is known of them, and what its colours mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, align, carried_ids, complain, invented_ids
from curalab.embedding import Embedding
from curalab.items import join
from curalab.items._table import check_table
from curalab.ledger import Ledger
from curalab_widgets._cards import plain
from curalab_widgets._points import SIZES, Paint

__all__ = ["DECIDED", "DECISION", "decided", "legend", "placed", "sized", "with_results"]

DECISION = "decision"  # the column that says what was decided
DECIDED = {"keep": "kept", "drop": "dropped", "relabel": "relabelled"}


def placed(view: Any, items: pd.DataFrame | None) -> tuple[FloatArray, pd.DataFrame]:
    """Return where the items lie, shape (n, 2), and their table, whose index is their ids."""
    ids = view.ids if isinstance(view, Embedding) else carried_ids(view)
    xy = np.asarray(view.vectors if isinstance(view, Embedding) else view, dtype=float)
    if xy.ndim != 2 or xy.shape[1] != 2:
        hint = "Make a map of an embedding with cl.reduce(embedding)."
        raise ValueError(complain("view", "of shape (n, 2)", hint=hint, what=f"shape {xy.shape}"))
    if not np.isfinite(xy).all(axis=1).any():
        raise ValueError(complain("view", "finite in one row at least", what="none that is"))
    ids = invented_ids(len(xy)) if ids is None else ids
    if items is None:
        return xy, pd.DataFrame(index=ids)
    return xy, align("items", check_table("items", items), ids)


def with_results(
    table: pd.DataFrame, results: Sequence[Any], view: Any, embedding: Embedding | None
) -> pd.DataFrame:
    """Return the table with the columns of results; those of other vectors are refused.

    What the map was made of is known where it is the answer of `reduce`.
    """
    made_of = list(view.params.get("ancestors", ())) if isinstance(view, Embedding) else []
    asked: list[tuple[str, Mapping[str, Any]]] = [(type(r).__name__, r.params) for r in results]
    if embedding is not None:
        asked.append(("Embedding", {"embedding": embedding.fingerprint}))
    for name, params in asked if made_of else []:
        of = [params.get("embedding"), *params.get("ancestors", ())]
        if of[0] is not None and not {*made_of, view.fingerprint}.intersection(of):
            what = f"{name} of the embedding {of[0][:8]}, while the map is of {made_of[-1][:8]},"
            where = "embedding" if name == "Embedding" else "results"
            raise ValueError(complain(where, "of the vectors that the map shows", what=what))
    return join(table, *results) if results else table


def decided(ledger: Ledger, ids: pd.Index) -> pd.Series[str]:
    """Return what the ledger says of each item: kept, dropped, relabelled or undecided."""
    words = ledger.decisions()["action"].map(DECIDED).dropna()
    latest = words[~words.index.duplicated(keep="last")]
    return latest.reindex(ids).fillna("undecided").astype(str)


def sized(column: pd.Series[Any]) -> IntArray:
    """Return the step of size of each row, by its rank among the numbers; missing is smallest."""
    if not pd.api.types.is_numeric_dtype(column):
        raise TypeError(complain("size", "a column of numbers", what=f"dtype {column.dtype}"))
    rank = column.astype(float).rank(pct=True).fillna(0).to_numpy()
    return np.minimum((rank * SIZES).astype(np.intp), SIZES - 1)


def legend(colored: Paint, *, tag: str) -> str:
    """Return what the colours mean; as buttons, each selects the points of its colour."""
    dot = "display:inline-block;width:.8em;height:.8em;border-radius:50%;margin-right:.4em"
    pick = "class='curalab-key' data-pick='color:{}'" if tag == "button" else ""
    made = [
        f"<{tag} {pick.format(code)} style='display:inline-block;margin-right:.6em'>"
        f"<i style='{dot};background:{colored.colors[code]}'></i>"
        f"{plain(colored.names[code], limit=32)} <small>{count:,}</small></{tag}> "
        for code, count in enumerate(colored.counts)
        if count and colored.names[code]
    ]
    if colored.low is not None:
        bar = f"linear-gradient(to right, {', '.join(colored.colors[:-1])})"
        bar = f"<i style='display:inline-block;width:10em;height:.8em;background:{bar}'></i>"
        made.insert(0, f"<div>{plain(colored.low)} {bar} {plain(colored.high)}</div>")
    return f"<div style='margin:8px 0'>{''.join(made)}</div>"
