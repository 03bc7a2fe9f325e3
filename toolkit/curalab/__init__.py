"""Curate datasets in notebooks: one small interface to every method of the field."""

from curalab import (
    _threads as _threads,  # before all that loads OpenMP
)
from curalab import (
    clusters,
    documents,
    duplicates,
    encoders,
    explanations,
    label_errors,
    maps,
    outliers,
    pseudo_labels,
    samples,
    scale,
    selectors,
    shift,
    testing,
)
from curalab._check import AlignmentError, MissingExtraError, StaleDecisionError
from curalab._hidden import metrics_only
from curalab._versions import __version__ as __version__
from curalab._versions import show_versions
from curalab.audits import Audit, audit
from curalab.clusters import Clustering, cluster, grow
from curalab.documents import Card, Lineage, card, export, lineage
from curalab.duplicates import (
    Duplicates,
    Leakage,
    find_duplicates,
    find_leakage,
    score_pairs,
)
from curalab.effect import Effect, measure_effect
from curalab.embedding import Embedding
from curalab.encoders import cache_info, clear_cache, compare_encoders, embed
from curalab.explanations import Explanation, explain
from curalab.items import check_items, image_quality, join, load_items, text_quality
from curalab.label_errors import LabelErrors, find_label_errors, raters
from curalab.leaderboard import Leaderboard, Protocol, bench
from curalab.ledger import Ledger
from curalab.maps import reduce
from curalab.neighbors import Neighbors
from curalab.outliers import Outliers, find_outliers
from curalab.pool import Pool, methods
from curalab.pseudo_labels import PseudoLabels, pseudo_label
from curalab.samples import (
    Planted,
    plant_duplicates,
    plant_label_errors,
    plant_leakage,
    plant_outliers,
    plant_shift,
)
from curalab.scale import BatchError, map_batches
from curalab.selectors import Selection, select, top_k
from curalab.shift import Shift, find_shift

__all__ = [
    "AlignmentError",
    "Audit",
    "BatchError",
    "Card",
    "Clustering",
    "Duplicates",
    "Effect",
    "Embedding",
    "Explanation",
    "LabelErrors",
    "Leaderboard",
    "Leakage",
    "Ledger",
    "Lineage",
    "MissingExtraError",
    "Neighbors",
    "Outliers",
    "Planted",
    "Pool",
    "Protocol",
    "PseudoLabels",
    "Selection",
    "Shift",
    "StaleDecisionError",
    "audit",
    "bench",
    "cache_info",
    "card",
    "check_items",
    "clear_cache",
    "cluster",
    "clusters",
    "compare_encoders",
    "documents",
    "duplicates",
    "embed",
    "encoders",
    "explain",
    "explanations",
    "export",
    "find_duplicates",
    "find_label_errors",
    "find_leakage",
    "find_outliers",
    "find_shift",
    "grow",
    "image_quality",
    "join",
    "label_errors",
    "lineage",
    "load_items",
    "map_batches",
    "maps",
    "measure_effect",
    "methods",
    "metrics_only",
    "outliers",
    "plant_duplicates",
    "plant_label_errors",
    "plant_leakage",
    "plant_outliers",
    "plant_shift",
    "pseudo_label",
    "pseudo_labels",
    "raters",
    "reduce",
    "samples",
    "scale",
    "score_pairs",
    "select",
    "selectors",
    "shift",
    "show_versions",
    "testing",
    "text_quality",
    "top_k",
]
