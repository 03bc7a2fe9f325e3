"""What was done, with what and by whom, as a knowledge graph: RO-Crate, PROV-O and SPARQL."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from curalab._check import check_choice, complain, need_extra
from curalab._hidden import is_metrics_only
from curalab.documents._nodes import Node, ledger_nodes, lineage_nodes, notebook_nodes, root_nodes
from curalab.documents._notebooks import read_notebook

__all__ = ["KnowledgeGraph", "knowledge_graph"]

CRATE = "https://w3id.org/ro/crate/1.1/context"
PREFIXES = {
    "schema": "http://schema.org/",
    "prov": "http://www.w3.org/ns/prov#",
    "dct": "http://purl.org/dc/terms/",
    "repr": "https://w3id.org/reproduceme/",
    "curalab": "urn:curalab:terms:",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_CRATE_NAMES = {"File": "schema:MediaObject", "conformsTo": "dct:conformsTo"}
_XSD = {bool: "xsd:boolean", int: "xsd:integer", float: "xsd:double"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class KnowledgeGraph:
    """Notebooks, runs, data, environment, decisions and lineage as linked nodes.

    Attributes
    ----------
    nodes : list of dict
        The nodes of the RO-Crate, as JSON-LD.
    """

    nodes: list[Node] = field(default_factory=list)

    @property
    def examples(self) -> dict[str, str]:
        """SPARQL queries by what they answer; :meth:`query` takes their names."""
        text = files("curalab.documents").joinpath("questions.sparql").read_text(encoding="utf-8")
        asked = (part.partition("\n") for part in text.split("### ") if part)
        return {title: sparql.strip() for title, _, sparql in asked}

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return f"KnowledgeGraph({len(self.nodes):,} nodes, {len(self.to_frame()):,} triples)"

    def _repr_html_(self) -> str:
        if is_metrics_only():
            return f"<p><code>{escape(repr(self))}</code></p>"
        table = self.to_frame().head(8).to_html(index=False, border=0, notebook=True)
        return f"<p><code>{escape(repr(self))}</code></p>{table}"

    @cached_property
    def base(self) -> str:
        """What the relative ids of nodes stand on: an address made of the content."""
        content = json.dumps(self.nodes, sort_keys=True)
        return f"arcp://uuid,{uuid.uuid5(uuid.NAMESPACE_URL, content)}/"

    def to_json(self, *, context: str = "inline") -> str:
        """Return JSON-LD.

        Parameters
        ----------
        context : {"inline", "reference"}, default="inline"
            "inline" says what each name means and gives nodes their full ids, so that it can be
            read without a network; "reference" names the context of RO-Crate 1.1, as a crate must.
        """
        extra = {name: PREFIXES[name] for name in ("prov", "repr", "curalab")}
        if check_choice("context", context, ("inline", "reference")) == "reference":
            crate = {"@context": [CRATE, extra], "@graph": self.nodes}
            return json.dumps(crate, indent=1, ensure_ascii=False)
        names = {**PREFIXES, "@vocab": PREFIXES["schema"], **_CRATE_NAMES}
        nodes = [
            {key: self._full(key, value) for key, value in node.items()} for node in self.nodes
        ]
        return json.dumps({"@context": names, "@graph": nodes}, indent=1, ensure_ascii=False)

    def _full(self, key: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._full(key, part) for part in value]
        if isinstance(value, dict):
            return {"@id": self._iri(value["@id"])}
        return self._iri(value) if key == "@id" else value

    def _iri(self, id: str) -> str:
        return id if re.match(r"[a-z]+:", id) else self.base + id.removeprefix("./")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``ro-crate-metadata.json`` by reference; a name on .jsonld, with all inline."""
        context = "inline" if Path(path).suffix == ".jsonld" else "reference"
        Path(path).write_text(self.to_json(context=context), encoding="utf-8")

    def triples(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield subject, predicate, object and the object's type: "" for an address."""
        for node in self.nodes:
            subject = self._iri(node["@id"])
            for key, value in node.items():
                for part in value if isinstance(value, list) else [value]:
                    if key == "@type":
                        yield subject, _TYPE, _expanded(part), ""
                    elif isinstance(part, dict):
                        yield subject, _expanded(key), self._iri(part["@id"]), ""
                    elif key != "@id":
                        kind = _XSD.get(type(part), "xsd:string")
                        text = str(part).lower() if isinstance(part, bool) else str(part)
                        yield subject, _expanded(key), text, _expanded(kind)

    def to_frame(self) -> pd.DataFrame:
        """Return the triples: `subject`, `predicate`, `object` and `datatype`."""
        return pd.DataFrame(self.triples(), columns=["subject", "predicate", "object", "datatype"])

    @cached_property
    def _store(self) -> Any:
        rdflib = need_extra("rdflib", "documents", purpose="A query")
        store = rdflib.Graph()
        for prefix, address in PREFIXES.items():
            store.bind(prefix, address, replace=True)
        address = rdflib.URIRef
        for subject, predicate, value, kind in self.triples():
            literal = rdflib.Literal(value, datatype=None if kind.endswith("#string") else kind)
            end = literal if kind else address(value)
            store.add((address(subject), address(predicate), end))
        return store

    def query(self, sparql: str) -> pd.DataFrame:
        """Answer a SPARQL query, or the example of that name.

        Returns
        -------
        DataFrame
            One column a variable, None where one is unbound; `answer` of an ASK; `subject`,
            `predicate` and `object` of a CONSTRUCT.

        Raises
        ------
        ValueError
            The query is not SPARQL.
        MissingExtraError
            rdflib is not installed (``pip install 'curalab[documents]'``).
        """
        store = self._store
        try:
            found = store.query(self.examples.get(sparql, sparql))
        except Exception as error:  # rdflib has no error of its own for what it cannot read
            rule = f"SPARQL or one of {', '.join(map(repr, self.examples))}"
            hint = str(error).splitlines()[0]
            raise ValueError(complain("sparql", rule, sparql, hint)) from error
        if found.type == "ASK":
            return pd.DataFrame({"answer": [bool(found.askAnswer)]})
        names = [str(v) for v in found.vars] if found.vars else ["subject", "predicate", "object"]
        rows = [[_plain(value) for value in row] for row in found]
        return pd.DataFrame(rows, columns=names, dtype=object)


def _plain(value: Any) -> Any:
    """Return a literal as Python's value, an address as text."""
    plain = None if value is None else value.toPython()
    return str(plain) if isinstance(plain, str) else plain


def _expanded(name: str) -> str:
    prefix, _, rest = _CRATE_NAMES.get(name, name).rpartition(":")
    return PREFIXES[prefix or "schema"] + rest


def knowledge_graph(
    items: pd.DataFrame | None = None,
    ledger: Any = None,
    *,
    notebooks: Any = (),
    environment: Any = None,
    lineage: Any = None,
    decisions: bool = False,
    name: str = "curated dataset",
) -> KnowledgeGraph:
    """Describe how a dataset came about as a graph that machines can question.

    Parameters
    ----------
    items : DataFrame, default=None
        The curated table: its size and the names of its columns are told, no cell is.
    ledger : Ledger, default=None
        Its decisions in force are counted by actor, method, action and field.
    notebooks : path or list of paths, default=()
        Executed ``.ipynb`` files: cells, errors, order of execution, kernel and imports are told.
    environment : DataFrame or mapping, default=None
        Versions by package, as from ``show_versions()``; None leaves them out.
    lineage : Lineage, default=None
        From :func:`lineage`: its datasets, licences and creators.
    decisions : bool, default=False
        Tell every single decision too, with row and reason: nine triples each, so that loading
        100,000 of them into a first query takes minutes.
    name : str, default="curated dataset"
        What the dataset is called.

    Returns
    -------
    KnowledgeGraph
        `to_json()`, `save(path)`, `to_frame()`, `query(sparql)`.

    Notes
    -----
    As in [1]_, notebooks and their cells are told in the vocabulary of REPRODUCE-ME; the rest is
    schema.org and PROV-O, laid out as an RO-Crate 1.1 whose runs are ``CreateAction``. What those
    lack is under ``urn:curalab:terms:``. [1]_ ran the notebooks anew; here the stored run counts.
    A run is in order where its cells were executed once each, from the first to the last.

    References
    ----------
    .. [1] Samuel, Mietchen (2024), "FAIR Jupyter: a knowledge graph approach to semantic sharing
       and granular exploration of a computational notebook reproducibility dataset", TGDK.
       arXiv:2404.12935.

    Examples
    --------
    >>> import pandas as pd
    >>> from curalab.documents import knowledge_graph
    >>> items = pd.DataFrame({"text": ["a", "b"]})
    >>> graph = knowledge_graph(items, environment={"pandas": "2.2"}, name="two letters")
    >>> graph.query("SELECT ?rows WHERE { ?data curalab:rows ?rows }")["rows"].tolist()
    [2]
    """
    if items is not None and not isinstance(items, pd.DataFrame):
        raise TypeError(complain("items", "a DataFrame", what=type(items).__name__))
    if not isinstance(name, str) or not name.strip():
        raise ValueError(complain("name", "text that is not empty", name))
    paths = [notebooks] if isinstance(notebooks, str | os.PathLike) else list(notebooks)
    books = [read_notebook(path) for path in paths]
    nodes = [
        *root_nodes(items, name, lineage, books),
        *notebook_nodes(books, _versions(environment)),
        *(ledger_nodes(ledger, each=decisions) if ledger is not None else ()),
        *(lineage_nodes(lineage) if lineage is not None else ()),
    ]
    return KnowledgeGraph(nodes=nodes)


def _versions(environment: Any) -> dict[str, str]:
    if isinstance(environment, pd.DataFrame) and {"name", "version"} <= set(environment.columns):
        environment = dict(zip(environment["name"], environment["version"], strict=True))
    if environment is not None and not isinstance(environment, Mapping):
        rule = "a mapping, or a DataFrame with 'name' and 'version'"
        raise TypeError(complain("environment", rule, what=type(environment).__name__))
    return {str(package): str(version) for package, version in (environment or {}).items()}
