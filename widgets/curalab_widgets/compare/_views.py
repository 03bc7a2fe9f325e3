"""Where compared rows are drawn, twice, and in which colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray, carried_ids, complain
from curalab.embedding import Embedding
from curalab.maps import reduce
from curalab_widgets._cards import data_uri, plain
from curalab_widgets._placed import legend
from curalab_widgets._points import GREY, Paint, paint, point_view, raster
from curalab_widgets.compare._rows import QUIET, Compared, Sides

__all__ = ["Half", "Place", "half_paints", "places_of"]

_HEIGHT = 400  # pixels


class Place(NamedTuple):
    """Where the rows lie in one of the pictures: shape (n, 2), NaN where they are not drawn."""

    title: str
    xy: FloatArray


# ---- places --------------------------------------------------------------------------------------


def places_of(sides: Sides, found: Compared, views: Any) -> list[Place]:
    """Return the pictures to draw: two, or for detectors without a map one, else none."""
    if sides.kind == "an Embedding":
        return _two_maps(sides, views)
    plane = [Place("Doubt by rank: left →, right ↑", _plane(found))] if found.plane else []
    if views is None:
        return plane
    _check_lineage(sides, views)
    xy = _placed(views, sides.ids)
    if plane:
        return [Place("The map", xy), *plane]
    drawn = [np.ones(len(xy), dtype=bool)] * 2
    if sides.kind == "a DataFrame":
        drawn = [side.index.get_indexer(sides.ids) >= 0 for side in (sides.left, sides.right)]
    return [
        Place(name, np.where(here[:, None], xy, np.nan))
        for name, here in zip((_titled(sides, 0), _titled(sides, 1)), drawn, strict=True)
    ]


def _two_maps(sides: Sides, views: Any) -> list[Place]:
    if views is not None and (not isinstance(views, list | tuple) or len(views) != 2):
        got = f"{len(views)} of them" if isinstance(views, list | tuple) else type(views).__name__
        raise TypeError(complain("views", "two maps, of left and of right", what=got))
    places = []
    for at, side in enumerate((sides.left, sides.right)):
        name, more = _titled(sides, at), ""
        if views is not None:
            _check_map_of(views[at], side, ("left", "right")[at])
        view = side if views is None else views[at]
        if views is None and side.shape[1] != 2:
            more = f" (first two principal components of {side.shape[1]:,} dimensions)"
            view = _components(side)
        places.append(Place(f"{name}{more}", _placed(view, sides.ids)))
    return places


def _components(side: Embedding) -> FloatArray:
    if len(side) < 3:
        return np.pad(np.asarray(side.points[:, :2], dtype=float), ((0, 0), (0, 1)))[:, :2]
    return np.asarray(reduce(side, method="pca", random_state=0).vectors, dtype=float)


def _placed(view: Any, ids: pd.Index) -> FloatArray:
    """Return where each of `ids` lies on a map, by id where it carries ids."""
    own = carried_ids(view)
    xy = np.asarray(view.vectors if isinstance(view, Embedding) else view, dtype=float)
    if xy.ndim != 2 or xy.shape[1] != 2:
        hint = "Make a map of an embedding with cl.reduce(embedding)."
        raise ValueError(complain("views", "of shape (n, 2)", hint=hint, what=f"shape {xy.shape}"))
    if own is None and len(xy) != len(ids):
        rule = f"{len(ids):,} rows, one for each item"
        raise ValueError(complain("views", rule, what=f"{len(xy):,} rows"))
    if own is not None:
        rows = own.get_indexer(ids)
        xy = np.where((rows >= 0)[:, None], xy[rows], np.nan)
    if not np.isfinite(xy).all(axis=1).any():
        raise ValueError(complain("views", "finite in one row at least", what="none that is"))
    return np.asarray(xy, dtype=float)


def _plane(found: Compared) -> FloatArray:
    return found.table[list(found.plane or ())].to_numpy(dtype=float)


def _titled(sides: Sides, at: int) -> str:
    """Return a side's name, with the method that made it where that is known."""
    params = getattr((sides.left, sides.right)[at], "params", {})
    made = params.get("method") or params.get("encoder")
    return ("Left", "Right")[at] + (f": {made}" if made else "")


# ---- what was made of what -----------------------------------------------------------------------


def _lineage(made: Any) -> set[str]:
    params = dict(getattr(made, "params", {}))
    known = {params.get("embedding"), *params.get("ancestors", [])} - {None}
    return known | ({made.fingerprint} if isinstance(made, Embedding) else set())


def _check_map_of(view: Any, side: Embedding, name: str) -> None:
    ancestors = getattr(view, "params", {}).get("ancestors")
    if ancestors and side.fingerprint not in _lineage(view):
        rule = f"a map of {name} ({side.fingerprint[:8]}) in its place"
        raise ValueError(complain("views", rule, what=f"a map of {ancestors[-1][:8]}"))


def _check_lineage(sides: Sides, view: Any) -> None:
    """Refuse a map on which neither side was computed; two sides may differ in what they saw."""
    seen = [_lineage(side) for side in (sides.left, sides.right)]
    made = getattr(view, "params", {}).get("ancestors")
    if made and all(seen) and not any(one & _lineage(view) for one in seen):
        judged = [str(side.params.get("embedding"))[:8] for side in (sides.left, sides.right)]
        rule = f"a map of the embedding that was judged ({' or '.join(dict.fromkeys(judged))})"
        raise ValueError(complain("views", rule, what=f"a map of {made[-1][:8]}"))


# ---- colours -------------------------------------------------------------------------------------


def half_paints(found: Compared, column: pd.Series[Any] | None) -> tuple[Paint, Paint]:
    """Return the colours on the left and on the right; of None what each side says itself.

    What means the same on both sides has the same colour.
    """
    if column is not None:
        both = _quietened(paint(column, len(column)))
        return both, both
    left, right = found.table["left"], found.table["right"]
    partner = {b: f"right {b}" for b in set(right)} if found.matched else {}
    partner |= {b: _word(a) for b, a in found.matched.items()}
    words = [*left.map(_word), *right.map(lambda value: partner.get(value, _word(value)))]
    both = _quietened(paint(pd.Series(words), len(words)))
    codes, shown = both.codes.reshape(2, -1), {name: _word(b) for b, name in partner.items()}
    faint = np.zeros_like(both.codes, bool) if both.faint is None else both.faint
    names = [both.names, [shown.get(name, name) for name in both.names]]
    one, other = (
        replace(both, codes=code, names=name, faint=part)
        for code, name, part in zip(codes, names, faint.reshape(2, -1), strict=True)
    )
    return one, other


def _quietened(colored: Paint) -> Paint:
    """Return the colours with those of no news grey and faint."""
    quiet = [name in (*QUIET, "noise") for name in colored.names]
    pairs = zip(colored.colors, quiet, strict=True)
    colors = [GREY if is_quiet else color for color, is_quiet in pairs]
    return replace(colored, colors=colors, faint=np.asarray(quiet)[colored.codes])


def _word(value: Any) -> str:
    return "noise" if isinstance(value, int | np.integer) and value == -1 else str(value)


def _legend(colored: Paint, side: str, what: str) -> str:
    """Return what the colours mean, as buttons that pick ``side:code``."""
    made = legend(colored, tag="button").replace("data-pick='color:", f"data-pick='{side}:")
    return f"<div class='curalab-compare-legend'><small>{plain(what)}</small>{made}</div>"


# ---- one of the two pictures ---------------------------------------------------------------------


class Half:
    """One picture with its title and legend, in terms of rows of the compared table.

    Attributes
    ----------
    box : widget
        To place in the panel.
    xy, colored : ndarray of shape (n_drawn, 2), Paint
        What is drawn.
    """

    def __init__(
        self,
        place: Place,
        colored: Paint,
        *,
        side: str,
        what: str,
        engine: str,
        on_select: Callable[[IntArray], None],
        on_hover: Callable[[int], None],
    ) -> None:
        # The one place where points (drawn, numbered by the engine) and rows meet.
        self._row_of = np.flatnonzero(np.isfinite(place.xy).all(axis=1))
        self._point_of = np.full(len(place.xy), -1)
        self._point_of[self._row_of] = np.arange(len(self._row_of))
        self.xy, self.title, self._side = place.xy[self._row_of], place.title, side
        self.colored = self._own(colored)
        self.points = point_view(
            engine,
            self.xy,
            colored=self.colored,
            on_select=lambda points: on_select(self._row_of[points]),
            on_hover=lambda at: None if at is None else on_hover(int(self._row_of[at])),
        )
        widget = self.points.widget
        widget.add_class("curalab-points")
        if engine == "scatter":
            widget.height, widget.layout.width = _HEIGHT, "100%"
        else:
            widget.update_layout(width=_HEIGHT, height=_HEIGHT)
        self._legend = ipywidgets.HTML(_legend(self.colored, side, what))
        title = ipywidgets.HTML(f"<b>{plain(place.title, limit=120)}</b>")
        self.box = ipywidgets.VBox([title, self.points.box, self._legend])
        self.box.add_class("curalab-compare-half")

    @property
    def lost(self) -> BoolArray:
        """Which rows are not drawn."""
        return self._point_of < 0

    def rows_of_color(self, code: int) -> IntArray:
        """Return the rows of one colour."""
        return np.asarray(self._row_of[self.colored.codes == code])

    def select(self, rows: Sequence[int]) -> None:
        """Highlight rows."""
        points = self._point_of[np.asarray(rows, dtype=np.intp)]
        self.points.select(points[points >= 0])

    def recolor(self, colored: Paint, what: str) -> None:
        """Draw in other colours, which say `what`."""
        self.colored = self._own(colored)
        self.points.recolor(self.colored)
        self._legend.value = _legend(self.colored, self._side, what)

    def still(self) -> str:
        """Return the picture without anything live in it."""
        title = plain(self.title, limit=120)
        return (
            f"<figure style='margin:0;flex:0 1 360px'><b>{title}</b>"
            f"<img alt='{title}: {len(self.xy):,} items' width='360' height='360' "
            f"src='{data_uri(raster(self.xy, self.colored))}'>"
            f"{legend(self.colored, tag='span')}</figure>"
        )

    def _own(self, colored: Paint) -> Paint:
        faint = None if colored.faint is None else colored.faint[self._row_of]
        return replace(colored, codes=colored.codes[self._row_of], faint=faint)
