"""Labeling functions: rules that name a class for an item, or abstain."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import (
    IntArray,
    align,
    carried_ids,
    check_classes,
    complain,
    first_few,
    invented_ids,
)

__all__ = ["RuleVotes", "apply_rules", "labeling_function"]

_log = logging.getLogger(__name__)

_FORM = "functions that take one item and return a class or None"
_KNOWN = "functions that return None or a class out of {}"


@dataclass(frozen=True, kw_only=True, eq=False)
class RuleVotes:
    """What rules said of items.

    Attributes
    ----------
    votes : DataFrame of shape (n_items, n_rules)
        The class that each rule names for each item; None where it abstains.
    table : DataFrame
        One row a rule. `classes` that it named; of all items the shares that it voted on
        (`coverage`), that others voted on too (`overlap`), and on which another named another
        class (`conflict`); `accuracy` of its votes on items with a known label, of which there are
        `n_checked` (NaN where there are none); `n_errors`, the items on which it raised, where it
        abstains, and the `first_error`.
    """

    votes: pd.DataFrame
    table: pd.DataFrame

    def __repr__(self) -> str:
        voted = self.votes.notna().any(axis=1).sum() / max(len(self.votes), 1)
        told = f"RuleVotes({len(self.votes):,} items, {len(self.table)} rules, {voted:.1%} covered"
        return "; ".join([told, *failures(self.table)]) + ")"


def labeling_function(name: Any = None) -> Any:
    """Mark a function as a rule, under its own name or another.

    A rule gets one item, a text or a row of a table, and returns a class, or None to abstain.
    Functions that are not marked do as well; they go by their own names.

    Parameters
    ----------
    name : str, default=None
        What tables and errors call it. None takes the function's name.

    Examples
    --------
    >>> from curalab.pseudo_labels import apply_rules, labeling_function
    >>> @labeling_function
    ... def asks(text):
    ...     return "question" if "?" in text else None
    >>> @labeling_function("thanks somebody")
    ... def thanks(text):
    ...     return "praise" if "thank" in text.lower() else None
    >>> found = apply_rules(["Why?", "Thank you", "Thank whom?"], [asks, thanks])
    >>> found
    RuleVotes(3 items, 2 rules, 100.0% covered)
    >>> found.table["conflict"].round(2).to_dict()
    {'asks': 0.33, 'thanks somebody': 0.33}
    """
    if callable(name):
        return name
    if name is not None and not isinstance(name, str):
        raise TypeError(complain("name", "a str", name, "Decorate with @labeling_function."))

    def marked(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        if name is not None:
            function.rule_name = name  # type: ignore[attr-defined]
        return function

    return marked


def apply_rules(
    items: Any,
    rules: Sequence[Callable[[Any], Any]],
    *,
    labels: Any = None,
    classes: Iterable[Any] | None = None,
) -> RuleVotes:
    """Ask every rule about every item.

    A rule that raises abstains on that item; the others go on, and the table says how often it
    raised, and what first.

    Parameters
    ----------
    items : DataFrame, Series or sequence
        What the rules get one by one; a row of a DataFrame as a dict.
    rules : sequence of callables
        Each takes an item and returns a class, or None to abstain.
    labels : array-like of shape (n_items,), default=None
        Known labels, to measure the rules by; None or NaN is missing.
    classes : sequence, default=None
        The classes that may be named. None takes whatever is.

    Returns
    -------
    RuleVotes

    Raises
    ------
    ValueError
        A rule named something that is not one of `classes`; the error names rule and item.
    """
    names = rule_names(rules)
    if isinstance(items, str | bytes | Mapping) or not hasattr(items, "__len__"):
        form = "a DataFrame, a Series or a sequence of items"
        raise TypeError(complain("items", form, what=type(items).__name__))
    own = carried_ids(items)
    ids = invented_ids(len(items)) if own is None else own
    said = np.full((len(names), len(ids)), None, dtype=object)
    errors: dict[str, tuple[int, str]] = {}
    for i, item in enumerate(_one_by_one(items)):
        for j, rule in enumerate(rules):
            try:
                said[j, i] = rule(item)
            except Exception as error:  # whatever a rule raises, the others go on
                n, first = errors.get(names[j], (0, f"{type(error).__name__}: {error}"))
                errors[names[j]] = n + 1, first
    votes = pd.DataFrame(dict(zip(names, said, strict=True)), index=ids, dtype=object)
    votes = votes.where(votes.notna(), None)
    table = vote_table(votes, labels=labels, classes=classes, name="rules")
    table["n_errors"] = [errors.get(name, (0, ""))[0] for name in names]
    table["first_error"] = [errors.get(name, (0, ""))[1] for name in names]
    for failure in failures(table):
        _log.warning("%s", failure)
    return RuleVotes(votes=votes, table=table)


def rule_names(rules: Any) -> list[str]:
    """Return a distinct name for each rule, or say what is wrong with them."""
    listed = list(rules) if isinstance(rules, list | tuple) else []
    wrong = [rule for rule in listed if not callable(rule)]
    if wrong or not listed:
        got = first_few(wrong) or ("no function" if rules in ([], ()) else type(rules).__name__)
        raise TypeError(complain("rules", f"a list of {_FORM}", what=got))
    plain = [getattr(r, "__name__", type(r).__name__) for r in listed]
    names = pd.Index([str(getattr(r, "rule_name", p)) for r, p in zip(listed, plain, strict=True)])
    twice = names.duplicated(keep=False)
    return [f"{name} {i}" if twice[i] else name for i, name in enumerate(names)]


def vote_table(
    votes: pd.DataFrame, *, labels: Any, classes: Iterable[Any] | None, name: str
) -> pd.DataFrame:
    """Return the table of `RuleVotes` for ready votes; errors call them `name`."""
    stated = None if classes is None else check_classes(pd.Index(list(classes), dtype=object))
    known = named_classes(votes) if stated is None else stated
    codes = vote_codes(votes, known, name=name)
    voted = codes >= 0
    others = voted.sum(axis=1, keepdims=True) - voted
    most, least = codes.max(axis=1), np.where(voted, codes, len(known)).min(axis=1)
    in_conflict = voted & (most > least)[:, None]
    truth = np.full(len(votes), -1)
    if labels is not None:
        truth = known.get_indexer(pd.Index(np.asarray(align("labels", labels, votes.index))))
    checked = voted & (truth >= 0)[:, None]
    n, right = checked.sum(axis=0), (checked & (codes == truth[:, None])).sum(axis=0)
    size = max(len(votes), 1)
    columns = {
        "classes": [", ".join(map(str, known[np.unique(c[c >= 0])])) for c in codes.T],
        "coverage": voted.sum(axis=0) / size,
        "overlap": (voted & (others > 0)).sum(axis=0) / size,
        "conflict": in_conflict.sum(axis=0) / size,
        "accuracy": np.divide(right, n, out=np.full(len(n), np.nan), where=n > 0),
        "n_checked": n,
    }
    return pd.DataFrame(columns, index=pd.Index(votes.columns, name="rule"))


def vote_codes(votes: pd.DataFrame, classes: pd.Index, *, name: str) -> IntArray:
    """Return votes as numbers into `classes`, -1 for none, or name the rule that broke them."""
    codes = np.full(votes.shape, -1)
    place = {_key(c): number for number, c in enumerate(classes)}
    for j, rule in enumerate(votes):
        column = votes.iloc[:, j].to_numpy(dtype=object)
        there = np.flatnonzero(~pd.isna(column))
        codes[there, j] = [place.get(_key(vote), -1) for vote in column[there]]
        wrong = there[codes[there, j] < 0]
        if len(wrong):
            item, vote = votes.index[wrong[0]], column[wrong[0]]
            got = f"{first_few([vote])} by the rule {str(rule)!r} for the item {item!r}"
            rule_of = _KNOWN if name == "rules" else "missing (None or NaN) or a class out of {}"
            allowed = rule_of.format(first_few(classes, 20))
            allowed = allowed if len(classes) else rule_of.partition(" out of ")[0]
            raise ValueError(complain(name, allowed, what=got))
    return codes


def failures(table: pd.DataFrame) -> list[str]:
    """Return one sentence for each rule that raised."""
    if "n_errors" not in table:
        return []
    raised = table.loc[table["n_errors"] > 0, ["n_errors", "first_error"]]
    return [
        f"the rule {name!r} raised on {n:,} items, first {first}"
        for name, n, first in raised.itertuples()
    ]


def _key(value: Any) -> tuple[bool, Any] | None:
    """Return what tells classes apart: True is not the class 1, numpy's 1 is; None for a list."""
    plain = value.item() if isinstance(value, np.generic) else value
    try:
        hash(plain)
    except TypeError:
        return None
    return isinstance(plain, bool), plain


def named_classes(votes: pd.DataFrame) -> pd.Index:
    """Return the distinct classes that occur, sorted where they can be."""
    column = votes.to_numpy(dtype=object).ravel()
    distinct = {_key(vote) for vote in column[~pd.isna(column)]}
    found = [key[1] for key in distinct if key is not None]
    try:
        found.sort()
    except TypeError:
        found.sort(key=repr)
    named: pd.Index = pd.Index(found, dtype=object)
    return named


def _one_by_one(items: Any) -> Iterator[Any]:
    from tqdm.auto import tqdm

    each = items
    if isinstance(items, pd.DataFrame):  # a Series a row takes ten times as long
        rows = zip(*(items[name] for name in items), strict=True)
        each = (dict(zip(items.columns, row, strict=True)) for row in rows)
    yield from tqdm(each, "rules", total=len(items), delay=2, disable=None)
