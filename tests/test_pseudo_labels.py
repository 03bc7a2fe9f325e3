import numpy as np
import pandas as pd
import pytest

from curalab import Embedding, samples
from curalab.pseudo_labels import LowShotProbe, Propagation, PseudoLabels, pseudo_label


@pytest.fixture(scope="module")
def digits():
    table = samples.digits()
    pixels = np.stack([image.ravel() for image in table["image"]]).astype(float)
    return Embedding(vectors=pixels, ids=table.index), table["label"]


def hide(labels, per_class, seed=0):
    kept = labels.groupby(labels).sample(per_class, random_state=seed).index
    return labels.where(labels.index.isin(kept), None)


@pytest.mark.parametrize("method", [Propagation(), LowShotProbe()])
def test_hidden_labels_come_back(digits, method):
    emb, truth = digits
    soft = pseudo_label(emb, hide(truth, 10), method=method, random_state=0)
    new = ~soft.given
    assert (soft.labels[new] == truth.to_numpy()[new]).mean() > 0.87
    assert (soft.labels[soft.given] == truth.to_numpy()[soft.given]).all()
    assert (soft.confidence[soft.given] == 1).all()
    np.testing.assert_allclose(soft.proba.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("per_class", [1, 5])
def test_propagation_beats_the_probe_where_labels_are_few(digits, per_class):
    emb, truth = digits
    accuracy = {}
    for method in ("propagation", "low_shot_probe"):
        right = []
        for seed in range(3):
            soft = pseudo_label(emb, hide(truth, per_class, seed), method=method, random_state=0)
            right.append((soft.labels == truth)[~soft.given].mean())
        accuracy[method] = np.mean(right)
    assert accuracy["propagation"] > accuracy["low_shot_probe"] + 0.05


def test_confidence_is_about_the_share_that_is_right(digits):
    emb, truth = digits
    soft = pseudo_label(emb, hide(truth, 20), random_state=0)
    new = ~soft.given
    right = (soft.labels == truth.to_numpy())[new].mean()
    assert abs(soft.confidence[new].mean() - right) < 0.05


def test_two_labels_on_a_line_by_hand():
    x = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    soft = pseudo_label(
        Embedding(vectors=x, metric="euclidean"),
        ["a", None, None, None, None, "b"],
        method=Propagation(k=2),
    )
    assert soft.labels.tolist() == ["a", "a", "a", "b", "b", "b"]
    assert soft.details["unreached"] == 0


def test_rows_that_no_label_reaches_get_the_shares_of_the_classes():
    x = np.concatenate([np.arange(4), np.arange(4) + 1e3, np.arange(4) + 1e6])[:, None]
    labels = ["a", None, None, "a", None, "b", None, None, None, None, None, None]
    emb = Embedding(vectors=x, metric="euclidean")
    soft = pseudo_label(emb, labels, method=Propagation(k=3))
    assert soft.details["unreached"] == 4
    np.testing.assert_allclose(soft.proba[-1], [2 / 3, 1 / 3], atol=1e-6)
    assert soft.labels[4] == "b"


@pytest.mark.parametrize("method", ["propagation", "low_shot_probe"])
def test_new_rows_are_labelled(digits, method):
    emb, truth = digits
    soft = pseudo_label(emb, hide(truth, 20), method=method, random_state=0)
    told = soft.predict(Embedding(vectors=emb.vectors[:200], ids=emb.ids[:200]))
    assert (told["pseudo_label"] == truth.iloc[:200]).mean() > 0.85
    assert told["pseudo_confidence"].between(0, 1).all()


def test_discovered_classes_come_last_and_are_new():
    x = np.random.default_rng(0).normal(size=(6, 2))

    def finds_another(pool, *, rng):
        proba = np.zeros((6, 3))
        proba[:3, 0], proba[3:, 2] = 1, 1
        return proba

    soft = pseudo_label(x, ["a", "b", None, None, None, None], method=finds_another)
    assert soft.classes.tolist() == ["a", "b", "new_0"]
    assert soft.labels.tolist() == ["a", "b", "a", "new_0", "new_0", "new_0"]
    assert soft.is_new.tolist() == [False, False, False, True, True, True]


def test_frame_and_disk(digits, tmp_path):
    emb, truth = digits
    soft = pseudo_label(emb, hide(truth, 3), random_state=0)
    frame = soft.to_frame()
    assert frame.columns.tolist() == [
        "pseudo_label",
        "pseudo_confidence",
        "pseudo_given",
        "pseudo_is_new",
    ]
    soft.save(tmp_path / "soft")
    opened = PseudoLabels.open(tmp_path / "soft")
    pd.testing.assert_frame_equal(opened.to_frame(), frame)
    np.testing.assert_array_equal(opened.proba, soft.proba)


def test_all_labelled_leaves_nothing_to_propose(digits):
    emb, truth = digits
    soft = pseudo_label(emb, truth, random_state=0)
    assert soft.given.all()
    assert (soft.labels == truth).all()


@pytest.mark.parametrize(("labels", "n"), [([None] * 4, 0), (["a", None, None, "a"], 1)])
def test_too_few_classes(labels, n):
    with pytest.raises(ValueError) as caught:
        pseudo_label(np.eye(4), labels)
    assert str(caught.value) == (
        f"The 'labels' parameter must be labels of at least two classes. Got {n} classes instead."
    )


def test_rows_must_sum_to_one():
    with pytest.raises(ValueError, match="rows that sum to 1. Got sums from 0.5 to 0.5 instead"):
        pseudo_label(np.eye(2), ["a", "b"], method=lambda pool, *, rng: np.full((2, 2), 0.25))
