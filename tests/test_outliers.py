import numpy as np
import pytest

from curalab import Embedding
from curalab.outliers import KNN, find_outliers


@pytest.fixture
def planted():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6))
    x[:5] += rng.normal(size=(5, 6)) * 10
    return Embedding(vectors=x, metric="euclidean")


def test_planted_outliers_come_first_and_are_cut(planted):
    found = find_outliers(planted)
    assert set(found.top(5)) == set(range(5))
    assert found.is_outlier[:5].all()
    assert found.is_outlier.sum() <= 12
    assert found.details["cut"]["rule"] == (
        "median + 2.5 robust standard deviations of the upper half"
    )


def test_oddness_by_hand():
    line = Embedding(vectors=np.array([[0.0], [1.0], [3.0]]), metric="euclidean")
    assert find_outliers(line, method=KNN(k=2)).oddness.tolist() == [2.0, 1.5, 2.5]
    assert find_outliers(line, method=KNN(k=1)).oddness.tolist() == [1.0, 1.0, 2.0]


def test_a_reference_is_what_rows_are_compared_with(planted):
    clean = Embedding(vectors=np.random.default_rng(1).normal(size=(300, 6)), metric="euclidean")
    half_odd = np.concatenate([clean.vectors[:40], clean.vectors[:40] + 9])
    found = find_outliers(half_odd.astype(float), reference=clean.vectors)
    assert len(found) == 80
    own = Embedding(vectors=half_odd, metric="euclidean")
    found = find_outliers(own, reference=clean, expected_share=0.5)
    assert found.is_outlier.tolist() == [False] * 40 + [True] * 40


def test_expected_share_marks_that_many(planted):
    assert find_outliers(planted, expected_share=0.1).is_outlier.sum() == 20
    assert find_outliers(planted, expected_share=0.0).is_outlier.sum() == 0
    with pytest.raises(ValueError) as caught:
        find_outliers(planted, expected_share=1.1)
    assert str(caught.value) == (
        "The 'expected_share' parameter must be a number from 0 to 1. Got 1.1 instead."
    )


def test_copies_only():
    same = Embedding(vectors=np.ones((30, 3)))
    found = find_outliers(same)
    assert (found.oddness == 0).all()
    assert not found.is_outlier.any()


def test_one_row_needs_a_reference():
    one = Embedding(vectors=np.ones((1, 3)))
    with pytest.raises(ValueError) as caught:
        find_outliers(one)
    assert str(caught.value) == (
        "The 'embedding' parameter must be of at least 2 rows, to compare them with each other. "
        "Got 1 row instead. Or pass reference=…."
    )
    assert len(find_outliers(one, reference=np.eye(3))) == 1


def test_top_is_bounded(planted):
    with pytest.raises(ValueError, match="an integer from 0 to 200"):
        find_outliers(planted).top(201)
