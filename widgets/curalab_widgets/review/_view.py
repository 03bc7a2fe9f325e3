"""What a review shows: the queue, the item, why it is asked about, and how far one has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets
import pandas as pd

from curalab.label_errors import ReviewBudget
from curalab_widgets._cards import Cards
from curalab_widgets.review._beside import Reasons
from curalab_widgets.review._progress import (
    told_agreement,
    told_budget,
    told_counts,
    told_said,
    told_state,
)
from curalab_widgets.review._queue import ORDERS, Suspects
from curalab_widgets.review._queue_list import QueueList
from curalab_widgets.review._waiting import Waiting

__all__ = ["ReviewView", "controls"]

_CONFLICTS = 8
_SECOND = "what others decided, or you where nobody else did, asked again without showing it"
_AHEAD = 32  # items whose neighbours are found together


class ReviewView:
    """The parts of a review that change with every decision.

    Parameters
    ----------
    waiting : Waiting
        The queue.
    reasons : Reasons
        What is said of an item.
    cards : Cards
        How it looks.
    button : callable
        Gets text, tooltip and what to call, and returns a button.
    """

    def __init__(
        self,
        waiting: Waiting,
        reasons: Reasons,
        cards: Cards,
        button: Callable[[str, str, Callable[[], None]], ipywidgets.Button],
    ) -> None:
        self._waiting, self._reasons, self._cards = waiting, reasons, cards
        self.progress, self.estimate, self.card, self.facts, self.second = (
            ipywidgets.HTML() for _ in range(5)
        )
        self.progress.add_class("curalab-review-progress")
        self.card.add_class("curalab-review-card")
        self.second.add_class("curalab-review-agreed")
        self.facts.add_class("curalab-side")
        self.facts.add_class("curalab-review-facts")
        self.list = QueueList(self._line, button)

    def _line(self, row: int) -> str:
        return self._reasons.line(row, told_state(*self._waiting.state(row)))

    def show(self, row: int | None, said: dict[str, str]) -> None:
        """Show an item, and what was said of it as far as that is no secret."""
        waiting = self._waiting
        self.progress.value = told_counts(waiting.counts, len(waiting.rows), waiting.decided)
        self.list.show(waiting.rows, None if row is None else waiting.place(row))
        if row is None:
            nothing = "All are decided." if waiting.rows else "Nothing to review."
            self.card.value = f"<b>{nothing}</b>"
            self.facts.value = "<code>ledger.apply(items)</code> makes the new table."
            return
        place = waiting.place(row)
        ahead = [] if place is None else waiting.rows[place + 1 : place + _AHEAD]
        told = self._reasons.told(row, ahead)
        if said:
            told.insert(1, f"<span role='note'>{told_said(said)}</span>")
        self.card.value = self._cards.card(row)
        self.facts.value = "".join(f"<div>{fact}</div>" for fact in told)

    def tell_budget(self, budget: ReviewBudget | None, recall: float) -> None:
        """Show how many errors are left, and whether to stop; nothing where that is not known."""
        told = "" if budget is None else f"<div role='status'>{told_budget(budget, recall)}</div>"
        self.estimate.value = told

    def tell_second(self, agreement: pd.DataFrame, conflicts: dict[int, dict[str, str]]) -> None:
        """Show how far two agree, and where they do not."""
        lines = [
            f"<button class='curalab-tile curalab-review-conflict' data-pick='conflict:{row}'>"
            f"{self._reasons.line(row, told_said(said))}</button>"
            for row, said in list(conflicts.items())[:_CONFLICTS]
        ]
        more = len(conflicts) - len(lines)
        rest = f" <small>and {more:,} more</small>" if more else ""
        head = f"<div><b>{len(conflicts):,} to settle</b>: choose one, then decide.{rest}</div>"
        told = head + f"<div class='curalab-tiles'>{''.join(lines)}</div>" if lines else ""
        self.second.value = told_agreement(agreement) + told

    def still(self) -> str:
        """Return the first of the queue and how far one has come, without anything live."""
        rows = self._waiting.rows[:8]
        given = [self._reasons.given(row) for row in rows]
        told = {"label": given} if any(label is not None for label in given) else {}
        told |= self._reasons.suspects.table(rows)
        told["decided"] = [self._waiting.state(row)[1] for row in rows]
        said = (
            f"{self._waiting.decided:,} of {len(self._waiting.rows):,} suspects decided. The first:"
        )
        return f"{self.estimate.value}<p>{said}</p>{self._cards.table(rows, told)}"


def controls(panel: Any, suspects: Suspects) -> list[ipywidgets.Widget]:
    """Return the widgets that say who reviews, what, and in which order."""
    who = ipywidgets.Text(description="Signed as", continuous_update=False)
    second = ipywidgets.ToggleButton(
        description="Second opinion",
        tooltip="Decide again on what is decided, without seeing what was said",
    )
    made: list[ipywidgets.Widget] = [_bound(panel, "actor", who)]
    if suspects.words is not None:
        names = [name.capitalize() for name, _ in suspects.words]
        order = ipywidgets.Dropdown(
            options=list(zip(names, ORDERS, strict=True)),
            description="Order",
            tooltip="Which come first",
        )
        made.append(_bound(panel, "order", order))
    if suspects.has_threshold:
        below = ipywidgets.BoundedFloatText(
            min=0, max=1, step=0.05, description="Confidence up to", continuous_update=False
        )
        made.append(_bound(panel, "threshold", below))
    means = ipywidgets.HTML()

    def tell(_: Any = None) -> None:
        told = "" if suspects.words is None else suspects.words[ORDERS.index(panel.order)][1]
        told = _SECOND if panel.second else told
        means.value = f"<small class='curalab-said'>{told}</small>"

    tell()
    panel.observe(tell, ["order", "second"])
    means.add_class("curalab-review-means")
    return [*made, _bound(panel, "second", second), means]


def _bound(panel: Any, name: str, widget: ipywidgets.Widget) -> ipywidgets.Widget:
    """Return a widget that sets a trait of the panel, and follows it; it tells what is refused."""

    def follow(_: Any = None) -> None:
        widget.value = getattr(panel, name)

    def by_hand(change: Any) -> None:
        panel._try(lambda: setattr(panel, name, change["new"]))
        follow()

    follow()
    widget.observe(by_hand, "value")
    panel.observe(follow, name)
    widget.add_class(f"curalab-review-{name}")
    return widget
