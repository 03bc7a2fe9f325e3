"""What several people have decided on each row, and how far they agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab.ledger import Ledger
from curalab.ledger.agreement import agreement_of
from curalab.ledger.replay import stands
from curalab_widgets._cards import is_missing

__all__ = ["Said", "Verdict", "Verdicts", "conflicts_of", "pairs_of", "said_of"]

_OPINIONS = {"first": "", "second": "second opinion", "settled": "settled"}
_UNTOLD = object()  # no decision about the label


class Verdict(NamedTuple):
    """What one person decided on one row; it may have taken two events.

    `opinion` is "first", "second" (given without seeing the first) or "settled" (after seeing
    several); `label` and `stay` are what it did to the label and to the row itself.
    """

    actor: str
    kind: str
    word: str
    opinion: str
    events: tuple[int, ...]
    label: Any = _UNTOLD
    stay: str = ""


Said = Mapping[int, tuple[Verdict, ...]]


class Verdicts:
    """The verdicts of all actors that stand in a ledger, by row.

    Parameters
    ----------
    ledger : Ledger
        Where they are; what is recorded elsewhere meanwhile is seen at the next `read`.
    ids : Index
        Ids of the rows.
    given : Series or None
        The labels as they came; its name is the column that verdicts relabel.
    """

    def __init__(self, ledger: Ledger, ids: pd.Index, given: pd.Series[Any] | None) -> None:
        self._ledger, self._ids, self._given = ledger, ids, given
        self._field = None if given is None else str(given.name)
        self._of: dict[int, tuple[Verdict, ...]] = {}

    def read(self) -> None:
        """Read the ledger anew."""
        self._of = {}
        events = self._ledger.to_frame()
        is_label = events["field"] == self._field
        is_verdict = events["action"].isin(["keep", "drop"])
        is_verdict |= (events["action"] == "relabel") & is_label
        events = events[is_verdict & stands(events)]
        # As objects: an index of dates would take the string "2024-01-01" for a date.
        wanted = pd.Index(events["row_id"].tolist(), dtype=object)
        rows = self._ids.astype(object).get_indexer(wanted)
        names = ["actor", "time", "action", "new", "params"]
        cells = zip(rows.tolist(), *(events[name] for name in names), events.index, strict=True)
        # What one decision took two events for was written at one time.
        for (row, actor, _), steps in groupby(cells, key=itemgetter(0, 1, 2)):
            if row >= 0:
                *_, params, _ = (taken := list(steps))[-1]
                opinion = (params or {}).get("opinion", "first")
                made = [(action, new, event) for *_, action, new, _, event in taken]
                self._add(row, self._made(row, actor, opinion, made))

    def _made(
        self, row: int, actor: str, opinion: str, steps: Iterable[tuple[str, Any, int]]
    ) -> Verdict:
        """Return as one verdict what was written at once: action, new label and event of each."""
        label, stay, kind, word, events = _UNTOLD, "", "", "", []
        for action, new, event in steps:
            events.append(event)
            if action == "relabel":
                label = new
                kind = "kept" if self._is_given(row, new) else "relabelled"
                word = "label taken away" if is_missing(new) else f"relabelled to {new}"
                word = kind if kind == "kept" else word
            else:
                stay = action
                kind = word = "kept" if action == "keep" else "dropped"
        return Verdict(actor, kind, word, opinion, tuple(events), label, stay)

    def _is_given(self, row: int, label: Any) -> bool:
        given = self._label(row)
        if is_missing(label) or is_missing(given):
            return is_missing(label) and is_missing(given)
        return bool(label == given)

    def _label(self, row: int) -> Any:
        return None if self._given is None else self._given.iloc[row]

    def record(
        self,
        row: int,
        actor: str,
        opinion: str,
        decision: Mapping[str, Any],
        grounds: Mapping[str, Any],
        *,
        note: str = "",
    ) -> Verdict:
        """Write a decision, with what goes with it, in one transaction; return the verdict.

        `decision` holds action, field, old and new of the ledger, `grounds` what it rests on.
        """
        also = self._before(row, decision["action"])
        entries = [decision] if also is None else [also, decision]
        params = grounds.get("params")
        if opinion != "first":
            params = {**(params or {}), "opinion": opinion}
        reasons = [note.strip(), _OPINIONS[opinion], grounds.get("reason", "")]
        who = {"row_id": self._ids[row], "actor": actor, **grounds, "params": params}
        who["reason"] = "; ".join(reason for reason in reasons if reason)
        names = dict.fromkeys(name for entry in (who, *entries) for name in entry)
        wide = {name: [{**who, **entry}.get(name) for entry in entries] for name in names}
        events = self._ledger.record_many(pd.DataFrame(wide, dtype=object))
        steps = [(e["action"], e.get("new"), at) for e, at in zip(entries, events, strict=True)]
        verdict = self._made(row, actor, opinion, steps)
        self._add(row, verdict)
        return verdict

    def _add(self, row: int, verdict: Verdict) -> None:
        """Take up what was recorded on a row."""
        self._of[row] = (*self._of.get(row, ()), verdict)

    def take_back(self, row: int, events: Iterable[int]) -> None:
        """Forget the verdict on a row that was undone."""
        gone = set(events)
        self._of[row] = tuple(v for v in self._of.get(row, ()) if not gone.intersection(v.events))

    # ---- who said what ---------------------------------------------------------------------------

    def on(self, row: int) -> tuple[Verdict, ...]:
        """Return all verdicts on a row, the newest last."""
        return self._of.get(row, ())

    def of(self, row: int, actor: str, *, again: bool = False) -> Verdict | None:
        """Return an actor's newest verdict on a row; with `again` a first one does not count."""
        own = (v for v in self.on(row)[::-1] if v.actor == actor)
        return next((v for v in own if not (again and v.opinion == "first")), None)

    def rows_of_others(self, actor: str) -> list[int]:
        """Return the rows that anyone else has decided on, in the order of their verdicts."""
        of = self._of.items()
        return [row for row, said in of if any(v.actor != actor for v in said)]

    def rows_of(self, actor: str) -> list[int]:
        """Return the rows that an actor has decided on."""
        return [row for row in self._of if self.of(row, actor) is not None]

    def newest_of(self, actor: str) -> tuple[int, Verdict] | None:
        """Return an actor's last verdict and its row."""
        own = ((row, v) for row, said in self._of.items() for v in said if v.actor == actor)
        return max(own, key=lambda each: each[1].events[-1], default=None)

    def _before(self, row: int, action: str) -> dict[str, Any] | None:
        """Return what has to be recorded with a decision, so that the table becomes what it says.

        Keeping an item does not take a label back that somebody gave it, nor does relabelling
        bring back one that was dropped: the ledger answers each by its like.
        """
        label = next((v.label for v in self.on(row)[::-1] if v.label is not _UNTOLD), _UNTOLD)
        stay = next((v.stay for v in self.on(row)[::-1] if v.stay), "")
        if action == "relabel" and stay == "drop":
            return {"action": "keep"}
        if action == "keep" and label is not _UNTOLD and not self._is_given(row, label):
            given = self._label(row)
            given = np.nan if is_missing(given) else given
            return {"action": "relabel", "field": self._field, "old": given, "new": given}
        return None

    def now(self) -> dict[int, tuple[Verdict, ...]]:
        """Return all verdicts by row as they are now, to be read in another thread."""
        return dict(self._of)


def said_of(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """Return by person what they said of a row without knowing of the others."""
    said: dict[str, str] = {}
    first: dict[str, str] = {}
    for verdict in verdicts:
        if verdict.opinion == "first":
            said[verdict.actor] = first[verdict.actor] = verdict.word
        elif verdict.opinion == "second":
            twice = verdict.actor in first
            said[f"{verdict.actor}, again" if twice else verdict.actor] = verdict.word
    return said


def pairs_of(verdicts: Said) -> pd.DataFrame:
    """Return how far each two agree on what both decided, as `Agreement.pairs` of a ledger."""
    said = {row: said_of(each) for row, each in verdicts.items()}
    answers = pd.DataFrame.from_dict(said, orient="index", dtype=object)
    return agreement_of(answers.sort_index(axis=1)).pairs


def conflicts_of(verdicts: Said) -> dict[int, dict[str, str]]:
    """Return the rows on which two differ and nobody has settled it, and what each said."""
    conflicts = {}
    for row, each in verdicts.items():
        said = said_of(each)
        if len(set(said.values())) > 1 and not any(v.opinion == "settled" for v in each):
            conflicts[row] = said
    return conflicts
