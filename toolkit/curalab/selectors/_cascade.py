"""Selection by rules in order, and the count of what each of them drops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, check_choice, complain, first_few
from curalab.items._table import check_column, check_table
from curalab.results import StageResult
from curalab.selectors._rules import told, verdicts

if TYPE_CHECKING:
    from curalab.ledger import Ledger

__all__ = ["Cascade", "cascade", "funnel"]

_MISSING = ("error", "drop", "keep")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Cascade(StageResult):
    """Which rows pass all rules, and which rule each of the others failed first.

    Attributes
    ----------
    keep : ndarray of shape (n_items,), bool
        Rows that pass every rule.
    rule : ndarray of shape (n_items,)
        Name of the rule that rejected the row, "" where it is kept.
    attrition : DataFrame
        One row a rule, in order: `rule`; `n_in`, the rows that reached it; `dropped`; `missing`,
        the rows that it could not judge; `kept`; and `share`, those kept of all rows. A funnel has
        a first row, of all rows, and two columns a measure.
    """

    prefix: ClassVar[str] = "cascade"

    keep: BoolArray
    rule: AnyArray
    attrition: pd.DataFrame

    @property
    def summary(self) -> str:
        return f"{int(self.keep.sum()):,} kept by {len(self.params['rules'])} rules"

    def accept(self, ledger: Ledger, *, actor: str, rules: Any = None) -> pd.RangeIndex:
        """Write the rejected rows into a ledger, as drops with the rule as the reason.

        Parameters
        ----------
        ledger : Ledger
            Where the decisions go, all of them or none.
        actor : str
            Who decides.
        rules : str or sequence of str, default=None
            Accept what these rules rejected. None accepts all.

        Returns
        -------
        RangeIndex
            The numbers of the events.

        Raises
        ------
        ValueError
            A name in `rules` that is no rule of this cascade.
        """
        made: Mapping[str, Any] = self.params["rules"]
        names = list(made) if rules is None else [rules] if isinstance(rules, str) else list(rules)
        for name in names:
            check_choice("rules", name, made)
        rows = np.flatnonzero(np.isin(self.rule.astype(str), names))
        frame = pd.DataFrame({"row_id": self.ids[rows].astype(object)}, dtype=object)
        frame["action"], frame["actor"], frame["method"] = "drop", actor, self.params["verb"]
        frame["reason"] = [f"fails the rule {name!r}" for name in self.rule[rows]]
        given = {name: {"rule": name, "is": made[name]} for name in names}
        frame["params"] = pd.Series([given[name] for name in self.rule[rows]], dtype=object)
        return ledger.record_many(frame)


def cascade(items: pd.DataFrame, rules: Mapping[str, Any], *, missing: str = "error") -> Cascade:
    """Apply rules in order; a row that fails one never reaches the next.

    Cheap rules go first, and what an expensive or fragile rule sees has passed all others.

    Parameters
    ----------
    items : DataFrame
        The rows; columns of metadata, signals (``signals``) or joined results (``join``).
    rules : mapping of name to rule
        A rule says which rows are kept. It is one of

        - a string, an expression over columns as ``DataFrame.eval`` reads it: ``"width >= 512"``;
        - a pair ``(column, function)``: the function gets one cell and returns True or False;
        - a function of the frame of the rows that are left, which returns True or False for each
          of them, or a result as below, made of these rows;
        - True and False for each row of `items`, by id where they carry ids;
        - a result: `Duplicates` keep one row of each group that is still there, of `Outliers` and
          `LabelErrors` those not marked are kept, of a `Selection` the picks, of a `Cascade` what
          it kept.
    missing : {"error", "drop", "keep"}, default="error"
        What becomes of rows that a rule cannot judge: a missing cell in a column that an expression
        compares (unless it asks for ``isna``, ``notna`` or ``fillna`` of it) or that a function of
        a cell would get, or a missing answer. They are counted in either case.

    Returns
    -------
    Cascade

    Raises
    ------
    ValueError
        A rule raised, returned something else, or met missing values; the error names it.

    References
    ----------
    .. [1] Wang, Li, Li, Wang, Sun, Zhu, et al. (2025), "FaceID-6M: A Large-Scale, Open-Source
       FaceID Customization Dataset". arXiv:2503.07091.

    Examples
    --------
    >>> import pandas as pd
    >>> from curalab.selectors import cascade
    >>> items = pd.DataFrame({"width": [640, 64, 800], "caption": ["a cat", "a cat", "a dog"]})
    >>> rules = {"large": "width >= 512", "has a cat": ("caption", lambda text: "cat" in text)}
    >>> found = cascade(items, rules)
    >>> found.rule.tolist()
    ['', 'large', 'has a cat']
    >>> found.attrition[["rule", "n_in", "dropped", "kept"]].values.tolist()
    [['large', 3, 1, 2], ['has a cat', 2, 1, 1]]
    """
    return _applied("cascade", items, rules, missing)


def funnel(
    items: pd.DataFrame,
    steps: Mapping[str, Any],
    *,
    measures: Sequence[str],
    missing: str = "error",
) -> Cascade:
    """Apply steps in order as `cascade` does, and measure what each of them leaves and drops.

    Where the mean of a measure among the dropped rows is no worse than among those left, the step
    does not do what it is for, or its threshold is too strict.

    Parameters
    ----------
    items : DataFrame
        The rows.
    steps : mapping of name to rule
        As `rules` of `cascade`: expressions over columns, functions, and results of other stages.
    measures : sequence of str
        Numeric columns of `items` whose means tell how good the rows are.
    missing : {"error", "drop", "keep"}, default="error"
        As in `cascade`. Means are of the values that are there.

    Returns
    -------
    Cascade
        Its `attrition` begins with a row for all items, and has for each measure its mean among
        the rows `kept` after the step (``<measure>``) and among those it ``dropped``
        (``<measure>_dropped``); NaN where there are none.

    References
    ----------
    .. [1] Qiu, Lv, Jin, Wang, Ning, Yu, et al. (2024), "WanJuan-CC: A Safe and High-Quality
       Open-sourced English Webtext Dataset". arXiv:2402.19282.

    Examples
    --------
    >>> import pandas as pd
    >>> from curalab.selectors import funnel
    >>> items = pd.DataFrame({"n_words": [3, 40, 50, 60], "quality": [0.1, 0.9, 0.7, 0.2]})
    >>> steps = {"long": "n_words >= 10", "good": "quality > 0.5"}
    >>> funnel(items, steps, measures=["quality"]).attrition[["rule", "kept", "quality"]].round(2)
            rule  kept  quality
    0  all items     4     0.48
    1       long     3     0.60
    2       good     2     0.80
    """
    if isinstance(measures, str):
        raise TypeError(complain("measures", "a list of columns", measures))
    check_table("items", items)
    for column in measures:
        check_column(items, column, name="measures")
        if not pd.api.types.is_numeric_dtype(items[column]):
            raise TypeError(
                complain("measures", "numeric columns", what=f"{column!r}, which is not")
            )
    found = _applied("funnel", items, steps, missing)
    n = len(items)
    first = {"rule": "all items", "n_in": n, "dropped": 0, "missing": 0, "kept": n, "share": 1.0}
    table = pd.concat([pd.DataFrame([first]), found.attrition], ignore_index=True)
    place = pd.Index(["", *steps]).get_indexer(pd.Index(found.rule))
    place[found.keep] = len(table)  # the step that a row does not pass, or beyond the last
    for column in measures:
        values = items[column].to_numpy(dtype=np.float64, na_value=np.nan)
        table[column] = [_mean(values[place > i]) for i in range(len(table))]
        table[f"{column}_dropped"] = [_mean(values[place == i]) for i in range(len(table))]
    return Cascade(
        ids=found.ids, keep=found.keep, rule=found.rule, attrition=table, params=found.params
    )


def _applied(verb: str, items: pd.DataFrame, rules: Any, missing: str) -> Cascade:
    check_table("items", items)
    name = "rules" if verb == "cascade" else "steps"
    if not isinstance(rules, Mapping) or not rules:
        rule = "a mapping of names to rules, at least one"
        raise TypeError(
            complain(name, rule, what=f"{len(rules)} rules" if rules == {} else repr(rules))
        )
    odd = [key for key in rules if not isinstance(key, str) or not key]
    if odd:
        raise TypeError(complain(name, "named by texts that are not empty", what=first_few(odd)))
    check_choice("missing", missing, _MISSING)
    left, rejected, steps = np.arange(len(items)), np.full(len(items), "", dtype=object), []
    for key, rule in rules.items():
        passes, unknown = verdicts(key, rule, items, left)
        if unknown.any() and missing == "error":
            ids = first_few(items.index[left[unknown]])
            raise ValueError(
                f"The rule {key!r} must find a value in every row that reaches it. Got missing "
                f"values in {int(unknown.sum()):,} rows (ids {ids}) instead. "
                "Pass missing='drop' or missing='keep'."
            )
        passes = np.where(unknown, missing == "keep", passes)
        rejected[left[~passes]] = key
        steps.append((key, len(left), int((~passes).sum()), int(unknown.sum()), int(passes.sum())))
        left = left[passes]
    table = pd.DataFrame(steps, columns=["rule", "n_in", "dropped", "missing", "kept"])
    return Cascade(
        ids=items.index,
        keep=rejected == "",
        rule=rejected,
        attrition=table.assign(share=table["kept"] / len(items)),
        params={
            "verb": verb,
            "rules": {key: told(rule) for key, rule in rules.items()},
            "missing": missing,
        },
    )


def _mean(values: AnyArray) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else np.nan
