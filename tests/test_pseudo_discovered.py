"""Discovered classes under `honesty`: judged by rows of classes that nobody had named."""

import numpy as np
import pandas as pd
import pytest

from curalab import Embedding, pseudo_label
from curalab.pseudo_labels import honesty
from curalab.pseudo_labels._calibration import fit, likeliest


def answering(cluster, sure=0.97):
    """Return a method that knows the cluster of each row, and is as sure of all."""

    def method(pool, *, rng):
        width = max(int(np.max(cluster)) + 1, len(pool.classes))
        proba = np.full((len(cluster), width), (1 - sure) / (width - 1))
        proba[np.arange(len(cluster)), cluster] = sure
        return proba

    return method


def rows(truth, n_labelled=20):
    """Return points, labels of the first rows of classes a and b, and the truth of the others."""
    truth = pd.Series(np.array(truth, dtype=object))
    shown = truth.isin(["a", "b"]) & (truth.groupby(truth).cumcount() < n_labelled)
    x = np.random.default_rng(0).normal(size=(len(truth), 3))
    return Embedding(vectors=x), truth.where(shown, None), truth


def told(truth, labels, n, seed=0):
    return truth[labels.isna()].sample(n, random_state=seed)


def test_discovered_classes_stand_for_what_the_rows_judged_say():
    emb, labels, truth = rows(np.repeat(["a", "b", "c", "d"], 100))
    cluster = pd.factorize(truth)[0]
    cluster = np.array([0, 1, 3, 2])[cluster]  # in another order than the names
    judged = told(truth, labels, 120)
    found = honesty(emb, labels, truth=judged, method=answering(cluster), random_state=0)
    assert len(found.judged) == 120
    assert found.judged["right"].all()
    assert not len(found.unjudged)
    assert len(found.covered) == 160  # of a and b
    assert found.curve([0]).iloc[0][["coverage", "accuracy"]].tolist() == [160 / 360, 1]
    everything = found.curve([0], new_classes=True).iloc[0]
    assert everything[["coverage", "n", "accuracy"]].tolist() == [1, 120, 1]
    assert found.threshold(0.95, new_classes=True) > 0.97
    assert "of the proposals of discovered classes are right, seen on" in found.says
    assert found.by_class().loc["new_0", "accuracy"] == 1
    assert set(found.judged.query("predicted == 'new_0'")["label"]) == {"d"}


def test_two_classes_in_one_cluster_get_the_confidence_of_one():
    emb, labels, truth = rows(np.repeat(["a", "b", "c", "d", "e"], 200))
    cluster = np.repeat([0, 1, 2, 2, 3], 200)
    judged = told(truth, labels, 200)
    found = honesty(emb, labels, truth=judged, method=answering(cluster), random_state=0)
    mean = pd.Series(found.soft.confidence).groupby(found.soft.labels).mean()
    assert mean["new_0"] == pytest.approx(0.5, abs=0.12)  # it holds c and d
    assert mean["new_1"] > 0.95
    assert mean[["a", "b"]].min() > 0.95


def test_no_row_names_the_cluster_that_it_is_judged_by():
    emb, labels, truth = rows(["a"] * 50 + ["b"] * 50 + ["c"] * 6 + ["d", "e"])
    cluster = np.array([0] * 50 + [1] * 50 + [2] * 5 + [3] + [3, 4])
    judged = truth[labels.isna()]
    found = honesty(emb, labels, truth=judged, method=answering(cluster), random_state=0)
    alone = judged.index[judged.isin(["d", "e"])]
    assert not found.judged.index.isin(alone).any()  # no other row is of their class
    got = found.judged.query("label == 'c'")["right"]
    assert got.sum() == 5
    assert not got.iloc[-1]  # its only support for new_1 was itself
    assert list(found.unjudged.index) == ["new_2"]
    assert found.unjudged["new_2"] == 0
    assert len(found.covered) == 60
    assert found.curve([0], new_classes=True).iloc[0]["coverage"] == 67 / 68
    assert "; 1 class could not be judged" in found.says


def test_rows_of_other_classes_among_the_known_are_wrong():
    emb, labels, truth = rows(np.repeat(["a", "b", "c"], 50))
    cluster = np.repeat([0, 1, 2], 50)
    cluster[-15:] = 0  # -2 from the first of one new class
    found = honesty(
        emb, labels, truth=truth[labels.isna()], method=answering(cluster), random_state=0
    )
    assert found.judged["right"].sum() == 30 + 30 + 35
    assert not found.judged.query("label == 'c' and predicted == 'a'")["right"].any()


def test_labels_hidden_fold_by_fold_say_nothing_of_what_was_discovered():
    emb, labels, truth = rows(np.repeat(["a", "b", "c"], 60))
    method = answering(pd.factorize(truth)[0])
    found = honesty(emb, labels, method=method, random_state=0)
    assert list(found.unjudged.index) == ["new_0"]
    assert len(found.covered) == 80
    assert found.curve([0], new_classes=True).iloc[0]["coverage"] == 80 / 140
    assert "discovered" not in found.says


def test_single_rows_of_other_classes_alone_judge_nothing():
    emb, labels, truth = rows(["a"] * 30 + ["b"] * 30 + ["c", "d"])
    method = answering(pd.factorize(truth)[0])
    with pytest.raises(ValueError) as caught:
        honesty(emb, labels, truth=truth[-2:], method=method, random_state=0)
    assert str(caught.value) == (
        "The 'truth' parameter must be labels in 'labels', or of two rows or more each. "
        "Got one row each of other classes instead."
    )


def test_a_class_far_off_is_not_held_back_by_the_others():
    rng = np.random.default_rng(0)
    top = rng.integers(4, size=200)
    chance = np.array([0.97, 0.97, 0.97, 0.4])[top]
    right = rng.random(200) < chance
    proba = np.full((200, 4), 0.01)
    proba[np.arange(200), top] = 0.97
    code = np.where(right, top, (top + 1) % 4)
    confidence = likeliest(proba, fit(proba, code, np.ones(200), 4))
    assert confidence[top == 3].mean() == pytest.approx(right[top == 3].mean(), abs=0.08)
    assert confidence[top < 3].mean() == pytest.approx(right[top < 3].mean(), abs=0.03)


def test_a_discovered_class_gets_a_name_that_no_class_has():
    truth = np.repeat(range(4), 40)
    x = np.random.default_rng(0).normal(size=(160, 4)) + 12 * np.eye(4)[truth]
    emb = Embedding(vectors=x, metric="euclidean")
    labels = np.full(160, None, dtype=object)
    labels[:6], labels[40:46] = "a", "b"
    first = pseudo_label(emb, labels, method="category_discovery", random_state=0)
    assert first.classes.tolist() == ["a", "b", "new_0", "new_1"]
    labels[np.flatnonzero(first.labels == "new_0")[:10]] = "new_0"
    second = pseudo_label(emb, labels, method="category_discovery", random_state=0)
    assert second.classes.tolist() == ["a", "b", "new_0", "new_1"]
    assert set(second.labels[first.labels == "new_0"]) == {"new_0"}
    assert set(second.labels[first.labels == "new_1"]) == {"new_1"}
    told = pd.Series(first.labels, dtype=object)[pd.isna(labels)].sample(60, random_state=0)
    told = told.replace({"new_1": "mice"})
    found = honesty(emb, labels, truth=told, method="category_discovery", random_state=0)
    assert found.judged["right"].all()


def test_the_calibration_of_discovered_classes_holds_in_their_run_alone():
    emb, labels, truth = rows(np.repeat(["a", "b", "c", "d"], 100))
    cluster = pd.factorize(truth)[0]
    judged = told(truth, labels, 120)
    found = honesty(emb, labels, truth=judged, method=answering(cluster), random_state=0)
    method = found.params["method"]
    swapped = answering(np.array([0, 1, 3, 2])[cluster])
    other = pseudo_label(emb, labels, method=swapped, random_state=0)
    assert other.params["method"] == method
    with pytest.raises(ValueError, match="the run that was judged, where classes are discovered"):
        found.calibrate(other)
    same = pseudo_label(emb, labels, method=answering(cluster), random_state=0)
    np.testing.assert_allclose(found.calibrate(same).proba, found.soft.proba)


def test_where_only_discovered_classes_were_judged_no_number_is_made_up():
    emb, labels, truth = rows(np.repeat(["a", "b", "c"], 60))
    method = answering(pd.factorize(truth)[0])
    found = honesty(emb, labels, truth=truth[-20:], method=method, random_state=0)
    assert "nan" not in found.says
    assert found.says.startswith("no proposal of a known class was judged, of 140 unlabelled rows")
    assert "100.0% (83.2% to 100.0%) of the proposals of discovered classes" in found.says


def test_wide_points_are_narrowed_for_discovery():
    rng = np.random.default_rng(0)
    truth = np.repeat(range(4), 60)
    low = rng.normal(size=(240, 4)) + 12 * np.eye(4)[truth]
    turn = np.linalg.qr(rng.normal(size=(600, 4)))[0]
    wide = low @ turn.T + 0.01 * rng.normal(size=(240, 600))
    labels = np.where((truth < 2) & (np.arange(240) % 60 < 20), truth.astype(str), None)
    for method in ("category_discovery", "hidden_class_discovery"):
        emb = Embedding(vectors=wide, metric="euclidean")
        soft = pseudo_label(emb, labels, method=method, random_state=0)
        assert (pd.crosstab(soft.labels, truth) > 0).sum().tolist() == [1, 1, 1, 1]
        again = soft.predict(Embedding(vectors=wide + 1e-4, metric="euclidean"))
        assert (again["pseudo_label"] == soft.labels)[~soft.given].mean() > 0.99
