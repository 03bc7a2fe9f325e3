"""What several selectors picked, in words, tables and pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._check import FloatArray
from curalab.ledger import Ledger
from curalab_widgets._cards import data_uri, is_missing, plain
from curalab_widgets._points import COLORS, GREY, Paint, raster
from curalab_widgets.figures._selections import mark
from curalab_widgets.selectors._picks import ALL, NONE, Picks

__all__ = ["hovers", "of_few_values", "overlap_table", "said", "still_maps", "tagged"]

_VALUES = 50  # distinct values of a column whose mix can be shown
_NAMED = 6


def said(picks: Picks, what: str, budget: int, column: pd.Series | None) -> str:
    """Return in words what is shown, as HTML; `column` says what was never picked."""
    rows = picks.shown(what, budget)
    if what == ALL:
        return f"<b>{len(rows):,} rows</b> that all {len(picks.names)} picked"
    if what == NONE:
        return f"<b>{len(rows):,} rows</b> that none picked, the farthest from any pick first"
    alone = int((picks.votes(budget)[rows] == 1).sum())
    name = f"{mark(picks.names.index(what))} <b>{plain(what)}</b>"
    told = f"{name}: {len(rows):,} picks, {alone:,} of them its own alone"
    if column is None:
        return told
    mix = picks.first(what, budget).mix(column)
    missed = mix.loc[(mix["selection"] == 0) & mix["value"].notna(), "value"]
    few = ", ".join(plain(value, limit=24) for value in missed[:_NAMED])
    rest = f" and {len(missed) - _NAMED:,} more" if len(missed) > _NAMED else ""
    return f"{told}; {plain(column.name)} never picked: <b>{few or 'none'}</b>{rest}"


def hovers(picks: Picks, ids: pd.Index, labels: pd.Series | None) -> dict[str, list[str]]:
    """Return what the mouse shows at each pick, by selector."""
    given = pd.Series("", index=ids) if labels is None else labels
    told = ["" if is_missing(v) or v == "" else f": {plain(v)}" for v in given]
    return {
        name: [
            f"{plain(ids[row])}, pick {rank:,}{told[row]}"
            for rank, row in enumerate(rows.tolist(), start=1)
        ]
        for name, rows in picks.rows.items()
    }


def tagged(ledger: Ledger, prefix: str) -> dict[str, set[Any]]:
    """Return the ids under each tag that begins so."""
    decided = ledger.decisions()
    tags = decided.loc[decided["action"] == "tag", "new"]
    ours = tags[[tag.startswith(prefix) for tag in tags]]
    return {str(tag): set(ids.index) for tag, ids in ours.groupby(ours)}


def of_few_values(table: pd.DataFrame, labels: str | None) -> list[str]:
    """Return the columns whose mix can be shown, that of the labels first."""
    few = []
    for name in (name for name in table.columns if isinstance(name, str) and name != labels):
        try:
            n = table[name].nunique()
        except TypeError:  # lists, arrays
            continue
        if 2 <= n <= _VALUES:
            few.append(name)
    return [labels, *few] if labels is not None else few


def overlap_table(picks: Picks, budget: int) -> str:
    """Return how far the picks of each two selectors are the same, the more the darker."""
    shares = picks.overlap(budget).to_numpy()
    votes = picks.votes(budget)
    names = [f"{mark(i)} {plain(name[:24])}" for i, name in enumerate(picks.names)]
    head = "".join(f"<th title='{plain(n)}'>{mark(i)}</th>" for i, n in enumerate(picks.names))
    body = "".join(
        f"<tr><th>{name}</th>{''.join(_cell(i, j, shares) for j in range(len(names)))}</tr>"
        for i, name in enumerate(names)
    )
    alone, by_all, by_none = (int((votes == n).sum()) for n in (1, len(names), 0))
    return (
        "<table><caption>Overlap: picked by both, "
        f"of all that either picked</caption><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table><small>{by_all:,} rows picked by all, {alone:,} by one "
        f"alone, {by_none:,} by none.</small>"
    )


def _cell(i: int, j: int, shares: FloatArray) -> str:
    if i == j:
        return "<td>·</td>"
    return (
        f"<td style='background:rgba(31,167,184,{0.75 * shares[i, j]:.2f})'>{shares[i, j]:.2f}</td>"
    )


def still_maps(picks: Picks, xy: FloatArray, budget: int) -> str:
    """Return a picture for each selector: all rows pale, its picks strong."""
    known = np.isfinite(xy).all(axis=1)
    made = []
    for i, name in enumerate(picks.names):
        picked = picks.is_picked(name, budget)[known]
        colored = Paint(
            codes=picked.astype(np.intp), colors=[GREY, COLORS[i]], names=["", name], faint=~picked
        )
        picture = data_uri(raster(xy[known], colored, side=240))
        made.append(
            f"<figure style='margin:0'><figcaption>{mark(i)} <b>{plain(name)}</b></figcaption>"
            f"<img alt='{plain(name)}: {int(picked.sum()):,} picks' src='{picture}' width='240'>"
            "</figure>"
        )
    return f"<div style='display:flex;flex-wrap:wrap;gap:12px'>{''.join(made)}</div>"
