"""The point view that panels share: many points, coloured, hovered, selected; two engines.

A view knows nothing of ids: it speaks numbers of the points it was given, from 0 to n - 1. Both
engines have

- `box`, the widget to place, and `widget`, what draws in it;
- `select(points)` highlights these and reports nothing;
- `recolor(paint)`, `resize(steps)` (None: all alike), `fade(opacity)`;
- `blur(is_dense)`: how densely the points lie in place of the points that are not selected;
- `use(tool)` gives the mouse to "lasso", "box" or "move";
- `sight`, the part in view as [left, right, bottom, top] of the square -1 … 1; may be set;
- `reset()` zooms out, `approach(points)` zooms in on these;
- `picture(of)`: where few points are in view, what `of(point)` returns, the address of a picture,
  stands in their places; None ends it.
"""

from __future__ import annotations

from curalab._check import FloatArray, check_choice
from curalab_widgets._points._paint import COLORS, GREY, PALE, Paint, paint
from curalab_widgets._points._plotly import PlotlyView
from curalab_widgets._points._raster import SIZES, density, raster
from curalab_widgets._points._scatter import ScatterView
from curalab_widgets._points._sight import OnHover, OnSelect

__all__ = [
    "COLORS",
    "GREY",
    "PALE",
    "SIZES",
    "Paint",
    "density",
    "paint",
    "point_view",
    "raster",
]

_ENGINES: dict[str, type[ScatterView] | type[PlotlyView]] = {
    "scatter": ScatterView,
    "plotly": PlotlyView,
}


def point_view(
    engine: str, xy: FloatArray, *, colored: Paint, on_select: OnSelect, on_hover: OnHover
) -> ScatterView | PlotlyView:
    """Return a view of the points `xy`, shape (n, 2), finite, at least one.

    `on_select` gets the numbers of the points that a person selects, `on_hover` the number of the
    point under the mouse or None.
    """
    return _ENGINES[check_choice("engine", engine, _ENGINES)](xy, colored, on_select, on_hover)
