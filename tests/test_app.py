"""The `curalab` command, as a shell would call it."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import curalab as cl
from curalab.app import main

REVIEWS = Path(__file__).parents[1] / "data" / "reviews.csv"
COMMAND = [sys.executable, "-c", "import sys; from curalab.app import main; sys.exit(main())"]


def test_methods_lists_what_to_start_with(capsys):
    assert main(["methods", "outliers"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^ \* consensus ", told, re.MULTILINE)
    assert "selectors" not in told


def test_an_audit_of_a_table_of_texts(tmp_path, capsys):
    call = ["audit", str(REVIEWS), "--id", "id", "--text", "text", "--label", "label"]
    assert main([*call, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "pip install 'curalab[text]'" in told
    assert "label errors" in told
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Audit of 300 items" in page
    assert "data:image/png;base64," in page
    assert not re.findall(r"""(?:src|href)=["']https?:""", page)
    table = pd.read_csv(tmp_path / "out" / "items.csv")
    assert len(table) == 300
    assert "label_quality" in table


def test_vectors_of_a_table_of_texts(tmp_path, capsys):
    call = ["embed", str(REVIEWS), "--id", "id", "--text", "text", "--encoder", "tfidf"]
    assert main([*call, "--out", str(tmp_path / "out")]) == 0
    assert "300 items in 256 dimensions" in capsys.readouterr().out
    kept = cl.Embedding.open(tmp_path / "out")
    texts = pd.read_csv(REVIEWS, index_col="id")["text"]
    assert (kept.vectors == cl.embed(texts, encoder="tfidf", random_state=0).vectors).all()
    assert kept.ids.tolist() == texts.index.tolist()


def test_near_duplicates_of_a_table_of_texts(tmp_path, capsys):
    table = pd.read_csv(REVIEWS).head(100)
    copies = table.head(7).assign(id=[f"c{i}" for i in range(7)])
    pd.concat([table, copies]).to_csv(tmp_path / "in.csv", index=False)
    call = ["dedup", str(tmp_path / "in.csv"), "--id", "id", "--text", "text"]
    assert main([*call, "--threshold", "0.99", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "7 of 107 items are copies of one that is kept." in told
    pairs = pd.read_csv(tmp_path / "out" / "pairs.csv")
    assert set(pairs["id_b"]) | set(pairs["id_a"]) == {*table["id"].head(7), *copies["id"]}
    every = pd.read_csv(tmp_path / "out" / "duplicates.csv")
    assert (len(every), (~every["duplicate_keep"]).sum()) == (107, 7)
    assert main([*call, "--backend", "ray", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        "curalab dedup: Give --threshold with --backend ray: one from the data takes them all.\n"
    )


def test_text_of_the_data_cannot_run_in_the_page(tmp_path):
    table = pd.read_csv(REVIEWS).head(60)
    table["text"] = table["text"] + " <script>alert(1)</script>"
    table.to_csv(tmp_path / "bad.csv", index=False)
    call = ["audit", str(tmp_path / "bad.csv"), "--text", "text", "--label", "label"]
    assert main([*call, "--out", str(tmp_path)]) == 0
    assert "<script" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_folder_of_images_with_a_broken_one(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 120)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(low, low + 120, size=(16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{i}.png")
    (tmp_path / "images" / "light" / "broken.png").write_bytes(b"no image")
    assert main(["audit", "--images", str(tmp_path / "images"), "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    left_out = "Left out 1 items whose image is missing or cannot be read: light/broken.png."
    assert left_out in told
    assert left_out in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_folder_of_sounds(tmp_path, capsys):
    from scipy.io import wavfile

    rng = np.random.default_rng(0)
    for name, pitch in (("high", 0.9), ("low", 0.2)):
        (tmp_path / "sounds" / name).mkdir(parents=True)
        for i in range(15):
            wave = 8000 * np.sin(pitch * np.arange(4000)) + 500 * rng.normal(size=4000)
            wavfile.write(tmp_path / "sounds" / name / f"{i}.wav", 8000, wave.astype(np.int16))
    (tmp_path / "sounds" / "low" / "broken.wav").write_bytes(b"no sound")
    assert main(["audit", "--images", str(tmp_path / "sounds"), "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "30 items. Embedding with log_mel." in told
    assert "Left out 1 items whose audio is missing or cannot be read: low/broken.wav." in told


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (["audit"], "Give one of FILE and --images DIR."),
        (
            ["embed", str(REVIEWS), "--address", "auto"],
            "Leave out --address unless you give --backend ray.",
        ),
        (
            ["audit", str(REVIEWS), "--text", "txt"],
            "There is no column 'txt'. The columns are 'id'",
        ),
        (["audit", "nosuch.csv"], "Got 'nosuch.csv' instead."),
        (["methods", "outlier"], "Did you mean 'outliers'?"),
        (["demo", "--notebook", "nosuch.ipynb"], "There is no notebook 'nosuch.ipynb' here."),
    ],
)
def test_what_cannot_be_done_is_one_line(call, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(call) == 1
    told = capsys.readouterr().err
    assert text in told
    assert told.startswith(f"curalab {call[0]}: ")
    assert "Traceback" not in told


def test_rows_without_text_are_left_out_by_name(tmp_path, capsys):
    table = pd.read_csv(REVIEWS).head(60)
    table.loc[[3, 9], "text"] = [None, "  "]
    table.to_csv(tmp_path / "gaps.csv", index=False)
    call = ["audit", str(tmp_path / "gaps.csv"), "--id", "id", "--text", "text"]
    assert main([*call, "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    named = ", ".join(table["id"].iloc[[3, 9]])
    assert f"Left out 2 items whose text is missing or cannot be read: {named}." in told


def test_a_file_that_is_not_utf_8(tmp_path, capsys):
    shutil.copy(REVIEWS, tmp_path / "latin.csv")
    with open(tmp_path / "latin.csv", "ab") as file:
        file.write("r999,caf\xe9,positive,x\n".encode("latin-1"))
    assert main(["audit", str(tmp_path / "latin.csv"), "--text", "text"]) == 1
    assert "UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["embed", "dedup", "audit"])
def test_out_is_looked_at_before_the_work(command, capsys, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    call = [command, str(REVIEWS), "--text", "text", "--out"]
    assert main([*call, str(tmp_path / "file")]) == 1
    assert main([*call, str(tmp_path / "file" / "inside")]) == 1
    refused = 2
    if command == "embed":  # writes the folder itself
        assert main([*call, str(tmp_path / "folder")]) == 1
        refused = 3
    told = capsys.readouterr()
    assert told.err.count(f"curalab {command}: --out ") == refused
    assert "Embedding" not in told.out


def test_vectors_are_written_over(tmp_path):
    call = ["embed", str(REVIEWS), "--text", "text", "--encoder", "tfidf"]
    for _ in range(2):
        assert main([*call, "--out", str(tmp_path / "out")]) == 0


def test_a_finder_that_fails_is_told_of_once(tmp_path):
    table = pd.read_csv(REVIEWS).head(60)
    table["label"] = table["id"]  # no class has two items
    table.to_csv(tmp_path / "in.csv", index=False)
    call = ["audit", "in.csv", "--text", "text", "--label", "label", "--out", "out"]
    ran = run(call, tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.count("label_errors") == 1


def test_a_folder_of_parquet_is_one_table(tmp_path, capsys):
    texts = pd.read_csv(REVIEWS, index_col="id")[["text", "label"]]
    cl.map_batches(pd.DataFrame.copy, texts, batch_size=100, folder=tmp_path / "cleaned")
    call = ["embed", str(tmp_path / "cleaned"), "--text", "text", "--encoder", "tfidf"]
    assert main([*call, "--out", str(tmp_path / "out")]) == 0
    assert "300 items in 256 dimensions" in capsys.readouterr().out
    assert cl.Embedding.open(tmp_path / "out").ids.tolist() == texts.index.tolist()


def run(call, folder):
    return subprocess.run(
        [*COMMAND, *call], cwd=folder, capture_output=True, text=True, check=False
    )


def test_a_reader_that_has_had_enough(tmp_path):
    ran = subprocess.run(
        ["bash", "-c", f"{shlex.join(COMMAND)} methods | head -1; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr == ""
    assert ran.stdout.split() in (["141"], ["0"])  # it may be done before head is


def test_what_is_stopped_is_one_line(tmp_path):
    waits = tmp_path / "in.jsonl"
    os.mkfifo(waits)
    process = subprocess.Popen(
        [*COMMAND, "embed", waits.name],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs in back ignore it
    )
    written = None
    while written is None and process.poll() is None:
        with contextlib.suppress(OSError):  # nobody reads yet
            written = os.open(waits, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    os.close(written)
    assert (process.returncode, told) == (130, "\ncuralab embed: stopped.\n")
