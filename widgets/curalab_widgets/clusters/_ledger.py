"""What a person made of clusters, in a ledger: tags that say it, and how to do it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from curalab.ledger import Ledger
from curalab_widgets.clusters._grouping import Edit

__all__ = ["edits_in", "labels_in", "tags"]

_PANEL = "ClusterPanel"
_TAGS = {
    "merge": "same cluster as {}",
    "split": "other cluster than {}",
    "must_link": "belongs with {}",
    "cannot_link": "does not belong with {}",
    "name": "cluster: {}",
}


def tags(
    edits: Sequence[Edit],
    ids: pd.Index,
    *,
    method: str,
    embedding: str,
    about: Mapping[str, Any],
) -> pd.DataFrame:
    """Return a decision for each edit: a tag on its first row."""
    rows = []
    for edit in edits:
        other = str(ids[edit.rows[-1]])
        said = {"panel": _PANEL, "edit": edit.kind, "other": other, "name": edit.text, **about}
        text = _TAGS[edit.kind].format(edit.text if edit.kind == "name" else other)
        rows.append({"row_id": ids[edit.rows[0]], "new": text, "params": said})
    given = {"action": "tag", "method": method, "embedding": embedding}
    return pd.DataFrame(rows, dtype=object).assign(**given, reason="clusters changed by hand")


def edits_in(
    ledger: Ledger, ids: pd.Index, embedding: str
) -> tuple[list[Edit], list[int], dict[str, Any]]:
    """Return the edits in force made of this embedding, their events, and what the last says."""
    if not len(ledger):
        return [], [], {}
    known = ledger.to_frame()
    known = known[known["active"] & (known["action"] == "tag") & (known["embedding"] == embedding)]
    row_of = {str(id): row for row, id in enumerate(ids)} if len(known) else {}
    edits, events, last = [], [], {}
    for event, row_id, said in zip(known.index, known["row_id"], known["params"], strict=True):
        if not isinstance(said, Mapping) or said.get("panel") != _PANEL:
            continue
        rows = [int(ids.get_indexer(pd.Index([row_id]))[0]), row_of.get(said["other"], -1)]
        if min(rows) >= 0:
            is_name = said["edit"] == "name"
            edits.append(Edit(said["edit"], tuple(rows[: 1 if is_name else 2]), said["name"]))
            events.append(int(event))
            last = dict(said)
    return edits, events, last


def labels_in(ledger: Ledger | None, items: pd.DataFrame, column: str | None) -> Any:
    """Return the label of each row as the ledger has it; None without a ledger or labels."""
    if ledger is None or column is None:
        return None
    labels = items[column].to_numpy(dtype=object, copy=True)
    if len(ledger):
        known = ledger.decisions()
        known = known[(known["action"] == "relabel") & (known["field"] == column)]
        rows = items.index.get_indexer(known.index)
        labels[rows[rows >= 0]] = known["new"].to_numpy(dtype=object)[rows >= 0]
    return labels
