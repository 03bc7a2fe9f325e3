"""The solved copy of a lesson."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING

from curalab_widgets.lesson._answers import find

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["solved"]

_BLANK = re.compile(r"^answer = \.\.\.$", re.MULTILINE)
_CHECK = re.compile(r"""check\(["']([^"']+)["'],\s*answer\)""")


def solved(book: NotebookNode) -> NotebookNode:
    """Return a copy of a lesson with the solution in every cell that is tagged "exercise".

    Such a cell holds the lines ``answer = ...`` and ``lesson.check("05-a", answer)``.

    Parameters
    ----------
    book : NotebookNode
        Stays as it is.

    Raises
    ------
    ValueError
        A tagged cell lacks one of the two lines, or there is no such exercise.
    """
    done = copy.deepcopy(book)
    for cell in done.cells:
        if "exercise" not in cell.metadata.get("tags", []):
            continue
        asked = _CHECK.search(cell.source)
        if asked is None or not _BLANK.search(cell.source):
            raise ValueError(
                "A cell tagged 'exercise' must hold the lines `answer = ...` and "
                f'`lesson.check("…", answer)`. Got this instead:\n{cell.source}'
            )
        solution = find(asked[1]).solution.strip()
        cell.source = _BLANK.sub(lambda _: solution, cell.source)  # noqa: B023
    return done
