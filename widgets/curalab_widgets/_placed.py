"""What a map shows: where items lie, what is known of them, and what its colours mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import (
    BoolArray,
    FloatArray,
    IntArray,
    align,
    carried_ids,
    complain,
    invented_ids,
)
from curalab.embedding import Embedding
from curalab.items import join
from curalab.items._table import check_table
from curalab_widgets._cards import plain
from curalab_widgets._points import Paint, point_view

__all__ = ["Drawn", "check_xy", "legend", "placed", "with_color", "with_results"]


class Drawn:
    """The rows that have a place. They are drawn as points, which are numbered without the others.

    Attributes
    ----------
    rows : ndarray of shape (n_points,)
        The row of each point.
    xy : ndarray of shape (n_points, 2)
        Where it lies.
    lost : ndarray of shape (n_rows,), bool
        Which rows are not drawn.
    """

    def __init__(self, xy: FloatArray) -> None:
        self.lost: BoolArray = np.asarray(~np.isfinite(xy).all(axis=1))
        self.rows = np.flatnonzero(~self.lost)
        self.xy = xy[self.rows]
        self._point_of = np.cumsum(~self.lost) - 1

    def points(self, rows: Sequence[int]) -> IntArray:
        """Return the points of those of the rows that are drawn."""
        wanted = np.asarray(rows, dtype=np.intp)
        return np.asarray(self._point_of[wanted[~self.lost[wanted]]])

    def view(
        self,
        engine: str,
        *,
        colored: Paint,
        on_select: Callable[[IntArray], None],
        on_hover: Callable[[int], None],
    ) -> Any:
        """Return a `point_view`; what is selected by hand and what is under the mouse are rows."""
        made = point_view(
            engine,
            self.xy,
            colored=colored,
            on_select=lambda points: on_select(self.rows[points]),
            on_hover=lambda at: None if at is None else on_hover(int(self.rows[at])),
        )
        made.widget.add_class("curalab-points")
        return made

    def told(self, where: str) -> str:
        """Say how many rows have no place `where`; nothing if all have one."""
        n = int(self.lost.sum())
        return f" {n:,} have no place {where}." if n else ""


def check_xy(xy: FloatArray, name: str) -> None:
    """Refuse what is no map: two columns, finite in one row at least."""
    if xy.ndim != 2 or xy.shape[1] != 2:
        hint = "Make a map of an embedding with cl.reduce(embedding)."
        raise ValueError(complain(name, "of shape (n, 2)", hint=hint, what=f"shape {xy.shape}"))
    if not np.isfinite(xy).all(axis=1).any():
        raise ValueError(complain(name, "finite in one row at least", what="none that is"))


def placed(view: Any, items: pd.DataFrame | None) -> tuple[FloatArray, pd.DataFrame]:
    """Return where the items lie, shape (n, 2), and their table, whose index is their ids."""
    ids = view.ids if isinstance(view, Embedding) else carried_ids(view)
    xy = np.asarray(view.vectors if isinstance(view, Embedding) else view, dtype=float)
    check_xy(xy, "view")
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


def with_color(table: pd.DataFrame, color: Any) -> tuple[pd.DataFrame, str | None]:
    """Return the table with the values that colour its rows, and the name of their column."""
    if color is None or isinstance(color, str):
        return table, color
    name = str(getattr(color, "name", None) or "color")
    return table.assign(**{name: np.asarray(align("color", color, table.index))}), name


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
