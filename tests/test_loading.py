"""Folders and tar files that other programs wrote, as tables of items."""

from __future__ import annotations

import io
import json
import logging
import sys
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import wavfile

from curalab._check import MissingExtraError
from curalab.items import check_items, load_items

PICTURE = np.arange(36, dtype=np.uint8).reshape(4, 3, 3)


def message(error: type[Exception], function, *args, **settings) -> str:
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value)


def picture(path: Path | None = None) -> bytes:
    out = io.BytesIO()
    Image.fromarray(PICTURE).save(out, "png")
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(out.getvalue())
    return out.getvalue()


def shard(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    return path


# ---- Hugging Face --------------------------------------------------------------------------------


def test_a_dataset_on_disk(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "key": datasets.Value("string"),
        }
    )
    rows = {"image": [Image.fromarray(PICTURE)] * 2, "label": [1, 0], "key": ["a", "b"]}
    one = datasets.Dataset.from_dict(rows, features=features)
    one.save_to_disk(str(tmp_path / "one"))
    items = load_items(tmp_path / "one", id="key")
    assert items.index.tolist() == ["a", "b"]
    assert items["label"].tolist() == ["dog", "cat"]
    assert np.array_equal(np.asarray(items["image"].iloc[1]), PICTURE)
    assert load_items(str(tmp_path / "one")).index.tolist() == [0, 1]
    datasets.DatasetDict({"train": one, "test": one}).save_to_disk(str(tmp_path / "two"))
    assert message(ValueError, load_items, tmp_path / "two") == (
        f"The 'source' parameter must be one Dataset. Got the 2 splits in "
        f"{str(tmp_path / 'two')!r} instead. Pass the folder of one of them: 'train', 'test'."
    )
    assert len(load_items(tmp_path / "two" / "test")) == 2
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert message(MissingExtraError, load_items, tmp_path / "one") == (
        "Reading a Hugging Face Dataset needs the package 'datasets', which is not installed. "
        "Install it with: pip install 'curalab[documents]'"
    )


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_folder_of_images_with_metadata(tmp_path, kind, caplog):
    for name in ("a/2.png", "a/1.png", "b/1.png", "stray.png"):
        picture(tmp_path / name)
    table = pd.DataFrame({"file_name": ["a/2.png", "b/1.png", "a/1.png"], "label": list("xyx")})
    if kind == "csv":
        table.to_csv(tmp_path / "metadata.csv", index=False)
    elif kind == "jsonl":
        table.to_json(tmp_path / "metadata.jsonl", orient="records", lines=True)
    else:
        table.to_parquet(tmp_path / "metadata.parquet")
    with caplog.at_level(logging.WARNING):
        items = load_items(tmp_path)
    assert items.index.tolist() == ["a/2.png", "b/1.png", "a/1.png"]
    assert items.columns.tolist() == ["image", "label"]
    assert items["label"].tolist() == ["x", "y", "x"]
    assert items["image"].iloc[0] == str(tmp_path / "a" / "2.png")
    assert check_items(items[["image"]]).empty
    assert caplog.messages == [
        f"Left out 1 of 4 files that no metadata name: {tmp_path / 'stray.png'} …"
    ]


def test_metadata_in_sub_folders_and_of_sounds(tmp_path):
    for split in ("test", "train"):
        (tmp_path / split).mkdir()
        wavfile.write(tmp_path / split / "1.wav", 8_000, np.arange(9, dtype="int16"))
        (tmp_path / split / "metadata.csv").write_text(f"file_name,text\n1.wav,{split}\n")
    items = load_items(tmp_path)
    assert items.index.tolist() == ["test/1.wav", "train/1.wav"]
    assert items.columns.tolist() == ["audio", "text"]
    assert load_items(tmp_path, id="text").index.tolist() == ["test", "train"]


def test_two_columns_of_images(tmp_path):
    picture(tmp_path / "1.png")
    (tmp_path / "metadata.csv").write_text("left_file_name,right_file_name\n1.png,1.png\n")
    assert load_items(tmp_path).columns.tolist() == ["left", "right"]


def test_metadata_that_name_no_files(tmp_path):
    picture(tmp_path / "1.png")
    (tmp_path / "metadata.csv").write_text("file_name\n1.png\n2.png\n")
    assert message(ValueError, load_items, tmp_path) == (
        "The 'source' parameter must be a folder with every file that its metadata name. "
        f"Got no file {str(tmp_path / '2.png')!r} instead."
    )
    (tmp_path / "metadata.csv").write_text("name\n1.png\n")
    assert message(ValueError, load_items, tmp_path) == (
        "The 'source' parameter must be metadata with a column 'file_name'. Got the columns "
        f"'name' in {str(tmp_path / 'metadata.csv')!r} instead."
    )


# ---- WebDataset ----------------------------------------------------------------------------------


def test_shards(tmp_path):
    npy, wav = io.BytesIO(), io.BytesIO()
    np.save(npy, np.array([1.5, 2.5]))
    wavfile.write(wav, 8_000, np.arange(9, dtype="int16"))
    one = {
        "./a/001.png": picture(),
        "./a/001.cls": b"3",
        "./a/001.json": json.dumps({"who": "Ünal", "n": 2}).encode(),
        "__meta__.json": b"{}",
    }
    two = {
        "b.left.png": picture(),
        "b.txt": b"two words",
        "b.npy": npy.getvalue(),
        "b.wav": wav.getvalue(),
        "b.weights.bin": b"\x00",
        "b.json": b"[1, 2]",
        "b.jpg": b"broken",
    }
    shard(tmp_path / "x-0.tar", one)
    shard(tmp_path / "x-1.tar.gz", two)
    items = load_items(tmp_path)
    assert items.index.tolist() == ["a/001", "b"]
    assert set(items.columns) == {
        *("image", "label", "who", "n", "left", "text", "npy", "audio", "weights", "json")
    }
    first, second = items.loc["a/001"], items.loc["b"]
    assert np.array_equal(np.asarray(first["image"]), PICTURE)
    assert (first["label"], first["who"], first["n"]) == (3, "Ünal", 2)
    assert pd.isna(first["text"])
    assert np.array_equal(np.asarray(second["left"]), PICTURE)
    assert second["text"] == "two words"
    assert second["npy"].tolist() == [1.5, 2.5]
    assert second["audio"][0] == 8_000
    assert second["audio"][1].tolist() == list(range(9))
    assert second["weights"] == b"\x00"
    assert second["json"] == [1, 2]
    assert second["image"] == {"bytes": b"broken", "path": None}
    alone = load_items(tmp_path / "x-0.tar", id="who")
    assert alone.index.tolist() == ["Ünal"]


def test_a_key_in_two_shards(tmp_path):
    for name in ("1.tar", "2.tar"):
        shard(tmp_path / name, {"a.txt": b"x"})
    assert message(ValueError, load_items, tmp_path) == (
        "The 'ids' parameter must be distinct. Got ids that occur twice: 'a' instead."
    )


def test_a_broken_shard(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"nonsense" * 200)
    told = message(ValueError, load_items, tmp_path)
    assert told.startswith(
        "The 'source' parameter must be tar files that can be read. "
        f"Got {str(tmp_path / 'x.tar')!r} instead. Reading failed: "
    )


def test_an_archive_among_pictures_is_no_dataset(tmp_path):
    picture(tmp_path / "cats" / "a.png")
    shard(tmp_path / "backup.tar", {"x.txt": b"old"})
    assert load_items(tmp_path)["label"].tolist() == ["cats"]


# ---- folders of Parquet --------------------------------------------------------------------------


def test_a_folder_of_parquet_is_one_table(tmp_path):
    whole = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})
    (tmp_path / "deep").mkdir()
    whole[:2].to_parquet(tmp_path / "1.parquet")
    whole[2:].reset_index(drop=True).to_parquet(tmp_path / "deep" / "2.parquet")
    (tmp_path / "_manifest.json").write_text("{}")
    (tmp_path / ".3.parquet").touch()  # not finished
    pd.testing.assert_frame_equal(load_items(tmp_path), whole)
    assert load_items(tmp_path, id="a").index.tolist() == [1, 2, 3]
    pd.DataFrame({"a": [1.5]}).to_parquet(tmp_path / "4.parquet")
    said = message(ValueError, load_items, tmp_path)
    rule = "The 'source' parameter must be of Parquet files with the same columns. Got the columns "
    there = str(tmp_path / "1.parquet")
    assert said == f"{rule}'b' only in {there!r} instead."
