import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from curalab import Embedding, Pool
from curalab.heads import (
    PENALTIES,
    _folds,
    fit_head,
    folds_of,
    kernel_features,
    out_of_fold_proba,
    with_proba,
)


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 40)
    return rng.normal(size=(120, 5)) + 2 * np.eye(5)[codes], codes


def rng(seed=0):
    return np.random.default_rng(seed)


# ---- one head ------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [1.0, 0.03, 0.001])
def test_a_head_is_logistic_regression(blobs, penalty):
    x, codes = blobs
    head = fit_head(x, codes, 3, penalty=penalty)
    plain = LogisticRegression(C=1 / (penalty * len(x)), tol=1e-8, max_iter=10_000)
    plain.fit((x - head.centre) / head.scale, codes)
    wanted = plain.predict_proba((x - head.centre) / head.scale)
    np.testing.assert_allclose(head.predict_proba(x), wanted, atol=0.01)


def test_where_the_search_starts_does_not_matter(blobs):
    x, codes = blobs
    plain = fit_head(x, codes, 3, penalty=0.01)
    moved = fit_head(x, codes, 3, penalty=0.01, start=fit_head(x, codes, 3, penalty=1.0))
    np.testing.assert_allclose(moved.predict_proba(x), plain.predict_proba(x), atol=0.01)


def test_a_weight_of_two_is_the_row_twice(blobs):
    x, codes = blobs
    weight = np.where(np.arange(len(x)) % 3 == 0, 2, 1)
    weighed = fit_head(x, codes, 3, sample_weight=weight)
    repeated = fit_head(np.repeat(x, weight, axis=0), np.repeat(codes, weight), 3)
    np.testing.assert_allclose(weighed.predict_proba(x), repeated.predict_proba(x), atol=0.01)


def test_a_class_without_rows_is_unlikely(blobs):
    x, codes = blobs
    proba = fit_head(x, codes, 4).predict_proba(x)
    assert proba.shape == (120, 4)
    assert proba[:, 3].max() < 0.01


def test_rows_that_are_all_alike_get_the_shares_of_the_classes():
    proba = fit_head(np.ones((8, 3)), np.array([0, 0, 0, 0, 0, 0, 1, 1]), 2).predict_proba(
        np.ones((1, 3))
    )
    np.testing.assert_allclose(proba, [[0.75, 0.25]], atol=0.01)


def test_a_head_holds_one_copy_of_the_rows():
    x, codes = rng().normal(size=(5_000, 100)).astype(np.float32), rng(1).integers(0, 100, 5_000)
    head = fit_head(x, codes, 100)
    for made, most in ((lambda: fit_head(x, codes, 100), 1.5), (lambda: head.predict_proba(x), 5)):
        tracemalloc.start()
        made()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most * x.nbytes  # the probabilities are of double precision


# ---- features and folds --------------------------------------------------------------------------


def test_kernel_features_multiply_to_the_gaussian_kernel(blobs):
    x, _ = blobs
    made = kernel_features(x, rng=rng())
    square = np.square(x[:, None] - x[None]).sum(axis=2)
    middle = np.median(square[~np.eye(len(x), dtype=bool)])
    np.testing.assert_allclose(made @ made.T, np.exp(-square / (2 * middle)), atol=0.01)


def test_kernel_features_of_many_rows_are_of_bounded_width():
    x = np.random.default_rng(0).normal(size=(700, 3))
    made = kernel_features(x, rng=rng())
    assert made.shape[0] == 700
    assert made.shape[1] <= 512
    np.testing.assert_allclose(np.square(made).sum(axis=1), 1, atol=0.05)


@given(
    codes=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    n_folds=st.integers(2, 6),
    seed=st.integers(0, 9),
)
def test_each_fold_has_its_share_of_each_class(codes, n_folds, seed):
    codes = np.array(codes)
    fold = folds_of(codes, n_folds, rng=rng(seed))
    for c in np.unique(codes):
        sizes = np.bincount(fold[codes == c], minlength=n_folds)
        assert sizes.max() - sizes.min() <= 1
    sizes = np.bincount(fold, minlength=n_folds)
    assert sizes.max() - sizes.min() <= 1


# ---- out of fold ---------------------------------------------------------------------------------


def test_a_row_does_not_train_its_own_probability():
    x, codes = rng().normal(size=(300, 100)), rng(1).integers(0, 2, 300)
    proba, _ = out_of_fold_proba(x, codes, 2, rng=rng())
    assert (proba.argmax(axis=1) == codes).mean() < 0.6
    assert (
        fit_head(x, codes, 2, penalty=0.001).predict_proba(x)[np.arange(300), codes].mean()
        > proba[np.arange(300), codes].mean() + 0.05
    )


def test_heads_can_bend():
    x = rng().uniform(-1, 1, size=(400, 2))
    codes = (np.prod(x, axis=1) > 0).astype(int)  # no line parts these two
    proba, _ = out_of_fold_proba(x, codes, 2, rng=rng())
    assert (proba.argmax(axis=1) == codes).mean() > 0.93
    assert (fit_head(x, codes, 2).predict_proba(x).argmax(axis=1) == codes).mean() < 0.65


def test_probabilities_of_all_rows_and_their_record(blobs):
    x, codes = blobs
    hidden = np.where(np.arange(len(codes)) % 4 == 0, -1, codes)
    proba, record = out_of_fold_proba(x, hidden, 3, rng=rng())
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (proba.argmax(axis=1) == codes)[hidden < 0].mean() > 0.8
    likely = proba[np.arange(len(codes)), hidden][hidden >= 0]
    assert record["loss"] == pytest.approx(-np.log(likely).mean(), abs=1e-5)
    assert record["folds"] == 5
    assert record["deals"] == 3
    assert record["penalty"] in PENALTIES


def test_noise_asks_for_a_larger_penalty(blobs):
    x, codes = blobs
    noisy = np.where(rng(3).random(len(codes)) < 0.5, rng(4).integers(0, 3, len(codes)), codes)
    clean = out_of_fold_proba(x, codes, 3, rng=rng())[1]["penalty"]
    assert out_of_fold_proba(x, noisy, 3, rng=rng())[1]["penalty"] > clean


def test_many_rows_find_their_penalty_on_some_and_lose_nothing(monkeypatch):
    codes = rng(1).integers(0, 4, 6_000)
    x = rng().normal(size=(6_000, 8)) + 2 * np.eye(8)[codes]
    given = np.where(rng(2).random(6_000) < 0.1, rng(3).integers(0, 4, 6_000), codes)
    sizes = []
    fit = _folds.fit_head
    monkeypatch.setattr(
        _folds, "fit_head", lambda *a, **kw: sizes.append(len(a[0])) or fit(*a, **kw)
    )
    all_proba, of_all = out_of_fold_proba(x, given, 4, rng=rng())
    n_fits = len(sizes)
    monkeypatch.setattr(_folds, "_MOST_ROWS", 2_000)
    proba, of_some = out_of_fold_proba(x, given, 4, rng=rng())
    n_whole = sum(n > 2_000 for n in sizes[n_fits:])
    assert 5 <= n_whole <= 15
    assert n_whole < n_fits
    assert of_some["loss"] < of_all["loss"] + 0.002
    hits, all_hits = (np.mean(each.argmax(axis=1) == codes) for each in (proba, all_proba))
    assert hits > all_hits - 0.002


def test_up_to_the_cap_no_row_is_left_out(monkeypatch, blobs):
    x, codes = blobs
    plain, _ = out_of_fold_proba(x, codes, 3, rng=rng())
    monkeypatch.setattr(_folds, "_MOST_ROWS", len(codes))
    assert (out_of_fold_proba(x, codes, 3, rng=rng())[0] == plain).all()


def test_the_same_generator_gives_the_same_bits(blobs):
    x, codes = blobs
    first, second = (out_of_fold_proba(x, codes, 3, rng=rng(5))[0] for _ in range(2))
    assert (first == second).all()


def test_large_sets_are_dealt_once():
    x = rng().normal(size=(5_001, 2))
    codes = (x[:, 0] > 0).astype(int)
    proba, record = out_of_fold_proba(x, codes, 2, n_folds=2, rng=rng())
    assert record["deals"] == 1
    assert (proba.argmax(axis=1) == codes).mean() > 0.95


def test_classes_of_one_and_two_rows_do_not_stop_it(blobs):
    x, codes = blobs[0], blobs[1].copy()
    codes[0], codes[1:3] = 3, 4
    proba, _ = out_of_fold_proba(x, codes, 5, rng=rng())
    assert np.isfinite(proba).all()
    assert proba[0, 3] < 0.2  # the head that judged it saw no row of its class


def test_one_class_is_certain():
    proba, record = out_of_fold_proba(np.eye(3), np.array([1, 1, -1]), 2, rng=rng())
    assert proba.tolist() == [[0, 1]] * 3
    assert record == {"folds": 0, "deals": 0, "penalty": None, "loss": 0.0}


def test_a_pool_gets_the_probabilities_of_its_own_labels(blobs):
    x, codes = blobs
    pool = Pool(embedding=Embedding(vectors=x), labels=np.array(["c", "a", "b"])[codes])
    made, record = with_proba(pool, 7)
    wanted, told = out_of_fold_proba(pool.embedding.points, pool.codes, 3, rng=rng(7))
    assert (made.proba == wanted).all()
    assert record == told
    assert made.classes.tolist() == ["a", "b", "c"]
    assert pool.proba is None
