"""A table on disk described in Croissant, with its provenance."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from curalab._check import complain, first_few, need_extra
from curalab.documents._markdown import facts_of
from curalab.documents._sections import steps_of
from curalab.items._media import is_media
from curalab.items._stored import checksum, export_of
from curalab.items._table import check_table, kind_of

__all__ = ["Croissant", "croissant"]

_VERSION = "http://mlcommons.org/croissant/1.1"
_FORMATS = {".csv": "text/csv", ".parquet": "application/x-parquet"}
_ADDED = {  # of version 1.1, which the library's own context lacks, and provenance
    **{name: f"cr:{name}" for name in ("arrayShape", "containedIn", "isArray")},
    "prov": "http://www.w3.org/ns/prov#",
}
_TYPES = {"b": "sc:Boolean", "i": "sc:Integer", "u": "sc:Integer", "f": "sc:Float"}
_FACTS = {  # properties, by the names that facts have
    "version": "version",
    "citation": "citeAs",
    "published": "datePublished",
    "url": "url",
}


class Croissant(dict[str, Any]):
    """Croissant metadata as JSON-LD: a dict with `save(path)`, and the checker's `warnings`."""

    warnings: tuple[str, ...] = ()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the metadata to a file, in the folder of the data where it has no `url`."""
        Path(path).write_text(json.dumps(self, indent=1, ensure_ascii=False), encoding="utf-8")


def croissant(
    items: pd.DataFrame,
    ledger: Any,
    *,
    path: str | os.PathLike[str],
    url: str | None = None,
    lineage: Any = None,
) -> Croissant:
    """Describe a table on disk in Croissant 1.1, with PROV-O of the decisions that made it.

    Parameters
    ----------
    items : DataFrame
        The curated table.
    ledger : Ledger
        The decisions that made it.
    path : str or path
        Where the table is: a CSV or Parquet file of all its rows and columns, a folder of such
        files, or what `export` wrote in one of these formats.
    url : str, default=None
        Where the file can be had. None: in the folder where the metadata are saved, that of the
        file or `path` itself.
    lineage : mapping of str to str, Lineage or Card, default=None
        What is known: name, summary, licence, creators, citation, version, published (a date),
        url, languages, source.

    Returns
    -------
    Croissant
        Checked by mlcroissant; `warnings` are the recommended properties that nobody gave.

    Raises
    ------
    ValueError
        The files lack columns or rows of the table, or mlcroissant finds an error.
    MissingExtraError
        mlcroissant is not installed.

    Notes
    -----
    Each curation step is a ``prov:Activity`` with its actor, method, times and counts. CSV has
    no types: mlcroissant reads "007" as 7 and "NA" as missing there. Parquet keeps them.

    References
    ----------
    .. [1] Akhtar et al. (2024), "Croissant: A Metadata Format for ML-Ready Datasets", DEEM.
       arXiv:2403.19546.

    Examples
    --------
    >>> import curalab as cl, pandas as pd, tempfile
    >>> from curalab.documents import croissant
    >>> items = pd.DataFrame({"label": ["a", "b"]})
    >>> with tempfile.TemporaryDirectory() as folder, cl.Ledger(f"{folder}/x.ledger") as ledger:
    ...     items.to_csv(f"{folder}/pets.csv", index=False)
    ...     made = croissant(items, ledger, path=f"{folder}/pets.csv")
    >>> [field["name"] for field in made["recordSet"][0]["field"]]
    ['label']
    """
    mlc = need_extra("mlcroissant", "documents", purpose="Croissant metadata")
    known, files = facts_of(lineage), _files(Path(path))
    table = _on_disk(check_table("items", items), files)
    if url is not None and len(files) > 1:
        raise ValueError(complain("url", "None for a table in several files", url))
    empty = mlc.Metadata(ctx=mlc.Context(conforms_to=_VERSION), name="x")
    made = Croissant(
        {
            "@context": {**empty.to_json()["@context"], **_ADDED},
            "@type": "sc:Dataset",
            "conformsTo": _VERSION,
            "name": known.get("name", Path(path).stem),
            "description": known.get("summary", f"{len(items):,} items."),
            **_known(known),
            "distribution": [_distribution(files, Path(path), url)],
            "recordSet": [_record_set(table, files)],
            **dict(_provenance(items, ledger.decisions(), known)),
        }
    )
    try:
        issues = mlc.Dataset(jsonld=json.loads(json.dumps(made))).metadata.ctx.issues
    except mlc.ValidationError as error:
        raise ValueError(f"mlcroissant refuses the metadata. {error}") from error
    made.warnings = tuple(sorted(issues.warnings))
    return made


def _files(path: Path) -> list[Path]:
    """Return the files of a table: the one that the path is, or those of a folder or an export."""
    folder, name = (path.is_dir() and export_of(path)) or (path, "")
    for ending in _FORMATS:
        inside = [path] if path.suffix == ending else (folder / name).glob(f"[!.]*{ending}")
        if files := sorted(file for file in inside if file.is_file()):
            return files
    rule = "an existing file *.csv or *.parquet, a folder of these, or an export of them"
    raise ValueError(complain("path", rule, str(path)))


def _on_disk(items: pd.DataFrame, files: Sequence[Path]) -> pd.DataFrame:
    """Return the table with its index where the files have that as a column; they must have all."""
    if "" in map(str, items.columns):
        raise ValueError(complain("items", "a table whose columns have names", what="an empty one"))
    held = [_held(file) for file in files]
    n = sum(rows for _, rows in held)
    lacking = [name for name in items if any(str(name) not in names for names, _ in held)]
    if lacking or n != len(items):
        what = f"no column {first_few(lacking)}" if lacking else f"{n:,} rows"
        rule = f"a file of the table, {len(items):,} rows and {items.shape[1]:,} columns"
        raise ValueError(complain("path", rule, what=what))
    known = ["index", "id"] if items.index.name is None else [items.index.name]
    index = next((name for name in known if name in held[0][0] and name not in items), None)
    return items if index is None else items.reset_index(names=index)


def _held(file: Path) -> tuple[list[str], int]:
    """Return the names of the columns of a file, and how many rows it has."""
    if file.suffix == ".csv":
        found = pd.read_csv(file, usecols=[0], dtype=str, keep_default_na=False)
        return list(pd.read_csv(file, nrows=0).columns), len(found)
    from pyarrow import parquet

    with parquet.ParquetFile(file) as held:
        return held.schema_arrow.names, held.metadata.num_rows


def _known(known: Mapping[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {to: known[name] for name, to in _FACTS.items() if name in known}
    if licence := known.get("licence"):
        is_id = re.fullmatch(r"[A-Za-z0-9.+-]+", licence) and not licence.startswith("LicenseRef")
        told["license"] = f"https://spdx.org/licenses/{licence}.html" if is_id else licence
    if "languages" in known:
        told["inLanguage"] = re.split(r"[\s,;]+", known["languages"])
    if "creators" in known:
        names = map(str.strip, known["creators"].split(";"))
        told["creator"] = [{"@type": "sc:Organization", "name": name} for name in names]
    return told


def _distribution(files: Sequence[Path], path: Path, url: str | None) -> dict[str, Any]:
    base = path if path.is_dir() else path.parent
    names = [file.relative_to(base).as_posix() for file in files]
    told = {"@id": "table", "encodingFormat": _FORMATS[files[0].suffix]}
    if len(files) > 1:
        return {"@type": "cr:FileSet", **told, "includes": [glob.escape(name) for name in names]}
    return {
        "@type": "cr:FileObject",
        **told,
        "name": files[0].name,
        "contentUrl": url or names[0],
        "contentSize": f"{files[0].stat().st_size} B",
        "sha256": checksum(files[0]),
    }


def _record_set(table: pd.DataFrame, files: Sequence[Path]) -> dict[str, Any]:
    """Return the fields; their ids, which may hold neither spaces nor signs, are made distinct."""
    fields, taken = [], set()
    of, is_typed = "fileObject" if len(files) == 1 else "fileSet", files[0].suffix == ".parquet"
    for at, column in enumerate(table.columns):
        plain = re.sub(r"\W", "_", str(column))
        key = f"items/{plain}" if plain not in taken else f"items/{plain}_{at}"
        taken.add(plain)
        source: dict[str, Any] = {of: {"@id": "table"}, "extract": {"column": str(column)}}
        field = {"@type": "cr:Field", "@id": key, "name": str(column), "source": source}
        if is_typed and is_media(table[column]):  # as `export` and Hugging Face keep them
            source["transform"] = {"jsonPath": "bytes"}
            is_sound = "audio" in {kind_of(cell) for cell in table[column].dropna()[:1]}
            told = {"dataType": "sc:AudioObject" if is_sound else "sc:ImageObject"}
        else:
            told = _type(table[column], is_typed=is_typed)
        fields.append({**field, **told})
    return {"@type": "cr:RecordSet", "@id": "items", "name": "items", "field": fields}


def _type(column: pd.Series[Any], *, is_typed: bool) -> dict[str, Any]:
    seen = column.dropna()
    if pd.api.types.is_datetime64_any_dtype(column):
        return {"dataType": "sc:DateTime"}
    if len(seen) and is_typed and isinstance(seen.iloc[0], list | tuple):
        inner = pd.Series([value for cell in seen for value in cell])
        return {**_type(inner, is_typed=False), "isArray": True, "arrayShape": "-1"}
    kind = getattr(column.infer_objects().dtype, "kind", "O")
    has_text = isinstance(column.dtype, pd.CategoricalDtype) or kind not in _TYPES
    guess = pd.api.types.infer_dtype(seen) if has_text else ""
    return {"dataType": "sc:Boolean" if guess == "boolean" else _TYPES.get(kind, "sc:Text")}


def _provenance(
    items: pd.DataFrame, standing: pd.DataFrame, known: Mapping[str, str]
) -> Iterator[tuple[str, Any]]:
    """Return what the table was made from, and a step for each actor, method, action and reason."""
    if source := known.get("source", known.get("derived from")):
        yield "prov:wasDerivedFrom", {"@type": "prov:Entity", "name": source}
    if len(standing):
        steps = steps_of(items, standing).to_dict("records")
        yield "prov:wasGeneratedBy", [_activity(n, step) for n, step in enumerate(steps, start=1)]


def _activity(number: int, step: Mapping[Any, Any]) -> dict[str, Any]:
    agents = [{"@type": "prov:Agent", "name": step["actor"]}]
    if step["method"]:
        agents.append({"@type": "prov:SoftwareAgent", "name": step["method"]})
    told = f"{step['action']}: {step['items']:,} items, {step['rows left']:,} rows left"
    return {
        "@type": "prov:Activity",
        "@id": f"step-{number}",
        "name": step["action"],
        "description": f"{told}. {step['reason']}".removesuffix(". "),
        "prov:startedAtTime": step["started"].isoformat(),
        "prov:endedAtTime": step["ended"].isoformat(),
        "prov:wasAssociatedWith": agents,
    }
