"""Duplicates, leakage and outliers whose truth is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import (
    IntArray,
    check_choice,
    check_seed,
    complain,
    first_few,
)
from curalab.items._table import check_column, check_table
from curalab.samples import _edits
from curalab.samples._rows import (
    Planted,
    content_of,
    count_of,
    fresh_ids,
    insert,
    put_cells,
    some_rows,
    to_floats,
)

_EDITS: dict[str, dict[str, Any]] = {
    "image": {"jittered": _edits.jitter_image},
    "text": {"jittered": _edits.jitter_text, "paraphrase": _edits.paraphrase},
    "number": {"jittered": None},
}


def plant_duplicates(
    items: pd.DataFrame,
    *,
    share: float = 0.05,
    kind: str | Sequence[str] = "exact",
    column: str | None = None,
    random_state: int | None = None,
) -> Planted:
    """Add copies of some rows.

    Parameters
    ----------
    items : DataFrame
        The table, its index holding the ids.
    share : float, default=0.05
        Copies, as a share of the rows, 0 to 1. A row is copied once at most.
    kind : str or sequence of str, default="exact"
        "exact", "jittered" or "paraphrase" (texts); several are used in equal
        parts. Jittered images are moved by up to 1/128 of their side, up to 5 %
        lighter or darker and 2 % noisy; jittered texts are typed again with
        slips; jittered numbers get 1 % of the column's standard deviation as
        noise. Paraphrases have synonyms, fewer fillers and reordered sentences.
    column : str, default=None
        The column that is edited. None takes `image`, else `text`, else every
        column of numbers but `label`. The rest of the row is copied as it is.
    random_state : int, default=None
        Seed. None draws one.

    Returns
    -------
    Planted
        `truth` has a row for each pair: `id_a` (the original), `id_b` (the
        copy) and `kind`. Duplicates that were there before are not in it.

    Examples
    --------
    >>> import curalab as cl
    >>> planted = cl.plant_duplicates(
    ...     cl.samples.digits(), kind=["exact", "jittered"], random_state=0
    ... )
    >>> len(planted.items), planted.truth["kind"].value_counts().to_dict()
    (1887, {'exact': 45, 'jittered': 45})
    """
    check_table("items", items)
    rng = np.random.default_rng(check_seed(random_state))
    copies, kinds, rows = _copies(items, count_of(share, len(items)), kind, column, rng)
    copies.index = fresh_ids(items.index, items.index, len(copies), rng)
    truth = {"id_a": items.index[rows], "id_b": copies.index, "kind": kinds}
    return Planted(items=insert(items, copies, rng), truth=pd.DataFrame(truth))


def plant_leakage(
    train: pd.DataFrame,
    test: pd.DataFrame,
    *,
    share: float = 0.05,
    kind: str | Sequence[str] = "exact",
    column: str | None = None,
    random_state: int | None = None,
) -> Planted:
    """Add copies of training rows to a test table.

    Parameters
    ----------
    train, test : DataFrame
        Tables with the same columns, their index holding the ids.
    share : float, default=0.05
        Copies, as a share of the rows of `test`, 0 to 1.
    kind, column, random_state
        As for `plant_duplicates`.

    Returns
    -------
    Planted
        `items` is the test table with the copies in it. `truth` has a row for
        each copy: `test_id`, `train_id` (where it comes from) and `kind`.

    Examples
    --------
    >>> import curalab as cl
    >>> items = cl.samples.digits()
    >>> planted = cl.plant_leakage(items[:1000], items[1000:], random_state=0)
    >>> len(planted.truth), len(planted.items)
    (40, 837)
    """
    check_table("train", train)
    check_table("test", test)
    if differing := set(train.columns) ^ set(test.columns):
        got = f"{first_few(sorted(map(str, differing)))} on one side only"
        raise ValueError(complain("test", "a table with the columns of 'train'", what=got))
    rng = np.random.default_rng(check_seed(random_state))
    copies, kinds, rows = _copies(train, count_of(share, len(test)), kind, column, rng)
    copies.index = fresh_ids(test.index, train.index, len(copies), rng)
    truth = {"test_id": copies.index, "train_id": train.index[rows], "kind": kinds}
    changed = insert(test, copies[list(test.columns)], rng)
    return Planted(items=changed, truth=pd.DataFrame(truth))


def plant_outliers(
    items: pd.DataFrame,
    *,
    share: float = 0.05,
    column: str | None = None,
    source: pd.DataFrame | None = None,
    random_state: int | None = None,
) -> Planted:
    """Add items that come from elsewhere.

    Parameters
    ----------
    items : DataFrame
        The table, its index holding the ids.
    share : float, default=0.05
        New rows, as a share of the old ones, 0 to 1.
    column : str, default=None
        The column that is foreign. None takes `image`, else `text`, else every
        column of numbers but `label`. The other cells are those of a random
        row, so that an outlier has a label like any other.
    source : DataFrame, default=None
        A table with that column, whose rows are foreign here. None makes them:
        for images, pieces of two photographs, or an image of the table with
        its tiles shuffled, of a real row's brightness and contrast; for texts,
        words of the table in no order, as many as a real row has; for numbers,
        even draws from each column's range made 10 % wider at both ends, the
        "global anomalies" of [1]_.
    random_state : int, default=None
        Seed. None draws one.

    Returns
    -------
    Planted
        `truth` is indexed by id, in the order of `items`: `is_outlier` (bool).

    References
    ----------
    .. [1] Han, Hu, Huang, Jiang, Zhao (2022), "ADBench: Anomaly Detection
       Benchmark", NeurIPS, arXiv:2206.09426.

    Examples
    --------
    >>> import curalab as cl
    >>> planted = cl.plant_outliers(cl.samples.tables("wine"), random_state=0)
    >>> int(planted.truth["is_outlier"].sum())
    9
    """
    check_table("items", items)
    columns, content = content_of(items, column)
    rng = np.random.default_rng(check_seed(random_state))
    n = count_of(share, len(items))
    new = items.iloc[some_rows(items, columns, n, rng)].copy()
    if source is not None:
        check_table("source", source)
        for name in columns:
            check_column(source, name, name="source")
        foreign = source.iloc[some_rows(source, columns, n, rng)]
    for name in columns:
        given = _foreign(items[name], new[name], content, rng) if source is None else foreign[name]
        put_cells(new, name, list(given))
    new.index = fresh_ids(items.index, items.index, len(new), rng)
    changed = insert(items, new, rng)
    truth = pd.DataFrame({"is_outlier": changed.index.isin(new.index)}, index=changed.index)
    return Planted(items=changed, truth=truth)


def _foreign(
    column: pd.Series[Any], like: pd.Series[Any], content: str, rng: np.random.Generator
) -> Iterable[Any]:
    if content == "number":
        return _edits.foreign_numbers(column, len(like), rng)
    if content == "image":
        return [_edits.foreign_image(cell, rng) for cell in like]
    words = _edits.vocabulary(column)
    return [_edits.foreign_text(cell, words, rng) for cell in like]


def _copies(
    items: pd.DataFrame,
    n: int,
    kind: str | Sequence[str],
    column: str | None,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, list[str], IntArray]:
    columns, content = content_of(items, column)
    wanted = [kind] if isinstance(kind, str) else list(kind)
    hint = f"These fit a column of {content}s."
    for each in wanted or [""]:
        check_choice("kind", each, ("exact", *_EDITS[content]), hint=hint)
    rows = some_rows(items, columns, n, rng)
    kinds = [wanted[i % len(wanted)] for i in range(n)]
    copies = items.iloc[rows].copy()
    jittered = np.array(kinds) == "jittered"
    for name in columns:
        if content == "number":
            new: Any = _edits.jitter_numbers(copies[name], items[name], rng)
            new = np.where(jittered, new, to_floats(copies[name]))
        else:
            edit = _EDITS[content]
            pairs = zip(copies[name], kinds, strict=True)
            new = [edit[how](cell, rng) if how in edit else cell for cell, how in pairs]
        put_cells(copies, name, new)
    return copies, kinds, rows
