"""Two ledgers that were one, or are about the same table: compared, and merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import BoolArray, IntArray, check_choice, complain, first_few
from curalab.ledger.events import ENTRIES, decode, encode_id
from curalab.ledger.history import by_subject, told, valued
from curalab.ledger.replay import in_force, standing, stands, subjects

__all__ = ["MERGE", "Merged", "Named", "compared", "import_plan", "merge_plan"]

MERGE = "merge"  # the method of the undos that settle a conflict: nobody takes back their own word
_RULES = ("list", "ours", "theirs", "latest")
_ABOUT = ("row_id", "field")
Row = tuple[object, ...]
Named = tuple[str, int, str | None, str, str]  # a checkpoint: name, event, time, actor, reason


@dataclass(frozen=True, eq=False)
class Merged:
    """What a merge took over, and where the two ledgers differ.

    Attributes
    ----------
    events : RangeIndex
        Numbers of the new events: decisions taken over, and undos of those that gave way.
    conflicts : DataFrame
        One row for each row and field decided differently by both since they parted, with the
        columns of `Ledger.compare` and `kept`: "ours", "theirs", or None where it is still open.
    """

    events: pd.RangeIndex
    conflicts: pd.DataFrame

    def __repr__(self) -> str:
        n_open = int(self.conflicts["kept"].isna().sum())
        return f"Merged({len(self.events):,} new events, {n_open:,} open conflicts)"


def compared(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Return what is decided differently in two lists of events."""
    ours, theirs = _paired(ours, theirs)
    sides = _value_of(ours), _value_of(theirs)
    return _table(ours, theirs, _differing(*sides))


def import_plan(
    ours: pd.DataFrame, theirs: pd.DataFrame, checkpoints: list[Named]
) -> tuple[list[Row], list[Named]]:
    """Return rows to write so that `ours` has all events of `theirs`, and checkpoints on ours.

    One names the first moment at which all that it held are here.
    """
    ours, theirs = _paired(ours, theirs)
    rows, number = _rows(theirs, theirs["twin"].to_numpy() == 0, len(ours))
    return rows, [
        (name, int(number[:event].max(initial=0)), time, who, why)
        for name, event, time, who, why in checkpoints
    ]


def merge_plan(
    ours: pd.DataFrame, theirs: pd.DataFrame, rule: object, actor: str
) -> tuple[list[Row], pd.DataFrame]:
    """Return rows to write so that `ours` takes over what is new in `theirs`, and the conflicts."""
    ours, theirs = _paired(ours, theirs)
    ours_new, theirs_new = (side[side["twin"] == 0] for side in (ours, theirs))
    both = np.intersect1d(ours_new["subject"], theirs_new["subject"])
    value = _value_of(ours), _value_of(theirs)
    at_odds = np.intersect1d(both, _differing(*value))
    conflicts = _table(ours, theirs, at_odds)
    latest = [by_subject(new)["time"].reindex(at_odds).to_numpy() for new in (ours_new, theirs_new)]
    if isinstance(rule, Mapping):
        _check_rows(rule, [ours, theirs])
    kept = _settle(conflicts, rule, latest[1] > latest[0])
    conflicts["kept"] = pd.Series(kept, dtype=object)
    won = {side: at_odds[[k == side for k in kept]] for side in ("ours", "theirs", None)}
    taken = (theirs["twin"] == 0) & ~theirs["subject"].isin(won[None])
    rows, number = _rows(theirs, taken.to_numpy(), len(ours))
    repeated = _not_repeats(ours_new, theirs_new, np.setdiff1d(both, at_odds))
    gone = [
        *_reverts(ours, won["theirs"], ours.index.to_numpy(), actor, "the other was kept"),
        *_reverts(theirs, won["ours"], number, actor, "the other was kept"),
        *_reverts(theirs, repeated, number, actor, "decided the same in other steps"),
    ]
    return rows + gone, conflicts


# ---- which events are the same -------------------------------------------------------------------


def _paired(ours: pd.DataFrame, theirs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give both common subjects, and each event its `twin`: the same event's number there, or 0.

    Events are the same where all that they say is, who and when to the millisecond included; of
    several alike the first is the first.
    """
    n = len(ours)
    both = pd.concat([ours, theirs], ignore_index=True)
    said = both.groupby(["time", *ENTRIES], sort=False, dropna=False).ngroup()
    side = pd.Series(np.arange(len(both)) >= n)
    turn = said.groupby([side, said]).cumcount()
    keys = pd.Index(said.to_numpy() * (len(both) + 1) + turn.to_numpy())
    both = valued(both.assign(subject=subjects(both)))
    twin = keys[n:].get_indexer(keys[:n]) + 1, keys[:n].get_indexer(keys[n:]) + 1
    sides = both.iloc[:n].set_axis(ours.index), both.iloc[n:].set_axis(theirs.index)
    return sides[0].assign(twin=twin[0]), sides[1].assign(twin=twin[1])


def _rows(theirs: pd.DataFrame, taken: BoolArray, n_ours: int) -> tuple[list[Row], IntArray]:
    """Return the rows that take events over, and the number that each of theirs has with us."""
    number = np.where(taken, n_ours + np.cumsum(taken), theirs["twin"].to_numpy())
    targets = theirs["undoes"].to_numpy()[taken]
    undoes = [None if pd.isna(of) else int(number[int(of) - 1]) for of in targets]
    columns = (theirs[name].to_numpy()[taken] for name in ("time", *ENTRIES))
    return list(zip(*columns, undoes, strict=True)), number


# ---- where they differ ---------------------------------------------------------------------------


def _value_of(events: pd.DataFrame) -> pd.Series[Any]:
    """Return the value in force by subject; None where a decision was taken back."""
    last = by_subject(events)
    return by_subject(in_force(standing(events)))["value"].reindex(last.index)


def _differing(ours: pd.Series[Any], theirs: pd.Series[Any]) -> IntArray:
    either = ours.index.union(theirs.index)
    left, right = ours.reindex(either), theirs.reindex(either)
    return np.asarray(either[((left != right) & (left.notna() | right.notna())).to_numpy()])


def _table(ours: pd.DataFrame, theirs: pd.DataFrame, wanted: IntArray) -> pd.DataFrame:
    about = pd.concat([ours, theirs]).drop_duplicates("subject").set_index("subject").loc[wanted]
    table = pd.DataFrame({name: pd.Series([*about[name]], dtype=object) for name in _ABOUT})
    table["row_id"] = pd.Series(decode(about["row_id"]), dtype=object)
    for name, events in (("ours", ours), ("theirs", theirs)):
        # The decision in force says who and why; where none is, the event that took it back does.
        now, last = by_subject(in_force(standing(events))), by_subject(events)
        number = now["event"].reindex(wanted).fillna(last["event"].reindex(wanted))
        said = told(events.loc[number.dropna().astype(int)]).reindex(number)
        table[name] = pd.Series(decode(now["value"].reindex(wanted)), dtype=object)
        table[f"{name}_event"] = number.astype("Int64").array
        table[f"{name}_time"] = said["time"].array
        for part in ("actor", "method", "reason"):
            cells = [None if pd.isna(cell) else cell for cell in said[part]]
            table[f"{name}_{part}"] = pd.Series(cells, dtype=object)
    return table


# ---- what gives way ------------------------------------------------------------------------------


def _settle(conflicts: pd.DataFrame, rule: object, theirs_is_later: BoolArray) -> list[str | None]:
    """Return which side each conflict goes to, None where it stays open."""
    if isinstance(rule, Mapping):
        return _by_hand(conflicts, rule)
    chosen = check_choice("conflicts", rule, _RULES, hint="A mapping of row ids settles by hand.")
    if chosen == "latest":
        return ["theirs" if later else "ours" for later in theirs_is_later]
    return [None if chosen == "list" else chosen] * len(conflicts)


def _check_rows(rule: Mapping[Any, object], sides: list[pd.DataFrame]) -> None:
    """Refuse rows that nobody decided on; one without a conflict may have been settled before."""
    known = {*sides[0]["row_id"], *sides[1]["row_id"]}
    stray = [key for key in rule if encode_id(_row_of(key)) not in known]
    if stray:
        asked = "about rows that the ledgers decide on"
        raise ValueError(complain("conflicts", asked, what=first_few(stray)))


def _row_of(key: object) -> object:
    return key[0] if isinstance(key, tuple) and len(key) == 2 else key


def _by_hand(conflicts: pd.DataFrame, sides: Mapping[Any, object]) -> list[str | None]:
    wanted: dict[object, str] = {}
    for key, side in sides.items():
        row = encode_id(_row_of(key))
        about = (row, key[1]) if isinstance(key, tuple) else row
        wanted[about] = check_choice("conflicts", side, ("ours", "theirs"))
    rows = map(encode_id, conflicts["row_id"])
    pairs = zip(rows, conflicts["field"], strict=True)
    return [wanted.get((row, field), wanted.get(row)) for row, field in pairs]


def _not_repeats(ours: pd.DataFrame, theirs: pd.DataFrame, agreed: IntArray) -> IntArray:
    """Return the subjects relabelled alike by both, but not in the same single step.

    Their steps would follow ours, and rest on old values that ours have replaced.
    """
    one, other = (standing(side[side["subject"].isin(agreed)]) for side in (ours, theirs))
    relabelled = other.loc[other["action"] == "relabel", "subject"].unique()
    n = [side["subject"].value_counts().reindex(relabelled) for side in (one, other)]
    old = [by_subject(side)["old"].reindex(relabelled) for side in (one, other)]
    single = (n[0] == 1) & (n[1] == 1) & ((old[0] == old[1]) | old[1].isna())
    return np.asarray(relabelled[~single.to_numpy()])


def _reverts(
    events: pd.DataFrame, losing: IntArray, number: IntArray, actor: str, why: str
) -> list[Row]:
    """Return undos that bring the subjects back to what they were when the ledgers parted."""
    targets = events["undoes"].fillna(0).astype(int).to_numpy()
    is_shared = events["twin"].to_numpy() > 0
    # An undo of a new decision has done its work; one of a shared decision must be undone too.
    is_step = (targets == 0) | np.append(False, is_shared)[targets]
    gone = ~is_shared & is_step & stands(events) & events["subject"].isin(losing).to_numpy()
    rows = events[gone].assign(number=number[gone])[::-1]
    return [
        (None, row.row_id, row.field, "undo", row.old, row.new, actor, MERGE, None, None, why, of)
        for row, of in zip(rows.itertuples(), rows["number"].tolist(), strict=True)
    ]
