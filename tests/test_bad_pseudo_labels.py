"""Odd pools, through every method of pseudo-labels: an answer that holds, or a clear error."""

import warnings

import numpy as np
import pandas as pd
import pytest

from curalab import Embedding, Pool
from curalab.pseudo_labels import STAGE, pseudo_label

N = 24
NEEDED = {
    "label_model": {"votes": pd.DataFrame({"one": ["a", "b"] * (N // 2), "two": "a"})},
    **{
        name: {"texts": {"a": np.eye(4)[0], "b": np.eye(4)[1]}}
        for name in ("descriptions", "text_propagation", "keywords", "topic_zero_shot", "zero_shot")
    },
}
SCRIPT = "<script>alert(1)</script>"


def rows(seed=0):
    return np.random.default_rng(seed).normal(size=(N, 4)) + 3 * np.eye(4)[np.arange(N) % 2] + 0.1


def some(*known):
    labels = np.full(N, None, dtype=object)
    labels[: len(known)] = known
    return labels


def islands():
    x = rows()
    x[16:] += 1e4
    return x


CASES = {
    "identical rows": (np.ones((N, 4)), some("a", "b")),
    "one label a class": (rows(), some("a", "b")),
    "all labelled": (rows(), np.array(["a", "b"] * (N // 2), dtype=object)),
    "one class nearly everywhere": (rows(), some("b", *["a"] * 20)),
    "NaN for none": (rows(), np.where(np.arange(N) < 4, some("a", "b", "a", "b"), np.nan)),
    "groups that no label reaches": (islands(), some("a", "b", "a", "b")),
    "a constant column": (np.c_[rows()[:, :3], np.zeros(N)], some("a", "b", "b")),
    "huge numbers": (1e8 * rows(), some("a", "b", "a", "b")),
    "tiny numbers": (1e-8 * rows(), some("a", "b", "a", "b")),
}


def method_of(name):
    return STAGE.methods[name](**NEEDED.get(name, {}))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", STAGE.methods)
def test_odd_pools_get_an_answer_that_holds(name, case, metric):
    x, labels = CASES[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        emb = Embedding(vectors=x, metric=metric)
        soft = pseudo_label(emb, labels, method=method_of(name), random_state=0)
    assert soft.proba.shape == (N, len(soft.classes))
    assert np.isfinite(soft.proba).all()
    np.testing.assert_allclose(soft.proba.sum(axis=1), 1, atol=1e-6)
    given = ~pd.isna(labels)
    assert soft.labels[given].tolist() == labels[given].tolist()
    assert (soft.confidence[given] == 1).all()
    assert set(soft.labels) <= set(soft.classes)


@pytest.mark.parametrize("unit", [1e16, 1e18, 1e-15])
@pytest.mark.parametrize(
    "name",
    ["propagation", "ensemble", "self_training", "transductive", "low_shot_probe", "label_model"],
)
def test_two_far_groups_are_told_apart_in_any_unit(name, unit):
    truth = np.array(["a", "b"] * (N // 2), dtype=object)
    x = np.random.default_rng(0).normal(size=(N, 4)) + 5 * (np.arange(N) % 2)[:, None]
    labels = np.where(np.arange(N) < 6, truth, None)
    votes = np.where(np.arange(N)[:, None] % 3 == np.arange(3), truth[:, None], None)
    method = STAGE.methods[name](**({"votes": votes} if name == "label_model" else {}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        emb = Embedding(vectors=unit * x, metric="euclidean")
        soft = pseudo_label(emb, labels, method=method, random_state=0)
    assert (soft.labels == truth).all()


@pytest.mark.parametrize("name", STAGE.methods)
@pytest.mark.parametrize("n", [2, 3])
def test_two_and_three_rows(name, n):
    emb = Embedding(vectors=rows()[:n], metric="euclidean")
    given = dict(NEEDED.get(name, {}))
    if "votes" in given:
        given["votes"] = given["votes"].iloc[:n]
    labels = ["a", "b", None][:n]
    soft = pseudo_label(emb, labels, method=STAGE.methods[name](**given), random_state=0)
    assert soft.labels[:2].tolist() == ["a", "b"]
    np.testing.assert_allclose(soft.proba.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in STAGE.methods if name not in NEEDED])
@pytest.mark.parametrize("kind", [np.int64, np.bool_, str])
def test_labels_keep_their_type(name, kind):
    values = {np.int64: [3, 7], np.bool_: [False, True], str: [SCRIPT, "b"]}[kind]
    labels = some(*values, *values)
    soft = pseudo_label(Embedding(vectors=rows()), labels, method=name, random_state=0)
    known = [label for label in soft.labels if not str(label).startswith("new_")]
    assert set(known) <= set(values)
    assert SCRIPT not in soft._repr_html_()


@pytest.mark.parametrize("name", [name for name in STAGE.methods if name not in NEEDED])
def test_a_class_that_no_row_has(name):
    pool = Pool(
        embedding=Embedding(vectors=rows()), labels=some("a", "b", "a", "b"), classes=list("abc")
    )
    soft = pseudo_label(pool, method=name, random_state=0)
    assert soft.classes[:3].tolist() == list("abc")
    assert (soft.labels[:4] == ["a", "b", "a", "b"]).all()


@pytest.mark.parametrize("name", [name for name in STAGE.methods if name in NEEDED])
def test_labels_outside_the_classes_named(name):
    more = {"classes": ["a", "b"]} if name == "label_model" else {}
    method = STAGE.methods[name](**NEEDED[name], **more)
    with pytest.raises(ValueError, match="The 'labels' parameter must be of the classes that"):
        pseudo_label(Embedding(vectors=rows()), some("z"), method=method)
