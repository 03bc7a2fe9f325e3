"""Problems of single cells: poor texts and images, and what is odd in a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray
from curalab.audits._problem import Problem, call, counted
from curalab.items import check_items

__all__ = ["LOOKS", "of_quality", "of_table", "unusual"]

_EMPTY = 0.5  # of a column's cells, from which it is mostly empty
_LONG = 60  # of a value or a finding
_NAMED = 2  # cells that say why a row is odd
_MEND = "mend them, then embed again"
_CUT = "cut what they share, or drop the copies"
_DROP = "look, then drop or mend"
_USUAL = 0.5  # of the rows, from which a flag is no exception

LOOKS = {  # what the flags of image_quality and text_quality say, what to do, and the number behind
    "is_unreadable": ("cannot be opened", _DROP, ""),
    "is_blank": ("one colour, or nearly so", _DROP, "contrast"),
    "is_dark": ("hardly anything in it is light", _DROP, "light_end"),
    "is_bright": ("hardly anything in it is dark", _DROP, "dark_end"),
    "is_low_contrast": ("little between its lightest and darkest parts", _DROP, "contrast"),
    "is_blurry": ("no sharp edges", _DROP, "sharpness"),
    "is_odd_size": ("much larger or smaller than the others", _DROP, "width"),
    "is_odd_aspect": ("much wider or taller than the others", _DROP, "aspect_ratio"),
    "is_empty": ("no letters or digits", _DROP, ""),
    "is_too_short": ("much shorter than the others", _DROP, "n_characters"),
    "is_too_long": ("much longer than the others", _DROP, "n_characters"),
    "is_other_script": ("in another script than most", _DROP, "other_script"),
    "is_other_language": (
        "perhaps in another language than most, or no words of any",
        _DROP,
        "surprise",
    ),
    "is_boilerplate": ("mostly stretches that many others share", _CUT, "shared"),
    "is_repetitive": ("says the same over and over", _DROP, "repetition"),
    "is_mojibake": ("characters read in a wrong encoding", _MEND, "n_mojibake"),
    "is_html": ("tags and entities left over from HTML", _MEND, "n_html"),
    "is_all_caps": ("nearly all in capitals", _DROP, "capitals"),
    "is_url_only": ("links, and little else", _DROP, "urls"),
}

_KINDS = (  # of the findings of check_items: pattern, problem, what to do
    (
        r"^missing |values are missing$|^every value is missing$",
        "missing values",
        "fill them, or leave the column out",
    ),
    (r"^constant: ", "constant columns", "leave them out"),
    (r"^far from", "far numbers", "check them against the source"),
    (r" where most have ", "one name in several spellings", "write them in one way"),
    (r" where most values are ", "values of another type", "mend them, or cut the column in two"),
    (r"^infinite", "infinite numbers", "mend or drop them"),
    (r"^numbers written|^no number", "numbers written as text", "turn them into numbers"),
    (r"^empty text", "empty texts", "drop or fill them"),
    (r"", "files and ids", "look, then mend or drop"),
)
_OF_LABELS = ["missing values", "constant columns", "empty texts"]
_OF_QUALITY = ["empty texts", "files and ids"]


def of_quality(signals: pd.DataFrame | None) -> Iterator[Problem]:
    """Return a problem for each flag that is raised."""
    if signals is None:
        return
    if "is_blank" in signals:  # which says it all
        shades = ["is_dark", "is_bright"]
        signals = signals.assign(**{name: signals[name] & ~signals["is_blank"] for name in shades})
    for flag in signals.select_dtypes(bool):
        poor = signals[signals[flag]]
        if not len(poor):
            continue
        told, action, number = LOOKS.get(str(flag), ("by its signals", _DROP, ""))
        name = str(flag).removeprefix("is_").replace("_", " ")
        usual = f", median {signals[number].median():.3g}" if number else ""
        why = [f"{number} {value:.3g}{usual}" for value in poor[number]] if number else []
        if len(poor) > _USUAL * len(signals):
            told, action = f"{told}: so are most, it is how the set is made", "look at a few"
        record = call("drop") if action in (_CUT, _DROP) else ""
        yield Problem(1, f"quality: {name}", poor.index.tolist(), told, action, record, why)


# ---- tables --------------------------------------------------------------------------------------


def of_table(items: pd.DataFrame, labels: str | None, judged: object) -> Iterator[Problem]:
    """Return a problem for each kind of finding of `check_items`.

    Missing labels, a single class, and poor cells of the column that `of_quality` has `judged` are
    told elsewhere.
    """
    found = check_items(items)
    kind = [next(at for at, k in enumerate(_KINDS) if re.search(k[0], p)) for p in found["problem"]]
    names = np.array([_KINDS[at][1] for at in kind], dtype=object)
    told_else = (found["column"] == labels) & np.isin(names, _OF_LABELS)
    told_else |= (found["column"] == judged) & np.isin(names, _OF_QUALITY)
    for at, rows in found[~told_else].groupby(pd.Series(kind, found.index, dtype=int)):
        _, problem, action = _KINDS[at]
        maker = _missing if at == 0 else _odd
        ids, why, evidence = maker(items, rows)
        yield Problem(1, f"table: {problem}", ids, evidence, action, "", why)


def _missing(items: pd.DataFrame, rows: pd.DataFrame) -> tuple[list[Any], list[str], str]:
    columns = list(dict.fromkeys(rows["column"].dropna()))
    is_missing = items[columns].isna()
    share = is_missing.mean()
    often = is_missing.loc[:, share < _EMPTY]
    times = often.sum().sort_values(ascending=False, kind="stable")
    told = [f"{column} ({n:,})" for column, n in times.items()]
    hollow = [f"{column} ({share[column]:.0%})" for column in columns if share[column] >= _EMPTY]
    parts = [f"empty cells in {counted(told)}"] if told else []
    parts += [f"mostly empty: {counted(hollow)}"] if hollow else []
    bad = often[often.any(axis=1)]
    bad = bad.loc[bad.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    names = bad.columns.to_numpy()  # an Index takes far longer for each row
    why = [f"no {counted(names[row].tolist())}" for row in bad.to_numpy()]
    return bad.index.tolist(), why, "; ".join(parts)


def _odd(items: pd.DataFrame, rows: pd.DataFrame) -> tuple[list[Any], list[str], str]:
    problems = [problem.removeprefix("constant: ") for problem in rows["problem"]]
    said = [
        f"{column}: {_short(problem)}" if pd.notna(column) else problem
        for column, problem in zip(rows["column"], problems, strict=True)
    ]
    about_rows = rows["id"].notna().to_numpy()
    by_id = pd.Series(said, dtype=object)[about_rows].groupby(
        rows["id"][about_rows].to_numpy(), sort=False
    )
    why = by_id.agg("; ".join)
    times = pd.Series(said).value_counts(sort=True)
    told = [f"{words} ({n:,} rows)" if n > 1 else str(words) for words, n in times.items()]
    return why.index.tolist(), why.tolist(), counted(told)


def unusual(table: pd.DataFrame, rows: AnyArray) -> list[str]:
    """Say by which cells each of the rows stands out, with the share of rows so far out."""
    told = {at: _rarity(table.iloc[:, at]) for at in range(table.shape[1])}
    known = {at: part[rows] for at, part in told.items() if part is not None}
    if not known:
        return ["" for _ in rows]
    columns, share = list(known), np.column_stack(list(known.values()))
    said = []
    for row, parts, order in zip(rows.tolist(), share, share.argsort(axis=1), strict=True):
        named = [(columns[at], parts[at]) for at in order[:_NAMED]]
        said.append(
            "; ".join(
                f"{table.columns[at]} {_short(table.iat[row, at])} ({part:.1%} so rare)"
                for at, part in named
            )
        )
    return said


def _rarity(cells: pd.Series[Any]) -> AnyArray | None:
    """Return the share of rows as far out as each cell, or with the same value.

    None where most values occur once, as in texts and names.
    """
    if pd.api.types.is_numeric_dtype(cells) and cells.dtype != bool and cells.nunique() > 10:
        values = cells.to_numpy(np.float64, na_value=np.nan)
        off = pd.Series(np.abs(values - np.nanmedian(values)))
        share = off.rank(ascending=False, method="max", pct=True)
        return np.asarray(share.fillna(cells.isna().mean()))
    name = pd.Series([str(cell) for cell in cells], dtype=object)
    if 2 * name.nunique() > len(name):
        return None
    return np.asarray(name.map(name.value_counts(normalize=True)))


def _short(value: Any) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "empty"
    text = f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]} …"
