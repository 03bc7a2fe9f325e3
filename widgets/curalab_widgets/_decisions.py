"""Decisions of a panel: who signs them, what they say, and what a ledger holds of them."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import complain
from curalab.ledger import Ledger
from curalab_widgets._cards import is_missing

__all__ = ["DECIDED", "check_ledger", "decided", "latest_of", "relabels", "user"]

DECIDED = {"keep": "kept", "drop": "dropped", "relabel": "relabelled"}


def check_ledger(ledger: Any) -> None:
    """Refuse what is neither a Ledger nor None."""
    if ledger is not None and not isinstance(ledger, Ledger):
        raise TypeError(complain("ledger", "a Ledger, such as cl.Ledger('my.ledger')", ledger))


def user() -> str:
    """Return the name under which decisions are signed where none is given."""
    try:
        return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (KeyError, OSError):  # containers run under numbers that have no name
        return "unnamed"


def relabels(
    given: pd.Series[Any], new: Sequence[Any], relabelled: Callable[[], pd.Index]
) -> dict[str, list[Any]]:
    """Return what to record of rows that get new labels.

    Those that have theirs are kept, unless they are among those `relabelled` before: a label that
    was given stands until another is.
    """
    old = given.tolist()
    same = np.array([not is_missing(o) and bool(o == n) for o, n in zip(old, new, strict=True)])
    if same.any():
        same &= ~given.index.isin(relabelled())
    return {
        "action": ["keep" if s else "relabel" for s in same],
        "field": [None if s else given.name for s in same],
        "old": [np.nan if is_missing(o) else o for o in old],
        "new": [None if s else n for s, n in zip(same, new, strict=True)],
    }


def latest_of(
    events: pd.DataFrame, actor: str, *, why_none: str = ""
) -> tuple[list[int], list[Any]]:
    """Return the numbers and ids of an actor's last decision among events, made at once."""
    own = events[(events["actor"] == actor).to_numpy()]
    if not len(own):
        raise ValueError(f"There is nothing to take back{why_none}.")
    last = own[(own["time"] == own["time"].iloc[-1]).to_numpy()]
    return last.index.tolist(), last["row_id"].tolist()


def decided(ledger: Ledger, ids: pd.Index) -> pd.Series[str]:
    """Return what the ledger says of each item: kept, dropped, relabelled or undecided."""
    words = ledger.decisions()["action"].map(DECIDED).dropna()
    latest = words[~words.index.duplicated(keep="last")]
    return latest.reindex(ids).fillna("undecided").astype(str)
