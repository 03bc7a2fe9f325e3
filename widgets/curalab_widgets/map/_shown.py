"""What a map shows: how its points look, what stands beside them, and a still picture of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import IntArray, complain, rows_of
from curalab_widgets._cards import data_uri, plain, thumbnail
from curalab_widgets._placed import Drawn, legend
from curalab_widgets._points import SIZES, Paint, density, paint, raster
from curalab_widgets.map._finding import walk

if TYPE_CHECKING:
    from curalab_widgets.map import MapPanel

__all__ = ["painted", "pictured", "sized", "status", "still", "told_gallery", "told_trust"]

_GALLERY = 48


def painted(items: pd.DataFrame, color: str | None, drawn: Drawn, *, is_judged: bool) -> Paint:
    """Return the colours of the points; with `is_judged` those the map misplaces are faint."""
    made = paint(None if color is None else items[color].iloc[drawn.rows], len(drawn.rows))
    if not is_judged:
        return made
    misplaced = items["map_misplaced"].iloc[drawn.rows].fillna(False)
    return replace(made, faint=misplaced.to_numpy(dtype=bool))


def sized(column: pd.Series[Any]) -> IntArray:
    """Return the step of size of each row, by its rank among the numbers; missing is smallest."""
    if not pd.api.types.is_numeric_dtype(column):
        raise TypeError(complain("size", "a column of numbers", what=f"dtype {column.dtype}"))
    rank = column.astype(float).rank(pct=True).fillna(0).to_numpy()
    return np.minimum((rank * SIZES).astype(np.intp), SIZES - 1)


def pictured(column: pd.Series[Any], row: int) -> str:
    """Return the picture of a row as a data address; "" where it has none that can be read."""
    try:
        return thumbnail(column.iloc[row], side=64)
    except ValueError:
        return ""


# ---- beside the points ---------------------------------------------------------------------------


def told_gallery(panel: MapPanel) -> str:
    """Return some of the selected items, with vectors as a walk on which neighbours are alike."""
    ids: Any = panel.selected[:_GALLERY]
    if (known := panel._embedding) is not None and known.ids.isin(panel.selected).any():
        ids = walk(panel.selected, known, _GALLERY)
    rows = rows_of(panel.ids, ids).tolist()
    more = len(panel.selected) - len(rows)
    told = f"<small>{len(rows)} of {len(panel.selected):,} shown</small>" if more else ""
    return told + panel._cards.tiles(rows, labels=_colored(panel, rows))


def _colored(panel: MapPanel, rows: list[int]) -> list[Any]:
    return [""] * len(rows) if panel.color is None else list(panel._items[panel.color].iloc[rows])


def status(panel: MapPanel) -> str:
    """Return how many items are selected, and how many the map does not show."""
    lost = panel._drawn.told("on the map")
    return f"{len(panel.selected):,} of {len(panel.ids):,} items selected.{lost}"


def told_trust(panel: MapPanel) -> str:
    """Return how far to trust the map, where that is known."""
    told = f"<small>On this map {plain(panel._trust, limit=400)} (faint).</small>"
    return told if panel._trust else ""


def still(panel: MapPanel) -> str:
    """Return the panel as a picture and a table."""
    picture = data_uri((density if panel.density else raster)(panel._drawn.xy, panel._paint))
    rows = (panel._rows() or list(range(len(panel.ids))))[:6]
    told = {} if panel.color is None else {str(panel.color): _colored(panel, rows)}
    look = "display:flex;gap:16px;flex-wrap:wrap;align-items:flex-start"
    return (
        f"<p>{plain(status(panel))} {told_trust(panel)}</p><div style='{look}'>"
        f"<img alt='Map of {len(panel.ids):,} items' src='{picture}' width='420' height='420'>"
        f"<div style='flex:1 1 280px'>{legend(panel._paint, tag='span')}"
        f"{panel._cards.table(rows, told)}</div></div>"
    )
