"""Embeddings on disk: rows added, writes stopped, parts gone, more than memory holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

import curalab as cl
from curalab import Embedding

X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
IDS = [f"r{i}" for i in range(30)]


@pytest.fixture
def folder(tmp_path):
    Embedding(vectors=X[:10], ids=IDS[:10]).save(tmp_path / "emb")
    return tmp_path / "emb"


def rest(start=10, stop=30, **more):
    return Embedding(vectors=X[start:stop], ids=IDS[start:stop], **more)


def holds(folder, n):
    emb = Embedding.open(folder)
    assert emb.ids.tolist() == IDS[:n]
    assert (emb.vectors == X[:n]).all()
    return emb


def test_rows_are_added_behind_the_others(folder):
    rest(10, 11).append_to(folder)
    rest(11, 30).append_to(folder)
    assert holds(folder, 30).fingerprint == Embedding(vectors=X, ids=IDS).fingerprint
    assert np.load(folder / "vectors.npy").shape == (30, 4)  # readable by anything
    assert pd.read_parquet(folder / "rows.parquet")["id"].tolist() == IDS


def test_numbers_go_on_where_there_are_no_ids(tmp_path):
    Embedding(vectors=X[:9]).save(tmp_path / "emb")
    for start in (9, 10):
        Embedding(vectors=X[start : start + 1]).append_to(tmp_path / "emb")
    emb = Embedding.open(tmp_path / "emb")
    assert emb.ids.equals(pd.RangeIndex(11, name="row"))
    assert cl.find_outliers(emb, labels=["a"] * 11).ids.equals(emb.ids)  # still no ids at all


def test_a_range_of_ids_comes_back_as_it_was(tmp_path):
    Embedding(vectors=X[:5], ids=pd.RangeIndex(7, 12)).save(tmp_path / "emb")
    assert Embedding.open(tmp_path / "emb").ids.tolist() == [7, 8, 9, 10, 11]
    Embedding(vectors=X[5:6], ids=[0]).append_to(tmp_path / "emb")
    assert Embedding.open(tmp_path / "emb").ids.tolist() == [7, 8, 9, 10, 11, 0]


@pytest.mark.parametrize(
    ("added", "error", "said"),
    [
        (
            lambda: Embedding(vectors=X[:, :3], ids=IDS),
            ValueError,
            "The embedding must be of 4 dimensions, as the one in {} is. Got 3 instead.",
        ),
        (
            lambda: rest(metric="euclidean"),
            ValueError,
            "The embedding must be of metric 'cosine', as the one in {} is. Got euclidean instead.",
        ),
        (
            lambda: rest(9, 30),
            cl.AlignmentError,
            "Ids must be new to the embedding. Got 1 that it has: 'r9'.",
        ),
        (
            lambda: Embedding(vectors=X),
            cl.AlignmentError,
            "Both embeddings must have ids, or neither. Got ids on one side only.",
        ),
    ],
)
def test_rows_that_do_not_fit_are_refused(folder, added, error, said):
    with pytest.raises(error) as caught:
        added().append_to(folder)
    assert str(caught.value) == said.format(repr(str(folder)))
    holds(folder, 10)


BIG = 2**63 + 11


@pytest.mark.parametrize(
    ("held", "new"),
    [
        (np.arange(3, dtype="u8") + BIG, np.array([5, 6])),
        (np.arange(3) + 2**60 + 1, np.array([5, 6], dtype="u8")),
        (np.arange(3) + 2**60 + 1, [7.0, 8.0]),
        ([0.5, 1.5, 2.5], [5, 6]),
        (pd.date_range("2020", periods=3), pd.date_range("2030", periods=2)),
        (pd.CategoricalIndex(list("abc")), ["a2", "b2"]),
    ],
)
def test_ids_are_kept_exactly(tmp_path, held, new):
    Embedding(vectors=X[:3], ids=held).save(tmp_path / "emb")
    Embedding(vectors=X[3:5], ids=new).append_to(tmp_path / "emb")
    assert Embedding.open(tmp_path / "emb").ids.tolist() == [*pd.Index(held), *pd.Index(new)]


@pytest.mark.parametrize(
    ("held", "new", "kind", "got"),
    [
        (["a", "b", "c"], [5, 6], "str", "int64 (ids 5, 6)"),
        ([1, 2, 3], ["5", "6"], "int64", "str (ids '5', '6')"),
        ([1, 2, 3], [5.5, 6], "int64", "float64 (ids 5.5, 6.0)"),
        ([-1, 2, 3], np.array([BIG, 6], "u8"), "int64", f"uint64 (ids {BIG}, 6)"),
        ([0.5, 1, 2], [2**60 + 1, 6], "float64", f"int64 (ids {2**60 + 1}, 6)"),
        (pd.date_range("2020", periods=3, unit="us"), ["u"], "datetime64[us]", "str (ids 'u')"),
    ],
)
def test_ids_of_another_type_are_refused(tmp_path, held, new, kind, got):
    Embedding(vectors=X[:3], ids=held).save(tmp_path / "emb")
    before = {path.name: path.read_bytes() for path in (tmp_path / "emb").iterdir()}
    with pytest.raises(TypeError) as caught:
        Embedding(vectors=X[: len(new)], ids=new).append_to(tmp_path / "emb")
    said = f"of type {kind}, as the ids saved are. Got type {got}"
    assert str(caught.value) == f"The 'ids' parameter must be {said} instead."
    after = {path.name: path.read_bytes() for path in (tmp_path / "emb").iterdir()}
    assert after == {**before, ".lock": b""}


def test_ids_that_no_file_holds_are_refused(tmp_path):
    rule = "of one type that a Parquet file holds, such as texts or numbers, to be saved"
    for ids, kinds in (
        ([1, "a", 2.5], "float, int, str"),
        ([tmp_path / "a", tmp_path / "b", tmp_path / "c"], type(tmp_path).__name__),
        ([b"a", "b", "c"], "bytes, str"),
        ([2**70, 1, 2], "int"),
    ):
        with pytest.raises(TypeError) as caught:
            Embedding(vectors=X[:3], ids=ids).save(tmp_path / "emb")
        said = f"The 'ids' parameter must be {rule}. Got ids of type {kinds} instead."
        assert str(caught.value) == said
    assert not list(tmp_path.iterdir())


def test_vectors_that_lie_by_columns_are_appended_to(tmp_path):
    Embedding(vectors=np.asfortranarray(X[:10]), ids=IDS[:10]).save(tmp_path / "emb")
    rest().append_to(tmp_path / "emb")
    holds(tmp_path / "emb", 30)


def test_the_home_folder_is_meant_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    Embedding(vectors=X[:10], ids=IDS[:10]).save("~/emb")
    rest().append_to("~/emb")
    holds("~/emb", 30)
    assert (tmp_path / "emb").is_dir()


def test_rows_of_another_encoder_are_refused(tmp_path):
    texts = pd.Series(["a red car", "the red cars", "green tea", "hot green tea", "cold tea"])
    first = cl.embed(texts[:3], encoder=cl.encoders.TfIdf(n_components=2), random_state=0)
    first.save(tmp_path / "emb")
    cl.embed(texts[3:], encoder=first.encoder).append_to(tmp_path / "emb")
    assert len(Embedding.open(tmp_path / "emb")) == 5

    def lengths(batch):
        return np.array([[len(text), 1] for text in batch])

    with pytest.raises(ValueError, match=r"must be made by the encoder 'tfidf', as the one in"):
        cl.embed(texts[:1].rename({0: 9}), encoder=lengths).append_to(tmp_path / "emb")


def test_the_page_about_more_rows_runs_as_written(tmp_path, monkeypatch):
    """Its first two sections; the third needs Ray."""
    page = Path(__file__).parents[1] / "notebooks" / "from_laptop_to_cluster.md"
    here = page.read_text(encoding="utf-8").split("## 3.")[0]
    monkeypatch.chdir(tmp_path)
    texts = [f"word{i % 7} word{i % 11} word{i % 3}" for i in range(80)]
    table = pd.DataFrame({"text": texts}, index=[f"r{i}" for i in range(80)])
    (tmp_path / "reviews").mkdir()
    table.to_parquet(tmp_path / "reviews" / "a.parquet")
    known = {"cl": cl, "items": table[:60], "new": table[60:]}
    known["emb"] = cl.embed(known["items"]["text"], encoder="tfidf", random_state=0)
    for code in re.findall(r"```python\n(.*?)```", here, re.DOTALL):
        exec(code, known)
    assert known["emb"].ids.tolist() == table.index.tolist()
    assert known["length"].tolist() == table["text"][:60].str.len().tolist()


# ---- what was stopped or is gone -----------------------------------------------------------------


def test_a_write_that_was_stopped_before_the_ids_adds_nothing(folder, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            rest().append_to(folder)
    assert np.load(folder / "vectors.npy").shape == (30, 4)
    holds(folder, 10)
    rest(10, 12).append_to(folder)
    holds(folder, 12)
    assert np.load(folder / "vectors.npy").shape == (12, 4)


PARTS = [".lock", "result.json", "rows.parquet", "vectors.npy"]
FULL = """
import resource, sys
import numpy as np
from curalab import Embedding
more = Embedding(vectors=np.ones((100_000, 4)))
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    more.append_to(sys.argv[1])
except OSError as error:
    print("OSError", error.errno)
"""


def test_a_disk_that_is_full_loses_nothing(tmp_path):
    Embedding(vectors=X[:10]).save(tmp_path / "emb")
    command = [sys.executable, "-c", textwrap.dedent(FULL), str(tmp_path / "emb")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.startswith("OSError")
    assert sorted(path.name for path in (tmp_path / "emb").iterdir()) == PARTS
    assert (tmp_path / "emb" / "vectors.npy").stat().st_size == 128 + 10 * 16
    assert (Embedding.open(tmp_path / "emb").vectors == X[:10]).all()
    Embedding(vectors=X[10:]).append_to(tmp_path / "emb")
    assert (Embedding.open(tmp_path / "emb").vectors == X).all()


def test_vectors_that_are_gone_or_cut_off_are_named(folder):
    path = folder / "vectors.npy"
    with path.open("r+b") as stream:
        stream.truncate(180)
    for act in (lambda: Embedding.open(folder), lambda: rest().append_to(folder)):
        with pytest.raises(ValueError, match=f"{str(folder)!r}.*(damaged|no whole embedding)"):
            act()
    path.unlink()
    for act in (lambda: Embedding.open(folder), lambda: rest().append_to(folder)):
        with pytest.raises(ValueError, match=r"FileNotFoundError.*vectors\.npy"):
            act()


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.pop("class"),
        lambda told: told.pop("plain"),
        lambda told: told.pop("params"),
        lambda told: told.pop("range"),
        lambda told: told.update(version="1"),
        lambda told: told["plain"].pop("vectors"),
        lambda told: told["plain"].pop("metric"),
    ],
)
def test_what_is_told_of_a_result_is_whole_or_named(folder, change):
    told = json.loads((folder / "result.json").read_text())
    change(told)
    (folder / "result.json").write_text(json.dumps(told))
    for act in (Embedding.open, rest().append_to):
        with pytest.raises(ValueError, match=f"The result in {str(folder)!r} is damaged"):
            act(folder)


@pytest.mark.parametrize("size", [0, 5])
def test_an_empty_file_of_vectors_is_damage(folder, size):
    os.truncate(folder / "vectors.npy", size)
    for act in (Embedding.open, rest().append_to):
        with pytest.raises(ValueError) as caught:
            act(folder)
        assert str(caught.value) == (
            f"The result in {str(folder)!r} is damaged (ValueError: EOF: reading magic string, "
            f"expected 8 bytes got {size}). Save it again."
        )


def test_rows_are_not_added_to_another_result(tmp_path):
    cl.find_outliers(Embedding(vectors=X, ids=IDS), random_state=0).save(tmp_path / "odd")
    with pytest.raises(TypeError, match=r"holds 'curalab\.outliers:Outliers', not Embedding"):
        rest().append_to(tmp_path / "odd")


@pytest.mark.parametrize("change", [lambda near: near[:, :2], lambda near: near + 25])
def test_a_graph_that_does_not_fit_is_damage(tmp_path, change):
    emb = Embedding(vectors=X)
    emb.neighbors(3)
    emb.save(tmp_path / "emb")
    path = tmp_path / "emb" / "neighbors.indices.npy"
    np.save(path, change(np.load(path)))
    with pytest.raises(ValueError, match=r"is damaged \(ValueError: .*a graph"):
        Embedding.open(tmp_path / "emb")


def test_fewer_vectors_than_ids_are_refused(folder):
    np.save(folder / "vectors.npy", X[:8])
    with pytest.raises(ValueError) as caught:
        Embedding.open(folder)
    assert str(caught.value) == (
        f"The result in {str(folder)!r} is damaged (ValueError: 10 ids, 8 vectors). Save it again."
    )


def test_another_version_is_refused(folder):
    meta = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(meta | {"version": 2}))
    for act in (lambda: Embedding.open(folder), lambda: rest().append_to(folder)):
        with pytest.raises(ValueError) as caught:
            act()
        assert str(caught.value) == (
            f"{str(folder)!r} was saved in the form of version 2, and this curalab reads version "
            "1. Open it with the curalab that wrote it, and save it again."
        )


def test_one_process_at_a_time(folder):
    for act in (rest().append_to, rest().save):
        with FileLock(folder / ".lock"), pytest.raises(BlockingIOError) as caught:
            act(folder)
        assert str(caught.value) == f"Another process is writing to {str(folder)!r}."
    holds(folder, 10)
    assert [path.name for path in folder.parent.iterdir()] == ["emb"]


# ---- more than memory ----------------------------------------------------------------------------


def test_what_is_mapped_from_disk_stays_there(tmp_path, monkeypatch):
    from curalab import _points

    x = np.random.default_rng(0).normal(size=(3_000, 16)).astype(np.float32)
    held = Embedding(vectors=x)
    held.save(tmp_path / "emb")
    monkeypatch.setattr(_points, "_MAPPED", 0)
    opened = Embedding.open(tmp_path / "emb")
    assert isinstance(opened.vectors, np.memmap)
    assert isinstance(opened.points, np.memmap)
    assert not isinstance(held.points, np.memmap)
    assert (opened.points == held.points).all()
    assert (opened.neighbors(5).indices == held.neighbors(5).indices).all()
    assert isinstance(_points.centred_rows(opened.vectors, x[0]), np.memmap)
    for metric in ("cosine", "euclidean"):
        mapped = Embedding(vectors=opened.vectors, metric=metric)
        within = Embedding(vectors=x, metric=metric)
        found = mapped.search(x[:9] + 1, 5)
        assert (found.indices == within.search(x[:9] + 1, 5).indices).all()
        np.testing.assert_allclose(found.distance, within.search(x[:9] + 1, 5).distance)
        assert (mapped.neighbors(5).indices == within.neighbors(5).indices).all()


FEW = """
import resource, sys
import numpy as np
import curalab as cl

def take():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status["VmData"].split()[0]) * 1024

def found(emb):
    return emb.search(np.asarray(emb.vectors[[7, 290_000]]), 2).indices[:, 0].tolist()

few = np.random.default_rng(0).normal(size=(20_000, 256))
for metric in ("euclidean", "cosine"):
    cl.Embedding(vectors=few, metric=metric).search(few[:2], 2)
x = cl.Embedding.open(sys.argv[1]).vectors
embs = [cl.Embedding(vectors=x, metric=metric) for metric in ("euclidean", "cosine")]
more = x.nbytes // 2
resource.setrlimit(resource.RLIMIT_DATA, (take() + more, take() + more))
print(*map(found, embs))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="limits memory as Linux does")
def test_few_rows_are_looked_up_without_a_copy_of_all(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300_000, 256), loc=3).astype(np.float32)
    Embedding(vectors=x).save(tmp_path / "emb")
    command = [sys.executable, "-W", "ignore", "-c", FEW, str(tmp_path / "emb")]
    ran = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert ran.stdout.strip() == "[7, 290000] [7, 290000]", ran.stderr[-2_000:]


LIMITED = """
import resource, sys
import numpy as np, torch, scipy.sparse.csgraph, sklearn.cluster
import curalab as cl

def take():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status["VmData"].split()[0]) * 1024

def findings(emb):
    n = len(emb)
    given = np.arange(n) % 5
    given[7] = 1
    proba = np.full((n, 5), 0.05) + 0.75 * np.eye(5)[np.arange(n) % 5]
    copies = cl.find_duplicates(emb, threshold=0.999, random_state=0)
    yield int(n - copies.keep.sum())
    yield cl.find_outliers(emb, method="knn", random_state=0).top(1)[0]
    pool = cl.Pool(embedding=emb, labels=given, proba=proba)
    yield cl.find_label_errors(pool, random_state=0).worst(1)[0]
    yield cl.cluster(emb, method="hdbscan", random_state=0).n_clusters

list(findings(cl.Embedding(vectors=np.random.default_rng(0).normal(size=(400, 64)))))
emb = cl.Embedding.open(sys.argv[1])
more = int(emb.vectors.nbytes * 0.85)
resource.setrlimit(resource.RLIMIT_DATA, (take() + more, take() + more))
try:
    np.ones(emb.vectors.nbytes // 8)
except MemoryError:
    print(*findings(emb))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="limits memory as Linux does")
def test_all_stages_in_less_memory_than_the_vectors_take(tmp_path):
    """100,000 rows of 2,048 dimensions, ten groups; a copy, a far row and a wrong label."""
    rng = np.random.default_rng(0)
    axes, middle = rng.normal(size=(40, 2_048)).astype(np.float32), 3 * rng.normal(size=(10, 40))
    for at in range(0, 100_000, 5_000):
        x = (middle[rng.integers(10, size=5_000)] + rng.normal(size=(5_000, 40))) @ axes
        x += rng.normal(size=x.shape)
        if at == 0:
            x[10], x[20] = x[11], rng.normal(scale=99, size=2_048)
        part = Embedding(vectors=x.astype(np.float32), ids=range(at, at + 5_000))
        part.append_to(tmp_path / "emb") if at else part.save(tmp_path / "emb")
    command = [sys.executable, "-W", "ignore", "-c", LIMITED, str(tmp_path / "emb")]
    threads = {**os.environ, "OMP_NUM_THREADS": "2"}
    ran = subprocess.run(command, capture_output=True, text=True, env=threads)
    assert ran.stdout.split() == ["1", "20", "7", "10"], ran.stderr[-2_000:]
