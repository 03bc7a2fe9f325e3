"""What a comparison says beside its pictures, and the comparison without a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab_widgets.compare._tables import (
    Offer,
    boards_html,
    list_html,
    near_html,
    settings_that_differ,
)

if TYPE_CHECKING:
    from curalab_widgets.compare import ComparePanel

__all__ = ["status", "still", "told_boards", "told_card", "told_list"]

_STILL = 8


def told_boards(panel: ComparePanel) -> tuple[str, list[dict[str, Any]]]:
    """Return what was found, counted, and what each of its buttons finds."""
    asks: list[dict[str, Any]] = []

    def offer(asked: dict[str, Any], text: str) -> str:
        asks.append(asked)
        return (
            f"<button class='curalab-key' data-pick='board:{len(asks) - 1}' "
            f"title='Select these rows'>{text}</button>"
        )

    return _boards(panel, offer), asks


def _boards(panel: ComparePanel, offer: Offer) -> str:
    sides = panel._sides
    classes = None if isinstance(sides.left, pd.DataFrame) else panel._classes()
    return boards_html(panel._found, classes, settings_that_differ(sides.left, sides.right), offer)


def told_list(panel: ComparePanel) -> str:
    """Return the rows that are listed, and how many differ."""
    n = len(panel.selected)
    several = f"{n:,} selected, " if n > 1 else ""
    differ = f"{len(panel._found.order):,} rows differ; the most different first"
    rows = panel._listed
    made = list_html(panel._cards, rows, _told(panel, rows), panel.ids, panel._focus)
    return f"<p><b>{several}{differ}</b></p>{made}"


def _told(panel: ComparePanel, rows: Sequence[int]) -> dict[str, list[Any]]:
    told = panel._found.told(rows)
    if panel._decided:
        told["decided"] = [panel._decided.get(row, "") for row in rows]
    return told


def told_card(panel: ComparePanel, row: int) -> str:
    """Return an item, and for embeddings its nearest rows here and there."""
    if not panel._sides.are_vectors:
        return panel._cards.card(row)
    near = {side: panel._nearest(side, row) for side in ("left", "right")}
    return near_html(panel._cards, row, near)


def status(panel: ComparePanel) -> str:
    """Return how many rows are selected, and how many no picture shows."""
    lost = [half.lost for half in panel._halves]
    n = int(np.all(lost, axis=0).sum()) if lost else 0
    more = f" {n:,} have no place in the pictures." if n else ""
    return f"{len(panel.selected):,} of {len(panel.ids):,} items selected.{more}"


def still(panel: ComparePanel) -> str:
    """Return the comparison as pictures and tables."""
    rows = (panel._rows() or panel._found.order.tolist())[:_STILL]
    figures = "".join(half.still() for half in panel._halves)
    return (
        f"<div style='display:flex;gap:16px;flex-wrap:wrap'>{figures}</div>"
        f"{_boards(panel, lambda _, text: text)}{panel._cards.table(rows, _told(panel, rows))}"
    )
