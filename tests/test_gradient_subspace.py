import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import curalab as cl
from curalab.outliers import KNN, find_outliers
from curalab.outliers.gradient_subspace import GradientSubspace, _along_top, _scores


def planted(*, labels=True, share=0.3, seed=0):
    """Three known classes with labels, and a pool in which a fourth lies close between them."""
    rng = np.random.default_rng(seed)
    centres = np.vstack([3 * np.eye(3, 8), np.full(8, 0.5)])
    known = np.arange(150) % 3
    truth = rng.random(200) < share
    pool = rng.normal(centres[np.where(truth, 3, np.arange(200) % 3)], 0.8)
    clean = cl.Embedding(vectors=rng.normal(centres[known], 0.8), metric="euclidean")
    reference = cl.Pool(embedding=clean, labels=known if labels else None)
    return cl.Embedding(vectors=pool, metric="euclidean"), reference, truth


def area(pool, reference, truth, **settings):
    method = GradientSubspace(**settings)
    return roc_auc_score(
        truth, find_outliers(pool, reference=reference, method=method, random_state=0).oddness
    )


def test_length_along_the_top_singular_vector():
    tall = np.array([[3.0, 0.0], [-4.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(_along_top(tall), [3, 4, 0], atol=1e-9)
    np.testing.assert_allclose(_along_top(tall.T), np.array([5, 0]), atol=1e-9)
    np.testing.assert_allclose(_along_top(np.zeros((2, 3))), 0)
    rng = np.random.default_rng(0)
    for shape in ((5, 9), (9, 5)):
        rows = rng.normal(size=shape)
        top = np.linalg.svd(rows)[2][0]
        np.testing.assert_allclose(_along_top(rows), np.abs(rows @ top), rtol=1e-6)


def test_gradients_are_those_of_the_loss():
    """By hand: the gradient of the cross-entropy in the weights of the row's class."""
    from curalab.heads import fit_head

    rng = np.random.default_rng(1)
    codes = np.repeat([0, 1], 20)
    x, y = rng.normal(size=(40, 3)) + codes[:, None], rng.normal(size=(6, 3))
    known, score, threshold = _scores(x, codes, y, 0.9)
    head = fit_head(x, codes, 2)
    clean = (head.predict_proba(x)[np.arange(40), codes] - 1)[:, None] * (x - head.centre)
    proba = head.predict_proba(y)
    messy = (proba.max(axis=1) - 1)[:, None] * (y - head.centre)
    for code in (0, 1):
        mean = clean[codes == code].mean(axis=0)
        rows = messy[proba.argmax(axis=1) == code] - mean
        top = np.linalg.svd(rows)[2][0]
        np.testing.assert_allclose(
            score[proba.argmax(axis=1) == code], np.abs(rows @ top), rtol=1e-4, atol=1e-6
        )
    assert threshold == pytest.approx(np.quantile(known, 0.9))


def test_foreign_rows_that_lie_together_give_each_other_away():
    """A class missing from the reference, near to clean rows: distance alone misses much of it."""
    pool, reference, truth = planted()
    near = find_outliers(pool, reference=reference, method=KNN(), random_state=0).oddness
    assert roc_auc_score(truth, near) < 0.85
    assert area(pool, reference, truth) > 0.95


def test_a_digit_that_the_reference_lacks():
    items = cl.samples.digits()
    ink, label = np.stack(items["image"]).reshape(-1, 64) / 255, items["label"].to_numpy()
    known = (label != "8") & (np.arange(len(label)) % 2 == 0)
    pool = cl.Embedding(vectors=ink[~known], metric="euclidean")
    clean = cl.Embedding(vectors=ink[known], metric="euclidean")
    reference, truth = cl.Pool(embedding=clean, labels=label[known]), label[~known] == "8"
    near = find_outliers(pool, reference=reference, method=KNN(), random_state=0).oddness
    assert area(pool, reference, truth) > max(0.985, roc_auc_score(truth, near) + 0.005)


def test_clusters_stand_for_labels():
    pool, reference, truth = planted(labels=False)
    assert area(pool, reference, truth, n_clusters=3) > 0.9
    one = reference.replace(labels=np.full(150, "a"))
    got, same = (
        find_outliers(pool, reference=r, method=GradientSubspace(), random_state=0).oddness
        for r in (one, reference)
    )
    assert np.array_equal(got, same)


def test_reference_rows_without_a_label_take_the_class_predicted():
    pool, reference, truth = planted()
    labels = reference.labels.astype(object)
    labels[::4] = None
    assert area(pool, reference.replace(labels=labels), truth) > 0.95


def test_details_and_the_cut():
    pool, reference, truth = planted()
    found = find_outliers(pool, reference=reference, method=GradientSubspace(), random_state=0)
    details = found.details
    assert details["n_candidates"] == (details["projection"] > details["threshold"]).sum()
    assert truth[details["projection"] > details["threshold"]].mean() > 2 * truth.mean()
    assert found.is_outlier[truth].mean() > 0.6
    assert found.is_outlier[~truth].mean() < 0.1


def test_a_clean_pool_has_nothing_to_learn_from():
    _, reference, _ = planted()
    method = GradientSubspace(quantile=1.0)
    found = find_outliers(reference.embedding, reference=reference, method=method, random_state=0)
    assert found.details["n_candidates"] == 0
    assert (found.oddness <= 0).all()
    for labels in (["a", "b", "a", "b"], None):
        same = cl.Pool(embedding=np.ones((4, 3)), labels=labels)
        found = find_outliers(np.ones((5, 3)), reference=same, method=method)
        assert np.ptp(found.oddness) == 0
        assert not found.is_outlier.any()


def test_one_row_and_a_class_of_one():
    pool, reference, _ = planted()
    labels = np.where(np.arange(150) == 3, 9, reference.labels)
    few = pool.take([0])
    found = find_outliers(few, reference=reference.replace(labels=labels, classes=None),
                          method=GradientSubspace(), random_state=0)  # fmt: skip
    assert np.isfinite(found.oddness).all()


def test_the_same_seed_gives_the_same_answer():
    pool, reference, _ = planted()
    first, second = (
        find_outliers(pool, reference=reference, method=GradientSubspace(), random_state=3).oddness
        for _ in range(2)
    )
    assert np.array_equal(first, second)


def test_it_needs_a_reference():
    pool, _, _ = planted()
    with pytest.raises(ValueError) as caught:
        find_outliers(pool, method=GradientSubspace())
    name = caught.value.args[0].split("'")[1]
    assert name in ("gradient_subspace", "curalab.outliers.gradient_subspace.GradientSubspace")
    assert str(caught.value) == (
        f"The method {name!r} needs 'reference', and the pool has none. "
        "Pass reference=… to find_outliers, or choose another method."
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantile": 2}, "The 'quantile' parameter must be a number from 0 to 1. Got 2 instead."),
        (
            {"penalty": 0},
            "The 'penalty' parameter must be a number from 1e-06 to 1e+06. Got 0 instead.",
        ),
        (
            {"n_clusters": 1},
            "The 'n_clusters' parameter must be an integer of 2 or more. Got 1 instead.",
        ),
    ],
)
def test_settings_are_checked(settings, message):
    pool, reference, _ = planted()
    with pytest.raises(ValueError) as caught:
        find_outliers(pool, reference=reference, method=GradientSubspace(**settings))
    assert str(caught.value) == message


def test_a_clean_pool_is_marked_hardly_more_than_asked():
    """A fifth of the reference is judged as the pool is, its own suspicious rows among those."""
    marked, kind = [], np.arange(100) % 3
    for seed in range(8):
        rng = np.random.default_rng(seed)
        clean, pool = (
            cl.Embedding(vectors=rng.normal(3 * np.eye(3, 8)[kind], 0.8), metric="euclidean")
            for _ in range(2)
        )
        reference, method = cl.Pool(embedding=clean, labels=kind), GradientSubspace()
        found = find_outliers(
            pool, reference=reference, method=method, false_alarms=0.05, random_state=seed
        )
        marked.append(found.is_outlier.mean())
    assert np.mean(marked) < 0.085
