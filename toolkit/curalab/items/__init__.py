"""Load a table of items, say what is odd about it, and put results beside it."""

from __future__ import annotations

from curalab.items._findings import check_items
from curalab.items._join import join
from curalab.items._load import load_items

__all__ = ["check_items", "join", "load_items"]
