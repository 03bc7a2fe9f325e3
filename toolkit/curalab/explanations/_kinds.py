"""What items are, and which method of explaining suits them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

__all__ = ["DEFAULTS", "kind_of", "texts_of"]

DEFAULTS: Mapping[str, str] = {"text": "words", "columns": "rules", "other": "medoids"}

_FILE = r"(?i)\.(?:png|jpe?g|gif|bmp|tiff?|webp|wav)$"
_WORDS = 2  # in a text, on average; values of a category have fewer


def kind_of(data: Any) -> str:
    """Return "text", "columns" (a table) or "other" (images, sounds, nothing)."""
    if texts_of(data, least=_WORDS) is not None:
        return "text"
    return "columns" if isinstance(data, pd.DataFrame) and data.shape[1] else "other"


def texts_of(data: Any, *, least: float = 0) -> list[str] | None:
    """Return the texts of the items: the data itself, or its column of longest texts.

    None where there are none with `least` words on average; names of files are none.
    """
    columns = [data] if not isinstance(data, pd.DataFrame) else [data[name] for name in data]
    texts = [column for column in map(_as_texts, columns) if column is not None]
    texts = [column for column in texts if column.str.count(r"\S+").mean() >= least]
    if not texts:
        return None
    longest = max(texts, key=lambda column: column.str.len().mean())
    return longest.fillna("").tolist()


def _as_texts(data: Any) -> pd.Series[str] | None:
    if data is None:
        return None
    column = pd.Series(list(data), dtype=getattr(data, "dtype", object))
    if pd.api.types.infer_dtype(column, skipna=True) != "string":
        return None
    return None if column.str.contains(_FILE).mean() > 0.5 else column
