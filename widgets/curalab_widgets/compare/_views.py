"""Where compared rows are drawn, twice, and in which colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import ipywidgets
import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, carried_ids, complain
from curalab.embedding import Embedding
from curalab.maps import reduce
from curalab_widgets._cards import data_uri, plain
from curalab_widgets._placed import Drawn, check_xy, legend
from curalab_widgets._points import GREY, Paint, paint, raster
from curalab_widgets.compare._compared import QUIET, Compared, Sides

if TYPE_CHECKING:
    from curalab_widgets.compare import ComparePanel

__all__ = ["Half", "color_columns", "halves_of", "recolor"]

_HEIGHT = 400  # pixels


class Place(NamedTuple):
    """Where the rows lie in one of the pictures: shape (n, 2), NaN where they are not drawn."""

    title: str
    xy: FloatArray


# ---- places --------------------------------------------------------------------------------------


def _places_of(sides: Sides, found: Compared, views: Any) -> list[Place]:
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
    check_xy(xy, "views")
    if own is None and len(xy) != len(ids):
        rule = f"{len(ids):,} rows, one for each item"
        raise ValueError(complain("views", rule, what=f"{len(xy):,} rows"))
    if own is not None:
        rows = own.get_indexer(ids)
        xy = np.where((rows >= 0)[:, None], xy[rows], np.nan)
        check_xy(xy, "views")
    return xy


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


def color_columns(panel: ComparePanel) -> list[str]:
    """Return the columns that may colour: those of the items, and what is said of each row."""
    own = [name for name in panel._items.columns if name not in panel._cards.images]
    said = [name for name in panel._found.table.columns if name not in (*own, "changes")]
    return [*own, *said]


def _coloring(panel: ComparePanel) -> str | None:
    """Return the name of the column that colours; None for what each side says."""
    found = panel._found
    if panel.color is not None:
        return str(panel.color)
    if found.plane:
        return "outcome"
    return None if found.named else found.shown[0]


def _paints(panel: ComparePanel, name: str | None) -> tuple[Paint, Paint]:
    """Return the colours on the left and on the right by a column, or by what each side says."""
    if name is None:
        return _half_paints(panel._found, None)
    source = panel._items if name in panel._items else panel._found.table
    return _half_paints(panel._found, source[name])


def _half_paints(found: Compared, column: pd.Series[Any] | None) -> tuple[Paint, Paint]:
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
    lost : ndarray of shape (n_rows,), bool
        Which rows are not.
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
        self._drawn, self.title, self._side = Drawn(place.xy), place.title, side
        self.xy, self.lost = self._drawn.xy, self._drawn.lost
        self.colored = self._own(colored)
        self.points = self._drawn.view(
            engine, colored=self.colored, on_select=on_select, on_hover=on_hover
        )
        widget = self.points.widget
        if engine == "scatter":
            widget.height, widget.layout.width = _HEIGHT, "100%"
        else:
            widget.update_layout(width=_HEIGHT, height=_HEIGHT)
        self._legend = ipywidgets.HTML(_legend(self.colored, side, what))
        title = ipywidgets.HTML(f"<b>{plain(place.title, limit=120)}</b>")
        self.box = ipywidgets.VBox([title, self.points.box, self._legend])
        self.box.add_class("curalab-compare-half")

    def rows_of_color(self, code: int) -> IntArray:
        """Return the rows of one colour."""
        return np.asarray(self._drawn.rows[self.colored.codes == code])

    def select(self, rows: Sequence[int]) -> None:
        """Highlight rows."""
        self.points.select(self._drawn.points(rows))

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
        faint = None if colored.faint is None else colored.faint[self._drawn.rows]
        return replace(colored, codes=colored.codes[self._drawn.rows], faint=faint)


def halves_of(panel: ComparePanel, views: Any, engine: str) -> list[Half]:
    """Return the pictures of a comparison: two, one, or none."""
    places, name = _places_of(panel._sides, panel._found, views), _coloring(panel)
    does: dict[str, Any] = {"on_select": panel._select_rows, "on_hover": panel._look_at}
    drawn = zip(("left", "right"), places, _paints(panel, name), strict=False)
    return [
        Half(place, colored, side=side, what=_words(name), engine=engine, **does)
        for side, place, colored in drawn
    ]


def recolor(panel: ComparePanel) -> None:
    """Draw the pictures of a comparison in the colours that it has now."""
    name = _coloring(panel)
    for half, colored in zip(panel._halves, _paints(panel, name), strict=False):
        half.recolor(colored, _words(name))


def _words(name: str | None) -> str:
    return (name or "").replace("_", " ")
