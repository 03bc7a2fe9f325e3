"""The figure of a lesson."""

from __future__ import annotations

from matplotlib.figure import Figure

from curalab_widgets.lesson._pictures import as_html

__all__ = ["Drawn"]


class Drawn(Figure):
    """A figure that shows itself where a cell ends with it, whether or not pyplot is loaded."""

    def _repr_html_(self) -> str:
        return as_html(self)
