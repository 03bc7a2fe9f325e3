import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, mannwhitneyu
from sklearn.linear_model import LogisticRegression

from curalab import AlignmentError, Embedding
from curalab.samples import digits, plant_shift
from curalab.shift import GroupTest, Order, ReferenceTest, Shift, find_shift


def message(error, function, *args, **settings):
    with pytest.raises(error) as caught:
        function(*args, **settings)
    return str(caught.value)


def table(x, ids=None):
    return Embedding(vectors=x, metric="euclidean", ids=ids)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def pixels(items):
    x = np.stack(items["image"].tolist()).reshape(len(items), -1)
    return Embedding(vectors=x.astype(np.float32), ids=items.index)


# ---- false alarms --------------------------------------------------------------------------------


def of_groups(seed):
    groups = np.arange(60) % 3
    return find_shift(table(normal(seed, 60, 8)), groups=groups, random_state=seed)


def of_reference(seed):
    x = table(np.random.default_rng(seed).standard_t(2, size=(40, 5)))
    reference = table(np.random.default_rng([seed, 1]).standard_t(2, size=(30, 5)))
    return find_shift(x, reference=reference, method="reference_test", random_state=seed)


def of_order(seed):
    return find_shift(table(normal(seed, 60, 3)), method="order", random_state=seed)


def of_order_with_copies(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, 3))[rng.integers(40, size=120)]
    return find_shift(table(x), method="order", random_state=seed)


NULLS = [of_groups, of_reference, of_order, of_order_with_copies]


@pytest.mark.parametrize("draw", NULLS)
def test_without_a_shift_p_is_even(draw):
    p = np.array([draw(seed).p_value for seed in range(80)])
    for level in (0.05, 0.2, 0.5):
        low, high = binom(80, level).ppf([0.0005, 0.9995])
        assert low <= (p <= level).sum() <= high, level


@pytest.mark.slow
@pytest.mark.parametrize("draw", NULLS)
def test_the_rate_of_false_alarms_is_the_nominal_one(draw):
    p = np.array([draw(1000 + seed).p_value for seed in range(200)])
    assert 0.02 <= (p <= 0.05).mean() <= 0.08


def test_copies_are_no_drift():
    # All neighbours of a copy tie, and are listed from the first row on.
    same = np.repeat(normal(0, 8, 3), 25, axis=0)[np.random.default_rng(0).permutation(200)]
    found = find_shift(table(same), method="order", random_state=0)
    assert found.p_value == 1.0
    assert (found.score == 0).all()


# ---- groups --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["content", "classes"])
def test_a_planted_shift_is_found_and_named(kind):
    planted = plant_shift(digits(), kind=kind, strength=0.5, random_state=0)
    groups = planted.items["group"]
    found = find_shift(pixels(planted.items), groups=groups, random_state=0)
    assert found.p_value == 1 / 200
    shifted = planted.truth.index[planted.truth["is_shifted"]][0]
    assert found.groups["group"].iloc[0] == shifted
    assert found.groups["p_value"].iloc[0] == found.p_value
    assert found.groups["auc"].iloc[0] > 0.65
    mean = pd.Series(found.score, index=found.ids).groupby(groups).mean()
    assert mean.idxmax() == shifted

    shuffled = np.random.default_rng(1).permutation(groups)
    assert find_shift(pixels(planted.items), groups=shuffled, random_state=0).p_value > 0.1


def test_scores_are_held_out_predictions():
    x, groups = normal(0, 12, 3), np.array(list("aaaaabbbbbcc"))
    found = find_shift(table(x), groups=groups, method=GroupTest(penalty=0.5), random_state=0)
    x = x.astype(np.float32) - x.astype(np.float32).mean(axis=0)
    ridge = 0.5 * np.linalg.eigvalsh(x.T @ x).mean() * np.eye(3)
    for i, group in enumerate(groups):
        rest = np.arange(12) != i
        y = (groups == group) - (groups == group).mean()
        weight = np.linalg.solve(x[rest].T @ x[rest] + ridge, x[rest].T @ y[rest])
        assert found.score[i] == pytest.approx(x[i] @ weight, abs=1e-5)


def test_groups_are_told_apart_in_little_more_memory_than_the_vectors_twice():
    emb = table(normal(0, 20_000, 128).astype(np.float32))
    groups, method = np.arange(20_000) % 2, GroupTest(n_permutations=9)
    tracemalloc.start()
    find_shift(emb, groups=groups, method=method, random_state=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.8 * emb.vectors.nbytes


def test_the_table_of_groups_by_hand():
    x = np.array([[0.0], [0.1], [0.2], [10.0], [10.1], [10.2]])
    found = find_shift(table(x), groups=[7, 7, 7, 9, 9, 9], random_state=0)
    assert found.groups["group"].tolist() == [7, 9]
    assert found.groups["n"].tolist() == [3, 3]
    assert found.groups["auc"].tolist() == [1.0, 1.0]
    # Two of the 20 ways to choose three rows of six are as good.
    assert 0.05 < found.p_value < 0.2
    assert found.groups["p_value"].tolist() == [found.p_value] * 2
    assert (found.score > 0).all()


def test_p_is_never_below_what_the_shuffles_can_tell():
    x = np.concatenate([normal(0, 50, 4), normal(1, 50, 4) + 3])
    groups = np.repeat(["a", "b"], 50)
    for n in (9, 99):
        method = GroupTest(n_permutations=n)
        found = find_shift(table(x), groups=groups, method=method, random_state=0)
        assert found.p_value == 1 / (n + 1)
    assert repr(found) == ("Shift(100 items, p = 0.01, method=group_test)")


def test_more_groups_than_one_product_takes():
    x, groups = normal(1, 500, 4), np.arange(500) % 200
    calm = find_shift(table(x), groups=groups, random_state=0)
    assert calm.p_value > 0.05
    x[groups == 17] += 5
    found = find_shift(table(x), groups=groups, random_state=0)
    assert found.p_value == 1 / 200
    assert found.groups["group"].iloc[0] == 17
    assert (found.groups["p_value"].iloc[1:] > 0.05).all()


def test_small_shifts_are_found_more_often_than_by_a_split():
    by_split = by_us = 0
    groups = np.arange(200) % 2
    for seed in range(20):
        x = normal(seed, 200, 20) * np.exp(-np.arange(20) / 5)
        x[groups == 1, 3] += 0.25
        by_us += find_shift(table(x), groups=groups, random_state=seed).p_value <= 0.05
        order = np.random.default_rng(seed).permutation(200)
        fit, test = order[:100], order[100:]
        head = LogisticRegression().fit(x[fit], groups[fit])
        told = head.decision_function(x[test])
        one, other = told[groups[test] == 1], told[groups[test] == 0]
        by_split += mannwhitneyu(one, other, alternative="greater").pvalue <= 0.05
    assert by_us >= by_split + 4


def test_groups_go_by_id():
    x = np.concatenate([normal(0, 40, 3), normal(1, 40, 3) + 2])
    emb = table(x, ids=[f"i{n}" for n in range(80)])
    groups = pd.Series(np.repeat(["a", "b"], 40), index=emb.ids)
    mixed = groups.sample(frac=1, random_state=0)
    found = find_shift(emb, groups=mixed, random_state=0)
    assert found.p_value == 1 / 200
    assert found.score.tolist() == find_shift(emb, groups=groups, random_state=0).score.tolist()
    with pytest.raises(AlignmentError):
        find_shift(emb, groups=groups.rename(index={"i3": "j3"}))


def test_rows_that_are_all_the_same_tell_nothing():
    for method, settings in [
        ("group_test", {"groups": np.arange(20) % 2}),
        ("reference_test", {"reference": np.ones((9, 3))}),
        ("order", {}),
    ]:
        found = find_shift(np.ones((20, 3)), method=method, **settings)
        assert found.p_value == 1.0
        assert (found.score == 0).all()


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        (
            ["a"] * 12,
            "The 'groups' parameter must be of at least two groups. Got one group, 'a' instead.",
        ),
        (
            [*"abababababa", None],
            "The 'groups' parameter must be present for every row. Got none in 1 rows (ids 11) "
            "instead. Drop these rows, or give them a group of their own.",
        ),
        (
            list(range(12)),
            "The 'groups' parameter must be of two rows or more on average. Got 12 groups for 12 "
            "rows instead. For a time or a rank, use order=… and method='order'.",
        ),
        (
            None,
            "The method 'group_test' needs 'groups', and the pool has none. Pass groups=… to "
            "find_shift, or choose another method.",
        ),
    ],
)
def test_groups_that_cannot_be_compared(groups, told):
    assert message(ValueError, find_shift, normal(0, 12, 3), groups=groups) == told


@pytest.mark.parametrize("method", ["group_test", "reference_test", "order"])
def test_three_rows_are_too_few(method):
    x, settings = np.eye(3), {"groups": [0, 1, 1], "reference": np.eye(3)}
    assert message(ValueError, find_shift, x, method=method, **settings) == (
        "The 'embedding' parameter must be of at least 4 rows, to test for a shift. "
        "Got 3 rows instead."
    )


@pytest.mark.parametrize("made", [GroupTest, ReferenceTest, Order])
def test_settings_are_checked(made):
    x, settings = normal(0, 12, 3), {"groups": np.arange(12) % 2, "reference": np.eye(3)}
    assert message(ValueError, find_shift, x, method=made(n_permutations=0), **settings) == (
        "The 'n_permutations' parameter must be an integer of 1 or more. Got 0 instead."
    )
    other, told = (
        ({"k": 0}, "The 'k' parameter must be an integer of 1 or more. Got 0 instead.")
        if made is Order
        else (
            {"penalty": 0.0},
            "The 'penalty' parameter must be a number from 1e-06 to 1e+06. Got 0.0 instead.",
        )
    )
    assert message(ValueError, find_shift, x, method=made(**other), **settings) == told


# ---- a reference ---------------------------------------------------------------------------------


def test_rows_unlike_the_reference_are_found():
    reference, x = table(normal(2, 150, 6)), normal(3, 100, 6)
    calm = find_shift(table(x), reference=reference, method="reference_test", random_state=0)
    assert calm.p_value > 0.05
    x[:30] += 1.5
    found = find_shift(table(x), reference=reference, method="reference_test", random_state=0)
    assert found.p_value == 1 / 200
    assert len(found.score) == 100
    assert found.score[:30].mean() > found.score[30:].mean() + 0.2
    assert sorted(found.groups["group"]) == ["reference", "rows"]
    assert found.groups.set_index("group")["n"].to_dict() == {"rows": 100, "reference": 150}


def test_a_reference_of_another_space_is_refused():
    x = table(normal(0, 12, 3))
    assert message(
        ValueError, find_shift, x, reference=Embedding(vectors=np.eye(3)), method="reference_test"
    ) == ("The 'reference' parameter must be of metric 'euclidean'. Got 'cosine' instead.")
    assert message(
        ValueError, find_shift, x, reference=table(np.eye(4)), method="reference_test"
    ) == ("The 'reference' parameter must be of 3 dimensions, as the embedding is. Got 4 instead.")


# ---- order ---------------------------------------------------------------------------------------


def test_the_order_test_by_hand():
    found = find_shift(table(np.array([[0.0], [1], [10], [11]])), method=Order(k=1))
    # Neighbours are one place apart, as are three of the six pairs.
    assert found.details == {"ks": 0.5, "n_pairs": 4}
    assert found.score.tolist() == [0.5, 0.25, 0.25, 0.5]
    assert found.groups.empty


def test_ties_in_the_order_are_no_distance():
    x = table(np.array([[0.0], [1], [10], [11]]))
    found = find_shift(x, order=[1, 1, 2, 2], method=Order(k=1))
    assert found.details["ks"] == pytest.approx(1 - 2 / 6)
    assert found.score.tolist() == [1.0] * 4


def test_drift_is_found_and_shuffling_ends_it():
    time = np.linspace(0, 3, 150)
    x = normal(0, 150, 4) + time[:, None] * [1, 0, 0, 0]
    found = find_shift(table(x), method="order", random_state=0)
    assert found.p_value == 1 / 200
    mixed = np.random.default_rng(1).permutation(150)
    assert find_shift(table(x[mixed]), method="order", random_state=0).p_value > 0.05
    again = find_shift(table(x[mixed]), order=time[mixed], method="order", random_state=0)
    assert again.details["ks"] == pytest.approx(found.details["ks"])
    np.testing.assert_allclose(again.score, found.score[mixed])
    names = np.array([f"2024-{i:03d}" for i in range(150)])
    by_name = find_shift(table(x[mixed]), order=names[mixed], method="order", random_state=0)
    assert by_name.p_value == again.p_value


def test_rows_of_another_source_score_highest():
    x = normal(0, 200, 5)
    x[80:110] += 4
    found = find_shift(table(x), method="order", random_state=0)
    assert found.p_value == 1 / 200
    is_source = np.isin(np.arange(200), np.arange(80, 110))
    assert found.score[is_source].min() > np.quantile(found.score[~is_source], 0.9)


def test_an_order_must_be_one():
    x = normal(0, 6, 3)
    assert message(ValueError, find_shift, x, order=[1, 2, np.nan, 4, 5, None], method="order") == (
        "The 'order' parameter must be present for every row. Got none in 2 rows (ids 2, 5) "
        "instead."
    )
    assert message(
        TypeError, find_shift, x, order=pd.Series([1, 2, "x", 4, 5, 6]), method="order"
    ) == ("The 'order' parameter must be of values that compare. Got int, str instead.")


# ---- results and contract ------------------------------------------------------------------------


def test_a_shift_survives_the_disk(tmp_path):
    found = find_shift(normal(0, 30, 3), groups=np.arange(30) % 2, random_state=0)
    found.save(tmp_path / "shift")
    opened = Shift.open(tmp_path / "shift")
    assert opened.p_value == found.p_value
    pd.testing.assert_frame_equal(opened.groups, found.groups)
    assert found.to_frame().columns.tolist() == ["shift_score"]


def test_a_function_is_a_method():
    def mine(pool, *, rng):
        return 0.25, np.arange(len(pool))

    assert find_shift(np.eye(3), method=mine).p_value == 0.25

    def broken(pool, *, rng):
        return 1.5, np.arange(len(pool))

    assert message(ValueError, find_shift, np.eye(3), method=broken).endswith(
        "broken' must return 'p_value' as finite numbers from 0 to 1. Got 1.5 instead."
    )


@pytest.mark.parametrize(("given", "method"), [("order", "order"), ("reference", "reference_test")])
def test_what_another_test_compares(given, method):
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError) as caught:
        find_shift(x, **{given: np.arange(20) if given == "order" else x})
    assert str(caught.value) == (
        f"The 'method' parameter must be {method!r} to test by {given}=…, as 'group_test' compares "
        "groups. Got 'group_test' instead."
    )
