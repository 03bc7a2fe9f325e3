"""Panels for notebooks: see a dataset, select in it, decide, and never lose a decision."""

from __future__ import annotations

from curalab_widgets.map import MapPanel

__all__ = ["MapPanel"]
