"""What lessons are made of: a seed a student, exercises that check themselves, sliders.

A lesson begins with ``SEED = lesson.seed()``. ``lesson.check("05-a", answer)`` judges an answer,
says how far off it is, and keeps it in a file that ``curalab grade`` turns into a table.
``lesson.Explore`` puts sliders over a function: picture and score move together.
"""

from __future__ import annotations

from curalab_widgets.lesson._answers import check, data
from curalab_widgets.lesson._exercise import Verdict
from curalab_widgets.lesson._explore import Explore
from curalab_widgets.lesson._grade import grade
from curalab_widgets.lesson._pictures import scatter
from curalab_widgets.lesson._solved import solved
from curalab_widgets.lesson._student import Stop, needs, seed, student

__all__ = [
    "Explore",
    "Stop",
    "Verdict",
    "check",
    "data",
    "grade",
    "needs",
    "scatter",
    "seed",
    "solved",
    "student",
]
