"""Folders as other programs write them: Hugging Face's, WebDataset's."""

from __future__ import annotations

import io
import json
import logging
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import complain, first_few, need_extra
from curalab.items._images import open_raw
from curalab.items._media import sound_of
from curalab.items._table import AUDIO, IMAGES

__all__: list[str] = []

_log = logging.getLogger(__name__)

SHARDS = (".tar", ".tar.gz", ".tgz")
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_COLUMN = {"txt": "text", "cls": "label", "wav": "audio"} | {end[1:]: "image" for end in IMAGES}


def read_saved(path: Path) -> Any:
    """Return the Hugging Face Dataset that `save_to_disk` wrote, None where there is none."""
    if (path / "dataset_dict.json").is_file():
        splits = json.loads((path / "dataset_dict.json").read_text(encoding="utf-8"))["splits"]
        hint = f"Pass the folder of one of them: {first_few(splits)}."
        got = f"the {len(splits)} splits in {str(path)!r}"
        raise ValueError(complain("source", "one Dataset", hint=hint, what=got))
    if not all((path / name).is_file() for name in ("state.json", "dataset_info.json")):
        return None
    datasets = need_extra("datasets", "documents", purpose="Reading a Hugging Face Dataset")
    return datasets.load_from_disk(str(path))


# ---- folders of images or sounds with a table of metadata ----------------------------------------


def read_metadata(path: Path, read: Callable[[Path], pd.DataFrame]) -> pd.DataFrame | None:
    """Return files and what the metadata beside them say, None where there are none."""
    tables = sorted(file for file in path.rglob("metadata.*") if file.name in _METADATA)
    if not tables:
        return None
    made = pd.concat([_described(path, file, read(file)) for file in tables])
    files = [f for f in path.rglob("*") if f.suffix.lower() in IMAGES + AUDIO]
    known = {cell for _, column in made.items() for cell in column if isinstance(cell, str)}
    other = [file for file in files if str(file) not in known]
    if other:
        told = f"{len(other):,} of {len(files):,}"
        _log.warning("Left out %s files that no metadata name: %s …", told, other[0])
    return made


def _described(path: Path, file: Path, table: pd.DataFrame) -> pd.DataFrame:
    named = [name for name in table.columns if str(name).endswith("file_name")]
    if not named:
        got = f"the columns {first_few(table.columns, 20)} in {str(file)!r}"
        raise ValueError(complain("source", "metadata with a column 'file_name'", what=got))
    ids = [(file.parent / str(name)).relative_to(path).as_posix() for name in table[named[0]]]
    for name in named:
        cells = [str(file.parent / cell) if isinstance(cell, str) else None for cell in table[name]]
        missing = [cell for cell in cells if cell and not Path(cell).is_file()]
        if missing:
            rule = "a folder with every file that its metadata name"
            raise ValueError(complain("source", rule, what=f"no file {first_few(missing, 3)}"))
        table[name] = pd.Series(cells, index=table.index, dtype=table[name].dtype)
    return table.rename(columns={name: _column_of(name, table[name]) for name in named}).set_axis(
        pd.Index(ids, name="id"), axis=0
    )


def _column_of(name: str, paths: pd.Series[Any]) -> str:
    is_sound = any(str(path).lower().endswith(AUDIO) for path in paths)
    return name.removesuffix("file_name").removesuffix("_") or ("audio" if is_sound else "image")


# ---- WebDataset ----------------------------------------------------------------------------------


def shards_of(path: Path) -> list[Path]:
    """Return the tar files of a folder without images and sounds, or the one that the path is."""
    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    shards = [file for file in inside if file.name.endswith(SHARDS)]
    is_of_files = shards and any(f.suffix.lower() in IMAGES + AUDIO for f in path.rglob("*"))
    return [] if is_of_files else shards


def read_shards(shards: Sequence[Path]) -> pd.DataFrame:
    """Return samples, one row each: fields of JSON, texts, images, sounds, or bytes."""
    keys: list[str] = []
    rows: list[dict[str, Any]] = []
    for shard in shards:
        samples: dict[str, dict[str, Any]] = {}
        for key, ending, raw in _members(shard):
            samples.setdefault(key, {}).update(_parsed(ending, raw))
        keys += samples
        rows += samples.values()
    return pd.DataFrame(rows, index=pd.Index(keys, name="id"))


def _members(shard: Path) -> Iterator[tuple[str, str, bytes]]:
    try:
        with tarfile.open(shard, "r|*") as tar:
            for member in tar:
                folder, slash, name = member.name.removeprefix("./").rpartition("/")
                key, _, ending = name.partition(".")
                file = tar.extractfile(member)
                if file and key and not key.startswith("__"):
                    yield f"{folder}{slash}{key}", ending.lower(), file.read()
    except tarfile.TarError as error:
        hint = f"Reading failed: {error}"
        got = repr(str(shard))
        raise ValueError(
            complain("source", "tar files that can be read", hint=hint, what=got)
        ) from error


def _parsed(ending: str, raw: bytes) -> dict[str, Any]:
    """Return the cells that a file of a sample holds, by column."""
    column, _, kind = ending.rpartition(".")
    cell: Any = raw
    if kind == "json":
        cell = json.loads(raw)
        if isinstance(cell, dict):
            return cell
    elif kind in ("txt", "cls"):
        text = raw.decode(errors="replace")
        cell = int(text) if kind == "cls" and text.strip().isdigit() else text
    elif kind == "npy":
        cell = np.load(io.BytesIO(raw), allow_pickle=False)
    elif kind in _COLUMN:
        try:
            cell = sound_of(raw) if kind == "wav" else open_raw(raw)
        except (OSError, ValueError):  # left as it is: check_items says which rows these are
            cell = {"bytes": raw, "path": None}
    return {column or _COLUMN.get(kind, kind): cell}
