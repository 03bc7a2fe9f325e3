import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from curalab import Embedding, Pool, samples
from curalab.label_errors import CalibratedGaussians, find_label_errors
from curalab.label_errors.calibrated_gaussians import _root, _tail


def message(error, method, pool):
    with pytest.raises(error) as caught:
        find_label_errors(pool, method=method, random_state=0)
    return str(caught.value)


def found(pool, seed=0, **settings):
    return find_label_errors(pool, method=CalibratedGaussians(**settings), random_state=seed)


@pytest.fixture(scope="module")
def blobs():
    """Classes of 60, 40 and 8 rows, one wrong label (row 5: class a, called c), two missing."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], [60, 40, 8])
    labels = np.array(["a", "b", "c"], dtype=object)[codes]
    labels[5], labels[[30, 70]] = "c", None
    x = rng.normal(size=(108, 4)) + 6 * np.eye(4)[codes]
    emb = Embedding(vectors=x, ids=[f"r{i}" for i in range(108)], metric="euclidean")
    return Pool(embedding=emb, labels=labels)


def long_tailed(seed):
    """Digits, class by class from 180 rows down to 4; wrong labels fall on classes by size."""
    table, rng = samples.digits(), np.random.default_rng(seed)
    codes = table["label"].astype("category").cat.codes.to_numpy()
    size = np.round(180 * 50 ** -(rng.permutation(10) / 9)).astype(int)
    rows = np.concatenate([np.flatnonzero(codes == c)[:n] for c, n in enumerate(size)])
    x = np.stack([table["image"].iloc[i].ravel() for i in rows]).astype(float)
    codes, given = codes[rows], codes[rows].copy()
    for i in np.flatnonzero(rng.random(len(rows)) < 0.2):
        odds = np.where(np.arange(10) == codes[i], 0, size)
        given[i] = rng.choice(10, p=odds / odds.sum())
    return Pool(embedding=Embedding(vectors=x), labels=given), codes, size < np.median(size)


# ---- what it computes ----------------------------------------------------------------------------


def test_a_tail_class_has_fewer_rows_than_the_median_class():
    codes = np.repeat([0, 1, 2, 4], [9, 5, 4, 1])
    assert _tail(codes, 5).tolist() == [2, 4]
    assert _tail(np.repeat([0, 1], 3), 2).tolist() == []


def test_a_tail_class_borrows_half_of_its_mean_from_the_nearest_heads():
    x = np.array([[0.0, 0]] * 4 + [[4, 0]] * 4 + [[90, 0]] * 4 + [[0, 2]], dtype=np.float32)
    codes, typical = np.repeat([0, 1, 2, 3], [4, 4, 4, 1]), np.ones(13, dtype=bool)
    mean, spread = CalibratedGaussians(n_heads=2)._calibrated(x, codes, typical, 4)
    assert mean.tolist() == [[0, 0], [4, 0], [90, 0], [1, 1]]  # half of (0, 2), half of (2, 0)
    assert not spread.any()
    kept, _ = CalibratedGaussians(n_heads=2, mix=0)._calibrated(x, codes, typical, 4)
    assert kept[3].tolist() == [0, 2]


def test_local_outliers_do_not_move_the_gaussian():
    x = np.array([[0.0], [2.0], [50.0]] * 2 + [[9.0]] * 6, dtype=np.float32)
    typical = np.array([True, True, False] * 2 + [True] * 6)
    mean, _ = CalibratedGaussians()._calibrated(x, np.repeat([0, 1], 6), typical, 2)
    assert mean.tolist() == [[1], [9]]


def test_classes_are_filled_up_to_the_largest_and_many_drawn_rows_share_the_weight(monkeypatch):
    monkeypatch.setattr("curalab.label_errors.calibrated_gaussians._MOST", 5)
    x, codes = np.zeros((23, 2), dtype=np.float32), np.repeat([0, 1], [20, 3])
    method, rng = CalibratedGaussians(), np.random.default_rng(0)
    rows, told, weight = method._filled(x, codes, np.ones(23, dtype=bool), 2, rng)
    assert len(rows) == len(told) == 28
    assert np.bincount(told, weight).tolist() == [20, 20]


def test_the_root_of_a_flat_covariance_gives_it_back():
    flat = np.outer([1, 2, 3], [1, 2, 3]).astype(float)
    assert np.allclose(_root(flat) @ _root(flat).T, flat)


def test_the_wrong_label_is_worst_and_gets_its_right_name(blobs):
    bad = found(blobs)
    assert bad.worst(1).tolist() == ["r5"]
    assert bad.suggested[5] == "a"
    assert np.flatnonzero(bad.is_error).tolist() == [5]
    assert bad.details["tail"] == ["c"]
    assert np.isnan(bad.quality[[30, 70]]).all()
    proba = bad.details["proba"]
    assert np.isnan(proba[[30, 70]]).all()
    assert np.allclose(np.nansum(proba, axis=1), ~np.isin(np.arange(108), [30, 70]))


def test_clean_rows_of_tail_classes_are_kept_where_self_confidence_calls_them_errors():
    score = {"ours": [], "self": []}
    called = {"ours": [], "self": []}
    for seed in range(3):
        pool, truth, tail = long_tailed(seed)
        wrong, in_tail = pool.codes != truth, tail[truth]
        for name, method in {"ours": CalibratedGaussians(), "self": "confident_learning"}.items():
            bad = find_label_errors(pool, method=method, random_state=0)
            quality = np.nan_to_num(bad.quality)  # classes too small to judge are last of all
            score[name].append(average_precision_score(wrong[in_tail], -quality[in_tail]))
            worst = np.argsort(quality, kind="stable")[: wrong.sum()]
            called[name].append(np.isin(np.flatnonzero(in_tail & ~wrong), worst).mean())
    assert np.mean(score["ours"]) > np.mean(score["self"]) + 0.2
    assert np.mean(called["ours"]) < np.mean(called["self"]) / 2


# ---- edges ---------------------------------------------------------------------------------------


def test_same_seed_same_answer_and_another_seed_hardly_another(blobs):
    one, same, other = found(blobs), found(blobs), found(blobs, seed=1)
    assert np.array_equal(one.quality, same.quality, equal_nan=True)
    assert np.nanmax(np.abs(one.quality - other.quality)) < 0.5
    assert other.worst(1).tolist() == ["r5"]


@pytest.mark.filterwarnings("error")
def test_constant_rows_and_copies_say_nothing():
    labels = np.array(["a"] * 12 + ["b"] * 5)
    same = find_label_errors(
        Embedding(vectors=np.ones((17, 3))), labels, method=CalibratedGaussians(), random_state=0
    )
    assert np.isfinite(same.quality).all()
    x = np.repeat([[0.0, 1], [1, 0]], [12, 5], axis=0)
    copies = find_label_errors(x, labels, method=CalibratedGaussians(), random_state=0)
    assert (copies.suggested == labels).all()


def test_classes_of_one_and_two_rows_and_a_class_without_rows():
    rng = np.random.default_rng(0)
    labels = np.array(["a"] * 20 + ["b"] * 10 + ["c"] * 2 + ["d"])
    pool = Pool(embedding=rng.normal(size=(33, 5)), labels=labels, classes=[*"abcde"])
    bad = found(pool)
    assert np.isfinite(bad.quality[:30]).all()
    assert np.isnan(bad.quality[30:]).all()
    assert bad.details["not_judged"] == {"c": 2, "d": 1}


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        (
            {"n_components": 0},
            ValueError,
            "The 'n_components' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            {"n_neighbors": 2.5},
            TypeError,
            "The 'n_neighbors' parameter must be an integer of 1 or more. Got 2.5 instead.",
        ),
        (
            {"n_heads": 0},
            ValueError,
            "The 'n_heads' parameter must be an integer of 1 or more. Got 0 instead.",
        ),
        (
            {"mix": 1.5},
            ValueError,
            "The 'mix' parameter must be a number from 0 to 1. Got 1.5 instead.",
        ),
    ],
)
def test_settings_that_make_no_sense(blobs, settings, error, text):
    assert message(error, CalibratedGaussians(**settings), blobs) == text
