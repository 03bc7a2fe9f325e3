"""The tables of a comparison as HTML: boards whose cells select, lists, and settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import IntArray
from curalab_widgets._cards import Cards, is_missing, plain
from curalab_widgets.compare._compared import QUIET, Compared

__all__ = ["Offer", "boards_html", "list_html", "near_html", "settings_that_differ"]

_STORIES = 6
_NEAR = 10
_MOST = 11  # lines and columns of a board, beside one for the rest
_SAME, _OTHER = "72,120,208", "238,133,74"  # the first two colours of points
_SHORT = 8  # characters of a fingerprint
_NOT_SETTINGS = ("verb", "opened", "source")
Offer = Callable[[dict[str, Any], str], str]


class _Board(NamedTuple):
    """Counts of rows by what two columns say; the rarest values of a column are one list.

    The names of `down` and `across` are keywords of `find`; `partner` says for a value of the one
    which of the other means the same. `totals` is whether a line of all rows is above the others.
    """

    down: str
    rows: list[Any]
    across: str
    columns: list[Any]
    counts: IntArray
    partner: Mapping[Any, Any] = {}
    totals: bool = False


def boards_html(
    found: Compared, labels: pd.Series[Any] | None, settings: pd.DataFrame, offer: Offer
) -> str:
    """Return what was found, counted: left against right, outcomes by class, what was split.

    `offer` makes a button of keywords of `find` and a text.
    """
    made = [_board_html(_sides_board(found), offer)] if found.named else []
    lines = [offer(asks, plain(text, limit=200)) for text, asks in found.stories[:_STORIES]]
    if (left_out := len(found.stories) - _STORIES) > 0:
        lines.append(f"and {left_out:,} more")
    if lines:
        made.append(f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>")
    if labels is not None:
        made.append(_board_html(_outcome_board(found, labels), offer))
    elif found.plane is None:
        made.insert(0, _board_html(_outcome_board(found, None), offer))
    if len(settings):
        made.append(_settings_html(settings))
    return f"<p>{plain(found.says, limit=600)}</p>{''.join(made)}"


def _sides_board(found: Compared) -> _Board:
    """Return the largest lines first, columns in the order of their partners, so that they meet."""
    left, right = found.table["left"], found.table["right"]
    rows, known = (_by_size(side) for side in (left, right))
    partner = {a: b for b, a in found.matched.items()} if found.matched else {a: a for a in rows}
    there = set(known)
    met = [partner[row] for row in rows if partner.get(row) in there]
    columns = _groups(list(dict.fromkeys([*met, *known])))
    counts = _counted(left, rows := _groups(rows), right, columns)
    return _Board("left", rows, "right", columns, counts, partner)


def _outcome_board(found: Compared, labels: pd.Series[Any] | None) -> _Board:
    outcome = found.table["outcome"]
    used = set(outcome)
    columns = [name for name in found.outcomes if name in used]
    rows = [] if labels is None else _groups(_by_size(labels))
    counts = _counted(outcome if labels is None else labels, rows, outcome, columns)
    return _Board("label", rows, "outcome", columns, counts, totals=True)


def _by_size(column: pd.Series[Any]) -> list[Any]:
    return list(column.value_counts().index)


def _groups(values: list[Any]) -> list[Any]:
    """Return values to show, those beyond the first ones as one list, those of no news last."""
    quiet = [value for value in values if isinstance(value, str) and value in QUIET]
    loud = [value for value in values if value not in quiet]
    shown = loud if len(loud) <= _MOST + 1 else [*loud[:_MOST], loud[_MOST:]]
    return [*shown, *quiet]


def _counted(
    left: pd.Series[Any], rows: list[Any], right: pd.Series[Any], columns: list[Any]
) -> IntArray:
    """Count rows by group; what is in none of `rows` is in the last line, all in the sum."""
    places = []
    for column, groups in ((left, rows), (right, columns)):
        at = {value: i for i, group in enumerate(groups) for value in _as_list(group)}
        places.append(column.map(at).fillna(len(groups)).to_numpy(dtype=np.intp))
    cells = places[0] * (len(columns) + 1) + places[1]
    made = np.bincount(cells, minlength=(len(rows) + 1) * (len(columns) + 1))
    return np.asarray(made.reshape(len(rows) + 1, -1)[:, : len(columns)])


def _board_html(board: _Board, offer: Offer) -> str:
    head = "".join(f"<th>{offer({board.across: c}, _name(c))}</th>" for c in board.columns)
    corner = f"{board.down} ↓ {board.across} →" if board.rows else ""
    lines = []
    if board.totals:
        lines.append(f"<th>all rows</th>{_cells(board, None, board.counts.sum(axis=0), offer)}")
    for row, counts in zip(board.rows, board.counts, strict=False):
        name = f"{offer({board.down: row}, _name(row))} <small>{counts.sum():,}</small>"
        lines.append(f"<th>{name}</th>{_cells(board, row, counts, offer)}")
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        "<div style='overflow-x:auto'><table class='curalab-compare-board'><thead><tr>"
        f"<th><small>{corner}</small></th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cells(board: _Board, row: Any, counts: IntArray, offer: Offer) -> str:
    """Return the cells of a line, darker the more of it they hold."""
    asks = {} if row is None else {board.down: row}
    partners, made = {board.partner.get(value) for value in _as_list(row)}, []
    for column, n in zip(board.columns, counts.tolist(), strict=True):
        is_same = not board.partner or not partners.isdisjoint(_as_list(column))
        look = f"rgba({_SAME if is_same else _OTHER},{0.55 * n / max(counts.sum(), 1):.2f})"
        shown = offer({**asks, board.across: column}, f"{n:,}") if n else "<small>0</small>"
        made.append(f"<td style='background:{look}'>{shown}</td>")
    return "".join(made)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _name(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value):,} others"
    return "noise" if not isinstance(value, str) and value == -1 else plain(value, limit=24)


# ---- the rows ------------------------------------------------------------------------------------


def list_html(
    cards: Cards,
    rows: Sequence[int],
    told: Mapping[str, Sequence[object]],
    ids: pd.Index,
    picked: int | None,
) -> str:
    """Return rows with what is said of them, each a button that picks ``row:number``."""
    head = "".join(f"<th>{plain(name)}</th>" for name in ("item", *told))
    body = []
    for at, row in enumerate(rows):
        cells = "".join(f"<td>{_value(values[at])}</td>" for values in told.values())
        now = row == picked
        body.append(
            f"<tr class='{'curalab-compare-now' if now else ''}'><td><button class='curalab-tile' "
            f"data-pick='row:{row}' aria-pressed='{str(now).lower()}' title='Show this row'>"
            f"{'▸ ' if now else ''}{cards.face(row, side=32)}"
            f"<small>{plain(ids[row], limit=24)}</small></button></td>{cells}</tr>"
        )
    return (
        f"<table class='curalab-compare-list'><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _value(value: object) -> str:
    if is_missing(value):
        return "–"
    if isinstance(value, float | np.floating):
        return f"{value:.2f}" if abs(float(value)) < 100 else f"{value:,.0f}"
    return f"<span dir='auto'>{plain(value, limit=160)}</span>"


def near_html(cards: Cards, row: int, near: Mapping[str, Sequence[int]]) -> str:
    """Return an item beside the rows nearest to it on each side."""
    both, parts = set.intersection(*map(set, near.values())), [cards.card(row)]
    for side, rows in near.items():
        labels = ["on both" if row in both else f"{side} only" for row in rows[:_NEAR]]
        tiles = cards.tiles(rows[:_NEAR], labels=labels)
        parts.append(f"<div><b>Nearest on the {side}</b>{tiles}</div>")
    return "".join(parts)


# ---- how they were made --------------------------------------------------------------------------


def settings_that_differ(left: Any, right: Any) -> pd.DataFrame:
    """Return the settings in which two results differ: `left` and `right`, indexed by name."""
    one, other = (_flat(dict(getattr(side, "params", {}))) for side in (left, right))
    names = [name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name)]
    values = {
        side: [known.get(name) for name in names]
        for side, known in (("left", one), ("right", other))
    }
    return pd.DataFrame(values, index=pd.Index(names, name="setting"), dtype=object)


def _flat(params: Mapping[str, Any], under: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if name in _NOT_SETTINGS:
            continue
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{under}{name}.")
        elif name in ("embedding", "ancestors"):
            prints = [value] if isinstance(value, str) else list(value or [])
            flat[f"{under}{name}"] = ", ".join(str(one)[:_SHORT] for one in prints)
        else:
            flat[f"{under}{name}"] = value
    return flat


def _settings_html(settings: pd.DataFrame) -> str:
    """Return settings that differ as a table that unfolds."""
    lines = "".join(
        f"<tr><th>{plain(name)}</th><td>{plain(row.left, limit=60)}</td>"
        f"<td>{plain(row.right, limit=60)}</td></tr>"
        for name, row in zip(settings.index, settings.itertuples(), strict=True)
    )
    return (
        f"<details class='curalab-compare-settings'><summary>Made differently: "
        f"{plain(', '.join(settings.index), limit=60)}</summary><table><thead><tr>"
        f"<th>setting</th><th>left</th><th>right</th></tr>"
        f"</thead><tbody>{lines}</tbody></table></details>"
    )
