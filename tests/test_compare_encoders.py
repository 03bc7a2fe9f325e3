"""Encoders side by side: ranks with and without labels, and encoders that fail."""

import numpy as np
import pandas as pd
import pytest

from curalab import Embedding
from curalab.encoders import TfIdf, health
from curalab.encoders._compare import compare_encoders

N = 120
IDS = pd.Index([f"t{n}" for n in range(N)])
COLUMNS = [
    "rank", "probe_accuracy", "knn_accuracy", "separability", "spread", "spread_entropy",
    "local_dimension", "hubness", "copies", "health", "dimensions", "seconds", "error",
]  # fmt: skip
CLASSES = np.arange(N) % 4
LABELS = pd.Series(np.array(["ant", "bee", "cat", "dog"])[CLASSES], index=IDS)
DATA = pd.Series([f"{n}" for n in range(N)], index=IDS)


def vectors(gap, d=8):
    return np.random.default_rng(0).normal(size=(N, d)) + gap * np.eye(d)[CLASSES]


def good(batch):
    return vectors(9)[[int(text) for text in batch]]


def fair(batch):
    return vectors(2)[[int(text) for text in batch]]


def noise(batch):
    return vectors(0)[[int(text) for text in batch]]


def broken(batch):
    raise RuntimeError("no such weights")


def compare(encoders, **settings):
    return compare_encoders(DATA, encoders, **{"cache": False, "random_state": 0, **settings})


def test_with_labels_the_better_encoder_comes_first():
    board = compare([noise, good, fair], labels=LABELS)
    assert board.index.tolist() == ["good", "fair", "noise"]
    assert board.index.name == "encoder"
    assert list(board) == COLUMNS
    assert board["rank"].tolist() == [1, 2, 3]
    assert (board.loc["good", ["probe_accuracy", "knn_accuracy"]] == 1).all()
    assert (board.loc["noise", ["probe_accuracy", "knn_accuracy"]] < 0.4).all()
    assert (board["dimensions"] == 8).all()
    assert (board["seconds"] > 0).all()
    assert (board["error"] == "").all()
    assert board.attrs["random_state"] == 0


def test_without_labels_health_ranks():
    board = compare([noise, fair, good])
    assert board.index.tolist() == ["good", "fair", "noise"]
    assert board[["probe_accuracy", "knn_accuracy"]].isna().all(axis=None)
    assert board.loc["noise", "health"] == "bad"
    own = health.report(Embedding(vectors=vectors(9), ids=IDS), random_state=0)
    row = board.loc["good"]
    assert row["health"] == own.verdict != "bad"
    assert row["separability"] == own["separability"].structure
    assert row["spread"] == own["spread"].eigenvalue
    assert row["spread_entropy"] == own["spread"].entropy
    assert row["local_dimension"] == own["local_dimension"].mean
    assert row["hubness"] == own["hubness"].skewness
    assert row["copies"] == 0
    assert {str(kind) for kind in board.dtypes} == {"Int64", "float64", "object"}


def test_one_that_fails_does_not_stop_the_others(caplog):
    board = compare([broken, "tfid", noise, TfIdf, good], labels=LABELS)
    assert board.index.tolist() == ["good", "noise", "broken", "tfid", "TfIdf"]
    assert board["rank"].isna().tolist() == [False, False, True, True, True]
    assert board.loc["broken", "error"] == "RuntimeError: no such weights"
    assert board.loc["tfid", "error"].startswith("ValueError: The 'encoder' parameter must be one")
    assert board.loc["TfIdf", "error"] == (
        "TypeError: The 'encoder' parameter must be an encoder, not its class. "
        "Got TfIdf instead. Add parentheses: TfIdf()."
    )
    assert board.loc["broken"].drop(["error", "health"]).isna().all()
    assert "The encoder 'broken' failed in the comparison: no such weights" in caplog.text


def test_all_may_fail():
    board = compare([broken, broken])
    assert board.index.tolist() == ["broken", "broken #2"]
    assert board["rank"].isna().all()


def test_ready_embeddings_and_names():
    swapped = IDS[::-1]
    ready = Embedding(vectors=vectors(9)[::-1], ids=swapped)
    more = Embedding(
        vectors=np.r_[vectors(9), np.ones((3, 8))], ids=[*IDS, "more 0", "more 1", "more 2"]
    )
    bare = Embedding(vectors=vectors(9))
    named = {
        "swapped": ready,
        "more": more,
        "bare": bare,
        "made": good,
        "short": ready.take(IDS[:9]),
    }
    board = compare(named, labels=LABELS)
    assert board["error"].astype(bool).tolist() == [False] * 4 + [True]
    same = board.loc[["swapped", "more", "bare", "made"]]
    assert (same["probe_accuracy"] == 1).all()
    assert same["separability"].nunique() == 1  # the rows were put into the order of the data
    assert same["seconds"].isna().tolist() == [True, True, True, False]
    assert board.loc["short", "error"].startswith("KeyError")


def test_settings_are_in_the_name():
    board = compare(["tfidf", TfIdf(n_components=8)])
    (short,) = (name for name in board.index if name != "tfidf")
    assert short.startswith("TfIdf(")
    assert "n_components=8" in short
    assert board.loc[short, "dimensions"] == 8


def test_knn_accuracy_by_hand():
    line = np.array([0.0, 1.0, 2.1, 10.0, 11.0, 12.1])
    made = Embedding(vectors=line[:, None], metric="euclidean")
    labels = ["a", "a", "b", "b", "b", None]
    board = compare_encoders(list("uvwxyz"), {"line": made}, labels=labels, random_state=0)
    # Five labelled rows, four neighbours each: all others vote. a, a: 1 against 3; b: 2 against 2,
    # where the nearer decide: 2.1 is nearer to the a, 10 and 11 to each other and then to 2.1.
    assert board.loc["line", "knn_accuracy"] == 2 / 5


def test_missing_labels_are_left_out():
    some = LABELS.where(np.arange(N) < 60)
    board = compare([good, noise], labels=some)
    assert board.loc["good", "probe_accuracy"] == 1
    assert board.loc["noise", "probe_accuracy"] < 0.5


def test_labels_go_by_id():
    board = compare([good], labels=LABELS.sample(frac=1, random_state=0))
    assert board.loc["good", "knn_accuracy"] == 1


def test_the_same_seed_gives_the_same_table():
    first, again = (compare([good, fair, "tfidf"], labels=LABELS) for _ in range(2))
    drop = ["seconds"]
    pd.testing.assert_frame_equal(first.drop(columns=drop), again.drop(columns=drop))
    assert isinstance(compare([good], random_state=None).attrs["random_state"], int)


@pytest.mark.parametrize(
    ("encoders", "got"),
    [("tfidf", "a single one"), (good, "a single one"), (TfIdf(), "a single one"), ([], "none"),
     ({}, "none"), (Embedding(vectors=np.eye(6)), "a single one")],
)  # fmt: skip
def test_encoders_are_a_list(encoders, got):
    with pytest.raises(TypeError) as caught:
        compare(encoders)
    assert str(caught.value) == (
        f"The 'encoders' parameter must be a list or mapping of encoders. Got {got} instead."
    )


@pytest.mark.parametrize(
    ("data", "labels", "message"),
    [
        (list("abcd"), None, "The 'data' parameter must be of at least 5 rows. Got 4 instead."),
        (
            list("abcde"),
            ["x"] * 5,
            "The 'labels' parameter must be of at least 2 classes. Got 1 class instead.",
        ),
        (
            list("abcde"),
            [None] * 5,
            "The 'labels' parameter must be of at least 2 classes. Got 0 classes instead.",
        ),
        (
            list("abcde"),
            ["x", "y"],
            "The 'labels' parameter must be 5 rows, one for each item. Got 2 rows instead.",
        ),
    ],
)
def test_bad_data_and_labels_are_refused_before_anything_runs(data, labels, message):
    with pytest.raises(ValueError) as caught:
        compare_encoders(data, [broken], labels=labels)
    assert str(caught.value) == message
