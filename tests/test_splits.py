import numpy as np
import pandas as pd
import pytest

from curalab.shift import group_leakage, time_leakage


def message(error, function, *args, **settings):
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value)


def table(**columns):
    return pd.DataFrame(columns, index=list("pqrstuvw")[: len(next(iter(columns.values())))])


# ---- groups --------------------------------------------------------------------------------------


def test_groups_on_both_sides_by_hand():
    items = table(
        split=["train", "train", "test", "test", "test", "train", "test", "train"],
        user=["a", "b", "b", "b", "a", "c", "d", "b"],
    )
    found = group_leakage(items, split="split", groups="user")
    assert found.to_dict("list") == {
        "group": ["b", "a"],
        "n_train": [2, 1],
        "n_test": [2, 1],
        "test_share": [0.5, 0.25],
    }


def test_a_clean_split_gives_an_empty_frame_with_the_same_columns():
    items = table(split=[False, False, True], user=[1, 1, 2])
    found = group_leakage(items, split="split", groups="user")
    assert len(found) == 0
    assert found.columns.tolist() == ["group", "n_train", "n_test", "test_share"]
    assert found["n_test"].sum() == 0


def test_missing_groups_are_in_none_and_validation_rows_are_training_rows():
    items = table(split=["valid", None, "test", "test"], user=["a", None, None, "a"])
    found = group_leakage(items, split="split", groups="user")
    assert found[["group", "n_train", "n_test"]].to_numpy().tolist() == [["a", 1, 1]]


def test_groups_of_numbers_and_categories():
    split = [True, False, True, False]
    for user in ([3, 3, 4, 5], pd.Categorical([3, 3, 4, 5]), [3.0, 3.0, np.nan, np.nan]):
        found = group_leakage(table(split=split, user=user), split="split", groups="user")
        assert found["group"].tolist() == [3]


def test_a_random_split_of_grouped_rows_leaks_and_one_by_group_does_not():
    rng = np.random.default_rng(0)
    user = rng.integers(0, 50, 600)
    items = pd.DataFrame({"user": user, "random": rng.random(600) < 0.3, "by_user": user < 15})
    assert len(group_leakage(items, split="random", groups="user")) > 40
    assert len(group_leakage(items, split="by_user", groups="user")) == 0


# ---- time ----------------------------------------------------------------------------------------


def test_rows_that_break_a_split_by_time_by_hand():
    items = table(
        split=["train", "train", "train", "test", "test", "test", "train"],
        year=[2000, 2005, 2010, 2003, 2020, 1999, 2030],
    )
    found = time_leakage(items, split="split", time="year")
    assert found.index.tolist() == ["u", "v", "s", "q", "r", "p", "t"]
    assert found["side"].tolist() == ["test", "train", "test", "train", "train", "train", "test"]
    assert found["n_crossed"].tolist() == [4, 3, 3, 2, 2, 1, 1]
    assert found["crossed_share"].tolist() == [1, 1, 3 / 4, 2 / 3, 2 / 3, 1 / 3, 1 / 4]
    assert found["problem"].tolist() == [
        "before the training span",
        "later than all test rows",
        "inside the training span",
        "later than some test rows",
        "later than some test rows",
        "later than some test rows",
        "inside the training span",
    ]
    assert found["time"].tolist() == [1999, 2030, 2003, 2005, 2010, 2000, 2020]


def test_rows_at_the_same_moment_do_not_cross():
    items = table(split=[False, False, True], time=[1, 2, 2])
    assert len(time_leakage(items, split="split", time="time")) == 0


@pytest.mark.parametrize(
    "times",
    [
        ["2020-01-01", "2022-01-01T10:00:00", "2021-06-01"],
        pd.to_datetime(["2020-01-01", "2022-01-01", "2021-06-01"]),
        pd.to_datetime(["2020-01-01", "2022-01-01", "2021-06-01"]).tz_localize("Asia/Tokyo"),
        pd.to_timedelta([1, 3, 2], unit="D"),
        [1.0, 3.0, 2.0],
        pd.array([1, 3, 2], dtype="Int64"),
    ],
)
def test_times_of_every_kind(times):
    items = table(split=["train", "train", "test"], at=times)
    found = time_leakage(items, split="split", time="at")
    assert found.index.tolist() == ["q", "r"]
    assert found["crossed_share"].tolist() == [1.0, 0.5]


def test_rows_without_a_time_are_not_compared():
    items = table(split=["train", "train", "test", "test"], at=[1.0, np.nan, 2.0, np.nan])
    assert len(time_leakage(items, split="split", time="at")) == 0
    items["at"] = [None, "2021-01-01", "2020-01-01", None]
    found = time_leakage(items, split="split", time="at")
    assert found["crossed_share"].tolist() == [1, 1]


def test_the_table_is_left_as_it_is():
    items = table(split=["train", "test"], at=["2021-01-01", "2020-01-01"])
    before = items.copy()
    time_leakage(items, split="split", time="at")
    group_leakage(items, split="split", groups="at")
    pd.testing.assert_frame_equal(items, before)


# ---- errors --------------------------------------------------------------------------------------


def test_errors():
    items = table(split=["train", "test", "train"], user=["a", "b", "a"], at=["x", "2020", "y"])
    assert message(TypeError, group_leakage, [1], split="split", groups="user") == (
        "The 'items' parameter must be a DataFrame. Got list instead."
    )
    assert message(ValueError, group_leakage, items, split="splits", groups="user") == (
        "The 'split' parameter must be one of the columns 'split', 'user', 'at'. Got 'splits' "
        "instead. Did you mean 'split'?"
    )
    assert message(ValueError, group_leakage, items, split="split", groups="users") == (
        "The 'groups' parameter must be one of the columns 'split', 'user', 'at'. Got 'users' "
        "instead. Did you mean 'user'?"
    )
    assert message(ValueError, time_leakage, items, split="split", time="ta") == (
        "The 'time' parameter must be one of the columns 'split', 'user', 'at'. Got 'ta' instead."
    )
    assert message(ValueError, time_leakage, items, split="user", time="at") == (
        "The 'split' parameter must be a column with training rows and with test rows (True or "
        "'test'). Got 0 test rows of 3 instead."
    )
    assert message(ValueError, time_leakage, items, split="split", time="at") == (
        "The 'time' parameter must be a column of times or numbers. Got 2 values that are neither "
        "(ids 'p', 'r': 'x', 'y') instead."
    )
    items["at"] = [1.0, np.nan, 2.0]
    assert message(ValueError, time_leakage, items, split="split", time="at") == (
        "The 'time' parameter must be a column with times on both sides of the split. Got 2 "
        "training rows and 0 test rows with a time instead."
    )


def test_days_and_months_are_told_apart_by_the_whole_column():
    items = pd.DataFrame(
        {"part": ["train", "test", "train"], "at": ["05/03/2014", "04/04/2014", ""]}
    )
    items["at"] = ["05/03/2014", "04/04/2014", "13/05/2014"]  # 5 March, 4 April, 13 May
    assert time_leakage(items, split="part", time="at").index.tolist() == [2, 1]
    items["at"] = ["05/03/2014", "04/04/2014", "03/13/2014"]  # 3 May, 4 April, 13 March
    assert time_leakage(items, split="part", time="at").index.tolist() == [0, 1]
    items["at"] = ["04/04/2014", "05/03/2014", "04/05/2014"]
    assert message(ValueError, time_leakage, items, split="part", time="at") == (
        "The 'time' parameter must be of dates that say what is day and month. Got '05/03/2014' "
        "(id 1), which may be read both ways instead. Write dates as 2014-12-31, or read them with "
        "pandas.to_datetime."
    )
