"""How much better a model does on some subgroups of a class than on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import align, carried_ids, check_labels, complain, first_few, invented_ids
from curalab._hidden import is_metrics_only

__all__ = ["SubgroupGap", "subgroup_gap"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SubgroupGap:
    """Accuracy by class and subgroup.

    Attributes
    ----------
    macro_std : float
        Mean over the classes of the weighted standard deviation of accuracy over subgroups, from
        0 to 0.5; 0 is no gap.
    by_chance : float
        What it would be about if subgroups made no difference: small ones differ by chance.
    p_value : float
        Chance of differences as large if subgroups made none (chi-squared, all classes).
    accuracy : float
        Share of all rows predicted rightly.
    worst : mapping
        `class`, `group`, `n`, `accuracy`, `low` and `high` of the subgroup of the lowest accuracy;
        the largest of those that tie.
    classes : DataFrame
        One row a class: `n`, `accuracy`, `std`, `by_chance`, `p_value`.
    table : DataFrame
        One row a class and subgroup: `n`, `accuracy`, its 95 % interval (Wilson) from `low` to
        `high`, `gap` (accuracy minus that of the class) and `is_worse` (the class's accuracy lies
        above the interval).
    """

    macro_std: float
    by_chance: float
    p_value: float
    accuracy: float
    worst: dict[str, Any]
    classes: pd.DataFrame
    table: pd.DataFrame

    def __repr__(self) -> str:
        return (
            f"SubgroupGap(macro_std={self.macro_std:.3f}, by chance {self.by_chance:.3f}, "
            f"accuracy={self.accuracy:.3f}, worst {self.worst['accuracy']:.3f} in class "
            f"{self.worst['class']!r}, group {self.worst['group']!r}, n={self.worst['n']})"
        )

    def _repr_html_(self) -> str:
        from html import escape

        table = "" if is_metrics_only() else self.table.to_html(border=0)
        return f"<p><code>{escape(repr(self))}</code></p>{table}"

    def to_frame(self) -> pd.DataFrame:
        """Return `table`: one row a class and subgroup."""
        return self.table.copy()


def subgroup_gap(labels: Any, predictions: Any, *, groups: Any) -> SubgroupGap:
    """Measure how unequal a model's accuracy is over the subgroups of each class (MacroStd).

    Parameters
    ----------
    labels : array-like of shape (n,)
        True classes.
    predictions : array-like of shape (n,)
        Predicted classes, or one column of them. Aligned with `labels` by id where both carry ids.
    groups : array-like of shape (n,)
        Subgroup of each row: background colour, site, speaker.

    Returns
    -------
    SubgroupGap

    Notes
    -----
    With n_cg rows and accuracy a_cg in subgroup g of class c, and a_c the accuracy of the class,
    MacroStd is the mean over c of sqrt(Σ_g n_cg (a_cg - a_c)² / n_c), as the paper describes it
    in words. It adds up chance: were subgroups drawn at random, the expected square of class c
    would be a_c (1 - a_c) (G_c - 1) / (n_c - 1) with G_c subgroups, and `by_chance` is the mean
    over c of its root. Compare the two before reading anything into the first.

    References
    ----------
    .. [1] Chiu, Chen, Ma (2023), "Better May Not Be Fairer: A Study on Subgroup Discrepancy in
       Image Classification", ICCV, arXiv:2212.08649.

    Examples
    --------
    >>> from curalab.explanations import subgroup_gap
    >>> gap = subgroup_gap(["a"] * 4, ["a", "a", "a", "b"], groups=["x", "x", "y", "y"])
    >>> gap.macro_std, gap.worst["group"]
    (0.25, 'y')
    """
    frame = _frame(labels, predictions, groups)
    cells = frame.groupby(["class", "group"], sort=True)["right"].agg(["size", "mean"])
    table = cells.reset_index().set_axis(["class", "group", "n", "accuracy"], axis=1)
    whole = frame.groupby("class")["right"].mean()
    table["low"], table["high"] = _wilson(table["accuracy"].to_numpy(), table["n"].to_numpy())
    table["gap"] = table["accuracy"] - table["class"].map(whole)
    table["is_worse"] = table["high"] < table["class"].map(whole)
    classes, p_value = _by_class(table, whole)
    order = np.lexsort((-table["n"].to_numpy(), table["accuracy"].to_numpy()))
    keys = ["class", "group", "n", "accuracy", "low", "high"]
    return SubgroupGap(
        macro_std=float(classes["std"].mean()),
        by_chance=float(classes["by_chance"].mean()),
        p_value=p_value,
        accuracy=float(frame["right"].mean()),
        worst={key: table[key].tolist()[order[0]] for key in keys},
        classes=classes,
        table=table,
    )


def _frame(labels: Any, predictions: Any, groups: Any) -> pd.DataFrame:
    """Return one row an item: class, group, and whether it is predicted rightly."""
    ids = carried_ids(labels)
    ids = invented_ids(len(labels)) if ids is None else ids
    if not len(ids):
        raise ValueError(complain("labels", "at least one label", what="0 labels"))
    given = {"labels": labels, "predictions": predictions, "groups": groups}
    parts = {name: check_labels(align(name, v, ids), name=name) for name, v in given.items()}
    for name, (_, codes, _) in parts.items():
        if (codes < 0).any():
            what = f"none in {int((codes < 0).sum()):,} rows (ids {first_few(ids[codes < 0])})"
            raise ValueError(complain(name, "present for every row", what=what))
    true, guess = parts["labels"], parts["predictions"]
    kinds = [type(classes.tolist()[0]).__name__ for classes in (true[2], guess[2])]
    if "str" in kinds and kinds[0] != kinds[1]:
        rule, what = "of the type of the labels", f"{kinds[1]} where labels are {kinds[0]}"
        raise TypeError(complain("predictions", rule, what=what))
    known = pd.Index(true[2])
    return pd.DataFrame(
        {
            "class": true[2][true[1]],
            "group": parts["groups"][2][parts["groups"][1]],
            "right": known.get_indexer(pd.Index(guess[2]))[guess[1]] == true[1],
        }
    )


def _by_class(table: pd.DataFrame, accuracy: pd.Series) -> tuple[pd.DataFrame, float]:
    from scipy.stats import chi2

    rows, total, freedom = [], 0.0, 0
    for name, cells in table.groupby("class", sort=True):
        n, mean = int(cells["n"].sum()), float(accuracy[name])
        square = float((cells["n"] * cells["gap"] ** 2).sum() / n)
        chance = mean * (1 - mean) * (len(cells) - 1) / max(n - 1, 1)
        # n · square / (mean (1 - mean)) is Pearson's statistic of right against subgroup
        statistic = square / chance * (len(cells) - 1) if chance > 0 else 0.0
        degrees = len(cells) - 1 if chance > 0 else 0
        p_value = float(chi2.sf(statistic, degrees)) if degrees else 1.0
        rows.append((name, n, mean, square**0.5, chance**0.5, p_value))
        total, freedom = total + statistic, freedom + degrees
    names = ["class", "n", "accuracy", "std", "by_chance", "p_value"]
    return pd.DataFrame(rows, columns=names), float(chi2.sf(total, freedom)) if freedom else 1.0


def _wilson(share: Any, n: Any) -> tuple[Any, Any]:
    """Return the ends of the 95 % interval of a share; it holds for small n and at 0 and 1."""
    z = 1.959964
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
