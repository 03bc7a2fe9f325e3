"""The vectors of the three tables: looked up in one embedding, or made with one encoder."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, complain, first_few
from curalab.embedding import Embedding, as_embedding
from curalab.encoders import embed
from curalab.encoders._contract import kinds_of
from curalab.pool import find_stage, resolve

__all__ = ["Points", "encoded", "looked_up"]

_NOT_CONTENT = ("weight", "tags", "split")


class Points(NamedTuple):
    """Vectors of the rows of `before`, the same rows in `after`, and of `test`."""

    before: FloatArray
    after: FloatArray
    test: FloatArray
    metric: str
    is_edited: BoolArray
    record: dict[str, Any]


def looked_up(embedding: Any, tables: dict[str, pd.DataFrame]) -> Points:
    """Return the vectors that `embedding` holds for the ids of the tables."""
    known = as_embedding(embedding)
    found = {}
    for name in ("before", "test"):
        ids = tables[name].index
        rows = known.ids.get_indexer(ids)
        if (rows < 0).any():
            rule = "an embedding of all rows of before, after and test"
            got = f"one without the ids {first_few(ids[rows < 0])} of {name!r}"
            raise ValueError(complain("embedding", rule, what=got))
        found[name] = known.points[rows]
    same = np.zeros(len(tables["before"]), dtype=bool)
    record = {"embedding": known.fingerprint}
    return Points(found["before"], found["before"], found["test"], known.metric, same, record)


def encoded(encoder: Any, tables: dict[str, pd.DataFrame], labels: str, seed: int) -> Points:
    """Fit the encoder on `before` and encode the tables with it; what is the same, once."""
    content = _content(tables["before"], labels)
    takes = _takes(encoder)
    if takes not in (None, "columns") and len(content) > 1:
        rule = f"a table with one column of {takes} beside {labels!r}, weight, tags and split"
        hint = f"Pass before[['{content[0]}', {labels!r}]], or embedding=…."
        raise ValueError(complain("before", rule, what=f"columns {first_few(content)}", hint=hint))
    for name, table in tables.items():
        lacking = [column for column in content if column not in table.columns]
        if lacking:
            rule = f"a table with the columns {first_few(content)}, as 'before'"
            raise ValueError(complain(name, rule, what=f"one without {first_few(lacking)}"))

    def data(table: pd.DataFrame) -> Any:
        return table[content] if len(content) > 1 or takes == "columns" else table[content[0]]

    def same_space(table: pd.DataFrame) -> FloatArray:
        again: Embedding = embed(data(table), encoder=made.encoder, random_state=seed)
        return again.points

    made: Embedding = embed(data(tables["before"]), encoder=encoder, random_state=seed)
    is_edited = _edited(tables["before"][content], tables["after"][content])
    after = made.points
    if is_edited.any():
        after = after.copy()
        after[is_edited] = same_space(tables["after"].loc[tables["before"].index[is_edited]])
    test = same_space(tables["test"])
    return Points(made.points, after, test, made.metric, is_edited, dict(made.params))


def _content(table: pd.DataFrame, labels: str) -> list[Any]:
    content = [name for name in table.columns if name not in (labels, *_NOT_CONTENT)]
    if not content:
        rule = f"a table with something to encode beside {labels!r}"
        raise ValueError(complain("before", rule, what=f"columns {first_few(table.columns)}"))
    return content


def _takes(encoder: Any) -> str | None:
    made = resolve(find_stage("encoders"), encoder)[1] if isinstance(encoder, str) else encoder
    return next(iter(kinds_of(made)), None)


def _edited(before: pd.DataFrame, after: pd.DataFrame) -> BoolArray:
    """Mark the rows of `before` whose cells are others in `after`."""
    is_edited = np.zeros(len(before), dtype=bool)
    at = after.index.get_indexer(before.index)
    stays = np.flatnonzero(at >= 0)
    for name in before.columns:
        pairs = zip(before[name].iloc[stays], after[name].iloc[at[stays]], strict=True)
        is_edited[stays] |= np.fromiter((not _same(a, b) for a, b in pairs), bool, len(stays))
    return is_edited


def _same(a: Any, b: Any) -> bool:
    if a is b or (pd.api.types.is_scalar(a) and pd.isna(a) and pd.isna(b)):
        return True
    return bool(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b)
