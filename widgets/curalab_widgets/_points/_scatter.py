"""Points drawn by jupyter-scatter."""

from __future__ import annotations

import uuid
from typing import Any

import ipywidgets
import numpy as np

from curalab._check import FloatArray, IntArray
from curalab_widgets._cards import data_uri
from curalab_widgets._points._paint import GREY, Paint, rgb
from curalab_widgets._points._raster import FAINT, SIDE, density, framed, size_of, sizes_of
from curalab_widgets._points._sight import OnHover, OnSelect, PictureOf, Sight, around

__all__ = ["ScatterView"]

_OPACITY, _UNSELECTED = 0.8, 0.15


class ScatterView:
    """jupyter-scatter: WebGL, up to millions of points."""

    def __init__(
        self, xy: FloatArray, colored: Paint, on_select: OnSelect, on_hover: OnHover
    ) -> None:
        import jscatter

        # Made with two corners and given its points below: the histograms that Scatter computes for
        # its own tooltips take longer than all the rest.
        self._scatter = jscatter.Scatter(
            x=[-1, 1],
            y=[-1, 1],
            x_scale=(-1, 1),
            y_scale=(-1, 1),
            height=SIDE,
            size=size_of(len(xy)),
            opacity=_OPACITY,
            opacity_by=None,
            opacity_unselected=_UNSELECTED,
            axes=False,
            background_color="#ffffff00",
            reticle=False,
            color_hover=GREY,
            mouse_mode="lasso",
            options={"pointSizeSelected": 2, "pointOutlineWidth": 1},
        )
        self.widget = self._scatter.show(buttons=[])
        self.widget.layout.width = f"{SIDE}px"
        self.widget.view_sync = uuid.uuid4().hex
        self._xy = framed(xy)
        self._sizes, self._is_dense = np.zeros(len(xy), dtype=np.float32), False
        self._sight = Sight(self._xy, self.widget.view_sync)
        self.box = ipywidgets.Box([self.widget, self._sight])
        self.recolor(colored)
        self._report = on_select
        self.widget.observe(self._selected, "selection")
        self.widget.observe(lambda change: on_hover(change["new"]), "hovering")

    def _selected(self, change: Any) -> None:
        self._report(np.asarray(change["new"], dtype=np.intp))

    def select(self, points: IntArray) -> None:
        """Highlight these points."""
        self.widget.unobserve(self._selected, "selection")
        self.widget.selection = points.astype(np.uint32)
        self.widget.observe(self._selected, "selection")

    def recolor(self, colored: Paint) -> None:
        """Draw the points in other colours."""
        self._paint = colored
        self._shade()
        self._send()

    def _shade(self) -> None:
        """Set what each colour looks like, and the picture of density."""
        bands = [[band / 255 for band in rgb(color)] for color in self._paint.colors]
        solid, faint = ([[*band, alpha] for band in bands] for alpha in (1.0, FAINT))
        plain = [[*band, 0.0] for band in bands * 2] if self._is_dense else solid + faint
        self.widget.color_scale, self.widget.color_domain = "categorical", {}
        self.widget.color, self.widget.color_selected = plain, solid + faint
        self.widget.color_by = "valueA"
        self.widget.background_image = self._blurred() if self._is_dense else None

    def _send(self) -> None:
        levels = len(self._paint.colors) * self._paint.levels
        shown = (self._paint.codes + levels).astype(np.float32)
        self.widget.points = np.column_stack([self._xy, shown, self._sizes])

    def resize(self, steps: IntArray | None) -> None:
        """Draw the points in these steps of size, 0 to SIZES - 1; None draws all alike."""
        if steps is None:
            self.widget.size_by, self.widget.size = None, size_of(len(self._xy))
            return
        self._sizes = steps.astype(np.float32)
        self.widget.size_scale, self.widget.size_domain = "categorical", {}
        self.widget.size, self.widget.size_by = sizes_of(len(self._xy)), "valueB"
        self._send()

    def fade(self, opacity: float) -> None:
        """Draw the points more or less solid."""
        self.widget.opacity = opacity

    def blur(self, is_dense: bool) -> None:
        """Show how densely the points lie in place of those that are not selected."""
        self._is_dense = is_dense
        self.widget.opacity_unselected = 0.0 if is_dense else _UNSELECTED
        self._shade()

    def _blurred(self) -> str:
        return data_uri(density(self._xy, self._paint, premultiplied=True))

    def use(self, tool: str) -> None:
        """Give the mouse to a tool."""
        self._scatter.mouse("panZoom" if tool == "move" else "lasso")
        self._scatter.lasso(type="rectangle" if tool == "box" else "freeform")

    @property
    def sight(self) -> list[float]:
        """Left, right, bottom and top of what is in view."""
        return list(self._sight.sight)

    @sight.setter
    def sight(self, sight: list[float]) -> None:
        left, right, bottom, top = sight
        area = {"x": left, "width": right - left, "y": bottom, "height": top - bottom}
        kind = self.widget.event_types["VIEW_RESET"]
        self.widget.send({"type": kind, "area": area, "animation": 0})

    def approach(self, points: IntArray) -> None:
        """Zoom in on these points."""
        self.sight = around(self._xy[points])

    def reset(self) -> None:
        """Zoom out."""
        self.widget.reset_view()

    def picture(self, of: PictureOf | None) -> None:
        """Draw pictures in the places of points, where few are in view."""
        self._sight.picture(of)
