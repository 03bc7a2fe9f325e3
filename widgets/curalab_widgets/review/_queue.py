"""Whom a review looks at, in what order, and what the finder says of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._check import (
    BoolArray,
    FloatArray,
    IntArray,
    check_choice,
    check_ids,
    check_integer,
    complain,
    rows_of,
)
from curalab.audits import Audit
from curalab.embedding import Embedding
from curalab.label_errors import LabelErrors
from curalab.outliers import Outliers
from curalab.pseudo_labels import PseudoLabels
from curalab.results import StageResult
from curalab_widgets._cards import is_missing
from curalab_widgets.review._verdicts import Said

__all__ = ["ORDERS", "Suspects"]

ORDERS = ("worst", "informative")
_LIKELY = 3
_MARKS = {
    "quality": "label quality (1 is clean)",
    "oddness": "oddness (higher is odder)",
    "confidence": "confidence of the proposal",
}
# For each result: the name of an order, and what it means.
_WORDS: dict[type, tuple[tuple[str, str], tuple[str, str]]] = {
    LabelErrors: (
        ("worst first", "the least trusted labels first"),
        (
            "most informative first",
            "labels nearest the cut first: there a verdict tells most about where errors end",
        ),
    ),
    Outliers: (
        ("oddest first", "the oddest items first"),
        (
            "most informative first",
            "items nearest the cut first: there a verdict tells most about where odd begins",
        ),
    ),
    PseudoLabels: (
        ("least confident first", "the least confident proposals first"),
        (
            "most informative first",
            "proposals just under the threshold first; up to 1, those whose two likeliest "
            "classes are nearest to each other",
        ),
    ),
}


class Suspects:
    """A result or a list of ids as a queue over the rows of a table.

    Parameters
    ----------
    given : LabelErrors, Outliers, PseudoLabels, another result, or sequence of ids
        Whom to look at.
    ids : Index
        Ids of the table.
    n : int or None
        Length of the queue. None takes all that the result marks or proposes.
    """

    def __init__(self, given: Any, ids: pd.Index, n: int | None) -> None:
        if n is not None:
            check_integer("n", n, low=1)
        is_listed = hasattr(given, "ids") or hasattr(given, "__iter__")
        if isinstance(given, Audit):
            hint = "Choose a problem: suspects=audit.rows(problem)."
            rule = "a result about items, or a sequence of ids"
            raise TypeError(complain("suspects", rule, hint=hint, what="an Audit"))
        if isinstance(given, str) or not is_listed:
            raise TypeError(complain("suspects", "a result or a sequence of ids", given))
        self.result: Any = given if isinstance(given, StageResult) else None
        self._given, self._ids, self._n = given, ids, n
        own = ids[:0] if self.result is None else self.result.ids
        self._place = own.get_indexer(ids)  # row of the table → row of the result, or -1
        is_proposal = isinstance(given, PseudoLabels)
        self._proposed = getattr(self.result, "labels" if is_proposal else "suggested", None)
        self.words = next((w for kind, w in _WORDS.items() if isinstance(given, kind)), None)
        self.has_threshold = is_proposal

    @property
    def has_suggestions(self) -> bool:
        """Whether the result says which label an item should have."""
        return self._proposed is not None

    # ---- the order -------------------------------------------------------------------------------

    def check_order(self, order: Any) -> str:
        """Return `order` if these suspects have it."""
        known = check_choice("order", order, ORDERS)
        if known != "worst" and self.words is None:
            what = f"{order!r}, and nothing that says what an item would tell"
            raise ValueError(complain("order", "'worst' for these suspects", what=what))
        return known

    def line_up(self, order: str, *, threshold: float = 1.0) -> list[int]:
        """Return the rows to look at, the first first."""
        result = self.result
        if isinstance(result, PseudoLabels):
            ids = result.ids[self._proposals(result, order, threshold)]
        elif order == "informative":
            ids = self._around_the_cut()
        elif hasattr(self._given, "worst"):
            judged = int(np.isfinite(result.quality).sum())
            ids = result.worst(self._count(int(result.is_error.sum()), judged))
        elif hasattr(self._given, "top"):
            ids = result.top(self._count(int(result.is_outlier.sum()), len(result)))
        else:
            ids = (self._given if result is None else result.ids)[: self._n]
        return list(rows_of(self._ids, check_ids(ids), name="suspects").tolist())

    def _count(self, marked: int, most: int) -> int:
        return marked if self._n is None else min(self._n, most)

    def _around_the_cut(self) -> pd.Index:
        """Return the ids nearest, by rank, to where the marked ones end."""
        result = self.result
        is_label = isinstance(result, LabelErrors)
        trust = result.quality if is_label else -result.oddness
        ranked = np.argsort(trust, kind="stable")[: int(np.isfinite(trust).sum())]
        marked = int((result.is_error if is_label else result.is_outlier).sum())
        apart = np.abs(np.arange(len(ranked)) + 0.5 - marked)
        near = ranked[np.argsort(apart, kind="stable")]
        ids: pd.Index = result.ids[near[: self._count(marked, len(ranked))]]
        return ids

    def _proposals(self, result: PseudoLabels, order: str, threshold: float) -> IntArray:
        rows = np.flatnonzero(~result.given & (result.confidence <= threshold))
        key: FloatArray = result.confidence[rows]
        if order == "informative":
            key = -key
            if threshold >= 1 and result.proba.shape[1] > 1:
                most = np.sort(result.proba[rows], axis=1)
                key = most[:, -1] - most[:, -2]
        return rows[np.argsort(key, kind="stable")][: self._n]

    # ---- what is said of an item -----------------------------------------------------------------

    def _at(self, values: Any, row: int) -> Any:
        at = self._place[row]
        return None if values is None or at < 0 else values[at]

    def suggested(self, row: int) -> Any:
        """Return the label that the result would give; None where it says nothing."""
        return self._at(self._proposed, row)

    def marks(self, row: int) -> dict[str, Any]:
        """Return the scores of an item by what they mean."""
        told = {
            text: self._at(getattr(self.result, name, None), row) for name, text in _MARKS.items()
        }
        return {text: value for text, value in told.items() if value is not None}

    def table(self, rows: list[int]) -> dict[str, list[Any]]:
        """Return what is said of some items as columns."""
        columns = {"suggested": [self.suggested(row) for row in rows]}
        columns |= {text: [self.marks(row).get(text) for row in rows] for text in _MARKS.values()}
        return {name: told for name, told in columns.items() if any(v is not None for v in told)}

    def likely(self, row: int) -> list[tuple[Any, float]]:
        """Return the likeliest classes and their probability, where the result knows it."""
        source = self.result if isinstance(self.result, PseudoLabels) else self.pool
        proba = self._at(getattr(source, "proba", None), row)
        if proba is None or source is None:
            return []
        most = np.argsort(-proba, kind="stable")[:_LIKELY]
        return [(source.classes[c], float(proba[c])) for c in most]

    def reasons(self, row: int) -> list[str]:
        """Return in words why an item is here, beside its scores."""
        result, at = self.result, self._place[row]
        told = []
        if isinstance(result, Outliers) and at >= 0:
            share = (result.oddness < result.oddness[at]).sum() / max(len(result) - 1, 1)
            told.append(f"odder than {share:.1%} of the items")
            views = result.details.get("views")
            if isinstance(views, pd.DataFrame):
                most = views.iloc[at].sort_values(ascending=False, kind="stable")[:2]
                told += [f"{name}: {value:.1f} spreads out" for name, value in most.items()]
        cut = getattr(result, "details", {}).get("cut", {})
        marked = getattr(result, "is_error", getattr(result, "is_outlier", None))
        if marked is not None and at >= 0:
            told.append(f"{'marked' if marked[at] else 'not marked'}: {cut.get('rule', 'its cut')}")
        return told

    def grounds(self, row: int) -> dict[str, Any]:
        """Return what a decision on an item rests on."""
        reasons = [f"{text} {value:.3g}" for text, value in self.marks(row).items()]
        if not is_missing(suggested := self.suggested(row)):
            reasons.append(f"suggested {suggested}")
        if self.result is None:
            return {"reason": "reviewed"}
        params = dict(self.result.params)
        made = {key: params.get(key) for key in ("method", "embedding")}
        return {**made, "params": params, "reason": ", ".join(reasons)}

    @property
    def doubted(self) -> BoolArray:
        """Rows of the table whose label the result calls wrong, shape (n_items,)."""
        marked = getattr(self.result, "is_error", None)
        if marked is None or not len(marked):
            return np.zeros(len(self._ids), dtype=bool)
        return np.asarray(marked)[self._place] & (self._place >= 0)

    def is_wrong(self, verdicts: Said) -> dict[Any, bool]:
        """Return by id what the newest verdicts say of the labels that were judged."""
        result = self.result
        told = {self._place[row]: said[-1].kind != "kept" for row, said in verdicts.items() if said}
        return {
            result.ids[at]: is_wrong
            for at, is_wrong in told.items()
            if at >= 0 and np.isfinite(result.quality[at])
        }

    # ---- what it was found in --------------------------------------------------------------------

    @property
    def pool(self) -> Any:
        """What was judged; None where the result comes from disk, or keeps none."""
        return getattr(self.result, "pool", None)

    def embedding(self, given: Embedding | None) -> Embedding | None:
        """Return the embedding to find neighbours in, which is that of the result."""
        if given is None:
            return None if self.pool is None else self.pool.embedding
        if not isinstance(given, Embedding):
            raise TypeError(complain("embedding", "an Embedding", given))
        params = getattr(self.result, "params", {})
        found = params.get("embedding")
        is_kin = given.fingerprint in {found, *params.get("ancestors", ())}
        if found is not None and not is_kin and found not in given.params.get("ancestors", ()):
            hint = "Pass the embedding that the suspects were found in."
            rule = f"the one that the suspects were found in ({str(found)[:8]})"
            what = f"another embedding ({given.fingerprint[:8]})"
            raise ValueError(complain("embedding", rule, hint=hint, what=what))
        return given
