"""Copies side by side: what differs, which one to keep, and from which similarity on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import IntArray, align, complain, rows_of
from curalab.duplicates import Duplicates
from curalab.items._table import check_table
from curalab.ledger import Ledger
from curalab.ledger.events import encode
from curalab_widgets.duplicates._controls import Controls
from curalab_widgets.duplicates._copies import VERB, Copies
from curalab_widgets.duplicates._on_show import OnShow

__all__ = ["DuplicatePanel"]


class DuplicatePanel(OnShow):
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
        given = None if self._labels is None else items[self._labels]
        self._copies = Copies(replace(duplicates, ids=self.ids), ledger, given)
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
        self._drop(self._members())

    def drop_all(self) -> None:
        """Drop the copies in all groups that are not decided yet, as one decision."""
        self._need_ledger()
        rows = self._copies.open_rows(self.result)
        if not len(rows):
            raise ValueError("There is nothing to decide: all groups are decided.")
        self._drop(rows)

    def _drop(self, rows: IntArray) -> None:
        self._decide(
            self.ids[rows].tolist(),
            action=np.where(self.result.keep[rows], "keep", "drop").tolist(),
            reason=self._copies.reasons(self.result, rows),
        )

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

    def _earlier(self) -> tuple[Sequence[int], list[Any]]:
        return self._copies.earlier(self._actor)

    def _heed(self, decisions: pd.DataFrame | None) -> None:
        if decisions is None:
            self._copies.read()
            self._recut()
            return
        if (decisions["action"] == "tag").all():
            self._copies.judged[self._pair()] = decisions["params"].iloc[0]["is_duplicate"]
            self.set_trait("verdicts", self._copies.verdicts())
        else:
            self._copies.say(rows_of(self.ids, decisions["row_id"]), decisions["action"])
        self._next()

    def _grounds(self) -> dict[str, Any]:
        params = {**VERB, **self.result.params}
        made = {key: params.get(key) for key in ("method", "embedding")}
        reason = f"no duplicates (group {self.group}, threshold {self.threshold:.4g})"
        return {**made, "params": params, "reason": reason}

    def _choose_shown(self, number: int) -> None:
        self._members()
        if number <= len(self._controls.shown):
            self.choose(self.ids[self._controls.shown[number - 1]])

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
        if wanted == self.threshold:
            self._work.stop()  # moved back
            return
        cut = partial(self._copies.at, wanted, self.chosen)
        self._work.ask(cut, self._take, what="Cutting groups")

    def _stopped(self) -> None:
        self._controls.slide_to(self.threshold)

    # ---- what shows ------------------------------------------------------------------------------

    def _draw(self) -> None:
        self.decided = int(self._copies.are_decided(self.result).sum())
        self._controls.tell()

    def _still(self) -> str:
        return self._controls.still()
