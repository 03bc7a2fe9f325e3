"""A table on disk described in Croissant, with its provenance."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from curalab._check import complain, first_few, need_extra
from curalab.documents._markdown import facts_of
from curalab.documents._sections import steps_of
from curalab.items._table import check_table

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
        Where the table is: a CSV or Parquet file of all its rows and columns.
    url : str, default=None
        Where the file can be had. None: beside the metadata.
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
        The file lacks columns or rows of the table, or mlcroissant finds an error.
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
    known, file = facts_of(lineage), Path(path)
    table = _on_disk(check_table("items", items), file)
    empty = mlc.Metadata(ctx=mlc.Context(conforms_to=_VERSION), name="x")
    made = Croissant(
        {
            "@context": {**empty.to_json()["@context"], **_ADDED},
            "@type": "sc:Dataset",
            "conformsTo": _VERSION,
            "name": known.get("name", file.stem),
            "description": known.get("summary", f"{len(items):,} items."),
            **_known(known),
            "distribution": [_file_object(file, url)],
            "recordSet": [_record_set(table, file.name)],
            **dict(_provenance(items, ledger.decisions(), known)),
        }
    )
    try:
        issues = mlc.Dataset(jsonld=json.loads(json.dumps(made))).metadata.ctx.issues
    except mlc.ValidationError as error:
        raise ValueError(f"mlcroissant refuses the metadata. {error}") from error
    made.warnings = tuple(sorted(issues.warnings))
    return made


def _on_disk(items: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Return the table with its index where the file has it as a column; the file must have all."""
    if file.suffix not in _FORMATS or not file.is_file():
        raise ValueError(complain("path", "an existing file *.csv or *.parquet", str(file)))
    if file.suffix == ".csv":
        found = pd.read_csv(file, usecols=[0], dtype=str, keep_default_na=False)
        names, n = list(pd.read_csv(file, nrows=0).columns), len(found)
    else:
        from pyarrow import parquet

        held = parquet.ParquetFile(file)
        names, n = held.schema_arrow.names, held.metadata.num_rows
    lacking = [name for name in items.columns if name not in names]
    if lacking or n != len(items):
        what = f"no column {first_few(lacking)}" if lacking else f"{n:,} rows"
        rule = f"a file of the table, {len(items):,} rows and {items.shape[1]:,} columns"
        raise ValueError(complain("path", rule, what=what))
    index = items.index.name or "index"
    return items.reset_index(names=index) if index in names and index not in items else items


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


def _file_object(file: Path, url: str | None) -> dict[str, Any]:
    with file.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": "table",
        "name": file.name,
        "contentUrl": url or file.name,
        "contentSize": f"{file.stat().st_size} B",
        "encodingFormat": _FORMATS[file.suffix],
        "sha256": sha256,
    }


def _record_set(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """Return the fields; their ids, which may hold neither spaces nor signs, are made distinct."""
    fields, taken = [], set()
    for at, column in enumerate(table.columns):
        plain = re.sub(r"\W", "_", str(column))
        key = f"items/{plain}" if plain not in taken else f"items/{plain}_{at}"
        taken.add(plain)
        source = {"fileObject": {"@id": "table"}, "extract": {"column": str(column)}}
        field = {"@type": "cr:Field", "@id": key, "name": str(column), "source": source}
        fields.append({**field, **_type(table[column], is_typed=name.endswith(".parquet"))})
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
