"""Long runs: what is unreadable is collected, and a crash costs the last seconds only."""

import logging
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from curalab import cache_info, embed
from curalab.encoders import _progress


def counted():
    """Holds counts as attributes, where no hash of an encoder looks."""


@dataclass(frozen=True)
class Means:
    """Mean grey and spread of an image; counts what it encodes."""

    takes: ClassVar[str] = "image"
    batch_size: int = 4

    def encode(self, batch):
        if counted.rows >= counted.most:
            raise MemoryError
        pixels = [np.asarray(image, dtype=np.float32) for image in batch]
        counted.rows += len(pixels)
        return np.array([[image.mean() + 1, image.std()] for image in pixels], dtype=np.float32)


@dataclass(frozen=True)
class Centred(Means):
    """The same, less the mean of the rows of the fit."""

    mean: object = field(default=None, repr=False)

    def fit(self, data, *, rng):
        counted.fits += 1
        mean = np.mean([np.asarray(image).mean() for image in data])
        return Centred(batch_size=self.batch_size, mean=float(mean))

    def encode(self, batch):
        return super().encode(batch) - [self.mean + 0.5, 0]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path / "cache"))
    counted.rows = counted.fits = 0
    counted.most = np.inf
    return tmp_path


def images(folder, n=30, cut=()):
    """Return paths of n images; those numbered in `cut` have a header and half their pixels."""
    rng = np.random.default_rng(0)
    paths = {}
    for i in range(n):
        path = folder / f"{i}.png"
        Image.fromarray(rng.integers(256, size=(16, 16), dtype=np.uint8)).save(path)
        if i in cut:
            path.write_bytes(path.read_bytes()[:150])
        paths[f"i{i}"] = str(path)
    return pd.Series(paths)


@pytest.mark.parametrize("encoder", [Means(), Centred()], ids=["plain", "learns"])
def test_what_cannot_be_read_is_collected_and_the_rest_is_kept(folder, encoder):
    data = images(folder, cut=(7, 29))
    with pytest.raises(ValueError) as raised:
        embed(data, encoder=encoder, random_state=0)
    assert str(raised.value).startswith(
        "The 'data' parameter must be images that can be read. Got 2 of 30 rows that cannot be "
        "read ('i7': image file is truncated"
    )
    seen = counted.rows
    rest = embed(data.drop(["i7", "i29"]), encoder=encoder, random_state=0)
    if encoder == Means():
        assert counted.rows == seen == 28  # the call without them finds what was made
    fresh = embed(data.drop(["i7", "i29"]), encoder=encoder, random_state=0, cache=False)
    np.testing.assert_array_equal(rest.vectors, fresh.vectors)


@pytest.mark.parametrize("encoder", [Means(), Centred()], ids=["plain", "learns"])
def test_what_cannot_be_read_may_be_skipped(folder, encoder, caplog):
    data = images(folder, cut=(0, 1, 2, 3, 20))
    with caplog.at_level(logging.WARNING, "curalab.encoders"):
        emb = embed(data, encoder=encoder, unreadable="skip", random_state=0)
    assert emb.ids.tolist() == [f"i{i}" for i in range(30) if i not in (0, 1, 2, 3, 20)]
    assert len(emb.data) == 25
    told = emb.details["unreadable"]
    assert told["id"].tolist() == ["i0", "i1", "i2", "i3", "i20"]
    assert told["reason"].str.startswith("image file is truncated").all()
    assert "Left out 5 of 30 rows that cannot be read ('i0': image file" in caplog.text
    seen = counted.rows
    again = embed(data, encoder=encoder, unreadable="skip", random_state=0, cache=False)
    np.testing.assert_array_equal(again.vectors, emb.vectors)
    assert counted.rows > seen
    assert "unreadable" not in embed(images(folder), encoder=encoder, random_state=0).details


def test_no_row_that_can_be_read(folder):
    data = images(folder, n=6, cut=range(6))
    with pytest.raises(ValueError, match="Got 6 of 6 rows that cannot be read"):
        embed(data, encoder=Means(), unreadable="skip")


def test_the_choice_is_checked(folder):
    with pytest.raises(ValueError) as raised:
        embed(images(folder, n=3), encoder=Means(), unreadable="ignore")
    assert str(raised.value) == (
        "The 'unreadable' parameter must be one of 'raise', 'skip'. Got 'ignore' instead."
    )


@pytest.mark.parametrize("encoder", [Means(), Centred()], ids=["plain", "learns"])
def test_a_run_that_was_cut_off_goes_on_where_it_was(folder, encoder, monkeypatch):
    data = images(folder, cut=(5,))
    whole = embed(data, encoder=encoder, unreadable="skip", random_state=0, cache=False)
    counted.rows = counted.fits = 0
    monkeypatch.setattr(_progress, "_EVERY", 0.0)
    data = data.drop("i5") if encoder != Means() else data
    counted.most = 15
    with pytest.raises(MemoryError):
        embed(data, encoder=encoder, unreadable="skip", random_state=0)
    counted.most = np.inf
    assert cache_info().entries == 0
    seen = counted.rows
    emb = embed(data, encoder=encoder, unreadable="skip", random_state=0)
    assert counted.rows == 29
    assert seen >= 15
    assert counted.fits == (encoder != Means())
    np.testing.assert_array_equal(emb.vectors, whole.vectors)
    assert not list((folder / "cache").rglob("*.part-*"))
    assert cache_info().entries == 1


@dataclass(frozen=True)
class Lengths:
    """Length of a text and its square; counts what it encodes."""

    takes: ClassVar[str] = "text"
    batch_size: int = 4

    def encode(self, batch):
        if counted.rows >= counted.most:
            raise MemoryError
        counted.rows += len(batch)
        return np.array([[len(text), len(text) ** 2] for text in batch], dtype=np.float32)


def test_texts_go_on_where_they_were_cut_off(monkeypatch):
    texts = pd.Series(["x" * (1 + 7 * i % 23) for i in range(30)])
    whole = embed(texts, encoder=Lengths(), cache=False)
    monkeypatch.setattr(_progress, "_EVERY", 0.0)
    counted.rows, counted.most = 0, 15
    with pytest.raises(MemoryError):
        embed(texts, encoder=Lengths())
    counted.most = np.inf
    emb = embed(texts, encoder=Lengths())
    assert counted.rows == 30
    np.testing.assert_array_equal(emb.vectors, whole.vectors)


@pytest.mark.parametrize("spoil", ["head.pickle", "rows.f32"])
def test_a_broken_trace_of_a_run_is_forgotten(folder, monkeypatch, caplog, spoil):
    data = images(folder)
    monkeypatch.setattr(_progress, "_EVERY", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(_progress.Progress, "remove", lambda self: None)
        emb = embed(data, encoder=Means())
    entry = next((folder / "cache").rglob("entry.json")).parent
    place = next((folder / "cache").rglob("*.part-*"))
    (entry / "entry.json").unlink()
    counted.rows = 0
    if spoil == "head.pickle":
        (place / spoil).write_bytes(b"no pickle")
        with caplog.at_level(logging.WARNING, "curalab.encoders"):
            again = embed(data, encoder=Means())
        assert "Embedding from the start" in caplog.text
        assert counted.rows == 30
    else:  # cut off within a row
        (place / spoil).write_bytes((place / spoil).read_bytes()[:-5])
        again = embed(data, encoder=Means())
        assert counted.rows == 1
    np.testing.assert_array_equal(again.vectors, emb.vectors)


def test_a_killed_process_leaves_what_it_made(folder):
    """SIGKILL in the middle, from outside; the next process takes up what was written."""
    data = images(folder, n=40)
    data.to_csv(folder / "paths.csv")
    script = textwrap.dedent(f"""
        import os, signal, sys
        import numpy as np, pandas as pd
        from curalab import embed
        from curalab.encoders import _progress
        _progress._EVERY = 0.0
        class Slow:
            takes = "image"
            batch_size = 4
            seen = 0
            def encode(self, batch):
                Slow.seen += len(batch)
                if sys.argv[1] == "kill" and Slow.seen > 22:
                    os.kill(os.getpid(), signal.SIGKILL)
                return np.array([[np.asarray(image).mean(), 1.0] for image in batch])
        data = pd.read_csv({str(folder / "paths.csv")!r}, index_col=0)["0"]
        emb = embed(data, encoder=Slow())
        print(len(emb), Slow.seen)
    """)
    (folder / "run.py").write_text(script)
    call = [sys.executable, str(folder / "run.py")]
    killed = subprocess.run([*call, "kill"], capture_output=True, check=False)
    assert killed.returncode == -9
    told = subprocess.run([*call, "on"], capture_output=True, check=True, text=True)
    assert told.stdout.split() == ["40", "20"]


def test_runs_at_the_same_time_do_not_write_into_one_trace(folder, monkeypatch):
    """A second run takes over from a living first one; both are cut off; a third goes on."""
    data = images(folder)
    monkeypatch.setattr(_progress, "_EVERY", 0.0)
    whole = embed(data, encoder=Means(), cache=False)
    counted.rows = 0
    known = _progress.Progress.add

    def add(self, part, learned, seed):
        known(self, part, learned, seed)
        if counted.rows == 12:  # in the middle of the first run
            counted.most = 20
            with pytest.raises(MemoryError):
                embed(data, encoder=Means())
            counted.most = 28

    monkeypatch.setattr(_progress.Progress, "add", add)
    with pytest.raises(MemoryError):
        embed(data, encoder=Means())
    assert counted.rows == 28
    counted.most = np.inf
    np.testing.assert_array_equal(embed(data, encoder=Means()).vectors, whole.vectors)
    assert counted.rows == 38  # the third begins after the twenty rows that the second had
