"""Tables of items from files, folders and other libraries."""

from __future__ import annotations

import difflib
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from curalab._check import complain, first_few
from curalab.items._folders import read_metadata, read_saved, read_shards, shards_of
from curalab.items._parquet import below_each_other, parquet_files, refuse_other_columns
from curalab.items._stored import export_of, read_export
from curalab.items._table import AUDIO, IMAGES, check_column, check_distinct, check_table

_log = logging.getLogger(__name__)

_TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
_SEPARATOR = {".csv": ",", ".tsv": "\t"}
_FILES = {"image": IMAGES, "audio": AUDIO}


def load_items(source: object, *, id: str | None = None) -> pd.DataFrame:
    """Read a table of items and give every row an id.

    Parameters
    ----------
    source : str, Path, DataFrame, Arrow table or Hugging Face Dataset
        A file (csv, tsv, parquet, jsonl, ndjson), a folder of images or of
        wav files, a table in memory, or a folder that `export`, Hugging Face
        (`save_to_disk`, or files with a metadata.csv), WebDataset (tar
        files, or one of them) or `map_batches` (Parquet files, one table in
        parts) wrote. Text files are UTF-8. Cells are read
        as pandas reads them: empty ones and words such as NA are missing.
    id : str, optional
        The column with the ids; it becomes the index. None keeps the index
        that a DataFrame or a parquet file brings, and numbers the rows of
        other sources 0 to n-1 in their order; such numbers stay valid only as
        long as no row is added or removed above. In a folder the id is the
        file's path inside it, with forward slashes; in tar files the key. An
        export brings its own ids, and its table with the same dtypes.

    Returns
    -------
    DataFrame
        One row an item, the index holds distinct ids. A folder has the column
        `image` or `audio` (the path of the file) and, where there are
        sub-folders, `label` (the first sub-folder; missing for files outside
        any). Images stored inside a table (as Hugging Face does) are opened as
        PIL images, and class numbers of a Dataset become class names.

    Raises
    ------
    FileNotFoundError
        Nothing is at that path; the message names the nearest file.
    ValueError
        The file is of an unknown kind, broken or not UTF-8; the table is
        empty; the id column is not there; ids are missing or occur twice; a
        file of an export is missing or was changed.
    TypeError
        `source` is none of the above.

    See Also
    --------
    check_items : what is odd about the table's cells.

    Examples
    --------
    >>> import curalab as cl, pandas as pd
    >>> table = pd.DataFrame({"sku": ["a", "b"], "text": ["good", "bad"]})
    >>> cl.load_items(table, id="sku").loc["b", "text"]
    'bad'
    """
    if isinstance(source, pd.DataFrame):
        table = source.copy()
    elif isinstance(source, str | Path):
        path = _existing(Path(source))
        known = _of_other_programs(path)
        if known is None and path.is_dir():
            return _read_folder(path, id)
        table = _read_file(path, id) if known is None else known
    elif hasattr(source, "to_pandas"):
        table = _from_arrow(source)
    else:
        raise TypeError(_not_a_source(source))
    return _with_ids(table, id)


def _not_a_source(source: object) -> str:
    rule = "a path, a DataFrame, an Arrow table or a Hugging Face Dataset"
    hint = ""
    if (
        source
        and isinstance(source, dict)
        and all(hasattr(s, "to_pandas") for s in source.values())
    ):
        hint = f"Pass one of its splits: {first_few(source)}."
    return complain("source", rule, what=type(source).__name__, hint=hint)


def _existing(path: Path) -> Path:
    if path.exists():
        return path
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    hint = f"Did you mean {str(path.parent / near[0])!r}?" if near else ""
    if not path.parent.is_dir():
        hint = f"There is no folder {str(path.parent)!r}."
    rule = "a file or folder that exists"
    raise FileNotFoundError(complain("source", rule, what=repr(str(path)), hint=hint))


def _with_ids(table: pd.DataFrame, id: str | None) -> pd.DataFrame:
    check_distinct("source", table.columns)
    if id is None or id == table.index.name:
        return check_table("source", table)
    check_column(table, id, name="id")
    ids = table[id]
    if ids.hasnans:
        rows = np.flatnonzero(ids.isna())
        got = f"none in {len(rows):,} of {len(ids):,} rows (row {first_few(rows)}) of {id!r}"
        raise ValueError(complain("id", "a column with a value in every row", what=got))
    if ids.duplicated().any():
        got = f"{first_few(ids[ids.duplicated()].unique())} more than once in {id!r}"
        raise ValueError(complain("id", "a column of distinct ids", what=got))
    return check_table("source", table.set_index(id))


def _of_other_programs(path: Path) -> pd.DataFrame | None:
    """Return the table of an export, or of a folder with more than files; None for others."""
    export = export_of(path)
    if export:
        return read_export(*export)
    if shards := shards_of(path):
        return read_shards(shards)
    if path.is_dir():
        saved = read_saved(path)
        if saved is not None:
            return _from_arrow(saved)
        described = read_metadata(path, lambda file: _read_file(file, None))
        return _in_parts(path) if described is None else described
    return None


def _in_parts(path: Path) -> pd.DataFrame | None:
    """Return the table whose parts are the Parquet files of a folder without images or sounds."""
    files = parquet_files(path)
    if not files or any(file.suffix.lower() in IMAGES + AUDIO for file in path.rglob("*")):
        return None
    refuse_other_columns("source", files)
    return below_each_other([_read_file(file, None) for file in files])


# ---- files ---------------------------------------------------------------------------------------


def _read_file(path: Path, id: str | None) -> pd.DataFrame:
    suffix = path.suffix.lower()
    if suffix not in _TABLES:
        rule = f"a folder or a file ending in {', '.join(_TABLES)}"
        hint = "Read it with pandas and pass the DataFrame."
        raise ValueError(complain("source", rule, what=repr(str(path)), hint=hint))
    try:
        if suffix == ".parquet":
            return _open_images(pd.read_parquet(path))
        if suffix in (".jsonl", ".ndjson"):
            return pd.read_json(path, lines=True, dtype=False)
        as_text = None if id is None else {id: str}
        table = pd.read_csv(path, sep=_SEPARATOR[suffix], low_memory=False, dtype=as_text)
    except UnicodeDecodeError as error:
        raise ValueError(_not_utf8(path)) from error
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except ValueError as error:  # pandas' and Arrow's own errors are ValueErrors
        rule = f"a {suffix[1:]} file that can be read"
        hint = f"Reading failed: {str(error).strip()}"
        raise ValueError(complain("source", rule, what=repr(str(path)), hint=hint)) from error
    return _numbered(table, id)


def _numbered(table: pd.DataFrame, id: str | None) -> pd.DataFrame:
    """Make ids read as text integers again, unless that would change one, as 007 to 7."""
    if id in table.columns:
        as_number = pd.to_numeric(table[id], errors="coerce")
        if as_number.dtype.kind == "i" and (as_number.astype(str) == table[id]).all():
            return table.assign(**{str(id): as_number})
    return table


def _not_utf8(path: Path) -> str:
    data = path.read_bytes()
    encoding, hint = "cp1252", "If it comes from a Western Windows program"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding, hint = "utf-16", "It looks like UTF-16"
    got = "other text"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        got = f"byte 0x{data[error.start]:02x} at position {error.start:,}, line {line:,}"
    how = {".csv": "", ".tsv": ", sep='\\t'"}.get(path.suffix.lower(), ", lines=True")
    reader = "read_json" if "lines" in how else "read_csv"
    way = f"cl.load_items(pd.{reader}({str(path)!r}{how}, encoding={encoding!r}))"
    got = f"{got}, in {str(path)!r}"
    return complain("source", "a file of UTF-8 text", what=got, hint=f"{hint}, read it with {way}")


def _read_folder(path: Path, id: str | None) -> pd.DataFrame:
    if id is not None:
        hint = "The ids of a folder are the paths inside it."
        raise ValueError(complain("id", "None for a folder", id, hint))
    inside = [p for p in path.rglob("*") if p.is_file()]
    names = [p.relative_to(path) for p in inside]
    names = [n for n in names if not any(part.startswith((".", "__")) for part in n.parts)]
    found = {kind: [n for n in names if n.suffix.lower() in ends] for kind, ends in _FILES.items()}
    kinds = [kind for kind, files in found.items() if files]
    if len(kinds) != 1:
        got = "both" if kinds else f"neither among {len(names):,} files"
        rule = "a folder of images or a folder of wav files"
        raise ValueError(complain("source", rule, what=f"{got} in {str(path)!r}"))
    kind = kinds[0]
    files = sorted(found[kind], key=lambda n: n.as_posix())
    if len(files) < len(names):
        other = next(n for n in names if n not in set(files))
        left = f"{len(names) - len(files):,} of {len(names):,}"
        _log.warning("Left out %s files in %s that are not %s files: %s …", left, path, kind, other)
    ids = pd.Index([n.as_posix() for n in files], name="id")
    items = pd.DataFrame({kind: [str(path / n) for n in files]}, index=ids)
    labels = [n.parts[0] if len(n.parts) > 1 else None for n in files]
    if any(labels):
        items["label"] = pd.Series(labels, index=ids)
    return items


def _from_arrow(source: Any) -> pd.DataFrame:
    table = source.to_pandas()
    if not isinstance(table, pd.DataFrame):
        raise TypeError(_not_a_source(source))
    table = _open_images(table)
    for column, feature in (getattr(source, "features", None) or {}).items():
        if names := getattr(feature, "names", None):
            table[column] = table[column].map(dict(enumerate(names)))
    return table


def _open_images(table: pd.DataFrame) -> pd.DataFrame:
    """Open the images that a Hugging Face table stores as {"bytes": …, "path": …}."""
    for column, cells in table.items():
        if pd.api.types.is_object_dtype(cells) and any(map(_is_stored, cells)):
            table[column] = pd.Series(map(_opened, cells), index=table.index, dtype=object)
    return table


def _is_stored(cell: object) -> bool:
    return isinstance(cell, dict) and cell.keys() == {"bytes", "path"}


def _opened(cell: Any) -> object:
    if not _is_stored(cell):
        return cell
    from PIL import Image

    if cell["bytes"] is None:
        return cell["path"]
    try:
        return Image.open(io.BytesIO(cell["bytes"]))
    except OSError:  # left as it is: check_items says which rows these are
        return cell
