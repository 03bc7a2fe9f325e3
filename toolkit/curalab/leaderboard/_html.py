"""The board as a table with its intervals drawn."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from curalab.leaderboard import Leaderboard

__all__ = ["page"]

_WIDTH, _HEIGHT = 160, 14  # of the drawn interval, in pixels
_CELL = "text-align:left;white-space:nowrap"
_SHOWN = {"seconds": "seconds", "peak_mib": "peak MiB"}


def page(board: Leaderboard) -> str:
    """Return one row a method, best first; those not shown to be worse than the best are bold."""
    frame = board.to_frame()
    score = board.metrics[0]
    has_random = "over_random" in frame
    numbers = [*board.metrics[1:], *_SHOWN]
    head = ["", "method", f"{score} (95 % interval)", "", *(["over random"] if has_random else [])]
    head += [_SHOWN.get(name, name.replace("_", " ")) for name in numbers]
    low, high = np.nanmin([*board.low, np.inf]), np.nanmax([*board.high, -np.inf])
    rows = []
    for name, row in frame.iterrows():
        if row["error"]:
            cells = ["", escape(str(name)), f"<em>{escape(str(row['error']))}</em>"]
            rows.append(_cells(cells, span=len(head) - 2))
            continue
        shown = f"<b>{escape(str(name))}</b>" if row["top"] else escape(str(name))
        cells = [str(row["rank"]), shown, _interval(row[score], row["low"], row["high"])]
        cells.append(_drawn(row[score], row["low"], row["high"], (low, high)))
        if has_random:
            ends = (row["over_random"], row["over_random_low"], row["over_random_high"])
            cells.append(_interval(*ends, sign="+") if any(ends) else "")
        rows.append(_cells(cells + [_number(row[column]) for column in numbers]))
    titles = "".join(f"<th style='text-align:left'>{escape(text)}</th>" for text in head)
    table = f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    notes = ["Bold: not shown to be below the best (paired, Holm over all pairs, 5 %)."]
    notes = notes if board.is_top.any() else []
    if n_leaked := len(board.details.get("leaked", ())):
        notes.append(f"{n_leaked:,} test rows equal a row of the pool (details['leaked']).")
    told = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f"<p><code>{escape(repr(board))}</code></p>{table}{told}"


def _cells(cells: list[str], *, span: int = 1) -> str:
    wide = f" colspan='{span}'" if span > 1 else ""
    *first, last = cells
    made = [f"<td style='{_CELL}'>{cell}</td>" for cell in first]
    style = "text-align:left" if wide else _CELL
    return f"<tr>{''.join(made)}<td style='{style}'{wide}>{last}</td></tr>"


def _interval(middle: float, low: float, high: float, *, sign: str = "") -> str:
    if not np.isfinite(middle):
        return ""
    return f"{middle:{sign}.3f} <small>{low:{sign}.3f} … {high:{sign}.3f}</small>"


def _number(value: Any) -> str:
    return "" if pd.isna(value) else f"{value:.3g}"


def _drawn(middle: float, low: float, high: float, scale: tuple[float, float]) -> str:
    """Return a line from `low` to `high` with a dot, on the scale that all rows share."""
    first, last = scale
    if not np.isfinite([middle, low, high, first, last]).all() or last <= first:
        return ""
    at = [4 + (_WIDTH - 8) * (value - first) / (last - first) for value in (low, middle, high)]
    return (
        f"<svg width='{_WIDTH}' height='{_HEIGHT}' role='img' aria-label='interval'>"
        f"<line x1='{at[0]:.1f}' x2='{at[2]:.1f}' y1='7' y2='7' stroke='#868e96' stroke-width='2'/>"
        f"<circle cx='{at[1]:.1f}' cy='7' r='4' fill='#1971c2'/></svg>"
    )
