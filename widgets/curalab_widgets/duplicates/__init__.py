"""Copies side by side: what differs, which one to keep, and from which similarity on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import traitlets

from curalab._check import (
    IntArray,
    align,
    check_choice,
    check_integer,
    check_real,
    complain,
    rows_of,
)
from curalab.duplicates import Duplicates
from curalab.items._table import check_column, check_table
from curalab.ledger import Ledger
from curalab.ledger.events import encode
from curalab_widgets._panel import Ids, Panel
from curalab_widgets.duplicates._controls import ORDERS, Controls
from curalab_widgets.duplicates._copies import VERB, Copies
from curalab_widgets.duplicates._sheet import Sheet

__all__ = ["DuplicatePanel"]

_SHOWN = 12  # members of a group that are shown
_ASKED = 40  # pairs to judge
_MODES = ("groups", "pairs")


class DuplicatePanel(Panel):
    """Groups of copies, their members side by side: choose which to keep, and drop the others.

    Keys, while the panel has the focus: 1 to 9 choose the one to keep, D drops the others, N says
    that they are no duplicates, S skips, U takes back; while pairs are judged, Y and N. Each is a
    method too: `choose`, `drop`, `keep`, `skip`, `undo`, `judge`.

    Parameters
    ----------
    duplicates : Duplicates
        What `find_duplicates` found. The threshold can be raised from there.
    items : DataFrame
        The items, aligned by id.
    ledger : Ledger, default=None
        Where decisions and verdicts go. Groups that it decides, by whomever, are not asked again,
        and what it drops is not kept as the one of its group. None shows only.
    labels : str, default="label"
        Column of labels; groups in which they differ are marked. A table without "label" has none.
    actor : str, default=None
        Who decides. None is the name of the user.
    link : str, default=None
        Panels of the same name share what is selected.

    Attributes
    ----------
    threshold : float
        Similarity from which two items are a pair. Setting it cuts the groups anew.
    result : Duplicates
        At the threshold, with those to keep that were chosen.
    order : {"largest", "least similar", "conflicts"}
        Which groups come first.
    group : int
        Number of the group on show in `result.group`, or -1. May be set.
    selected : list
        Ids of the group on show, or of the pair. Setting it shows the group of its first id.
    chosen : list
        Ids to keep, chosen instead of the most central one of their groups; the latest counts.
    decided : int
        How many of the groups are decided.
    mode : {"groups", "pairs"}
        Whether groups are decided or pairs judged.
    verdicts : DataFrame
        Pairs judged so far: `id_a`, `id_b`, `is_duplicate`.

    Examples
    --------
    >>> import numpy as np, pandas as pd, curalab as cl
    >>> from curalab_widgets.duplicates import DuplicatePanel
    >>> x = np.random.default_rng(0).normal(size=(100, 8))
    >>> x[7] = x[3] + 0.01
    >>> panel = DuplicatePanel(cl.find_duplicates(x), pd.DataFrame({"size": range(100)}))
    >>> panel.selected, np.flatnonzero(~panel.result.keep)
    ([3, 7], array([7]))
    >>> panel.choose(7)
    >>> np.flatnonzero(~panel.result.keep)
    array([3])
    """

    threshold = traitlets.Any(0.0)
    order = traitlets.Any("largest")
    mode = traitlets.Any("groups")
    group = traitlets.Any(-1)
    chosen = Ids()
    decided = traitlets.Int(0)
    result = traitlets.Any(read_only=True)
    verdicts = traitlets.Any(read_only=True)

    _state = ("threshold", "order", "chosen", "group", "mode")

    def __init__(
        self,
        duplicates: Any,
        items: pd.DataFrame,
        *,
        ledger: Ledger | None = None,
        labels: str = "label",
        actor: str | None = None,
        link: str | None = None,
    ) -> None:
        if not isinstance(duplicates, Duplicates):
            got = type(duplicates).__name__
            raise TypeError(complain("duplicates", "what cl.find_duplicates returns", what=got))
        items = align("items", check_table("items", items), duplicates.ids)
        title = "Duplicates side by side"
        super().__init__(items, title=title, ledger=ledger, labels=labels, actor=actor, link=link)
        if self._labels is not None:
            check_column(items, labels, name="labels")
        given = None if self._labels is None else items[self._labels]
        self._copies = Copies(replace(duplicates, ids=self.ids), ledger, given)
        self._sheet = Sheet(items.drop(columns=self._labels or []))
        self._queue: IntArray = np.zeros(0, dtype=np.int64)  # groups, or pairs, in order
        self._shown: list[int] = []
        self._controls = Controls(self)
        self._show(*self._controls.rows)
        self._take(self._copies.at(duplicates.threshold, []))

    # ---- what a hand can do ----------------------------------------------------------------------

    def choose(self, one: Any) -> None:
        """Choose an item, by id, as the one that its group keeps."""
        row = rows_of(self.ids, [one], name="one")[0]
        self._need_copies("one", row)
        if not self.result.keep[row]:
            self.chosen = [*(known for known in self.chosen if known != one), one]

    def keep(self) -> None:
        """Record that all of the group on show stay: they are no duplicates."""
        self._members()
        super().keep()

    def drop(self) -> None:
        """Record that the group on show keeps the one marked, and drops its copies."""
        rows = self._members()
        self._record(
            action=np.where(self.result.keep[rows], "keep", "drop").tolist(),
            reason=self._copies.reasons(self.result, rows),
        )

    def drop_all(self) -> None:
        """Drop the copies in all groups that are not decided yet, as one decision."""
        self._need_ledger()
        rows = self._copies.open_rows(self.result)
        if not len(rows):
            raise ValueError("There is nothing to decide: all groups are decided.")
        action = np.where(self.result.keep[rows], "keep", "drop")
        same = {name: [value] * len(rows) for name, value in self._grounds().items()}
        own = {"action": action, "reason": self._copies.reasons(self.result, rows)}
        self._write_down(pd.DataFrame({"row_id": self.ids[rows], **same, **own}, dtype=object))

    def judge(self, is_duplicate: bool) -> None:
        """Record of the pair on show whether its items are duplicates, and show the next."""
        if (at := self._pair()) < 0:
            raise ValueError("There is nothing to judge: no pair is on show.")
        verdict = "duplicate of" if is_duplicate else "not a duplicate of"
        others = self.selected[::-1]
        params = {**self._grounds()["params"], "is_duplicate": bool(is_duplicate)}
        said = "duplicates" if is_duplicate else "no duplicates"
        self._record(
            action="tag",
            new=[f"{verdict} {other}" for other in others],
            params=[{**params, "pair_with": encode("pair_with", other)} for other in others],
            reason=f"judged at a similarity of {self.result.found['similarity'].iloc[at]:.3f}",
        )
        self._say(f"Recorded: {said}, signed {self._actor}.")

    def skip(self) -> None:
        """Show the next group or pair; this one comes again."""
        self._next()

    def precision(self) -> dict[str, Any]:
        """Return what the verdicts say of the pairs at the threshold.

        Returns
        -------
        dict
            As `Duplicates.precision`; `suggested_threshold` is of all pairs found, and may be
            lower than the present one.
        """
        told = self.result.precision(self._copies.judged_of(self.result))
        return {**told, "suggested_threshold": self._copies.suggested()}

    def use_suggested(self) -> None:
        """Cut at the threshold from which the verdicts promise that 95 % are duplicates."""
        wanted = self._copies.suggested()
        if wanted is None:
            raise ValueError("There is no threshold to use: from none on are 95 % duplicates.")
        self.threshold = min(wanted, 1.0)

    def undo(self) -> None:
        """Take back the last decision or verdict, after a restart the actor's; show it again."""
        events, ids = self._take_back()
        self._copies.read()
        self._recut()
        rows = rows_of(self.ids, ids)
        if len(rows := rows[self.result.group[rows] >= 0]):
            self._go(self.ids[rows[:2]] if len(rows) == 2 else self.ids[rows[:1]])
        self._say(f"Taken back: {self._count(len(events))}.")
        self.recorded += 1

    def _earlier(self) -> tuple[Sequence[int], list[Any]]:
        return self._copies.earlier(self._actor)

    def _write_down(self, decisions: pd.DataFrame) -> pd.RangeIndex:
        events, said = super()._write_down(decisions), self._said.value
        if (decisions["action"] == "tag").all():
            self._copies.judged[self._pair()] = decisions["params"].iloc[0]["is_duplicate"]
            self.set_trait("verdicts", self._copies.verdicts())
        else:
            self._copies.say(rows_of(self.ids, decisions["row_id"]), decisions["action"])
        self._next()
        self._said.value = said
        return events

    def _grounds(self) -> dict[str, Any]:
        params = {**VERB, **self.result.params}
        made = {key: params.get(key) for key in ("method", "embedding")}
        reason = f"no duplicates (group {self.group}, threshold {self.threshold:.4g})"
        return {**made, "params": params, "reason": reason}

    def _choose_shown(self, number: int) -> None:
        self._members()
        if number <= len(self._shown):
            self.choose(self.ids[self._shown[number - 1]])

    def _pick(self, what: str, number: int) -> None:
        if what == "keep":
            self.choose(self.ids[number])

    def _no(self) -> None:
        if self.mode == "pairs":
            self.judge(False)
        else:
            self.keep()

    def _slide(self, change: Any) -> None:
        wanted = min(max(change["new"], self._copies.found.threshold), 1.0)
        if wanted != self.threshold:
            self._work.ask(
                lambda: self._copies.at(wanted, self.chosen), self._take, what="Cutting groups"
            )

    # ---- what is on show -------------------------------------------------------------------------

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
            self.selected = self.ids[rows[:1]]

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
        if self._controls.slider is not None:
            self._controls.slider.value = cut.threshold
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

    # ---- what shows ------------------------------------------------------------------------------

    def _draw(self) -> None:
        self.decided = int(self._copies.are_decided(self.result).sum())
        self._controls.tell()
        self._controls.side.value = self._drawn()

    def _drawn(self) -> str:
        """Return the cards of the group or pair on show."""
        if not self.selected:
            return ""
        cut, more = self.result, ""
        if self.mode == "pairs":
            self._shown = rows_of(self.ids, self.selected).tolist()
            base = self._shown[0]
        else:
            rows = self._members()
            base = int(rows[cut.keep[rows]][0])
            self._shown = rows.tolist() if len(rows) <= _SHOWN else self._dozen(rows, base)
            if n_more := len(rows) - len(self._shown):
                more = f"<p>… and <b>{n_more:,} more</b> in this group.</p>"
        are_kept = self.mode == "groups"
        told = [self._copies.told(cut if are_kept else None, row, base) for row in self._shown]
        return self._sheet.cards(self._shown, told, against=base, are_kept=are_kept) + more

    def _dozen(self, rows: IntArray, kept: int) -> list[int]:
        """Return the members to show of a large group: the kept one and those least like it."""
        if kept in self._shown and set(self._shown) <= set(rows.tolist()):
            return self._shown  # as before: choosing among them should not move them
        like = np.nan_to_num(self.result.similarity[rows], nan=-1.0)
        far = rows[np.argsort(like, kind="stable")]
        return [kept, *far[far != kept][: _SHOWN - 1].tolist()]

    def _still(self) -> str:
        cut, rows = self.result, list[int]()
        for number in [self.group, *self._copies.lined_up(cut, self.order).tolist()][:4]:
            members = np.flatnonzero(cut.group == number)[:4].tolist() if number >= 0 else []
            rows += [row for row in members if row not in rows]
        told = {
            "group": cut.group[rows].tolist(),
            "kept": ["kept" if cut.keep[row] else "copy" for row in rows],
            "similarity to it": cut.similarity[rows].tolist(),
        }
        if self._labels is not None:
            told["label"] = [self._given(row) for row in rows]
        said = f"{self._controls.count.value} at a threshold of {self.threshold:.4g}"
        return f"<p>{said}; {self.decided:,} groups decided.</p>{self._sheet.table(rows, told)}"
