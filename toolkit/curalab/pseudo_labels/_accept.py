"""Proposed labels as decisions of a ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, IntArray, check_real, complain, first_few, rows_of

if TYPE_CHECKING:
    from curalab.ledger import Ledger
    from curalab.pseudo_labels import PseudoLabels

__all__ = ["ACCEPTED", "OPEN", "OTHERWISE", "REJECTED", "accepted", "standing_of", "tags_of"]

# Of a proposal; the last is that of a row on which something else is decided.
OPEN, ACCEPTED, REJECTED, OTHERWISE = range(4)


def accepted(
    soft: PseudoLabels,
    ledger: Ledger,
    *,
    actor: str,
    threshold: float,
    ids: Any,
    field: str,
    reason: str | None,
    new_classes: bool,
) -> pd.RangeIndex:
    """Write the proposals into the ledger in one transaction; return the events' numbers."""
    from curalab.ledger import Ledger

    if not isinstance(ledger, Ledger):
        raise TypeError(complain("ledger", "a Ledger, such as cl.Ledger('my.ledger')", ledger))
    check_real("threshold", threshold, low=0, high=1)
    if ids is None:
        rows: IntArray = np.flatnonzero(~soft.given & (new_classes | ~soft.is_new))
        rows = rows[standing_of(soft, ledger.decisions(), field)[0][rows] == OPEN]
    else:
        rows = pd.unique(rows_of(soft.ids, _listed(ids)))
        _refuse(soft, rows[soft.given[rows]], "ids of rows without a given label", "given labels")
        if not new_classes:
            hint = "Pass new_classes=True to accept these, too."
            new = rows[soft.is_new[rows]]
            _refuse(soft, new, "ids of rows proposed as a known class", "discovered classes", hint)
    rows = rows[soft.confidence[rows] >= threshold]
    params = {k: v for k, v in soft.params.items() if k not in ("method", "embedding")}
    said = "" if reason is None else f"{reason} "
    decided = {
        "row_id": soft.ids[rows].astype(object),
        "old": np.nan,  # the label was missing, which `apply` checks
        "new": soft.labels[rows],
        "reason": [f"{said}(confidence {c:.3f})" for c in soft.confidence[rows]],
    }
    frame = pd.DataFrame(decided, dtype=object)
    one: dict[str, Any] = {"action": "relabel", "field": field, "actor": actor}
    one |= {"method": soft.params.get("method"), "embedding": soft.params.get("embedding")}
    for name, value in {**one, "params": {**params, "threshold": threshold}}.items():
        frame[name] = pd.Series([value] * len(rows), dtype=object)
    return ledger.record_many(frame)


def standing_of(
    soft: PseudoLabels, decisions: pd.DataFrame, field: str
) -> tuple[IntArray, IntArray]:
    """Return how each proposal stands by a ledger's decisions, and the event that says so.

    Other labels of the field, and rows kept or dropped, are decided otherwise.
    """
    states = np.full(len(soft), OPEN, dtype=np.int8)
    events = np.zeros(len(soft), dtype=np.int64)
    at = soft.ids.get_indexer(decisions.index)
    decisions, at = decisions[at >= 0], at[at >= 0]
    proposed = soft.labels[at]
    action, new = decisions["action"], decisions["new"].to_numpy(dtype=object)
    ours = ((action == "relabel") & (decisions["field"] == field)).to_numpy()
    same = ours & (new == proposed)
    rejected = (action == "tag").to_numpy() & (new == tags_of(proposed))
    otherwise = (ours & ~same) | action.isin(["keep", "drop"]).to_numpy()
    found = ((OTHERWISE, otherwise), (REJECTED, rejected), (ACCEPTED, same))
    for state, rows in found:  # a row that is rejected and accepted has its label
        states[at[rows]] = state
        events[at[rows]] = decisions["event"].to_numpy()[rows]
    return states, events


def tags_of(labels: AnyArray) -> AnyArray:
    """Return what says of each row that the label proposed is wrong."""
    return np.array([f"not {label}" for label in labels], dtype=object)


def _listed(ids: Any) -> Any:
    return [ids] if isinstance(ids, str) or np.isscalar(ids) else ids


def _refuse(soft: PseudoLabels, rows: IntArray, rule: str, what: str, hint: str = "") -> None:
    if len(rows):
        got = f"{what} for the ids {first_few(soft.ids[rows])}"
        raise ValueError(complain("ids", rule, what=got, hint=hint))
