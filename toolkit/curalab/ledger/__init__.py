"""Decisions about rows, on disk: recorded, undone, applied, compared, merged, exchanged.

Stages find; a person or a rule decides. A decision is one event in a :class:`Ledger`: which row,
what to do with it, who says so, by which method, and why.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from curalab._check import check_choice, complain
from curalab.ledger.agreement import Agreement, agreement_of, answers_of
from curalab.ledger.branches import Merged, Named, compared, import_plan, merge_plan
from curalab.ledger.events import check_reason, check_text
from curalab.ledger.exchange import EXACT, FORMATS, place_of, write_file
from curalab.ledger.history import times_of
from curalab.ledger.imported import read_answers, read_events
from curalab.ledger.newer import Replayed, replay_decisions
from curalab.ledger.recorded import Recorded
from curalab.ledger.redaction import redacted
from curalab.ledger.storage import write_ledger

__all__ = ["Agreement", "Ledger", "Merged", "Replayed"]


class Ledger(Recorded):
    """Decisions about the rows of a table, in one append-only SQLite file.

    A decision is on disk before the call that records it returns, nothing is ever deleted, and
    several notebooks, threads and processes may use the same file at once. While a ledger is open
    its newest events may stand in a second file, ``PATH-wal``: close it before copying it.

    Parameters
    ----------
    path : str or path
        The file; made where there is none. In a folder that cannot be written, a ledger that was
        closed can still be read.

    Attributes
    ----------
    path : Path
        Where the ledger is.

    Raises
    ------
    ValueError
        Where the path is a folder or in none, and where the file is not a ledger, is damaged or
        cut, or was written by a newer version. The file is left as it is.
    PermissionError
        Where the file or its folder cannot be written; reading an existing ledger works.
    TimeoutError
        Where another program kept the file locked for two minutes.

    Notes
    -----
    Ids and values are strings, numbers, bools, dates, datetimes or missing. The integer 1 and the
    string "1" are different ids, 1 and 1.0 the same. Datetimes come back as `pandas.Timestamp`
    with the same instant (a time zone as its offset), missing values as NaN.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from curalab.ledger import Ledger
    >>> items = pd.DataFrame({"label": ["cat", "dog", "cat"]}, index=["a", "b", "c"])
    >>> folder = tempfile.TemporaryDirectory()
    >>> with Ledger(f"{folder.name}/pets.ledger") as ledger:
    ...     event = ledger.record("a", action="drop", actor="Ann", reason="blurred")
    ...     event = ledger.record("c", action="relabel", field="label", old="cat", new="dog",
    ...                           actor="Ann")
    ...     clean = ledger.apply(items)
    >>> clean
      label
    b   dog
    c   dog
    >>> folder.cleanup()
    """

    # ---- moments ---------------------------------------------------------------------------------

    def checkpoint(self, name: str, *, actor: str, reason: str = "") -> int:
        """Name this moment, for `diff`, `apply` and `decisions`; return the newest event's number.

        Parameters
        ----------
        name : str
            A name that no checkpoint has yet. It goes before a time written alike.
        actor, reason : str
            Who names it, and why.
        """
        known, who = check_text("name", name), check_text("actor", actor)
        return self._storage.checkpoint(known, actor=who, reason=check_reason(reason))

    def checkpoints(self) -> pd.DataFrame:
        """Return the checkpoints, oldest first: indexed by `name`; event, time, actor, reason."""
        marks = self._storage.marks().query("kind == 'checkpoint'")
        marks["time"] = times_of(marks)
        return marks.set_index("name")[["event", "time", "actor", "reason"]]

    def replay(self, items: pd.DataFrame) -> Replayed:
        """Carry the decisions out on a newer version of the table, as far as they still apply.

        Where :meth:`apply` refuses, this leaves out and reports: a row or column that is gone, a
        relabel whose old value differs, and what the table already is. Where the decision in force
        on a row and field is left out, those before it are too.

        Parameters
        ----------
        items : DataFrame
            The newer table; its index holds the ids. Not modified.

        Returns
        -------
        Replayed
            `table` and `report`.
        """
        return replay_decisions(items, self._storage.read())

    # ---- other people's ledgers ------------------------------------------------------------------

    def compare(self, other: Ledger) -> pd.DataFrame:
        """Compare what is decided here and in another ledger about the same table.

        Parameters
        ----------
        other : Ledger
            The other one, or a branch: a copy of this file that somebody went on with.

        Returns
        -------
        DataFrame
            One row for each row and field (None: the row itself; one for each tag) decided
            differently: `row_id`, `field`, then `ours` and `theirs`, the value in force on each
            side (None: none), each with `_event`, `_time`, `_actor`, `_method` and `_reason` of
            that decision, or of the undo that left none.
        """
        return compared(self._storage.read(), _events_of(other))

    def merge(
        self, other: Ledger, *, actor: str, conflicts: str | Mapping[Any, str] = "list"
    ) -> Merged:
        """Take over what is new in another ledger, with its actors, times, methods and reasons.

        Events that both have (a common past, an earlier merge) are taken once, so that merging
        again adds nothing. A conflict is a row and field that both decided since, and differently.
        What gives way is undone, not left out: nothing is lost, `undo` of that undo brings it
        back, and :meth:`agreement` still counts it.

        Parameters
        ----------
        other : Ledger
            Where the decisions come from; it is not changed.
        actor : str
            Who merges; signs the undos.
        conflicts : {"list", "ours", "theirs", "latest"} or mapping, default="list"
            "list" leaves conflicts open: their decisions there are not taken over until a later
            call settles them. "latest" keeps the side that decided last ("ours" in a tie). A
            mapping settles by hand: "ours" or "theirs" for a row id or a pair (row id, field);
            conflicts it does not name stay open.

        Returns
        -------
        Merged
            `events` and `conflicts`.
        """
        who, theirs = check_text("actor", actor), _events_of(other)
        found = []

        def plan(ours: pd.DataFrame) -> tuple[list[tuple[object, ...]], list[Named]]:
            rows, table = merge_plan(ours, theirs, conflicts, who)
            found.append(table)
            return rows, []

        events = self._storage.extend(plan, source=other.path.name, actor=who)
        return Merged(events, found[0])

    def agreement(self, field: str | None = None) -> Agreement:
        """Return how far actors agree on what two or more of them decided.

        Parameters
        ----------
        field : str, optional
            The column whose relabels are compared, by row; to keep a row counts as its label being
            right, to drop it as an answer of its own. None: each row and field apart, tags left
            out, for nobody says which tags a row lacks.

        Returns
        -------
        Agreement
            `n_rows`, `same`, `alpha`, `pairs` and `answers`, each actor's last that they did not
            take back.
        """
        if field is not None:
            check_text("field", field, "the name of a column or None")
        return agreement_of(answers_of(self._storage.read(), field))

    # ---- other files -----------------------------------------------------------------------------

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        format: str = "jsonl",
        items: pd.DataFrame | None = None,
        people: bool = True,
        notes: bool = True,
    ) -> Path:
        """Write the decisions to a file that others read; an existing file is replaced.

        Parameters
        ----------
        path : str or path
            The file.
        format : {"jsonl", "csv", "argilla", "label_studio", "coco"}, default="jsonl"
            "jsonl" holds every event and checkpoint, exactly. The others hold the decisions in
            force: "csv" all that they say; "argilla" records, "label_studio" tasks and "coco"
            images with categories hold row, field, value and actor (not the old value; methods and
            reasons where there is a place). What a method decided (its name is the actor) is a
            suggestion or prediction there, with ``params["score"]`` as score.
        items : DataFrame, optional
            What annotators see in Argilla and Label Studio: the columns of each decided row.
        people, notes : bool, default=True
            False: actors that are no method become `annotator_1`, …; reasons are left out.

        Returns
        -------
        Path
            The file.
        """
        chosen = check_choice("format", format, FORMATS)
        target = place_of(path, self.path)
        marks, events = self._storage.marks(), self._storage.read()  # none names a later event
        events, marks = redacted(events, marks, people=people, notes=notes)
        write_file(target, chosen, events, marks, items)
        return target

    def import_decisions(
        self, path: str | os.PathLike[str], *, format: str = "jsonl", actor: str | None = None
    ) -> pd.RangeIndex:
        """Record the decisions of a file that :meth:`export` or an annotation tool wrote.

        All of them or none. Events of "jsonl" and "csv" keep their time, and those that are here
        already are not taken again, nor are checkpoints; one names the moment at which all that it
        held are here. To settle conflicts import into a ledger of its own and :meth:`merge` that.

        Parameters
        ----------
        path, format
            The file, as in :meth:`export`. Drafts and skipped tasks are no decisions; a "coco"
            file of others decides on `label`, its file names are the ids.
        actor : str, optional
            Who decided where the file does not say.

        Returns
        -------
        RangeIndex
            The numbers of the new events.
        """
        chosen, source = check_choice("format", format, FORMATS), Path(path)
        who = None if actor is None else check_text("actor", actor)
        if not source.is_file():
            raise ValueError(complain("path", "a file that is there", what=repr(str(source))))
        if chosen not in EXACT:
            return self._storage.append(read_answers(source, chosen, who))
        read = read_events(source, chosen, who)
        return self._storage.extend(
            lambda ours: import_plan(ours, *read), source=source.name, actor=who or ""
        )

    def redact(
        self, path: str | os.PathLike[str], *, people: bool = False, notes: bool = False
    ) -> Path:
        """Write a copy of the ledger without people and notes, as :meth:`export` leaves them out.

        Parameters
        ----------
        path : str or path
            A new file.
        people, notes : bool, default=False
            True keeps the names of actors, or the reasons.
        """
        target = place_of(path, self.path)
        if target.exists():
            raise ValueError(complain("path", "a new file", what=repr(str(target))))
        marks, events = self._storage.marks(), self._storage.read()
        events, marks = redacted(events, marks, people=people, notes=notes)
        write_ledger(target, events, marks)
        return target


def _events_of(other: object) -> pd.DataFrame:
    if not isinstance(other, Recorded):
        raise TypeError(complain("other", "a Ledger", other))
    return other._storage.read()
