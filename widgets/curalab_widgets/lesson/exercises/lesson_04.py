"""Exercises of the lesson on duplicates."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab_widgets.lesson._exercise import Exercise, NoAnswer, ids, number

if TYPE_CHECKING:
    from curalab import Embedding

__all__ = ["EXERCISES"]


# ---- 04-a: a threshold among cousins -------------------------------------------------------------

_PATIENCE = 60


@cache
def _families(seed: int) -> tuple[Embedding, frozenset[frozenset[str]]]:
    """Return vectors of 100 families of four cousins, some of them copied, and the copied pairs."""
    from curalab import Embedding

    rng = np.random.default_rng([seed, 4])
    d = 32
    families = np.repeat(rng.normal(size=(100, d)), 4, axis=0)
    rows = families + rng.uniform(0.2, 0.6, (400, 1)) * rng.normal(size=(400, d))
    copied = rng.choice(400, 50, replace=False)
    copies = rows[copied] + rng.uniform(0.02, 0.08, (50, 1)) * rng.normal(size=(50, d))
    names = [f"row-{i:03d}" for i in rng.permutation(450)]
    pairs = {frozenset((names[i], names[400 + j])) for j, i in enumerate(copied)}
    order = np.argsort(names)
    vectors = np.vstack([rows, copies])[order]
    return Embedding(vectors=vectors, ids=pd.Index(np.array(names)[order])), frozenset(pairs)


def _asked(seed: int) -> tuple[Embedding, Callable[[pd.DataFrame], pd.Series[bool]]]:
    embedding, copies = _families(seed)
    known: set[frozenset[str]] = set()

    def ask(pairs: pd.DataFrame) -> pd.Series[bool]:
        """Say of each pair, a row with `id_a` and `id_b`, whether it is a copy."""
        asked = [frozenset(pair) for pair in pairs[["id_a", "id_b"]].to_numpy()]
        if len(known.union(asked)) > _PATIENCE:
            raise ValueError(f"{_PATIENCE} pairs are enough: take `borderline({_PATIENCE})`.")
        known.update(asked)
        return pd.Series([pair in copies for pair in asked], index=pairs.index, dtype=bool)

    return embedding, ask


def _cut(answer: Any, truth: int) -> tuple[bool, str]:
    """Judge a threshold by the pairs that it gives on the data of this seed."""
    from curalab import find_duplicates

    number(within=1)(answer, 0.5)  # a number, or an error that says so
    if not 0 <= float(answer) <= 1:
        raise NoAnswer("a similarity from 0 to 1")
    embedding, copies = _families(truth)
    similarity = [find_duplicates(embedding, threshold=float(answer)).pairs()]
    found = {frozenset(pair) for pair in similarity[0][["id_a", "id_b"]].to_numpy()}
    hits = len(found & copies)
    recall, precision = hits / len(copies), hits / max(len(found), 1)
    said = (
        f"It finds {hits} of the {len(copies)} copies among {len(found):,} pairs (recall "
        f"{recall:.2f}, precision {precision:.2f}; 0.9 is asked of both)."
    )
    return recall >= 0.9 and precision >= 0.9, said


# ---- 04-b: the newest scan stays -----------------------------------------------------------------


@cache
def _scanned(seed: int) -> tuple[pd.DataFrame, list[str]]:
    """Return digits with the day of their scan, and the older one of each pair of copies."""
    from curalab.samples import digits, plant_duplicates

    rng = np.random.default_rng([seed, 44])
    rows = digits().sample(400, random_state=seed + 1)
    planted = plant_duplicates(rows, share=0.15, kind=["exact", "jittered"], random_state=seed + 1)
    table = planted.items
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.permutation(len(table)), unit="D")
    table = table.assign(scanned=days)
    older = [
        a if table.loc[a, "scanned"] < table.loc[b, "scanned"] else b
        for a, b in planted.truth[["id_a", "id_b"]].to_numpy()
    ]
    return table, older


EXERCISES = {
    "04-a": Exercise(
        truth=lambda seed: seed,
        judge=_cut,
        data=_asked,
        hints=(
            "Start low, so that all copies are among the pairs: a threshold of 0.8 will do.",
            "`borderline(60)` picks pairs worth a verdict; `precision(verdicts, wanted=0.9)` "
            "makes a threshold of the answers.",
            'The threshold stands in `["suggested_threshold"]`.',
        ),
        solution="""
wide = cl.find_duplicates(vectors, threshold=0.8)
said = ask(wide.borderline(60))
answer = wide.precision(said, wanted=0.9)["suggested_threshold"]
""",
    ),
    "04-b": Exercise(
        truth=lambda seed: _scanned(seed)[1],
        judge=ids(recall=0.9, precision=0.7),
        data=lambda seed: _scanned(seed)[0],
        hints=(
            'Images become vectors by `cl.embed(…, encoder="patches")`.',
            "`keeping(values)` keeps the member of the highest value, and a day is a value.",
            "The rows to drop are those not kept: `ids[~keep]`.",
        ),
        solution="""
pixels = cl.embed(scans["image"], encoder="patches", random_state=SEED)
newest = cl.find_duplicates(pixels).keeping(scans["scanned"])
answer = newest.ids[~newest.keep]
""",
    ),
}
