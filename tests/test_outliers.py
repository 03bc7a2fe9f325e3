import tracemalloc

import numpy as np
import pandas as pd
import pytest

from curalab import Embedding, Pool
from curalab.outliers import KNN, Outliers, _class_space, find_outliers


@pytest.fixture
def planted():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6))
    x[:5] += rng.normal(size=(5, 6)) * 10
    return Embedding(vectors=x, metric="euclidean")


@pytest.fixture
def clean():
    return Embedding(vectors=np.random.default_rng(1).normal(size=(300, 6)), metric="euclidean")


def test_planted_outliers_come_first_and_are_cut(planted):
    found = find_outliers(planted, random_state=0)
    assert set(found.top(5)) == set(range(5))
    assert found.is_outlier[:5].all()
    assert found.is_outlier.sum() <= 14
    assert found.details["cut"]["rule"] == "median + 2 robust standard deviations of the upper half"


def test_oddness_by_hand():
    line = Embedding(vectors=np.array([[0.0], [1.0], [3.0]]), metric="euclidean")
    assert find_outliers(line, method=KNN(k=2)).oddness.tolist() == [2.0, 1.5, 2.5]
    assert find_outliers(line, method=KNN(k=1)).oddness.tolist() == [1.0, 1.0, 2.0]


@pytest.mark.parametrize("method", ["consensus", "knn"])
def test_a_reference_is_what_rows_are_compared_with(clean, method):
    half_odd = np.concatenate([clean.vectors[:40], clean.vectors[:40] + 9])
    own = Embedding(vectors=half_odd, metric="euclidean")
    found = find_outliers(own, reference=clean, expected_share=0.5, method=method, random_state=0)
    assert found.is_outlier.tolist() == [False] * 40 + [True] * 40


def test_a_reference_of_plain_arrays_has_the_metric_of_the_rows(planted, clean):
    found = find_outliers(planted, reference=clean.vectors, random_state=0)
    assert found.pool.reference.embedding.metric == "euclidean"
    with pytest.raises(ValueError) as caught:
        find_outliers(planted, reference=clean.vectors[:, :4])
    assert str(caught.value) == (
        "The 'reference' parameter must be of 6 dimensions, as the embedding is. Got 4 instead."
    )


def test_expected_share_marks_that_many(planted):
    assert find_outliers(planted, expected_share=0.1).is_outlier.sum() == 20
    assert find_outliers(planted, expected_share=0.0).is_outlier.sum() == 0
    with pytest.raises(ValueError) as caught:
        find_outliers(planted, expected_share=1.1)
    assert str(caught.value) == (
        "The 'expected_share' parameter must be a number from 0 to 1. Got 1.1 instead."
    )


@pytest.mark.parametrize("method", ["consensus", "knn", "mahalanobis"])
@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_false_alarms_come_at_the_rate_asked_for(method, rate):
    marked = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        x = rng.standard_t(5, size=(900, 4))
        emb = [Embedding(vectors=part, metric="euclidean") for part in (x[:500], x[500:])]
        found = find_outliers(
            emb[0], reference=emb[1], false_alarms=rate, method=method, random_state=seed
        )
        marked.append(found.is_outlier.mean())
    assert np.mean(marked) == pytest.approx(rate, abs=0.02)


def test_with_a_reference_two_in_a_hundred_is_the_default_rate(clean, planted):
    found = find_outliers(planted, reference=clean, method="knn", random_state=0)
    asked = find_outliers(planted, reference=clean, method="knn", false_alarms=0.02, random_state=0)
    assert (found.is_outlier == asked.is_outlier).all()
    assert found.details["cut"]["rule"] == (
        "odder than all but 0.02 of the reference rows, each judged as an unseen one"
    )


def test_false_alarms_need_clean_rows_and_enough_of_them(planted, clean):
    with pytest.raises(ValueError) as caught:
        find_outliers(planted, false_alarms=0.05)
    assert str(caught.value) == (
        "The 'false_alarms' parameter must be None without a reference of clean rows, on which it "
        "is measured. Got 0.05 instead."
    )
    with pytest.raises(ValueError) as caught:
        find_outliers(planted, reference=clean, false_alarms=0.05, expected_share=0.1)
    assert str(caught.value) == (
        "The 'false_alarms' parameter must be None where expected_share is given: each sets the "
        "cut. Got 0.05 instead."
    )
    with pytest.raises(ValueError) as caught:
        find_outliers(planted, reference=clean, false_alarms=0.001)
    assert str(caught.value) == (
        "The 'false_alarms' parameter must be at least 0.00332 with 300 reference rows. "
        "Got 0.001 instead."
    )


def test_a_method_may_cut_by_itself_unless_a_rate_is_asked_for(planted, clean):
    def mine(pool, *, rng):
        first = np.arange(len(pool)) < 3
        return pool.embedding.vectors[:, 0].astype(float), {"is_outlier": first}

    found = find_outliers(planted, reference=clean, method=mine)
    assert found.is_outlier.tolist() == [True] * 3 + [False] * 197
    assert found.details["cut"] == {"rule": "the method's own"}
    found = find_outliers(planted, reference=clean, method=mine, false_alarms=0.1)
    assert found.details["cut"]["value"] == pytest.approx(
        np.quantile(clean.vectors[:, 0], 0.9), 0.1
    )


def test_why_tells_the_views_and_the_neighbours(planted, clean, tmp_path):
    found = find_outliers(planted, random_state=0)
    why = found.why(2)
    assert why["is_outlier"]
    assert why["odder_than"] > 0.97
    assert why["views"].is_monotonic_decreasing
    assert why["views"].min() > 1
    assert why["neighbors"].index.tolist() == planted.neighbors(10).indices[2].tolist()
    beside = find_outliers(planted, reference=clean, method="knn", random_state=0).why(2)
    assert beside["views"] is None
    nearest = np.linalg.norm(clean.vectors - planted.vectors[2], axis=1).argmin()
    assert beside["neighbors"].index[0] == nearest
    found.save(tmp_path / "odd")
    with pytest.raises(ValueError) as caught:
        Outliers.open(tmp_path / "odd").why(2)
    assert str(caught.value) == (
        "This result was opened from disk, which keeps no vectors, so it cannot tell why. "
        "Call find_outliers again on the same rows."
    )


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("labels", [None, ["a", "b"] * 15])
def test_copies_only(metric, labels):
    same = Embedding(vectors=np.ones((30, 3)), metric=metric)
    found = find_outliers(same, labels=labels, random_state=0)
    assert np.ptp(found.oddness) < 1e-6
    assert not found.is_outlier.any()


def test_many_copies_do_not_hide_what_differs():
    x = np.ones((60, 3))
    x[7] += [0, 3, 0]
    for metric in ("cosine", "euclidean"):
        found = find_outliers(Embedding(vectors=x, metric=metric), random_state=0)
        assert found.top(1).tolist() == [7]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_two_rows(metric):
    found = find_outliers(Embedding(vectors=np.eye(2), metric=metric), random_state=0)
    assert found.oddness == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("method", ["consensus", "knn"])
def test_one_row_needs_a_reference(method):
    one = Embedding(vectors=np.ones((1, 3)))
    with pytest.raises(ValueError) as caught:
        find_outliers(one, method=method)
    assert str(caught.value) == (
        "The 'embedding' parameter must be of at least 2 rows, to compare them with each other. "
        "Got 1 row instead. Or pass reference=…."
    )
    assert len(find_outliers(one, reference=np.eye(3), method=method, random_state=0)) == 1
    assert len(find_outliers(one, reference=np.eye(3)[:2], method=method, random_state=0)) == 1
    with pytest.raises(ValueError) as caught:
        find_outliers(one, reference=np.ones((1, 3)), method=method)
    assert str(caught.value) == (
        "The 'reference' parameter must be of at least 2 rows, to tell how far apart clean rows "
        "are. Got 1 row instead."
    )


def test_top_is_bounded(planted):
    with pytest.raises(ValueError, match="an integer from 0 to 200"):
        find_outliers(planted).top(201)


# ---- the default ---------------------------------------------------------------------------------


def texts_like(rng, n, n_topics=12, d=40):
    topics = rng.normal(size=(n_topics, d))
    which = rng.integers(n_topics, size=n)
    return topics[which] + 0.5 * rng.normal(size=(n, d)), which


def auroc(is_odd, oddness):
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(is_odd, oddness)


def test_a_small_odd_group_does_not_hide_in_its_own_company():
    """Ten neighbours see nothing odd in a group of twenty; the draws and centres do."""
    rng = np.random.default_rng(0)
    table = np.concatenate([rng.normal(size=(600, 5)), 0.1 * rng.normal(size=(20, 5)) + [4] * 5])
    is_odd = np.arange(620) >= 600
    emb = Embedding(vectors=table, metric="euclidean")
    assert auroc(is_odd, find_outliers(emb, method="knn").oddness) < 0.7
    assert auroc(is_odd, find_outliers(emb, random_state=0).oddness) > 0.98


def test_labels_of_some_rows_help_to_tell_the_foreign_ones():
    rng = np.random.default_rng(3)
    x, which = texts_like(rng, 700)
    between = rng.permutation(len(x))[:60]  # half-way between two topics: near to both
    x[between] = (x[between] + x[rng.permutation(len(x))[:60]]) / 2
    is_odd = np.isin(np.arange(len(x)), between)
    labels = np.where(is_odd | (rng.random(len(x)) < 0.3), None, which.astype(object))
    plain = find_outliers(x, random_state=0)
    told = find_outliers(x, labels=labels, random_state=0)
    assert list(told.details["views"]) == [
        "neighbors",
        "centres",
        "shape",
        "class distance",
        "class neighbors",
        "class doubt",
    ]
    assert auroc(is_odd, told.oddness) > auroc(is_odd, plain.oddness) + 0.01
    clean = Pool(embedding=x[~is_odd][:400], labels=which[~is_odd][:400])
    judged = np.concatenate([x[~is_odd][400:], x[is_odd]])
    found = find_outliers(judged, reference=clean, random_state=0)
    assert auroc(np.arange(len(judged)) >= (~is_odd).sum() - 400, found.oddness) > 0.9


def test_directions_that_tell_no_classes_apart_hardly_count():
    """A class that the reference lacks differs in 10 of 120 directions, as classes do."""
    told, alarms = [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        which = np.arange(1_200) % 9
        x = rng.normal(size=(1_200, 120))
        x[:, :10] += 1.5 * rng.normal(size=(9, 10))[which]
        has, is_odd = which[:700] < 8, which[700:] == 8
        known = Embedding(vectors=x[:700][has], metric="euclidean")
        judged = Embedding(vectors=x[700:], metric="euclidean")
        clean = Pool(embedding=known, labels=which[:700][has])
        found = find_outliers(judged, reference=clean, random_state=0)
        plain = find_outliers(judged, reference=clean, method="mahalanobis", random_state=0)
        scores = plain.oddness, found.details["views"]["class distance"], found.oddness
        told.append([auroc(is_odd, score) for score in scores])
        alarms.append(found.is_outlier[~is_odd].mean())
    plainly, by_class, together = np.mean(told, axis=0)
    assert by_class > plainly + 0.03
    assert together > plainly + 0.05
    assert np.mean(alarms) == pytest.approx(0.02, abs=0.015)


def test_reference_rows_without_a_label_are_compared_with_as_well():
    rng = np.random.default_rng(0)
    x, which = texts_like(rng, 300)
    labels = np.where(np.arange(200) % 3 == 0, None, which[:200].astype(object))
    clean = Pool(embedding=x[:200], labels=labels)
    judged = np.concatenate([x[200:], rng.normal(size=(20, 40))])
    found = find_outliers(judged, reference=clean, random_state=0)
    assert auroc(np.arange(120) >= 100, found.oddness) > 0.9
    assert found.is_outlier[:100].mean() < 0.1


def test_rows_without_a_label_are_judged_in_blocks(monkeypatch):
    x = np.random.default_rng(0).normal(size=(60_000, 64)).astype(np.float32)
    codes = np.where(np.arange(len(x)) < 60, np.arange(len(x)) % 2, -1)

    def seen(rows):
        return _class_space.seen_by_class(x[rows], codes[rows], np.random.default_rng(0))

    few = slice(3_000)
    whole = seen(few)
    tracemalloc.start()
    seen(slice(None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * x.nbytes
    monkeypatch.setattr(_class_space, "_BLOCK", 700)
    np.testing.assert_allclose(seen(few), whole, rtol=1e-4, atol=1e-6)


def test_a_class_of_one_row_and_one_class_alone():
    rng = np.random.default_rng(0)
    x, _ = texts_like(rng, 60)
    lone = np.array(["a"] * 30 + ["b"] * 29 + ["c"])
    assert np.isfinite(find_outliers(x, labels=lone, random_state=0).oddness).all()
    found = find_outliers(x, labels=["a"] * 59 + [None], random_state=0)
    assert list(found.details["views"]) == ["neighbors", "centres", "shape"]


def test_rows_follow_their_ids(planted):
    ids = pd.Index([f"r{i}" for i in range(200)])
    named = Embedding(vectors=planted.vectors, metric="euclidean", ids=ids)
    found = find_outliers(named, random_state=0)
    assert found.to_frame().index.equals(ids)
    assert found.to_frame().columns.tolist() == ["outlier_oddness", "is_outlier"]


def test_views_of_centres_go_block_by_block(monkeypatch):
    from curalab.outliers import _views

    x = np.random.default_rng(0).normal(size=(300, 6))
    whole = find_outliers(x, random_state=0)
    other = find_outliers(x[:150], reference=x[150:], random_state=0)
    monkeypatch.setattr(_views, "_BLOCK", 7)
    np.testing.assert_allclose(find_outliers(x, random_state=0).oddness, whole.oddness, atol=1e-5)
    again = find_outliers(x[:150], reference=x[150:], random_state=0)
    np.testing.assert_allclose(again.oddness, other.oddness, atol=1e-5)
