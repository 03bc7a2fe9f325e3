"""Shortcuts: single columns and trivial rules that solve the task by themselves."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import (
    AnyArray,
    BoolArray,
    IntArray,
    align,
    check_labels,
    check_seed,
    complain,
    first_few,
)
from curalab.heads import folds_of
from curalab.items._table import check_column, check_table
from curalab.pool import describe
from curalab.results import StageResult
from curalab.shift._features import Feature, features_of
from curalab.shift._solving import answers, chance_of, note_on, summary

__all__ = ["Shortcuts", "shortcuts"]

_FOLDS = 5
_FEWEST = 10  # labelled rows
_SURE = 0.05  # corrected p-value up to which a row's table counts a shortcut


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Shortcuts(StageResult):
    """What solves the task without looking at what it is about.

    Attributes
    ----------
    is_solved : ndarray of shape (n_items,), bool
        The best shortcut that is sure (corrected p-value up to 0.05) gives the row its label.
    n_solved_by : ndarray of shape (n_items,), int
        How many of the sure shortcuts do.
    solved_by : ndarray of shape (n_items,)
        The best one that does, as the table calls it; None where none does.
    table : DataFrame
        One row a candidate, the best first: `column`; `kind` ("number", "category", "time",
        "text", "name", "file", "image", "order"; of rules "rule" or "score"); `score` (share of
        the labelled rows solved, out of fold), `baseline` (share of the largest class) and `gap`
        (their difference); `auc` (the chance that a row of a class looks more like it than
        another row does, mean over the classes; 0.5 is chance); `p_value` (corrected for the
        number tried); `n_solved`; `note`.
    solved : DataFrame of shape (n_items, n_candidates), bool
        Which rows each candidate solves, by its name; False where there is no label.
    """

    prefix: ClassVar[str] = "shortcut"

    is_solved: BoolArray
    n_solved_by: IntArray
    solved_by: AnyArray
    table: pd.DataFrame
    solved: pd.DataFrame

    @property
    def summary(self) -> str:
        sure = int((self.table["p_value"] <= _SURE).sum())
        return f"{sure} shortcuts of {len(self.table)} tried"


def shortcuts(
    items: pd.DataFrame,
    *,
    labels: Any,
    heuristics: Mapping[str, Callable[..., Any]] | Sequence[Callable[..., Any]] | None = None,
    random_state: int | None = None,
) -> Shortcuts:
    """Find single columns and trivial rules that solve the task by themselves.

    A model that can be right without the content learns the shortcut, and the test set that has
    it, too, does not tell. Drop the column, split by it, or drop or set apart the rows it solves.

    Parameters
    ----------
    items : DataFrame
        The table. Judged are the columns as they are (numbers, categories, times); of texts their
        length, first and last word; of names of files the folder, the suffix, the parts of the
        name and the size of the file; of images width, height, aspect ratio and mean brightness; of
        identifiers (names that all differ) their parts; the ids; and the order of the rows.
    labels : str or array-like of shape (n_items,)
        The column with the classes, or the classes themselves. Rows without one are not judged.
    heuristics : mapping of str to callable, or sequence of callables, default=None
        Rules of your own: each gets a row as a dict, without the labels, and returns a class,
        or a number that tells classes apart, or None where it does not know.
    random_state : int, default=None
        Seed of the folds. None draws one and records it.

    Returns
    -------
    Shortcuts
        ``details["left_out"]`` names the columns that cannot be judged, and why.

    Raises
    ------
    RuntimeError
        A rule failed; the error names it and the row.

    Notes
    -----
    Every candidate is judged by what it says of rows that it was not fitted on, in five parts:
    numbers by a decision tree of up to 16 leaves, categories by the classes of the other rows with
    the same value. What a rule returns counts as it is where it is a class. The p-value comes
    from two halves, each judged by what the other taught, as answers over five parts depend on each
    other. Two one-sided tests are made: of the share of rows solved against the largest class
    (binomial), and of the ranks of the probabilities of each class (Mann–Whitney), which sees what
    is solved in rare classes. The least p-value is multiplied by the number of tests, halves and
    candidates (Bonferroni). Rows are taken as independent: copies, and long runs of one source,
    make everything significant.

    `note` says where a column is a copy or a recoding of the label (its values and the classes
    stand one to one for 99 % of the rows), and where a candidate is, or is read off, an identifier
    (a column of names or whole numbers of which 95 % differ). The order of the rows is the
    candidate "(row order)".

    Ours: [1]_ applies rules of its own task, visual grounding with names, and drops what they
    solve; here any rule does, every column is one, and chance is taken into account.

    References
    ----------
    .. [1] Luo, Banerjee, Gokhale, Yang, Baral (2022), "To Find Waldo You Need Contextual Cues:
       Debiasing Who's Waldo", ACL, arXiv:2203.16682.

    Examples
    --------
    >>> import curalab as cl, numpy as np, pandas as pd
    >>> from curalab.shift import shortcuts
    >>> rng = np.random.default_rng(0)
    >>> label = rng.choice(["cat", "dog"], 200)
    >>> items = pd.DataFrame({"camera": np.where(label == "cat", "A", "B"), "label": label})
    >>> items["light"] = rng.random(200)
    >>> found = shortcuts(items, labels="label", random_state=0)
    >>> found.table[["column", "score", "note"]].head(1)
       column  score                   note
    0  camera    1.0  recoding of the label
    """
    check_table("items", items)
    given, rest = _labels(items, labels)
    _, codes, classes = check_labels(given)
    _refuse(codes, classes)
    seed = check_seed(random_state)
    rules = _named(heuristics)
    candidates, left_out = features_of(rest)
    candidates += [_applied(name, rule, rest, classes) for name, rule in rules.items()]
    candidates = _distinct(candidates)
    rows = np.flatnonzero(codes >= 0)
    rng = np.random.default_rng(seed)
    fold, half = (folds_of(codes[rows], n_folds, rng=rng) for n_folds in (_FOLDS, 2))
    told, solved = [], {}
    for feature in candidates:
        values = feature.values[rows]
        proba, guess = answers(feature.kind, values, codes[rows], classes, fold)
        chance = chance_of(feature.kind, values, codes[rows], classes, half)
        p_value = min(1.0, chance * len(candidates))
        note = note_on(feature, values, codes[rows], classes)
        told.append(summary(feature, codes[rows], proba, guess, p_value, note))
        solved[feature.name] = np.zeros(len(items), dtype=bool)
        solved[feature.name][rows] = guess == codes[rows]
    table = pd.DataFrame(told).sort_values(["auc", "score"], ascending=False, kind="stable")
    table = table.reset_index(drop=True)
    wide = pd.DataFrame(solved, index=items.index)[table["column"].tolist()]
    return Shortcuts(
        ids=items.index,
        **_by_row(table, wide),
        table=table,
        solved=wide,
        params={
            "verb": "shortcuts",
            "labels": labels if isinstance(labels, str) else None,
            "heuristics": {name: describe(name, rule) for name, rule in rules.items()},
            "random_state": seed,
        },
        details={"left_out": left_out},
    )


# ---- what goes in --------------------------------------------------------------------------------


def _labels(items: pd.DataFrame, labels: Any) -> tuple[Any, pd.DataFrame]:
    """Return the labels, and the table without them."""
    if isinstance(labels, str):
        check_column(items, labels, name="labels")
        return items[labels], items.drop(columns=labels)
    return align("labels", labels, items.index), items


def _refuse(codes: IntArray, classes: AnyArray) -> None:
    n = int((codes >= 0).sum())
    if n < _FEWEST:
        rule = f"present for at least {_FEWEST} rows"
        raise ValueError(complain("labels", rule, what=f"labels of {n} rows"))
    if len(classes) < 2:
        raise ValueError(complain("labels", "of at least two classes", what="one class"))
    if 2 * len(classes) > n:
        got = f"{len(classes):,} different labels for {n:,} rows"
        hint = "Cut numbers into classes with pandas.cut."
        raise ValueError(complain("labels", "classes, of two rows or more", what=got, hint=hint))


def _named(heuristics: Any) -> dict[str, Callable[..., Any]]:
    rule = "a mapping of names to functions, or a sequence of functions"
    if heuristics is None:
        return {}
    if isinstance(heuristics, str) or not isinstance(heuristics, Mapping | Sequence):
        raise TypeError(complain("heuristics", rule, what=type(heuristics).__name__))
    if not isinstance(heuristics, Mapping):
        names = [getattr(made, "__name__", type(made).__name__) for made in heuristics]
        if len(set(names)) < len(names):
            got = f"the names {first_few(names)}"
            raise ValueError(complain("heuristics", "of different names", what=got))
        heuristics = dict(zip(names, heuristics, strict=True))
    for made in heuristics.values():
        if not callable(made):
            raise TypeError(complain("heuristics", rule, made))
    return {str(name): made for name, made in heuristics.items()}


def _applied(
    name: str, rule: Callable[..., Any], items: pd.DataFrame, classes: AnyArray
) -> Feature:
    """Return what a rule says of each row: class numbers (-1 is none), or numbers."""
    said = []
    for id, row in zip(items.index, items.to_dict("records"), strict=True):
        try:
            said.append(rule(row))
        except Exception as error:  # a rule of the user may raise anything
            raise RuntimeError(f"The rule {name!r} failed on id {id!r}: {error!r}") from error
    number = {known: i for i, known in enumerate(classes.tolist())}
    missing = [value is None or value is pd.NA or value != value for value in said]
    present = [value for value, none in zip(said, missing, strict=True) if not none]
    if all(isinstance(value, Hashable) and value in number for value in present):
        codes = [-1 if none else number[v] for v, none in zip(said, missing, strict=True)]
        return Feature(name, "rule", np.array(codes, dtype=np.int64))
    odd = [value for value in present if not isinstance(value, numbers.Real | np.bool_)]
    if odd:
        rule_text = "functions that return a class, a number or None"
        got = f"{first_few(odd[:1])} by {name!r}"
        raise TypeError(complain("heuristics", rule_text, what=got))
    values = [np.nan if none else float(v) for v, none in zip(said, missing, strict=True)]
    return Feature(name, "score", np.array(values))


def _distinct(candidates: list[Feature]) -> list[Feature]:
    """Return the candidates under names of their own."""
    seen: dict[str, int] = {}
    renamed = []
    for feature in candidates:
        times = seen[feature.name] = seen.get(feature.name, 0) + 1
        renamed.append(feature._replace(name=f"{feature.name} ({times})") if times > 1 else feature)
    return renamed


def _by_row(table: pd.DataFrame, solved: pd.DataFrame) -> dict[str, Any]:
    """Return what the sure shortcuts solve, and which of them is first in the table."""
    is_sure = (table["p_value"] <= _SURE).to_numpy()
    by = solved.to_numpy()[:, is_sure]
    names = np.array([*table["column"][is_sure], None], dtype=object)
    first = np.where(by.any(axis=1), (by.cumsum(axis=1) == 0).sum(axis=1), len(names) - 1)
    return {
        "is_solved": by[:, :1].any(axis=1),
        "n_solved_by": by.sum(axis=1),
        "solved_by": names[first],
    }
