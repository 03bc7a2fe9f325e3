import tracemalloc

import numpy as np
import pytest

from curalab import Embedding, Pool
from curalab.outliers import ECOD, IsolationForest, Mahalanobis, RelationGraph, find_outliers
from curalab.outliers._tails import compressed, tails_of
from curalab.outliers.mahalanobis import class_distances


def table(x, **parts):
    return Pool(embedding=Embedding(vectors=np.asarray(x, float), metric="euclidean"), **parts)


def oddness(x, method, **parts):
    return find_outliers(table(x, **parts), method=method, random_state=0).oddness


# ---- tails ---------------------------------------------------------------------------------------


def test_tails_by_hand():
    found = tails_of(np.array([1.0, 2.0, 2.0, 9.0]), None)
    assert np.exp(-found.low) == pytest.approx([0.25, 0.75, 0.75, 1.0])
    assert np.exp(-found.high) == pytest.approx([1.0, 0.75, 0.75, 0.25])
    assert (found.skewed == found.high).all()  # the column leans to the right
    beside = tails_of(np.array([0.0, 2.5, 99.0]), np.array([1.0, 2.0, 3.0]))
    assert np.exp(-beside.low) == pytest.approx([0.25, 0.75, 1.0])
    assert np.exp(-beside.high) == pytest.approx([1.0, 0.5, 0.25])
    assert beside.skewed == pytest.approx(beside.low + beside.high)  # symmetric


def test_compressed_columns_are_linear_in_the_middle_and_logarithmic_far_out():
    x = np.random.default_rng(0).normal(size=(4000, 1))
    made = compressed(np.array([[0.05], [0.1], [100.0], [200.0]]), x)[:, 0]
    assert (made[1] - made[0]) == pytest.approx(0.05, rel=0.1)
    assert (made[3] - made[2]) == pytest.approx(np.log(2), rel=0.01)
    mostly = np.array([[0.0]] * 9 + [[1.0]])  # the middle half is all alike
    assert np.isfinite(compressed(mostly, mostly)).all()
    assert (compressed(np.ones((3, 2)), np.ones((3, 2))) == 0).all()


@pytest.mark.parametrize("n_columns", [1, 7])
def test_ecod_gives_the_numbers_of_its_authors_code(n_columns):
    from pyod.models.ecod import ECOD as Theirs

    rng = np.random.default_rng(0)
    x = rng.lognormal(size=(150, n_columns)).round(1)  # skewed, with ties
    assert oddness(x, ECOD()) == pytest.approx(Theirs().fit(x).decision_scores_)


def test_ecod_with_a_reference_takes_its_tails():
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(400, 3))
    told = oddness(np.array([[0, 0, 0], [9, 9, 9], [9, 0, 0.0]]), ECOD(), reference=clean)
    assert np.argsort(told).tolist() == [0, 2, 1]
    assert told[1] == pytest.approx(3 * np.log(401))


# ---- isolation forest ----------------------------------------------------------------------------


def test_isolation_forest_is_that_of_scikit_learn():
    from sklearn import ensemble

    x = np.random.default_rng(0).normal(size=(120, 4))
    seed = int(np.random.default_rng(0).integers(2**31))
    theirs = ensemble.IsolationForest(n_estimators=50, max_samples=64, random_state=seed).fit(x)
    points = table(x).embedding.points
    assert oddness(x, IsolationForest(n_trees=50, sample=64)) == pytest.approx(
        -theirs.fit(points).score_samples(points)
    )
    far = oddness(np.array([[0, 0, 0, 0], [8, 8, 8, 8.0]]), IsolationForest(), reference=x)
    assert far[1] > far[0] + 0.2


def test_isolation_forest_checks_its_settings():
    with pytest.raises(ValueError) as caught:
        oddness(np.eye(5), IsolationForest(sample=1))
    assert str(caught.value) == (
        "The 'sample' parameter must be an integer of 2 or more. Got 1 instead."
    )


# ---- Mahalanobis ---------------------------------------------------------------------------------


def test_mahalanobis_counts_in_spreads():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 2)) * [10, 1]
    told = oddness(np.array([[20, 0], [0, 2], [0, 20.0]]), Mahalanobis(trim=0), reference=x)
    assert told == pytest.approx([2, 2, 20], rel=0.06)


def test_outliers_do_not_stretch_the_measure_that_is_to_find_them():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(400, 3)), 0.5 * rng.normal(size=(60, 3)) + [0, 0, 6]])
    is_odd = np.arange(460) >= 400
    from sklearn.metrics import average_precision_score as precision

    robust = precision(is_odd, oddness(x, Mahalanobis()))
    plain = precision(is_odd, oddness(x, Mahalanobis(trim=0)))
    assert robust > 0.95
    assert plain < 0.9


def test_a_row_is_judged_by_the_nearest_class_and_not_by_itself():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(50, 2)), rng.normal(size=(50, 2)) + 30, [[15, 15]]])
    labels = np.array(["a"] * 50 + ["b"] * 50 + ["c"])
    told = oddness(x, Mahalanobis(), labels=labels)
    assert told.argmax() == 100  # the only row of its class: compared with the other classes
    wrong = labels.copy()
    wrong[3] = "b"  # a wrong label makes no outlier
    assert oddness(x, Mahalanobis(), labels=wrong)[3] < np.quantile(told[:100], 0.999) + 0.5
    apart = oddness(x[:100], Mahalanobis(trim=0))
    assert oddness(x[:100], Mahalanobis(), labels=labels[:100]).max() < 5
    assert apart.max() < 3  # one centre for two groups sees nothing


def test_mahalanobis_distances_need_little_beside_the_rows():
    x = np.random.default_rng(0).normal(size=(200_000, 64)).astype(np.float32)
    pool = table(x)
    pool.embedding.fingerprint  # noqa: B018
    tracemalloc.start()
    class_distances(pool)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * x.nbytes


def test_mahalanobis_checks_its_settings():
    with pytest.raises(ValueError) as caught:
        oddness(np.eye(5), Mahalanobis(trim=0.6))
    assert str(caught.value) == (
        "The 'trim' parameter must be a number from 0 to 0.5. Got 0.6 instead."
    )


def test_mahalanobis_of_copies_and_of_columns_that_do_not_vary():
    assert (oddness(np.ones((9, 3)), Mahalanobis()) == 0).all()
    x = np.random.default_rng(0).normal(size=(50, 3))
    x[:, 1] = 7
    x[4] = [0, 7, 40]
    told = oddness(x, Mahalanobis())
    assert np.isfinite(told).all()
    assert told.argmax() == 4


# ---- relation graph ------------------------------------------------------------------------------


def test_relations_by_hand():
    x = np.array([[1.0, 0], [1, 0], [0, 1], [-1, 0]])
    told = find_outliers(Embedding(vectors=x), method=RelationGraph()).oddness
    assert told == pytest.approx([1, 1, 1e6, 1e6], rel=1e-4)
    leaning = np.array([[1.0, 0], [1, 0.02]])
    assert find_outliers(
        Embedding(vectors=np.concatenate([leaning, [[0.02, 1]]])), method=RelationGraph()
    ).oddness[2] == pytest.approx(1 / np.sum([0.0399880], dtype=float), rel=1e-3)


def test_relations_count_what_a_model_thinks():
    x = np.array([[1.0, 0], [1, 0], [1, 0]])
    proba = np.array([[1.0, 0], [1, 0], [0, 1]])
    pool = Pool(embedding=x, proba=proba, classes=["a", "b"])
    assert find_outliers(pool, method=RelationGraph()).oddness == pytest.approx([1, 1, 1e6], 1e-4)


def test_relations_on_the_graph_are_those_of_all_pairs(monkeypatch):
    from curalab.outliers import relation_graph

    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 5)) + np.array([2, 0, 0, 0, 0])
    full = find_outliers(Embedding(vectors=x), method=RelationGraph()).oddness
    beside = find_outliers(Embedding(vectors=x[:20]), reference=x, method=RelationGraph()).oddness
    monkeypatch.setattr(relation_graph, "_EXACT", 50)
    near = find_outliers(Embedding(vectors=x), method=RelationGraph()).oddness
    assert near == pytest.approx(full, rel=1e-4)
    told = find_outliers(Embedding(vectors=x[:20]), reference=x, method=RelationGraph()).oddness
    assert told == pytest.approx(beside, rel=1e-4)


@pytest.mark.parametrize("size", [40, 200])
def test_relations_to_a_part_of_the_reference_compare_with_those_to_all_of_it(size):
    rng = np.random.default_rng(0)
    marked = []
    for seed in range(20):
        clean, x = np.split(rng.normal(size=(size + 200, 8)) + 2, [size])
        found = find_outliers(
            x, reference=clean, false_alarms=0.1, method="relation_graph", random_state=seed
        )
        marked.append(found.is_outlier.mean())
    assert 0.06 < np.mean(marked) < 0.14
