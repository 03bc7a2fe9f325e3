"""Health of an embedding, without labels: what is used of its space, and what looks wrong.

`report` runs all of it and says in words what to do; the other functions measure one thing each.
"""

from __future__ import annotations

from curalab.encoders.health._hubs import Hubness, hubness
from curalab.encoders.health._local import LocalDimension, local_dimension
from curalab.encoders.health._repeats import Repeats, repeats
from curalab.encoders.health._report import Health, report
from curalab.encoders.health._separability import Separability, separability
from curalab.encoders.health._spread import Spread, spread

__all__ = [
    "Health",
    "Hubness",
    "LocalDimension",
    "Repeats",
    "Separability",
    "Spread",
    "hubness",
    "local_dimension",
    "repeats",
    "report",
    "separability",
    "spread",
]
