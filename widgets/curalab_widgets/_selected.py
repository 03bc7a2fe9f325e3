"""What is selected: ids of a panel's items, and panels of one link that share them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import pandas as pd
import traitlets

from curalab._check import complain, rows_of

if TYPE_CHECKING:
    from curalab_widgets._panel import Panel

__all__ = ["Ids", "join", "leave"]


class Ids(traitlets.TraitType[list[Any], Any]):
    """Ids of the panel's items as a list, at most `most`; any sequence of ids may be set."""

    def __init__(self, *, most: int | None = None) -> None:
        self._most = most
        super().__init__()

    def make_dynamic_default(self) -> list[Any]:
        """Return an empty list, another one for each panel."""
        return []

    def validate(self, obj: Any, value: Any) -> list[Any]:
        """Return `value` as a list of known ids, each once."""
        if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
            raise TypeError(complain(str(self.name), "a list of ids", value))
        rows = pd.unique(rows_of(obj.ids, value, name=str(self.name)))
        if self._most is not None and len(rows) > self._most:
            rule = f"a list of {self._most} id at most"
            raise ValueError(complain(str(self.name), rule, what=f"{len(rows):,} ids"))
        return list(obj.ids[rows].tolist())


# Panels by the name that links them.
_LINKED: dict[str, weakref.WeakSet[Panel]] = {}


def join(panel: Panel, link: str | None) -> None:
    """Pass on what is selected in a panel to the others of the link, and theirs to it."""
    if link is None:
        return
    if not isinstance(link, str):
        raise TypeError(complain("link", "a name that several panels are given", link))
    group = _LINKED.setdefault(link, weakref.WeakSet())

    def pass_on(change: Any) -> None:
        # What this panel shows of another's selection is not news for the others.
        for other in [] if panel._follows else list(group - {panel}):
            other._follows = True
            try:
                other._follow(change["new"])
            finally:
                other._follows = False

    panel.observe(pass_on, "selected")
    group.add(panel)


def leave(panel: Panel) -> None:
    """Take a panel out of what it is linked to."""
    for group in _LINKED.values():
        group.discard(panel)
