"""What the columns of a table hold, in words and as the front matter of a card."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from curalab.documents._markdown import as_text
from curalab.items._media import is_media
from curalab.items._table import kind_of

__all__ = ["classes_of", "columns_told", "front_matter", "licence_lines", "without_folder"]

_MOST_CLASSES = 50
_LOOKED_AT = 1_000  # images of a column whose sizes are looked at
_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B")
# Identifiers of the hub for licences; others go as "other" with their name.
_LICENCES = (
    " apache-2.0 mit afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause c-uda cc cc0-1.0 "
    "cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 "
    "cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 "
    "cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 "
    "epl-2.0 eupl-1.2 agpl-3.0 gfdl gpl-2.0 gpl-3.0 lgpl-3.0 isc mpl-2.0 odc-by odbl pddl "
    "unlicense zlib ncsa other unknown "
)
# Files with the folders from the root on, and whatever lies in a home: they say who has them where.
_PATH = re.compile(
    r"/(?:[^/\n]+/)+[^/\n]*\.\w{1,5}|(?:/(?:home|Users|root)/|~[/\\]|[A-Za-z]:[/\\]|\\\\|file:)[^\n]*"
)
_TASKS = {"text": "text", "image": "image", "audio": "audio", "number": "tabular"}


def columns_told(items: pd.DataFrame) -> pd.DataFrame:
    """Return one row a column: what it holds, how much is missing, and its range in words."""
    told = []
    for name, column in items.items():
        seen = column.dropna()
        holds, values = _told(seen) if len(seen) else ("nothing", "")
        told.append((name, holds, f"{len(column) - len(seen):,}", values))
    return pd.DataFrame(told, columns=["column", "holds", "missing", "values"])


def _told(seen: pd.Series[Any]) -> tuple[str, str]:
    kind, guess = kind_of(seen.iloc[0]), pd.api.types.infer_dtype(seen)
    if guess == "boolean":
        return "yes or no", f"{seen.astype(bool).mean():.1%} yes"
    if pd.api.types.is_numeric_dtype(seen):
        return "numbers", _range(seen)
    if pd.api.types.is_datetime64_any_dtype(seen):
        return "dates", f"{seen.min():%Y-%m-%d} to {seen.max():%Y-%m-%d}"
    if kind == "image":
        return "images", _sizes(seen)
    if isinstance(seen.iloc[0], str) and guess in ("string", "categorical"):
        noun = "texts" if kind == "text" else "names of audio files"
        return noun, f"{seen.nunique():,} distinct; {_range(seen.str.len())} characters"
    return kind, ""


def _range(numbers: pd.Series[Any]) -> str:
    low, middle, high = numbers.min(), numbers.median(), numbers.max()
    return f"{low:,.6g} to {high:,.6g}, median {middle:,.6g}"


def _sizes(images: pd.Series[Any]) -> str:
    """Say the least and the greatest width and height, of some images where there are many."""
    some = images.iloc[:: -(-len(images) // _LOOKED_AT)]
    sizes = [size for size in map(_size, some) if size]
    told = [] if len(sizes) == len(some) else [f"{len(some) - len(sizes):,} cannot be opened"]
    told += [] if len(some) == len(images) else [f"{len(some):,} looked at"]
    if sizes:
        wide, high = zip(*sizes, strict=True)
        told.insert(0, f"{min(wide)}×{min(high)} to {max(wide)}×{max(high)} pixels")
    return "; ".join(told)


def _size(image: Any) -> tuple[int, int] | None:
    from PIL import Image

    if isinstance(image, str | os.PathLike):
        try:
            with Image.open(image) as opened:
                return opened.size
        except (OSError, ValueError):
            return None
    shape = getattr(image, "shape", None)
    return (shape[1], shape[0]) if shape else image.size


def classes_of(items: pd.DataFrame) -> Iterator[tuple[Any, pd.Series[int]]]:
    """Return columns with few distinct values, and how often each occurs; paths lose folders."""
    for name, column in items.items():
        kind = pd.api.types.infer_dtype(column, skipna=True)
        if kind in ("string", "integer", "boolean", "categorical"):
            try:
                counts = column.value_counts()
            except ValueError:  # numbers in the byte order of another machine
                continue
            counts = counts[counts > 0]
            if 0 < len(counts) <= max(_MOST_CLASSES, len(column) // 20) and (
                len(counts) <= max(2, len(column) // 2)
            ):
                is_path = is_media(column)
                names = [without_folder(value, is_path=is_path) for value in counts.index]
                yield name, counts.set_axis(pd.Index(names, dtype=object), axis=0)


def without_folder(value: Any, *, is_path: bool = False) -> Any:
    """Return the name of a file for its path, and other values as they are."""
    is_text = isinstance(value, str | os.PathLike)
    if is_text and (is_path or _PATH.fullmatch(os.fspath(value))):
        return re.split(r"[/\\]", os.fspath(value).rstrip("/\\"))[-1]
    return value


def front_matter(items: pd.DataFrame, known: Mapping[str, str], label: object) -> Iterator[str]:
    """Return YAML as the Hugging Face hub reads it; texts are written as JSON, which YAML holds."""
    yield from ("---", *licence_lines(known.get("licence", "unknown")))
    spoken = re.split(r"[\s,;]+", known.get("languages", known.get("language", "")))
    is_code = all(re.fullmatch("[a-z]{2,3}", code) for code in spoken)
    if "name" in known:
        yield f"pretty_name: {_json(known['name'])}"
    size = _SIZES[min(max(len(str(len(items))) - 3, 0), len(_SIZES) - 1)]
    others = [items[name].dropna() for name in items if name != label and label in items]
    kinds = [kind_of(column.iloc[0]) for column in others if len(column)]
    tasks = re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)+", known.get("tasks", ""))
    lists = {
        "language": spoken if is_code else [],
        "size_categories": [size],
        "task_categories": tasks
        or [f"{_TASKS[k]}-classification" for k in _TASKS if k in kinds][:1],
        "tags": ["curalab"],
    }
    for name, values in lists.items():
        yield from [f"{name}:"] * bool(values)
        yield from (f"- {_json(value)}" for value in values)  # a bare "no" is a bool in YAML
    yield from ("---", "")


def licence_lines(licence: str) -> Iterator[str]:
    """Return the licence as the hub names it: one of its own identifiers, or "other"."""
    first = (licence.strip().splitlines() or ["unknown"])[0]
    if f" {first.lower()} " in _LICENCES:
        yield f"license: {first.lower()}"
    else:
        yield from ("license: other", f"license_name: {_json(first)}")


def _json(text: str) -> str:
    return json.dumps(as_text(text), ensure_ascii=False)
