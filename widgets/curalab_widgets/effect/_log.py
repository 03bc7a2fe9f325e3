"""The decisions of a step: which they are, and which of them stand in the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from curalab.ledger import Ledger
from curalab.ledger.replay import stands

__all__ = ["StepLog", "events_of", "touched"]


class StepLog:
    """What a ledger, or none, says of events; as it was at the last `read`."""

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger
        self.read()

    def read(self) -> None:
        """Read the ledger."""
        self._log = None if self._ledger is None else self._ledger.to_frame()
        self._standing: set[int] = set()
        if self._log is not None:
            self._standing = set(self._log.index[stands(self._log)].tolist())

    def standing(self, events: Sequence[int]) -> list[int]:
        """Return those of the events that nobody took back."""
        return [event for event in events if event in self._standing]

    def is_taken_back(self, events: Sequence[int]) -> bool:
        """Whether a ledger says of all of the events that they were taken back."""
        return self._log is not None and bool(events) and not self.standing(events)

    def against(self, events: Sequence[int]) -> list[int]:
        """Return the undos that hold against the events."""
        if self._log is None:
            return []
        gone = set(events) - self._standing
        undos = self._log[self._log["undoes"].isin(gone)]
        return self.standing(undos.index.tolist())

    def done(self, events: Sequence[int]) -> dict[Any, dict[str, Any]]:
        """Return action and new value of the events by the id of the row, the last of each."""
        if self._log is None:
            return {}
        told: pd.DataFrame = self._log.loc[self._log.index.isin(events)]
        cells = zip(told["row_id"], told["action"], told["new"], strict=True)
        return {one: {"action": action, "new": new} for one, action, new in cells}


def _noted(effect: Any) -> Mapping[str, Any]:
    """Return what is known of the step that an effect is of."""
    noted: Mapping[str, Any] = {} if effect is None else effect.details.get("step", {})
    return noted


def events_of(effect: Any) -> list[int]:
    """Return the decisions of the step that an effect is of."""
    return list(_noted(effect).get("events", ()))


def touched(effect: Any) -> list[Any]:
    """Return the ids of the rows that they are about."""
    return list(_noted(effect).get("ids", ()))
