"""Exercises of the lesson on what was done, by whom, and under which licence."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from curalab_widgets.lesson._exercise import Exercise, choice, ids

__all__ = ["EXERCISES"]

# ---- 16-a: what a list of decisions leaves -------------------------------------------------------


@cache
def _decided(seed: int) -> tuple[pd.DataFrame, pd.DataFrame, list[Any]]:
    """Return a table, decisions on it of which some change their mind, and what is left."""
    rng = np.random.default_rng([seed, 16])
    index = pd.Index([f"note-{i:03d}" for i in range(120)], name="id")
    items = pd.DataFrame({"text": [f"text {i}" for i in range(120)], "label": "a"}, index=index)
    dropped = rng.choice(index, 40, replace=False)
    kept = dropped[:12]  # looked at again
    relabelled = rng.choice(dropped[12:].tolist() + [i for i in index if i not in dropped], 20)
    parts = {
        "drop": pd.DataFrame({"row_id": dropped, "actor": "rule", "reason": "short"}),
        "relabel": pd.DataFrame({"row_id": np.unique(relabelled), "actor": "Bea", "new": "b"}),
        "keep": pd.DataFrame({"row_id": kept, "actor": "Ann", "reason": "it is fine"}),
        "again": pd.DataFrame({"row_id": kept[:4], "actor": "Bea", "reason": "no, a copy"}),
    }
    parts["relabel"]["field"] = "label"
    names = {"again": "drop"}
    table = pd.concat([part.assign(action=names.get(k, k)) for k, part in parts.items()])
    gone = set(dropped) - set(kept[4:])
    columns = ["row_id", "action", "field", "new", "actor", "reason"]
    events = table[columns].reset_index(drop=True).astype(object)
    return items, events.where(events.notna(), None), [i for i in index if i not in gone]


# ---- 16-b: which source stands in the way --------------------------------------------------------

_SOURCES = ("mail", "manuals", "tickets", "wiki")


def _culprit(seed: int) -> str:
    return _SOURCES[int(np.random.default_rng([seed, 17]).integers(4))]


def _described(seed: int) -> dict[str, Any]:
    """Return datasets of which one says that it is free, and its own source says otherwise."""
    rng = np.random.default_rng([seed, 17])
    bad = _SOURCES[int(rng.integers(4))]
    licences = rng.permutation(["MIT", "CC BY-SA 4.0", "CC0-1.0"]).tolist()
    made: dict[str, Any] = {"help texts": {"licence": "CC BY-SA 4.0", "parents": list(_SOURCES)}}
    for name in _SOURCES:
        own = "CC BY 4.0" if name == bad else licences.pop()
        where = "cc-by-nc-4.0" if name == bad else own
        made[name] = {"licence": own, "sources": {f"the site of {name}": where}}
    return made


EXERCISES = {
    "16-a": Exercise(
        data=lambda seed: {"items": _decided(seed)[0].copy(), "events": _decided(seed)[1].copy()},
        truth=lambda seed: _decided(seed)[2],
        judge=ids(recall=1.0, precision=1.0),
        hints=(
            "The latest decision on a row wins: some rows that were dropped are kept later on.",
            "Write `events` into a new ledger with `record_many`, and `apply` it to `items`.",
        ),
        solution="""
import tempfile

with tempfile.TemporaryDirectory() as home, cl.Ledger(f"{home}/notes.ledger") as notes:
    notes.record_many(case["events"])
    answer = notes.apply(case["items"]).index
""",
    ),
    "16-b": Exercise(
        data=_described,
        truth=_culprit,
        judge=choice(*_SOURCES),
        hints=(
            "What a dataset says of itself may be looser than what its sources say.",
            "`cl.lineage(datasets, of='help texts').permissions()` says what forbids it.",
        ),
        solution="""
told = cl.lineage(datasets, of="help texts").permissions().set_index("what")
because = told.loc["use it commercially", "because"]
answer = next(name for name in datasets["help texts"]["parents"] if name in because)
""",
    ),
}
