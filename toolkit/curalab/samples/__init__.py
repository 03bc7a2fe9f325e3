"""Real data that needs no download, and trouble planted in data whose answer is then known."""

from __future__ import annotations

from curalab.samples._data import digits, docstrings, tables
from curalab.samples._labels import plant_label_errors
from curalab.samples._plant import plant_duplicates, plant_leakage, plant_outliers
from curalab.samples._rows import Planted
from curalab.samples._shift import plant_shift

__all__ = [
    "Planted",
    "digits",
    "docstrings",
    "plant_duplicates",
    "plant_label_errors",
    "plant_leakage",
    "plant_outliers",
    "plant_shift",
    "tables",
]
