"""The queue of a review as it stands: who is in it, how each stands, and who comes next."""

from __future__ import annotations

from collections import Counter

from curalab_widgets.review._progress import OPEN, SKIPPED, state_word
from curalab_widgets.review._verdicts import Verdict, Verdicts

__all__ = ["Waiting"]


class Waiting:
    """Rows that wait for one actor's verdict, in order.

    Nothing here takes longer the more is decided: states are kept, and counted as they change.

    Parameters
    ----------
    verdicts : Verdicts
        What has been decided.

    Attributes
    ----------
    rows : list of int
        The queue.
    counts : Counter
        How many of it are in which state.
    again : bool
        The actor is asked about what they decided themselves.
    """

    def __init__(self, verdicts: Verdicts) -> None:
        self._verdicts = verdicts
        self.rows: list[int] = []
        self.counts: Counter[str] = Counter()
        self.again = False
        self._actor = ""
        self._places: dict[int, int] = {}
        self._kinds: dict[int, str] = {}
        self._skipped: set[int] = set()
        self._place = 0  # of the last one of the queue that was shown

    def line_up(self, rows: list[int], actor: str, *, second: bool) -> None:
        """Ask `actor` about these rows, or with `second` about what was decided of any."""
        self._actor = actor
        self.again = False
        if second:
            decided = self._verdicts.rows_of_others(actor)
            self.again = not decided
            known = dict.fromkeys(decided or self._verdicts.rows_of(actor))
            suspected = [row for row in rows if row in known]
            rows = list(dict.fromkeys([*suspected, *known]))
        self.rows = rows
        self._places = {row: place for place, row in enumerate(rows)}
        self._kinds = dict.fromkeys(rows, OPEN)
        for row in [*self._verdicts.rows_of(actor), *self._skipped]:
            if row in self._kinds:
                self._kinds[row] = self.state(row)[0]
        self.counts = Counter(self._kinds.values())
        self._place = 0

    @property
    def decided(self) -> int:
        """How many of the queue are decided."""
        return len(self.rows) - self.counts[OPEN] - self.counts[SKIPPED]

    def __contains__(self, row: int) -> bool:
        return row in self._places

    def place(self, row: int) -> int | None:
        """Return where in the queue a row stands; None outside of it."""
        return self._places.get(row)

    def own(self, row: int) -> Verdict | None:
        """Return the actor's verdict on a row, of those that are asked for."""
        return self._verdicts.of(row, self._actor, again=self.again and row in self._places)

    def state(self, row: int) -> tuple[str, str]:
        """Return the state of a row, and the state in words."""
        return state_word(self.own(row), is_skipped=row in self._skipped)

    def changed(self, row: int) -> None:
        """Take up that something was decided on a row, or taken back."""
        if row in self._kinds:
            self.counts[self._kinds[row]] -= 1
            self._kinds[row] = self.state(row)[0]
            self.counts[self._kinds[row]] += 1

    def skip(self, row: int) -> None:
        """Leave a row for later."""
        self._skipped.add(row)
        self.changed(row)

    def shown(self, row: int) -> None:
        """Go on from this row, if it is of the queue."""
        self._place = self._places.get(row, self._place)

    def next(self, after: int | None) -> int | None:
        """Return the next undecided row behind the one shown last, from the start after the end."""
        if self.decided == len(self.rows):
            return None
        start = self._place + (after in self._places)
        turns = (place % len(self.rows) for place in range(start, start + len(self.rows)))
        waits = (self.rows[place] for place in turns if self._waits(self.rows[place]))
        return next(waits, None)

    def _waits(self, row: int) -> bool:
        return self._kinds[row] in (OPEN, SKIPPED)

    def beside(self, by: int) -> int | None:
        """Return the row of the queue so many places on, decided or not; None beyond its ends."""
        place = self._place + by
        return self.rows[place] if 0 <= place < len(self.rows) else None
