"""Shift: rows that do not all come from one distribution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from curalab._check import FloatArray, complain
from curalab.pool import Array, Pool, Stage, as_pool, run
from curalab.results import StageResult
from curalab.shift._rephrased import Rephrased, rephrased
from curalab.shift._shortcuts import Shortcuts, shortcuts
from curalab.shift._splits import group_leakage, time_leakage
from curalab.shift.group_test import GroupTest
from curalab.shift.order import Order
from curalab.shift.reference_test import ReferenceTest

__all__ = [
    "STAGE",
    "GroupTest",
    "Order",
    "ReferenceTest",
    "Rephrased",
    "Shift",
    "Shortcuts",
    "find_shift",
    "group_leakage",
    "rephrased",
    "shortcuts",
    "time_leakage",
]

STAGE = Stage(
    name="shift",
    verb="find_shift",
    contract=(
        "A method gets (pool, *, rng) and returns p_value, one number in [0, 1], and score, one "
        "number a row, higher is more shifted."
    ),
    returns=(Array(name="p_value", rows="one", low=0, high=1), Array(name="score")),
    methods={"group_test": GroupTest, "reference_test": ReferenceTest, "order": Order},
    functions={
        "shortcuts": shortcuts,
        "rephrased": rephrased,
        "group_leakage": group_leakage,
        "time_leakage": time_leakage,
    },
    start_here="group_test",
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Shift(StageResult):
    """Whether the rows come from one distribution, and which rows say that they do not.

    Attributes
    ----------
    p_value : float
        How often a difference at least as large would be seen if there was none, from 0 to 1.
    score : ndarray of shape (n_items,), float
        How much a row speaks for the shift; higher is more, and about 0 is nothing. Scales differ
        between methods; ranks compare.
    """

    prefix: ClassVar[str] = "shift"

    p_value: float
    score: FloatArray

    @property
    def summary(self) -> str:  # noqa: D102
        return f"p = {self.p_value:.2g}"

    @property
    def groups(self) -> pd.DataFrame:
        """The groups, told apart best first: `group`, `n`, `auc` and `p_value`.

        Without rows where the method compares no groups. `auc` is the chance that a held-out row
        of the group looks more like it than a row of another group does; 0.5 says that they are
        alike. `p_value` allows for the number of groups.
        """
        found: pd.DataFrame | None = self.details.get("groups")
        return pd.DataFrame(columns=["group", "n", "auc", "p_value"]) if found is None else found


def find_shift(
    embedding: Any,
    *,
    groups: Any = None,
    order: Any = None,
    reference: Any = None,
    method: str | Callable[..., Any] = "group_test",
    random_state: int | None = None,
) -> Shift:
    """Test whether the rows come from one distribution.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    groups : array-like of shape (n_items,), default=None
        Site, speaker, source: for "group_test", which asks whether groups differ.
    order : array-like of shape (n_items,), default=None
        Time or rank: for "order", which asks whether like rows stand near each other. None takes
        the order of the rows.
    reference : Embedding, Pool or array-like of shape (m, d), default=None
        Other rows: for "reference_test", which asks whether the rows differ from them.
    method : str or callable, default="group_test"
        A name in ``cl.methods("shift")``, a method with settings, or a function ``(pool, *, rng)``
        that returns a p-value and one number a row, higher is more shifted.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    Shift

    Raises
    ------
    ValueError
        The method lacks what it compares; fewer than four rows, or than two groups.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(200, 5))
    >>> site = np.repeat(["a", "b"], 100)
    >>> x[site == "b", 2] += 1
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> cl.find_shift(emb, groups=site, random_state=0)
    Shift(200 items, p = 0.005, method=group_test)
    """
    pool = as_pool(embedding, groups=groups, order=order, reference=reference)
    _refuse_other_test(pool, method)
    answer = run(STAGE, method, pool, random_state=random_state)
    return Shift(
        ids=pool.ids,
        p_value=float(answer.arrays["p_value"]),
        score=answer.arrays["score"],
        params=answer.params,
        details=answer.details,
    )


def _refuse_other_test(pool: Pool, method: Any) -> None:
    """Raise where the rows bring what another test compares, and not the groups that this needs."""
    others = {"reference": "reference_test", "order": "order"}
    given = [name for name in others if getattr(pool, name) is not None]
    if method == "group_test" and pool.groups is None and given:
        rule = f"{others[given[0]]!r} to test by {given[0]}=…, as 'group_test' compares groups"
        raise ValueError(complain("method", rule, method))
