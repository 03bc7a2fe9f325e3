"""Embeddings on disk: rows added, writes stopped, parts gone, more than memory holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

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


def test_fewer_vectors_than_ids_are_refused(folder):
    np.save(folder / "vectors.npy", X[:8])
    with pytest.raises(ValueError) as caught:
        Embedding.open(folder)
    assert str(caught.value) == "The embedding is damaged: 10 ids, 8 vectors."


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
    with FileLock(folder / ".lock"), pytest.raises(BlockingIOError) as caught:
        rest().append_to(folder)
    assert str(caught.value) == f"Another process is adding rows to {str(folder)!r}."


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
