"""The cache of embeddings: what hits, what misses, and what may go wrong on disk."""

import functools
import json
import logging
import os
import pickle
import sys
import types
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from curalab.encoders import TfIdf, _cache, cache_info, clear_cache, embed
from curalab.samples import digits

TEXTS = ["one", "three", "eleven"]
FACTOR = 2.0


def lengths(batch):
    lengths.calls += 1
    return [[len(text) * FACTOR, 1.0] for text in batch]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Give each test an empty cache of its own, and start counting."""
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_cache, "_told", set())
    lengths.calls = 0
    return tmp_path / "cache" / "embeddings"


def calls(data, encoder=lengths, **settings):
    """Embed, and say how often the function was called."""
    before = lengths.calls
    embed(data, encoder=encoder, **settings)
    return lengths.calls - before


def entry_of(folder):
    return next(folder.glob("*/*/entry.json")).parent


@dataclass(frozen=True)
class Counted(TfIdf):
    """tfidf that counts its fits where no hash looks."""

    def fit(self, data, *, rng):
        lengths.calls += 1
        return super().fit(data, rng=rng)


# ---- what hits and what misses -------------------------------------------------------------------


def test_the_same_data_and_encoder_are_never_embedded_twice():
    first = embed(TEXTS, encoder=lengths)
    second = embed(list(TEXTS), encoder=lengths)
    assert lengths.calls == 1
    assert np.array_equal(first.vectors, second.vectors)
    assert first.params == second.params


def test_ids_are_no_part_of_the_content():
    assert calls(TEXTS) == 1
    assert calls(pd.Series(TEXTS, index=list("abc"))) == 0
    assert embed(pd.Series(TEXTS, index=list("abc")), encoder=lengths).ids.tolist() == list("abc")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["ab", "c"], ["a", "bc"]),
        (["a", "b"], ["b", "a"]),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros((2, 3)), np.zeros((2, 3), dtype=np.float32)),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"b": [1, 2]})),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1.0, 2.0]})),
        (pd.DataFrame({"a": ["1", "2"]}), pd.DataFrame({"a": [1, 2]}, dtype=object)),
    ],
)
def test_other_data_are_embedded_again(first, second):
    def ones(batch):
        lengths.calls += 0  # its own counter would be part of its content
        return np.ones((len(batch), 1))

    one, other = (embed(data, encoder=ones) for data in (first, second))
    assert one.params["data"] != other.params["data"]
    assert cache_info().entries == 2


def test_tables_and_lists_of_any_cells_hit_again():
    table = pd.DataFrame({"a": [1, None], "b": ["x", None], "c": pd.to_datetime(["2024", None])})
    for data in (table, [{"a": 1}, {"a": 2}], [np.eye(2), np.ones((2, 2))], [1, "a"]):
        one, other = (embed(data, encoder=lambda b: np.ones((len(b), 1))) for _ in range(2))
        assert one.params["data"] == other.params["data"] is not None


def test_learning_encoders_are_kept_with_what_they_learned():
    first = embed(TEXTS, encoder=Counted(), random_state=0)
    second = embed(TEXTS, encoder=Counted(), random_state=0)
    assert lengths.calls == 1
    assert np.array_equal(first.vectors, second.vectors)
    new = [embed(["seven"], encoder=emb.encoder, cache=False) for emb in (first, second)]
    assert np.array_equal(new[0].vectors, new[1].vectors)
    assert second.params["random_state"] == 0


def test_seeds_and_settings_are_part_of_the_key():
    assert calls(TEXTS, Counted(), random_state=0) == 1
    assert calls(TEXTS, Counted(), random_state=1) == 1
    assert calls(TEXTS, Counted(n_components=2), random_state=0) == 1
    assert calls(TEXTS, Counted(), random_state=1) == 0
    assert cache_info().entries == 3


def test_without_a_seed_any_seed_will_do():
    first = embed(TEXTS, encoder=Counted())
    second = embed(TEXTS, encoder=Counted())
    assert lengths.calls == 1
    assert second.params["random_state"] == first.params["random_state"]
    assert calls(TEXTS, Counted(), random_state=first.params["random_state"]) == 0


def test_a_fitted_encoder_is_known_by_what_it_learned():
    one = embed(["a b", "c d"], encoder="tfidf", random_state=0).encoder
    other = embed(["a b", "e f"], encoder="tfidf", random_state=0).encoder
    assert not np.allclose(*(embed(["a", "e f"], encoder=e).vectors for e in (one, other)))
    before = cache_info().entries
    embed(["a", "e f"], encoder=pickle.loads(pickle.dumps(one)))
    assert cache_info().entries == before


def test_an_encoder_fitted_just_now_is_known_like_one_from_the_cache(caplog):
    images = digits()["image"]
    fitted = embed(images[:200], encoder="patches", random_state=0).encoder
    kept = embed(images[:200], encoder="patches", random_state=0).encoder
    with caplog.at_level(logging.INFO):
        first = embed(images[200:250], encoder=fitted)
        n = cache_info().entries
        again = embed(images[200:250], encoder=kept)
    assert caplog.text == ""
    assert cache_info().entries == n
    assert np.array_equal(first.vectors, again.vectors)


def test_cache_false_reads_and_writes_nothing(folder):
    assert calls(TEXTS, cache=False) == 1
    assert not folder.exists()
    embed(TEXTS, encoder=lengths)
    assert calls(TEXTS, cache=False) == 1


# ---- functions -----------------------------------------------------------------------------------


def compiled(source, **names):
    """Return the function `encode` of a notebook cell."""
    space = {"__name__": "__main__", "np": np, **names}
    exec(source, space)
    return space["encode"]


PLAIN = "def encode(batch):\n    return np.ones((len(batch), {}))"
BY_GLOBAL = "def encode(batch):\n    return [[size * k for k in (1, 2)] for _ in batch]"
BY_HELPER = PLAIN.replace("encode", "helper") + "\ndef encode(batch):\n    return helper(batch)"


def same_key(one, other):
    return len({embed(TEXTS, encoder=f).params["encoder"] for f in (one, other)}) == 1


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (compiled(PLAIN.format(2)), compiled(PLAIN.format(2)), True),
        (compiled(PLAIN.format(2)), compiled("\n# a note\n" + PLAIN.format(2)), True),
        (compiled(PLAIN.format(2)), compiled(PLAIN.format(3)), False),
        (compiled(BY_GLOBAL, size=2), compiled(BY_GLOBAL, size=2), True),
        (compiled(BY_GLOBAL, size=2), compiled(BY_GLOBAL, size=3), False),
        (compiled(BY_HELPER.format(2)), compiled(BY_HELPER.format(3)), False),
        (
            functools.partial(compiled(PLAIN.format(2))),
            functools.partial(compiled(PLAIN.format(3))),
            False,
        ),
    ],
    ids=["same", "comment", "changed", "same global", "global", "helper", "partial"],
)
def test_a_function_is_known_by_its_code_and_what_it_uses(one, other, is_same):
    assert same_key(one, other) is is_same


def test_what_a_function_closes_over_is_part_of_it():
    def by(weight):
        return lambda batch: [[weight[0] * len(text), 1.0] for text in batch]

    assert same_key(by(np.array([2.0])), by(np.array([2.0])))
    assert not same_key(by(np.array([2.0])), by(np.array([3.0])))
    vectors = [embed(TEXTS, encoder=by(np.array([w]))).vectors[0, 0] for w in (2.0, 3.0)]
    assert vectors == [6, 9]


def test_a_method_is_known_by_its_object():
    class Scaled:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, batch):
            return [[self.factor * len(text), 1.0] for text in batch]

        def encode_all(self, batch):
            return self(batch)

    for use in (lambda made: made.encode_all, lambda made: made.__call__):
        first, second = (embed(TEXTS, encoder=use(Scaled(f))).vectors[0, 0] for f in (2.0, 3.0))
        assert (first, second) == (6, 9)


def test_a_class_is_known_by_its_code():
    def defined(body):
        space = {"__name__": "__main__"}
        exec(f"class Mine:\n    def encode(self, batch):\n        {body}", space)
        return dataclass(frozen=True)(space["Mine"])()

    one = defined("return [[len(text), 1.0] for text in batch]")
    other = defined("return [[len(text), 2.0] for text in batch]")
    assert same_key(one, defined("return [[len(text), 1.0] for text in batch]"))
    assert not same_key(one, other)


def test_what_cannot_be_hashed_is_not_cached_and_the_log_says_so(caplog, folder):
    stream = (i for i in range(10))

    def encode(batch):
        return np.ones((len(batch), 1)) + 0 * (stream is None)

    with caplog.at_level(logging.WARNING, "curalab.encoders"):
        emb = embed(TEXTS, encoder=encode)
    assert emb.params["encoder"] is None
    assert not folder.exists()
    name = f"{__name__}.{encode.__qualname__}"
    assert [record.getMessage() for record in caplog.records] == [
        f"Not cached: in the encoder {name!r}, 'stream' (generator) cannot be hashed."
    ]
    caplog.clear()
    embed(TEXTS, encoder=encode, cache=False)
    embed([(i for i in range(2))], encoder=lambda batch: [[1]])
    assert [record.getMessage() for record in caplog.records] == [
        "Not cached: in the data, the rows (list) cannot be hashed."
    ]


def test_a_model_whose_hash_is_not_its_contents_is_not_cached(caplog, folder):
    import torch

    model = torch.nn.Linear(1, 1)

    def encode(batch):
        with torch.inference_mode():
            return model(torch.ones(len(batch), 1)).abs() + 1

    with caplog.at_level(logging.WARNING, "curalab.encoders"):
        emb = embed(TEXTS, encoder=encode)
    assert emb.shape == (3, 1)
    assert "'model' (Linear) cannot be hashed." in caplog.text
    assert not folder.exists()


def test_a_changed_helper_in_a_file_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    keys = []
    for width in (2, 3):
        (tmp_path / "my_helper.py").write_text(f"import numpy as np\nWIDTH = {width}")
        monkeypatch.delitem(sys.modules, "my_helper", raising=False)
        import my_helper

        encode = compiled(
            "def encode(batch):\n    return np.ones((len(batch), my_helper.WIDTH))",
            my_helper=my_helper,
        )
        keys.append(embed(TEXTS, encoder=encode).params["encoder"])
    assert keys[0] != keys[1]


# ---- on disk -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "spoil", "reason"),
    [
        ("vectors.npy", lambda p: p.write_bytes(p.read_bytes()[:-4]), "vectors.npy has changed"),
        ("vectors.npy", Path.unlink, "FileNotFoundError"),
        ("learned.pickle", lambda p: p.write_bytes(b"?"), "learned.pickle has changed"),
        ("entry.json", lambda p: p.write_text("{"), "JSONDecodeError"),
        ("entry.json", lambda p: p.write_text("{}"), "KeyError"),
    ],
)
def test_a_broken_entry_is_made_again(folder, caplog, name, spoil, reason):
    good = embed(TEXTS, encoder=lengths).vectors
    spoil(entry_of(folder) / name)
    with caplog.at_level(logging.WARNING, "curalab.encoders"):
        assert np.array_equal(embed(TEXTS, encoder=lengths).vectors, good)
    message = caplog.records[0].getMessage()
    assert message.startswith(f"Embedding again: the cached {entry_of(folder)} is broken (")
    assert reason in message
    assert lengths.calls == 2
    assert calls(TEXTS) == 0


def test_an_entry_of_another_length_is_made_again(folder):
    embed(TEXTS, encoder=lengths)
    entry = entry_of(folder)
    np.save(entry / "vectors.npy", np.ones((2, 2), dtype=np.float32))
    meta = json.loads((entry / "entry.json").read_text())
    meta["digests"]["vectors.npy"] = _cache._digest(entry / "vectors.npy")
    (entry / "entry.json").write_text(json.dumps(meta))
    assert calls(TEXTS) == 1


@pytest.mark.parametrize("moment", ["_write", "os.replace"])
def test_who_is_killed_while_writing_leaves_no_half_entry(folder, monkeypatch, moment):
    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*((_cache, "_digest") if moment == "_write" else (os, "replace")), killed)
        with pytest.raises(KeyboardInterrupt):
            embed(TEXTS, encoder=lengths)
    assert cache_info().entries == 0
    assert calls(TEXTS) == 1
    assert calls(TEXTS) == 0


def test_a_folder_that_cannot_be_written_is_named_once(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING, "curalab.encoders"):
        assert [calls(TEXTS) for _ in range(3)] == [1, 1, 1]
    folder = tmp_path / "file" / "embeddings"
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert messages[0].startswith(f"Embeddings are not cached: {folder} cannot be written (")


def test_what_cannot_be_pickled_is_not_cached(caplog, folder):
    class Stateful(TfIdf):
        def fit(self, data, *, rng):
            return replace(self, fitted=lambda: None)

        def encode(self, batch):
            return np.ones((len(batch), 1))

    with caplog.at_level(logging.WARNING, "curalab.encoders"):
        embed(TEXTS, encoder=Stateful())
    assert "Not cached: what the encoder learned cannot be pickled" in caplog.text
    assert not folder.exists()


def test_info_and_clear(folder):
    assert cache_info() == (folder, 0, 0.0)
    embed(TEXTS, encoder=lengths)
    embed(TEXTS, encoder="tfidf", random_state=0)
    info = cache_info()
    assert (info.folder, info.entries) == (folder, 2)
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert info.megabytes == round(sum(file.stat().st_size for file in files) / 1e6, 3) > 0
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").write_text("keep")
    (folder / ".unfinished-abc").mkdir()
    clear_cache()
    assert [path.name for path in folder.iterdir()] == ["notes"]
    assert cache_info() == (folder, 0, 0.0)
    clear_cache()


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", None, ".cache/curalab/embeddings"),
        ("linux", "XDG_CACHE_HOME", "elsewhere/curalab/embeddings"),
        ("darwin", None, "Library/Caches/curalab/embeddings"),
        ("win32", "LOCALAPPDATA", "elsewhere/curalab/embeddings"),
        ("win32", None, "AppData/Local/curalab/embeddings"),
    ],
)
def test_the_default_folder_is_the_users(tmp_path, monkeypatch, platform, variable, expected):
    for name in ("CURALAB_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    monkeypatch.setattr(_cache, "sys", types.SimpleNamespace(platform=platform))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_info().folder == tmp_path / expected
