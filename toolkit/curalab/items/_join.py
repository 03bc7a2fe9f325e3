"""Results beside the items they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pandas as pd

from curalab._check import AlignmentError, align, are_invented, check_ids, complain, first_few
from curalab.items._table import check_table


class Tabular(Protocol):
    """Anything that becomes a table of rows with ids: a result, a Series, a DataFrame."""

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each id."""
        ...


def join(
    items: pd.DataFrame,
    *results: Tabular | pd.DataFrame,
    prefix: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Put the columns of results beside the items they belong to.

    Parameters
    ----------
    items : DataFrame
        The table; its index holds the ids. Every row stays, in its place.
    *results : stage results, DataFrames or Series
        What has `to_frame()`. Rows go by id; a result made from rows without
        ids (an array) goes by position, if it is as long as the table. Where
        a result covers only some items, the others are missing in its columns.
    prefix : str or sequence of str, default=None
        Put before the new columns: one for all results, or one for each. It
        tells two results of the same stage apart.

    Returns
    -------
    DataFrame
        A new table, indexed as `items`.

    Raises
    ------
    ValueError
        A column would be there twice; a result without ids has another length.
    AlignmentError
        A result has no id in common with the items.

    Examples
    --------
    >>> import curalab as cl, pandas as pd
    >>> items = pd.DataFrame({"text": ["good", "bad"]}, index=["a", "b"])
    >>> odd = pd.Series([0.7, 0.1], index=["b", "a"], name="oddness")
    >>> cl.join(items, odd)
       text  oddness
    a  good      0.1
    b   bad      0.7
    """
    check_table("items", items)
    frames = [_placed(items.index, result, n) for n, result in enumerate(results, start=1)]
    for frame, put in zip(frames, _prefixes(prefix, len(frames)), strict=True):
        frame.columns = [f"{put}{column}" if put else column for column in frame.columns]
    _refuse_clashes(items, frames)
    return pd.concat([items, *frames], axis=1)


def _placed(ids: pd.Index, result: Tabular | pd.DataFrame, number: int) -> pd.DataFrame:
    """Return the frame of a result with one row for each of `ids`."""
    if not hasattr(result, "to_frame") and not isinstance(result, pd.DataFrame):
        raise TypeError(
            complain("results", "stage results, DataFrames or Series", what=type(result).__name__)
        )
    frame = result if isinstance(result, pd.DataFrame) else result.to_frame()
    if are_invented(frame.index):
        align(f"result {number}", frame.to_numpy(), ids)
        return frame.set_axis(ids, axis=0)
    check_ids(frame.index)
    if not frame.index.isin(ids).any():
        raise AlignmentError(
            f"The 'results' parameter must be results about these items. Got {first_few(ids, 3)} "
            f"as ids of the items and {first_few(frame.index, 3)} in result {number} instead. "
            "Load the items with the ids that the result was made from."
        )
    return frame.reindex(ids)


def _prefixes(prefix: str | Sequence[str] | None, n: int) -> list[str]:
    if prefix is None or isinstance(prefix, str):
        return [prefix or ""] * n
    if not isinstance(prefix, Sequence) or [type(put) for put in prefix] != [str] * n:
        raise ValueError(complain("prefix", f"a string or {n} strings, one a result", prefix))
    return list(prefix)


def _refuse_clashes(items: pd.DataFrame, frames: Sequence[pd.DataFrame]) -> None:
    owner = dict.fromkeys(items.columns, "the items")
    for number, frame in enumerate(frames, start=1):
        if twice := [column for column in frame.columns if column in owner]:
            raise ValueError(
                "The 'results' parameter must be results with columns of their own. "
                f"Got {first_few(twice)} in {owner[twice[0]]} and in result {number} instead. "
                f"Pass prefix={[f'{chr(97 + i)}_' for i in range(len(frames))]}, one a result."
            )
        owner |= dict.fromkeys(frame.columns, f"result {number}")
