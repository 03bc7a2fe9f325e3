"""Beside the kernel: how many errors are left after a review, and how far two people agree."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from curalab._check import complain
from curalab.label_errors import LabelErrors, ReviewBudget, review_budget
from curalab_widgets._work import Work
from curalab_widgets.review._queue import Suspects
from curalab_widgets.review._verdicts import Said, Verdicts, conflicts_of, pairs_of
from curalab_widgets.review._view import ReviewView

__all__ = ["Tally"]

_EVERY = 5  # decisions after which errors left are estimated anew …
_SHARE = 2_000  # … or one in so many labels judged: it takes the longer the more there are


class Tally:
    """Counts verdicts every now and then, in a thread, so that keys never wait for it.

    Parameters
    ----------
    suspects : Suspects
        The labels judged, where there are any.
    verdicts : Verdicts
        What is decided.
    view : ReviewView
        Where it is told.
    is_secret : callable
        Gets a row, and says whether what others said of it must not be shown.
    tell : callable
        Called with what went wrong, an Exception.
    """

    def __init__(
        self,
        suspects: Suspects,
        verdicts: Verdicts,
        view: ReviewView,
        is_secret: Callable[[int], bool],
        tell: Callable[[Exception], None],
    ) -> None:
        self._suspects, self._verdicts, self._view = suspects, verdicts, view
        self._is_secret, self._work = is_secret, Work(tell)
        self._has_errors = isinstance(suspects.result, LabelErrors)
        judged = 0 if suspects.result is None else len(suspects.result)
        self._every, self._since = max(_EVERY, judged // _SHARE), 0
        self._budget: ReviewBudget | None = None
        self.recall = 0.9

    def heard(self, row: int) -> None:
        """Count anew where a verdict on a row makes it time to."""
        self._since += 1
        if self._since >= self._every:
            self.count()
        elif len(self._verdicts.on(row)) > 1:  # two to compare
            self.count(estimate=False)

    def count(self, *, estimate: bool = True) -> None:
        """Count anew; with `estimate` also what is left."""
        self._work.ask(partial(self._counted, estimate), self._told)

    def _counted(self, estimate: bool) -> tuple[pd.DataFrame, dict[int, dict[str, str]]]:
        now = self._verdicts.now()
        if estimate:
            # Not before it begins: while keys come fast it is asked for again with each, and waits.
            self._since = 0
            is_known = self._has_errors and any(now.values())
            self._budget = self.budget(now) if is_known else None
        return pairs_of(now), conflicts_of(now)

    def _told(self, counted: tuple[pd.DataFrame, dict[int, dict[str, str]]]) -> None:
        agreement, conflicts = counted
        self._view.tell_budget(self._budget, self.recall)
        shown = {row: said for row, said in conflicts.items() if not self._is_secret(row)}
        self._view.tell_second(agreement, shown)

    def budget(self, now: Said) -> ReviewBudget:
        """Return how many wrong labels were found, and how many are left."""
        errors = self._suspects.result
        if not isinstance(errors, LabelErrors):
            raise TypeError(complain("suspects", "LabelErrors, to estimate what is left", errors))
        wrong = self._suspects.is_wrong(now)
        return review_budget(errors, wrong, recall=self.recall, random_state=0)
