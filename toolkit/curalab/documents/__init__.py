"""Documents about a dataset, written from what is known of it."""

from __future__ import annotations

from curalab.documents._card import Card, card
from curalab.pool import Stage

__all__ = ["STAGE", "Card", "card"]

STAGE = Stage(name="documents", functions={"card": card})
