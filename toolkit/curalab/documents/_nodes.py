"""The nodes of a knowledge graph: JSON-LD in the words of RO-Crate, PROV-O and REPRODUCE-ME."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pandas as pd

from curalab.documents._terms import read_licence

__all__ = ["Node", "ledger_nodes", "lineage_nodes", "notebook_nodes", "root_nodes"]

Node = dict[str, Any]
_STATUS = "http://schema.org/{}ActionStatus"
_KEYS = ["actor", "method", "action", "field"]


def _ref(kind: str, name: Any) -> dict[str, str]:
    return {"@id": f"#{kind}/{quote(str(name), safe='')}"}


def _node(id: Mapping[str, str], types: str, told: Mapping[str, Any]) -> Node:
    """Return a node of what is known: None, "" and empty lists are left out."""
    known = {key: value for key, value in told.items() if value not in (None, "", [])}
    return {**id, "@type": types.split(), **known}


def _licence(id: str | None) -> Any:
    """Return the address of a single licence of SPDX; else the expression as text."""
    single = id and " " not in id and not id.startswith("LicenseRef-") and id != "NOASSERTION"
    return {"@id": f"https://spdx.org/licenses/{id}"} if single else id


def root_nodes(
    items: pd.DataFrame | None, name: str, lineage: Any, books: list[dict[str, Any]]
) -> Iterator[Node]:
    """Yield the descriptor of the crate, its root and the curated table."""
    about = {"about": {"@id": "./"}, "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"}}
    yield _node({"@id": "ro-crate-metadata.json"}, "CreativeWork", about)
    of = lineage.params["of"] if lineage is not None else None
    licence = _licence(lineage.facts().get("licence")) if of else None
    root = {
        "name": name,
        "description": f"How {name} came about: notebooks, runs, decisions and origin.",
        "datePublished": datetime.now(UTC).date().isoformat(),
        "license": licence or "not stated",
        "hasPart": [_file(book) for book in books],
        "mentions": {"@id": "#data"},
    }
    yield _node({"@id": "./"}, "Dataset", root)
    data = {
        "name": name,
        "curalab:rows": None if items is None else len(items),
        "variableMeasured": [] if items is None else [str(column) for column in items.columns],
        "prov:wasDerivedFrom": _ref("dataset", of) if of else None,
    }
    yield _node({"@id": "#data"}, "Dataset prov:Entity", data)


def notebook_nodes(books: list[dict[str, Any]], versions: Mapping[str, str]) -> Iterator[Node]:
    """Yield notebooks, their runs and cells, and the packages that they need or that are here."""
    known = {_pip(package): version for package, version in versions.items()}
    for package in dict.fromkeys([*known, *(p for book in books for p in book["packages"])]):
        told = {"name": package, "softwareVersion": known.get(package)}
        yield _node(_ref("package", package), "SoftwareApplication", told)
    for at, book in enumerate(books, 1):
        file = _file(book)
        told = {
            "name": book["name"],
            "encodingFormat": "application/x-ipynb+json",
            "softwareRequirements": [_ref("package", package) for package in book["packages"]],
            "repr:total_cells": book["n_cells"],
            "repr:code_cells": len(book["runs"]),
            **{f"repr:{key}": book[key] for key in ("kernel", "language", "language_version")},
        }
        yield _node(file, "File repr:Notebook prov:Entity", told)
        yield from _run_nodes(at, file, book)


def _file(book: Mapping[str, Any]) -> dict[str, str]:
    return {"@id": quote(book["name"])}


def _pip(package: str) -> str:
    return package.lower().replace("_", "-")


def _run_nodes(at: int, file: Mapping[str, str], book: Mapping[str, Any]) -> Iterator[Node]:
    cells = [_ref("cell", f"{at}.{cell}") for cell in range(1, len(book["runs"]) + 1)]
    errors = [f"{exception}: {message}" for _, exception, message in book["runs"] if exception]
    has_run = any(count is not None for count, *_ in book["runs"])
    status = "Failed" if errors else "Completed" if has_run else "Potential"
    run = {
        "name": f"run of {book['name']}",
        "instrument": file,
        "prov:used": file,
        "result": {"@id": "#data"},
        "actionStatus": {"@id": _STATUS.format(status)},
        "error": errors[:1],
        "curalab:executedInOrder": book["in_order"],
        "hasPart": cells,
    }
    yield _node(_ref("run", at), "CreateAction prov:Activity", run)
    for cell, (count, exception, message) in enumerate(book["runs"], 1):
        told = {"repr:cell": cell, "repr:count": count}
        told |= {"repr:exception": exception, "repr:msg": message}
        yield _node(cells[cell - 1], "repr:CellExecution", told)


def ledger_nodes(ledger: Any, *, each: bool) -> Iterator[Node]:
    """Yield who decided, what was decided how often, and each decision if asked for."""
    standing = ledger.decisions().reset_index()
    for actor in standing["actor"].unique():
        yield _node(_ref("actor", actor), "prov:Agent", {"name": actor})
    filled = standing.assign(**{key: standing[key].fillna("").astype(str) for key in _KEYS})
    counted = filled.groupby(_KEYS)["time"].agg(["size", "min", "max"]).reset_index()
    for at, (*decided, n, first, last) in enumerate(counted.itertuples(index=False), 1):
        times = {"startTime": first.isoformat(), "endTime": last.isoformat()}
        told = {**_decided(*decided), "repr:count": int(n), **times}
        yield _node(_ref("decisions", at), "prov:Activity", told)
    columns = [*_KEYS, "row_id", "event", "time", "reason", "new"]
    for *decided, row, event, time, reason, new in filled[columns].itertuples(index=False):
        if not each:
            return
        told = {
            **_decided(*decided),
            "curalab:row": str(row),
            "endTime": time.isoformat(),
            "description": reason,
            "curalab:value": None if new is None else str(new),
        }
        yield _node(_ref("decision", event), "prov:Activity", told)


def _decided(actor: str, method: str, action: str, field: str) -> Node:
    return {
        "prov:wasAssociatedWith": _ref("actor", actor),
        "curalab:method": method,
        "curalab:action": action,
        "curalab:field": field,
        "prov:generated": {"@id": "#data"},
    }


def lineage_nodes(lineage: Any) -> Iterator[Node]:
    """Yield the datasets of a lineage."""
    for name, record in lineage.records.items():
        parents = [_ref("dataset", parent) for parent in record["parents"]]
        told = {
            "name": name,
            "description": record["how"],
            "license": _licence(read_licence(record["licence"] or "")[0] or record["licence"]),
            "creator": record["creators"],
            "isBasedOn": [*parents, *record["sources"]],
            "prov:wasDerivedFrom": parents,
            "inLanguage": record["languages"],
            "spatialCoverage": record["places"],
            "temporalCoverage": [str(year) for year in record["years"]],
        }
        yield _node(_ref("dataset", name), "Dataset prov:Entity", told)
