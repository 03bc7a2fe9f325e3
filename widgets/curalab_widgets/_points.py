"""The point view that panels share: many points, coloured, hovered, selected; two engines.

A view knows nothing of ids: it speaks numbers of the points it was given, from 0 to n - 1. Both
engines have `widget`; `select(points)` highlights these and reports nothing; `recolor(paint)`;
`use(tool)` gives the mouse to "lasso", "box" or "move"; `reset()` zooms out.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray, check_choice

__all__ = ["COLORS", "GREY", "Paint", "paint", "point_view", "raster"]

# Of middling lightness, so that they show on a white page and on a black one.
_TENS = (
    "4878d0 ee854a 2fa36b d65f5f 956cb4 c9a227 dc7ec0 1fa7b8 8c613c 7f9f2f",
    "8fb3ee f8bd8f 82d3a8 f0a0a0 c6a9dd e8cf73 f2b8de 79d3de c19a77 b9d36b",
)
COLORS = [f"#{color}" for ten in _TENS for color in ten.split()]
GREY, PALE = "#8a8f98", "#b4b8bf"
_SCALE = ("#4a4fb5", "#2a7fb8", "#1fa187", "#7ac142", "#f2b705")
_BINS = 32
_SIDE = 480  # pixels
_FAINT = 0.25  # of a colour
_OnSelect = Callable[[IntArray], None]
_OnHover = Callable[[int | None], None]


# ---- colours -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Paint:
    """A column as colours: row i has `colors[codes[i]]`, whose meaning is `names[codes[i]]`.

    Numbers are cut into bins from `low` to `high`, which are None for classes. Rows that are
    `faint` are drawn so; None draws none of them so.
    """

    codes: IntArray
    colors: list[str]
    names: list[str]
    low: object = None
    high: object = None
    faint: BoolArray | None = None

    @property
    def counts(self) -> IntArray:
        """Rows of each colour."""
        return np.bincount(self.codes, minlength=len(self.colors))

    @property
    def levels(self) -> IntArray:
        """1 for a faint row, else 0."""
        return np.zeros(len(self.codes), int) if self.faint is None else self.faint.astype(int)


def paint(column: pd.Series[Any] | None, n: int) -> Paint:
    """Choose colours: a scale for numbers, else one for each of the most frequent values.

    Integers of few distinct values count as classes. None paints `n` rows alike.
    """
    if column is None:
        return Paint(codes=np.zeros(n, dtype=np.intp), colors=[COLORS[0]], names=[""])
    kind = pd.api.types
    if kind.is_float_dtype(column) or kind.is_datetime64_any_dtype(column):
        return _paint_numbers(column)
    if kind.is_integer_dtype(column) and column.nunique() > len(COLORS):
        return _paint_numbers(column)
    return _paint_classes(column)


def _paint_numbers(column: pd.Series[Any]) -> Paint:
    numbers = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    known = np.isfinite(numbers) & column.notna().to_numpy()
    codes = np.full(len(numbers), _BINS)
    shown = column[known]
    if known.any():
        share = numbers[known] - numbers[known].min()
        codes[known] = np.minimum(share / (share.max() or 1) * _BINS, _BINS - 1)
    return Paint(
        codes=codes,
        colors=[*_mixed(_SCALE, _BINS), PALE],
        names=[""] * _BINS + ["missing"],
        low=shown.min() if known.any() else None,
        high=shown.max() if known.any() else None,
    )


def _paint_classes(column: pd.Series[Any]) -> Paint:
    try:
        codes, values = pd.factorize(column, sort=True)
    except TypeError:  # values that have no order, or no hash
        codes, values = pd.factorize(column.map(str, na_action="ignore"), sort=True)
    count = np.bincount(codes[codes >= 0], minlength=len(values))
    shown = np.sort(np.argsort(-count, kind="stable")[: len(COLORS)])
    rank = np.full(len(values) + 1, len(shown))  # its last place is that of -1: missing
    rank[shown] = np.arange(len(shown))
    rank[-1] = len(shown) + 1
    rest = f"{len(values) - len(shown):,} other values"
    return Paint(
        codes=rank[codes],
        colors=[*COLORS[: len(shown)], GREY, PALE],
        names=[*map(str, values[shown]), rest, "missing"],
    )


def _mixed(stops: tuple[str, ...], n: int) -> list[str]:
    ends = np.array([_rgb(stop) for stop in stops])
    at = np.linspace(0, len(stops) - 1, n)
    mixed = [np.interp(at, np.arange(len(stops)), band) for band in ends.T]
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.round(mixed).astype(int).T]


def _rgb(color: str) -> list[int]:
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


# ---- places --------------------------------------------------------------------------------------


def _framed(xy: FloatArray) -> FloatArray:
    """Return the points moved and scaled, alike in both directions, into the square -1 … 1."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    reach = float((high - low).max()) / 2 or 1.0
    return np.asarray((xy - (low + high) / 2) / (reach * 1.05), dtype=np.float32)


def _size(n: int) -> int:
    return int(np.clip(round(60 / n**0.28), 2, 14))


def raster(xy: FloatArray, colored: Paint, *, side: int = _SIDE) -> bytes:
    """Draw points into a square picture without a browser; return it as PNG."""
    from PIL import Image

    fine = 2 * side  # drawn twice as large: its pixels are averaged into smooth edges
    reach = _size(len(xy))
    width = fine + 2 * reach
    solid = [[*_rgb(c), 255] for c in colored.colors]
    faint = [[*rgb, round(255 * _FAINT)] for *rgb, _ in solid]
    colors = np.array([*solid, *faint], dtype=np.uint8).view(np.uint32)[:, 0]
    last = np.argsort(-colored.levels, kind="stable")  # what is not faint lies on top
    each = colors[colored.codes + len(solid) * colored.levels][last]
    places = _framed(xy)[last].T
    x, y = np.round((places * [[1], [-1]] + 1) / 2 * (fine - 1)).astype(np.intp) + reach
    pixels = np.full((width * width, 4), [*_rgb(GREY), 0], dtype=np.uint8).view(np.uint32)[:, 0]
    steps = range(-reach, reach + 1)
    for shift in (dy * width + dx for dx in steps for dy in steps if dx**2 + dy**2 <= reach**2):
        pixels[y * width + x + shift] = each
    made = io.BytesIO()
    picture = Image.fromarray(pixels.view(np.uint8).reshape(width, width, 4))
    picture.reduce(2).save(made, "PNG")
    return made.getvalue()


# ---- the two engines -----------------------------------------------------------------------------


class _ScatterView:
    """jupyter-scatter: WebGL, up to millions of points."""

    def __init__(
        self, xy: FloatArray, colored: Paint, on_select: _OnSelect, on_hover: _OnHover
    ) -> None:
        import jscatter

        # Made with two corners and given its points below: the histograms that Scatter computes for
        # its own tooltips take longer than all the rest.
        self._scatter = jscatter.Scatter(
            x=[-1, 1],
            y=[-1, 1],
            x_scale=(-1, 1),
            y_scale=(-1, 1),
            height=_SIDE,
            size=_size(len(xy)),
            opacity=0.8,
            opacity_by=None,
            opacity_unselected=0.15,
            axes=False,
            background_color="#ffffff00",
            reticle=False,
            color_hover=GREY,
            mouse_mode="lasso",
            options={"pointSizeSelected": 2, "pointOutlineWidth": 1},
        )
        self.widget = self._scatter.show(buttons=[])
        self.widget.layout.width = f"{_SIDE}px"
        self._xy = _framed(xy)
        self.recolor(colored)
        self._report = on_select
        self.widget.observe(self._selected, "selection")
        self.widget.observe(lambda change: on_hover(change["new"]), "hovering")

    def _selected(self, change: Any) -> None:
        self._report(np.asarray(change["new"], dtype=np.intp))

    def select(self, points: IntArray) -> None:
        self.widget.unobserve(self._selected, "selection")
        self.widget.selection = points.astype(np.uint32)
        self.widget.observe(self._selected, "selection")

    def recolor(self, colored: Paint) -> None:
        bands = [[band / 255 for band in _rgb(color)] for color in colored.colors]
        rgba = [[*rgb, alpha] for alpha in (1.0, _FAINT) for rgb in bands]
        self.widget.color_scale, self.widget.color_domain = "categorical", {}
        self.widget.color = self.widget.color_selected = rgba
        self.widget.color_by = "valueA"
        shown = (colored.codes + len(bands) * colored.levels).astype(np.float32)
        columns = [self._xy, shown, np.zeros_like(self._xy[:, 0])]
        self.widget.points = np.column_stack(columns)

    def use(self, tool: str) -> None:
        self._scatter.mouse("panZoom" if tool == "move" else "lasso")
        self._scatter.lasso(type="rectangle" if tool == "box" else "freeform")

    def reset(self) -> None:
        self.widget.reset_view()


class _PlotlyView:
    """plotly's FigureWidget: for hosts and habits that need it; heavier at every size."""

    def __init__(
        self, xy: FloatArray, colored: Paint, on_select: _OnSelect, on_hover: _OnHover
    ) -> None:
        import plotly.graph_objects as go

        x, y = _framed(xy).T
        trace = {
            "type": "scattergl",
            "x": x,
            "y": y,
            "customdata": np.arange(len(xy), dtype=np.int32),
            "mode": "markers",
            "marker": {"size": _size(len(xy)), "opacity": 0.8},
            "selected": {"marker": {"opacity": 0.8}},
            "unselected": {"marker": {"opacity": 0.8}},
            "hoverinfo": "none",
        }
        layout = {
            "xaxis": {"visible": False, "range": [-1, 1]},
            "yaxis": {"visible": False, "range": [-1, 1]},
            "width": _SIDE,
            "height": _SIDE,
            "margin": dict.fromkeys("lrtb", 0),
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "dragmode": "lasso",
        }
        self.widget = go.FigureWidget([trace], layout)
        self._points = self.widget.data[0]
        self._level = np.zeros(len(xy), dtype=np.uint8)
        self.recolor(colored)
        self._xy = np.column_stack([x, y])
        self._report = on_select
        # Not `on_selection`: the browser keeps only the newest event of a point while the kernel is
        # busy, and the hovering that follows a lasso takes its place. Outlines come another way.
        self.widget.layout.on_change(self._drawn, "selections")
        self._points.on_deselect(lambda _, __: on_select(np.array([], dtype=np.intp)))
        self._points.on_hover(lambda _, points, __: on_hover(int(self._numbers(points)[0])))
        self._points.on_unhover(lambda _, __, ___: on_hover(None))

    def _numbers(self, points: Any) -> IntArray:
        return np.asarray(self._points.customdata, dtype=np.intp)[list(points.point_inds)]

    def _drawn(self, layout: Any, _: Any) -> None:
        if outlines := layout.to_plotly_json().get("selections"):
            inside = [_inside(outline, self._xy) for outline in outlines]
            self.widget.plotly_relayout({"selections": []})
            self._report(np.flatnonzero(np.any(inside, axis=0)))

    def select(self, points: IntArray) -> None:
        self._level[:] = 2 if len(points) else self._paint.levels
        self._level[points] = self._paint.levels[points]
        self._points.marker.color = self._colors()

    def _colors(self) -> IntArray:
        return self._paint.codes + len(self._paint.colors) * self._level

    def recolor(self, colored: Paint) -> None:
        # Each colour three times: the second for faint rows, the third for what is not selected:
        # the browser drops plotly's own `selectedpoints` whenever an outline goes.
        self._paint = colored
        self._level = np.where(self._level == 2, 2, colored.levels).astype(np.uint8)
        rgba = [f"rgba{(*_rgb(c), alpha)}" for alpha in (1, _FAINT, 0.12) for c in colored.colors]
        steps = [((i + j) / len(rgba), color) for i, color in enumerate(rgba) for j in (0, 1)]
        self._points.marker.update(
            color=self._colors(), colorscale=steps, cmin=-0.5, cmax=len(rgba) - 0.5
        )

    def use(self, tool: str) -> None:
        self.widget.layout.dragmode = {"move": "pan", "box": "select"}.get(tool, tool)

    def reset(self) -> None:
        self.widget.update_layout(xaxis_range=[-1, 1], yaxis_range=[-1, 1])


def _inside(outline: dict[str, Any], xy: FloatArray) -> BoolArray:
    """Tell which points lie in an outline of plotly's: a rectangle, or a path "M0.1,0.2L…Z"."""
    from matplotlib.path import Path

    if outline["type"] == "rect":
        x0, x1, y0, y1 = (outline[end] for end in ("x0", "x1", "y0", "y1"))
        return Path([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]).contains_points(xy)
    corners = [corner.split(",") for corner in outline["path"].strip("MZ").split("L")]
    return Path(np.asarray(corners, dtype=float)).contains_points(xy)


_ENGINES: dict[str, type[_ScatterView] | type[_PlotlyView]] = {
    "scatter": _ScatterView,
    "plotly": _PlotlyView,
}


def point_view(
    engine: str, xy: FloatArray, *, colored: Paint, on_select: _OnSelect, on_hover: _OnHover
) -> _ScatterView | _PlotlyView:
    """Return a view of the points `xy`, shape (n, 2), finite, at least one.

    `on_select` gets the numbers of the points that a person selects, `on_hover` the number of the
    point under the mouse or None.
    """
    return _ENGINES[check_choice("engine", engine, _ENGINES)](xy, colored, on_select, on_hover)
