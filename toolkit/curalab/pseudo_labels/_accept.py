"""Proposed labels as decisions of a ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import IntArray, check_real, complain, first_few, rows_of

if TYPE_CHECKING:
    from curalab.ledger import Ledger
    from curalab.pseudo_labels import PseudoLabels

__all__ = ["accepted"]


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
    check_real("threshold", threshold, low=0, high=1)
    rows: IntArray = np.flatnonzero(~soft.given & (new_classes | ~soft.is_new))
    if ids is not None:
        rows = rows_of(soft.ids, [ids] if isinstance(ids, str) or np.isscalar(ids) else ids)
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


def _refuse(soft: PseudoLabels, rows: IntArray, rule: str, what: str, hint: str = "") -> None:
    if len(rows):
        got = f"{what} for the ids {first_few(soft.ids[rows])}"
        raise ValueError(complain("ids", rule, what=got, hint=hint))
