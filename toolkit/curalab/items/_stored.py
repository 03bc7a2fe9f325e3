"""Exports, read back: the same table and ids, or which file is not as it was written."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from curalab._check import complain, first_few
from curalab.items._columns import Spec
from curalab.items._rows import files_of, from_rows, text_type
from curalab.items._schema import arrow_schema, restored

__all__: list[str] = []

MANIFEST, SCHEMA, VERSION = "export.json", "schema.json", 1
TABLES = ("items", "source")
FILES = "files"  # the folder with images and sounds, beside a table of text


def export_of(path: Path) -> tuple[Path, str] | None:
    """Return the export that a folder is, or is a table of, and the table's name."""
    for folder, name in ((path, "items"), (path.parent, path.name)):
        if name in TABLES and path.is_dir():
            if (folder / MANIFEST).is_file():
                return folder, name
            if (folder / SCHEMA).is_file() and (folder / "items").is_dir():  # written last
                raise ValueError(_not_whole(f"no file {MANIFEST!r}"))
    return None


def read_export(folder: Path, name: str) -> pd.DataFrame:
    """Return a table of an export, after a look at every file that belongs to it."""
    manifest = _manifest(folder)
    if "rows" in manifest["left_out"]:
        hint = "It was exported with leave_out='rows': README.md and metrics.json tell of them."
        raise ValueError(complain("source", "an export with rows", hint=hint, what="one without"))
    check_files(folder, manifest["files"])
    schemas = json.loads((folder / SCHEMA).read_text(encoding="utf-8"))
    return read_table(folder / name, manifest["format"], schemas[name])


def _manifest(folder: Path) -> Any:
    rule, what = "an export whose manifest can be read", repr(str(folder / MANIFEST))
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version = manifest["version"]
        if version == VERSION:
            READERS[manifest["format"]], [*manifest["left_out"]], {**manifest["files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(complain("source", rule, what=what)) from error
    if version != VERSION:
        hint = "A newer curalab wrote it: pip install --upgrade curalab."
        what = f"one of version {version!r}"
        raise ValueError(
            complain("source", f"an export of version {VERSION}", hint=hint, what=what)
        )
    return manifest


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_files(folder: Path, known: Mapping[str, str]) -> None:
    """Raise where files of an export are missing, are not what was written, or are more."""
    missing = [name for name in known if not (folder / name).is_file()]
    if missing:
        raise ValueError(_not_whole(f"no file {first_few(missing, 3)}"))
    changed = [name for name, digest in known.items() if checksum(folder / name) != digest]
    if changed:
        raise ValueError(_not_whole(f"another content of {first_few(changed, 3)}"))
    inside = [file for name in TABLES for file in (folder / name).rglob("*") if file.is_file()]
    # SQLite keeps in a "-wal" what is not in the ledger's file yet.
    inside += [file for file in folder.glob("*-wal") if file.stat().st_size]
    names = sorted(file.relative_to(folder).as_posix() for file in inside if file.name[0] != ".")
    more = [name for name in names if name not in known]
    if more:
        raise ValueError(_not_whole(f"files that it does not list: {first_few(more, 3)}"))


def _not_whole(got: str) -> str:
    hint = "Copy the export again from where it came from, or export anew what you changed."
    return complain("source", "an export as it was written", what=got, hint=hint)


# ---- the formats ---------------------------------------------------------------------------------


def read_table(folder: Path, form: str, schema: Spec) -> pd.DataFrame:
    """Return the table that a folder holds in a format."""
    table, files = READERS[form](folder, schema)
    return restored(table, schema, files)


def _parquet(folder: Path, schema: Spec) -> tuple[Any, None]:
    import pyarrow.parquet as pq

    columns = [schema["id"], *schema["fields"]]
    return pq.read_table(folder / f"{folder.name}.parquet", columns=columns), None


def _huggingface(folder: Path, schema: Spec) -> tuple[Any, None]:
    """Read Arrow's files as they are: that needs no package datasets."""
    import pyarrow as pa

    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    parts = []
    for entry in state["_data_files"]:
        with pa.memory_map(str(folder / Path(entry["filename"]).name)) as file:
            parts.append(pa.ipc.open_stream(file).read_all())
    return pa.concat_tables(parts), None


def _csv(folder: Path, schema: Spec) -> tuple[Any, Path]:
    import pyarrow as pa
    import pyarrow.csv as csv

    path = folder / f"{folder.name}.csv"
    types = {field.name: text_type(field.type) for field in arrow_schema(schema)}
    types |= dict.fromkeys(files_of(schema), pa.string())
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(block_size=min(max(path.stat().st_size, 2**20), 2**30)),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return table, folder / FILES


def _imagefolder(folder: Path, schema: Spec) -> tuple[Any, Path]:
    with (folder / "metadata.jsonl").open(encoding="utf-8") as lines:
        return from_rows(
            [json.loads(line) for line in lines], schema, arrow_schema(schema)
        ), folder / FILES


def _webdataset(folder: Path, schema: Spec) -> tuple[Any, dict[str, bytes]]:
    rows, files = [], {}
    for shard in sorted(folder.glob("[!.]*.tar")):
        for name, raw in _members(shard, "" if files_of(schema) else ".json"):
            if name.endswith(".json"):
                rows.append(json.loads(raw))
            else:
                files[name] = raw
    return from_rows(rows, schema, arrow_schema(schema)), files


def _members(shard: Path, ending: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files with an ending."""
    with tarfile.open(shard, "r|") as tar:
        for member in tar:
            if member.name.endswith(ending):
                yield member.name, tar.extractfile(member).read()  # type: ignore[union-attr]


READERS: dict[str, Callable[[Path, Spec], tuple[Any, Any]]] = {
    "parquet": _parquet,
    "csv": _csv,
    "huggingface": _huggingface,
    "imagefolder": _imagefolder,
    "webdataset": _webdataset,
}
