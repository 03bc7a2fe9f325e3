"""map_batches on this machine: order, seeds, failures, and runs that were stopped."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

import curalab as cl
from curalab.scale import _kept, _partitions

X = np.arange(40.0).reshape(20, 2)


def double(batch):
    return batch * 2


# ---- what comes back -----------------------------------------------------------------------------


def test_an_array_comes_back_in_the_order_of_the_rows():
    made = cl.map_batches(double, X, batch_size=3)
    assert type(made) is np.ndarray
    assert made.flags.writeable
    assert (made == X * 2).all()


def test_each_kind_of_data_comes_in_parts_of_its_own_kind(tmp_path):
    frame = pd.DataFrame({"a": range(20), "t": list("abcdefghijklmnopqrst")})
    np.save(tmp_path / "x.npy", X)
    kinds = {
        "ndarray": X,
        "Series": frame["a"],
        "DataFrame": frame,
        "list": frame["t"].tolist(),
        "Embedding": cl.Embedding(vectors=X + 1, ids=frame["t"]),
        "path": tmp_path / "x.npy",
    }
    seen = {}

    def look(batch):
        seen.setdefault(name, []).append((type(batch).__name__, len(batch)))
        return np.arange(len(batch))

    for name, data in kinds.items():
        made = cl.map_batches(look, data, batch_size=8)
        assert made.tolist() == [*range(8), *range(8), *range(4)], name
    want = {"Embedding": "ndarray", "path": "ndarray"}
    for name, batches in seen.items():
        assert batches == [(want.get(name, name), n) for n in (8, 8, 4)]


def test_parquet_comes_in_its_row_groups_and_goes_out_as_parts(tmp_path):
    frame = pd.DataFrame({"v": range(10)}, index=[f"r{i}" for i in range(10)])
    (tmp_path / "in").mkdir()
    frame[:6].to_parquet(tmp_path / "in" / "a.parquet", row_group_size=4)
    frame[6:].to_parquet(tmp_path / "in" / "b.parquet")
    made = cl.map_batches(
        lambda part: part.assign(w=part["v"] * 2, n=len(part)),
        tmp_path / "in",
        folder=tmp_path / "out",
    )
    want = frame.assign(w=frame["v"] * 2, n=[4] * 4 + [2] * 2 + [4] * 4)
    pd.testing.assert_frame_equal(made, want)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out"), want)


def test_tables_of_any_length_are_put_below_each_other():
    made = cl.map_batches(
        lambda batch: pd.DataFrame({"large": batch[batch[:, 0] > 20, 0]}), X, batch_size=3
    )
    assert made["large"].tolist() == X[X[:, 0] > 20, 0].tolist()
    assert made.index.tolist() == list(range(len(made)))


def test_a_batch_has_a_generator_of_its_own():
    def draw(batch, rng):
        return rng.random(len(batch))

    made = cl.map_batches(draw, X, batch_size=8, random_state=3)
    assert (made == cl.map_batches(draw, X, batch_size=8, random_state=3)).all()
    assert (made != cl.map_batches(draw, X, batch_size=8, random_state=4)).all()
    assert len(set(made)) == 20
    assert (made[16:] == np.random.default_rng([3, 2]).random(4)).all()


def test_an_encoder_gives_the_vectors_of_embed():
    texts = pd.Series([f"{a} and {b}" for a in ("tea", "cats") for b in ("rain", "sun", "sea")])
    emb = cl.embed(texts, encoder="tfidf", random_state=0)
    assert np.allclose(cl.map_batches(emb.encoder, texts, batch_size=4), emb.vectors, atol=1e-6)
    own = cl.scale.embed(texts, encoder="tfidf", random_state=0)
    assert np.allclose(own.vectors, emb.vectors, atol=1e-6)
    assert (own.ids.tolist(), own.metric) == (emb.ids.tolist(), emb.metric)
    assert own.params["settings"] == emb.params["settings"]


def test_a_function_may_change_its_batch(tmp_path):
    cells = pd.Series([[i] for i in range(4)])
    kinds = {
        "array": X,
        "rows": [[i] for i in range(4)],
        "cells": cells,
        "table": pd.DataFrame({"cells": cells, "n": range(4)}),
    }

    def change(batch):
        if isinstance(batch, np.ndarray):
            batch += 1
            made = batch
        else:
            rows = batch["cells"] if isinstance(batch, pd.DataFrame) else batch
            for row in rows:
                row[0] += 1
            made = [row[0] for row in rows]
        if not Path(tried).exists():
            Path(tried).touch()
            raise OSError("the first try")
        return made

    for name, data in kinds.items():
        tried = str(tmp_path / f"{name} was tried")
        made = cl.map_batches(change, data, folder=tmp_path / name, batch_size=2)
        again = cl.map_batches(change, data, folder=tmp_path / name, batch_size=2)
        assert (made == again).all(), name  # the data are still those of the first call
        assert (made == (X + 1 if name == "array" else [1, 2, 3, 4])).all(), name
    assert kinds["rows"] == kinds["cells"].tolist() == [[0], [1], [2], [3]]
    assert kinds["table"]["cells"].tolist() == [[0], [1], [2], [3]]
    assert (np.arange(40.0).reshape(20, 2) == X).all()


# ---- batches that fail ---------------------------------------------------------------------------


def test_a_batch_that_fails_is_tried_once_more():
    calls = []

    def shaky(batch):
        calls.append(batch[0, 0])
        if calls.count(batch[0, 0]) == 1 and batch[0, 0] == 16:
            raise OSError("the network")
        return batch

    assert (cl.map_batches(shaky, X, batch_size=8) == X).all()
    assert calls == [0, 16, 16, 32]


def test_batches_that_fail_are_named_and_the_others_are_not_done_again():
    ids, calls = [f"r{i}" for i in range(20)], []
    broken = {"is": True}

    def half(batch):
        calls.append(int(batch["a"].iloc[0]))
        if broken["is"] and batch["a"].iloc[0] >= 32:
            raise ValueError("too large")
        return batch["a"].to_numpy() / 2

    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1]}, index=ids)
    try:
        cl.map_batches(half, frame, batch_size=8, random_state=0)
    except cl.BatchError as error:
        caught = error
    assert caught.failed == {2: "ValueError: too large"}
    assert str(caught) == (
        "1 of 3 batches failed, each of them twice: batch 2 (rows 'r16' to 'r19'): ValueError: "
        "too large. The others are done and kept: the same call does only these again."
    )
    assert calls == [0, 16, 32, 32]


def test_what_is_done_is_known_again_by_the_code_and_the_data(tmp_path):
    flag = tmp_path / "mended"

    def careful(batch):
        with Path(log).open("a") as stream:
            stream.write(f"{batch[0, 0]:.0f} ")
        if batch[0, 0] == 16 and not Path(path).exists():
            raise ValueError("not yet")
        return batch

    log, path = str(tmp_path / "log"), str(flag)
    with pytest.raises(cl.BatchError):
        cl.map_batches(careful, X, batch_size=8)
    assert cl.cache_info().entries >= 1
    flag.touch()
    assert (cl.map_batches(careful, X, batch_size=8) == X).all()
    assert Path(log).read_text() == "0 16 16 32 16 "
    cl.map_batches(careful, X + 1, batch_size=8)  # other rows
    assert Path(log).read_text() == "0 16 16 32 16 1 17 33 "


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        (lambda b: b[1:], "Got shape (7, 2), dtype float64 instead."),
        (lambda b: None, "Got NoneType instead."),
        (lambda b: 3.0, "Got float instead."),
        (lambda b: ["a"] * 8, "Got list instead."),
        (lambda b: b[:, :0], "Got shape (8, 0), dtype float64 instead."),
        (
            lambda b: np.ma.masked_greater(b, 3),
            "Got a masked array instead. Fill it: made.filled(np.nan).",
        ),
        (
            lambda b: pd.DataFrame([]),
            "Got one without columns instead. Name them where there are no rows, too: "
            "pd.DataFrame(rows, columns=[…]).",
        ),
    ],
)
def test_what_a_function_must_not_return(gives, said):
    with pytest.raises(cl.BatchError) as caught:
        cl.map_batches(gives, X[:8], batch_size=8)
    rule = (
        "ValueError: The 'function' parameter must be a function that returns 8 rows of numbers "
        "for 8 rows, or a DataFrame. "
    )
    assert caught.value.failed == {0: rule + said}


def test_batches_of_different_form_are_refused():
    def odd(batch):
        if batch[0, 0] == 16:
            return batch[:, :1]
        return pd.DataFrame(batch) if batch[0, 0] == 32 else batch

    with pytest.raises(cl.BatchError) as caught:
        cl.map_batches(odd, X, batch_size=8)
    assert caught.value.failed == {
        1: "it returned float64 of shape (1,) a row, where another batch returned float64 of "
        "shape (2,)",
        2: "it returned a table where another batch returned an array",
    }


def test_tables_of_other_columns_are_refused(tmp_path):
    def odd(batch):
        made = pd.DataFrame({"a": batch[:, 0], "n": 1})
        made.loc[batch[:, 0] == 0, "n"] = None  # a float: no other column
        return made.rename(columns={"a": "b"}) if batch[0, 0] == broken["at"] else made

    broken = {"at": 16}
    call = {"batch_size": 8, "folder": tmp_path / "out", "random_state": 0}
    said = "it returned a table with the columns 'b', 'n', where another batch returned 'a', 'n'"
    for _ in range(2):  # the same where the run is gone on with
        with pytest.raises(cl.BatchError) as caught:
            cl.map_batches(odd, X, **call)
        assert caught.value.failed == {1: said}
    broken["at"] = None
    assert cl.map_batches(odd, X, batch_size=8)["n"].isna().sum() == 1


# ---- runs that were stopped ----------------------------------------------------------------------

SLOW = """
import sys, time
from pathlib import Path
import numpy as np
import curalab as cl

def slow(batch):
    with open(sys.argv[1], "a") as log:
        log.write(f"{batch[0]:.0f}\\n")
    time.sleep(0.05)
    return batch * 2

made = cl.map_batches(slow, np.arange(400.0), batch_size=10, folder=sys.argv[2] or None)
assert (made == np.arange(400.0) * 2).all()
"""


@pytest.mark.parametrize("kept", ["in the cache", "in a folder"])
def test_a_killed_process_loses_no_finished_batch(tmp_path, kept):
    log, folder = tmp_path / "log", str(tmp_path / "out") if kept == "in a folder" else ""
    script = tmp_path / "slow.py"
    script.write_text(textwrap.dedent(SLOW))
    command = [sys.executable, str(script), str(log), folder]
    for n_seen in (5, 17):
        with subprocess.Popen(command) as process:
            while not log.exists() or len(log.read_text().split()) < n_seen:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
    assert subprocess.run(command, check=False).returncode == 0
    begun = log.read_text().split()
    assert set(begun) == {str(10 * i) for i in range(40)}
    assert len(begun) <= 42  # the batch that each kill met was begun again, no other one


def test_a_folder_is_readable_by_anything(tmp_path):
    made = cl.map_batches(double, X, batch_size=8, folder=tmp_path / "out", random_state=5)
    assert isinstance(made, np.memmap)
    assert (np.load(tmp_path / "out" / "rows.npy") == X * 2).all()
    told = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert (told["rows"], told["version"], told["random_state"]) == (20, 1, 5)


def done_once(tmp_path):
    calls = tmp_path / "calls"

    def count(batch):
        with Path(path).open("a") as stream:
            stream.write(f"{batch[0, 0]:.0f} ")
        return batch

    path = str(calls)
    cl.map_batches(count, X, batch_size=8, folder=tmp_path / "out", random_state=0)
    calls.unlink()
    return count, calls, tmp_path / "out"


def test_what_was_lost_of_a_folder_is_done_again(tmp_path):
    count, calls, out = done_once(tmp_path)
    again = {"batch_size": 8, "folder": out, "random_state": 0}
    cl.map_batches(count, X, **again)
    assert not calls.exists()
    with (out / "rows.npy").open("r+b") as stream:
        stream.truncate(200)
    assert (cl.map_batches(count, X, **again) == X).all()
    assert calls.read_text() == "0 16 32 "
    (out / "_done.txt").write_text("0\n2\n1")  # the last line was cut off
    assert (cl.map_batches(count, X, **again) == X).all()
    assert calls.read_text() == "0 16 32 16 "
    assert (out / "_done.txt").read_text() == "0\n2\n1\n"


def test_other_ids_are_other_data(tmp_path):
    frame = pd.DataFrame({"a": range(20)})
    cl.map_batches(pd.DataFrame.copy, frame, folder=tmp_path / "out", random_state=0)
    other = frame.set_index(frame.index + 5)
    with pytest.raises(ValueError, match="the data differed"):
        cl.map_batches(pd.DataFrame.copy, other, folder=tmp_path / "out", random_state=0)


def test_a_part_that_was_deleted_is_made_again(tmp_path):
    frame = pd.DataFrame({"a": range(20)})
    made = cl.map_batches(pd.DataFrame.copy, frame, batch_size=8, folder=tmp_path / "out")
    pd.testing.assert_frame_equal(made, frame)
    (tmp_path / "out" / "part-000001.parquet").unlink()
    again = cl.map_batches(pd.DataFrame.copy, frame, batch_size=8, folder=tmp_path / "out")
    pd.testing.assert_frame_equal(again, frame)


def test_the_results_of_another_run_are_refused(tmp_path):
    count, calls, out = done_once(tmp_path)
    hint = "Choose another folder, or delete it to begin anew."
    for function, data, size, seed, what in [
        (count, X + 1, 8, 0, "data"),
        (double, X, 8, 0, "function"),
        (count, X, 4, 0, "sizes of its batches"),
        (count, X, 8, 1, "random_state"),
        (double, X + 1, 8, 0, "data and the function"),
    ]:
        with pytest.raises(ValueError) as caught:
            cl.map_batches(function, data, batch_size=size, folder=out, random_state=seed)
        said = f"{str(out)!r} holds the results of another run: the {what} differed. {hint}"
        assert str(caught.value) == said
    assert not calls.exists()


def of_a_lock(k):
    import threading

    lock = threading.Lock()

    def times(batch):
        with lock:
            return batch * k

    return times


def test_results_of_what_cannot_be_known_again_are_not_taken_up(tmp_path):
    out = tmp_path / "out"
    assert (cl.map_batches(of_a_lock(2), X, folder=out) == X * 2).all()
    with pytest.raises(ValueError) as caught:
        cl.map_batches(of_a_lock(3), X, folder=out)
    assert str(caught.value) == (
        f"{str(out)!r} holds results, and whether they are of this 'function' cannot be told: it, "
        "or something that it refers to, cannot be hashed. Give that an attribute `fingerprint`, "
        "a text that changes when it does. Choose another folder, or delete it to begin anew."
    )
    things = [object(), object()]  # nor can these
    cl.map_batches(_lengths, things, folder=tmp_path / "other")
    with pytest.raises(ValueError, match="of this 'data' cannot be told"):
        cl.map_batches(_lengths, [open, print, _Handle()], folder=tmp_path / "other")


def test_a_fingerprint_makes_known_what_cannot_be_hashed(tmp_path):
    handle = _Handle()
    handle.fingerprint = "v1"
    cl.map_batches(handle, X, folder=tmp_path / "out")
    assert (cl.map_batches(handle, X, folder=tmp_path / "out") == X).all()
    handle.fingerprint = "v2"
    with pytest.raises(ValueError, match="the function differed"):
        cl.map_batches(handle, X, folder=tmp_path / "out")


class _Handle:
    def __init__(self):
        import threading

        self.lock = threading.Lock()

    def __call__(self, batch):
        return batch


def _lengths(batch):
    return np.arange(len(batch))


def test_a_finished_run_can_be_read_where_nothing_can_be_written(tmp_path):
    count, calls, out = done_once(tmp_path)
    (out / ".lock").unlink(missing_ok=True)
    (out / ".lock").mkdir()  # cannot be opened as a file, as none can on a disk to read only
    assert (cl.map_batches(count, X, batch_size=8, folder=out) == X).all()
    assert not calls.exists()
    (out / "_done.txt").write_text("0\n2\n")
    with pytest.raises(OSError):
        cl.map_batches(count, X, batch_size=8, folder=out)
    assert not calls.exists()


def test_a_folder_that_is_refused_is_left_as_it_is(tmp_path):
    (tmp_path / "note.txt").touch()
    with pytest.raises(FileExistsError):
        cl.map_batches(double, X, folder=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["note.txt"]
    with pytest.raises(FileExistsError) as caught:
        cl.map_batches(double, X, folder=tmp_path / "note.txt")
    assert "holds no results of map_batches. Choose another folder." in str(caught.value)


def test_results_do_not_go_among_the_data(tmp_path):
    pd.DataFrame({"a": range(3)}).to_parquet(tmp_path / "x.parquet")
    for inside in (tmp_path, tmp_path / "out"):
        with pytest.raises(ValueError) as caught:
            cl.map_batches(pd.DataFrame.copy, tmp_path, folder=inside)
        assert str(caught.value) == (
            f"The 'folder' parameter must be outside of the folder of the data, {str(tmp_path)!r}. "
            f"Got {str(inside)!r} instead."
        )
    assert [file.name for file in tmp_path.iterdir()] == ["x.parquet"]


def test_a_folder_of_another_version_or_damaged_or_of_something_else(tmp_path):
    count, _, out = done_once(tmp_path)
    manifest = out / "_manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(told | {"version": 7}))
    with pytest.raises(ValueError) as caught:
        cl.map_batches(count, X, batch_size=8, folder=out)
    assert str(caught.value) == (
        f"{str(out)!r} was written in the form of version 7, and this curalab reads version 1. "
        "Choose another folder, or delete it to begin anew."
    )
    manifest.write_text(manifest.read_text()[:40])
    with pytest.raises(ValueError) as caught:
        cl.map_batches(count, X, batch_size=8, folder=out)
    said = f"{str(manifest)!r} is damaged. Delete the folder to begin anew."
    assert str(caught.value) == said
    with pytest.raises(FileExistsError) as caught:
        cl.map_batches(count, X, batch_size=8, folder=tmp_path)
    assert str(caught.value) == (
        f"{str(tmp_path)!r} exists and holds no results of map_batches. Choose another folder."
    )


def test_a_place_in_the_cache_that_another_run_has_is_left_to_it(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path))
    with pytest.raises(cl.BatchError):
        cl.map_batches(_refuse, X, random_state=1)
    (place,) = (path.parent for path in tmp_path.rglob("_manifest.json"))
    with FileLock(place / ".lock"), pytest.raises(cl.BatchError) as caught:
        cl.map_batches(_refuse, X, random_state=1)
    assert str(caught.value).endswith(
        "What the others gave is lost; with folder=, and data and a function that can be hashed, "
        "it is kept."
    )
    assert "A crash would cost what is done" in caplog.text
    assert (place / "_manifest.json").exists()


def _refuse(batch):
    raise ValueError("no")


def test_a_folder_that_another_run_writes_to(tmp_path):
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(BlockingIOError) as caught:
        cl.map_batches(double, X, folder=tmp_path / "out")
    assert str(caught.value) == (
        f"Another run is writing to {str(tmp_path / 'out')!r}. Wait for it, or choose another "
        "folder."
    )


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    count, calls, _ = done_once(tmp_path)
    out, put = tmp_path / "full", _kept.Kept._put

    def full(self, number, made):
        if number == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        put(self, number, made)

    monkeypatch.setattr(_kept.Kept, "_put", full)
    with pytest.raises(OSError, match="No space left on device"):
        cl.map_batches(count, X, batch_size=8, folder=out)
    monkeypatch.undo()
    assert (cl.map_batches(count, X, batch_size=8, folder=out) == X).all()
    assert calls.read_text() == "0 16 32 32 "


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: cl.map_batches("double", X),
            "The 'function' parameter must be a function of a batch, or an encoder. Got 'double' "
            "instead.",
        ),
        (
            lambda: cl.map_batches(cl.encoders.TfIdf, ["a"]),
            "The 'function' parameter must be a value, not a class. Got TfIdf instead. Add "
            "parentheses: TfIdf().",
        ),
        (
            lambda: cl.map_batches(cl.encoders.TfIdf(), ["a"]),
            "The 'function' parameter must be a fitted encoder. Got TfIdf, not fitted instead. "
            "Fit it: embed(some_rows, encoder=…).encoder.",
        ),
        (
            lambda: cl.map_batches(double, X, backend="dask"),
            "The 'backend' parameter must be one of 'local', 'ray'. Got 'dask' instead.",
        ),
        (
            lambda: cl.map_batches(double, X, address="auto"),
            "The 'address' parameter must be left out unless backend=\"ray\". Got 'auto' instead.",
        ),
        (
            lambda: cl.map_batches(double, X, batch_size=0),
            "The 'batch_size' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            lambda: cl.map_batches(double, X, folder=""),
            "The 'folder' parameter must be a path. Got '' instead.",
        ),
        (
            lambda: cl.map_batches(double, X, folder=3),
            "The 'folder' parameter must be a path. Got 3 instead.",
        ),
        (
            lambda: cl.map_batches(double, np.ma.masked_greater(X, 3)),
            "The 'data' parameter must be without masks. Got a masked array instead. Fill it: "
            "data.filled(np.nan).",
        ),
        (
            lambda: cl.map_batches(double, []),
            "The 'data' parameter must be of at least one row. Got none instead.",
        ),
        (
            lambda: cl.map_batches(double, {"a": [1]}),
            "The 'data' parameter must be an array, a Series, a DataFrame, a list, an Embedding, "
            "or the path of a .npy file, a Parquet file or a folder of Parquet files. Got dict "
            "instead.",
        ),
    ],
)
def test_bad_input(call, said):
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert str(caught.value) == said


def test_a_path_of_something_else(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    (tmp_path / "bad.npy").write_text("x")
    (tmp_path / "empty.npy").touch()
    np.save(tmp_path / "number.npy", np.array(3))
    for name, rule, more in [
        ("x.csv", "of Parquet files that can be read", "Reading failed: Parquet"),
        ("bad.npy", "a .npy file that can be read", "Reading failed: "),
        ("empty.npy", "a .npy file that can be read", "Reading failed: "),
        ("number.npy", "an array of rows", ""),
    ]:
        with pytest.raises(ValueError) as caught:
            cl.map_batches(double, tmp_path / name)
        said = str(caught.value)
        assert said.startswith(f"The 'data' parameter must be {rule}. Got "), name
        assert str(tmp_path / name) in said
        assert more in said
    with pytest.raises(FileNotFoundError) as caught:
        cl.map_batches(double, tmp_path / "none.parquet")
    assert "must be a file or folder that exists" in str(caught.value)


def test_parquet_files_of_other_columns(tmp_path):
    pd.DataFrame({"a": [1], "b": [1]}).to_parquet(tmp_path / "1.parquet")
    pd.DataFrame({"b": [1.5], "a": [None]}).to_parquet(tmp_path / "2.parquet")
    assert cl.map_batches(_lengths, tmp_path).tolist() == [0, 0]
    pd.DataFrame({"a": [1], "c": [1]}).to_parquet(tmp_path / "3.parquet")
    one, three = (str(tmp_path / f"{i}.parquet") for i in (1, 3))
    with pytest.raises(ValueError) as caught:
        cl.map_batches(_lengths, tmp_path)
    assert str(caught.value) == (
        "The 'data' parameter must be of Parquet files with the same columns. Got the columns "
        f"'b' only in {one!r} and 'c' only in {three!r} instead."
    )


def test_a_path_that_holds_no_data(tmp_path):
    with pytest.raises(FileNotFoundError):
        cl.map_batches(double, tmp_path / "missing.npy")
    with pytest.raises(FileNotFoundError) as caught:
        cl.map_batches(double, tmp_path)
    assert str(caught.value) == (
        f"The 'data' parameter must be a folder of .parquet files. Got {str(tmp_path)!r} instead."
    )
    X_frame = pd.DataFrame(X, columns=["a", "b"])
    X_frame.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(ValueError) as caught:
        cl.map_batches(double, tmp_path / "x.parquet", batch_size=3)
    assert str(caught.value) == (
        "The 'batch_size' parameter must be left out for Parquet files. Got 3 instead. Files of "
        "Parquet come in their row groups."
    )


# ---- in parts ------------------------------------------------------------------------------------


def test_hierarchical_k_means_finds_planted_groups():
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(0)
    truth = rng.integers(16, size=3_000)
    x = 12 * rng.normal(size=(16, 8))[truth] + rng.normal(size=(3_000, 8))
    emb = cl.Embedding(vectors=x, metric="euclidean")
    method = cl.scale.HierarchicalKMeans(n_clusters=64)
    found = cl.cluster(emb, method=method, random_state=0)
    again = cl.cluster(emb, method=method, random_state=0)
    assert found.n_clusters == 64
    assert (found.labels == again.labels).all()
    table = pd.crosstab(found.labels, truth)
    assert table.max(axis=1).sum() / len(truth) > 0.99  # each cluster lies in one group
    one = cl.cluster(emb, method=cl.scale.HierarchicalKMeans(n_clusters=1), random_state=0)
    assert set(one.labels) == {0}
    coarse = cl.cluster(emb, method=cl.scale.HierarchicalKMeans(n_clusters=16), random_state=0)
    assert adjusted_rand_score(truth, coarse.labels) > 0.7


def test_rows_far_from_the_origin_go_to_their_nearest_centres():
    rng = np.random.default_rng(0)
    x = (20_000 + rng.normal(size=(500, 8))).astype(np.float32)
    centres = x[:9]
    away = np.linalg.norm(x[:, None].astype(np.float64) - centres, axis=2)
    found = _partitions._cells(x, centres=centres, n=2)
    assert (found == away.argsort(axis=1)[:, :2]).mean() > 0.99


def test_duplicates_in_parts_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4_000, 16))
    x[3_000:] = x[:1_000] + 0.05 * rng.normal(size=(1_000, 16))
    whole = cl.find_duplicates(x, threshold=0.98, random_state=0).pairs()
    method = cl.scale.PartitionedDuplicates(n_partitions=12)
    parts = cl.find_duplicates(x, threshold=0.98, method=method, random_state=0).pairs()
    key = ["id_a", "id_b"]
    both = whole.merge(parts, on=key)
    assert len(whole) >= 1_000
    assert len(parts) == len(both)  # none that is not one
    assert len(both) / len(whole) > 0.98
    assert np.allclose(both["similarity_x"], both["similarity_y"], atol=1e-6)
