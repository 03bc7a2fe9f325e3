"""The effect by class and by any value of the test rows, luck, and odd tables."""

import numpy as np
import pandas as pd
import pytest

from curalab.clusters import cluster
from curalab.effect import Effect, measure_effect
from curalab.embedding import Embedding

N_TRAIN, N_TEST = 160, 240
SITES = ("north", "south")


@pytest.fixture(scope="module")
def two_sites():
    """Return tables of two sites, in which a step repairs the labels of one site only.

    The sites lie far apart, so that what is done to one does nothing to the other.
    """
    rng = np.random.default_rng(0)
    n = N_TRAIN + N_TEST
    site, truth = rng.integers(2, size=(2, n))
    x = 0.6 * rng.normal(size=(n, 4))
    x[np.arange(n), 2 * site + truth] += 2
    ids = pd.Index([f"i{k}" for k in range(n)], name="id")
    items = pd.DataFrame({"label": np.array(["a", "b"])[truth]}, index=ids)
    where = pd.Series(np.array(SITES)[site], index=ids)
    is_wrong = (site == 0) & (rng.random(n) < 0.5)
    spoilt = items["label"].map({"a": "b", "b": "a"}).where(is_wrong, items["label"])
    train, test = items[:N_TRAIN], items[N_TRAIN:]
    return spoilt[:N_TRAIN].to_frame(), train, test, where, Embedding(vectors=x, ids=ids)


@pytest.fixture(scope="module")
def effect(two_sites):
    before, after, test, _, embedding = two_sites
    return measure_effect(before, after, test=test, embedding=embedding, n_seeds=5, random_state=0)


# ---- by any value --------------------------------------------------------------------------------


def test_the_group_that_gained_is_found(effect, two_sites):
    where = two_sites[3]
    parts = effect.by(where)  # of all rows: the test rows are taken by id
    assert parts.columns.tolist() == [
        "value", "n_test", "before", "after", "control", "gain", "low", "high", "is_detectable",
    ]  # fmt: skip
    assert parts["value"].tolist() == list(SITES)
    assert parts["is_detectable"].tolist() == [True, False]
    assert parts["low"][0] > 0.2
    assert abs(parts["gain"][1]) < 0.1
    assert ((parts["low"] <= parts["gain"]) & (parts["gain"] <= parts["high"])).all()
    by_hand = effect.to_frame().groupby(where[effect.ids])["effect_after"].mean()
    assert parts["after"].tolist() == pytest.approx(by_hand.tolist())
    assert (parts["n_test"] / N_TEST) @ parts["gain"] == pytest.approx(effect.gain)


def test_values_by_position_and_by_id_agree(effect, two_sites):
    where = two_sites[3]
    by_id = effect.by(where.sample(frac=1, random_state=0))
    assert effect.by(where[effect.ids].tolist()).equals(by_id)
    assert effect.by(where[effect.ids].to_numpy()).equals(by_id)


def test_the_classes_are_a_break_down_by_the_labels(effect, two_sites):
    test = two_sites[2]
    parts = effect.by(test["label"]).rename(columns={"value": "class"})
    pd.testing.assert_frame_equal(parts, effect.per_class)


def test_clusters(effect, two_sites):
    *_, embedding = two_sites
    clusters = cluster(embedding, random_state=0)
    parts = effect.by(clusters)
    assert parts["n_test"].sum() == N_TEST
    assert set(parts["value"]) <= set(clusters.labels)


def test_rows_without_a_value_come_last(effect, two_sites):
    where = two_sites[3].copy()
    where.loc[effect.ids[:50]] = None
    parts = effect.by(where)
    assert parts["value"].tolist()[:2] == list(SITES)
    assert parts["value"].isna().tolist() == [False, False, True]
    assert parts["n_test"].tolist()[-1] == 50


def test_ranges_keep_their_order(effect):
    length = np.arange(N_TEST) % 30
    parts = effect.by(pd.cut(length, [0, 5, 10, 40], labels=["short", "middle", "long"]))
    assert parts["value"].tolist()[:3] == ["short", "middle", "long"]
    assert parts["value"].isna().tolist() == [False, False, False, True]
    assert parts["n_test"].tolist() == [40, 40, 152, 8]
    assert len(effect.by(pd.cut(length, 4))) == 4


def test_one_row_of_a_value_says_little(effect):
    parts = effect.by(["odd"] + ["other"] * (N_TEST - 1))
    assert parts["high"][0] - parts["low"][0] > 0.9
    assert not parts["is_detectable"][0]


def test_looking_at_more_parts_asks_for_more(effect):
    few, many = effect.by(np.arange(N_TEST) % 2), effect.by(np.arange(N_TEST) % 60)
    assert few["is_detectable"].all()
    assert not many["is_detectable"].any()


def test_no_more_false_alarms_over_many_parts_than_promised(two_sites):
    before, _, test, _, embedding = two_sites
    alarms = 0
    for draw in range(8):
        some = np.sort(np.random.default_rng(draw).permutation(N_TRAIN)[:150])
        effect = measure_effect(
            before, before.iloc[some], test=test, embedding=embedding, n_seeds=4, random_state=0
        )
        alarms += effect.by(np.arange(N_TEST) % 12)["is_detectable"].any()
    assert alarms <= 1


def test_after_opening_it_again(effect, two_sites, tmp_path):
    effect.save(tmp_path / "effect")
    again = Effect.open(tmp_path / "effect")
    assert again.by(two_sites[3]).equals(effect.by(two_sites[3]))
    assert again.is_beyond_chance == effect.is_beyond_chance


def test_nothing_changed_in_any_part(two_sites):
    before, _, test, where, embedding = two_sites
    effect = measure_effect(before, before, test=test, embedding=embedding, n_seeds=2)
    parts = effect.by(where)
    assert (parts[["gain", "low", "high"]] == 0).all(axis=None)
    assert not parts["is_detectable"].any()
    assert not effect.is_beyond_chance


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            ["x"] * 9,
            "The 'values' parameter must be 240 values, one for each test row with a label. "
            "Got 9 values instead. A Series goes by id.",
        ),
        (
            pd.Series("x", index=["i160", "i161"]),
            "The 'values' parameter must be values for every test row. Got none for the ids "
            "'i162', 'i163', 'i164', 'i165', 'i166' and 233 more instead.",
        ),
        (
            np.zeros((240, 2)),
            "The 'values' parameter must be one column. Got shape (240, 2) instead.",
        ),
        ("site", "The 'values' parameter must be one column. Got shape () instead."),
    ],
)
def test_values_that_do_not_fit(effect, values, said):
    with pytest.raises(ValueError, match="values") as error:
        effect.by(values)
    assert str(error.value) == said


# ---- luck ----------------------------------------------------------------------------------------


def test_a_random_step_is_not_beyond_chance():
    """Dropping random rows of a small table does something, which many test rows detect."""
    alarms = detected = 0
    for draw in range(6):
        rng = np.random.default_rng(draw)
        truth = rng.integers(3, size=80 + 5_000)
        x = rng.normal(size=(len(truth), 6)) + 1.5 * np.eye(6)[truth]
        items = pd.DataFrame({"label": truth})
        before, test = items[:80], items[80:]
        after = before.drop(index=rng.permutation(80)[:16])
        effect = measure_effect(
            before,
            after,
            test=test,
            embedding=Embedding(vectors=x, metric="euclidean"),
            n_seeds=8,
            random_state=draw,
        )
        detected += effect.is_detectable
        alarms += effect.is_beyond_chance
        if effect.is_detectable and not effect.is_beyond_chance:
            assert effect.sentence.split(". Whether")[0].endswith(", which may do the same")
    assert detected >= 2
    assert alarms == 0


# ---- odd tables ----------------------------------------------------------------------------------


def test_one_test_row(two_sites):
    before, after, test, _, embedding = two_sites
    effect = measure_effect(
        before, after, test=test[:1], embedding=embedding, n_seeds=3, random_state=0
    )
    assert len(effect) == 1
    assert not effect.is_detectable
    assert -1 <= effect.interval[0] < effect.interval[1] <= 1


def test_all_rows_dropped(two_sites):
    before, _, test, _, embedding = two_sites
    with pytest.raises(ValueError, match="after") as error:
        measure_effect(before, before[:0], test=test, embedding=embedding)
    assert str(error.value) == (
        "The 'after' parameter must be a table with rows. Got 0 rows instead."
    )


def test_rows_that_weigh_nothing(two_sites):
    before, _, test, _, embedding = two_sites
    light = before.assign(weight=np.where(np.arange(N_TRAIN) < 3, 1.0, 0.0))
    effect = measure_effect(
        light, light[:4], test=test, embedding=embedding, n_seeds=6, random_state=0
    )  # the control, too, keeps one that weighs something
    assert effect.gain == 0
    assert effect.details["change"] == {"dropped": N_TRAIN - 4}


def test_one_class_left_after_dropping(two_sites):
    before, _, test, _, embedding = two_sites
    with pytest.raises(ValueError, match="after") as error:
        measure_effect(before, before[before["label"] == "a"], test=test, embedding=embedding)
    assert str(error.value) == (
        "The 'after' parameter must be a table with labelled rows of 2 classes or more. "
        "Got 1 class instead."
    )


def test_an_id_that_occurs_twice(two_sites):
    before, _, test, _, embedding = two_sites
    with pytest.raises(ValueError, match="i161") as error:
        measure_effect(before, before, test=test.iloc[[0, 1, 1]], embedding=embedding)
    assert "ids that occur twice: 'i161'" in str(error.value)


def test_missing_labels_of_every_kind_do_not_train(two_sites):
    before, _, test, _, embedding = two_sites
    gaps = before["label"].astype(object)
    gaps.iloc[:10], gaps.iloc[10:20], gaps.iloc[20:30] = None, np.nan, pd.NA
    effect = measure_effect(
        before, gaps.to_frame(), test=test, embedding=embedding, n_seeds=2, random_state=0
    )
    assert effect.details["change"] == {"dropped": 30}


def test_a_class_that_the_step_lost_is_told(two_sites):
    _, after, test, _, embedding = two_sites
    before = after.copy()
    before.iloc[:8, 0] = "c"
    test = test.copy()
    test.iloc[:6, 0] = "c"
    effect = measure_effect(
        before, before[8:], test=test, embedding=embedding, n_seeds=3, random_state=0
    )
    assert effect.details["notes"] == ["6 test rows are of classes that 'after' has lost."]
    assert effect.per_class["class"].tolist() == ["a", "b", "c"]
    assert (effect.after[:6] == 0).all()


def test_markup_in_labels_is_escaped(two_sites):
    before, after, test, _, embedding = two_sites
    bad = {"a": "<script>alert(1)</script>", "b": "b"}
    before, after, test = (t.assign(label=t["label"].map(bad)) for t in (before, after, test))
    effect = measure_effect(
        before, after, test=test, embedding=embedding, n_seeds=2, random_state=0
    )
    html = effect._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
