"""The audit: every finder on one neighbour graph, and one ranked list of what they found."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, ClassVar

import pandas as pd

from curalab._check import align, check_choice, check_seed, complain
from curalab._hidden import is_metrics_only
from curalab.audits._finders import finders
from curalab.audits._problems import problems_of
from curalab.embedding import as_embedding
from curalab.items import join
from curalab.pool import Pool
from curalab.results import StageResult

__all__ = ["Audit", "audit"]

_log = logging.getLogger(__name__)
_NEIGHBORS = 30  # as many as duplicates look at


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Audit(StageResult):
    """What every finder found, ranked; row i belongs to `ids[i]`.

    Attributes
    ----------
    problems : DataFrame
        One row a problem, the most pressing first: `problem`, `n_items`, `share` of all items,
        `evidence` and `action` in words, `call` (the Python that records the action), `ids` (none
        where it is about whole columns), `why` (what was seen of each of them, in words) and
        `beside` (the item that each is like, for copies).
    results : mapping of str to StageResult or DataFrame
        What each finder found, as far as they ran: "label_errors", "outliers", "duplicates",
        "shift", "leakage", "shortcuts" (results), "weak_groups", "group_leakage", "time_leakage"
        and "quality" (frames).
    errors : mapping of str to str
        Finders that failed, and what they said.
    """

    columns: ClassVar[Mapping[str, str]] = {}

    problems: pd.DataFrame
    results: Mapping[str, Any] = field(default_factory=dict, metadata={"unsaved": True})
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:  # noqa: D102
        failed = f", {len(self.errors)} finders failed" if self.errors else ""
        return f"{len(self.problems):,} problems{failed}"

    def __getitem__(self, stage: str) -> Any:
        check_choice("stage", stage, self.results)
        return self.results[stage]

    def rows(self, problem: str) -> pd.Index:
        """Return the ids of the items that a problem is about."""
        named = self.problems.set_index("problem")["ids"]
        check_choice("problem", problem, named.index)
        ids: pd.Index = pd.Index(named[problem], name=self.ids.name)
        return ids

    def to_frame(self) -> pd.DataFrame:
        """Return one row an item with the columns of all results about single items."""
        results = [r for r in self.results.values() if isinstance(r, StageResult)]
        about_items = [r for r in results if len(r) and r.ids.isin(self.ids).all()]
        return join(pd.DataFrame(index=self.ids), *about_items)

    def _repr_html_(self) -> str:
        shown = self.problems.drop(columns=["ids", "why", "beside"])
        shown["share"] = shown["share"].map("{:.1%}".format)
        if is_metrics_only():  # behind a colon stand names of columns, and values of constant ones
            shown["problem"] = shown["problem"].str.partition(":")[0]
            counts = shown[["problem", "n_items", "share"]].to_html(index=False, border=0)
            return f"<p><code>{escape(repr(self))}</code></p>{counts}"
        failed = "".join(
            f'<p style="color:#c00"><b>The finder {escape(name)} failed.</b> {escape(said)}</p>'
            for name, said in self.errors.items()
        )
        with pd.option_context("display.max_colwidth", None):
            table = shown.to_html(index=False, border=0, notebook=True, max_rows=60)
        return f"<p><code>{escape(repr(self))}</code></p>{failed}{table}"


def audit(
    items: pd.DataFrame,
    *,
    embedding: Any,
    labels: str | None = None,
    groups: str | None = None,
    order: str | None = None,
    split: str | None = None,
    random_state: int | None = None,
) -> Audit:
    """Run every finder on one neighbour graph and rank what they find.

    Parameters
    ----------
    items : DataFrame of n_items rows
        The table; its index holds the ids. Not modified.
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        Vectors of the items; a Pool may bring probabilities from a model of your own, and more.
    labels, groups, order, split : str, default=None
        Columns of `items`: the label; site, speaker or source; time or rank; and which rows are
        test rows (True, or "test"). Without `labels` neither label errors, weak groups (near rows
        whose labels a model contradicts often) nor shortcuts (columns that give the label away)
        are looked for, without `groups` no difference between groups, without `split` no leakage:
        of copies, with `groups` of groups, with `order` of times. Without `groups` and `order` the
        order of the rows is looked at, unless they are files in the order of their names. Texts
        and images that the embedding was made of are looked at themselves, and copies among texts
        and rows of tables must share most of their words or cells.
    random_state : int, default=None
        Seed of all finders. None draws one and records it.

    Returns
    -------
    Audit
        A finder that fails does not end the audit: its error stands in `errors`, and in red in
        the report.

    Examples
    --------
    >>> import numpy as np, pandas as pd, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(60, 8))
    >>> x[7] = x[3]
    >>> items = pd.DataFrame({"site": ["a", "b"] * 30})
    >>> report = cl.audit(items, embedding=x, random_state=0)
    >>> report.rows("duplicates").tolist()
    [7]
    """
    if not isinstance(items, pd.DataFrame):
        raise TypeError(complain("items", "a DataFrame", what=type(items).__name__))
    named = {"labels": labels, "groups": groups, "order": order, "split": split}
    for name, column in named.items():
        if column is not None:
            check_choice(name, column, items.columns)
    brought = embedding if isinstance(embedding, Pool) else Pool(embedding=as_embedding(embedding))
    vectors = brought.embedding
    if len(vectors) < 2:
        rule = "a table of at least 2 rows, to compare them with each other"
        raise ValueError(complain("items", rule, what=f"{len(vectors)} row"))
    items = align("items", items, vectors.ids)
    if labels is not None:  # a blank label is none
        items = items.assign(**{labels: items[labels].mask(items[labels].map(_is_blank))})
    seed = check_seed(random_state)
    parts: dict[str, Any] = {
        name: items[column] for name, column in named.items() if column and name != "split"
    }
    pool = brought.replace(**parts) if parts else brought
    graph = pool.embedding.neighbors(min(_NEIGHBORS, len(pool) - 1))
    results: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, find in finders(items, pool, named, seed).items():
        try:
            results[name] = find()
        except Exception as error:  # told in the report: one bad column must not hide the rest
            _log.warning("the finder %s failed: %s", name, error)
            errors[name] = f"{type(error).__name__}: {error}"
    return Audit(
        ids=pool.ids,
        problems=problems_of(items, pool, results, named),
        results=results,
        errors=errors,
        params={
            "verb": "audit",
            "random_state": seed,
            "embedding": pool.embedding.fingerprint,
            "ancestors": pool.embedding.params.get("ancestors", []),
            "recall": graph.recall,
            **named,
        },
    )


def _is_blank(label: object) -> bool:
    return isinstance(label, str) and not label.strip()
