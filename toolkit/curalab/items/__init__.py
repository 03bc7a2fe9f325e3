"""Load a table of items, say what is odd about it, and put results beside it."""

from __future__ import annotations

from curalab.items._findings import check_items
from curalab.items._join import join
from curalab.items._load import load_items
from curalab.items._quality import image_quality, text_quality

__all__ = ["check_items", "image_quality", "join", "load_items", "text_quality"]
