"""Results as plotly figures, legible on a white page and on a black one."""

from __future__ import annotations

from curalab_widgets.figures._findings import error_confusion, histogram
from curalab_widgets.figures._honesty import (
    accuracy_over_rounds,
    coverage_accuracy,
    reliability_diagram,
)
from curalab_widgets.figures._lineage import lineage_graph
from curalab_widgets.figures._maps import map_points
from curalab_widgets.figures._worth import effect_intervals, learning_curves, rank_intervals

__all__ = [
    "accuracy_over_rounds",
    "coverage_accuracy",
    "effect_intervals",
    "error_confusion",
    "histogram",
    "learning_curves",
    "lineage_graph",
    "map_points",
    "rank_intervals",
    "reliability_diagram",
]
