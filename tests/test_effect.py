"""What a step is worth: planted cleaning, nulls, controls, intervals, and what is refused."""

import logging

import numpy as np
import pandas as pd
import pytest

from curalab.effect import Effect, measure_effect
from curalab.effect._arms import Arm, Change
from curalab.effect._interval import gain_of
from curalab.embedding import Embedding
from curalab.ledger import Ledger

N_TRAIN, N_TEST = 160, 200


def blobs(seed=0, gap=1.6, n_classes=3):
    """Return a table of overlapping classes and its embedding; the first rows are to train on."""
    rng = np.random.default_rng(seed)
    n = N_TRAIN + N_TEST
    truth = np.arange(n) % n_classes
    x = rng.normal(size=(n, 4)) + gap * np.eye(4)[truth]
    ids = pd.Index([f"i{k}" for k in range(n)], name="id")
    items = pd.DataFrame({"label": np.array(list("abcd"))[truth]}, index=ids)
    return items, Embedding(vectors=x, ids=ids, metric="euclidean")


def spoiled(train, share=0.35, seed=1):
    """Return the training rows with some labels moved on to the next class, and which."""
    rng = np.random.default_rng(seed)
    is_wrong = rng.random(len(train)) < share
    dirty = train.copy()
    dirty.loc[is_wrong, "label"] = train["label"][is_wrong].map({"a": "b", "b": "c", "c": "a"})
    return dirty, is_wrong


@pytest.fixture(scope="module")
def data():
    items, embedding = blobs()
    train, test = items[:N_TRAIN], items[N_TRAIN:]
    dirty, is_wrong = spoiled(train)
    return train, dirty, is_wrong, test, embedding


def effect_of(before, after, test, embedding, **settings):
    settings = {"n_seeds": 4, "random_state": 0, **settings}
    return measure_effect(before, after, test=test, embedding=embedding, **settings)


# ---- planted truth -------------------------------------------------------------------------------


def test_repairing_labels_is_found_and_beats_chance(data):
    train, dirty, is_wrong, test, embedding = data
    effect = effect_of(dirty, train, test, embedding, n_seeds=10)
    assert effect.is_detectable
    assert effect.is_beyond_chance
    assert effect.interval[0] > 0
    assert effect.interval_over_random[0] > 0
    assert effect.interval[0] < effect.gain < effect.interval[1]
    assert effect.details["change"] == {"relabelled": int(is_wrong.sum())}
    assert effect.gain == pytest.approx(effect.after.mean() - effect.before.mean())
    assert effect.gain_over_random == pytest.approx(effect.after.mean() - effect.control.mean())
    assert effect.control.mean() < effect.before.mean()  # relabelling at random does harm


def test_dropping_wrong_rows_is_found_and_beats_chance(data):
    _, dirty, is_wrong, test, embedding = data
    effect = effect_of(dirty, dirty[~is_wrong], test, embedding)
    assert effect.interval[0] > 0
    assert effect.interval_over_random[0] > 0
    assert effect.details["change"] == {"dropped": int(is_wrong.sum())}


def test_weighing_wrong_rows_down_is_found_and_beats_chance(data):
    _, dirty, is_wrong, test, embedding = data
    after = dirty.assign(weight=np.where(is_wrong, 0.05, 1))
    effect = effect_of(dirty, after, test, embedding)
    assert effect.interval[0] > 0
    assert effect.interval_over_random[0] > 0
    assert effect.details["change"] == {"reweighted": int(is_wrong.sum())}


def test_labelling_rows_is_found_and_beats_labels_at_random(data):
    train, _, _, test, embedding = data
    before = train.copy()
    before.loc[before.index[15:], "label"] = None
    effect = effect_of(before, train, test, embedding)
    assert effect.interval[0] > 0
    assert effect.interval_over_random[0] > 0
    assert effect.details["change"] == {"labelled": N_TRAIN - 15}
    assert "over giving the new labels to as many rows at random" in effect.sentence
    assert "not whether these rows were the ones to label" in effect.details["notes"][-1]


def test_spoiling_labels_is_found_too(data):
    train, dirty, _, test, embedding = data
    effect = effect_of(train, dirty, test, embedding)
    assert effect.interval[1] < 0
    assert effect.sentence.startswith("Accuracy fell from ")


def test_dropping_at_random_has_no_detectable_effect(data):
    _, dirty, _, test, embedding = data
    some = np.sort(np.random.default_rng(3).permutation(N_TRAIN)[:140])
    effect = effect_of(dirty, dirty.iloc[some], test, embedding)
    assert not effect.is_detectable
    assert effect.interval_over_random[0] <= 0 <= effect.interval_over_random[1]


def test_nothing_changed_is_exactly_nothing(data):
    _, dirty, _, test, embedding = data
    shuffled = dirty.sample(frac=1, random_state=0).assign(tags=[["x"]] * N_TRAIN, weight=1.0)
    effect = effect_of(dirty, shuffled, test, embedding)
    assert effect.gain == 0
    assert effect.interval == (0, 0)
    assert np.isnan(effect.gain_over_random)
    assert not effect.is_detectable
    assert (effect.per_class["gain"] == 0).all()
    accuracy = f"{100 * effect.before.mean():.1f} %"
    assert effect.sentence == (
        f"No change: both sides train on the same rows. Accuracy {accuracy}. "
        "Whether a method edited test labels was not checked: there is no ledger."
    )


def test_rows_without_a_label_do_not_train(data):
    _, dirty, _, test, embedding = data
    unlabelled = dirty.copy()
    unlabelled.loc[unlabelled.index[:30], "label"] = None
    effect = effect_of(unlabelled, unlabelled[30:], test, embedding)
    assert effect.details["change"] == {}
    both = effect_of(dirty, unlabelled, test, embedding)
    dropped = effect_of(dirty, dirty[30:], test, embedding)
    assert both.gain == dropped.gain
    assert both.details["change"] == dropped.details["change"] == {"dropped": 30}


def test_before_is_the_same_whatever_the_step(data):
    train, dirty, is_wrong, test, embedding = data
    one = effect_of(dirty, train, test, embedding)
    other = effect_of(dirty, dirty[~is_wrong], test, embedding)
    assert np.array_equal(one.before, other.before)


def test_the_order_of_rows_does_not_matter(data):
    train, dirty, _, test, embedding = data
    plain = effect_of(dirty, train, test, embedding)
    mixed = effect_of(dirty, train.sample(frac=1, random_state=1), test, embedding)
    assert np.array_equal(plain.after, mixed.after)


# ---- what it tells -------------------------------------------------------------------------------


def made(**changes):
    """Return an Effect with numbers put in by hand."""
    values = {
        "ids": pd.Index(["x", "y"]),
        "before": np.array([1, 0.824]),
        "after": np.array([1, 0.868]),
        "control": np.array([0.9, 0.9]),
        "gain": 0.022,
        "interval": (0.011, 0.034),
        "gain_over_random": 0.026,
        "interval_over_random": (0.0104, 0.0416),
        "balanced": {},
        "per_class": pd.DataFrame({"class": ["a"], "gain": [0.022]}),
        "details": {"change": {"relabelled": 3}, "test_checked": True, "notes": ["a < b"]},
    }
    return Effect(**{**values, **changes})


def test_the_sentence_of_a_rise():
    assert made().sentence == (
        "Accuracy rose from 91.2 % to 93.4 %: +2.2 points (95 % interval +1.1 to +3.4) over doing "
        "nothing, +2.6 (95 % interval +1.0 to +4.2) over relabelling as many rows at random."
    )
    assert repr(made()) == ("Effect(2 items, gain +2.2 points (95 % interval +1.1 to +3.4))")


def test_the_sentence_of_an_effect_that_chance_may_have_too():
    effect = made(interval_over_random=(-0.01, 0.062))
    assert effect.is_detectable
    assert not effect.is_beyond_chance
    assert effect.sentence.endswith(
        "over doing nothing, +2.6 (95 % interval -1.0 to +6.2) over relabelling as many rows at "
        "random, which may do the same."
    )


def test_the_sentence_of_no_detectable_effect():
    effect = made(
        gain=-0.0001,
        interval=(-0.012, 0.013),
        details={"change": {"dropped": 3, "relabelled": 1}, "test_checked": True, "notes": []},
    )
    assert effect.sentence == (
        "No detectable effect: accuracy 91.2 % before, 93.4 % after: +0.0 points (95 % interval "
        "-1.2 to +1.3) over doing nothing, +2.6 (95 % interval +1.0 to +4.2) over dropping and "
        "relabelling as many rows at random."
    )


def test_the_html_escapes_its_notes():
    html = made()._repr_html_()
    assert "<li>a &lt; b</li>" in html
    assert "Accuracy rose" in html


def test_frame_classes_and_disk(data, tmp_path):
    train, dirty, _, test, embedding = data
    effect = effect_of(dirty, train, test, embedding)
    frame = effect.to_frame()
    assert frame.index.equals(test.index)
    assert frame.columns.tolist() == ["effect_before", "effect_after", "effect_control"]
    per_class = effect.per_class
    assert per_class["class"].tolist() == ["a", "b", "c"]
    assert per_class["n_test"].sum() == N_TEST
    by_hand = frame.groupby(test["label"])["effect_after"].mean()
    assert per_class["after"].tolist() == pytest.approx(by_hand.tolist())
    assert effect.balanced["after"] == pytest.approx(by_hand.mean())
    assert (per_class["low"] <= per_class["gain"]).all()
    assert (per_class["gain"] <= per_class["high"]).all()
    effect.save(tmp_path / "effect")
    again = Effect.open(tmp_path / "effect")
    assert again.sentence == effect.sentence
    assert again.is_detectable


def test_same_seed_same_effect(data):
    train, dirty, _, test, embedding = data
    first, again, other = (
        effect_of(dirty, train, test, embedding, random_state=s) for s in (1, 1, 2)
    )
    assert first.to_frame().equals(again.to_frame())
    assert first.interval == again.interval
    assert not first.to_frame().equals(other.to_frame())
    assert first.params["random_state"] == 1


# ---- the control ---------------------------------------------------------------------------------


def arm(codes, weight=None):
    codes = np.array(codes)
    return Arm(codes, np.ones(len(codes)) if weight is None else np.array(weight, dtype=float))


def test_the_control_does_as_much_of_each_kind_elsewhere():
    before = arm([0] * 40 + [1] * 40 + [-1] * 20)
    after = arm(
        [-1] * 5 + [1] * 10 + [0] * 25 + [1] * 40 + [0] * 6 + [-1] * 14, [1] * 79 + [3] + [1] * 20
    )
    nothing = np.zeros(100, dtype=bool)
    change = Change.between(before, after, nothing)
    assert change.counts == {"dropped": 5, "labelled": 6, "relabelled": 10, "reweighted": 1}
    seen = set()
    for seed in range(20):
        control = change.at_random(before, after, rng=np.random.default_rng(seed))
        again = Change.between(before, control, nothing)
        assert again.counts == change.counts
        assert (control.codes[again.labelled] == 0).all()
        assert control.weight[again.reweighted].tolist() == [3]
        seen |= set(np.flatnonzero(again.dropped))
    assert len(seen) > 40


def test_random_labels_come_as_often_as_the_new_ones_did():
    before = arm([0] * 300 + [1] * 300 + [2] * 300)
    after = arm([1] * 200 + [0] * 100 + [1] * 300 + [2] * 300)  # only "1" was ever the new label
    change = Change.between(before, after, np.zeros(900, dtype=bool))
    control = change.at_random(before, after, rng=np.random.default_rng(0))
    changed = control.codes != before.codes
    assert changed.sum() == 200
    assert (control.codes[changed & (before.codes != 1)] == 1).all()
    assert set(control.codes[changed & (before.codes == 1)]) == {0, 2}  # never its own label


# ---- intervals -----------------------------------------------------------------------------------


def test_an_interval_by_hand():
    before = np.zeros((4, 2), dtype=bool)
    after = np.array([[1, 1], [1, 0], [0, 0], [0, 0]], dtype=bool)
    gain = gain_of(after, before)
    assert gain.mean == 3 / 8
    # Rows: gaps 1, 0.5, 0, 0 and one won, one lost; the mean of these six is 0.25.
    squares = 0.75**2 + 0.25**2 + 2 * 0.25**2 + 0.75**2 + 1.25**2
    by_row = 1.959964 * np.sqrt(squares) / 6
    # Seeds: gains 0.5 and 0.25, whose mean has a standard error of 0.125; Student with one degree
    # of freedom makes that 12.7 times as much, which is more than there is.
    assert gain.interval == (-1, 1)
    many = gain_of(np.repeat(after, 40, axis=1), np.repeat(before, 40, axis=1))
    by_seed = 1.990450 * 0.125 * np.sqrt(80 / 79 / 80)
    half = np.hypot(by_row, by_seed)
    assert many.interval == pytest.approx((0.25 - half, 0.25 + half), rel=1e-5)


def test_a_few_rows_without_a_change_prove_nothing():
    right = np.ones((3, 10), dtype=bool)
    few, more = (
        gain_of(right, right),
        gain_of(np.ones((3_000, 10), bool), np.ones((3_000, 10), bool)),
    )
    assert few.mean == more.mean == 0
    assert few.high == pytest.approx(1.959964 * np.sqrt(2) / 5, rel=1e-5)
    won = gain_of(right, ~right)
    assert won.mean == won.high == 1
    assert won.low == pytest.approx(0.6 - 1.959964 * np.sqrt(3 * 0.4**2 + 0.4**2 + 1.6**2) / 5)
    assert more.high < 0.001


def test_chance_and_many_looks_widen():
    rng = np.random.default_rng(0)
    before, after = rng.random((2, 300, 10)) < 0.5
    plain = gain_of(after, before)
    for wider in (gain_of(after, before, chance=0.1), gain_of(after, before, n_looks=20)):
        assert wider.mean == plain.mean
        assert wider.low < plain.low
        assert wider.high > plain.high
    small = gain_of(after, before, chance=0.001)  # less than the rows alone explain
    assert small == plain


@pytest.mark.parametrize("n_seeds", [2, 5, 10])
@pytest.mark.parametrize("n_test", [20, 150, 2_000])
def test_intervals_cover_the_truth_as_often_as_they_say(n_seeds, n_test):
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        # Rows differ in how likely a side wins or loses them, seeds in how good the sides are.
        side = 0.05 * rng.normal(size=(n_seeds,))
        ease = rng.normal(size=(n_test, 1))
        noise = rng.random((n_test, n_seeds)) - 0.5
        before = ease + noise > 0
        after = ease + noise + 0.05 + side > 0
        low, high = gain_of(after, before).interval
        hits += low <= 0.0191 <= high  # 0.05 times the density of ease + noise at 0
    assert hits / 200 >= 0.93


def test_no_more_false_alarms_than_promised():
    items, embedding = blobs(seed=5)
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        train = items.iloc[rng.permutation(len(items))]
        before, test = train[:N_TRAIN], train[N_TRAIN:]
        after = before.iloc[np.sort(rng.permutation(N_TRAIN)[:150])]
        alarms += effect_of(before, after, test, embedding, n_seeds=3).is_detectable
    assert alarms <= 4  # 5 % of 20 is 1


# ---- encoders ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    words = {"fruit": ["apple", "pear", "plum"], "traffic": ["car", "bus", "tram"]}
    labels = rng.permutation(np.repeat(["fruit", "traffic"], 60))
    rows = [" ".join(rng.choice([*words[kind], "the", "a"], size=4)) for kind in labels]
    items = pd.DataFrame({"text": rows, "label": labels}, index=[f"t{k}" for k in range(120)])
    return items[:60], items[60:]


def test_an_encoder_is_fitted_once_on_before(texts):
    before, test = texts
    dirty = before.copy()
    dirty.loc[dirty.index[::3], "label"] = "fruit"
    effect = measure_effect(dirty, before, test=test, encoder="tfidf", n_seeds=3, random_state=0)
    assert effect.gain > 0
    assert effect.params["vectors"]["method"] == "tfidf"
    assert effect.details["change"].keys() == {"relabelled"}


def test_edited_contents_are_encoded_anew_and_have_no_control(texts):
    before, test = texts
    spoilt = before.copy()
    spoilt["text"] = "the a"
    effect = measure_effect(spoilt, before, test=test, encoder=by_words, n_seeds=3, random_state=0)
    assert effect.details["change"] == {"edited": 60}
    assert effect.interval[0] > 0
    assert np.isnan(effect.gain_over_random)
    assert effect.sentence.count("95 % interval") == 1
    assert effect.details["notes"][-1] == (
        "60 rows hold other contents; the control leaves contents alone."
    )


def by_words(batch):
    words = ("apple", "pear", "plum", "car", "bus", "tram")
    return np.array([[1] + [text.split().count(w) for w in words] for text in batch], np.float32)


def test_an_encoder_of_text_wants_one_column(texts):
    before, test = (table.assign(site="north") for table in texts)
    with pytest.raises(ValueError, match="before") as error:
        measure_effect(before, before, test=test, encoder="tfidf")
    assert str(error.value) == (
        "The 'before' parameter must be a table with one column of text beside 'label', weight, "
        "tags and split. Got columns 'text', 'site' instead. "
        "Pass before[['text', 'label']], or embedding=…."
    )


def test_a_test_table_without_the_contents(texts):
    before, test = texts
    with pytest.raises(ValueError, match="test") as error:
        measure_effect(before, before, test=test[["label"]], encoder="tfidf")
    assert str(error.value) == (
        "The 'test' parameter must be a table with the columns 'text', as 'before'. "
        "Got one without 'text' instead."
    )


def test_a_table_without_contents(data):
    train, dirty, _, test, _ = data
    with pytest.raises(ValueError, match="before") as error:
        measure_effect(dirty, train, test=test, encoder=by_words)
    assert str(error.value) == (
        "The 'before' parameter must be a table with something to encode beside 'label'. "
        "Got columns 'label' instead."
    )


def test_one_of_encoder_and_embedding(data):
    train, dirty, _, test, embedding = data
    with pytest.raises(TypeError) as error:
        measure_effect(dirty, train, test=test)
    said = "One of the 'encoder' and 'embedding' parameters must be given. Got {} instead."
    assert str(error.value) == said.format("neither")
    with pytest.raises(TypeError) as error:
        measure_effect(dirty, train, test=test, embedding=embedding, encoder=by_words)
    assert str(error.value) == said.format("both")


# ---- seals and refusals --------------------------------------------------------------------------


def test_test_labels_set_by_a_method_are_refused(data, tmp_path):
    train, dirty, _, test, embedding = data
    with Ledger(tmp_path / "ledger") as ledger:
        change = {"action": "relabel", "field": "label", "new": "a"}
        ledger.record("i0", **change, actor="k_center", method="k_center")
        ledger.record("i200", **change, actor="Ann", method="confident_learning")
        effect = effect_of(dirty, train, test, embedding, ledger=ledger)
        assert effect.details["test_checked"]
        assert "not checked" not in effect.sentence
        event = ledger.record("i201", **change, actor="my_model", method="my_model")
        ledger.record("i202", **change, actor="k_center")
        with pytest.raises(ValueError, match="test") as error:
            effect_of(dirty, train, test, embedding, ledger=ledger)
        assert str(error.value) == (
            "The 'test' parameter must be a table whose labels no method edited. Got labels set "
            "by 'my_model', 'k_center' (ids 'i201', 'i202') instead. "
            "Undo those decisions, or let a person decide them."
        )
        ledger.undo(event, actor="Ann")
        ledger.record("i202", **change, actor="Ann")
        assert effect_of(dirty, train, test, embedding, ledger=ledger).details["test_checked"]


def test_a_ledger_is_no_path(data):
    said = "The 'ledger' parameter must be a Ledger, such as cl.Ledger('my.ledger'). "
    refused(data, f"{said}Got 'my.ledger' instead.", TypeError, ledger="my.ledger")


def test_copies_between_train_and_test_are_told(data, caplog):
    train, dirty, _, test, embedding = data
    x = embedding.vectors.copy()
    x[[N_TRAIN + 3, N_TRAIN + 9]] = x[[5, 6]]
    x[N_TRAIN + 11] = x[7] + 0.01
    leaky = Embedding(vectors=x, ids=embedding.ids, metric="euclidean")
    with caplog.at_level(logging.WARNING, logger="curalab.effect"):
        effect = effect_of(dirty, train, test, leaky)
    said = (
        "2 test rows equal a training row (ids 'i163', 'i169'), which flatters every side. "
        "find_leakage lists them, and near copies too."
    )
    assert effect.details["leaked"] == ["i163", "i169"]
    assert effect.details["notes"] == [said]
    assert caplog.messages == [said]
    assert effect_of(dirty, train, test, embedding).details["leaked"] == []


def test_a_test_class_that_nobody_trains_on(data):
    train, dirty, _, test, embedding = data
    odd = test.copy()
    odd.iloc[:4, 0] = "z"
    effect = effect_of(dirty, train, odd, embedding)
    assert effect.after[:4].tolist() == [0] * 4
    assert effect.details["notes"] == ["4 test rows are of classes that 'before' lacks."]


def test_test_rows_without_a_label_are_left_out(data):
    train, dirty, _, test, embedding = data
    some = test.copy()
    some.iloc[:7, 0] = None
    assert effect_of(dirty, train, some, embedding).ids.equals(test.index[7:])


def refused(data, said, kind=ValueError, **tables):
    train, dirty, _, test, embedding = data
    given = {"before": dirty, "after": train, "test": test, "embedding": embedding, **tables}
    with pytest.raises(kind) as error:
        effect_of(
            given.pop("before"),
            given.pop("after"),
            given.pop("test"),
            given.pop("embedding"),
            **given,
        )
    assert str(error.value) == said


def test_shared_ids(data):
    train, _, _, test, _ = data
    refused(
        data,
        "The 'test' parameter must be of rows that are not in 'before'. "
        "Got shared ids 'i1', 'i3' instead.",
        test=pd.concat([train.iloc[[1, 3]], test]),
    )


def test_new_ids_in_after(data):
    _, dirty, *_ = data
    refused(
        data,
        "The 'after' parameter must be made of rows of 'before'. Got new ids 'i0' "
        "instead. Put rows that curation labels into 'before', without a label.",
        before=dirty[1:],
    )


def test_an_embedding_that_lacks_rows(data):
    *_, embedding = data
    refused(
        data,
        "The 'embedding' parameter must be an embedding of all rows of before, after and "
        "test. Got one without the ids 'i160' of 'test' instead.",
        embedding=embedding.take(embedding.ids.drop("i160")),
    )


def test_one_class(data):
    _, dirty, *_ = data
    refused(
        data,
        "The 'after' parameter must be a table with labelled rows of 2 classes or more. "
        "Got 1 class instead.",
        after=dirty.assign(label="a"),
    )
    refused(
        data,
        "The 'before' parameter must be a table with labelled rows of 2 classes or more. "
        "Got no labelled row instead.",
        before=dirty.assign(label=None),
    )


def test_no_test(data):
    *_, test, _ = data
    refused(
        data, "The 'test' parameter must be a table with rows. Got 0 rows instead.", test=test[:0]
    )
    refused(
        data,
        "The 'test' parameter must be a table with labelled rows. Got no label instead.",
        test=test.assign(label=None),
    )


def test_other_kinds_of_labels(data):
    _, dirty, *_ = data
    refused(
        data,
        "The 'labels' parameter must be one of the columns 'label'. Got 'lable' instead. "
        "Did you mean 'label'?",
        labels="lable",
    )
    refused(
        data,
        "The 'before' parameter must be a table whose column 'label' holds classes. "
        "Got measurements such as 0.5 instead.",
        before=dirty.assign(label=0.5),
    )


def test_weights_that_are_none(data):
    train, *_ = data
    refused(
        data,
        "The 'after' parameter must be a table whose column 'weight' holds finite "
        "numbers of 0 or more. Got others for the ids 'i0', 'i2' instead.",
        after=train.assign(weight=[-1, 1, np.nan] + [1] * (N_TRAIN - 3)),
    )


def test_seeds(data):
    refused(
        data, "The 'n_seeds' parameter must be an integer of 2 or more. Got 1 instead.", n_seeds=1
    )


def test_inputs_are_not_changed(data):
    train, dirty, _, test, embedding = data
    copies = [table.copy() for table in (dirty, train, test)]
    effect_of(dirty, train, test, embedding)
    for table, copy in zip((dirty, train, test), copies, strict=True):
        pd.testing.assert_frame_equal(table, copy)
