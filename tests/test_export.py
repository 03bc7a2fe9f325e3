"""Exports: written whole or not at all, read back as the same table and ids."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
import uuid
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import wavfile

import curalab as cl
from curalab._check import MissingExtraError, invented_ids
from curalab.documents._export import export
from curalab.documents._formats import FORMATS
from curalab.documents._verify import difference
from curalab.items._schema import laid_out
from curalab.items._stored import read_table

HAS_DATASETS = find_spec("datasets") is not None
ALL = [form for form in FORMATS if form != "huggingface" or HAS_DATASETS]
TABLES = [form for form in ALL if form != "imagefolder"]  # which need no image
ODD_TEXTS = [
    "",
    "a, b",
    'say "no"',
    "two\nlines\r\n",
    "🙂",
    "שלום, עולם",
    " NA ",
    "NA",
    "\t",
    "null",
]


def message(error: type[Exception], function, *args, **settings) -> str:
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value)


def pixels(n: int = 1, *shape: int) -> list[np.ndarray]:
    rng = np.random.default_rng(n)
    return [rng.integers(0, 256, shape or (5, 7, 3), dtype=np.uint8) for _ in range(n)]


def of_every_type() -> pd.DataFrame:
    """Return three rows of each dtype that tables come with, the missing among them."""
    times = pd.to_datetime(["2020-10-25 00:30", "2020-10-25 01:30", None])
    columns = {
        "int8": pd.Series([1, -2, 3], dtype="int8"),
        "uint64": pd.Series([2**64 - 1, 0, 1], dtype="uint64"),
        "half": pd.Series([0.1, np.nan, np.inf], dtype="float16"),
        "single": pd.Series([0.1, -0.0, np.nan], dtype="float32"),
        "double": pd.Series([1 / 3, np.nan, -np.inf]),
        "bool": pd.Series([True, False, True]),
        "Int64": pd.Series([2**62, None, 3], dtype="Int64"),
        "boolean": pd.Series([True, None, False], dtype="boolean"),
        "Float64": pd.Series([0.5, None, 1e300], dtype="Float64"),
        "str": pd.Series(["a", None, ""]),
        "string": pd.Series(["a", None, ""], dtype="string"),
        "python": pd.Series(["a", None, ""], dtype=pd.StringDtype("python", na_value=np.nan)),
        "object": pd.Series(["a", None, np.nan], dtype=object),
        "missing": pd.Series([pd.NA, pd.NaT, None], dtype=object),
        "mixed": pd.Series([1, "1", 1.0], dtype=object),
        "huge": pd.Series([2**70, 1, None], dtype=object),
        "ordered": pd.Series(["b", "a", None], dtype=pd.CategoricalDtype(["b", "a", "z"], True)),
        "numbers": pd.Series([3, 1, None]).astype(pd.CategoricalDtype([3, 1])),
        "kinds": pd.Series([1, "1", None], dtype=object).astype("category"),
        "bins": pd.cut(pd.Series([1, 5, 9]), 3),
        "naive": pd.Series(times).dt.as_unit("s"),
        "utc": pd.Series(times.tz_localize("UTC")).dt.as_unit("ns"),
        "zone": pd.Series(times.tz_localize("UTC").tz_convert("Europe/Berlin")),
        "offset": pd.Series(pd.to_datetime(["2020-01-01T00:00:00+02:00", None, None])),
        "span": pd.Series(pd.to_timedelta(["1 days", "-2h", None])),
        "date": pd.Series([dt.date(2020, 1, 1), None, dt.date(1, 1, 1)], dtype=object),
        "time": pd.Series([dt.time(1, 2, 3, 4), None, dt.time(0)], dtype=object),
        "decimal": pd.Series([decimal.Decimal("1.0"), decimal.Decimal("1.00"), None], dtype=object),
        "moment": pd.Series(
            [
                dt.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
                pd.Timestamp("2020-01-01", tz="Asia/Tokyo"),
                dt.timedelta(1, 2, 3),
            ],
            dtype=object,
        ),
        "tags": pd.Series([["a", "b,c"], [], None], dtype=object),
        "nested": pd.Series([[["a"], [1]], {"b": None, "!a": np.nan}, (1, 2)], dtype=object),
        "keys": pd.Series([{1: {"x"}}, {}, np.float32(0.1)], dtype=object),
        "no keys": pd.Series([{}, {}, None], dtype=object),
        "nothing": pd.Series([[[None], [None, None]], None, []], dtype=object),
        "vector": pd.Series([*np.ones((2, 4), "f4"), None], dtype=object),
        "words": pd.Series([np.array(["a", "b"], dtype=object), None, None], dtype=object),
        "bytes": pd.Series([b"\x00\xff", b"", None], dtype=object),
        "half pair": pd.Series(["\ud800", "a", None], dtype=object),
        "month": pd.Series(pd.period_range("2020", periods=3, freq="M")),
        "sparse": pd.Series(pd.arrays.SparseArray([0.0, np.nan, 1.0])),
        "arrow": pd.Series([1, 2, None], dtype="int64[pyarrow]"),
    }
    return pd.DataFrame(columns)


def same(made: pd.DataFrame, items: pd.DataFrame) -> None:
    """Compare by two ways: pandas', and one that tells True from 1 inside lists."""
    assert difference(made, items) == ""
    plain = items.drop(columns="nested", errors="ignore")  # pandas finds no NaN equal in a dict
    pd.testing.assert_frame_equal(
        made[plain.columns], plain, check_exact=True, check_freq=True, check_column_type=True
    )


# ---- the same table again ------------------------------------------------------------------------


@pytest.mark.parametrize("form", TABLES)
def test_every_dtype_comes_back(tmp_path, form):
    items = of_every_type().set_axis(pd.Index(["a/1", "b,\n2", "🙂"], name="sku"), axis=0)
    same(cl.load_items(export(items, tmp_path / "x", format=form)), items)


@pytest.mark.parametrize("form", TABLES)
def test_cells_that_are_not_equal_to_themselves_and_odd_types(tmp_path, form):
    ones = {
        "decimal": [decimal.Decimal("NaN"), None, decimal.Decimal("-Infinity")],
        "when": [np.datetime64("NaT"), np.datetime64("2020"), np.timedelta64("NaT")],
        "uuid": [uuid.UUID(int=7), None, uuid.UUID(int=8)],
    }
    items = pd.DataFrame({name: pd.Series(one, dtype=object) for name, one in ones.items()})
    items = items.set_axis([uuid.UUID(int=n) for n in range(3)], axis=0)
    made = cl.load_items(export(items, tmp_path / "x", format=form))
    assert difference(made, items) == ""
    assert made["decimal"].map(str).tolist() == ["NaN", "None", "-Infinity"]
    assert difference(items.replace({"uuid": {uuid.UUID(int=7): uuid.UUID(int=9)}}), items)


@pytest.mark.parametrize("form", ALL)
@pytest.mark.parametrize(
    "index",
    [
        pd.Index(["007", "7", "", "x/y.z"]),
        pd.Index([3, 1, 2, -5], name="n"),
        pd.RangeIndex(4),
        pd.RangeIndex(10, 2, -2, name="text"),
        invented_ids(4),
        pd.date_range("2024-03-30", periods=4, freq="D", tz="Europe/Berlin", name="day"),
        pd.Index([1.5, 2.0, -0.25, 1e300], name=("a", 1)),
        pd.CategoricalIndex(["d", "c", "b", "a"], name="k"),
        pd.Index([1, "1", 2.5, dt.date(2020, 1, 1)], dtype=object),
    ],
    ids=lambda index: f"{type(index).__name__}-{index.name}",
)
def test_every_index_comes_back(tmp_path, form, index):
    items = pd.DataFrame({"text": list("abcd"), "image": pixels(4)}, index=index)
    made = cl.load_items(export(items, tmp_path / "x", format=form))
    same(made.drop(columns="image"), items.drop(columns="image"))
    assert all(map(np.array_equal, made["image"], items["image"]))


@pytest.mark.parametrize("form", ALL)
def test_names_of_columns_that_files_do_not_hold(tmp_path, form):
    names = pd.Index([1, "1", "a/b.c", "", None, "id", ("x", 2), "file_name", "\ud800"], name="c")
    cells = [[f"{row}{column}" for column in range(8)] for row in range(3)]
    items = pd.DataFrame(cells, columns=names[:8])
    items.insert(8, names[8], pixels(3))
    items = items.set_axis(names, axis=1)
    made = cl.load_items(export(items, tmp_path / "x", format=form))
    assert made.columns.identical(items.columns)
    same(made.iloc[:, :8], items.iloc[:, :8])


texts = st.text(st.characters(exclude_characters="\0"), max_size=12)
cells = {
    "texts": st.lists(st.one_of(st.none(), texts, st.sampled_from(ODD_TEXTS)), min_size=2),
    "floats": st.lists(st.floats(), min_size=2),
    "ints": st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2),
    "anything": st.lists(
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts, st.dates()),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        ),
        min_size=2,
    ),
}


@pytest.mark.parametrize("form", ["parquet", "csv", "webdataset"])
@pytest.mark.parametrize("kind", cells)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_cells_come_back(tmp_path_factory, form, kind, data):
    drawn = data.draw(cells[kind])
    dtype = {"floats": "float64", "ints": "int64"}.get(kind, object)
    column = pd.Series(index=range(len(drawn)), dtype=dtype)
    column[:] = np.fromiter(drawn, dtype=dtype, count=len(drawn))
    items = pd.DataFrame({"x": column})
    folder = tmp_path_factory.mktemp("t")
    layout = laid_out(items, form)
    FORMATS[form](layout, folder)
    made = read_table(folder, form, json.loads(json.dumps(layout.schema)))
    assert difference(made, items) == ""


def test_a_csv_is_one_that_pandas_reads(tmp_path):
    items = pd.DataFrame({"text": ODD_TEXTS, "n": range(len(ODD_TEXTS))})
    made = pd.read_csv(
        export(items, tmp_path / "x", format="csv") / "items" / "items.csv", keep_default_na=False
    )
    assert made["text"].tolist() == ODD_TEXTS
    assert made.columns.tolist() == ["id", "text", "n"]


# ---- images and sounds ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", ALL)
def test_images_and_sounds_come_back_without_loss(tmp_path, form):
    rng = np.random.default_rng(0)
    opened = tmp_path / "photo.jpg"
    Image.fromarray(pixels()[0]).save(opened)
    ones = {
        "image": [Image.fromarray(pixels()[0]), Image.open(opened), None],
        "array": [pixels()[0], rng.normal(size=(3, 4)), np.nan],
        "grey": [pixels(1, 4, 4)[0], pixels(1, 4, 4, 4)[0], pixels(1, 4, 4, 1)[0]],
        "sound": [
            (8_000, rng.normal(size=10).astype("f4")),
            (8_000, np.arange(4, dtype="int64")),
            (44_100, np.ones((5, 2), dtype="int16")),
        ],
        "bytes": [opened.read_bytes(), None, opened.read_bytes()],
    }
    items = pd.DataFrame({name: pd.Series(one, dtype=object) for name, one in ones.items()})
    made = cl.load_items(export(items, tmp_path / "x", format=form))
    assert difference(made.drop(columns="image"), items.drop(columns="image")) == ""
    assert [image and image.mode for image in made["image"]] == ["RGB", "RGB", None]
    for one, other in zip(made["image"][:2], items["image"][:2], strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))
    assert made["image"][1].format == "JPEG"  # the file itself, not its pixels


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK", "YCbCr", "LAB"]
)
def test_every_mode_of_images_keeps_its_pixels(tmp_path, mode):
    grey = np.arange(20).reshape(4, 5)
    made = {
        "I;16": lambda: Image.fromarray((grey * 3_000).astype("u2")),
        "I": lambda: Image.fromarray((grey * 100_000).astype("i4")),
        "F": lambda: Image.fromarray((grey / 7).astype("f4")),
        "LAB": lambda: Image.frombytes("LAB", (5, 4), bytes(range(60))),
    }
    image = made.get(mode, lambda: Image.fromarray(pixels()[0]).convert(mode))()
    items = pd.DataFrame({"image": [image]})
    again = cl.load_items(export(items, tmp_path / "x"))["image"][0]
    assert again.mode == mode
    assert np.array_equal(np.asarray(again), np.asarray(image))


@pytest.mark.parametrize("form", ALL)
def test_a_folder_of_images_is_copied(tmp_path, form):
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(1, 3, 3)[0]).save(tmp_path / "photos" / name)
    items = cl.load_items(tmp_path / "photos")
    made = cl.load_items(export(items, tmp_path / "x", format=form))
    same(made[["label"]], items[["label"]])
    for cell, path in zip(made["image"], items["image"], strict=True):
        if form in ("csv", "imagefolder"):
            assert (tmp_path / "x" / "items") in Path(cell).parents
            assert Path(cell).read_bytes() == Path(path).read_bytes()
        else:
            assert np.array_equal(np.asarray(cell), np.asarray(Image.open(path)))
    assert (made["image"].dtype == items["image"].dtype) is (form in ("csv", "imagefolder"))


def test_images_are_never_all_in_memory(monkeypatch):
    monkeypatch.setitem(laid_out.__globals__, "_MOST_BYTES", 100_000)
    layout = laid_out(pd.DataFrame({"image": pixels(40, 60, 60, 3)}), "parquet")
    sizes = [sum(len(file[1]) for file in files["image"]) for _, files in layout.batches()]
    assert len(sizes) == 4  # 40 of 10,900 bytes each: noise
    assert max(sizes) < 120_000
    assert layout.schema["fields"]["image"]["kinds"] == [["array", 40]]


def test_tar_files_are_cut_and_any_program_reads_them(tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS["webdataset"].__globals__, "_SHARD", 4_000)
    items = pd.DataFrame({"text": ["ü" * n for n in (0, 500, 513, 7, 2_000)], "image": pixels(5)})
    made = export(items, tmp_path / "x", format="webdataset")
    shards = sorted((made / "items").iterdir())
    assert [shard.name for shard in shards] == ["000000.tar", "000001.tar", "000002.tar"]
    assert all(shard.stat().st_size % 512 == 0 for shard in shards)
    held = []
    for shard in shards:
        with tarfile.open(shard) as tar:
            held += [(one.name, tar.extractfile(one).read()) for one in tar]
    assert [name for name, _ in held] == [f"{n:09d}.{e}" for n in range(5) for e in ("json", "png")]
    assert [json.loads(raw)["text"] for _, raw in held[::2]] == items["text"].tolist()
    again = cl.load_items(made)
    same(again[["text"]], items[["text"]])
    assert all(map(np.array_equal, again["image"], items["image"]))


def test_hugging_face_holds_some_rows_at_a_time(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    pa = pytest.importorskip("pyarrow")
    monkeypatch.setitem(laid_out.__globals__, "_MOST_BYTES", 100_000)
    items = pd.DataFrame({"image": pixels(40, 60, 60, 3)})
    made = export(items, tmp_path / "x", format="huggingface")
    other = export(items[::-1], tmp_path / "y", format="huggingface")
    with pa.memory_map(str(made / "items" / "data-00000-of-00001.arrow")) as file:
        rows = [batch.num_rows for batch in pa.ipc.open_stream(file)]
    assert sum(rows) == 40
    assert max(rows) == 10  # 100,000 bytes of noise
    states = [json.loads((one / "items" / "state.json").read_text()) for one in (made, other)]
    assert states[0]["_fingerprint"] != states[1]["_fingerprint"]


def test_the_card_of_a_folder_of_images_tells_sizes_and_no_folders(tmp_path):
    (tmp_path / "home").mkdir()
    Image.fromarray(pixels()[0]).save(tmp_path / "home" / "1.png")
    items = pd.DataFrame({"image": [str(tmp_path / "home" / "1.png")] * 4})
    text = (export(items, tmp_path / "x", format="csv") / "README.md").read_text(encoding="utf-8")
    assert "| image | images | 0 | 7×5 to 7×5 pixels |" in text
    assert "| 1.png | 4 | 100.0 % |" in text
    assert str(tmp_path) not in text


# ---- what a reviewer has ---


# ---- what a reviewer has -------------------------------------------------------------------------


@pytest.fixture
def decided(tmp_path):
    source = pd.DataFrame(
        {"text": ["good", "bad", None, "so so"], "label": pd.Categorical(list("abab"))},
        index=pd.Index(["r1", "r2", "r3", "r4"], name="key"),
    )
    with cl.Ledger(tmp_path / "work.ledger") as ledger:
        ledger.record("r2", action="drop", actor="Ann", reason="a copy of r1")
        ledger.record("r3", action="relabel", field="label", old="a", new="c", actor="Ben")
        ledger.record("r4", action="tag", new="doubtful", actor="Ann", method="knn")
        ledger.record("r1", action="weight", new=0.5, actor="Ann")
        ledger.undo(actor="Ann")
        yield source, ledger


@pytest.mark.parametrize("form", TABLES)
def test_a_reviewer_gets_the_same_table_from_the_export_alone(tmp_path, decided, form):
    source, ledger = decided
    clean = ledger.apply(source)
    made = export(clean, tmp_path / "x", ledger=ledger, source=source, format=form)
    moved = made.rename(tmp_path / "elsewhere")
    same(cl.load_items(moved), clean)
    same(cl.load_items(moved / "source"), source)
    with cl.Ledger(moved / "decisions.ledger") as copy:
        same(copy.apply(cl.load_items(moved / "source")), clean)
        said = copy.decisions()
        pd.testing.assert_frame_equal(said, ledger.decisions())
    assert said.loc["r2", ["action", "actor", "reason"]].tolist() == ["drop", "Ann", "a copy of r1"]
    same(cl.load_items(moved), clean)  # reading the ledger changed no byte of it
    text = (moved / "README.md").read_text(encoding="utf-8")
    assert f"| source | the table before curation, 4 rows ({form}) |" in text
    assert "a copy of r1" in text


def test_the_readme_says_what_is_not_there(tmp_path, decided):
    source, ledger = decided
    made = export(ledger.apply(source), tmp_path / "x", ledger=ledger)
    text = (made / "README.md").read_text(encoding="utf-8")
    assert "The table before curation is not in this export" in text
    assert "ledger.apply(source)  #" not in text


def test_the_source_must_give_the_items(tmp_path, decided):
    source, ledger = decided
    clean = ledger.apply(source)
    rule = "The 'source' parameter must be the table of which the ledger makes 'items'. Got another"
    hint = "Export what ledger.apply(source) returns, or leave 'source' out."
    wrong = {
        "other ids: 'r1'": clean.drop(index="r1"),
        "ids of another order or type": clean[::-1],
        "other columns: 'text', 'label', 'tags'": clean.drop(columns="label"),
        "the dtype category of column 'label'": clean.astype({"label": object}),
        "another value in column 'text' of the ids 'r4'": clean.replace({"text": {"so so": "?"}}),
    }
    for said, items in wrong.items():
        told = message(ValueError, export, items, tmp_path / "x", ledger=ledger, source=source)
        assert told == f"{rule} one: {said} instead. {hint}"
        assert os.listdir(tmp_path) == ["work.ledger"] or "x" not in os.listdir(tmp_path)


def test_documents_lie_beside_the_table(tmp_path, decided):
    source, ledger = decided

    class Lineage:
        def save(self, path):
            Path(path).write_text('{"parents": ["web"]}')

    given = {"lineage.json": Lineage(), "README.md": cl.card(source, ledger), "note.txt": "hello"}
    made = export(source, tmp_path / "x", documents=given)
    assert json.loads((made / "lineage.json").read_text()) == {"parents": ["web"]}
    assert (made / "note.txt").read_text() == "hello"
    text = (made / "README.md").read_text(encoding="utf-8")
    assert text.startswith(str(given["README.md"]))  # with the ledger's decisions in it
    assert "| lineage.json | added by whoever made the export |" in text
    assert set(json.loads((made / "export.json").read_text())["files"]) == {
        "README.md",
        "decisions.ledger",
        "items/items.parquet",
        "lineage.json",
        "note.txt",
        "schema.json",
    }


def test_a_ledger_is_copied_while_others_write(tmp_path):
    items = pd.DataFrame({"x": range(300)})
    with cl.Ledger(tmp_path / "l") as ledger:
        stop = threading.Event()

        def write() -> None:
            with cl.Ledger(tmp_path / "l") as other:
                for row in range(300):
                    if not stop.is_set():
                        other.record(row, action="tag", new="t", actor="Ann")

        thread = threading.Thread(target=write)
        thread.start()
        made = [export(items, tmp_path / f"x{n}", ledger=ledger) for n in range(3)]
        stop.set()
        thread.join()
        events = ledger.to_frame()
    for folder in made:
        with cl.Ledger(folder / "decisions.ledger") as copy:
            pd.testing.assert_frame_equal(copy.to_frame(), events[: len(copy)])


# ---- whole, or not at all ------------------------------------------------------------------------


def test_an_export_is_replaced_only_when_asked(tmp_path):
    one, two = pd.DataFrame({"x": [1]}), pd.DataFrame({"x": [2]})
    made = export(one, tmp_path / "x")
    assert message(FileExistsError, export, two, made) == (
        f"The 'path' parameter must be a new or empty folder. Got {str(made)!r}, which holds an "
        "export, instead. Choose another, or replace that one with overwrite=True."
    )
    same(cl.load_items(made), one)
    assert export(two, str(made), overwrite=True) == made
    same(cl.load_items(made), two)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    assert message(FileExistsError, export, one, tmp_path / "mine", overwrite=True) == (
        f"The 'path' parameter must be a new or empty folder. Got {str(tmp_path / 'mine')!r}, "
        "which holds other files, instead. Choose another."
    )
    with cl.Ledger(made / "decisions.ledger") as ledger:
        assert message(FileExistsError, export, one, made, ledger=ledger, overwrite=True) == (
            f"The 'path' parameter must be a new or empty folder. Got {str(made)!r}, which holds "
            "the ledger itself, instead. Choose another."
        )
    (tmp_path / "empty").mkdir()
    same(cl.load_items(export(one, tmp_path / "empty")), one)
    assert sorted(os.listdir(tmp_path)) == ["empty", "mine", "x"]


def test_links_are_followed_and_the_folder_one_works_in_stays(tmp_path, monkeypatch):
    items = pd.DataFrame({"x": [1]})
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    for overwrite in (False, True):
        made = export(items, tmp_path / "link", overwrite=overwrite)
        assert made.is_symlink()
        same(cl.load_items(tmp_path / "disk"), items)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert message(FileExistsError, export, items, ".") == (
        f"The 'path' parameter must be a new folder. Got {str(tmp_path / 'here')!r}, in which this "
        "process works, instead. Choose another."
    )


def test_places_where_no_folder_can_be(tmp_path):
    items = pd.DataFrame({"x": [1]})
    (tmp_path / "file").touch()
    path = str(tmp_path / "file")
    assert message(FileExistsError, export, items, path) == (
        f"The 'path' parameter must be a new folder. Got the file {path!r} instead."
    )
    path = str(tmp_path / "no" / "x")
    assert message(ValueError, export, items, path) == (
        f"The 'path' parameter must be in a folder that is there. Got {path!r} instead."
    )
    assert message(TypeError, export, items, 3) == (
        "The 'path' parameter must be the path of a folder. Got 3 instead."
    )


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    make = os.mkdir

    def refuse(path, mode=0o777):
        if tmp_path in Path(path).parents:
            raise PermissionError(13, "Permission denied", path)
        make(path, mode)

    monkeypatch.setattr(os, "mkdir", refuse)  # root may write anywhere
    assert message(OSError, export, pd.DataFrame({"x": [1]}), tmp_path / "x") == (
        "The 'path' parameter must be a folder on a disk that takes what is written. Got "
        f"'Permission denied' at {str(tmp_path / 'x')!r} instead. Nothing was left there: make "
        "room, or choose another path."
    )


@pytest.mark.parametrize("form", ALL)
def test_a_full_disk_leaves_nothing(tmp_path, form):
    script = """
        import resource, signal, sys
        import numpy as np, pandas as pd
        from curalab.documents._export import export
        items = pd.DataFrame({"image": list(np.random.default_rng(0).integers(
            0, 256, (8, 300, 300, 3), dtype=np.uint8))})
        if sys.argv[2] == "huggingface":
            import datasets
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        try:
            export(items, sys.argv[1], format=sys.argv[2])
        except OSError as error:
            print(error)
    """
    path = str(tmp_path / "x")
    made = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), path, form], capture_output=True, text=True
    )
    assert made.stdout.startswith(
        "The 'path' parameter must be a folder on a disk that takes what is written. Got '"
    ), made.stderr
    assert "File too large" in made.stdout
    assert os.listdir(tmp_path) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE) != (200_000, 200_000)


def test_a_killed_export_leaves_no_half_folder(tmp_path):
    script = """
        import sys
        import numpy as np, pandas as pd
        from curalab.documents._export import export
        items = pd.DataFrame({"image": list(np.random.default_rng(0).integers(
            0, 256, (400, 200, 200, 3), dtype=np.uint8))})
        print("ready", flush=True)
        export(items, sys.argv[1], format="imagefolder")
    """
    for wait in (0.05, 0.5):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "x")],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if (tmp_path / "x").exists():  # a fast machine
            assert len(cl.load_items(tmp_path / "x")) == 400
    items = pd.DataFrame({"x": [1]})
    same(cl.load_items(export(items, tmp_path / "x", overwrite=True)), items)


# ---- what is refused -----------------------------------------------------------------------------


def test_unknown_settings(tmp_path):
    items = pd.DataFrame({"x": [1]})
    assert message(ValueError, export, items, tmp_path / "x", format="parket") == (
        "The 'format' parameter must be one of 'parquet', 'csv', 'huggingface', 'imagefolder', "
        "'webdataset'. Got 'parket' instead. Did you mean 'parquet'?"
    )
    assert message(ValueError, export, items, tmp_path / "x", leave_out="person") == (
        "The 'leave_out' parameter must be one of 'people', 'notes', 'rows'. Got 'person' instead."
    )
    assert message(TypeError, export, items, tmp_path / "x", ledger="x.ledger") == (
        "The 'ledger' parameter must be a Ledger. Got str instead."
    )
    assert message(TypeError, export, [1], tmp_path / "x") == (
        "The 'items' parameter must be a DataFrame. Got list instead."
    )
    assert message(TypeError, export, items, tmp_path / "x", documents="README.md") == (
        "The 'documents' parameter must be a mapping of file names to documents. Got str instead."
    )
    assert message(TypeError, export, items, tmp_path / "x", documents={"a": 3}) == (
        "The 'documents' parameter must be text, or to have save(path). Got int for 'a' instead."
    )
    assert message(TypeError, export, items, tmp_path / "x", leave_out=3) == (
        "The 'leave_out' parameter must be one of 'people', 'notes', 'rows'. Got 3 instead."
    )
    for name in ("../a", "..", "", "a\0", "items", "export.json"):
        assert message(ValueError, export, items, tmp_path / "x", documents={name: ""}) == (
            f"The 'documents' parameter must be named as files of their own. Got {name!r} instead. "
            "The export itself writes 'decisions.ledger', 'metrics.json', 'export.json', "
            "'schema.json', 'items', 'source'."
        )
    assert os.listdir(tmp_path) == []


def test_tables_that_cannot_be_exported(tmp_path):
    assert message(
        ValueError, export, pd.DataFrame({"x": [1, 2]}, index=[1, 1]), tmp_path / "x"
    ) == ("The 'ids' parameter must be distinct. Got ids that occur twice: 1 instead.")
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert message(ValueError, export, twice, tmp_path / "x") == (
        "The 'items' parameter must be a table with distinct columns. "
        "Got 'a' more than once instead."
    )
    assert message(ValueError, export, pd.DataFrame({"a": []}), tmp_path / "x") == (
        "The 'items' parameter must be a table with rows. Got 0 rows instead."
    )
    levels = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))
    assert message(ValueError, export, levels, tmp_path / "x") == (
        "The 'items' parameter must be a table with columns of one level. Got 2 levels instead. "
        "Join the levels: items.columns = items.columns.to_flat_index()."
    )
    odd = pd.DataFrame({"x": np.ones(1, dtype="longdouble")})
    assert "Got a cell of type longdouble in column 'x' of the id 0" in message(
        TypeError, export, odd, tmp_path / "x"
    )
    odd = pd.DataFrame({"x": [1, 2], "f": [None, print]}, index=["a", "b"])
    assert message(TypeError, export, odd, tmp_path / "x") == (
        "The 'items' parameter must be a table of cells that can be written down and read again. "
        "Got a cell of type builtin_function_or_method in column 'f' of the id 'b' instead. "
        "Turn such cells into text, numbers or lists, or drop the column."
    )
    assert message(
        ValueError, export, pd.DataFrame({"x": [1]}), tmp_path / "x", format="imagefolder"
    ) == (
        "The 'items' parameter must be a table with images or sounds for the format "
        "'imagefolder'. Got none instead. Choose another format, such as 'parquet'."
    )
    assert os.listdir(tmp_path) == []


def test_images_that_cannot_be_read_are_named(tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.fromarray(pixels()[0]).save(good)
    bad.write_bytes(b"no image")
    hint = "cl.check_items(items) lists those that cannot: mend or drop them."
    rule = "The 'items' parameter must be a table of images and sounds that can be read. Got"
    cells = {
        "not an image": str(bad),
        "no such file": str(tmp_path / "gone.png"),
        "a dict": {"bytes": b"x", "path": None},
        "an image of mode HSV: convert it to RGB": Image.fromarray(pixels()[0]).convert("HSV"),
    }
    for reason, cell in cells.items():
        items = pd.DataFrame({"photo": [str(good), cell]}, index=["a", "b"], dtype=object)
        assert message(ValueError, export, items, tmp_path / "x") == (
            f"{rule} {reason} in column 'photo' of the id 'b' instead. {hint}"
        )
    assert sorted(os.listdir(tmp_path)) == ["bad.png", "good.png"]
    wavfile.write(tmp_path / "good.wav", 8_000, np.arange(9, dtype="int16"))
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    items = pd.DataFrame({"audio": [str(tmp_path / name) for name in ("good.wav", "bad.wav")]})
    assert message(ValueError, export, items, tmp_path / "x") == (
        f"{rule} not a wav file in column 'audio' of the id 1 instead. {hint}"
    )
    made = cl.load_items(export(items[:1], tmp_path / "x", format="csv"))
    assert Path(made["audio"][0]).read_bytes() == (tmp_path / "good.wav").read_bytes()
    made = cl.load_items(export(items[:1], tmp_path / "x", format="parquet", overwrite=True))
    assert made["audio"][0][0] == 8_000
    assert made["audio"][0][1].tolist() == list(range(9))


def test_without_the_package_datasets(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    items = pd.DataFrame({"x": [1]})
    with pytest.raises(MissingExtraError) as caught:
        export(items, tmp_path / "x", format="huggingface")
    assert str(caught.value) == (
        "Writing a Hugging Face Dataset needs the package 'datasets', which is not installed. "
        "Install it with: pip install 'curalab[documents]'"
    )
    assert os.listdir(tmp_path) == []


def test_an_export_for_hugging_face_is_read_without_datasets(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    items = pd.DataFrame({"x": ["a", None]}, index=["r", "s"])
    made = export(items, tmp_path / "x", format="huggingface")
    monkeypatch.setitem(sys.modules, "datasets", None)
    same(cl.load_items(made), items)


# ---- exports that are not as they were written ---------------------------------------------------


def test_files_that_changed_or_are_gone_are_named(tmp_path):
    made = export(pd.DataFrame({"x": [1, 2]}), tmp_path / "x", format="csv")
    table = made / "items" / "items.csv"
    table.write_text(table.read_text().replace("2", "3"))
    rule = "The 'source' parameter must be an export as it was written. Got"
    hint = "Copy the export again from where it came from, or export anew what you changed."
    assert message(ValueError, cl.load_items, made) == (
        f"{rule} another content of 'items/items.csv' instead. {hint}"
    )
    table.unlink()
    assert message(ValueError, cl.load_items, made) == (
        f"{rule} no file 'items/items.csv' instead. {hint}"
    )


def test_files_that_an_export_does_not_list(tmp_path, decided):
    source, ledger = decided
    rule = "The 'source' parameter must be an export as it was written. Got files that it does not"
    hint = "Copy the export again from where it came from, or export anew what you changed."
    made = export(source, tmp_path / "x", ledger=ledger, format="webdataset")
    row = json.dumps({"key": "evil", "text": "planted", "label": "a"}).encode()
    extra = made / "items" / "000001.tar"
    with tarfile.open(extra, "w") as tar:
        member = tarfile.TarInfo("9.json")
        member.size = len(row)
        tar.addfile(member, io.BytesIO(row))
    for path in (made, made / "items"):
        assert message(ValueError, cl.load_items, path) == (
            f"{rule} list: 'items/000001.tar' instead. {hint}"
        )
    extra.rename(made / "items" / "._000001.tar")  # what macOS leaves is no part of it
    (made / "croissant.json").touch()
    same(cl.load_items(made), source)
    with cl.Ledger(made / "decisions.ledger") as copy:
        same(cl.load_items(made), source)
        copy.record("r1", action="drop", actor="Eve")
        assert message(ValueError, cl.load_items, made) == (
            f"{rule} list: 'decisions.ledger-wal' instead. {hint}"
        )
    assert "another content of 'decisions.ledger'" in message(ValueError, cl.load_items, made)


@pytest.mark.parametrize("form", ALL)
def test_a_half_copied_export_is_none(tmp_path, form):
    made = export(pd.DataFrame({"image": pixels(2)}), tmp_path / "x", format=form)
    (made / "export.json").unlink()  # the last that is written
    for path in (made, made / "items"):
        assert message(ValueError, cl.load_items, path) == (
            "The 'source' parameter must be an export as it was written. Got no file 'export.json' "
            "instead. Copy the export again from where it came from, or export anew what you "
            "changed."
        )


def test_manifests_of_other_versions(tmp_path):
    made = export(pd.DataFrame({"x": [1]}), tmp_path / "x")
    manifest = made / "export.json"
    manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 2'))
    assert message(ValueError, cl.load_items, made) == (
        "The 'source' parameter must be an export of version 1. Got one of version 2 instead. "
        "A newer curalab wrote it: pip install --upgrade curalab."
    )
    for text in ("{", "[]", '{"version": 1}', '{"version": 1, "format": "xml"}'):
        manifest.write_text(text)
        assert message(ValueError, cl.load_items, made) == (
            "The 'source' parameter must be an export whose manifest can be read. "
            f"Got {str(manifest)!r} instead."
        )


# ---- what other programs read --------------------------------------------------------------------


def test_hugging_face_reads_what_is_written_for_it(tmp_path):
    datasets = pytest.importorskip("datasets")
    items = pd.DataFrame({"photo": pixels(3), "label": list("aba")}, index=["x", "y", "z"])
    saved = export(items, tmp_path / "hf", format="huggingface")
    one = datasets.load_from_disk(str(saved / "items"))
    assert one.column_names == ["id", "label", "photo"]
    folder = export(items, tmp_path / "folder", format="imagefolder")
    two = datasets.load_dataset(
        "imagefolder", data_dir=str(folder / "items"), cache_dir=str(tmp_path / "c"), split="train"
    )
    shards = export(items, tmp_path / "tar", format="webdataset")
    three = datasets.load_dataset(
        "webdataset",
        data_files=str(shards / "items" / "*.tar"),
        cache_dir=str(tmp_path / "c"),
        split="train",
    )
    for row, photo in enumerate(items["photo"]):
        assert np.array_equal(np.asarray(one[row]["photo"]), photo)
        assert np.array_equal(np.asarray(two[row]["image"]), photo)
        assert np.array_equal(np.asarray(three[row]["png"]), photo)
        assert two[row]["label"] == three[row]["json"]["label"] == items["label"].iloc[row]
        assert three[row]["json"]["id"] == items.index[row]
