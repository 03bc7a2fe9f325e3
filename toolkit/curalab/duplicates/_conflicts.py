"""Labels that differ within a group of duplicates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, align, check_labels

__all__ = ["label_conflicts"]


def label_conflicts(
    ids: pd.Index, group: IntArray, similarity: FloatArray, labels: Any
) -> pd.DataFrame:
    """Return the labelled members of the groups whose labels differ, the worst group first.

    `group` and `similarity` are those of `Duplicates`, a row of `labels` for each of `ids`.
    """
    given, codes, _ = check_labels(align("labels", labels, ids))
    rows = np.flatnonzero((group >= 0) & (codes >= 0))
    table = pd.DataFrame(
        {"group": group[rows], "id": ids[rows], "label": given[rows]},
        index=pd.RangeIndex(len(rows)),
    )
    table["similarity"] = similarity[rows]
    votes = table.groupby(["group", "label"], sort=False, observed=True).size()
    by_group = votes.groupby(level="group")
    most = by_group.max()
    is_most = votes == most.reindex(votes.index.get_level_values("group")).to_numpy()
    winners = votes[is_most].reset_index().groupby("group")["label"].agg(["first", "size"])
    majority = {
        at: label if count == 1 else None
        for at, label, count in zip(winners.index, winners["first"], winners["size"], strict=True)
    }
    of_others = by_group.sum() - most
    told = [majority[at] for at in table["group"]]
    table["majority"] = pd.Series(told, dtype=object, index=table.index)
    worst = table["group"].map(of_others).to_numpy()
    least = table.groupby("group")["similarity"].transform("min").fillna(-1.0).to_numpy()
    order = np.lexsort((table["group"].to_numpy(), -least, -worst))
    return table.iloc[order[worst[order] > 0]].reset_index(drop=True)
