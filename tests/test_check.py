import numpy as np
import pandas as pd
import pytest

from curalab import AlignmentError, MissingExtraError
from curalab._check import (
    align,
    are_invented,
    carried_ids,
    check_choice,
    check_ids,
    check_integer,
    check_labels,
    check_real,
    check_seed,
    check_vectors,
    invented_ids,
    need_extra,
    rows_of,
)


def says(error, call, *arguments, **settings):
    with pytest.raises(error) as caught:
        call(*arguments, **settings)
    return caught.value.args[0]


def test_single_values_are_returned_as_python_numbers():
    assert type(check_integer("k", np.int64(3), low=1)) is int
    assert check_real("share", np.float32(0.5), low=0, high=1) == 0.5
    assert check_choice("metric", "cosine", ["cosine", "euclidean"]) == "cosine"
    assert check_seed(7) == 7
    assert check_seed(None) != check_seed(None)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0, ValueError, "The 'k' parameter must be an integer from 1 to 99. Got 0 instead."),
        (100, ValueError, "The 'k' parameter must be an integer from 1 to 99. Got 100 instead."),
        (2.0, TypeError, "The 'k' parameter must be an integer from 1 to 99. Got 2.0 instead."),
        (True, TypeError, "The 'k' parameter must be an integer from 1 to 99. Got True instead."),
    ],
)
def test_integers_out_of_range(value, error, text):
    assert says(error, check_integer, "k", value, low=1, high=99) == text


def test_other_single_values_that_do_not_fit():
    assert says(ValueError, check_integer, "k", -1, low=0) == (
        "The 'k' parameter must be an integer of 0 or more. Got -1 instead."
    )
    assert says(ValueError, check_real, "share", 1.5, low=0, high=1) == (
        "The 'share' parameter must be a number from 0 to 1. Got 1.5 instead."
    )
    assert says(TypeError, check_real, "share", "x", low=0, high=1) == (
        "The 'share' parameter must be a number from 0 to 1. Got 'x' instead."
    )
    assert says(ValueError, check_choice, "metric", "cosin", ["cosine", "euclidean"]) == (
        "The 'metric' parameter must be one of 'cosine', 'euclidean'. Got 'cosin' instead. "
        "Did you mean 'cosine'?"
    )
    assert says(TypeError, check_seed, 1.5) == (
        "The 'random_state' parameter must be an integer from 0 to 4294967295. Got 1.5 instead."
    )


def test_ids_must_be_distinct_and_present():
    assert check_ids(["a", "b"]).tolist() == ["a", "b"]
    assert says(ValueError, check_ids, ["a", "b", "a"]) == (
        "The 'ids' parameter must be distinct. Got ids that occur twice: 'a' instead."
    )
    assert says(ValueError, check_ids, ["a", None]) == (
        "The 'ids' parameter must be present for every row. Got no id in rows 1 instead."
    )
    assert says(ValueError, check_ids, ["a"], n=2) == (
        "The 'ids' parameter must be 2 ids, one for each row. Got 1 ids instead."
    )
    two = pd.MultiIndex.from_tuples([(1, 2)])
    assert says(TypeError, check_ids, two) == (
        "The 'ids' parameter must be one value for each row. Got a MultiIndex instead."
    )


def test_invented_ids_are_told_from_given_ones():
    assert are_invented(invented_ids(3))
    assert not are_invented(pd.RangeIndex(3))
    assert carried_ids([1, 2]) is None
    assert carried_ids(np.ones(2)) is None
    assert carried_ids(pd.Series([1, 2], index=["a", "b"])).tolist() == ["a", "b"]


def test_align_goes_by_id_where_there_are_ids():
    ids = pd.Index(["a", "b", "c"])
    moved = align("labels", pd.Series([3, 1, 2], index=["c", "a", "b"]), ids)
    assert moved.tolist() == [1, 2, 3]
    assert align("labels", [1, 2, 3], ids) == [1, 2, 3]
    by_position = align("labels", pd.Series([3, 1, 2], index=["c", "a", "b"]), invented_ids(3))
    assert by_position.tolist() == [3, 1, 2]


def test_align_refuses_other_rows():
    ids = pd.Index(["a", "b", "c"])
    assert says(AlignmentError, align, "labels", pd.Series(1, index=["a", "b", "x"]), ids) == (
        "The ids of 'labels' and of the items must name the same rows. Got 'c' only in the items; "
        "'x' only in 'labels'. Select the same rows on both sides, or pass an array to go by "
        "position."
    )
    more = pd.Series(1, index=["a", "b", "c", "d"])
    assert "'d' only in 'labels'" in says(AlignmentError, align, "labels", more, ids)
    assert says(ValueError, align, "labels", [1, 2], ids) == (
        "The 'labels' parameter must be 3 rows, one for each item. Got 2 rows instead."
    )


def test_rows_of_lists_unknown_ids():
    ids = pd.Index(["a", "b", "c"])
    assert rows_of(ids, ["c", "a"]).tolist() == [2, 0]
    assert says(KeyError, rows_of, ids, ["a", "x", "y"]) == (
        "The 'ids' parameter must be ids of the items. Got unknown ids 'x', 'y' instead."
    )


def test_vectors_become_float32_without_a_copy():
    given = np.ones((2, 3), dtype=np.float32)
    assert check_vectors("x", given) is given
    assert check_vectors("x", [[1, 2], [3, 4]]).dtype == np.float32


def test_vectors_that_are_none():
    bad = np.ones((5, 2))
    bad[[1, 3]] = np.nan, np.inf
    ids = pd.Index(list("abcde"))
    assert says(ValueError, check_vectors, "x", bad, ids=ids) == (
        "The 'x' parameter must be finite. Got 2 of 5 rows NaN or infinite (ids 'b', 'd') instead."
    )
    assert says(ValueError, check_vectors, "x", np.ones(3)) == (
        "The 'x' parameter must be of shape (n, d). Got shape (3,) instead."
    )
    bad[4] = -1e39
    for large in (bad, bad.astype(object)):
        assert says(ValueError, check_vectors, "x", large, ids=ids) == (
            "The 'x' parameter must be of numbers that float32 holds, at most 3.4e38 in size. "
            "Got 1 of 5 rows of larger ones (ids 'e') instead."
        )
    assert says(ValueError, check_vectors, "x", np.ones((0, 3))) == (
        "The 'x' parameter must be at least one row and one column. Got shape (0, 3) instead."
    )
    assert says(TypeError, check_vectors, "x", [["a"]]) == (
        "The 'x' parameter must be numbers. Got list instead."
    )
    sparse = pytest.importorskip("scipy.sparse").eye(3)
    assert "Call .toarray() first." in says(TypeError, check_vectors, "x", sparse)


def test_labels_are_numbered_in_sorted_order():
    labels, codes, classes = check_labels(["dog", None, "cat", float("nan"), "dog"])
    assert codes.tolist() == [1, -1, 0, -1, 1]
    assert classes.tolist() == ["cat", "dog"]
    assert labels[0] == "dog"


def test_labels_keep_given_classes():
    _, codes, classes = check_labels(["b", "a"], classes=["c", "b", "a"])
    assert codes.tolist() == [1, 2]
    assert classes.tolist() == ["c", "b", "a"]
    assert says(ValueError, check_labels, ["b", "x"], classes=["a", "b"]) == (
        "The 'labels' parameter must be among the classes. Got labels 'x' instead."
    )


@pytest.mark.parametrize(
    "values",
    [pd.Series(["a", "b"], dtype="category"), pd.Series([1, 2]), np.array([True, False])],
)
def test_labels_of_any_one_type(values):
    _, codes, classes = check_labels(values)
    assert codes.tolist() == [classes.tolist().index(v) for v in list(values)]


def test_labels_of_mixed_type():
    assert says(TypeError, check_labels, ["a", 1, 2.5]) == (
        "The 'labels' parameter must be of one type. Got labels of types float, int, str instead."
    )


def test_a_missing_extra_says_how_to_install_it():
    assert says(MissingExtraError, need_extra, "no_such_package", "text", purpose="'minilm'") == (
        "'minilm' needs the package 'no_such_package', which is not installed. "
        "Install it with: pip install 'curalab[text]'"
    )
    assert need_extra("json", "text", purpose="x").dumps([]) == "[]"
