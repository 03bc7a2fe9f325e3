"""Points drawn by plotly."""

from __future__ import annotations

from typing import Any

import numpy as np

from curalab._check import BoolArray, FloatArray, IntArray
from curalab_widgets._cards import data_uri
from curalab_widgets._points._paint import Paint, rgb
from curalab_widgets._points._raster import FAINT, SIDE, density, framed, size_of, sizes_of
from curalab_widgets._points._sight import (
    PICTURE,
    OnHover,
    OnSelect,
    PictureOf,
    around,
    pictures_in,
)

__all__ = ["PlotlyView"]


class PlotlyView:
    """plotly's FigureWidget: for hosts and habits that need it; heavier at every size."""

    def __init__(
        self, xy: FloatArray, colored: Paint, on_select: OnSelect, on_hover: OnHover
    ) -> None:
        import plotly.graph_objects as go

        x, y = framed(xy).T
        self._density, self._paint, self._level = "", colored, colored.levels.astype(np.uint8)
        trace = {
            "type": "scattergl",
            "x": x,
            "y": y,
            "customdata": np.arange(len(xy), dtype=np.int32),
            "mode": "markers",
            # From the first on: a browser that still loads plotly misses what is changed later.
            "marker": {"size": size_of(len(xy)), "opacity": 0.8, **self._coloring()},
            "selected": {"marker": {"opacity": 0.8}},
            "unselected": {"marker": {"opacity": 0.8}},
            "hoverinfo": "none",
        }
        layout = {
            "xaxis": {"visible": False, "range": [-1, 1]},
            "yaxis": {"visible": False, "range": [-1, 1]},
            "width": SIDE,
            "height": SIDE,
            "margin": dict.fromkeys("lrtb", 0),
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "dragmode": "lasso",
        }
        self.widget = go.FigureWidget([trace], layout)
        self._points = self.widget.data[0]
        self.box = self.widget
        self._xy = np.column_stack([x, y])
        self._of: PictureOf | None = None
        self._report = on_select
        # Not `on_selection`: the browser keeps only the newest event of a point while the kernel is
        # busy, and the hovering that follows a lasso takes its place. Outlines come another way.
        self.widget.layout.on_change(self._drawn, "selections")
        self.widget.layout.on_change(lambda *_: self._draw(), "xaxis.range", "yaxis.range")
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
        """Highlight these points."""
        self._level[:] = 2 if len(points) else self._paint.levels
        self._level[points] = self._paint.levels[points]
        self._points.marker.color = self._colors()

    def _colors(self) -> IntArray:
        return self._paint.codes + len(self._paint.colors) * self._level

    def _coloring(self) -> dict[str, Any]:
        """Return the colours of the points, as plotly has them."""
        # Each colour three times: the second for faint rows, the third for what is not selected:
        # the browser drops plotly's own `selectedpoints` whenever an outline goes.
        shades = (0, 0, 0) if self._density else (1, FAINT, 0.12)
        rgba = [f"rgba{(*rgb(c), alpha)}" for alpha in shades for c in self._paint.colors]
        steps = [((i + j) / len(rgba), color) for i, color in enumerate(rgba) for j in (0, 1)]
        last = len(rgba) - 0.5
        return {"color": self._colors(), "colorscale": steps, "cmin": -0.5, "cmax": last}

    def recolor(self, colored: Paint) -> None:
        """Draw the points in other colours."""
        self._paint = colored
        if self._density:
            self._density = data_uri(density(self._xy, colored))
        self._level = np.where(self._level == 2, 2, colored.levels).astype(np.uint8)
        self._points.marker.update(**self._coloring())
        self._draw()

    def resize(self, steps: IntArray | None) -> None:
        """Draw the points in these steps of size, 0 to SIZES - 1; None draws all alike."""
        n = len(self._xy)
        self._points.marker.size = size_of(n) if steps is None else np.array(sizes_of(n))[steps]

    def fade(self, opacity: float) -> None:
        """Draw the points more or less solid."""
        for part in (self._points, self._points.selected, self._points.unselected):
            part.marker.opacity = opacity

    def blur(self, is_dense: bool) -> None:
        """Show how densely the points lie in place of those that are not selected."""
        self._density = "to come" if is_dense else ""
        self.recolor(self._paint)

    def use(self, tool: str) -> None:
        """Give the mouse to a tool."""
        self.widget.layout.dragmode = {"move": "pan", "box": "select"}.get(tool, tool)

    @property
    def sight(self) -> list[float]:
        """Left, right, bottom and top of what is in view."""
        layout = self.widget.layout
        return [float(end) for axis in (layout.xaxis, layout.yaxis) for end in axis.range]

    @sight.setter
    def sight(self, sight: list[float]) -> None:
        left, right, bottom, top = sight
        self.widget.update_layout(xaxis_range=[left, right], yaxis_range=[bottom, top])

    def approach(self, points: IntArray) -> None:
        """Zoom in on these points."""
        self.sight = around(self._xy[points])

    def reset(self) -> None:
        """Zoom out."""
        self.sight = [-1, 1, -1, 1]

    def picture(self, of: PictureOf | None) -> None:
        """Draw pictures in the places of points, where few are in view."""
        self._of = of
        self._draw()

    def _draw(self) -> None:
        """Place the pictures under the points: of density, and of the few in view."""
        left, right, _, _ = self.sight
        side = (right - left) * PICTURE
        whole = {"source": self._density, "x": -1, "y": 1, "sizex": 2, "sizey": 2}
        images: list[dict[str, Any]] = [{**whole, "layer": "below"}] if self._density else []
        for point, address in pictures_in(self._xy, self.sight, self._of):
            x, y = self._xy[point].tolist()
            place = {"x": x, "y": y, "xanchor": "center", "yanchor": "middle"}
            images.append({"source": address, **place, "sizex": side, "sizey": side})
        axes = {"xref": "x", "yref": "y"}
        if images or self.widget.layout.images:
            self.widget.layout.images = [{**axes, **image} for image in images]


def _inside(outline: dict[str, Any], xy: FloatArray) -> BoolArray:
    """Tell which points lie in an outline of plotly's: a rectangle, or a path "M0.1,0.2L…Z"."""
    from matplotlib.path import Path

    if outline["type"] == "rect":
        x0, x1, y0, y1 = (outline[end] for end in ("x0", "x1", "y0", "y1"))
        return Path([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]).contains_points(xy)
    corners = [corner.split(",") for corner in outline["path"].strip("MZ").split("L")]
    return Path(np.asarray(corners, dtype=float)).contains_points(xy)
