"""The ledger in other files: exchanged, redacted, as Python, and on newer data."""

from __future__ import annotations

import csv
import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from curalab.ledger import Ledger, storage

FOREIGN = ["argilla", "label_studio", "coco"]
DAY = pd.Timestamp("2024-01-02 03:04:05.000000006")
IDS = ["a", 1, "1", 2.5, "ü 'q' \"q\"\n🐕", DAY, dt.date(2024, 1, 2), "=1+1", "null", " x", "y"]


def error_of(kind, call):
    with pytest.raises(kind) as info:
        call()
    return str(info.value)


def follow(recipe, items):
    names = {"items": items}
    exec(recipe, names)
    return names["clean"]


@pytest.fixture
def items():
    table = pd.DataFrame({"label": "cat", "n": range(len(IDS))}, index=pd.Index(IDS, dtype=object))
    return table.astype({"label": object, "n": object})


@pytest.fixture
def ledger(tmp_path):
    """Every action, kind of id and kind of value."""
    with Ledger(tmp_path / "main.ledger") as made:
        news = ["dog", "1", "", "ü\n\"'", 3, 2.5, True, np.nan, DAY, dt.date(2024, 1, 2), -np.inf]
        for row, new in zip(IDS, news, strict=True):
            made.record(row, action="relabel", field="n", new=new, actor="Ann", reason='so, "so"')
        made.record("a", action="relabel", field="label", old="cat", new="dog", actor="Ann")
        made.record("a", action="relabel", field="label", old="dog", new="owl", actor="Bob ü")
        made.record(1, action="relabel", field="label", old="cat", new=np.nan, actor="knn",
                    method="knn", embedding="9f",
                    params={"score": 0.75, "k": [1, "x"]})  # fmt: skip
        made.record("1", action="drop", actor="Bob ü", reason="=cmd()")
        made.record(DAY, action="keep", actor="Ann")
        made.record(2.5, action="weight", new=0.5, actor="Ann")
        for tag in ("dark", "blur", "1"):
            made.record("y", action="tag", new=tag, actor="Ann")
        made.record("null", action="drop", actor="Ann")
        made.undo(made.undo(actor="Ann"), actor="Bob ü")
        made.record(" x", action="drop", actor="Ann")
        made.undo(actor="Ann")
        yield made


def decided(ledger):
    """Row, field, action, value and actor, with their types, in any order."""
    frame = ledger.decisions()[["field", "action", "new", "actor"]].reset_index()
    return sorted(map(repr, frame.itertuples(index=False)))


# ---- exchange ------------------------------------------------------------------------------------


def test_json_lines_hold_every_event(ledger, tmp_path, items):
    path = ledger.export(tmp_path / "x.jsonl")
    assert path == tmp_path / "x.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(ledger)
    assert json.loads(lines[13]) == {
        "event": 14,
        "time": ledger.to_frame()["time"][14].isoformat(timespec="milliseconds"),
        "row_id": 1,
        "field": "label",
        "action": "relabel",
        "old": "cat",
        "new": None,
        "actor": "knn",
        "method": "knn",
        "params": {"score": 0.75, "k": [1, "x"]},
        "embedding": "9f",
    }
    with Ledger(tmp_path / "copy") as copy:
        assert len(copy.import_decisions(path)) == len(ledger)
        pd.testing.assert_frame_equal(copy.to_frame(), ledger.to_frame())
        assert list(map(type, copy.to_frame()["row_id"])) == list(
            map(type, ledger.to_frame()["row_id"])
        )
        assert len(copy.import_decisions(path)) == 0
        pd.testing.assert_frame_equal(copy.apply(items), ledger.apply(items))


def test_csv_holds_what_stands_and_a_spreadsheet_reads_no_formula(ledger, tmp_path, items):
    path = ledger.export(tmp_path / "x.csv", format="csv")
    with path.open(encoding="utf-8", newline="") as file:
        cells = list(csv.reader(file))
    assert cells[0] == [
        "event", "time", "row_id", "field", "action", "old", "new", "actor", "method", "params",
        "embedding", "reason", "undoes",
    ]  # fmt: skip
    assert {row[2] for row in cells} >= {"a", "1", '"1"', '"=1+1"', '"null"', '" x"', "y", "2.5"}
    assert not any(cell.startswith(("=", "+", "@")) for row in cells for cell in row)
    with Ledger(tmp_path / "copy") as copy:
        copy.import_decisions(path, format="csv")
        assert decided(copy) == decided(ledger)
        pd.testing.assert_frame_equal(copy.apply(items), ledger.apply(items))
        shown = ["row_id", "old", "new", "actor", "method", "params", "embedding", "reason", "time"]
        mine, theirs = (each.decisions().reset_index()[shown] for each in (ledger, copy))
        pd.testing.assert_frame_equal(mine, theirs)


def test_a_csv_from_elsewhere_needs_a_row_an_action_and_somebody(tmp_path):
    (tmp_path / "x.csv").write_text("\ufeffrow_id,action,new\n007,tag,dark\n7,drop,\n")
    with Ledger(tmp_path / "l") as ledger:
        ledger.import_decisions(tmp_path / "x.csv", format="csv", actor="Ann")
        frame = ledger.to_frame()
        assert frame[["row_id", "action", "new", "actor"]].to_numpy().tolist() == [
            ["007", "tag", "dark", "Ann"], [7, "drop", None, "Ann"],
        ]  # fmt: skip
        call = lambda: ledger.import_decisions(tmp_path / "x.csv", format="csv")  # noqa: E731
        assert error_of(TypeError, call) == (
            "The 'actor' parameter must be text that is not empty. Got None instead. "
            "This is line 2 of 'x.csv'; nothing was recorded."
        )


@pytest.mark.parametrize("form", FOREIGN)
def test_annotation_tools_hold_row_field_value_and_actor(ledger, tmp_path, items, form):
    path = ledger.export(tmp_path / "x.json", format=form, items=items)
    assert "NaN" not in path.read_text(encoding="utf-8")
    with Ledger(tmp_path / "copy") as copy:
        copy.import_decisions(path, format=form)
        assert decided(copy) == decided(ledger)
        pd.testing.assert_frame_equal(copy.apply(items), ledger.apply(items))
    path = ledger.export(tmp_path / "y.json", format=form, people=False, notes=False)
    text = path.read_text(encoding="utf-8")
    assert not any(word in text for word in ("Ann", "Bob", "so, ", "cmd"))
    assert "annotator_2" in text


def test_argilla_records_as_its_pages_show_them(ledger, tmp_path, items):
    path = ledger.export(tmp_path / "x.json", format="argilla", items=items)
    told = json.loads(path.read_text(encoding="utf-8"))
    records = {json.dumps(each["metadata"]["row_id"]): each for each in told}
    one = records["1"]
    assert one["suggestions"] == [
        {"question_name": "label", "value": None, "agent": "knn", "score": 0.75}
    ]
    assert one["fields"] == {"label": "cat", "n": "1"}
    assert records['"y"']["responses"] == [
        {
            "user_id": "Ann",
            "status": "submitted",
            "values": {"n": {"value": {"float": "-inf"}}, "tags": {"value": ["dark", "blur", "1"]}},
        }
    ]
    assert [each["status"] for each in records['"1"']["responses"]] == ["submitted", "discarded"]


def test_argilla_records_of_others(tmp_path):
    of_server = {
        "id": "r1",
        "fields": {"text": "x"},
        "suggestions": [{"question_name": "label", "value": "dog", "agent": "m", "score": 0.9}],
        "responses": [
            {"user_id": "u1", "status": "submitted", "values": {"label": {"value": "cat"}}},
            {"user_id": "u2", "status": "draft", "values": {"label": {"value": "owl"}}},
        ],
    }
    of_client = {
        "id": "r2",
        "suggestions": {"label": {"value": "dog", "agent": None, "score": None}},
        "responses": {
            "label": [{"value": "ant", "user_id": "u1"}],
            "tags": [{"value": [], "user_id": "u1"}],
        },
    }
    discarded = {"id": "r3", "responses": [{"user_id": "u1", "status": "discarded", "values": {}}]}
    path = tmp_path / "x.json"
    path.write_text(json.dumps([of_server, of_client, discarded]))
    with Ledger(tmp_path / "l") as ledger:
        ledger.import_decisions(path, format="argilla", actor="model")
        told = ledger.to_frame()
        assert told[["row_id", "action", "new", "actor", "method"]].to_numpy().tolist() == [
            ["r1", "relabel", "dog", "m", "m"],
            ["r2", "relabel", "dog", "model", None],
            ["r1", "relabel", "cat", "u1", None],
            ["r2", "relabel", "ant", "u1", None],
            ["r3", "drop", None, "u1", None],
        ]
        assert told["params"][1] == {"score": 0.9}
        path.write_text(json.dumps([{"id": 1, "responses": [
            {"user_id": "u", "values": {"label": {"value": ["a", "b"]}}}]}]))  # fmt: skip
        assert error_of(ValueError, lambda: ledger.import_decisions(path, format="argilla")) == (
            "The 'path' parameter must be a file with one label for each question. "
            "Got ['a', 'b'] instead. This is record 1 of 'x.json'; nothing was recorded."
        )


def label_studio(kind, value, **more):
    return {"from_name": "label", "to_name": "text", "type": kind, "value": value, **more}


def test_label_studio_tasks_of_others(tmp_path):
    tasks = [
        {
            "id": 11,
            "data": {"text": "x"},
            "annotations": [
                {
                    "completed_by": 10,
                    "created_at": "2026-01-02T00:00:00Z",
                    "result": [label_studio("choices", {"choices": ["cat"]})],
                },
                {
                    "completed_by": "Eve",
                    "created_at": None,
                    "result": [
                        label_studio("choices", {"choices": ["owl"]}, meta={"text": "far away"})
                    ],
                },
                {
                    "completed_by": {"id": 4, "email": "bob@x.org"},
                    "created_at": "2026-01-01T00:00:00Z",
                    "result": [label_studio("rating", {"rating": 4})],
                },
                {"completed_by": 1, "was_cancelled": True, "result": []},
            ],
            "predictions": [
                {
                    "model_version": "m1",
                    "score": 0.5,
                    "result": [label_studio("choices", {"choices": ["dog"]})],
                }
            ],
        }
    ]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(tasks))
    with Ledger(tmp_path / "l") as ledger:
        ledger.import_decisions(path, format="label_studio")
        assert ledger.to_frame()[["row_id", "field", "new", "actor"]].to_numpy().tolist() == [
            [11, "label", "dog", "m1"],
            [11, "label", "owl", "Eve"],
            [11, "label", 4, "bob@x.org"],
            [11, "label", "cat", "user 10"],
        ]
        assert ledger.to_frame()["reason"].tolist() == ["", "far away", "", ""]
        box = label_studio("rectanglelabels", {"rectanglelabels": ["cat"]})
        path.write_text(json.dumps([{"id": 1, "data": {}, "annotations": [{"result": [box]}]}]))
        call = lambda: ledger.import_decisions(path, format="label_studio")  # noqa: E731
        assert error_of(ValueError, call) == (
            "The 'path' parameter must be a file of classifications: choices, number, rating, "
            "textarea or datetime. Got the type 'rectanglelabels' instead. "
            "This is record 1 of 'x.json'; nothing was recorded."
        )
        assert len(ledger) == 4


def test_coco_files_of_others(tmp_path):
    told = {
        "images": [{"id": 5, "file_name": "dog/1.jpg", "width": 3, "height": 3}],
        "annotations": [{"id": 1, "image_id": 5, "category_id": 18, "bbox": [0, 0, 3, 3]}],
        "categories": [{"id": 18, "name": "dog", "supercategory": "animal"}],
    }
    (tmp_path / "x.json").write_text(json.dumps(told))
    with Ledger(tmp_path / "l") as ledger:
        ledger.import_decisions(tmp_path / "x.json", format="coco", actor="COCO")
        assert ledger.to_frame()[["row_id", "field", "new", "actor"]].to_numpy().tolist() == [
            ["dog/1.jpg", "label", "dog", "COCO"]
        ]


def test_files_that_cannot_be_exchanged(ledger, tmp_path):
    assert error_of(ValueError, lambda: ledger.export(tmp_path / "x", format="xml")) == (
        "The 'format' parameter must be one of 'jsonl', 'csv', 'argilla', 'label_studio', 'coco'. "
        "Got 'xml' instead."
    )
    path = tmp_path / "main.ledger"
    assert error_of(ValueError, lambda: ledger.export(path)) == (
        f"The 'path' parameter must be another file than the ledger. Got {str(path)!r} instead."
    )
    path = tmp_path / "none" / "x"
    assert error_of(ValueError, lambda: ledger.export(path)) == (
        f"The 'path' parameter must be in a folder that is there. Got {str(path)!r} instead."
    )
    assert error_of(ValueError, lambda: ledger.import_decisions(path)) == (
        f"The 'path' parameter must be a file that is there. Got {str(path)!r} instead."
    )
    assert error_of(ValueError, lambda: ledger.export(tmp_path)) == (
        f"The 'path' parameter must be a file. Got the folder {str(tmp_path)!r} instead."
    )


def test_an_export_that_fails_leaves_what_was_there(ledger, tmp_path):
    (tmp_path / "x").write_text("before")
    with pytest.raises(TypeError, match="must be a DataFrame whose index holds the ids"):
        ledger.export(tmp_path / "x", format="argilla", items=[1])
    assert (tmp_path / "x").read_text() == "before"
    assert not (tmp_path / "x.part").exists()


GOOD = '{"row_id": 1, "action": "drop", "actor": "x"}\n'
FORMAT = "The 'path' parameter must be a file of the format "
ONCE = "The 'path' parameter must be a file that numbers each event once. "
TIMES = "The 'path' parameter must be a file of times as ISO 8601 writes them. "
UNDOS = "The 'path' parameter must be a file whose undos follow what they undo. "
ACTIONS = "The 'action' parameter must be one of 'keep', 'drop', 'relabel', 'weight', 'tag'. "
COLUMNS = (
    "The 'path' parameter must be a file of nothing but event, time, row_id, field, action, old, "
    "new, actor, method, params, embedding, reason, undoes. "
)
NAMED = "The 'path' parameter must be a file whose checkpoints name an event in it. "


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("{", FORMAT + "'jsonl'. Got 'bad' (line 2, JSONDecodeError: Expecting property name "
         "enclosed in double quotes, column 2) instead."),
        ("[1]", FORMAT + "'jsonl'. Got 'bad' (line 2, TypeError: no object but [1]) instead."),
        ('{"row_id": {"day": 1}}', FORMAT + "'jsonl'. Got 'bad' (line 2, ValueError: {'day': 1} "
         "is no value of a decision) instead."),
        ('{"row_id": {}}', FORMAT + "'jsonl'. Got 'bad' (line 2, ValueError: {} is no value of a "
         "decision) instead."),
        ("\n" + GOOD.replace("drop", "dorp"), ACTIONS + "Got 'dorp' instead. Did you mean 'drop'? "
         "This is line 3 of 'bad'; nothing was recorded."),
        (GOOD.replace('"x"', '"x", "who": 1'), COLUMNS + "Got 'who' in line 2 of 'bad' instead."),
        (GOOD.replace('"x"', '"x", "event": 1'), ONCE + "Got the event 1 in line 2 of 'bad' "
         "instead."),
        (GOOD.replace('"x"', '"x", "event": [1]'), ONCE + "Got the event [1] in line 2 of 'bad' "
         "instead."),
        (GOOD.replace('"x"', '"x", "time": "noon"'), TIMES + "Got 'noon' in line 2 of 'bad' "
         "instead."),
        (GOOD.replace('"x"', '"x", "time": 5'), TIMES + "Got 5 in line 2 of 'bad' instead."),
        (GOOD.replace("drop", "undo"), UNDOS + "Got an undo of None in line 2 of 'bad' instead."),
        (GOOD.replace("drop", "undo").replace('"x"', '"x", "undoes": 2'), UNDOS + "Got an undo of "
         "2 in line 2 of 'bad' instead."),
        ('{"checkpoint": "v1", "event": 2, "actor": "x"}', NAMED + "Got the event 2 in line 2 of "
         "'bad' instead."),
        ('{"checkpoint": "v1", "actor": "x"}', NAMED + "Got the event None in line 2 of 'bad' "
         "instead."),
        ('{"checkpoint": "", "event": 1, "actor": "x"}', "The 'checkpoint' parameter must be text "
         "that is not empty. Got '' instead. This is line 2 of 'bad'; nothing was recorded."),
        ('{"checkpoint": "v1", "event": 1, "row_id": 1}', "The 'path' parameter must be a file of "
         "nothing but checkpoint, event, time, actor, reason. Got 'row_id' in line 2 of 'bad' "
         "instead."),
    ],
)  # fmt: skip
def test_json_lines_that_are_no_ledger_name_the_line(tmp_path, lines, text):
    (tmp_path / "bad").write_text(GOOD + lines)
    with Ledger(tmp_path / "l") as ledger:
        assert (
            error_of((TypeError, ValueError), lambda: ledger.import_decisions(tmp_path / "bad"))
            == text
        )
        assert len(ledger) == len(ledger.checkpoints()) == 0


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"row_id,action,actor\n1,drop,x\n2,dr", FORMAT + "'csv'. Got 'bad' (line 3, ValueError: "
         "2 cells under 3 names) instead."),
        (b'row_id,action,actor\n1,"dr"op,x\n', FORMAT + "'csv'. Got 'bad' (line 2, Error: ',' "
         "expected after '\"') instead."),
        (b"row_id,action,actor\n1,drop,x\n\xfc,drop,x\n", FORMAT + "'csv'. Got 'bad' (line 3, "
         "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xfc in position 0: invalid start "
         "byte) instead."),
        (b"row_id,row_id,action\n1,1,drop\n", FORMAT + "'csv'. Got 'bad' (line 1, ValueError: a "
         "column that is there twice) instead."),
        (b'row_id,action,actor\n"a\nb",drop,x\n1,dorp,x\n', ACTIONS + "Got 'dorp' instead. Did "
         "you mean 'drop'? This is line 4 of 'bad'; nothing was recorded."),
    ],
)  # fmt: skip
def test_a_csv_that_is_no_ledger_names_the_line(tmp_path, content, text):
    (tmp_path / "bad").write_bytes(content)
    with Ledger(tmp_path / "l") as ledger:
        call = lambda: ledger.import_decisions(tmp_path / "bad", format="csv")  # noqa: E731
        assert error_of(ValueError, call) == text
        assert len(ledger) == 0


ANSWER = {"id": 1, "responses": [{"user_id": "u", "values": {"label": {"value": "a"}}}]}
TASK = {"id": 1, "data": {}, "annotations": [{"completed_by": 1, "result": [
    {"type": "choices", "from_name": "label", "value": {"choices": ["a"]}}]}]}  # fmt: skip
IMAGE = {"images": [{"id": 1, "file_name": "a"}], "categories": [{"id": 1, "name": "x"}]}


@pytest.mark.parametrize(
    ("form", "told", "text"),
    [
        ("argilla", 3, "TypeError: 'int' object is not iterable"),
        ("argilla", [ANSWER, {"id": 2, "responses": [{"values": {"label": {}}}]}],
         "record 2, KeyError: 'value'"),
        ("argilla", [ANSWER, {"id": 2, "responses": [{"values": {"label": {"value": {"a": 1}}}}]}],
         "record 2, ValueError: {'a': 1} is no value of a decision"),
        ("label_studio", [TASK, {"id": 2}], "record 2, KeyError: 'data'"),
        ("coco", [], "TypeError: list indices must be integers or slices, not str"),
        ("coco", {**IMAGE, "annotations": [{"image_id": 7, "category_id": 1}]},
         "record 1, KeyError: 7"),
    ],
)  # fmt: skip
def test_files_of_tools_that_are_not_as_theirs_name_the_record(tmp_path, form, told, text):
    (tmp_path / "bad").write_text(json.dumps(told))
    with Ledger(tmp_path / "l") as ledger:
        call = lambda: ledger.import_decisions(tmp_path / "bad", format=form, actor="x")  # noqa: E731
        assert error_of(ValueError, call) == f"{FORMAT}{form!r}. Got 'bad' ({text}) instead."
        (tmp_path / "bad").write_text("{")
        assert error_of(ValueError, call) == (
            f"{FORMAT}{form!r}. Got 'bad' (JSONDecodeError: Expecting property name enclosed in "
            "double quotes: line 1 column 2 (char 1)) instead."
        )
        (tmp_path / "bad").write_text(json.dumps([ANSWER, ANSWER | {"id": None}]))
        call = lambda: ledger.import_decisions(tmp_path / "bad", format="argilla")  # noqa: E731
        assert error_of(TypeError, call) == (
            "The 'row_id' parameter must be a string, a number or a date. Got nan instead. "
            "This is record 2 of 'bad'; nothing was recorded."
        )
        assert len(ledger) == 0


def test_json_lines_made_by_hand(tmp_path):
    """A mark of the byte order, blank lines, a time of another zone, no numbers."""
    when = '"time": "2026-01-01T00:00:00.5+02:00", '
    text = "\ufeff" + GOOD + "\n" + GOOD.replace('"row_id": 1', when + '"row_id": "ü"') + "  \n"
    (tmp_path / "x").write_text(text, encoding="utf-8")
    with Ledger(tmp_path / "l") as ledger:
        ledger.import_decisions(tmp_path / "x")
        assert ledger.to_frame()["row_id"].tolist() == [1, "ü"]
        assert ledger._storage.read()["time"][2] == "2025-12-31T22:00:00.500000+00:00"


# ---- checkpoints ---------------------------------------------------------------------------------


def test_json_lines_hold_checkpoints(ledger, tmp_path, items):
    ledger.checkpoint("v1", actor="Ann", reason='before the meeting, "so"')
    ledger.record("a", action="drop", actor="Ann")
    ledger.checkpoint("v2", actor="Bob ü")
    path = ledger.export(tmp_path / "x.jsonl")
    with Ledger(tmp_path / "copy") as copy:
        for _ in range(2):
            copy.import_decisions(path)
            pd.testing.assert_frame_equal(copy.checkpoints(), ledger.checkpoints())
        pd.testing.assert_frame_equal(copy.apply(items, at="v1"), ledger.apply(items, at="v1"))
        assert copy.diff("v1", "v2")["row_id"].tolist() == ["a"]
        assert copy.export(tmp_path / "y.jsonl").read_bytes() == path.read_bytes()
    hidden = ledger.export(tmp_path / "z.jsonl", people=False, notes=False).read_text()
    assert '"checkpoint": "v1", "event": 25' in hidden
    assert not any(word in hidden for word in ("Ann", "Bob", "so, ", "meeting"))


def test_a_ledger_without_decisions_carries_its_checkpoint(tmp_path):
    with Ledger(tmp_path / "a") as one, Ledger(tmp_path / "b") as other:
        one.checkpoint("start", actor="Ann")
        assert len(other.import_decisions(one.export(tmp_path / "x"))) == 0
        pd.testing.assert_frame_equal(other.checkpoints(), one.checkpoints())


def test_checkpoints_in_a_ledger_that_has_other_decisions(tmp_path):
    with Ledger(tmp_path / "a") as one, Ledger(tmp_path / "b") as other:
        for row in "abc":
            one.record(row, action="drop", actor="Ann")
            one.checkpoint(f"at {row}", actor="Ann")
        other.record("z", action="drop", actor="Bob")
        path = one.export(tmp_path / "x")
        other.import_decisions(path)
        assert other.checkpoints()["event"].to_dict() == {"at a": 2, "at b": 3, "at c": 4}
        assert other.decisions(at="at b").index.tolist() == ["z", "a", "b"]
        one.record("d", action="drop", actor="Ann")
        with Ledger(tmp_path / "c") as third:
            third.checkpoint("at c", actor="Eve")
            assert error_of(ValueError, lambda: third.import_decisions(path)) == (
                "The 'path' parameter must be a file whose checkpoints have names that are free "
                "here. Got 'at c' instead. Import it into a ledger of its own."
            )
            assert (len(third), third.checkpoints().index.tolist()) == (0, ["at c"])


# ---- without people ------------------------------------------------------------------------------


def test_a_redacted_copy_decides_the_same_and_names_nobody(ledger, tmp_path, items):
    ledger.checkpoint("v1", actor="Eve", reason="Ann was ill")
    with Ledger(tmp_path / "Bob's") as bobs:
        bobs.record("y", action="keep", actor="Bob ü", reason="for Ann")
        ledger.merge(bobs, actor="Eve")
    path = ledger.redact(tmp_path / "public.ledger")
    content = path.read_bytes()
    for word in ("Ann", "Bob", "Eve", "so, ", "cmd"):
        assert word.encode() not in content
    with Ledger(path) as public:
        frame, own = public.to_frame(), ledger.to_frame()
        assert frame["actor"].unique().tolist() == ["annotator_1", "annotator_2", "knn"]
        assert (frame["actor"] == "annotator_1").tolist() == (own["actor"] == "Ann").tolist()
        assert set(frame["reason"]) == {""}
        pd.testing.assert_frame_equal(public.apply(items), ledger.apply(items))
        named = public.checkpoints()[["actor", "reason"]]
        assert named.to_numpy().tolist() == [["annotator_3", ""]]
        pd.testing.assert_series_equal(frame["time"], own["time"])
    assert error_of(ValueError, lambda: ledger.redact(path)) == (
        f"The 'path' parameter must be a new file. Got {str(path)!r} instead."
    )
    with Ledger(ledger.redact(tmp_path / "named", people=True)) as named:
        assert named.to_frame()["actor"].tolist() == own["actor"].tolist()
        assert set(named.to_frame()["reason"]) == {""}


def test_a_redacted_copy_that_fails_leaves_no_file(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_EXTEND", "INSERT INTO event (event) VALUES (?)")
    with pytest.raises(OSError, match="Got 'Incorrect number of bindings supplied"):
        ledger.redact(tmp_path / "public")
    assert not [file.name for file in tmp_path.iterdir() if "public" in file.name]


# ---- the recipe ----------------------------------------------------------------------------------


def test_the_recipe_makes_the_same_table_from_every_action_and_id(ledger, items):
    pd.testing.assert_frame_equal(follow(ledger.recipe(), items), ledger.apply(items))


@pytest.mark.parametrize("day", [None, DAY], ids=["as JSON", "as Python"])
def test_a_long_recipe_makes_the_same_table(tmp_path, day):
    words = ["cat", "it's '''quoted'''", 'a \\ "b"\n', "ü\udcff\u2028", "{}"]
    words += [1, 2.5, True, np.nan, -np.inf]
    index = pd.Index([i if i % 2 else f"r'{i}" for i in range(3_000)], dtype=object)
    items = pd.DataFrame({"label": pd.Series("x", index=index, dtype=object)})
    decisions = pd.DataFrame({"row_id": index, "action": "relabel", "field": "label", "old": "x",
                              "actor": "it's", "params": [{"timestamp": "'"}] * 3_000})  # fmt: skip
    decisions["new"] = pd.Series((words * 300), dtype=object)
    with Ledger(tmp_path / "l") as ledger:
        ledger.record_many(decisions)
        if day is not None:
            ledger.record(1, action="relabel", field="label", new=day, actor="Ann")
        ledger.record("r'0", action="drop", actor="Ann")
        recipe = ledger.recipe()
        assert ("json.loads" in recipe) == (day is None)
        pd.testing.assert_frame_equal(follow(recipe, items), ledger.apply(items))


# ---- on newer data -------------------------------------------------------------------------------


def test_replay_says_what_no_longer_applies_and_why(tmp_path):
    index = pd.Index([*"abcdefgh"])
    old = pd.DataFrame({"label": ["cat"] * 8, "site": "x", "weight": 1.0}, index=index)
    with Ledger(tmp_path / "l") as ledger:
        for row in "abcd":
            ledger.record(row, action="relabel", field="label", old="cat", new="dog", actor="Ann")
        ledger.record("d", action="relabel", field="label", old="dog", new="owl", actor="Bob",
                      reason="beak")  # fmt: skip
        ledger.record("e", action="drop", actor="Ann")
        ledger.record("f", action="drop", actor="Ann")
        ledger.record("g", action="relabel", field="site", new="y", actor="Ann")
        ledger.record("g", action="tag", new="dark", actor="Ann")
        ledger.record("g", action="tag", new="blur", actor="Ann")
        ledger.record("h", action="weight", new=0.5, actor="Ann")
        ledger.record("a", action="weight", new=2, actor="Ann")
        whole = ledger.replay(old)
        pd.testing.assert_frame_equal(whole.table, ledger.apply(old))
        assert len(whole.report) == 0
        # "b" was relabelled at the source, "c" and "d" to something else; "e" and a column went.
        new = pd.DataFrame(
            {
                "label": ["cat", "dog", "bee", "bee", "cat", "cat", "cat"],
                "weight": [1, 1, 1, 1, 1, 1, 0.5],
                "tags": [[], [], [], [], [], ["dark"], []],
            },
            index=pd.Index([*"abcdfgh"]),
        )
        before = new.copy(deep=True)
        replayed = ledger.replay(new)
        pd.testing.assert_frame_equal(new, before)
        report = replayed.report
        assert report.index.name == "event"
        assert report[["row_id", "field", "new", "actor", "holds", "why"]].to_numpy().tolist() == [
            ["b", "label", "dog", "Ann", "dog", "already so"],
            ["c", "label", "dog", "Ann", "bee", "old value differs"],
            ["d", "label", "owl", "Bob", "bee", "old value differs"],
            ["e", None, None, "Ann", None, "unknown row"],
            ["g", "site", "y", "Ann", None, "missing column"],
            ["g", "tags", "dark", "Ann", ["dark"], "already so"],
            ["h", "weight", 0.5, "Ann", 0.5, "already so"],
        ]
        assert report["reason"].tolist()[2] == "beak"
        expected = pd.DataFrame(
            {
                "label": ["dog", "dog", "bee", "bee", "cat", "cat"],
                "weight": [2.0, 1, 1, 1, 1, 0.5],
                "tags": [[], [], [], [], ["blur", "dark"], []],
            },
            index=pd.Index([*"abcdgh"]),
        )
        pd.testing.assert_frame_equal(replayed.table, expected)
        assert repr(replayed) == "Replayed(6 rows, 7 decisions left out)"
        with pytest.raises(ValueError, match="every row that the ledger decides on"):
            ledger.apply(new)  # stays strict
        assert error_of(TypeError, lambda: ledger.replay([1])) == (
            "The 'items' parameter must be a DataFrame whose index holds the ids. Got [1] instead."
        )
