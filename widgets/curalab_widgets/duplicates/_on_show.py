"""What of the copies is on show: at which threshold, and one group or pair after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import traitlets

from curalab._check import IntArray, check_choice, check_integer, check_real, complain, rows_of
from curalab.duplicates import Duplicates
from curalab_widgets._panel import Panel
from curalab_widgets._selected import Ids
from curalab_widgets.duplicates._controls import ORDERS, Controls
from curalab_widgets.duplicates._copies import Copies

__all__ = ["OnShow"]

_ASKED = 40  # pairs to judge
_MODES = ("groups", "pairs")


class OnShow(Panel):
    """A panel that goes through groups to decide, or pairs to judge; it decides nothing itself."""

    threshold = traitlets.Any(0.0)
    order = traitlets.Any("largest")
    mode = traitlets.Any("groups")
    group = traitlets.Any(-1)
    chosen = Ids()
    decided = traitlets.Int(0)
    result = traitlets.Any(read_only=True)
    verdicts = traitlets.Any(read_only=True)

    _state = ("threshold", "order", "chosen", "group", "mode")

    _copies: Copies
    _controls: Controls
    _queue: IntArray = np.zeros(0, dtype=np.int64)  # groups, or pairs, in order

    def _draw(self) -> None:
        raise NotImplementedError

    @traitlets.validate("threshold", "order", "mode", "group")
    def _fits(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "threshold":
            hint = "Pairs below were not computed: call find_duplicates with a lower threshold=…."
            return check_real(name, value, low=self._copies.found.threshold, high=1, hint=hint)
        if name == "group":
            return check_integer(name, value, low=-1, high=self.result.n_groups - 1)
        if value == "conflicts" and self._labels is None:
            raise ValueError(complain("labels", "a column of the items, for this order", None))
        if value == "pairs":
            self._need_ledger()
        return check_choice(name, value, ORDERS if name == "order" else _MODES)

    @traitlets.validate("selected")
    def _whole(self, proposal: Any) -> Any:
        """Return the ids of a pair to judge, else of the whole group that the first one is in."""
        ids = proposal["value"]
        if not ids or (self.mode == "pairs" and self._pair(ids) >= 0):
            return ids
        number = self._need_copies("selected", rows_of(self.ids, ids[:1])[0])
        return self.ids[self.result.group == number].tolist()

    def _need_copies(self, name: str, row: int) -> int:
        """Return the group of a row that is in one."""
        if (number := int(self.result.group[row])) < 0:
            rule = f"with copies at the threshold of {self.threshold:.4g}"
            raise ValueError(complain(name, rule, self.ids[row]))
        return number

    def _members(self) -> IntArray:
        """Return the rows of the group on show."""
        if not self.selected or self.mode == "pairs":
            raise ValueError("There is nothing to decide: no group is on show.")
        return np.flatnonzero(self.result.group == self.group)

    def _pair(self, ids: Sequence[Any] | None = None) -> int:
        """Return the number of the pair on show, or of two ids; -1 where they are none."""
        ids = self.selected if ids is None else ids
        if self.mode != "pairs" or len(ids) != 2:
            return -1
        at = self._copies.pair_at(*rows_of(self.ids, ids)[:, None])[0]
        return int(at) if at < len(self.result.found) else -1

    def _follow(self, ids: list[Any]) -> None:
        rows = self.ids.get_indexer(pd.Index(ids, dtype=object if not ids else None))
        if len(rows := rows[(rows >= 0) & (self.result.group[rows] >= 0)]):
            self.selected = self.ids[rows if len(rows) == 2 else rows[:1]]  # two may be a pair

    def _go(self, ids: Any) -> None:
        before = self.selected
        self.selected = ids
        if self.selected == before:
            self._seen()

    def _next(self, *, is_first: bool = False) -> None:
        """Show what is left to decide, from the start again after the end of the queue."""
        by_pair, queue = self.mode == "pairs", self._queue
        here = np.flatnonzero(queue == (self._pair() if by_pair else self.group))
        start = 0 if is_first or not len(here) else int(here[0]) + 1
        queue = np.roll(queue, -start)
        if by_pair:
            left = queue[~np.isin(queue, list(self._copies.judged))][:1]
            self._go(self.ids[self._copies.rows[left].ravel()])
        else:
            left = queue[~self._copies.are_decided(self.result)[queue]][:1]
            self._go(self.ids[np.isin(self.result.group, left)][:1])

    def _take(self, cut: Duplicates) -> None:
        """Show another cut, and in it what was on show."""
        rows = rows_of(self.ids, self.selected)
        self.set_trait("result", cut)
        self.set_trait("verdicts", self._copies.verdicts())
        self.threshold = cut.threshold
        self._controls.slide_to(cut.threshold)
        self._line_up()
        if self._pair() >= 0:
            self._seen()
        elif self.mode == "groups" and len(rows := rows[cut.group[rows] >= 0]):
            self._go(self.ids[rows[:1]])
        else:
            self._next(is_first=True)

    def _line_up(self) -> None:
        if self.mode == "pairs":
            asked = self.result.borderline(_ASKED).index if len(self.result.found) else []
            self._queue = np.asarray(asked, dtype=np.int64)
        else:
            self._queue = self._copies.lined_up(self.result, self.order)

    @traitlets.observe("threshold")
    def _recut_if_other(self, _: Any) -> None:
        if self.result.threshold != self.threshold:
            self._work.stop()  # what a hand asked for before
            self._recut()

    @traitlets.observe("chosen")
    def _recut(self, _: Any = None) -> None:
        self._take(self._copies.at(self.threshold, self.chosen))

    @traitlets.observe("order")
    def _reorder(self, _: Any) -> None:
        self._line_up()
        self._next(is_first=True)

    @traitlets.observe("mode")
    def _turn(self, _: Any) -> None:
        self._line_up()
        if self.mode == "pairs" or not self.selected:
            self._next(is_first=True)
        else:
            self._go(self.selected)

    @traitlets.observe("group")
    def _show_group(self, _: Any) -> None:
        if self.group != self._group_of(self.selected):
            is_in = self.result.group == self.group
            self._go(self.ids[is_in][:1] if self.group >= 0 else [])

    @traitlets.observe("selected")
    def _seen(self, _: Any = None) -> None:
        if self.mode == "pairs" and self.selected and self._pair() < 0:
            self.mode = "groups"
        self.group = self._group_of(self.selected)
        self._draw()

    def _group_of(self, ids: Sequence[Any]) -> int:
        return int(self.result.group[rows_of(self.ids, ids[:1])[0]]) if ids else -1
