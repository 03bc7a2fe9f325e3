"""Exports without people, notes or rows: searched byte by byte for what was planted."""

from __future__ import annotations

import base64
import json
import sqlite3
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

import curalab as cl
from curalab.documents._export import export
from curalab.documents._formats import FORMATS

HAS_DATASETS = find_spec("datasets") is not None
PEOPLE = ["Annika Ü. Ngozi", "b.jones@clinic.example"]
NOTES = ["the patient told me about Zanzibar", "blurred beyond use"]
SECRETS = ["Zarathustra", "GRAVITON7", "zq-0042", "Quetzalcoatl", "nephropathy_xyz", "sub-Rosa.png"]


def message(error: type[Exception], function, *args, **settings) -> str:
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value)


def forms_of(secret: str) -> list[bytes]:
    """Return how a text may stand in a file."""
    plain = secret.encode()
    return [
        plain,
        secret.encode("utf-16-le"),
        secret.encode("latin-1"),
        json.dumps(secret)[1:-1].encode(),
        base64.b64encode(plain).rstrip(b"=")[:-1],
        plain.hex().encode(),
    ]


def found(folder: Path, secrets: list[str]) -> list[tuple[str, str]]:
    """Return which secrets stand in which files, names of files included; case is no matter."""
    files = list(folder.rglob("*"))
    assert files
    held = {file: (file.read_bytes() if file.is_file() else b"").lower() for file in files}
    return [
        (secret, str(file.relative_to(folder)))
        for secret in secrets
        for file, raw in held.items()
        for form in forms_of(secret)
        if form.lower() in raw or form.lower() in str(file.relative_to(folder)).lower().encode()
    ]


@pytest.fixture
def planted(tmp_path):
    """A table, and a ledger in which secrets stand wherever a ledger has room for text."""
    (tmp_path / SECRETS[5]).touch()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[315] = SECRETS[3]  # the artist
    Image.fromarray(pixels).save(tmp_path / SECRETS[5], exif=exif)
    n = 12
    source = pd.DataFrame(
        {
            "text": [f"{SECRETS[0]} said {row}" for row in range(n)],
            "label": ["a", "b"] * (n // 2 - 1) + ["b", SECRETS[4]],
            "kind": pd.Categorical([SECRETS[1], *"x" * (n - 1)]),
            "photo": [str(tmp_path / SECRETS[5])] * n,
            "size": [float(row) for row in range(n)],
        },
        index=pd.Index([SECRETS[2], *map(str, range(1, n))]),
    )
    with cl.Ledger(tmp_path / "work.ledger") as ledger:
        ledger.record(SECRETS[2], action="drop", actor=PEOPLE[0], reason=NOTES[0])
        ledger.record(
            "1",
            action="relabel",
            field="label",
            old="b",
            new=SECRETS[4],
            actor=PEOPLE[1],
            method=f"by eye of {PEOPLE[0].upper()}",
            params={"k": 3, "who": PEOPLE[1], PEOPLE[0]: [NOTES[0], 0.5], "deep": {"x": NOTES[1]}},
            embedding=f"of {PEOPLE[1]}",
            reason=f"{PEOPLE[0]}: {NOTES[1]}",
        )
        ledger.record("2", action="tag", new="doubtful", actor="knn", reason=NOTES[1])
        ledger.undo(actor=PEOPLE[0])
        ledger.record(SECRETS[2], action="drop", actor=PEOPLE[0], reason=NOTES[0])
        yield source, ledger


# ---- people and notes ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", [f for f in FORMATS if f != "huggingface" or HAS_DATASETS])
def test_no_file_names_people_or_holds_notes(tmp_path, planted, form):
    source, ledger = planted
    made = export(
        ledger.apply(source),
        tmp_path / "x",
        ledger=ledger,
        source=source,
        format=form,
        leave_out=["notes", "people"],
    )
    assert found(made, [*PEOPLE, *NOTES, str(tmp_path)]) == []
    assert found(made, [SECRETS[2]])  # the search does find what is there
    assert json.loads((made / "export.json").read_text())["left_out"] == ["notes", "people"]
    assert "Left out of the ledger: notes and people." in (made / "README.md").read_text()


def test_a_redacted_ledger_decides_the_same(tmp_path, planted):
    source, ledger = planted
    made = export(
        ledger.apply(source),
        tmp_path / "x",
        ledger=ledger,
        source=source,
        leave_out=("people", "notes"),
    )
    with cl.Ledger(made / "decisions.ledger") as copy:
        again = copy.apply(cl.load_items(made / "source"))
        columns = ["text", "label", "kind", "size", "tags"]
        pd.testing.assert_frame_equal(again[columns], ledger.apply(source)[columns])
        events, known = copy.to_frame(), ledger.to_frame()
    same = ["time", "row_id", "field", "action", "old", "new", "undoes", "active"]
    pd.testing.assert_frame_equal(events[same], known[same])
    assert events["actor"].tolist() == [
        "annotator_1",
        "annotator_2",
        "knn",  # a registered method is nobody
        "annotator_1",
        "annotator_1",
    ]
    assert events["reason"].tolist() == [""] * 5
    assert events["method"][2] == "by eye of annotator_1"
    assert events["params"][2] == {
        "k": 3,
        "who": None,
        "annotator_1": [None, 0.5],
        "deep": {"x": None},
    }


def test_people_alone_or_notes_alone(tmp_path, planted):
    source, ledger = planted
    clean = ledger.apply(source)
    made = export(clean, tmp_path / "p", ledger=ledger, leave_out="people")
    assert found(made, PEOPLE) == []
    with cl.Ledger(made / "decisions.ledger") as copy:
        reasons = copy.to_frame()["reason"]
        assert reasons[1] == NOTES[0]
        assert reasons[2] == f"annotator_1: {NOTES[1]}"
    made = export(clean, tmp_path / "n", ledger=ledger, leave_out="notes")
    assert found(made, NOTES) == []
    with cl.Ledger(made / "decisions.ledger") as copy:
        assert copy.to_frame()["actor"].tolist() == ledger.to_frame()["actor"].tolist()


def test_a_redacted_ledger_has_no_page_of_another(tmp_path, planted):
    source, ledger = planted
    made = export(source, tmp_path / "x", ledger=ledger, leave_out="people")
    connection = sqlite3.connect(made / "decisions.ledger")
    assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
    connection.close()
    assert sorted(file.name for file in made.glob("decisions*")) == ["decisions.ledger"]


def test_tables_that_name_people_are_refused(tmp_path, planted):
    source, ledger = planted
    items = source.assign(by=[PEOPLE[0], *["" for _ in source.index[1:]]])
    assert message(
        ValueError, export, items, tmp_path / "x", ledger=ledger, leave_out="people"
    ) == (
        "The 'items' parameter must be a table without the people and notes that 'leave_out' "
        "names. Got some in column 'by' instead. Drop that column: items.drop(columns='by')."
    )
    items = source.assign(why=NOTES[1])
    assert "'why'" in message(
        ValueError, export, items, tmp_path / "x", ledger=ledger, leave_out="notes"
    )
    export(items, tmp_path / "x", ledger=ledger, leave_out="people")


def test_names_in_ids_columns_lists_and_categories_are_refused(tmp_path, planted):
    _, ledger = planted
    rule = "The 'items' parameter must be a table without the people and notes that 'leave_out' "
    rule += "names. Got some"
    plain = pd.DataFrame({"x": range(3)}, index=["a", "b", "c"])
    other = "Give them other names first."
    drop = "Drop that column: items.drop(columns='who')."
    unused = pd.Categorical(["u"] * 3, categories=["u", PEOPLE[0]])
    held = {
        f"among the ids instead. {other}": plain.set_axis(["a", PEOPLE[0], "c"], axis=0),
        f"among the names of columns instead. {other}": plain.assign(**{PEOPLE[1]: 1}),
        f"in column 'who' instead. {drop}": plain.assign(who=[["u", PEOPLE[0]], [], None]),
    }
    tables = [*held.items(), (f"in column 'who' instead. {drop}", plain.assign(who=unused))]
    for said, items in tables:
        told = message(ValueError, export, items, tmp_path / "x", ledger=ledger, leave_out="people")
        assert told == f"{rule} {said}"
    made = export(plain, tmp_path / "x", ledger=ledger, leave_out="people")
    assert found(made, PEOPLE) == []


def test_documents_that_name_people_are_refused(tmp_path, planted):
    source, ledger = planted
    given = {"README.md": cl.card(source, ledger)}
    assert message(
        ValueError,
        export,
        source,
        tmp_path / "x",
        ledger=ledger,
        documents=given,
        leave_out="people",
    ) == (
        "The 'documents' parameter must be free of the people and notes that 'leave_out' names. "
        "Got some in 'README.md' instead. Write it without them, or leave it out as well."
    )
    assert not (tmp_path / "x").exists()
    given = {"note.json": json.dumps({"by": PEOPLE[0]})}
    with pytest.raises(ValueError, match="Got some in 'note.json'"):
        export(source, tmp_path / "x", ledger=ledger, documents=given, leave_out="people")
    given = {"note.txt": "thanks to Annika, and to Ngozi"}  # not the name that the ledger has
    export(source, tmp_path / "x", ledger=ledger, documents=given, leave_out="people")


# ---- no rows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_counts_alone_hold_nothing_of_the_rows(tmp_path, planted, form):
    source, ledger = planted
    vectors = np.random.default_rng(0).normal(size=(len(source), 4))
    vectors[5] = vectors[7]
    report = cl.audit(
        source,
        embedding=cl.Embedding(vectors=vectors, ids=source.index),
        labels="label",
        random_state=0,
    )
    made = export(
        source,
        tmp_path / "x",
        ledger=ledger,
        format=form,
        documents={"audit": report},
        leave_out="rows",
    )
    assert found(made, SECRETS + PEOPLE + NOTES) == []
    assert sorted(file.name for file in made.iterdir()) == [
        "README.md",
        "export.json",
        "metrics.json",
    ]
    told = json.loads((made / "metrics.json").read_text())
    assert told["rows"] == 12
    assert {column["column"]: column.get("counts") for column in told["columns"]} == {
        "text": None,
        "label": [6, 5, 1],
        "kind": [11, 1],
        "photo": [12],
        "size": None,
    }
    assert told["events"] == 5
    assert told["decisions"] == [
        {"by": "annotator_2", "action": "relabel", "rows": 1},
        {"by": "knn", "action": "tag", "rows": 1},
        {"by": "annotator_1", "action": "drop", "rows": 1},
    ]
    assert told["with a reason"] == 3
    assert {"problem": "duplicates", "items": 1, "share": 0.0833} in told["audits"]["audit"]
    text = (made / "README.md").read_text()
    assert "| label | str | 0 | 3 | 6, 5, 1 |" in text
    assert "| annotator_1 | drop | 1 |" in text


def test_counts_alone_take_no_documents_that_may_quote_rows(tmp_path, planted):
    source, _ = planted
    assert message(
        ValueError,
        export,
        source,
        tmp_path / "x",
        documents={"note.txt": "hello"},
        leave_out="rows",
    ) == (
        "The 'documents' parameter must be audits where the rows are left out. Got str for "
        "'note.txt' instead. Of an audit only counts are kept; other documents may quote rows."
    )


def test_counts_alone_are_no_items(tmp_path, planted):
    source, _ = planted
    made = export(source, tmp_path / "x", leave_out="rows")
    assert message(ValueError, cl.load_items, made) == (
        "The 'source' parameter must be an export with rows. Got one without instead. It was "
        "exported with leave_out='rows': README.md and metrics.json tell of them."
    )


def test_columns_that_nobody_can_count_have_no_counts(tmp_path):
    lists = pd.Series([[1], None, [2]], dtype=pd.ArrowDtype(pa.list_(pa.int32())))
    items = pd.DataFrame({"lists": lists, "foreign": np.array([1, 2, 3], dtype=">i4")})
    made = export(items, tmp_path / "x", leave_out="rows")
    columns = json.loads((made / "metrics.json").read_text())["columns"]
    assert [(one["column"], one["missing"], "counts" in one) for one in columns] == [
        ("lists", 1, False),
        ("foreign", 0, False),
    ]


def test_names_of_columns_cannot_break_out_of_the_table(tmp_path):
    items = pd.DataFrame({"a | b\n<script>": ["x", "y"]})
    text = (export(items, tmp_path / "x", leave_out="rows") / "README.md").read_text()
    assert "| a \\| b &lt;script&gt; | str | 0 | 2 | 1, 1 |" in text
