import itertools
import re

import numpy as np
import pandas as pd
import pytest

from curalab import Embedding
from curalab.explanations import explain
from curalab.explanations.rules import Rules


def explained(items, labels, **settings):
    flat = Embedding(vectors=np.ones((len(items), 1)), ids=items.index, metric="euclidean")
    return explain(flat, labels, items=items, method=Rules(**settings), random_state=0)


def f1(covered, member):
    return 2 * (covered & member).sum() / (covered.sum() + member.sum())


@pytest.fixture
def boxes():
    """Uniform rows; cluster 0 is a box in two of five columns, cluster 1 a half-space."""
    rng = np.random.default_rng(0)
    items = pd.DataFrame(rng.random((800, 5)), columns=list("abcde"))
    box = items["a"].between(0.2, 0.6) & items["b"].between(0.5, 0.9)
    return items, np.where(box, 0, np.where(items["c"] > 0.7, 1, 2))


def test_one_cut_by_hand():
    items = pd.DataFrame(
        {"petal length": [1.4, 1.5, 1.9, 3.0, 4.5, 5.1], "noise": [3.0, 1.0, 2.0, 2.5, 1.5, 3.5]}
    )
    why = explained(items, [0, 0, 0, 1, 1, 1])
    # between 1.9 and 3.0: the shortest number no farther than a quarter of the gap from the middle
    assert why.words == [
        ["petal length ≤ 2.5 (covers 100 %, precision 100 %)"],
        ["petal length > 2.5 (covers 100 %, precision 100 %)"],
    ]
    rules = why.details["rules"]
    assert rules["query"].tolist() == ["`petal length` <= 2.5", "`petal length` > 2.5"]
    assert rules["n_conditions"].tolist() == [1, 1]


def test_coverage_and_precision_by_hand():
    items = pd.DataFrame({"x": [1, 2, 3, 4, 5, 6, 7, 8]})
    why = explained(items, [0, 0, 0, 1, 0, 1, 1, 1])
    # x ≤ 3: 3 of 4 members, no other, F1 = 6/7; x ≤ 5: 4 of 4 and one other, F1 = 8/9
    assert why.words[0] == ["x ≤ 5 (covers 100 %, precision 80 %)"]
    # x > 3: 4 of 4 and one other, F1 = 8/9; x > 5: 3 of 4 members, no other, F1 = 6/7
    assert why.words[1] == ["x > 3 (covers 100 %, precision 80 %)"]


def test_a_planted_box_is_found_without_the_columns_that_say_nothing(boxes):
    items, labels = boxes
    why = explained(items, labels)
    rules = why.details["rules"]
    assert rules["covers"][0] == 1
    assert rules["precision"][0] == 1
    assert rules["n_conditions"][0] == 4
    cuts = re.fullmatch("(.*) < a ≤ (.*) and (.*) < b ≤ (.*)", rules["rule"][0]).groups()
    assert [float(cut) for cut in cuts] == pytest.approx([0.2, 0.6, 0.5, 0.9], abs=0.01)


def test_queries_mean_what_rules_say(boxes):
    items, labels = boxes
    rng = np.random.default_rng(1)
    items["kind"] = np.where(labels == 1, "it's", rng.choice(["plain", 'a "quote"', None], 800))
    items["is big"] = items["a"] > 0.5
    items.loc[::7, "c"] = np.nan
    for columns in (1, 2):
        rules = explained(items, labels, max_columns=columns).details["rules"]
        for number, row in rules.iterrows():
            covered = items.index.isin(items.query(row["query"]).index)
            member = labels == number
            assert (covered & member).sum() / member.sum() == pytest.approx(row["covers"])
            assert (covered & member).sum() / covered.sum() == pytest.approx(row["precision"])
    assert rules["rule"][1] == "kind = it's"


def test_no_pair_of_conditions_is_better():
    rng = np.random.default_rng(3)
    for trial in range(5):
        items = pd.DataFrame(rng.integers(0, 6, size=(80, 3)), columns=list("xyz")).astype(float)
        member = rng.random(80) < np.where((items["x"] > 2) & (items["y"] < 4), 0.8, 0.2)
        masks = [np.ones(80, dtype=bool)]
        for column, cut in itertools.product("xyz", range(5)):
            masks += [items[column] <= cut, items[column] > cut]
        best = max(f1(np.asarray(a & b), member) for a in masks for b in masks)
        why = explained(items, np.where(member, 0, -1), max_conditions=2, min_gain=0)
        covered = items.index.isin(items.query(why.details["rules"]["query"][0]).index)
        assert f1(covered, member) == pytest.approx(best), trial


def test_shorter_than_a_tree_that_is_as_good(boxes):
    from sklearn.tree import DecisionTreeClassifier

    items, labels = boxes
    rules = explained(items, labels).details["rules"]
    ours = (
        2 * rules["covers"] * rules["precision"] / (rules["covers"] + rules["precision"])
    ).mean()
    for n_leaves in range(3, 40):
        tree = DecisionTreeClassifier(max_leaf_nodes=n_leaves, random_state=0)
        guess = tree.fit(items.to_numpy(), labels).predict(items.to_numpy())
        if np.mean([f1(guess == c, labels == c) for c in range(3)]) >= ours:
            break
    depth = tree.decision_path(items.to_numpy()).sum(axis=1) - 1  # cuts on the way of each row
    leaves = pd.Series(np.asarray(depth).ravel(), index=tree.apply(items.to_numpy()))
    assert rules["n_conditions"].sum() < leaves.groupby(level=0).first().sum()


def test_pairs_of_columns_find_a_diagonal():
    rng = np.random.default_rng(0)
    size = rng.normal(size=300) * 5
    items = pd.DataFrame({"long": size + rng.normal(size=300) / 2, "wide": size})
    labels = (items["long"] - items["wide"] > 0).astype(int).to_numpy()
    one, two = (explained(items, labels, max_columns=n).details["rules"] for n in (1, 2))
    assert two["query"].str.contains(r"(`long` - `wide`)", regex=False).all()
    assert two["rule"][1].startswith("long - wide > ")
    assert two["precision"].min() > 0.99
    assert one["precision"].min() < 0.7
    single = items[["long"]]
    assert explained(single, labels, max_columns=2).words == explained(single, labels).words


def test_categories_are_tested_for_a_value():
    items = pd.DataFrame({"sex": pd.Categorical(["m", "f", "f", None] * 5), "x": np.arange(20.0)})
    member = (items["sex"] == "f").to_numpy()
    why = explained(items, np.where(member, 3, 7))
    assert why.ids.tolist() == [3, 7]
    assert why.words == [
        ["sex = f (covers 100 %, precision 100 %)"],
        ["sex ≠ f (covers 100 %, precision 100 %)"],  # true of a missing value
    ]


def test_what_cannot_be_read_is_listed():
    items = pd.DataFrame(
        {
            "x": np.arange(6),
            "text": [f"text {n}" for n in range(6)],
            "one": 1.0,
            "inf": [1, 2, 3, 4, 5, np.inf],
            "day": pd.to_datetime(["2020-01-01"] * 3 + ["2020-01-02"] * 3),
            "list": [[1]] * 6,
        }
    )
    why = explained(items, [0, 0, 0, 1, 1, 1])
    assert why.details["left_out"] == ["text", "one", "inf", "day", "list"]
    assert why.words[0] == ["x ≤ 2 (covers 100 %, precision 100 %)"]


def test_columns_of_lists_are_left_out(boxes):
    items, labels = boxes
    why = explained(items.assign(tags=[["x"], ["y"]] * 400), labels)
    assert why.details["left_out"] == ["tags"]
    assert why.words == explained(items, labels).words


def test_one_cluster_needs_no_condition(boxes):
    items, labels = boxes
    assert explained(items, labels * 0).words == [["every row (covers 100 %, precision 100 %)"]]
    rules = explained(items, np.arange(800) % 2).details["rules"]  # nothing tells them apart
    assert rules["n_conditions"].max() <= 1
    assert items.query(rules["query"][0]).shape[0] >= 700
    assert len(explained(items, [-1] * 800)) == 0


def test_noise_counts_as_others():
    items = pd.DataFrame({"x": np.arange(8.0)})
    why = explained(items, [0, 0, 0, 0, -1, -1, -1, -1])
    assert why.words == [["x ≤ 3.5 (covers 100 %, precision 100 %)"]]


def test_max_conditions_and_min_gain_shorten_rules(boxes):
    items, labels = boxes
    assert explained(items, labels, max_conditions=2).details["rules"]["n_conditions"].max() == 2
    assert explained(items, labels, min_gain=1).details["rules"]["n_conditions"].tolist() == [0] * 3


def test_the_order_of_rows_does_not_matter(boxes):
    items, labels = boxes
    order = np.random.default_rng(0).permutation(len(items))
    assert explained(items.iloc[order], labels[order]).words == explained(items, labels).words


def test_many_values_are_cut_between_groups():
    x = np.random.default_rng(0).normal(size=20_000)
    items = pd.DataFrame({"x": x})
    rules = explained(items, (x > 0.5).astype(int)).details["rules"]
    assert rules["covers"].min() > 0.995
    assert rules["precision"].min() > 0.995


def test_rules_need_a_table(boxes):
    items, labels = boxes
    says = (
        "The method 'rules' needs a table with columns of numbers or of values that repeat. "
        "Got {} instead. Pass items=… with such a DataFrame, or choose method='medoids'."
    )
    with pytest.raises(TypeError) as caught:
        explained(items["a"], labels)
    assert str(caught.value) == says.format("Series")
    with pytest.raises(TypeError) as caught:
        explained(pd.DataFrame({"text": [f"text {n}" for n in range(800)], "one": 1}), labels)
    assert str(caught.value) == says.format("a table of columns 'text', 'one'")
    with pytest.raises(ValueError) as caught:
        explained(pd.concat([items, items["a"]], axis=1), labels)
    assert str(caught.value) == (
        "The 'items' parameter must be a table with distinct columns. Got 'a' more than once "
        "instead."
    )


def test_settings_are_checked(boxes):
    items, labels = boxes
    for settings, says in (
        ({"max_conditions": 0}, "'max_conditions' parameter must be an integer of 1 or more."),
        ({"max_columns": 3}, "'max_columns' parameter must be an integer from 1 to 2."),
        ({"min_gain": 2}, "'min_gain' parameter must be a number from 0 to 1."),
    ):
        with pytest.raises(ValueError) as caught:
            explained(items, labels, **settings)
        got = next(iter(settings.values()))
        assert str(caught.value) == f"The {says} Got {got} instead."


def test_the_result_survives_the_disk(boxes, tmp_path):
    why = explained(*boxes)
    why.save(tmp_path / "why")
    opened = type(why).open(tmp_path / "why")
    assert opened.words == why.words
    pd.testing.assert_frame_equal(opened.details["rules"], why.details["rules"], check_dtype=False)
