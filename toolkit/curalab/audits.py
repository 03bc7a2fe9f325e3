"""The audit: every finder on one neighbour graph, and one ranked list of what they found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import align, check_choice, check_seed, complain
from curalab.duplicates import find_duplicates, find_leakage
from curalab.embedding import Embedding, as_embedding
from curalab.heads import with_proba
from curalab.items import check_items, join
from curalab.label_errors import find_label_errors
from curalab.outliers import find_outliers
from curalab.pool import Pool
from curalab.results import StageResult
from curalab.shift import find_shift

__all__ = ["Audit", "audit"]

_log = logging.getLogger(__name__)
_COLUMNS = ["problem", "n_items", "share", "evidence", "action", "call", "ids"]
_P_VALUE = 0.01
_NEIGHBORS = 30  # as many as duplicates look at


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Audit(StageResult):
    """What every finder found, ranked; row i belongs to `ids[i]`.

    Attributes
    ----------
    problems : DataFrame
        One row a problem, the most pressing first: `problem`, `n_items`, `share` of all items,
        `evidence` and `action` in words, `call` (the Python that records the action) and `ids`.
    results : mapping of str to StageResult
        The results of the finders by stage: "label_errors", "outliers", "duplicates", "shift",
        "leakage", as far as they ran.
    errors : mapping of str to str
        Finders that failed, and what they said.
    """

    columns: ClassVar[Mapping[str, str]] = {}

    problems: pd.DataFrame
    results: Mapping[str, StageResult] = field(default_factory=dict, metadata={"unsaved": True})
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:  # noqa: D102
        failed = f", {len(self.errors)} finders failed" if self.errors else ""
        return f"{len(self.problems):,} problems{failed}"

    def __getitem__(self, stage: str) -> StageResult:
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
        about_items = [r for r in self.results.values() if r.ids.isin(self.ids).all()]
        return join(pd.DataFrame(index=self.ids), *about_items)

    def _repr_html_(self) -> str:
        shown = self.problems.drop(columns="ids")
        shown["share"] = shown["share"].map("{:.1%}".format)
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
        test rows (True, or "test"). Without `labels` no label errors are looked for, without
        `groups` no difference between groups, without `split` no leakage.
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
    seed = check_seed(random_state)
    parts: dict[str, Any] = {
        name: items[column] for name, column in named.items() if column and name != "split"
    }
    pool = brought.replace(**parts) if parts else brought
    if pool.is_labelled.any() and pool.proba is None:
        pool = with_proba(pool, seed)[0]  # once, for all that follow, as the neighbours are
    pool.embedding.neighbors(min(_NEIGHBORS, len(pool) - 1))
    finders = _finders(pool, items[split] if split else None, seed)
    results: dict[str, StageResult] = {}
    errors: dict[str, str] = {}
    for name, find in finders.items():
        try:
            results[name] = find()
        except Exception as error:  # told in the report: one bad column must not hide the rest
            _log.warning("the finder %s failed: %s", name, error)
            errors[name] = f"{type(error).__name__}: {error}"
    problems = _problems(items, pool, results, labels or "label")
    return Audit(
        ids=pool.ids,
        problems=problems,
        results=results,
        errors=errors,
        params={
            "verb": "audit",
            "random_state": seed,
            "embedding": pool.embedding.fingerprint,
            "ancestors": pool.embedding.params.get("ancestors", []),
            **named,
        },
    )


def _finders(
    pool: Pool, split: pd.Series | None, seed: int
) -> dict[str, Callable[[], StageResult]]:
    finders: dict[str, Callable[[], StageResult]] = {
        "duplicates": lambda: find_duplicates(pool, random_state=seed),
        # whatever their labels: a row that two classes might claim is in doubt, and not odd
        "outliers": lambda: find_outliers(pool.replace(labels=None, proba=None), random_state=seed),
    }
    if pool.labels is not None:
        finders["label_errors"] = lambda: find_label_errors(pool, random_state=seed)
    if pool.groups is not None:
        finders["shift"] = lambda: find_shift(pool, method="group_test", random_state=seed)
    else:
        finders["shift"] = lambda: find_shift(pool, method="order", random_state=seed)
    if split is not None:
        finders["leakage"] = lambda: find_leakage(*_sides(pool.embedding, split))
    return finders


def _sides(embedding: Embedding, split: pd.Series) -> tuple[Embedding, Embedding]:
    is_test = split.isin([True, "test"]).to_numpy()
    if is_test.all() or not is_test.any():
        rule = 'a column in which some rows are True or "test", and some are not'
        raise ValueError(complain("split", rule, what=f"{is_test.sum():,} test rows"))
    return embedding.take(embedding.ids[~is_test]), embedding.take(embedding.ids[is_test])


# ---- from results to problems --------------------------------------------------------------------


def _problems(
    items: pd.DataFrame, pool: Pool, results: Mapping[str, Any], labels: str
) -> pd.DataFrame:
    found = list(_of_results(pool, results, labels))
    table = check_items(items.drop(columns=labels, errors="ignore"))
    for problem, rows in table.groupby("problem", sort=False):
        ids = [i for i in rows["id"] if i is not None] or items.index.tolist()
        where = ", ".join(map(str, rows["column"].dropna().unique()))
        evidence = f"in column {where}" if where else "in the ids"
        found.append((1, f"table: {problem}", ids, evidence, "look at the table", ""))
    if pool.labels is not None and not pool.is_labelled.all():
        ids = pool.ids[~pool.is_labelled].tolist()
        call = f"cl.pseudo_label(embedding, items[{labels!r}])"
        found.append((0, "missing labels", ids, "no label", "propose labels", call))
    found.sort(key=lambda row: (-row[0], -len(row[2])))
    told = [
        (problem, len(ids), len(ids) / len(pool), evidence, action, call, ids)
        for _, problem, ids, evidence, action, call in found
    ]
    return pd.DataFrame(told, columns=_COLUMNS)


def _of_results(pool: Pool, results: Mapping[str, Any], labels: str) -> Any:
    """Yield (rank, problem, ids, evidence, action, call); a higher rank is more pressing."""
    if "leakage" in results and len(results["leakage"]):
        ids = results["leakage"].ids.tolist()
        evidence = "test rows with a copy or near-copy among the training rows"
        yield 5, "leakage", ids, evidence, "drop from the test set", _call("drop")
    if "label_errors" in results:
        worst = results["label_errors"]
        flagged = worst.ids[worst.is_error]
        ranked = flagged[np.argsort(worst.quality[worst.is_error], kind="stable")]
        evidence = "labels that the rows' neighbours and a held-out model contradict"
        about = worst.details.get("estimated_errors")
        if about:
            between = f"{about['low']:,} to {about['high']:,}"
            evidence += f"; of all labels about {about['n']:,} are wrong ({between})"
        if len(ranked):
            call = _call("relabel", f"field={labels!r}, new=…")
            yield 4, "label errors", ranked.tolist(), evidence, "review, then relabel", call
    if "duplicates" in results:
        yield from _of_duplicates(pool, results["duplicates"])
    if "shift" in results and results["shift"].p_value < _P_VALUE:
        shift = results["shift"]
        by = "groups" if pool.groups is not None else "the order of rows"
        evidence = f"{by} can be told apart from the vectors (p = {shift.p_value:.2g})"
        ids = pool.ids[np.argsort(-shift.score, kind="stable")[: max(1, len(pool) // 20)]]
        yield 2, "shift", ids.tolist(), evidence, "split and report by group", ""
    if "outliers" in results:
        odd = results["outliers"]
        ids = odd.top(int(odd.is_outlier.sum())).tolist()
        if ids:
            views = odd.details.get("views")
            evidence = "rows far from all others"
            if views is not None:  # what most of them stand out by
                by = views[odd.is_outlier].idxmax(axis=1).mode()[0]
                evidence += f", most of all by their {by}"
            yield 2, "outliers", ids, evidence, "review, then drop", _call("drop")


def _of_duplicates(pool: Pool, copies: Any) -> Any:
    extra = copies.ids[~copies.keep].tolist()
    if extra:
        evidence = f"copies in {copies.n_groups:,} groups, one of each group kept"
        yield 3, "duplicates", extra, evidence, "drop all but one", _call("drop")
    grouped = copies.group >= 0
    codes = pd.Series(np.where(pool.is_labelled, pool.codes, -1), index=pool.ids)
    codes = codes[grouped & pool.is_labelled]
    groups = copies.group[grouped & pool.is_labelled]
    torn = codes.groupby(groups).transform("nunique") > 1
    if torn.any():
        evidence = "copies of one item with different labels"
        ids = codes.index[torn].tolist()
        yield 4, "label conflicts", ids, evidence, "decide which label is right", _call("relabel")


def _call(action: str, more: str = "") -> str:
    rest = f", {more}" if more else ""
    return f"ledger.record(id, action={action!r}{rest}, actor=…)"
