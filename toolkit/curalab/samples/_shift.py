"""A group unlike the others, whose name is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._check import (
    IntArray,
    check_choice,
    check_integer,
    check_labels,
    check_real,
    check_seed,
    complain,
)
from curalab.items._table import check_column, check_table
from curalab.samples import _edits
from curalab.samples._rows import Planted, content_of, put_cells, to_floats

_SIGNATURE = "Read the full terms on our website."


def plant_shift(
    items: pd.DataFrame,
    *,
    kind: str = "content",
    column: str | None = None,
    group: str = "group",
    n_groups: int = 4,
    strength: float = 0.5,
    random_state: int | None = None,
) -> Planted:
    """Split the table into groups, one of which is unlike the others.

    Parameters
    ----------
    items : DataFrame
        The table, its index holding the ids. The order of its rows stays.
    kind : {"content", "classes"}, default="content"
        "content": the items of one group look different: images are paler and
        have less contrast, a share `strength` of the texts ends with the same
        sentence, numbers are moved by `strength` standard deviations, up or
        down. "classes": nothing is changed, but one group has other shares of
        the classes.
    column : str, default=None
        For "content" the column that changes: None takes `image`, else `text`,
        else every column of numbers but `label`. For "classes" the column of
        class labels; None takes `label`.
    group : str, default="group"
        Name of the new column, with the groups "a", "b", …
    n_groups : int, default=4
        Groups of equal size, 2 to 26.
    strength : float, default=0.5
        How strong the shift is, 0 (none) to 1.
    random_state : int, default=None
        Seed. None draws one.

    Returns
    -------
    Planted
        `truth` is indexed by group: `is_shifted` (bool).

    Examples
    --------
    >>> import curalab as cl
    >>> planted = cl.plant_shift(cl.samples.digits(), random_state=0)
    >>> planted.truth["is_shifted"].tolist()
    [False, False, False, True]
    """
    check_table("items", items)
    check_choice("kind", kind, ("content", "classes"))
    check_integer("n_groups", n_groups, low=2, high=min(26, len(items)))
    check_real("strength", strength, low=0, high=1)
    if group in items.columns:
        raise ValueError(complain("group", "the name of a new column", group))
    rng = np.random.default_rng(check_seed(random_state))
    names = np.array([chr(97 + i) for i in range(n_groups)], dtype=object)
    shifted = int(rng.integers(n_groups))
    order: IntArray = rng.permutation(len(items))
    if kind == "classes":
        order = _tilted(items, column or "label", strength, rng)
    # The first n / n_groups rows of `order` make the shifted group, the others are mixed again.
    place = np.arange(len(items)) * n_groups // len(items)
    order = np.concatenate([order[place == 0], rng.permutation(order[place > 0])])
    number = np.empty(len(items), dtype=np.intp)
    number[order] = (place + shifted) % n_groups
    changed = items.copy()
    changed[group] = pd.Series(names[number], index=items.index)
    if kind == "content":
        _drift(changed, np.flatnonzero(number == shifted), column, strength, rng)
    truth = pd.DataFrame({"is_shifted": np.arange(n_groups) == shifted})
    return Planted(items=changed, truth=truth.set_axis(pd.Index(names, name=group), axis=0))


def _tilted(
    items: pd.DataFrame, column: str, strength: float, rng: np.random.Generator
) -> IntArray:
    """Return all rows in a random order in which some classes tend to come first."""
    check_column(items, column)
    _, codes, classes = check_labels(items[column], name=column)
    if len(classes) < 2:
        raise ValueError(complain("column", "a column of two classes or more", column))
    favoured = rng.permutation(len(classes)) < len(classes) // 2
    weight = np.where(favoured[codes] & (codes >= 0), np.exp(3 * strength), 1.0)
    return np.argsort(rng.exponential(size=len(items)) / weight)


def _drift(
    changed: pd.DataFrame,
    rows: IntArray,
    column: str | None,
    strength: float,
    rng: np.random.Generator,
) -> None:
    columns, content = content_of(changed, column)
    for name in columns:
        if content == "number":
            cells: Any = to_floats(changed[name])
            cells[rows] += rng.choice([-1, 1]) * strength * np.nanstd(cells)
        else:
            cells = changed[name].tolist()
            for row in rows[changed[name].notna().to_numpy()[rows]]:
                if content == "image":
                    cells[row] = _edits.fade_image(cells[row], strength)
                elif rng.random() < strength:
                    cells[row] = f"{cells[row]} {_SIGNATURE}"
        put_cells(changed, name, cells)
