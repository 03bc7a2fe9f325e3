"""Croissant metadata: read back by mlcroissant, records equal to the table, steps in PROV-O."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab._check import MissingExtraError
from curalab.documents._croissant import croissant

mlc = pytest.importorskip("mlcroissant")

KNOWN = {
    "name": 'Pets & "more" <b>',
    "summary": "Cats|dogs\n---",
    "licence": "CC-BY-4.0",
    "creators": "Ann; Ben",
    "citation": "Ann (2024)",
    "version": "1.0.0",
    "published": "2024-01-02",
    "languages": "en, fr",
    "source": "https://example.org/raw",
}


@pytest.fixture
def made(tmp_path):
    items = pd.DataFrame(
        {
            "a text/<b>": ["x", "y|\n", None, "🙂 אב"],
            "a text_<b>": ["007", "1e5", "NA", "4"],
            "n": [1, 2, 3, 4],
            "share": [0.5, None, 2.0, 1.0],
            "ok": [True, False, True, True],
            "when": pd.to_datetime(
                ["2020-01-01 10:00", None, "2021-01-01 00:00", "2022-05-06 01:02"]
            ),
            "tags": [["p"], ["p", "q"], [], ["r"]],
            "kind": pd.Categorical(["u", "v", "u", "u"]),
        },
        index=pd.Index(["r1", "r2", "r3", "r4"], name="id"),
    )
    with cl.Ledger(tmp_path / "x.ledger") as ledger:
        ledger.record("r4", action="drop", actor="Ann <a>", method="near_text", reason="copy: 1|2")
        ledger.record("r1", action="relabel", field="kind", new="v", actor="Ben")
        yield ledger.apply(items), ledger


def read(folder):
    """Return the records by the names of the columns, as Python values."""
    dataset = mlc.Dataset(str(folder / "croissant.json"))
    names = {f.id: f.name for f in dataset.metadata.record_sets[0].fields}

    def told(value):
        value = [told(v) for v in value] if isinstance(value, list) else value
        return value.decode() if isinstance(value, bytes) else value

    records = [{names[k]: told(v) for k, v in row.items()} for row in dataset.records("items")]
    return dataset.metadata, pd.DataFrame(records).set_index("id")


def test_parquet_comes_back_equal(made, tmp_path):
    items, ledger = made
    items.to_parquet(tmp_path / "pets.parquet")
    croissant(items, ledger, path=tmp_path / "pets.parquet").save(tmp_path / "croissant.json")
    _, back = read(tmp_path)
    expected = items.astype({"kind": object})
    pd.testing.assert_frame_equal(back, expected, check_dtype=False, check_index_type=False)
    assert back["a text_<b>"].tolist() == ["007", "1e5", "NA"]


def test_csv_comes_back_equal(made, tmp_path):
    items, ledger = made
    plain = items.drop(columns=["tags", "a text_<b>"])
    plain.to_csv(tmp_path / "pets.csv")
    croissant(plain, ledger, path=tmp_path / "pets.csv").save(tmp_path / "croissant.json")
    _, back = read(tmp_path)
    expected = plain.astype({"kind": object})
    pd.testing.assert_frame_equal(back, expected, check_dtype=False, check_index_type=False)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_an_export_is_described_and_stays_one(made, tmp_path, form):
    items, ledger = made
    plain = items.drop(columns=["tags", "a text_<b>"])
    photo = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    folder = cl.export(plain.assign(photo=[photo] * 3), tmp_path / "pets", format=form)
    told = croissant(plain.assign(photo=[photo] * 3), ledger, path=folder)
    told.save(folder / "croissant.json")
    assert told["name"] == "pets"
    assert told["distribution"][0]["contentUrl"] == f"items/items.{form}"
    _, back = read(folder)
    expected = plain.astype({"kind": object})
    pd.testing.assert_frame_equal(
        back[plain.columns], expected, check_dtype=False, check_index_type=False
    )
    if form == "parquet":
        assert np.array_equal(np.asarray(back["photo"].iloc[0]), photo)
    else:
        assert back["photo"].iloc[0] == "000000000.png"
    assert len(cl.load_items(folder)) == 3


def test_a_table_in_several_files(made, tmp_path):
    items, ledger = made
    items[:2].to_parquet(tmp_path / "part[0].parquet")
    items[2:].to_parquet(tmp_path / "part[1].parquet")
    croissant(items, ledger, path=tmp_path).save(tmp_path / "croissant.json")
    _, back = read(tmp_path)
    expected = items.astype({"kind": object})
    pd.testing.assert_frame_equal(back, expected, check_dtype=False, check_index_type=False)
    with pytest.raises(ValueError) as error:
        croissant(items, ledger, path=tmp_path, url="https://example.org")
    assert str(error.value) == (
        "The 'url' parameter must be None for a table in several files. "
        "Got 'https://example.org' instead."
    )


def test_an_export_that_croissant_has_no_words_for(made, tmp_path):
    items, ledger = made
    folder = cl.export(items, tmp_path / "pets", format="webdataset")
    with pytest.raises(ValueError) as error:
        croissant(items, ledger, path=folder)
    assert str(error.value) == (
        "The 'path' parameter must be an existing file *.csv or *.parquet, a folder of these, or "
        f"an export of them. Got {str(folder)!r} instead."
    )


def test_types_and_file_are_told(made, tmp_path):
    items, ledger = made
    path = tmp_path / "pets.parquet"
    items.to_parquet(path)
    told = croissant(items, ledger, path=path, url="https://example.org/pets.parquet")
    fields = told["recordSet"][0]["field"]
    assert {f["name"]: f["dataType"] for f in fields} == {
        "id": "sc:Text",
        "a text/<b>": "sc:Text",
        "a text_<b>": "sc:Text",
        "n": "sc:Integer",
        "share": "sc:Float",
        "ok": "sc:Boolean",
        "when": "sc:DateTime",
        "tags": "sc:Text",
        "kind": "sc:Text",
    }
    assert len({f["@id"] for f in fields}) == 9
    (file,) = told["distribution"]
    assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file["contentUrl"] == "https://example.org/pets.parquet"
    assert file["contentSize"] == f"{path.stat().st_size} B"


def test_what_is_known_leaves_no_warning(made, tmp_path):
    items, ledger = made
    items.to_parquet(tmp_path / "pets.parquet")
    full = croissant(items, ledger, path=tmp_path / "pets.parquet", lineage=KNOWN)
    assert full.warnings == ()
    full.save(tmp_path / "croissant.json")
    metadata, _ = read(tmp_path)
    assert metadata.name == KNOWN["name"]
    assert metadata.license == ["https://spdx.org/licenses/CC-BY-4.0.html"]
    assert [c.name for c in metadata.creators] == ["Ann", "Ben"]
    assert metadata.in_language == ["en", "fr"]
    bare = croissant(items, ledger, path=tmp_path / "pets.parquet")
    assert [w.split('"')[1].split("/")[-1] for w in bare.warnings] == [
        "citeAs",
        "datePublished",
        "license",
        "version",
    ]


def test_steps_are_activities_that_any_reader_of_rdf_finds(made, tmp_path):
    rdflib = pytest.importorskip("rdflib")
    items, ledger = made
    items.to_parquet(tmp_path / "pets.parquet")
    told = croissant(items, ledger, path=tmp_path / "pets.parquet", lineage=KNOWN)
    graph = rdflib.Graph().parse(data=json.dumps(told), format="json-ld")
    rows = graph.query(
        """PREFIX prov: <http://www.w3.org/ns/prov#> PREFIX s: <https://schema.org/>
        SELECT ?what ?told ?who WHERE { ?set a s:Dataset ; prov:wasGeneratedBy ?step .
        ?step a prov:Activity ; s:name ?what ; s:description ?told ; prov:startedAtTime ?at ;
        prov:wasAssociatedWith ?agent . ?agent s:name ?who } ORDER BY ?what ?who"""
    )
    assert [tuple(map(str, row)) for row in rows] == [
        ("drop", "drop: 1 items, 3 rows left. copy: 1|2", "Ann <a>"),
        ("drop", "drop: 1 items, 3 rows left. copy: 1|2", "near_text"),
        ("relabel", "relabel: 1 items, 3 rows left", "Ben"),
    ]
    prov = rdflib.Namespace("http://www.w3.org/ns/prov#")
    (source,) = graph.objects(None, prov.wasDerivedFrom)
    assert str(graph.value(source, rdflib.SDO.name)) == KNOWN["source"]


def test_a_table_without_decisions_or_index(tmp_path):
    items = pd.DataFrame({"x": np.arange(3)})
    items.to_csv(tmp_path / "t.csv", index=False)
    with cl.Ledger(tmp_path / "x.ledger") as ledger:
        told = croissant(items, ledger, path=tmp_path / "t.csv")
    assert "prov:wasGeneratedBy" not in told
    assert [f["name"] for f in told["recordSet"][0]["field"]] == ["x"]


def test_a_file_of_another_table_is_refused(made, tmp_path):
    items, ledger = made
    path = tmp_path / "pets.parquet"
    items[:2].to_parquet(path)
    with pytest.raises(ValueError) as error:
        croissant(items, ledger, path=path)
    assert str(error.value) == (
        "The 'path' parameter must be a file of the table, 3 rows and 8 columns. "
        "Got 2 rows instead."
    )
    items[["n"]].to_csv(tmp_path / "n.csv")
    with pytest.raises(ValueError) as error:
        croissant(items[["n", "ok"]], ledger, path=tmp_path / "n.csv")
    assert str(error.value) == (
        "The 'path' parameter must be a file of the table, 3 rows and 2 columns. "
        "Got no column 'ok' instead."
    )
    with pytest.raises(ValueError) as error:
        croissant(items, ledger, path="nowhere.csv")
    assert str(error.value) == (
        "The 'path' parameter must be an existing file *.csv or *.parquet, a folder of these, or "
        "an export of them. Got 'nowhere.csv' instead."
    )
    with pytest.raises(ValueError) as error:
        croissant(items.rename(columns={"n": ""}), ledger, path=path)
    assert str(error.value) == (
        "The 'items' parameter must be a table whose columns have names. Got an empty one instead."
    )


def test_what_the_checker_refuses_is_an_error(made, tmp_path):
    items, ledger = made
    items.to_parquet(tmp_path / "pets.parquet")
    with pytest.raises(ValueError, match=r"^mlcroissant refuses the metadata\. "):
        croissant(items, ledger, path=tmp_path / "pets.parquet", lineage={"published": "soon"})


def test_without_mlcroissant_the_error_says_how_to_get_it(made, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlcroissant", None)
    with pytest.raises(MissingExtraError) as error:
        croissant(*made, path=tmp_path / "x.csv")
    assert str(error.value) == (
        "Croissant metadata needs the package 'mlcroissant', which is not installed. "
        "Install it with: pip install 'curalab[documents]'"
    )
