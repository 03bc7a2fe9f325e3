"""A queue as a list, a page at a time: what is in it, how each stands, and where one is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets

__all__ = ["QueueList"]

_PAGE = 9


class QueueList(ipywidgets.VBox):  # type: ignore[misc]
    """Rows of a queue as buttons that pick ``row:number``.

    Each line is a widget of its own, so that a decision sends two lines and not a page of pictures.

    Parameters
    ----------
    line : callable
        Gets a row and returns its line as HTML.
    turners : callable
        Gets text, tooltip and a method, and returns a button that calls it.
    """

    def __init__(
        self,
        line: Callable[[int], str],
        turners: Callable[[str, str, Callable[[], None]], ipywidgets.Button],
    ) -> None:
        self._line = line
        self._queue: Sequence[int] = []
        self._at: int | None = None  # the place of the item on show
        self._page = 0
        self._lines = [ipywidgets.HTML() for _ in range(_PAGE)]
        self._where = ipywidgets.HTML()
        self._turn = ipywidgets.HBox(
            [
                turners(
                    "Earlier",
                    "Earlier in the queue; arrow up shows the item before",
                    lambda: self.turn(-1),
                ),
                self._where,
                turners(
                    "Later",
                    "Later in the queue; arrow down shows the next item",
                    lambda: self.turn(1),
                ),
            ]
        )
        self._turn.add_class("curalab-review-turn")
        super().__init__([*self._lines, self._turn])
        self.add_class("curalab-review-list")

    def show(self, queue: Sequence[int], at: int | None) -> None:
        """Show the page of the queue that holds the place `at`; None leaves the page."""
        self._queue, self._at = queue, at
        if at is not None:
            self._page = at // _PAGE
        self._fill()

    def turn(self, by: int) -> None:
        """Show a page further on, or back; the item on show stays."""
        self._page += by
        self._fill()

    def _fill(self) -> None:
        total = len(self._queue)
        self._page = max(0, min(self._page, (total - 1) // _PAGE))
        first = self._page * _PAGE
        rows = list(self._queue[first : first + _PAGE])
        for i, line in enumerate(self._lines):
            line.value = self._told(first + i, rows[i]) if i < len(rows) else ""
        last = first + len(rows)
        self._turn.layout.display = "" if total > _PAGE else "none"
        self._where.value = f"<small>{first + 1:,}–{last:,} of {total:,}</small>" if rows else ""

    def _told(self, place: int, row: int) -> str:
        is_here = place == self._at
        return (
            f"<button class='curalab-tile curalab-review-line' data-pick='row:{row}' "
            f"aria-current='{str(is_here).lower()}'><small>{'▸' if is_here else ''}{place + 1:,}"
            f"</small>{self._line(row)}</button>"
        )
