"""Panels for notebooks: see a dataset, select in it, decide, and never lose a decision."""

from __future__ import annotations

from curalab_widgets import figures
from curalab_widgets.map import MapPanel
from curalab_widgets.review import ReviewPanel

__all__ = ["MapPanel", "ReviewPanel", "figures"]
