"""What a teaching panel shows: pictures of any kind as HTML, a map, and the trail of settings."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import align, complain, rows_of
from curalab_widgets._cards import plain
from curalab_widgets._media import data_uri
from curalab_widgets._points import GREY, paint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["as_html", "scatter", "trail_plot", "trail_table"]

_DPI = 110
_ROWS = 12  # of the trail, in the table


def scatter(view: Any, *, color: Any = None, ring: Any = None, title: str = "") -> Figure:
    """Draw a map, with circles around some of its items.

    Parameters
    ----------
    view : Embedding of 2 columns
        Where the items lie.
    color : Series or array-like of shape (n_items,), default=None
        What colours them, aligned by id: classes, or numbers.
    ring : array-like of ids, default=None
        Items to draw a circle around, such as those that the truth names.
    title : str, default=""

    Returns
    -------
    matplotlib Figure
        Readable on a light page and on a dark one.
    """
    xy = np.asarray(view, dtype=float)
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise ValueError(complain("view", "of shape (n, 2)", what=f"shape {xy.shape}"))
    ids = getattr(view, "ids", pd.RangeIndex(len(xy)))
    column = None if color is None else pd.Series(np.asarray(align("color", color, ids)))
    colored = paint(column, len(xy))
    figure, axes = _blank((4.8, 3.9), title)
    for code in np.unique(colored.codes):
        rows, name = colored.codes == code, colored.names[code]
        axes.scatter(
            xy[rows, 0], xy[rows, 1], s=9, color=colored.colors[code], label=name or None, lw=0
        )
    if ring is not None and len(ring):
        around = xy[rows_of(ids, ring, name="ring")]
        axes.scatter(around[:, 0], around[:, 1], s=60, facecolors="none", edgecolors=GREY, lw=1.1)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")  # a long map fills the picture, too
    if column is not None:
        legend = axes.legend(frameon=False, labelcolor=GREY, fontsize=8, markerscale=2)
        legend.set(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def as_html(picture: Any) -> str:
    """Return what a lesson's function drew as HTML: a figure, an image, a table, or text."""
    if picture is None:
        return ""
    if hasattr(picture, "savefig"):
        drawn = io.BytesIO()
        picture.savefig(drawn, format="png", dpi=_DPI, transparent=True, bbox_inches="tight")
        title = " ".join(axes.get_title() for axes in picture.axes).strip()
        return _image(drawn.getvalue(), title or "A picture of this setting")
    if hasattr(picture, "save") and hasattr(picture, "mode"):  # a PIL image
        drawn = io.BytesIO()
        picture.save(drawn, "PNG")
        return _image(drawn.getvalue(), "A picture of this setting")
    if hasattr(picture, "to_plotly_json"):
        raise TypeError("A plotly figure has its own sliders; draw with matplotlib here instead.")
    if isinstance(picture, pd.Series):
        picture = picture.to_frame()
    if hasattr(picture, "_repr_html_"):
        return f"<div style='overflow-x:auto'>{picture._repr_html_()}</div>"
    return f"<pre>{escape(str(picture))}</pre>"


def trail_plot(trail: pd.DataFrame, moved: str, names: Sequence[str], now: int) -> str:
    """Draw scores over the setting that moved: a line where the other settings are as they are.

    Parameters
    ----------
    trail : DataFrame
        A row a setting that was seen: its values, then its scores.
    moved : str
        The setting along the x axis.
    names : sequence of str
        The scores.
    now : int
        Row of the present setting.
    """
    from matplotlib.ticker import MaxNLocator

    others = [c for c in trail.columns if c not in (moved, *names)]
    same = (trail[others] == trail[others].iloc[now]).all(axis=1)
    values = sorted(trail[moved].unique(), key=lambda v: (isinstance(v, str), v))
    at = trail[moved].map({value: i for i, value in enumerate(values)})
    figure, axes = _blank((4.4, 2.9), "")
    for name, color in zip(names, paint(pd.Series(list(names)), len(names)).colors, strict=False):
        line = trail[same].assign(at=at).sort_values("at")
        axes.plot(line["at"], line[name], "-o", color=color, ms=4, label=name)
        axes.plot(at[~same], trail.loc[~same, name], "o", color=color, ms=4, alpha=0.3)
        axes.plot(at.iloc[now], trail[name].iloc[now], "o", ms=10, mfc="none", mec=color)
    axes.set_xticks(
        range(len(values)), [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    )
    axes.set_xlabel(moved, color=GREY)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    scores = trail[list(names)].to_numpy(dtype=float)
    known = scores[np.isfinite(scores)]
    if len(known) and known.min() >= 0 and known.max() <= 1:
        axes.set_ylim(-0.03, 1.03)
    axes.legend(frameon=False, labelcolor=GREY, fontsize=8)
    return as_html(figure).replace("A picture of this setting", f"{', '.join(names)} by {moved}")


def trail_table(trail: pd.DataFrame, now: int) -> str:
    """Return the settings seen, the present one marked, as HTML."""
    first = max(min(now - _ROWS // 2, len(trail) - _ROWS), 0)
    columns = [[plain(value) for value in trail[name]] for name in trail]  # each of its own type
    cells = list(zip(*columns, strict=True))
    head = "".join(f"<th>{plain(name)}</th>" for name in ("", *trail.columns))
    body = "".join(
        f"<tr{' style=font-weight:bold' if row == now else ''}><td>{'▸' if row == now else ''}</td>"
        + "".join(f"<td>{cell}</td>" for cell in cells[row])
        + "</tr>"
        for row in range(first, min(first + _ROWS, len(trail)))
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _image(png: bytes, alt: str) -> str:
    return f"<img src='{data_uri(png)}' alt='{escape(alt, quote=True)}' style='max-width:100%'>"


def _blank(size: tuple[float, float], title: str) -> tuple[Figure, Axes]:
    """Return a figure of its own, in greys that show in either theme."""
    from curalab_widgets.lesson._drawn import Drawn

    figure = Drawn(figsize=size, layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    axes.set_title(title, color=GREY, fontsize=10)
    axes.tick_params(colors=GREY, labelsize=8)
    for side in axes.spines.values():
        side.set(color=GREY, alpha=0.5)
    return figure, axes
