"""What is odd about the cells of a table."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import complain, first_few
from curalab.items._table import kind_of

Finding = tuple[object, object, str]

_FAR = 20  # middle halves away from the median
_ARE = 0.9  # share of texts that are numbers
_CLASSES = 20  # different ones up to which they may be names of classes
_FEWEST = 10  # different numbers below which none is far


def check_items(items: pd.DataFrame) -> pd.DataFrame:
    """List what is odd about the cells of a table, without changing or refusing any.

    Every image and wav file is read once, so that a broken one is known before
    an encoder meets it.

    Parameters
    ----------
    items : DataFrame
        The table, its index holding the ids.

    Returns
    -------
    DataFrame
        One row a finding, with the columns `id` (None where a finding is about
        the whole column), `column` (None where it is about the id) and
        `problem`; empty where nothing is odd. Looked for: missing and repeated
        ids, missing values (one row for each in columns of text, images and
        audio, else their number), empty texts, values of another type than
        most of their column, infinite numbers, numbers far away from all
        others, numbers written as text, names spelled in several ways, constant
        columns, and images and wav files that are unreadable, empty or hold one
        value only.

    Examples
    --------
    >>> import curalab as cl, pandas as pd
    >>> cl.check_items(pd.DataFrame({"text": ["a good one", " "], "year": [2020, 2020]}))
         id column                        problem
    0     1   text                     empty text
    1  None   year  constant: every value is 2020
    """
    if not isinstance(items, pd.DataFrame):
        raise TypeError(complain("items", "a DataFrame", what=type(items).__name__))
    found = list(_odd_ids(items.index))
    for at, column in enumerate(items.columns):
        found += [(id, column, problem) for id, problem in _odd_cells(items.iloc[:, at])]
    return pd.DataFrame(found, columns=["id", "column", "problem"], dtype=object)


def _odd_ids(ids: pd.Index) -> Iterator[Finding]:
    if not len(ids):
        yield None, None, "the table has no rows"
    if missing := int(np.sum(ids.isna())):
        yield None, None, f"{missing:,} of {len(ids):,} ids are missing"
    present = ids.dropna()
    for id, times in Counter(present[present.duplicated()]).items():
        yield id, None, f"the id occurs {times + 1:,} times"


def _odd_cells(cells: pd.Series[Any]) -> Iterator[tuple[object, str]]:
    present = cells[cells.notna()]
    if len(present) < len(cells) and not len(present):
        yield None, "every value is missing"
    if not len(present):
        return
    kinds = _kinds(present)
    main = str(kinds.mode().iloc[0])
    if main in ("image", "audio") or (
        main == "text" and _is_prose(present[(kinds == main).to_numpy()])
    ):
        yield from ((id, f"missing {main}") for id in cells.index[cells.isna()])
    elif len(present) < len(cells):
        yield None, f"{len(cells) - len(present):,} of {len(cells):,} values are missing"
    for id, kind in kinds[kinds != main].items():
        yield id, f"{kind} where most values are {main}"
    yield from _odd_values(present[(kinds == main).to_numpy()], main)


def _kinds(present: pd.Series[Any]) -> pd.Series[str]:
    if present.dtype.kind in "biufcmM" or present.dtype == "category":
        return pd.Series("number", index=present.index)
    return pd.Series([kind_of(cell) for cell in present], index=present.index)


def _is_prose(texts: pd.Series[Any]) -> bool:
    """Whether most values hold more than one word, as a text does and a class name does not."""
    words = [len(text.split()) for text in texts if text.strip()]
    return 2 * sum(n > 1 for n in words) > len(words)


def _odd_values(same: pd.Series[Any], main: str) -> Iterator[tuple[object, str]]:
    if main in ("image", "audio"):
        yield from _unreadable(same, main)
        return
    if main == "text":
        yield from ((id, "empty text") for id, cell in same.items() if not cell.strip())
        yield from _odd_writing(same)
    if same.dtype.kind in "iuf":
        yield from _far_numbers(same)
    if same.dtype.kind == "f":
        yield from ((id, "infinite number") for id in same.index[np.isinf(same.to_numpy())])
    if main in ("text", "number") and len(same) > 1 and same.nunique() == 1:
        yield None, f"constant: every value is {first_few(same.iloc[:1])}"


def _odd_writing(same: pd.Series[Any]) -> Iterator[tuple[object, str]]:
    """Find numbers written as text, and names that differ in case and white space only."""
    spelled = pd.Series(same.unique())
    is_number = pd.to_numeric(spelled, errors="coerce").notna()
    if is_number.mean() >= _ARE and len(spelled) > _CLASSES:
        yield None, "numbers written as text"
        others = same[same.isin(spelled[~is_number])]
        yield from ((id, f"no number: {cell!r}") for id, cell in others.items())
    if 2 * len(spelled) > len(same):  # texts, not names of classes
        return
    times = same.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    usual: dict[str, str] = {}  # how most write each name
    for way in times.index:
        usual.setdefault(_name(way), way)
    others = same[~same.isin(usual.values())]
    for id, cell in sorted(others.items(), key=lambda item: _name(item[1])):
        yield id, f"{cell!r} where most have {usual[_name(cell)]!r}"


def _name(way: str) -> str:
    """Return a name without regard to case and white space."""
    return " ".join(way.split()).casefold()


def _far_numbers(same: pd.Series[Any]) -> Iterator[tuple[object, str]]:
    """Find numbers that lie far from the middle half and from every other number."""
    values = same.astype(float)
    values = values[np.isfinite(values)]
    low, middle, high = values.quantile([0.25, 0.5, 0.75])
    seen = np.sort(values.unique())
    if high <= low or len(seen) < _FEWEST:
        return
    gap = np.diff(seen, prepend=-np.inf, append=np.inf)
    alone = pd.Series(np.minimum(gap[:-1], gap[1:]), index=seen)
    ends = seen[[0, -1]]
    for id, value in values[(values - middle).abs() > _FAR * (high - low)].items():
        if alone[value] > _FAR / 2 * (high - low) and value in ends:
            yield id, f"far from all other numbers: {value:g}"


def _unreadable(cells: pd.Series[Any], kind: str) -> Iterator[tuple[object, str]]:
    from tqdm.auto import tqdm

    read = _pixels if kind == "image" else _samples
    bar = tqdm(cells.items(), total=len(cells), desc=f"reading {cells.name}", disable=None, delay=2)
    for id, cell in bar:
        try:
            values = read(cell)
        except Exception as error:  # a decoder may raise anything, and one bad file is a finding
            yield id, f"unreadable {kind}: {error or type(error).__name__}"
            continue
        if not values.size:
            yield id, f"empty {kind}"
        elif values.dtype.kind == "f" and not np.isfinite(values).all():
            yield id, f"{kind} with NaN or infinite values"
        elif values.min() == values.max():
            yield id, f"blank {kind}: every value is {values.min().item()!r}"


def _pixels(cell: Any) -> np.ndarray[Any, np.dtype[Any]]:
    from PIL import Image

    if isinstance(cell, str):
        with Image.open(cell) as opened:
            return np.asarray(opened)
    return np.asarray(cell)


def _samples(cell: str) -> np.ndarray[Any, np.dtype[Any]]:
    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks that are not sound
        return np.asarray(wavfile.read(cell)[1])
