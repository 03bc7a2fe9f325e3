"""Which group to collect next: optima by hand, planted curves, a measured pool, errors."""

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.selectors._allocation import group_allocation
from curalab.selectors._group_curves import fitted

N = np.array([100.0, 200, 400, 800])


def curves(**laws):
    parts = [
        pd.DataFrame({"group": name, "n": N, "error": a + b * N**-c})
        for name, (a, b, c) in laws.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_the_mean_by_hand():
    # Slopes are alike where b n^-1.5 are: rows go as b^(2/3).
    found = group_allocation(curves(x=(0, 2, 0.5), y=(0, 4, 0.5)), 9000)
    want = 10_600 / (1 + 2 ** (2 / 3)) - 800
    assert found.groups["next"].tolist() == pytest.approx([want, 9000 - want], abs=15)
    assert found.groups["next"].sum() == found.spent == 9000


def test_costs_move_the_optimum():
    # At a price per row the slope must be that much steeper: rows go as cost^(-2/3).
    table = curves(x=(0, 2, 0.5), y=(0, 2, 0.5))
    found = group_allocation(table, 20_000, costs={"x": 1, "y": 8})
    rows = found.groups["have"] + found.groups["next"]
    assert rows["x"] / rows["y"] == pytest.approx(4, rel=0.01)
    assert 19_990 < found.spent <= 20_000


def test_the_worst_group_is_brought_down_to_the_next():
    table = curves(x=(0, 2, 0.5), y=(0, 4, 0.5))
    assert group_allocation(table, 800, objective="worst").groups["next"].tolist() == [0, 800]
    after = group_allocation(table, 9000, objective="worst").groups["error_after"]
    assert after["x"] == pytest.approx(after["y"], abs=1e-4)


def test_weights_and_a_group_that_nothing_helps():
    table = curves(x=(0, 2, 0.5), flat=(0.4, 0, 0.5))
    for objective in ("mean", "worst"):
        found = group_allocation(table, 500, objective=objective)
        assert found.groups["next"].to_dict() == {"flat": 0, "x": 500}
    even = curves(x=(0, 2, 0.5), y=(0, 2, 0.5))
    assert group_allocation(even, 500, weights={"x": 0, "y": 1}).groups["next"]["y"] == 500


def test_a_budget_of_nothing_and_one_row():
    table = curves(x=(0, 2, 0.5), y=(0, 4, 0.5))
    assert group_allocation(table, 0).groups["next"].tolist() == [0, 0]
    assert group_allocation(table, 1).groups["next"].tolist() == [0, 1]


def test_no_split_of_the_budget_is_better():
    laws = {"x": (0.05, 1, 0.4), "y": (0.1, 3, 0.6), "z": (0, 0.8, 0.3)}
    found = group_allocation(curves(**laws), 60, have={"x": 20, "y": 30, "z": 10})
    a, b, c = (found.groups[name].to_numpy() for name in "abc")
    splits = np.array([(i, j, 60 - i - j) for i in range(61) for j in range(61 - i)])
    means = (a + b * (np.array([20, 30, 10]) + splits) ** -c).mean(axis=1)
    assert found.groups["error_after"].mean() == pytest.approx(means.min(), abs=1e-6)


def test_curves_are_found_again():
    a, b, c = fitted(N, 0.1 + 2 * N**-0.5)
    assert pytest.approx(a + b * 6400**-c, abs=0.005) == 0.1 + 2 * 6400**-0.5
    assert fitted(np.array([25.0]), np.array([0.2])) == (0.0, pytest.approx(1.0), 0.5)


def test_it_beats_equal_and_proportional_where_groups_learn_at_other_rates():
    found = group_allocation(
        curves(big=(0.02, 0.3, 0.5), small=(0, 6, 0.5)), 2000, have={"big": 5000, "small": 500}
    )
    mean = found.compared["mean"]
    assert mean["optimal"] < mean["equal"] < mean["proportional"]


def test_a_pool_is_measured():
    rng = np.random.default_rng(0)
    group = np.repeat(["easy", "hard"], [200, 200])
    y = rng.integers(0, 2, 400)
    x = rng.normal(size=(400, 12))
    x[:, 0] += np.where(group == "easy", 8 * y, 0)
    x[:, 1] += np.where(group == "hard", 1.5 * y, 0)
    pool = cl.Pool(embedding=cl.Embedding(vectors=x, metric="euclidean"), labels=y, groups=group)
    found = group_allocation(pool, 100, objective="worst", random_state=0)
    assert found.groups["have"].tolist() == [200, 200]
    assert found.groups["next"]["hard"] > 90
    assert set(found.curves["n"]) == {12, 25, 50, 100}
    again = group_allocation(pool, 100, objective="worst", random_state=0)
    pd.testing.assert_frame_equal(found.groups, again.groups)


TABLE = curves(x=(0, 2, 0.5), y=(0, 4, 0.5))


@pytest.mark.parametrize(
    ("given", "settings", "error", "text"),
    [
        (
            TABLE.drop(columns="n"),
            {},
            TypeError,
            "The 'curves' parameter must be a Pool, or a DataFrame with the columns 'group', 'n' "
            "and 'error'. Got the columns 'group', 'error' instead.",
        ),
        (
            TABLE.assign(error=2.0),
            {},
            ValueError,
            "The 'curves' parameter must be of n from 1 and errors from 0 to 1. "
            "Got n from 100, errors from 2 to 2 instead.",
        ),
        (
            TABLE,
            {"costs": {"x": 1}},
            ValueError,
            "The 'costs' parameter must be given for the measured groups. "
            "Got none for 'y' instead.",
        ),
        (
            TABLE,
            {"weights": {"x": 0, "y": 0}},
            ValueError,
            "The 'weights' parameter must be above 0 for one group or more. Got only 0 instead.",
        ),
        (
            cl.Pool(embedding=np.eye(4), labels=list("abab")),
            {},
            ValueError,
            "The 'curves' parameter must be a Pool with labels and groups. Got no groups instead.",
        ),
        (
            cl.Pool(embedding=np.eye(4), labels=list("abab"), groups=list("xxyy")),
            {},
            ValueError,
            "The 'curves' parameter must be a Pool with at least 8 labelled rows of each group. "
            "Got 2 of the group 'x' instead.",
        ),
    ],
)
def test_errors_say_what_to_do(given, settings, error, text):
    with pytest.raises(error) as caught:
        group_allocation(given, 10, **settings)
    assert str(caught.value) == text
