"""Copies side by side: what differs, which one to keep, and from which similarity on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from functools import partial
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from curalab._check import (
    BoolArray,
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
from curalab.ledger.events import decode, encode
from curalab.ledger.replay import standing
from curalab_widgets._cards import Cards, is_missing, plain
from curalab_widgets._panel import Ids, Panel

__all__ = ["DuplicatePanel"]

_SHOWN = 12  # members of a group that are shown
_ASKED = 40  # pairs to judge
_ORDERS = {
    "largest": "largest first",
    "least similar": "least similar first",
    "conflicts": "conflicts first",
}
_END = {
    "groups": "<code>ledger.apply(items)</code> makes the table without the copies.",
    "pairs": "All are judged.",
}
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
        self._copies = _Copies(replace(duplicates, ids=self.ids), ledger, given)
        self._sheet = _Sheet(items.drop(columns=self._labels or []))
        self._queue: IntArray = np.zeros(0, dtype=np.int64)  # groups, or pairs, in order
        self._shown: list[int] = []
        self._build()
        self._take(self._copies.at(duplicates.threshold, []))

    def _build(self) -> None:
        self._count_told, self._head, self._side, self._told = (ipywidgets.HTML() for _ in range(4))
        self._side.add_class("curalab-duplicates-sheet")
        names = [name for name in _ORDERS if name != "conflicts" or self._labels is not None]
        order = ipywidgets.Dropdown(options=[(_ORDERS[name], name) for name in names])
        traitlets.link((self, "order"), (order, "value"))
        buttons, mode = self._deciding(), self._modes()
        cut = [*mode, *self._sliding(), self._count_told]
        told = [] if self._ledger is None else [self._told, self._use]
        self._parts.setdefault("groups", []).append(order)
        self._show(cut, buttons, told, [order, self._head], [self._side])

    def _sliding(self) -> list[ipywidgets.Widget]:
        low = self._copies.found.threshold
        if low > 1 - 1e-4:  # nothing to move, and a slider without length breaks in the browser
            self._slider = None
            return []
        fine = 4 if low > 0.95 else 3
        self._slider = ipywidgets.FloatSlider(
            low, min=low, max=1, step=10**-fine, readout_format=f".{fine}f", description="Threshold"
        )
        self._slider.observe(self._slide, "value")
        return [self._slider]

    def _deciding(self) -> list[ipywidgets.Widget]:
        self._keys |= {str(i): partial(self._choose_shown, i) for i in range(1, _KEYS + 1)}
        skip = self._button("Skip", "Show the next; this one comes again", self.skip, key="s")
        self._all = self._button("", "One decision for every group left", self.drop_all)
        self._use = self._button("", "Cut at the suggested threshold", self.use_suggested)
        self._parts: dict[str, list[ipywidgets.Widget]] = {}
        if self._ledger is None:
            return [skip]
        drop = self._button("Drop the copies", "Keep the one marked", self.drop, key="d")
        yes = self._button("Duplicates", "They are", lambda: self.judge(True), key="y")
        drop.button_style = yes.button_style = "primary"
        no = self._button("Not duplicates", "They all stay as they are", self._no, key="n")
        undo = self._button("Undo", "Take back the last decision", self.undo, key="u")
        self._parts = {"groups": [drop, self._all], "pairs": [yes]}
        return [drop, yes, no, skip, undo, self._all]

    def _modes(self) -> list[ipywidgets.Widget]:
        if self._ledger is None:
            return []
        mode = ipywidgets.ToggleButtons(
            options=[("Groups", "groups"), ("Judge pairs", "pairs")],
            tooltips=["Decide which items are dropped", "Say of pairs whether they are duplicates"],
        )
        traitlets.link((self, "mode"), (mode, "value"))
        return [mode]

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
        ledger = self._need_ledger()
        rows = self._copies.open_rows(self.result)
        if not len(rows):
            raise ValueError("There is nothing to decide: all groups are decided.")
        ids, action = self.ids[rows].tolist(), np.where(self.result.keep[rows], "keep", "drop")
        same = {"actor": self._actor, **self._grounds()}
        made = {
            "row_id": ids,
            **{name: [value] * len(ids) for name, value in same.items()},
            "action": action.tolist(),
            "reason": self._copies.reasons(self.result, rows),
        }
        self._history.append((list(ledger.record_many(pd.DataFrame(made, dtype=object))), ids))
        self._copies.say(rows, action)
        self._next()
        self._say(f"Recorded: {self._count(len(ids))}, signed {self._actor}.")

    def judge(self, is_duplicate: bool) -> None:
        """Record of the pair on show whether its items are duplicates, and show the next."""
        if (at := self._pair()) < 0:
            raise ValueError("There is nothing to judge: no pair is on show.")
        verdict = "duplicate of" if is_duplicate else "not a duplicate of"
        others = self.selected[::-1]
        params = {**self._grounds()["params"], "is_duplicate": bool(is_duplicate)}
        said = "duplicates" if is_duplicate else "no duplicates"
        super()._record(
            action="tag",
            new=[f"{verdict} {other}" for other in others],
            params=[{**params, "pair_with": encode("pair_with", other)} for other in others],
            reason=f"judged at a similarity of {self.result.found['similarity'].iloc[at]:.3f}",
        )
        self._copies.judged[at] = bool(is_duplicate)
        self.set_trait("verdicts", self._copies.verdicts())
        self._next()
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
        ledger = self._need_ledger()
        events, ids = self._history[-1] if self._history else self._copies.earlier(self._actor)
        for event in events:
            ledger.undo(event, actor=self._actor)
        self._history[-1:] = []
        self._copies.read()
        self._recut()
        rows = rows_of(self.ids, ids)
        if len(rows := rows[self.result.group[rows] >= 0]):
            self._go(self.ids[rows[:2]] if len(rows) == 2 else self.ids[rows[:1]])
        self._say(f"Taken back: {self._count(len(events))}.")

    def _record(self, **columns: Any) -> None:
        rows, action = rows_of(self.ids, self.selected), columns["action"]
        super()._record(**columns)
        self._copies.say(rows, action if isinstance(action, list) else [action] * len(rows))
        self._next()

    def _grounds(self) -> dict[str, Any]:
        params = {**_VERB, **self.result.params}
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
        return check_choice(name, value, _ORDERS if name == "order" else _MODES)

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
        if self._slider is not None:
            self._slider.value = cut.threshold
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
        cut = self.result
        self.decided = int(self._copies.are_decided(cut).sum())
        left = cut.n_groups - self.decided
        self._all.description = f"Drop copies in all {left:,} groups" if left else "No group left"
        self._count_told.value = (
            f"<b>{cut.n_groups:,}</b> groups, <b>{int((~cut.keep).sum()):,}</b> copies"
        )
        for mode, parts in self._parts.items():
            for part in parts:
                part.layout.display = "" if mode == self.mode else "none"
        off = {"d", *map(str, range(1, _KEYS + 1))} if self.mode == "pairs" else {"y"}
        self._ear.wanted = [key for key in self._keys if key not in off]
        self._tell_verdicts()
        self._head.value = self._headed()
        self._side.value = self._drawn()

    def _headed(self) -> str:
        """Return how far one is, and what the group or pair on show is."""
        done, total, what = self.decided, len(self._queue), "groups decided"
        if by_pair := self.mode == "pairs":
            done = int(np.isin(self._queue, list(self._copies.judged)).sum())
            what = "pairs judged"
        bar = f"<progress style='width:80px' value='{done}' max='{max(total, 1)}'></progress>"
        told = [f"<b>{done:,} of {total:,} {what}</b>"]
        if self.selected:
            told += self._copies.facts(self.result, self._pair() if by_pair else None, self.group)
        else:
            told.append(_END[self.mode] if total else "There are no copies at this threshold.")
        return f"{bar} <span class='curalab-duplicates-facts'>{' · '.join(told)}</span>"

    def _tell_verdicts(self) -> None:
        judged = self._copies.judged_of(self.result)
        wanted = self._copies.suggested() if self._copies.judged else None
        is_off = wanted is None or wanted == self.threshold
        self._use.layout.display = "none" if is_off else ""
        self._use.description = "" if wanted is None else f"Use {wanted:.4g}"
        if not len(judged):
            is_asked = self.mode == "pairs"
            self._told.value = "Verdicts tell how many of the pairs found are right." * is_asked
            return
        told = self.result.precision(judged)
        more = f"; from <b>{wanted:.4g}</b> on 95 % are" if wanted is not None else ""
        self._told.value = (
            f"<b>{told['precision']:.0%}</b> of the {told['n_pairs']:,} pairs are duplicates, "
            f"between {told['low']:.0%} and {told['high']:.0%} by {told['n_judged']:,} "
            f"verdicts{more}."
        )

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
        said = f"{self._count_told.value} at a threshold of {self.threshold:.4g}"
        return f"<p>{said}; {self.decided:,} groups decided.</p>{self._sheet.table(rows, told)}"


# ---- what is known of copies ---------------------------------------------------------------------

_VERB = {"verb": "find_duplicates"}  # tells decisions about copies from others on the same rows
_OPEN, _KEPT, _DROPPED = 0, 1, 2


class _Copies:
    """Pairs as found, and what the ledger says of them and of their items.

    Parameters
    ----------
    found : Duplicates
        At the lowest threshold. A pair is called by its position in `found.pairs()`, which it
        keeps at any other threshold: the most similar come first.
    ledger : Ledger or None
    labels : Series or None

    Attributes
    ----------
    rows : ndarray of shape (n_pairs, 2)
    judged : dict
        Verdicts by pair.
    """

    def __init__(
        self, found: Duplicates, ledger: Ledger | None, labels: pd.Series[Any] | None
    ) -> None:
        self.found, self._ledger, self._labels = found, ledger, labels
        self.rows = found.found[["row_a", "row_b"]].to_numpy(dtype=np.int64)
        key = self.rows.min(axis=1, initial=len(found)) * len(found) + self.rows.max(axis=1)
        self._by_key = np.argsort(key, kind="stable")
        self._key = key[self._by_key]
        self.read()

    def read(self) -> None:
        """Take over what the ledger says, by whomever."""
        self._said = np.full(len(self.found), _OPEN)
        self.judged: dict[int, bool] = {}
        if self._ledger is None:
            return
        events = self._events()
        is_own, action, row = events["is_own"], events["action"], events["row"].to_numpy()
        is_fate = action.isin(["keep", "drop"]).to_numpy()
        self.say(row[is_fate & is_own], action[is_fate & is_own])
        # Whoever spoke last on a row decides whether it is there at all.
        is_last = is_fate & events["active"].to_numpy()
        is_gone = (action == "drop").to_numpy()
        self._said[row[is_last & is_gone]] = _DROPPED
        stays = row[is_last & ~is_gone]
        self._said[stays[self._said[stays] == _DROPPED]] = _KEPT
        verdicts = events[is_own & (action == "tag").to_numpy()]
        others = self._row_of(decode(params["pair_with"] for params in verdicts["params"]))
        at = self.pair_at(verdicts["row"].to_numpy(), others)
        for number, params in zip(at.tolist(), verdicts["params"], strict=True):
            if number < len(self.rows):
                self.judged[number] = params["is_duplicate"]

    def _events(self) -> pd.DataFrame:
        """Return the decisions that stand on the items, with their rows."""
        if self._ledger is None:
            return pd.DataFrame()
        events = standing(self._ledger.to_frame())
        own = [bool(p) and p.get("verb") == _VERB["verb"] for p in events["params"]]
        events = events.assign(row=self._row_of(events["row_id"]), is_own=np.array(own, dtype=bool))
        return events[events["row"] >= 0]

    def _row_of(self, ids: Any) -> IntArray:
        # As objects: an index of dates would take the string "2024-01-01" for a date.
        rows = self.found.ids.astype(object).get_indexer(pd.Index(list(ids), dtype=object))
        return np.asarray(rows, dtype=np.int64)

    def earlier(self, actor: str) -> tuple[list[int], list[Any]]:
        """Return the events and ids of an actor's last decision, made at once."""
        events = self._events()
        own = events[events["is_own"] & (events["actor"] == actor)]
        if not len(own):
            raise ValueError(f"There is nothing to take back: {actor} decided on no copies here.")
        last = own[own["time"] == own["time"].iloc[-1]]
        return last.index.tolist(), last["row_id"].tolist()

    def say(self, rows: IntArray, actions: Sequence[str] | Any) -> None:
        """Take down what was decided on rows."""
        known = {"keep": _KEPT, "drop": _DROPPED}
        self._said[rows] = [
            known.get(a, said) for a, said in zip(actions, self._said[rows], strict=True)
        ]

    # ---- groups

    def at(self, threshold: float, chosen: Sequence[Any]) -> Duplicates:
        """Cut at a threshold; kept is whom a hand chose, else whom the ledger or the user kept."""
        cut = self.found.at(threshold)
        was_given = self.found.keep & ("keeping" in self.found.params)
        # What is dropped for other reasons must not be the one that stays.
        worth = cut.keep + 2.0 * was_given + np.array([0.0, 4.0, -8.0])[self._said]
        worth[rows_of(self.found.ids, chosen)] = 8.0 + np.arange(len(chosen))
        return cut.keeping(worth) if (worth != cut.keep).any() else cut

    def are_decided(self, cut: Duplicates) -> BoolArray:
        """Whether each group is decided: all its members are, or only one is left of them."""
        rows = np.flatnonzero(cut.group >= 0)
        group, said = cut.group[rows], self._said[rows]
        n_open = np.bincount(group[said == _OPEN], minlength=cut.n_groups)
        n_left = np.bincount(group[said != _DROPPED], minlength=cut.n_groups)
        return np.asarray((n_open == 0) | (n_left < 2))

    def open_rows(self, cut: Duplicates) -> IntArray:
        """Return the rows in groups that are not decided."""
        rows = np.flatnonzero(cut.group >= 0)
        return rows[~self.are_decided(cut)[cut.group[rows]]]

    def lined_up(self, cut: Duplicates, order: str) -> IntArray:
        """Return the numbers of the groups in an order."""
        n = cut.n_groups
        first = np.argsort(-np.bincount(cut.group[cut.group >= 0], minlength=n), kind="stable")
        if order == "least similar":
            least = np.ones(n)
            pairs = self.rows[: len(cut.found), 0]
            np.minimum.at(least, cut.group[pairs], cut.found["similarity"].to_numpy())
            first = np.argsort(least, kind="stable")
        elif order == "conflicts" and n:
            worst = cut.conflicts(self._labels)["group"].unique()
            first = np.concatenate([worst, first[~np.isin(first, worst)]])
        return np.asarray(first, dtype=np.int64)

    def reasons(self, cut: Duplicates, rows: IntArray) -> list[str]:
        """Return why each of the rows is kept or dropped, in words."""
        kept = np.flatnonzero(cut.keep & (cut.group >= 0))
        name = dict(zip(cut.group[kept].tolist(), cut.ids[kept].tolist(), strict=True))
        where = f"threshold {cut.threshold:.4g}"
        made = []
        for row in rows.tolist():
            group, how = int(cut.group[row]), _like(cut.similarity[row])
            what = "kept of its copies" if cut.keep[row] else f"copy of {name[group]}, {how}"
            made.append(f"{what} (group {group}, {where})")
        return made

    # ---- pairs

    def pair_at(self, one: IntArray, other: IntArray) -> IntArray:
        """Return the pair that two rows are; the number of pairs where they are none."""
        key = np.minimum(one, other) * len(self.found) + np.maximum(one, other)
        at = np.searchsorted(self._key, key)
        is_one = np.append(self._key, -1)[at] == key
        return np.where(is_one, np.append(self._by_key, -1)[at], len(self.rows))

    def judged_of(self, cut: Duplicates) -> pd.Series[Any]:
        """Return the verdicts on the pairs of a cut, by their positions in it."""
        known = {at: said for at, said in self.judged.items() if at < len(cut.found)}
        return pd.Series(known, dtype=object)

    def suggested(self) -> float | None:
        """Return the threshold from which 95 % of the pairs found are duplicates, if there is."""
        told = self.found.precision(self.judged_of(self.found))
        wanted: float | None = told["suggested_threshold"]
        return wanted

    def verdicts(self) -> pd.DataFrame:
        """Return the verdicts as `Duplicates.precision` takes them."""
        pairs = self.rows[list(self.judged)]
        made = {"id_a": self.found.ids[pairs[:, 0]], "id_b": self.found.ids[pairs[:, 1]]}
        return pd.DataFrame({**made, "is_duplicate": list(self.judged.values())})

    # ---- in words

    def told(self, cut: Duplicates | None, row: int, kept: int) -> str:
        """Return what is known of a row beside the one kept, as HTML."""
        facts = []
        if self._labels is not None:
            label = _cell(self._labels.iloc[row], self._labels.iloc[kept])
            facts.append(f"label <b>{label}</b>")
        if cut is not None and row != kept:
            facts.append(_like(cut.similarity[row]))
        return " · ".join(facts)

    def facts(self, cut: Duplicates, pair: int | None, group: int) -> list[str]:
        """Return what a pair is, or else a group, as HTML."""
        found = cut.found["similarity"].to_numpy()
        if pair is not None:
            rows, likes, facts = self.rows[pair], found[[pair]], []
        else:
            rows = np.flatnonzero(cut.group == group)
            likes = found[cut.group[self.rows[: len(found), 0]] == group]
            facts = [f"{len(rows):,} items"]
        low, high = (f"{like:.3f}" for like in (likes.min(), likes.max()))
        facts.append(f"similarity {low}" + f" to {high}" * (low != high))
        if self._labels is not None:
            counts = self._labels.iloc[rows].value_counts()
            most = ", ".join(f"{plain(k, limit=24)} {v:,}" for k, v in counts[:4].items())
            facts += [f"<mark>labels differ</mark>: {most}"] if len(counts) > 1 else []
        if pair is None and self.are_decided(cut)[group]:
            gone = int((self._said[rows] == _DROPPED).sum())
            facts.append(f"<i>decided: {f'{gone:,} dropped' if gone else 'all stay'}</i>")
        return facts


def _like(similarity: float) -> str:
    return "linked through others" if np.isnan(similarity) else f"similarity {similarity:.3f}"


# ---- side by side --------------------------------------------------------------------------------

_KEYS = 9  # cards that a number key chooses
_FIELDS = 8  # cells on a card
_FEW = 4  # cards up to which pictures are large
_TEXT = 600  # characters of a text on a card
_BEFORE = 80  # of those that lie before the first difference
_KEPT_HERE = "<b class='curalab-duplicates-badge'>Kept</b>"
_WORDS = re.compile(r"\s*\w+|\s*[^\w\s]|\s+")


class _Sheet:
    """Items beside each other, with what differs from one of them marked."""

    def __init__(self, items: pd.DataFrame) -> None:
        self._items, self._cards = items, Cards(items)
        shown = {*self._cards.images, *self._cards.texts}
        self._fields = [name for name in items.columns if name not in shown]
        self.table = self._cards.table

    def cards(
        self, rows: Sequence[int], told: Sequence[str], *, against: int, are_kept: bool = True
    ) -> str:
        """Return a card a row: its id, what is told of it, which is HTML, and its cells.

        Marked is what differs from the row `against`. With `are_kept` that one is the one kept,
        and each other has a button to be it, which picks ``keep:row``.
        """
        table, base = self._items.iloc[list(rows)], self._items.iloc[against]
        differs = {k: any(not _same(value, base[k]) for value in table[k]) for k in self._fields}
        fields = sorted(self._fields, key=lambda k: not differs[k])[:_FIELDS]
        side = 144 if len(rows) <= _FEW else 96
        made = []
        for at, row in enumerate(rows, start=1):
            is_kept = are_kept and row == against
            head = _KEPT_HERE if is_kept else _choice(row, at) if are_kept else ""
            made.append(
                f"<article class='curalab-duplicates-card{' curalab-duplicates-kept' * is_kept}'>"
                f"<header><b>{plain(self._items.index[row])}</b>{head}</header>"
                f"<small>{told[at - 1]}</small>{self._body(row, against, fields, side)}</article>"
            )
        html = f"<div class='curalab-duplicates-cards'>{''.join(made)}</div>"
        key = (
            f"<ins>only here</ins> <del>only in {'the one kept' if are_kept else 'the first'}</del>"
        )
        return html + f"<p class='curalab-said'>{key}</p>" * ("<ins>" in html or "<del>" in html)

    def _body(self, row: int, against: int, fields: Sequence[Any], side: int) -> str:
        item, base = self._items.iloc[row], self._items.iloc[against]
        parts = [self._cards.face(row, side=side)] if self._cards.images else []
        texts = [_prose(item[name], base[name]) for name in self._cards.texts]
        parts += [f"<p dir='auto'>{text}</p>" for text in texts]
        cells = "".join(
            f"<tr><th>{plain(k)}</th><td>{_cell(item[k], base[k])}</td></tr>" for k in fields
        )
        return "".join(parts) + (f"<table>{cells}</table>" if cells else "")


def _choice(row: int, number: int) -> str:
    key = f" <kbd>{number}</kbd>" if number <= _KEYS else ""
    return (
        f"<button class='curalab-tile curalab-duplicates-choice' data-pick='keep:{row}' "
        f"title='Keep this one instead'>Keep{key}</button>"
    )


def _same(one: Any, other: Any) -> bool:
    return is_missing(one) if is_missing(other) else not is_missing(one) and str(one) == str(other)


def _cell(value: Any, base: Any) -> str:
    if _same(value, base):
        return plain(value)
    shown = plain(value) if plain(value) != plain(base) else plain(str(value))
    return f"<mark>≠ {shown}</mark>"


def _prose(value: Any, base: Any) -> str:
    """Return a text with what differs from another marked as inserted or deleted, as HTML."""
    if is_missing(value):
        return "<i>no text</i>"
    text, other = str(value), "" if is_missing(base) else str(base)
    if text == other or not other:
        return plain(text, limit=_TEXT)
    pairs = enumerate(zip(text, other, strict=False))
    start = next((at for at, (one, two) in pairs if one != two), min(len(text), len(other)))
    start = 0 if start < _TEXT // 2 else start - _BEFORE
    # The other one reads on, so that what is beyond the end here does not look deleted.
    words = _WORDS.findall(" " + text[start : start + _TEXT])
    others = _WORDS.findall(" " + other[start : start + 2 * _TEXT])
    is_cut = len(text) > start + _TEXT
    parts = []
    for what, i, j, k, m in SequenceMatcher(None, others, words, autojunk=False).get_opcodes():
        gone, new = "".join(others[i:j]), "".join(words[k:m])
        if what == "equal":
            parts.append(plain(new, limit=_TEXT))
            continue
        if not (is_cut and j == len(others)):
            parts.append(_tagged("del", gone))
        parts.append(_tagged("ins", new))
    html = "".join(parts).replace(" ", "", 1)  # the one set before
    return ("… " if start else "") + html + (f" … ({len(text):,} characters)" if is_cut else "")


def _tagged(tag: str, text: str) -> str:
    """Return words marked by a tag, the space before them outside."""
    words = text.removeprefix(" ") or text
    space = " " if words != text else ""
    return f"{space}<{tag}>{plain(words, limit=_TEXT)}</{tag}>" if text else ""
