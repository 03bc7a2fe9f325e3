"""Loading tables, what is odd about them, and joining results."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.io import wavfile

from curalab._check import AlignmentError, invented_ids
from curalab.items import check_items, join, load_items
from curalab.results import StageResult

ROWS = pd.DataFrame({"sku": ["a", "b", "c"], "text": ["good", "bad", "so so"], "n": [1, 2, 3]})


def message(error: type[Exception], function, *args, **settings) -> str:
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat/2.png", "cat/10.png", "dog/1.PNG", ".hidden/3.png", "__MACOSX/1.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)).save(path, format="png")
    return tmp_path


# ---- loading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl", "ndjson"])
def test_every_file_kind_gives_the_same_table(tmp_path, suffix):
    path = tmp_path / f"rows.{suffix}"
    if suffix == "parquet":
        ROWS.to_parquet(path)
    elif suffix.endswith("sv"):
        ROWS.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    else:
        ROWS.to_json(path, orient="records", lines=True)
    items = load_items(path, id="sku")
    pd.testing.assert_frame_equal(items, ROWS.set_index("sku"), check_dtype=False)
    assert load_items(str(path)).index.tolist() == [0, 1, 2]


def test_numbered_rows_of_a_file_are_real_ids(tmp_path):
    ROWS.to_csv(tmp_path / "rows.csv", index=False)
    items = load_items(tmp_path / "rows.csv")
    assert items.index.name is None  # not the mark of ids that do not count


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["007", "7"], ["007", "7"]),
        (["10", "2"], [10, 2]),
        (["1.0", "2"], ["1.0", "2"]),
        (["-3", "4"], [-3, 4]),
    ],
)
def test_ids_in_csv_are_integers_only_where_nothing_is_lost(tmp_path, written, read):
    path = tmp_path / "rows.csv"
    path.write_text("id,text\n" + "".join(f"{id},x\n" for id in written))
    assert load_items(path, id="id").index.tolist() == read


def test_a_dataframe_keeps_its_index_and_is_not_touched():
    table = ROWS.set_index("sku")
    items = load_items(table)
    items.loc["a", "text"] = "changed"
    assert table.loc["a", "text"] == "good"
    assert load_items(table, id="sku").index.tolist() == ["a", "b", "c"]
    assert load_items(ROWS, id="n").index.tolist() == [1, 2, 3]
    assert "sku" in ROWS.columns


def test_arrow_and_parquet_bring_their_index(tmp_path):
    table = ROWS.set_index("sku")
    assert load_items(pa.Table.from_pandas(table)).index.tolist() == ["a", "b", "c"]
    table.to_parquet(tmp_path / "x.parquet")
    assert load_items(tmp_path / "x.parquet").index.tolist() == ["a", "b", "c"]
    assert load_items(pa.table({"x": [1, 2]})).index.tolist() == [0, 1]


def test_hugging_face_images_are_opened_and_classes_named():
    datasets = pytest.importorskip("datasets")
    picture = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    rows = {"image": [picture, picture], "label": [1, 0]}
    source = datasets.Dataset.from_dict(rows, features=features)
    items = load_items(source)
    assert items["label"].tolist() == ["dog", "cat"]
    assert np.array_equal(np.asarray(items["image"][0]), np.asarray(picture))
    split = datasets.DatasetDict({"train": source})
    assert message(TypeError, load_items, split) == (
        "The 'source' parameter must be a path, a DataFrame, an Arrow table or a Hugging Face "
        "Dataset. Got DatasetDict instead. Pass one of its splits: 'train'."
    )


def test_a_broken_stored_image_stays_and_is_found():
    broken = {"bytes": b"not an image", "path": None}
    cells = [broken, {"bytes": None, "path": "x/1.png"}, {"bytes": None, "path": "2.png"}]
    items = load_items(pa.table({"image": cells}))
    assert items["image"].tolist() == [broken, "x/1.png", "2.png"]
    assert "dict where most values are image" in check_items(items)["problem"].tolist()


def test_image_folder(folder):
    items = load_items(folder)
    assert items.index.tolist() == ["cat/10.png", "cat/2.png", "dog/1.PNG"]
    assert items["label"].tolist() == ["cat", "cat", "dog"]
    assert Path(items.loc["dog/1.PNG", "image"]) == folder / "dog" / "1.PNG"
    flat = load_items(folder / "cat")
    assert flat.index.tolist() == ["10.png", "2.png"]
    assert flat.columns.tolist() == ["image"]


def test_images_outside_the_sub_folders_have_no_label(folder):
    Image.new("L", (2, 2)).save(folder / "alone.png")
    items = load_items(folder)
    assert items.index[items["label"].isna()].tolist() == ["alone.png"]


def test_other_files_of_a_folder_are_reported(folder, caplog):
    (folder / "readme.txt").write_text("about")
    with caplog.at_level(logging.WARNING):
        assert len(load_items(folder)) == 3
    assert caplog.messages == [
        f"Left out 1 of 4 files in {folder} that are not image files: readme.txt …"
    ]


def test_audio_folder(tmp_path):
    for name in ("b.wav", "a.wav"):
        wavfile.write(tmp_path / name, 8000, np.arange(100, dtype=np.int16))
    items = load_items(tmp_path)
    assert items.index.tolist() == ["a.wav", "b.wav"]
    assert items.columns.tolist() == ["audio"]
    assert check_items(items).empty


# ---- what loading refuses ------------------------------------------------------------------------


def test_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "reviews.csv").write_text("a\n1\n")
    path = tmp_path / "revews.csv"
    assert message(FileNotFoundError, load_items, path) == (
        f"The 'source' parameter must be a file or folder that exists. Got {str(path)!r} instead. "
        f"Did you mean {str(tmp_path / 'reviews.csv')!r}?"
    )
    path = tmp_path / "no" / "reviews.csv"
    assert message(FileNotFoundError, load_items, path) == (
        f"The 'source' parameter must be a file or folder that exists. Got {str(path)!r} instead. "
        f"There is no folder {str(tmp_path / 'no')!r}."
    )


def test_unknown_kind_of_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.xlsx").write_bytes(b"")
    assert message(ValueError, load_items, "rows.xlsx") == (
        "The 'source' parameter must be a folder or a file ending in .csv, .tsv, .parquet, .jsonl, "
        ".ndjson. Got 'rows.xlsx' instead. Read it with pandas and pass the DataFrame."
    )


@pytest.mark.parametrize(("name", "text"), [("x.csv", ""), ("x.csv", "a,b\n"), ("x.jsonl", "")])
def test_empty_files(tmp_path, monkeypatch, name, text):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text)
    assert message(ValueError, load_items, name) == (
        "The 'source' parameter must be a table with rows. Got 0 rows instead."
    )


def test_broken_files_say_what_the_reader_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("a,b\n1,2\n1,2,3\n")
    assert message(ValueError, load_items, "x.csv") == (
        "The 'source' parameter must be a csv file that can be read. Got 'x.csv' instead. "
        "Reading failed: Error tokenizing data. C error: Expected 2 fields in line 3, saw 3"
    )
    for name in ("x.parquet", "x.jsonl"):
        Path(name).write_text("nonsense")
        kind = name[2:]
        assert message(ValueError, load_items, name).startswith(
            f"The 'source' parameter must be a {kind} file that can be read. Got {name!r} instead. "
        )


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_text_that_is_not_utf8(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    text = "text\nfine\ncafé\n" if name == "x.csv" else '{"text": "fine"}\n\n{"text": "café"}\n'
    data = text.encode("cp1252")
    Path(name).write_bytes(data)
    reader = "csv(" if name == "x.csv" else "json("
    lines = "" if name == "x.csv" else ", lines=True"
    assert message(ValueError, load_items, name) == (
        f"The 'source' parameter must be a file of UTF-8 text. Got byte 0xe9 at position "
        f"{data.index(0xE9)}, line 3, in {name!r} instead. If it comes from a Western Windows "
        f"program, read it with cl.load_items(pd.read_{reader}{name!r}{lines}, encoding='cp1252'))"
    )


def test_utf16_is_recognised(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_bytes("text\ncafé\n".encode("utf-16"))
    assert message(ValueError, load_items, "x.csv").endswith(
        "It looks like UTF-16, read it with cl.load_items(pd.read_csv('x.csv', encoding='utf-16'))"
    )


def test_id_column():
    assert message(ValueError, load_items, ROWS, id="skuu") == (
        "The 'id' parameter must be one of the columns 'sku', 'text', 'n'. Got 'skuu' instead. "
        "Did you mean 'sku'?"
    )
    twice = ROWS.assign(sku=["a", "a", "b"])
    assert message(ValueError, load_items, twice, id="sku") == (
        "The 'id' parameter must be a column of distinct ids. Got 'a' more than once in 'sku' "
        "instead."
    )
    missing = ROWS.assign(sku=["a", None, "b"])
    assert message(ValueError, load_items, missing, id="sku") == (
        "The 'id' parameter must be a column with a value in every row. Got none in 1 of 3 rows "
        "(row 1) of 'sku' instead."
    )
    assert message(ValueError, load_items, ROWS.set_axis([1, 1, 2], axis=0)) == (
        "The 'ids' parameter must be distinct. Got ids that occur twice: 1 instead."
    )


def test_two_columns_of_one_name():
    table = ROWS.set_axis(["sku", "sku", "n"], axis=1)
    for id in ("sku", None):
        assert message(ValueError, load_items, table, id=id) == (
            "The 'source' parameter must be a table with distinct columns. "
            "Got 'sku' more than once instead."
        )


@pytest.mark.parametrize(
    ("source", "kind"), [(3, "int"), ({}, "dict"), (pa.array([1]), "Int64Array")]
)
def test_other_sources(source, kind):
    assert message(TypeError, load_items, source) == (
        "The 'source' parameter must be a path, a DataFrame, an Arrow table or a Hugging Face "
        f"Dataset. Got {kind} instead."
    )


def test_folders_that_cannot_be_read(folder, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(folder.parent)
    name = folder.name
    assert message(ValueError, load_items, name, id="file") == (
        "The 'id' parameter must be None for a folder. Got 'file' instead. "
        "The ids of a folder are the paths inside it."
    )
    empty = tmp_path_factory.mktemp("e")
    monkeypatch.chdir(empty.parent)
    assert message(ValueError, load_items, empty.name) == (
        "The 'source' parameter must be a folder of images or a folder of wav files. "
        f"Got neither among 0 files in {empty.name!r} instead."
    )
    wavfile.write(folder / "a.wav", 8000, np.arange(9, dtype=np.int16))
    monkeypatch.chdir(folder.parent)
    assert message(ValueError, load_items, name) == (
        "The 'source' parameter must be a folder of images or a folder of wav files. "
        f"Got both in {name!r} instead."
    )


# ---- findings ------------------------------------------------------------------------------------


def test_findings_of_every_sort():
    items = pd.DataFrame(
        {
            "text": ["a fine day", " ", None, "two words", 5],
            "year": [2020] * 5,
            "x": [1.0, np.inf, np.nan, 2.0, 3.0],
            "none": [None] * 5,
            "label": ["a", "b", None, "a", "b"],
        },
        index=["p", "q", "r", "s", "t"],
    )
    before = items.copy()
    assert list(check_items(items).itertuples(index=False, name=None)) == [
        ("r", "text", "missing text"),
        ("t", "text", "number where most values are text"),
        ("q", "text", "empty text"),
        (None, "year", "constant: every value is 2020"),
        (None, "x", "1 of 5 values are missing"),
        ("q", "x", "infinite number"),
        (None, "none", "every value is missing"),
        (None, "label", "1 of 5 values are missing"),
    ]
    pd.testing.assert_frame_equal(items, before)


def test_odd_ids_and_no_rows():
    items = pd.DataFrame({"n": [1, 2, 3, 4]}, index=["a", "b", "a", None])
    assert check_items(items).to_dict("records") == [
        {"id": None, "column": None, "problem": "1 of 4 ids are missing"},
        {"id": "a", "column": None, "problem": "the id occurs 2 times"},
    ]
    assert check_items(ROWS[:0])["problem"].tolist() == ["the table has no rows"]
    assert check_items(ROWS).empty


def test_broken_images_are_collected(folder):
    Image.new("RGB", (4, 4), "white").save(folder / "dog" / "white.png")
    (folder / "dog" / "text.png").write_text("not an image")
    whole = (folder / "cat" / "2.png").read_bytes()
    (folder / "dog" / "cut.png").write_bytes(whole[:-40])
    found = check_items(load_items(folder))
    assert found["id"].tolist() == ["dog/cut.png", "dog/text.png", "dog/white.png"]
    assert found["problem"].str[:16].tolist() == ["unreadable image"] * 2 + ["blank image: eve"]


def test_image_arrays_and_broken_sound(tmp_path):
    bad = np.array([[0.0, np.nan]])
    cells = pd.Series([np.eye(2), bad, np.zeros((0, 2))], dtype=object)
    assert check_items(pd.DataFrame({"image": cells}))["problem"].tolist() == [
        "image with NaN or infinite values",
        "empty image",
    ]
    (tmp_path / "x.wav").write_bytes(b"RIFF")
    assert check_items(load_items(tmp_path))["id"].tolist() == ["x.wav"]


def test_findings_need_a_table():
    assert message(TypeError, check_items, [1]) == (
        "The 'items' parameter must be a DataFrame. Got list instead."
    )


# ---- join ----------------------------------------------------------------------------------------

ITEMS = pd.DataFrame({"text": ["x", "y", "z"]}, index=pd.Index(["a", "b", "c"], name="id"))


def result(ids, **columns) -> StageResult:
    class Made(StageResult):
        def to_frame(self) -> pd.DataFrame:
            return pd.DataFrame(columns, index=self.ids)

    return Made(ids=ids)


def test_join_goes_by_id_and_keeps_every_row():
    whole = result(pd.Index(["c", "a", "b"]), oddness=[3.0, 1.0, 2.0])
    some = result(pd.Index(["c"]), rank=[1.0])
    joined = join(ITEMS, whole, some, pd.Series([7], index=["b"], name="n"))
    assert joined.index.equals(ITEMS.index)
    assert joined.index.name == "id"
    assert joined["oddness"].tolist() == [1.0, 2.0, 3.0]
    assert joined["rank"].isna().tolist() == [True, True, False]
    assert joined["n"].isna().tolist() == [True, False, True]
    assert ITEMS.columns.tolist() == ["text"]


def test_join_of_a_part_of_the_items():
    whole = result(pd.Index(["c", "a", "b"]), oddness=[3.0, 1.0, 2.0])
    assert join(ITEMS.loc[["c", "b"]], whole)["oddness"].tolist() == [3.0, 2.0]


def test_results_without_ids_go_by_position():
    made = result(invented_ids(3), cluster=[2, 0, 1])
    assert join(ITEMS, made)["cluster"].tolist() == [2, 0, 1]
    assert message(ValueError, join, ITEMS[:2], made) == (
        "The 'result 1' parameter must be 2 rows, one for each item. Got 3 rows instead."
    )


def test_columns_that_are_there_already():
    made = result(ITEMS.index, cluster=[1, 2, 3])
    assert message(ValueError, join, ITEMS, made, made) == (
        "The 'results' parameter must be results with columns of their own. Got 'cluster' in "
        "result 1 and in result 2 instead. Pass prefix=['a_', 'b_'], one a result."
    )
    assert message(ValueError, join, ITEMS, result(ITEMS.index, text=[1, 2, 3])) == (
        "The 'results' parameter must be results with columns of their own. Got 'text' in "
        "the items and in result 1 instead. Pass prefix=['a_'], one a result."
    )
    both = join(ITEMS, made, made, prefix=["a_", "b_"])
    assert both.columns.tolist() == ["text", "a_cluster", "b_cluster"]
    assert join(ITEMS, made, prefix="k_").columns.tolist() == ["text", "k_cluster"]
    assert made.to_frame().columns.tolist() == ["cluster"]


def test_join_refuses():
    made = result(pd.Index([0, 1, 2]), cluster=[1, 2, 3])
    assert message(AlignmentError, join, ITEMS, made) == (
        "The 'results' parameter must be results about these items. Got 'a', 'b', 'c' as ids of "
        "the items and 0, 1, 2 in result 1 instead. Load the items with the ids that the result "
        "was made from."
    )
    assert message(TypeError, join, ITEMS, 3) == (
        "The 'results' parameter must be stage results, DataFrames or Series. Got int instead."
    )
    assert message(ValueError, join, ITEMS, ITEMS.add_prefix("n"), prefix=["a", "b"]) == (
        "The 'prefix' parameter must be a string or 1 strings, one a result. "
        "Got ['a', 'b'] instead."
    )


@given(st.permutations(range(8)), st.integers(1, 8))
def test_join_finds_every_value_again(order, n):
    items = pd.DataFrame({"x": range(8)}, index=[f"i{k}" for k in range(8)])
    made = result(pd.Index([f"i{k}" for k in order[:n]]), y=[float(k) for k in order[:n]])
    joined = join(items, made)
    expected = [float(k) if k in order[:n] else np.nan for k in range(8)]
    np.testing.assert_array_equal(joined["y"], expected)
    assert joined["x"].tolist() == list(range(8))


def test_far_numbers_numbers_as_text_and_spellings():
    n = 60
    table = pd.DataFrame(
        {
            "age": np.linspace(20, 60, n),
            "year": [str(1950 + i) for i in range(n)],
            "digit": [str(i % 10) for i in range(n)],  # names of classes
            "town": ["Rome", "Oslo"] * (n // 2),
        },
        index=[f"i{i}" for i in range(n)],
    )
    table.loc["i3", "age"], table.loc["i5", "town"] = -999, " oslo"
    found = check_items(table)
    assert found.to_numpy().tolist() == [
        ["i3", "age", "far from all other numbers: -999"],
        [None, "year", "numbers written as text"],
        ["i5", "town", "' oslo' where most have 'Oslo'"],
    ]
    table["age"] = np.geomspace(1, 1e6, n)  # skewed, but nothing apart
    assert "age" not in check_items(table)["column"].tolist()


def test_spellings_of_ids_that_occur_twice_and_of_names_as_often():
    town = ["oslo", "Oslo", "OSLO ", "Oslo", "oslo", "bern", "Bern", "Bern", "Bern", "Kiel"]
    year = [str(1950 + i) for i in range(24)] + ["none"]
    many = pd.DataFrame({"year": year, "town": (town * 3)[:25]}, index=["a"] + ["b"] * 24)
    usual = " where most have 'Oslo'"  # as often as "oslo", and first in order
    assert check_items(many).to_numpy().tolist() == [
        ["b", None, "the id occurs 24 times"],
        [None, "year", "numbers written as text"],
        ["b", "year", "no number: 'none'"],
        *[["b", "town", "'bern' where most have 'Bern'"]] * 2,
        ["a", "town", f"'oslo'{usual}"],
        *[["b", "town", f"{way!r}{usual}"] for way in ["OSLO ", "oslo", "oslo"] * 2],
        *[["b", "town", f"{way!r}{usual}"] for way in ["OSLO ", "oslo"]],
    ]


def test_many_names_in_two_spellings_are_found_without_a_look_at_the_column_for_each(monkeypatch):
    asked, isin = [], pd.Series.isin
    monkeypatch.setattr(pd.Series, "isin", lambda *given: asked.append(1) or isin(*given))
    names = np.array([f"Name {i}" for i in range(3_000)] + [f"name {i}" for i in range(3_000)])
    at = np.repeat(np.arange(6_000), [*[8] * 3_000, *[2] * 3_000])
    found = check_items(pd.DataFrame({"who": names[at]}))
    assert 0 < len(asked) < 20
    assert found["id"].tolist()[:2] == [24_000, 24_001]
    assert found["problem"].iloc[0] == "'name 0' where most have 'Name 0'"
    assert len(found) == 6_000
