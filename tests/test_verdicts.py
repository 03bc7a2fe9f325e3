import numpy as np
import pandas as pd
import pytest

from curalab import Embedding
from curalab.duplicates import find_duplicates
from curalab.duplicates._verdicts import estimated_precision, spread_rows


def message(error, function, *args, **settings):
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value.args[0])


@pytest.fixture(scope="module")
def found():
    """Five pairs of rows, 1, 2, 3, 4 and 5 degrees apart."""
    angles = np.deg2rad([v for i in range(5) for v in (30 * i, 30 * i + i + 1)])
    x = np.column_stack([np.cos(angles), np.sin(angles)])
    return find_duplicates(Embedding(vectors=x, ids=list("abcdefghij")), threshold=0.99)


# ---- which pairs to judge ------------------------------------------------------------------------


def test_pairs_are_spread_over_the_range_of_similarity():
    falling = np.array([1.0, 0.99, 0.98, 0.97, 0.96, 0.9, 0.8, 0.7])
    assert falling[spread_rows(falling, 4)].tolist() == [0.7, 0.8, 0.9, 1.0]
    assert falling[spread_rows(falling, 2)].tolist() == [0.7, 1.0]
    assert spread_rows(falling, 99).tolist() == list(range(8))[::-1]
    assert spread_rows(falling, 1).tolist() == [7]


def test_of_equal_similarities_some_from_everywhere_are_asked():
    asked = spread_rows(np.ones(1000), 10)
    assert len(np.unique(asked)) == 10
    assert spread_rows(np.empty(0), 3).tolist() == []


def test_borderline_pairs_keep_their_position(found):
    asked = found.borderline(3)
    assert asked.columns.tolist() == ["id_a", "id_b", "similarity"]
    assert asked.index.tolist() == [4, 3, 0]
    assert asked["id_a"].tolist() == ["i", "g", "a"]
    pd.testing.assert_frame_equal(asked, found.pairs().loc[asked.index])


def test_borderline_asks_for_one_pair_at_least(found):
    assert message(ValueError, found.borderline, 0) == (
        "The 'n' parameter must be an integer from 1 to 1000000. Got 0 instead."
    )


# ---- the estimate --------------------------------------------------------------------------------


def test_all_pairs_judged_leave_nothing_to_estimate(found):
    said = found.precision(pd.Series([True, True, True, False, True]))
    assert (said["precision"], said["low"], said["high"]) == (0.8, 0.8, 0.8)
    assert (said["n_pairs"], said["n_judged"]) == (5, 5)


def test_one_stratum_by_hand():
    # 4 verdicts, 3 right, of 100 pairs: one stratum, and half a verdict of either kind beside.
    said = estimated_precision(np.linspace(1, 0.9, 100), np.array([12, 37, 62, 87]), HALF, 0.95)
    assert said["precision"] == pytest.approx((3 + 96 * 3.5 / 5) / 100)
    assert said["strata"].iloc[0].tolist() == [pytest.approx(0.9), 100, 4, 3]
    assert said["suggested_threshold"] is None
    assert said["low"] < 0.4
    assert said["high"] > 0.93


HALF = np.array([True, True, True, False])


def test_each_stratum_counts_with_its_pairs_whichever_were_judged():
    # 90 of 100 pairs are near 1 and right; of the 10 others none is; as many of both are judged.
    similarity = np.concatenate([np.linspace(1, 0.99, 90), np.linspace(0.6, 0.5, 10)])
    rows = np.concatenate([np.arange(0, 90, 10), np.arange(91, 100)])
    said = estimated_precision(similarity, rows, similarity[rows] > 0.8, 0.95)
    assert said["precision"] == pytest.approx(0.9, abs=0.07)
    assert (similarity[rows] > 0.8).mean() == 0.5


@pytest.mark.parametrize("n_judged", [30, 60])
@pytest.mark.parametrize("chosen", ["spread", "at random"])
def test_the_interval_covers_the_truth(n_judged, chosen):
    rng = np.random.default_rng(n_judged)
    n_covered, n_above, widths = 0, 0, []
    for _ in range(200):
        similarity = np.sort(0.5 + 0.5 * rng.beta(3, 1.2, 1500))[::-1]
        is_right = rng.random(1500) < np.clip(3 * (similarity - 0.6), 0, 1)
        rows = rng.choice(1500, n_judged, replace=False)
        rows = spread_rows(similarity, n_judged) if chosen == "spread" else rows
        said = estimated_precision(similarity, rows, is_right[rows], 0.9)
        n_covered += said["low"] <= is_right.mean() <= said["high"]
        n_above += said["precision"] > is_right.mean()
        widths.append(said["high"] - said["low"])
    assert n_covered >= 176
    assert np.mean(widths) < (0.32 if n_judged == 30 else 0.22)


def test_few_verdicts_give_a_wide_interval():
    similarity = np.linspace(1, 0.9, 1000)
    wide = estimated_precision(similarity, np.array([0, 999]), np.array([True, True]), 0.95)
    rows = np.arange(0, 1000, 5)
    narrow = estimated_precision(similarity, rows, np.ones(200, dtype=bool), 0.95)
    assert wide["low"] < 0.5
    assert narrow["low"] > 0.95
    assert narrow["high"] == 1


def test_the_suggested_threshold_is_where_the_pairs_become_right():
    similarity = np.linspace(1, 0.5, 1000)
    rows = np.arange(0, 1000, 5)
    said = estimated_precision(similarity, rows, similarity[rows] >= 0.8, 0.95)
    assert said["suggested_threshold"] == pytest.approx(0.8, abs=0.06)
    above = similarity >= said["suggested_threshold"]
    assert (similarity[above] >= 0.8).mean() >= 0.9
    lenient = estimated_precision(similarity, rows, similarity[rows] >= 0.8, 0.3)
    assert lenient["suggested_threshold"] == 0.5


def test_verdicts_by_ids_in_either_order_and_by_position_are_the_same(found):
    by_ids = pd.DataFrame(
        {"id_a": ["b", "i", "c"], "id_b": ["a", "j", "d"], "is_duplicate": [True, False, None]}
    )
    by_position = pd.Series([True, False], index=[0, 4])
    one, other = found.precision(by_ids), found.precision(by_position)
    assert one["n_judged"] == other["n_judged"] == 2
    assert one["precision"] == other["precision"]
    pd.testing.assert_frame_equal(one["strata"], other["strata"])


# ---- errors --------------------------------------------------------------------------------------


def test_verdicts_that_are_none(found):
    assert message(TypeError, found.precision, [True, False]) == (
        "The 'verdicts' parameter must be a DataFrame with the columns 'id_a', 'id_b' and "
        "'is_duplicate', or a Series. Got a list instead."
    )
    assert message(TypeError, found.precision, pd.DataFrame({"id_a": ["a"]})) == (
        "The 'verdicts' parameter must be a DataFrame with the columns 'id_a', 'id_b' and "
        "'is_duplicate', or a Series. Got a DataFrame with the columns 'id_a' instead."
    )
    assert message(ValueError, found.precision, pd.Series([None, None], dtype=object)) == (
        "The 'verdicts' parameter must be at least one. Got none instead."
    )
    assert message(ValueError, found.precision, pd.Series(["yes"])) == (
        "The 'verdicts' parameter must be True or False for each pair, or missing. "
        "Got verdicts such as 'yes' instead."
    )


def test_verdicts_on_other_pairs(found):
    asked = pd.DataFrame({"id_a": ["a"], "id_b": ["j"], "is_duplicate": [True]})
    assert message(KeyError, found.precision, asked) == (
        "The 'verdicts' parameter must be on pairs that pairs() lists. "
        "Got the pairs ('a', 'j') instead."
    )
    assert message(KeyError, found.precision, pd.Series([True], index=[5])) == (
        "The 'verdicts' parameter must be indexed by the positions 0 to 4 of pairs(). "
        "Got the positions 5 instead."
    )
    twice = pd.Series([True, True], index=[1, 1])
    assert message(ValueError, found.precision, twice) == (
        "The 'verdicts' parameter must be one for each pair. "
        "Got 1 verdicts on pairs that have one instead."
    )


def test_the_precision_wanted_is_a_share(found):
    assert message(ValueError, found.precision, pd.Series([True]), wanted=2) == (
        "The 'wanted' parameter must be a number from 0 to 1. Got 2 instead."
    )


# ---- which to keep -------------------------------------------------------------------------------


def line():
    """Rows 0, 1, 2 are near each other, 2 only to 1; rows 4 and 5 are copies."""
    x = np.array([[0.0], [1.0], [2.0], [50.0], [90.0], [90.0]])
    ids = [*"abcdef"]
    return find_duplicates(Embedding(vectors=x, metric="euclidean", ids=ids), threshold=0.5)


def test_the_best_of_each_group_is_kept():
    dup = line()
    assert dup.ids[dup.keep].tolist() == ["b", "d", "e"]
    last = dup.keeping([0, 1, 2, 0, 3, 4])
    assert last.ids[last.keep].tolist() == ["c", "d", "f"]
    assert last.group.tolist() == dup.group.tolist()
    np.testing.assert_allclose(last.similarity, [np.nan, 0.5, 1, np.nan, 1, 1])
    oldest = dup.keeping(-pd.Series([3.0, 2, 1, 0, 5, 4], index=[*"abcdef"]))
    assert oldest.ids[oldest.keep].tolist() == ["c", "d", "f"]


def test_times_rules_ties_and_missing_values():
    dup = line()
    times = pd.Series(pd.to_datetime(["2020", "2022", "2021", "2020", None, "2019"]))
    assert dup.ids[dup.keeping(times.to_numpy()).keep].tolist() == ["b", "d", "f"]
    rule = np.array([False, False, True, False, False, False])
    assert dup.ids[dup.keeping(rule).keep].tolist() == ["c", "d", "e"]
    assert dup.ids[dup.keeping(np.full(6, np.nan)).keep].tolist() == ["a", "d", "e"]
    assert dup.keeping(rule).at(0.9).keep.tolist() == dup.at(0.9).keep.tolist()


def test_what_cannot_be_ordered_is_refused():
    with pytest.raises(TypeError) as caught:
        line().keeping([*"abcdef"])
    assert "must be of numbers or times, one a row, higher is rather kept." in str(caught.value)
