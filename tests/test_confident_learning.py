"""Confident learning against cleanlab, whose numbers it promises."""

import tracemalloc
import warnings

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from hypothesis import given, settings
from hypothesis import strategies as st

from curalab import Embedding, Pool, _blocks
from curalab.label_errors import ConfidentLearning, find_label_errors
from curalab.label_errors._joint import label_issues, label_scores

RANKS = ["self_confidence", "normalized_margin", "confidence_weighted_entropy"]
FILTERS = ["prune_by_noise_rate", "confident_learning", "prune_by_class", "both"]


def drawn(n, n_classes, *, seed=0, sharp=1.0, wrong=0.05, tenths=False, absent=0):
    """Labels and probabilities; `tenths` makes ties, `absent` classes have no label."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes - absent, size=n)
    weight = rng.gamma(0.5, size=(n, n_classes))
    weight[np.arange(n), truth] += sharp * rng.gamma(2, size=n)
    weight += 1e-9
    proba = weight / weight.sum(axis=1, keepdims=True)
    if tenths:
        proba = np.round(proba, 1)
    codes = np.where(rng.random(n) < wrong, rng.integers(n_classes - absent, size=n), truth)
    codes[:2] = [0, 1]
    return codes, proba


def by_cleanlab(codes, proba, filter_by):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes of one row
        return find_label_issues(codes, proba, filter_by=filter_by, n_jobs=1)


@settings(max_examples=300, deadline=None)
@given(
    n=st.integers(4, 400),
    n_classes=st.integers(2, 8),
    seed=st.integers(0, 10**6),
    sharp=st.sampled_from([0.0, 0.3, 1.0, 5.0]),
    wrong=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    tenths=st.booleans(),
    absent=st.integers(0, 3),
)
def test_flags_and_scores_are_cleanlabs(n, n_classes, seed, sharp, wrong, tenths, absent):
    absent = min(absent, n_classes - 2)
    codes, proba = drawn(
        n, n_classes, seed=seed, sharp=sharp, wrong=wrong, tenths=tenths, absent=absent
    )
    for filter_by in FILTERS:
        wanted = by_cleanlab(codes, proba, filter_by)
        np.testing.assert_array_equal(label_issues(codes, proba, filter_by), wanted)
    for rank in RANKS:
        wanted = get_label_quality_scores(codes, proba, method=rank)
        np.testing.assert_allclose(label_scores(codes, proba, rank), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("filter_by", FILTERS)
@pytest.mark.parametrize("sharp", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("tenths", [False, True])
def test_larger_tables_too(filter_by, sharp, tenths):
    codes, proba = drawn(20_000, 12, sharp=sharp, wrong=0.1, tenths=tenths, absent=1)
    wanted = by_cleanlab(codes, proba, filter_by)
    assert wanted.any()
    np.testing.assert_array_equal(label_issues(codes, proba, filter_by), wanted)


@pytest.mark.parametrize("filter_by", FILTERS)
def test_more_classes_than_a_byte_holds(filter_by):
    codes, proba = drawn(4_000, 300, sharp=5.0, wrong=0.2)
    wanted = by_cleanlab(codes, proba, filter_by)
    np.testing.assert_array_equal(label_issues(codes, proba, filter_by), wanted)


@pytest.mark.parametrize("filter_by", FILTERS)
def test_equal_rows_and_blocks_of_few_rows(filter_by, monkeypatch):
    codes = np.repeat([0, 1, 2], 40)
    codes[5], codes[50] = 1, 2
    proba = np.full((120, 3), 1 / 3)
    np.testing.assert_array_equal(
        label_issues(codes, proba, filter_by), by_cleanlab(codes, proba, filter_by)
    )
    codes, proba = drawn(300, 4, wrong=0.2)
    whole = label_issues(codes, proba, filter_by), label_scores(codes, proba, "normalized_margin")
    monkeypatch.setattr(_blocks, "_CELLS", 28)
    np.testing.assert_array_equal(label_issues(codes, proba, filter_by), whole[0])
    np.testing.assert_array_equal(label_scores(codes, proba, "normalized_margin"), whole[1])


def test_by_hand():
    """Two classes, five rows each; row 4 is surely the other class, row 9 is in doubt."""
    proba = np.array([[0.9, 0.1]] * 4 + [[0.05, 0.95]] + [[0.1, 0.9]] * 4 + [[0.55, 0.45]])
    codes = np.repeat([0, 1], 5)
    # The thresholds are 0.73 and 0.81: row 4 is confidently of class 1, row 9 of none.
    assert np.flatnonzero(label_issues(codes, proba, "confident_learning")).tolist() == [4]
    np.testing.assert_allclose(
        label_scores(codes, proba, "self_confidence")[[0, 4, 9]], [0.9, 0.05, 0.45]
    )
    np.testing.assert_allclose(
        label_scores(codes, proba, "normalized_margin")[[0, 4, 9]], [0.9, 0.05, 0.45]
    )


def test_probabilities_a_rounding_below_zero_have_an_entropy():
    proba = np.array([[0.5 + 1e-9, 0.5, -1e-9]])
    scores = label_scores(np.array([0]), proba, "confidence_weighted_entropy")
    ratio = np.log(2) / np.log(3) / 0.5
    np.testing.assert_allclose(scores, np.log(ratio + 1) / ratio, atol=1e-6)


@pytest.mark.parametrize("filter_by", FILTERS)
def test_no_more_memory_than_cleanlab(filter_by):
    codes, proba = drawn(100_000, 10, sharp=3.0)
    peaks = []
    for call in (label_issues, by_cleanlab):
        call(codes[:1000], proba[:1000], filter_by)
        tracemalloc.start()
        call(codes, proba, filter_by)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] <= peaks[1]


@pytest.mark.parametrize("filter_by", FILTERS)
@pytest.mark.parametrize("rank", RANKS)
def test_rows_without_a_label_are_left_out(rank, filter_by):
    codes, proba = drawn(200, 3, wrong=0.1)
    labels = np.array(["x", "y", "z"], dtype=object)[codes]
    labels[[3, 50]] = None
    proba = proba / proba.sum(axis=1, keepdims=True)
    x = np.random.default_rng(0).normal(size=(200, 2))
    pool = Pool(embedding=Embedding(vectors=x), labels=labels, proba=proba)
    bad = find_label_errors(pool, method=ConfidentLearning(rank=rank, filter_by=filter_by))
    rest = np.delete(np.arange(200), [3, 50])
    wanted = get_label_quality_scores(codes[rest], proba[rest], method=rank)
    np.testing.assert_allclose(bad.quality[rest], wanted)
    issues = by_cleanlab(codes[rest], proba[rest], filter_by)
    np.testing.assert_array_equal(bad.is_error[rest], issues)
    assert np.isnan(bad.quality[[3, 50]]).all()
    assert not bad.is_error[[3, 50]].any()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"rank": "normalised_margin"},
            "The 'rank' parameter must be one of 'self_confidence', 'normalized_margin', "
            "'confidence_weighted_entropy'. Got 'normalised_margin' instead. Did "
            "you mean 'normalized_margin'?",
        ),
        (
            {"filter_by": "prune_by_clas"},
            "The 'filter_by' parameter must be one of 'prune_by_noise_rate', "
            "'confident_learning', 'prune_by_class', 'both'. Got 'prune_by_clas' instead. Did you "
            "mean 'prune_by_class'?",
        ),
    ],
)
def test_refused_settings(options, told):
    codes, proba = drawn(20, 2)
    proba = proba / proba.sum(axis=1, keepdims=True)
    with pytest.raises(ValueError) as caught:
        find_label_errors(np.eye(20), codes, proba=proba, method=ConfidentLearning(**options))
    assert str(caught.value) == told
