"""The knowledge graph: known answers to each question, and the same triples for every reader."""

import json
import socket

import pandas as pd
import pytest

import curalab as cl
from curalab.documents._graph import CRATE, PREFIXES, KnowledgeGraph, knowledge_graph
from curalab.documents._lineage import lineage

rdflib = pytest.importorskip("rdflib")
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph:DeprecationWarning")


def cell(source, count=None, error=None):
    outputs = [{"output_type": "error", "ename": error, "evalue": "no | <b>", "traceback": []}]
    return {
        "cell_type": "code", "metadata": {}, "source": source.splitlines(keepends=True),
        "execution_count": count, "outputs": outputs if error else [],
    }  # fmt: skip


def notebook(path, *cells):
    kept = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python", "version": "3.11.7"},
    }
    text = {"cell_type": "markdown", "metadata": {}, "source": "# import torch"}
    book = {"cells": [text, *cells], "metadata": kept, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(book), encoding="utf-8")
    return path


@pytest.fixture
def ledger(tmp_path):
    with cl.Ledger(tmp_path / "x.ledger") as opened:
        opened.record("r1", action="drop", actor="Ann", method="knn", reason='far | "away"')
        opened.record("r2", action="drop", actor="Ann", method="knn")
        opened.record(3, action="relabel", field="label", old="a", new="b", actor="Ben")
        opened.record("r4", action="drop", actor="Ben")
        opened.record("r5", action="drop", actor="Ben", method="knn")
        opened.undo(actor="Ben")
        yield opened


@pytest.fixture
def graph(tmp_path, ledger):
    good = notebook(
        tmp_path / "a good.ipynb",
        cell("import os, numpy as np\nfrom sklearn.svm import SVC\nimport curalab.ledger", 1),
        cell("%matplotlib inline\n!pip install x\nimport pandas", 2),
        cell(""),
    )
    bad = notebook(
        tmp_path / "bad.ipynb",
        cell("import pandas", 3),
        cell("1 / 0", 1, "ZeroDivisionError"),
        cell("def (", 2, "SyntaxError"),
    )  # fmt: skip
    fresh = notebook(tmp_path / "fresh.ipynb", cell("from . import here\nimport json"))
    return knowledge_graph(
        pd.DataFrame({"text": list("ab"), "label": list("xy")}),
        ledger,
        notebooks=[good, bad, fresh],
        environment=pd.DataFrame({"name": ["pandas", "Numpy"], "version": ["3.1", "2.4"]}),
        lineage=lineage({
            "reviews": {"parents": "raw", "licence": "cc by 4.0", "languages": ["en", "de"]},
            "raw": {"licence": "MIT OR Apache-2.0", "creators": "Dee", "sources": ["shop.example"]},
        }),
        decisions=True,
        name="Reviews",
    )  # fmt: skip


def answers(frame):
    return list(frame.itertuples(index=False, name=None))


# ---- known answers -------------------------------------------------------------------------------


def test_which_notebooks_failed(graph):
    assert answers(graph.query("failed notebooks")) == [
        ("bad.ipynb", 2, "ZeroDivisionError", "no | <b>"),
        ("bad.ipynb", 3, "SyntaxError", "no | <b>"),
    ]


def test_which_packages_each_notebook_needs(graph):
    assert answers(graph.query("dependencies of notebooks")) == [
        ("a good.ipynb", "curalab", None),
        ("a good.ipynb", "numpy", "2.4"),
        ("a good.ipynb", "pandas", "3.1"),
        ("a good.ipynb", "scikit-learn", None),
        ("bad.ipynb", "pandas", "3.1"),
    ]


def test_who_decided_what(graph):
    assert answers(graph.query("who decided what")) == [
        ("Ann", "knn", "drop", None, 2),
        ("Ben", None, "drop", None, 1),
        ("Ben", None, "relabel", "label", 1),
    ]


def test_which_rows_a_method_dropped(graph):
    assert answers(graph.query("rows dropped by a method")) == [
        ("knn", "r1", 'far | "away"'),
        ("knn", "r2", None),
    ]


def test_which_runs_were_in_order(graph):
    assert answers(graph.query("runs in order")) == [
        ("a good.ipynb", True, "CompletedActionStatus"),
        ("bad.ipynb", False, "FailedActionStatus"),
        ("fresh.ipynb", False, "PotentialActionStatus"),
    ]


def test_where_data_come_from(graph):
    assert answers(graph.query("where data come from")) == [
        ("Reviews", "reviews", "https://spdx.org/licenses/CC-BY-4.0"),
        ("reviews", "raw", "MIT OR Apache-2.0"),
    ]


def test_every_example_has_an_answer(graph):
    assert list(graph.examples) == [
        "failed notebooks", "dependencies of notebooks", "who decided what",
        "rows dropped by a method", "runs in order", "where data come from",
    ]  # fmt: skip
    assert all(len(graph.query(sparql)) for sparql in graph.examples.values())


def test_other_forms_of_a_query(graph):
    assert answers(graph.query("ASK { ?x curalab:rows 2 }")) == [(True,)]
    built = graph.query("CONSTRUCT { ?x curalab:rows ?n } WHERE { ?x curalab:rows ?n }")
    assert answers(built) == [(f"{graph.base}#data", "urn:curalab:terms:rows", 2)]


# ---- the same for every reader -------------------------------------------------------------------


@pytest.fixture
def no_network(monkeypatch):
    def refused(*_):
        raise OSError("a test opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def read(text):
    made = rdflib.Graph()
    made.parse(data=text, format="json-ld")
    return made


def test_json_ld_reads_without_a_network_as_the_same_triples(graph, no_network):
    made = read(graph.to_json())
    assert len(made) == len(graph.to_frame().drop_duplicates()) > 100
    assert set(made) == set(graph._store)


def test_the_crate_means_the_same_as_the_inline_form(graph, no_network):
    crate = json.loads(graph.to_json(context="reference"))
    assert crate["@context"][0] == CRATE == "https://w3id.org/ro/crate/1.1/context"
    # What the context of RO-Crate 1.1 says of the names used here.
    stands_for = {"@vocab": "http://schema.org/", "File": "http://schema.org/MediaObject",
                  "conformsTo": "http://purl.org/dc/terms/conformsTo"}  # fmt: skip
    crate["@context"] = [{**stands_for, "@base": "http://crate.example/"}, crate["@context"][1]]
    made = read(json.dumps(crate))
    assert len(made) == len(read(graph.to_json()))
    data = rdflib.URIRef("http://crate.example/#data")
    assert (data, rdflib.URIRef("urn:curalab:terms:rows"), rdflib.Literal(2)) in made


def test_the_crate_has_what_ro_crate_1_1_asks_for(graph, tmp_path):
    graph.save(tmp_path / "ro-crate-metadata.json")
    crate = json.loads((tmp_path / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    nodes = {node["@id"]: node for node in crate["@graph"]}
    assert len(nodes) == len(crate["@graph"])
    about = nodes["ro-crate-metadata.json"]
    assert about["about"] == {"@id": "./"}
    assert about["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root = nodes["./"]
    assert root["@type"] == ["Dataset"]
    assert root["name"] == "Reviews"
    assert root["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    assert len(root["datePublished"]) == 10
    assert {part["@id"] for part in root["hasPart"]} == {
        "a%20good.ipynb",
        "bad.ipynb",
        "fresh.ipynb",
    }
    linked = {
        part["@id"]
        for node in crate["@graph"]
        for value in node.values()
        for part in (value if isinstance(value, list) else [value])
        if isinstance(part, dict)
    }
    assert {id for id in linked if not id.startswith("http")} <= set(nodes)


def test_saved_inline(graph, tmp_path, no_network):
    graph.save(tmp_path / "graph.jsonld")
    text = (tmp_path / "graph.jsonld").read_text(encoding="utf-8")
    assert CRATE not in text
    assert len(read(text)) == len(read(graph.to_json()))


def test_triples_need_no_rdflib(graph, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rdflib", None)
    frame = graph.to_frame()
    assert set(frame["datatype"]) == {
        "",
        *(PREFIXES["xsd"] + k for k in ("string", "integer", "boolean")),
    }
    with pytest.raises(cl.MissingExtraError) as error:
        graph.query("failed notebooks")
    assert str(error.value) == (
        "A query needs the package 'rdflib', which is not installed. "
        "Install it with: pip install 'curalab[documents]'"
    )


def test_a_hundred_thousand_decisions_are_counted(tmp_path):
    frame = pd.DataFrame({"row_id": range(100_000), "action": "drop", "method": "knn"})
    frame["actor"] = ["Ann", "Ben"] * 50_000
    with cl.Ledger(tmp_path / "big.ledger") as ledger:
        ledger.record_many(frame)
        graph = knowledge_graph(ledger=ledger)
    assert answers(graph.query("who decided what")) == [
        ("Ann", "knn", "drop", None, 50_000),
        ("Ben", "knn", "drop", None, 50_000),
    ]
    assert len(graph) == 3 + 2 + 2
    assert graph.query("rows dropped by a method").empty


def test_an_empty_graph_and_an_empty_ledger(tmp_path):
    with cl.Ledger(tmp_path / "none.ledger") as ledger:
        graph = knowledge_graph(ledger=ledger)
    assert len(graph) == 3
    assert repr(graph) == f"KnowledgeGraph(3 nodes, {len(graph.to_frame())} triples)"
    assert all(graph.query(name).empty for name in graph.examples)


def test_text_from_data_is_escaped(tmp_path):
    bad = "</script><script>alert(1)</script>"
    graph = knowledge_graph(pd.DataFrame({bad: [1]}), name=bad)
    assert "<script>" not in graph._repr_html_()
    assert set(read(graph.to_json())) == set(graph._store)


# ---- bad input -----------------------------------------------------------------------------------


def test_errors(graph, tmp_path):
    (tmp_path / "broken.ipynb").write_text("{", encoding="utf-8")
    (tmp_path / "old.ipynb").write_text('{"worksheets": [], "nbformat": 3}', encoding="utf-8")
    cases = [
        (
            lambda: knowledge_graph([1]), TypeError,
            "The 'items' parameter must be a DataFrame. Got list instead.",
        ),
        (
            lambda: knowledge_graph(name=" "), ValueError,
            "The 'name' parameter must be text that is not empty. Got ' ' instead.",
        ),
        (
            lambda: knowledge_graph(notebooks=[3]), TypeError,
            "The 'notebooks' parameter must be paths of .ipynb files. Got 3 instead.",
        ),
        (
            lambda: knowledge_graph(environment=3), TypeError,
            "The 'environment' parameter must be a mapping, or a DataFrame with 'name' and "
            "'version'. Got int instead.",
        ),
        (
            lambda: graph.to_json(context="remote"), ValueError,
            "The 'context' parameter must be one of 'inline', 'reference'. Got 'remote' instead.",
        ),
    ]  # fmt: skip
    cases += [
        (
            lambda path=tmp_path / name: knowledge_graph(notebooks=path), ValueError,
            "The 'notebooks' parameter must be notebooks of nbformat 4 as JSON. "
            f"Got {str(tmp_path / name)!r} instead.",
        )
        for name in ("broken.ipynb", "old.ipynb")
    ]  # fmt: skip
    for call, kind, text in cases:
        with pytest.raises(kind) as error:
            call()
        assert str(error.value) == text
    with pytest.raises(ValueError) as error:
        graph.query("which rows?")
    assert str(error.value).startswith(
        "The 'sparql' parameter must be SPARQL or one of 'failed notebooks', 'dependencies of "
        "notebooks', 'who decided what', 'rows dropped by a method', 'runs in order', 'where data "
        "come from'. Got 'which rows?' instead. "
    )
    with pytest.raises(FileNotFoundError):
        knowledge_graph(notebooks=tmp_path / "nowhere.ipynb")
    assert isinstance(graph, KnowledgeGraph)
