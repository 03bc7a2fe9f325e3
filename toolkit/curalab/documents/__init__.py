"""Documents about a dataset, from what is known of it: cards, licences, lineage, exports."""

from __future__ import annotations

from curalab.documents._card import Card, card
from curalab.documents._completeness import Completeness, completeness
from curalab.documents._croissant import Croissant, croissant
from curalab.documents._export import export
from curalab.documents._graph import KnowledgeGraph, knowledge_graph
from curalab.documents._guide import LabelingGuide, labeling_guide
from curalab.documents._licences import Licences, licences
from curalab.documents._lineage import Lineage, lineage
from curalab.pool import Stage

__all__ = [
    "STAGE",
    "Card",
    "Completeness",
    "Croissant",
    "KnowledgeGraph",
    "LabelingGuide",
    "Licences",
    "Lineage",
    "card",
    "completeness",
    "croissant",
    "export",
    "knowledge_graph",
    "labeling_guide",
    "licences",
    "lineage",
]

STAGE = Stage(
    name="documents",
    functions={
        "card": card,
        "completeness": completeness,
        "croissant": croissant,
        "export": export,
        "knowledge_graph": knowledge_graph,
        "labeling_guide": labeling_guide,
        "licences": licences,
        "lineage": lineage,
    },
)
