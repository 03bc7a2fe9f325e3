"""Panels for notebooks: see a dataset, select in it, decide, and never lose a decision."""

from __future__ import annotations

from curalab_widgets import figures, lesson
from curalab_widgets.audit import AuditPanel
from curalab_widgets.clusters import ClusterPanel
from curalab_widgets.compare import ComparePanel
from curalab_widgets.duplicates import DuplicatePanel
from curalab_widgets.effect import EffectPanel
from curalab_widgets.map import MapPanel
from curalab_widgets.pseudo import PseudoLabelPanel
from curalab_widgets.review import ReviewPanel
from curalab_widgets.selectors import SelectorPanel

__all__ = [
    "AuditPanel",
    "ClusterPanel",
    "ComparePanel",
    "DuplicatePanel",
    "EffectPanel",
    "MapPanel",
    "PseudoLabelPanel",
    "ReviewPanel",
    "SelectorPanel",
    "figures",
    "lesson",
]
