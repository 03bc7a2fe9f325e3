"""Which groups to collect more of: learning curves, costs and a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import (
    BoolArray,
    FloatArray,
    IntArray,
    check_choice,
    check_real,
    check_seed,
    complain,
    first_few,
)
from curalab.pool import Pool
from curalab.selectors._group_curves import fitted, measured

__all__ = ["GroupAllocation", "group_allocation"]

_HALVINGS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupAllocation:
    """How many rows of each group to collect next, and what that is expected to bring.

    Attributes
    ----------
    groups : DataFrame
        One row a group, its index: `have` and `cost` of a row; `next`, rows to collect; `error`
        and `error_after`, by the fitted curve; `a`, `b` and `c` of the curve a + b n^-c.
    curves : DataFrame
        The measured `group`, `n` and `error` that the curves were fitted to.
    compared : DataFrame
        The index holds "optimal", "equal" (as many rows of each group) and "proportional" (to the
        rows there are): the expected `mean` and `worst` error after spending the budget so.
    spent : float
        Cost of the rows to collect; at most the budget.
    objective : str
        What was minimised.
    """

    groups: pd.DataFrame
    curves: pd.DataFrame
    compared: pd.DataFrame
    spent: float
    objective: str

    def __repr__(self) -> str:
        told = ", ".join(f"{name}: {n:,}" for name, n in self.groups["next"].items())
        return f"GroupAllocation({told})"


def group_allocation(
    curves: Any,
    budget: float,
    *,
    costs: Mapping[Any, float] | None = None,
    have: Mapping[Any, int] | None = None,
    weights: Mapping[Any, float] | None = None,
    objective: str = "mean",
    random_state: int | None = None,
) -> GroupAllocation:
    """Spend a budget on rows of groups, where they lower the groups' errors most.

    Each group's error is taken to fall as a + b n^-c with its n rows. What to collect next follows
    from the fitted curves, the costs and the objective, exactly but for whole rows. Collect a part
    of it, measure again and call again: curves are surer with each round.

    Parameters
    ----------
    curves : DataFrame or Pool
        Measured errors: columns `group`, `n` (rows of the group trained on) and `error` (from 0 to
        1, on rows not trained on). Or a Pool with labels and groups: then a linear head is trained
        with parts of each group beside all of the others, and tested on held-out rows of it.
    budget : float
        What may be spent, in the unit of the costs.
    costs : mapping of group to float, default=None
        Cost of a row. None is 1 for all groups.
    have : mapping of group to int, default=None
        Rows there are of each group. None takes the largest `n` measured, or of a pool all rows
        with a label.
    weights : mapping of group to float, default=None
        Weight of each group in the mean error. None weighs all groups alike.
    objective : {"mean", "worst"}, default="mean"
        Lower the weighted mean of the groups' errors, or the error of the group worst off.
        For the worst, a group that more rows do not help is left out.
    random_state : int, default=None
        Seed of the draws from a pool. None draws one.

    Returns
    -------
    GroupAllocation

    Raises
    ------
    ValueError
        A group without a measured error, a cost of 0, or values that make no sense.

    Notes
    -----
    Ours: the paper takes performance as a function of a group's rows, estimated by a parametric
    curve, and leaves the curve to the task. Here a is from 0 to the least error, b from 0, and c
    from 0.1 to 2.5 with a prior around 1/2, for few points cannot tell c from a. A group measured
    at one n gets a = 0 and c = 1/2. Curves of a pool contain what the other groups teach, in a.

    References
    ----------
    .. [1] Cai, Encarnacion, Chern, Corbett-Davies, Bogen, Bergman, Goel (2022), "Adaptive Sampling
       Strategies to Construct Equitable Training Datasets", FAccT. arXiv:2202.01327.

    Examples
    --------
    >>> import pandas as pd
    >>> from curalab.selectors import group_allocation
    >>> n = [100, 200, 400, 800]
    >>> curves = pd.DataFrame({"group": ["north"] * 4 + ["south"] * 4, "n": n * 2,
    ...                        "error": [2 * i**-0.5 for i in n] + [4 * i**-0.5 for i in n]})
    >>> group_allocation(curves, 800, objective="worst").groups["next"].to_dict()
    {'north': 0, 'south': 800}
    >>> group_allocation(curves, 9000).groups["next"].to_dict()
    {'north': 3297, 'south': 5703}
    """
    budget = check_real("budget", budget, low=0, high=np.inf)
    check_choice("objective", objective, ("mean", "worst"))
    if isinstance(curves, Pool):
        curves, rows = measured(curves, np.random.default_rng(check_seed(random_state)))
        have = rows if have is None else have
    table = _checked(curves)
    names = pd.Index(sorted(table["group"].unique()), name="group")
    there = table.groupby("group")["n"].max() if have is None else have
    n = _of("have", there, names, default=0, low=0)
    cost = _of("costs", costs, names, default=1, low=1e-12)
    weight = _of("weights", weights, names, default=1, low=0)
    if not weight.any():
        raise ValueError(complain("weights", "above 0 for one group or more", what="only 0"))
    law = np.array([fitted(*_points(table, name)) for name in names])
    share = weight / weight.sum()
    more = (_for_mean if objective == "mean" else _for_worst)(law, n, cost, share, budget)
    extra = _whole(more, law, n, cost, share, budget, objective)
    frame = pd.DataFrame(
        {"have": n.astype(int), "cost": cost, "next": extra, "error": _error(law, n)}, index=names
    ).assign(error_after=_error(law, n + extra), a=law[:, 0], b=law[:, 1], c=law[:, 2])
    ways = {
        "optimal": extra,
        "equal": np.full(len(n), budget / cost.sum()),
        "proportional": budget * n / max(float(cost @ n), 1e-12),
    }
    after = {name: _error(law, n + rows) for name, rows in ways.items()}
    compared = {name: {"mean": share @ e, "worst": e.max()} for name, e in after.items()}
    return GroupAllocation(
        groups=frame,
        curves=table,
        compared=pd.DataFrame(compared).T,
        spent=float(cost @ extra),
        objective=objective,
    )


def _checked(curves: Any) -> pd.DataFrame:
    columns = ["group", "n", "error"]
    if not isinstance(curves, pd.DataFrame) or not set(columns) <= set(curves.columns):
        rule = "a Pool, or a DataFrame with the columns 'group', 'n' and 'error'"
        got = type(curves).__name__
        if isinstance(curves, pd.DataFrame):
            got = f"the columns {first_few(curves.columns, 20)}"
        raise TypeError(complain("curves", rule, what=got))
    table = curves[columns].reset_index(drop=True)
    if not len(table) or table.isna().any(axis=None):
        what = "missing values" if len(table) else "no rows"
        raise ValueError(complain("curves", "measured errors of one group or more", what=what))
    n, error = table["n"].to_numpy(dtype=float), table["error"].to_numpy(dtype=float)
    if (n < 1).any() or (error < 0).any() or (error > 1).any():
        rule = "of n from 1 and errors from 0 to 1"
        what = f"n from {n.min():g}, errors from {error.min():g} to {error.max():g}"
        raise ValueError(complain("curves", rule, what=what))
    return table


def _of(name: str, given: Any, groups: pd.Index, *, default: float, low: float) -> FloatArray:
    """Return one number a group."""
    if given is None:
        return np.full(len(groups), float(default))
    known = dict(given)
    lacking, extra = [g for g in groups if g not in known], [g for g in known if g not in groups]
    if lacking or extra:
        what = f"none for {first_few(lacking)}" if lacking else f"the groups {first_few(extra)}"
        raise ValueError(complain(name, "given for the measured groups", what=what))
    return np.array([check_real(name, known[g], low=low, high=np.inf) for g in groups])


def _points(table: pd.DataFrame, name: Any) -> tuple[FloatArray, FloatArray]:
    own = table[table["group"] == name]
    return own["n"].to_numpy(dtype=float), own["error"].to_numpy(dtype=float)


# ---- the optimum ---------------------------------------------------------------------------------


def _error(law: FloatArray, n: FloatArray) -> FloatArray:
    """Return a + b n^-c; no rows count as one."""
    a, b, c = law.T
    return np.asarray(a + b * np.maximum(n, 1) ** -c)


def _for_mean(
    law: FloatArray, n: FloatArray, cost: FloatArray, weight: FloatArray, budget: float
) -> FloatArray:
    """Return the rows at which a unit of money brings every group that gets some the same."""
    _, b, c = law.T
    slope = weight * b * c / cost  # gain of one unit of money at n = 1

    def more(log_price: float) -> FloatArray:
        with np.errstate(divide="ignore", over="ignore"):
            wanted = np.exp(np.minimum((np.log(slope) - log_price) / (c + 1), 700))
        return np.asarray(np.maximum(wanted - n, 0))

    return _spending(more, cost, budget, low=-200.0, high=200.0)


def _for_worst(
    law: FloatArray, n: FloatArray, cost: FloatArray, weight: FloatArray, budget: float
) -> FloatArray:
    """Return the rows that bring all groups that can get there down to the same error."""
    a, b, c = law.T
    helped: BoolArray = b > 1e-9
    if not helped.any():
        return np.zeros(len(n))
    floor = float(a[helped].max())

    def more(log_gap: float) -> FloatArray:
        gap = floor + np.exp(log_gap) - a
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            wanted = np.exp(np.minimum(np.log(b / gap) / c, 700))
        return np.where(helped, np.maximum(wanted - n, 0), 0)

    return _spending(more, cost, budget, low=-200.0, high=5.0)


def _spending(more: Any, cost: FloatArray, budget: float, *, low: float, high: float) -> FloatArray:
    """Halve the interval of what decides, until what is asked for costs the budget or less."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if cost @ more(middle) > budget else (low, middle)
    return np.asarray(more(high))


def _whole(
    more: FloatArray,
    law: FloatArray,
    n: FloatArray,
    cost: FloatArray,
    weight: FloatArray,
    budget: float,
    objective: str,
) -> IntArray:
    """Round down, and give what is left to where one more row does most."""
    extra = np.floor(more + 1e-9)
    extra -= np.where((cost @ extra > budget) & (extra > 0), 1, 0)
    while True:
        left = budget - cost @ extra
        error = _error(law, n + extra)
        gain = weight * (error - _error(law, n + extra + 1)) / cost
        if objective == "worst":
            gain = np.where(gain > 0, error, 0)
        gain[cost > left + 1e-9 * max(budget, 1)] = 0
        if not (gain > 0).any():
            return np.asarray(extra, dtype=np.int64)
        extra[int(np.argmax(gain))] += 1
