import math

import numpy as np
import pandas as pd
import pytest

from curalab import AlignmentError, Embedding
from curalab.explanations._association import association_test
from curalab.explanations._gaps import subgroup_gap

# ---- subgroups -----------------------------------------------------------------------------------


def test_macro_std_by_hand():
    labels = ["a"] * 8 + ["b"] * 4
    right = [1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1]
    predictions = [label if ok else "c" for label, ok in zip(labels, right, strict=True)]
    groups = ["x"] * 6 + ["y"] * 2 + ["x", "x", "y", "y"]
    gap = subgroup_gap(labels, predictions, groups=groups)
    # class a: accuracy 3/4, x 1 (weight 3/4), y 0 (1/4): variance 3/4 · 1/16 + 1/4 · 9/16 = 3/16
    assert gap.classes["std"].tolist() == pytest.approx([math.sqrt(3 / 16), 0])
    assert gap.macro_std == pytest.approx(math.sqrt(3 / 16) / 2)
    assert gap.accuracy == pytest.approx(10 / 12)
    # by chance: 3/4 · 1/4 · (2 - 1) / (8 - 1)
    assert gap.classes["by_chance"].tolist() == pytest.approx([math.sqrt(3 / 16 / 7), 0])
    assert {k: gap.worst[k] for k in ("class", "group", "n", "accuracy")} == {
        "class": "a",
        "group": "y",
        "n": 2,
        "accuracy": 0.0,
    }
    table = gap.to_frame().set_index(["class", "group"])
    assert table["n"].tolist() == [6, 2, 2, 2]
    assert table.loc[("a", "x"), "gap"] == pytest.approx(0.25)
    # Wilson, 0 of 2: from 0 to z² / (2 + z²)
    assert table.loc[("a", "y"), ["low", "high"]].tolist() == pytest.approx(
        [0, 3.8415 / 5.8415], abs=1e-4
    )
    assert repr(gap).startswith("SubgroupGap(macro_std=0.217, by chance 0.082, accuracy=0.833, ")


def test_chance_is_what_random_subgroups_give():
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b"], 200)
    predictions = np.where(rng.random(400) < 0.7, labels, "c")
    runs = [
        subgroup_gap(labels, predictions, groups=rng.integers(0, 5, size=400)) for _ in range(40)
    ]
    squares = np.mean([run.classes["std"] ** 2 for run in runs], axis=0)
    chance = np.mean([run.classes["by_chance"] ** 2 for run in runs], axis=0)
    assert squares == pytest.approx(chance, rel=0.25)
    p_values = [run.p_value for run in runs]
    assert np.mean(np.array(p_values) < 0.1) < 0.25
    assert 0.35 < np.mean(p_values) < 0.65


def test_a_planted_gap_is_seen_and_named():
    rng = np.random.default_rng(0)
    labels, groups = np.repeat(["a", "b"], 300), np.tile(["day", "night", "dusk"], 200)
    weak = (labels == "b") & (groups == "night")
    predictions = np.where(rng.random(600) < np.where(weak, 0.4, 0.9), labels, "c")
    gap = subgroup_gap(labels, predictions, groups=groups)
    assert gap.macro_std > 2 * gap.by_chance
    assert gap.p_value < 1e-6
    assert (gap.worst["class"], gap.worst["group"]) == ("b", "night")
    worse = gap.table[gap.table["is_worse"]]
    assert worse[["class", "group"]].to_numpy().tolist() == [["b", "night"]]


def test_a_small_subgroup_is_not_called_worse():
    labels, groups = ["a"] * 101, ["x"] * 100 + ["y"]
    gap = subgroup_gap(labels, ["a"] * 90 + ["b"] * 11, groups=groups)
    assert gap.worst["group"] == "y"
    assert gap.worst["high"] > 0.75
    cell = gap.table[gap.table["group"] == "y"]
    assert cell["accuracy"].tolist() == [0.0]
    assert cell["low"].tolist() == [0.0]


def test_no_gap_and_one_row():
    gap = subgroup_gap([1, 2], [1, 2], groups=["x", "y"])
    assert (gap.macro_std, gap.by_chance, gap.p_value, gap.accuracy) == (0, 0, 1, 1)
    assert subgroup_gap(["a"], ["b"], groups=["x"]).worst["accuracy"] == 0


def test_series_go_by_id():
    ids = list("pqrs")
    labels = pd.Series([1, 1, 2, 2], index=ids)
    predictions = pd.Series([2, 1, 2, 1], index=ids)
    groups = pd.Series(["x", "y", "x", "y"], index=ids)
    plain = subgroup_gap(labels, predictions, groups=groups)
    moved = subgroup_gap(labels, predictions[::-1], groups=groups.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(plain.table, moved.table)
    with pytest.raises(AlignmentError, match="'predictions'"):
        subgroup_gap(labels, predictions.rename({"p": "z"}), groups=groups)


def test_bad_labels():
    cases = [
        (
            (["a", "b"], ["a", None], ["x", "y"]),
            "The 'predictions' parameter must be present for every row. Got none in 1 rows "
            "(ids 1) instead.",
        ),
        (
            (["a", "b"], ["a"], ["x", "y"]),
            "The 'predictions' parameter must be 2 rows, one for each item. Got 1 rows instead.",
        ),
        (
            ([], [], []),
            "The 'labels' parameter must be at least one label. Got 0 labels instead.",
        ),
        (
            ([1, 2], ["1", "2"], ["x", "y"]),
            "The 'predictions' parameter must be of the type of the labels. Got str where labels "
            "are int instead.",
        ),
    ]
    for (labels, predictions, groups), says in cases:
        with pytest.raises((ValueError, TypeError)) as caught:
            subgroup_gap(labels, predictions, groups=groups)
        assert str(caught.value) == says


# ---- associations --------------------------------------------------------------------------------


def sets(shift, n=6, seed=0):
    """Concepts x drawn towards attribute a by `shift`, y towards b."""
    rng = np.random.default_rng(seed)
    a, b = np.eye(8)[[0] * 4] * 3, np.eye(8)[[1] * 4] * 3
    x, y = shift * np.eye(8)[0], shift * np.eye(8)[1]
    draw = rng.normal(size=(4, n, 8))
    return draw[0] + x, draw[1] + y, a + draw[2, :4] / 3, b + draw[3, :4] / 3


def test_effect_and_exact_p_by_hand():
    x, y = [[1, 0], [1, 1]], [[0, 1], [1, 2]]
    found = association_test(x, y, a=[[1, 0]], b=[[0, 1]])
    score = [1, 0, -1, -1 / math.sqrt(5)]
    assert found.to_frame()["association"].tolist() == pytest.approx(score)
    mean, n = np.mean(score), 4
    spread = math.sqrt(sum((s - mean) ** 2 for s in score) / (n - 1))
    assert found.effect_size == pytest.approx((0.5 - (-1 - 1 / math.sqrt(5)) / 2) / spread)
    assert (found.p_value, found.n_permutations, found.is_exact) == (1 / 6, 6, True)
    assert found.to_frame()["set"].tolist() == ["x", "x", "y", "y"]


def test_a_planted_association_is_found_and_turns_with_the_sets():
    x, y, a, b = sets(2.0)
    found = association_test(x, y, a=a, b=b)
    assert found.effect_size > 1
    assert found.p_value < 0.01
    turned = association_test(y, x, a=a, b=b)
    assert turned.effect_size == pytest.approx(-found.effect_size)
    assert turned.p_value > 0.99


def test_nothing_is_found_where_nothing_is():
    p_values = [
        association_test(*xy, a=a, b=b).p_value
        for *xy, a, b in (sets(0, seed=s) for s in range(40))
    ]
    assert np.mean(np.array(p_values) < 0.1) < 0.25
    assert 0.35 < np.mean(p_values) < 0.65


def test_random_splits_agree_with_all():
    x, y, a, b = sets(0.3)
    whole = association_test(x, y, a=a, b=b)
    drawn = association_test(x, y, a=a, b=b, n_permutations=900, random_state=0)
    assert (whole.n_permutations, whole.is_exact) == (924, True)
    assert (drawn.n_permutations, drawn.is_exact) == (900, False)
    assert drawn.p_value == pytest.approx(whole.p_value, abs=0.05)
    again = association_test(x, y, a=a, b=b, n_permutations=900, random_state=0)
    assert again.p_value == drawn.p_value
    assert "900 random splits" in repr(drawn)


def test_sets_of_other_sizes_and_ids():
    x = Embedding(vectors=[[1, 0.1], [1, 0.2], [1, 0.3]], ids=["p", "q", "r"])
    found = association_test(x, [[0.1, 1]], a=[[1, 0]], b=[[0, 1]])
    assert found.n_permutations == 4
    assert found.associations["id"].tolist() == ["p", "q", "r", 0]
    same = association_test([[1, 1]], [[2, 2]], a=[[1, 0]], b=[[0, 1]])
    assert math.isnan(same.effect_size)
    assert same.p_value == 1


def test_bad_sets():
    x = [[1.0, 0.0]]
    with pytest.raises(ValueError) as caught:
        association_test(x, x, a=x, b=[[1.0, 0.0, 0.0]])
    assert str(caught.value) == (
        "The 'b' parameter must be of 2 dimensions, as 'x' is. Got 3 dimensions instead."
    )
    with pytest.raises(ValueError, match="'a' parameter must be at least one row"):
        association_test(x, x, a=np.ones((0, 2)), b=x)
    with pytest.raises(ValueError, match="'n_permutations' parameter must be an integer of 1"):
        association_test(x, x, a=x, b=x, n_permutations=0)
