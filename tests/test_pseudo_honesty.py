import inspect

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from curalab import Embedding, Ledger, samples
from curalab._check import StaleDecisionError
from curalab.pseudo_labels import (
    STAGE,
    PseudoLabels,
    honesty,
    over_rounds,
    pseudo_label,
    screen_unlabelled,
)
from curalab.pseudo_labels._calibration import (
    Calibrator,
    certified,
    fit,
    fit_temperature,
    held_out,
    interval,
    likeliest,
    soften,
)


def message(error, function, *args, **options):
    with pytest.raises(error) as caught:
        function(*args, **options)
    return str(caught.value)


@pytest.fixture(scope="module")
def digits():
    table = samples.digits()
    pixels = np.stack([image.ravel() for image in table["image"]]).astype(float)
    return Embedding(vectors=pixels, ids=table.index), table["label"]


def hide(labels, per_class, seed=0):
    kept = labels.groupby(labels).sample(per_class, random_state=seed).index
    return labels.where(labels.index.isin(kept), None)


def told(truth, labels, n=300, seed=0):
    return truth[labels.isna()].sample(n, random_state=seed)


@pytest.fixture(scope="module")
def judged(digits):
    emb, truth = digits
    labels = hide(truth, 5)
    return honesty(emb, labels, truth=told(truth, labels), random_state=0)


@pytest.fixture(scope="module")
def hidden(digits):
    emb, truth = digits
    return honesty(emb, hide(truth, 5), n_folds=2, random_state=0)


def knows(pool, *, rng):
    """Name the class that the first column holds, with the confidence that the second holds."""
    best, sure = pool.embedding.vectors[:, 0].astype(int), pool.embedding.vectors[:, 1]
    n = len(pool.classes)
    proba = np.repeat((1 - sure[:, None]) / (n - 1), n, axis=1)
    proba[np.arange(len(pool)), best] = sure
    return proba


def certain(n=400, *, sure=0.75, right=0.75, classes="ab"):
    """Rows of `classes` in turn; a share of proposals is right, all with one confidence."""
    code = np.arange(n) % len(classes)
    miss = np.random.default_rng(0).permutation(n) >= round(right * n)
    vectors = np.stack([np.where(miss, (code + 1) % len(classes), code), np.full(n, sure)], axis=1)
    return Embedding(vectors=vectors, metric="euclidean"), pd.Series(list(classes))[code].to_numpy()


# ---- who is judged, and by whom ------------------------------------------------------------------


def test_the_default_method_is_the_verbs():
    default = inspect.signature(pseudo_label).parameters["method"].default
    assert default == STAGE.start_here
    x = np.random.default_rng(0).normal(size=(30, 3))
    found = honesty(x, ["a", "b"] * 3 + [None] * 24, truth={10: "a"}, random_state=0)
    assert found.params["method"] == default


def test_no_run_sees_the_label_it_is_judged_on_and_each_row_is_judged_once_a_round():
    seen = []

    def watch(pool, *, rng):
        seen.append(pool.is_labelled.copy())
        proba = np.full((len(pool), len(pool.classes)), 0.1 / (len(pool.classes) - 1))
        proba[:, 0] = 0.9
        # Rows with a label get it with full confidence: a leak would be a certain hit.
        proba[pool.is_labelled] = np.eye(len(pool.classes))[pool.codes[pool.is_labelled]]
        return proba

    labels = np.array(["a"] * 7 + ["b"] * 7 + ["c"] + [None] * 5, dtype=object)
    found = honesty(np.random.default_rng(0).normal(size=(20, 3)), labels, method=watch)
    assert set(found.judged["predicted"]) == {"a"}
    counts = found.judged.index.value_counts()
    assert sorted(counts.index) == list(range(14))  # not the only "c"
    assert counts.nunique() == 1
    np.testing.assert_allclose(found.judged.groupby(level=0)["weight"].sum(), 1)
    full, runs = seen[0], seen[1:]
    assert full.sum() == 15
    assert all(run[14] and run[:7].any() and run[7:14].any() for run in runs)
    np.testing.assert_array_equal(sum(~run[:14] for run in runs), counts.iloc[0])


def test_truth_judges_the_one_run(digits, judged):
    emb, truth = digits
    labels = hide(truth, 5)
    soft = pseudo_label(emb, labels, random_state=0)
    asked = told(truth, labels)
    at = emb.ids.get_indexer(asked.index)
    assert judged.judged.index.equals(asked.index)
    np.testing.assert_array_equal(judged.judged["predicted"], soft.labels[at])
    np.testing.assert_array_equal(judged.judged["right"], soft.labels[at] == asked.to_numpy())
    np.testing.assert_array_equal(judged.judged["raw"], soft.confidence[at])
    np.testing.assert_array_equal(judged.soft.labels, soft.labels)


def test_a_class_with_one_label_is_named_and_its_share_left_out():
    emb, truth = certain(400, classes="abcd")
    labels = truth.astype(object)
    labels[40:] = None
    labels[[i for i in range(4, 40) if truth[i] == "d"]] = None
    found = honesty(emb, labels, method=knows, random_state=0)
    assert found.unjudged.to_dict() == {"d": 1}
    assert "d" not in set(found.judged["label"])
    proposed = found.soft.labels == "d"
    assert not np.isin(found.covered, found.soft.ids[proposed]).any()
    new = ~found.soft.given
    assert found.curve([0]).loc[0, "coverage"] == pytest.approx((new & ~proposed).sum() / new.sum())
    row = found.by_class().loc["d"]
    assert row["n"] == 0
    assert np.isnan(row["accuracy"])
    assert row["proposed"] == (new & proposed).sum()
    assert f"for {len(found.covered):,} of {new.sum():,} unlabelled rows; 1 class" in found.says


def test_truth_of_a_class_without_labels_counts_as_wrong():
    emb, truth = certain(right=1.0)
    labels = truth.astype(object)
    labels[20:] = None
    asked = pd.Series(["a", "z"], index=[20, 21])
    found = honesty(emb, labels, truth=asked, method=knows)
    assert found.judged["right"].tolist() == [True, False]
    assert len(found.unjudged) == 0


def test_rows_judged_that_are_easier_than_the_rest_are_told(caplog):
    emb, truth = certain(400)
    vectors = emb.vectors.copy()
    vectors[::3, 1] = 0.95
    emb = Embedding(vectors=vectors, metric="euclidean")
    labels = truth.astype(object)
    labels[20:] = None
    rest = pd.Series(truth[20:], index=range(20, 400))
    fair = honesty(emb, labels, truth=rest[:200], method=knows)
    assert not fair.is_easy
    assert caplog.text == ""
    sure = rest[vectors[20:, 1] > 0.9]
    found = honesty(emb, labels, truth=sure, method=knows)
    assert found.is_easy
    assert found.says.endswith(
        "; the rows judged are easier than the unlabelled ones, so this is too good"
    )
    assert "easier" in caplog.text


# ---- numbers -------------------------------------------------------------------------------------


def test_curve_and_classes_by_hand():
    emb, truth = certain(400, sure=0.75, right=0.75)
    labels = truth.astype(object)
    labels[100:] = None
    asked = pd.Series(truth[100:300], index=range(100, 300))
    found = honesty(emb, labels, truth=asked, method=knows)
    right = int((emb.vectors[100:300, 0] == np.arange(100, 300) % 2).sum())
    curve = found.curve([0.0, 0.99])
    assert curve["coverage"].tolist() == [1.0, 0.0]
    assert curve["n"].tolist() == [200, 0]
    assert curve["accuracy"].iloc[0] == right / 200
    assert np.isnan(curve["accuracy"].iloc[1])
    low, high = beta.ppf([0.025, 0.975], [right, right + 1], [201 - right, 200 - right])
    assert curve[["low", "high"]].to_numpy().tolist() == [[low, high], [0.0, 1.0]]
    table = found.by_class()
    assert table["n"].sum() == 200
    assert table["proposed"].sum() == 300
    assert over_rounds([found, found])["n_labels"].tolist() == [100, 100]


def test_temperature_finds_the_one_that_made_the_labels():
    rng = np.random.default_rng(0)
    true = rng.dirichlet(np.full(5, 0.5), size=4000)
    codes = np.array([rng.choice(5, p=p) for p in true])
    assert fit_temperature(soften(true, 0.4), codes, np.ones(4000)) == pytest.approx(2.5, rel=0.06)
    assert fit_temperature(true[:0], codes[:0], np.ones(0)) == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(soften(np.array([[0.8, 0.2]]), 0.5), [[16 / 17, 1 / 17]])


def uneven(n, rng):
    """Proposals of a and b, all with .75; those of a are right on .95 of the rows, of b on .55."""
    top = rng.integers(2, size=n)
    proba = np.full((n, 3), 0.125)
    proba[np.arange(n), top] = 0.75
    right = rng.random(n) < np.array([0.95, 0.55])[top]
    return proba, np.where(right, top, (top + 1) % 3), top


def test_each_proposed_class_gets_the_confidence_that_it_deserves():
    rng = np.random.default_rng(0)
    proba, codes, top = uneven(600, rng)
    how = fit(proba, codes, np.ones(600), 3)
    sure = likeliest(proba, how)
    assert sure[top == 0].mean() == pytest.approx(0.95, abs=0.06)
    assert sure[top == 1].mean() == pytest.approx(0.55, abs=0.06)
    assert how.offset[0] > how.offset[2] > how.offset[1]  # nobody knows of the third
    few = fit(proba[:10], codes[:10], np.ones(10), 3)
    assert np.abs(few.offset).max() < np.abs(how.offset).max()
    none = fit(proba[:0], codes[:0], np.ones(0), 3)
    np.testing.assert_allclose(
        [none.temperature, none.slope, *none.offset], [1, 1, 0, 0, 0], atol=1e-3
    )


def test_calibration_keeps_the_shares_of_the_other_classes():
    how = Calibrator(1.0, 1.0, np.array([-1.0, 0.5]))
    proba = np.array([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.1, 0.2, 0.7], [1.0, 0.0, 0.0]])
    soft = how.of(proba)
    np.testing.assert_allclose(soft.sum(axis=1), 1)
    assert soft[0, 0] == pytest.approx(1 / (1 + np.exp(1 - np.log(1.5))))
    assert soft[0, 1] / soft[0, 2] == pytest.approx(3)
    assert soft[1, 1] > 0.6
    np.testing.assert_allclose(soft[2], proba[2])  # a discovered class, that nobody judged
    assert np.isfinite(soft).all()


def test_accuracy_above_a_threshold_is_not_that_of_the_rows_that_set_it():
    seen = np.zeros((2, 2))
    for seed in range(40):
        rng = np.random.default_rng(seed)
        top, right = rng.integers(20, size=100), rng.random(100) < 0.5
        proba = np.full((100, 20), 0.5 / 19)
        proba[np.arange(100), top] = 0.5
        codes, one = np.where(right, top, -1), np.ones(100)
        own = likeliest(proba, fit(proba, codes, one, 20))
        other = held_out(proba, codes, one, np.arange(100), 20, rng)
        seen += [[right[sure >= 0.5].sum(), (sure >= 0.5).sum()] for sure in (own, other)]
    by_own, by_others = seen[:, 0] / seen[:, 1]
    assert by_own > 0.55  # half of all proposals are right, whatever their class
    assert by_others < 0.52


def test_chance_alone_makes_a_gap():
    emb, truth = certain(1_000, sure=0.75, right=0.75)
    labels = truth.astype(object)
    labels[200:] = None
    rows = [range(200, 200 + n) for n in (50, 800)]
    few, many = (
        honesty(emb, labels, truth=pd.Series(truth[r], index=r), method=knows) for r in rows
    )
    assert few.calibration_error["chance"] == pytest.approx(0.049, abs=0.005)  # √(2·.75·.25/50π)
    assert many.calibration_error["chance"] == pytest.approx(0.039, abs=0.005)  # ten bins of 80
    assert f"{few.calibration_error['chance']:.3f} by chance)" in few.says


def test_reliability_by_hand():
    emb, truth = certain(400, sure=0.9, right=0.6)
    labels = truth.astype(object)
    labels[200:] = None
    found = honesty(emb, labels, truth=pd.Series(truth[200:], index=range(200, 400)), method=knows)
    before = found.reliability(calibrated=False, n_bins=1)
    right = (emb.vectors[200:, 0] == np.arange(200, 400) % 2).mean()
    assert before[["confidence", "accuracy", "n"]].iloc[0].tolist() == pytest.approx(
        [0.9, right, 200]
    )
    error = found.calibration_error
    assert error["before"] > 0.25
    assert error["after"] < error["before"] - 0.1
    assert found.temperature > 2
    assert found.reliability(n_bins=4)["n"].tolist() == [50, 50, 50, 50]


@pytest.mark.parametrize("how", ["judged", "hidden"])
def test_calibrated_confidence_is_the_share_that_is_right(digits, how, request):
    found, truth = request.getfixturevalue(how), digits[1].to_numpy()
    soft = found.soft
    new = ~soft.given
    right, confidence = (soft.labels == truth)[new], soft.confidence[new]
    order = np.argsort(confidence)
    gaps = [abs(confidence[b].mean() - right[b].mean()) for b in np.array_split(order, 10)]
    assert np.mean(gaps) < 0.05
    assert (soft.confidence[soft.given] == 1).all()
    np.testing.assert_allclose(soft.proba.sum(axis=1), 1, atol=1e-9)


def test_calibrate_takes_labels_of_the_method_judged(digits, judged):
    emb, truth = digits
    raw = pseudo_label(emb, hide(truth, 5), random_state=0)
    soft = judged.calibrate(raw)
    np.testing.assert_array_equal(soft.proba, judged.soft.proba)
    np.testing.assert_array_equal(soft.labels, raw.labels)
    slope = judged.calibrator.slope
    record = {"temperature": judged.temperature, "slope": slope, "n_judged": 300}
    assert soft.params["calibrated"] == record
    assert "calibrated" not in raw.params
    assert message(TypeError, soft.predict, emb) == (
        "Calibrated labels cannot predict new rows: the calibration holds for the rows of the "
        "pool. Call predict on the result that was not calibrated."
    )
    assert message(ValueError, judged.calibrate, soft) == (
        "The 'soft' parameter must be not calibrated yet. Got calibrated labels instead."
    )
    probe = pseudo_label(emb, hide(truth, 5), method="low_shot_probe")
    assert message(ValueError, judged.calibrate, probe) == (
        "The 'soft' parameter must be of the method judged, 'propagation'. "
        "Got 'low_shot_probe' instead."
    )
    fewer = Embedding(vectors=emb.vectors[:900], ids=emb.ids[:900], metric=emb.metric)
    other = pseudo_label(fewer, hide(truth, 5)[:900], random_state=0)
    assert "must be of the embedding judged" in message(ValueError, judged.calibrate, other)
    named = hide(truth, 5).replace({truth.iloc[0]: "zero"})
    other = pseudo_label(emb, named, random_state=0)
    said = message(ValueError, judged.calibrate, other)
    assert "must be of the classes judged" in said


# ---- the threshold -------------------------------------------------------------------------------


def test_threshold_is_true_for_the_rows_it_was_not_chosen_on():
    rng = np.random.default_rng(0)
    false = found = 0
    for _ in range(400):
        sure = rng.beta(4, 1, size=300)
        chance = np.minimum(sure, 0.97) - 0.02  # too sure of itself by .02 and more
        least = certified(sure, rng.random(300) < chance, np.ones(300), least=0.93)
        if least is not None:
            many = rng.beta(4, 1, size=20_000)
            above = many[many >= least]
            found += 1
            false += (np.minimum(above, 0.97) - 0.02).mean() < 0.93
    assert found >= 10
    assert false <= 0.05 * 400


def test_a_few_confident_errors_do_not_hide_that_the_rest_is_right():
    right = np.ones(300, dtype=bool)
    right[[2, 9, 20, 31]] = False  # of the first 60 rows too many, of 300 few
    found = certified(np.linspace(1, 0.5, 300), right, np.ones(300), least=0.93)
    assert found == 0.5
    right[np.arange(4, 300, 12)] = False
    assert certified(np.linspace(1, 0.5, 300), right, np.ones(300), least=0.93) is None


def test_threshold_needs_enough_rows_and_keeps_ties_together():
    sure = np.full(60, 0.9)
    assert certified(sure, np.ones(60, dtype=bool), np.ones(60), least=0.93) == 0.9
    assert certified(sure[:40], np.ones(40, dtype=bool), np.ones(40), least=0.93) is None
    assert certified(sure, np.ones(60, dtype=bool), np.full(60, 0.2), least=0.93) is None
    half = np.arange(60) < 42
    assert certified(sure, half, np.ones(60), least=0.93) is None
    low, high = interval(0, 10)
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / 10))


def test_threshold_on_real_rows(digits, judged):
    least, soft = judged.threshold(0.95), judged.soft
    above = ~soft.given & (soft.confidence >= least) & ~soft.ids.isin(judged.judged.index)
    assert (soft.labels == digits[1].to_numpy())[above].mean() >= 0.93
    assert above.sum() > 800
    assert judged.curve([least])["coverage"].iloc[0] > 0.6


def test_a_threshold_that_nobody_can_show_is_an_error():
    emb, truth = certain(400, sure=0.9, right=0.6)
    labels = truth.astype(object)
    labels[200:] = None
    found = honesty(emb, labels, truth=pd.Series(truth[200:], index=range(200, 400)), method=knows)
    got = found.curve([0]).iloc[0]
    assert message(ValueError, found.threshold, 0.95) == (
        "The 'accuracy' parameter must be one that the 200 rows judged can show, less 'margin'. "
        f"Got 0.95 - 0.02, where at best {got['low']:.3f} is sure instead. ({got['accuracy']:.3f} "
        "of 200 rows). Judge more rows, or ask less."
    )


@pytest.mark.parametrize(
    ("labels", "options", "wanted"),
    [
        (
            ["a", "b", None, None],
            {},
            "The 'labels' parameter must be of at least one class with two labels, to hide one. "
            "Got none with two instead. Pass truth=…, labels of some rows for judging alone.",
        ),
        (
            None,
            {},
            "The 'labels' parameter must be of at least one class with two labels, to hide one. "
            "Got no label instead. Pass truth=…, labels of some rows for judging alone.",
        ),
        (
            ["a", "b", None, None],
            {"truth": {0: "a"}},
            "The 'truth' parameter must be of rows that have no label in 'labels'. "
            "Got rows that have one (ids 0) instead.",
        ),
        (
            ["a", "b", None, None],
            {"truth": {2: None}},
            "The 'truth' parameter must be labels of at least one row. Got none instead.",
        ),
        (
            ["a", "b", None, None],
            {"truth": pd.Series(["a", "b"], index=[2, 2])},
            "The 'truth' parameter must be of distinct ids. Got twice 2 instead.",
        ),
    ],
)
def test_bad_input_is_named(labels, options, wanted):
    x = np.random.default_rng(0).normal(size=(4, 2))
    assert message(ValueError, honesty, x, labels, **options) == wanted


def test_truth_is_by_id():
    x = np.random.default_rng(0).normal(size=(4, 2))
    assert message(TypeError, honesty, x, ["a", "b", None, None], truth=["a"]) == (
        "The 'truth' parameter must be a Series or mapping of id to label. Got ['a'] instead."
    )


def test_few_and_fully_labelled_rows_work():
    x = np.random.default_rng(0).normal(size=(6, 2))
    found = honesty(x, [1, 2, 1, 2, 1, 2], method="low_shot_probe", random_state=0)
    assert np.isnan(found.curve([0])["coverage"].iloc[0])
    assert not found.is_easy
    assert len(found.covered) == 0
    assert set(found.judged["label"]) == {1, 2}


# ---- into the ledger -----------------------------------------------------------------------------


def proposal(**changed):
    """Five rows: one given, two sure proposals, an unsure one, and one of a new class."""
    parts = {
        "ids": pd.Index(list("vwxyz")),
        "labels": np.array(["a", "a", "b", "b", "new_0"], dtype=object),
        "confidence": np.array([1.0, 0.9, 0.8, 0.4, 0.95]),
        "proba": np.eye(3)[[0, 0, 1, 1, 2]],
        "classes": np.array(["a", "b", "new_0"], dtype=object),
        "given": np.array([True, False, False, False, False]),
        "is_new": np.array([False, False, False, False, True]),
        "params": {"method": "mine", "settings": {"k": 3}, "embedding": "f00d"},
    }
    return PseudoLabels(**{**parts, **changed})


@pytest.mark.parametrize("missing", [None, np.nan])
@pytest.mark.parametrize("dtype", [object, "str", "category"])
def test_accepted_labels_reach_the_table(tmp_path, missing, dtype):
    items = pd.DataFrame({"label": pd.Series(["a"] + [missing] * 4, list("vwxyz"), dtype=dtype)})
    with Ledger(tmp_path / "a.ledger") as ledger:
        events = proposal().accept(ledger, actor="Ann", threshold=0.5, reason="looked at ten")
        assert events.tolist() == [1, 2]
        assert ledger.apply(items)["label"].dropna().to_dict() == {"v": "a", "w": "a", "x": "b"}
        event = ledger.to_frame().loc[1]
        stale = items.assign(label=["a", "b", "b", "b", "b"])
        with pytest.raises(StaleDecisionError):
            ledger.apply(stale)
    assert (event["action"], event["row_id"], event["actor"]) == ("relabel", "w", "Ann")
    assert (event["method"], event["embedding"]) == ("mine", "f00d")
    assert event["params"] == {"settings": {"k": 3}, "threshold": 0.5}
    assert event["reason"] == "looked at ten (confidence 0.900)"


def test_one_by_one_and_new_classes_when_asked(tmp_path):
    with Ledger(tmp_path / "a.ledger") as ledger:
        soft = proposal()
        assert len(soft.accept(ledger, actor="Ann", ids="x", field="kind")) == 1
        assert ledger.to_frame()[["row_id", "field", "new"]].iloc[-1].tolist() == ["x", "kind", "b"]
        assert len(soft.accept(ledger, actor="Ann", ids=["x", "y"], threshold=0.5)) == 1
        assert len(soft.accept(ledger, actor="Ann", ids="z", new_classes=True)) == 1
        assert len(soft.accept(ledger, actor="Ann", threshold=0.99)) == 0
        assert len(soft.accept(ledger, actor="Ann", new_classes=True)) == 2  # w and y are open
        assert len(ledger) == 5
        assert message(ValueError, soft.accept, ledger, actor="Ann", ids=["v", "w"]) == (
            "The 'ids' parameter must be ids of rows without a given label. "
            "Got given labels for the ids 'v' instead."
        )
        assert message(ValueError, soft.accept, ledger, actor="Ann", ids=["w", "z"]) == (
            "The 'ids' parameter must be ids of rows proposed as a known class. Got discovered "
            "classes for the ids 'z' instead. Pass new_classes=True to accept these, too."
        )
        assert len(ledger) == 5


def test_what_is_decided_is_left_alone_unless_rows_are_named(tmp_path):
    soft = proposal()
    with Ledger(tmp_path / "a.ledger") as ledger:
        ledger.record("w", action="relabel", field="label", old=np.nan, new="b", actor="Bob")
        ledger.record("x", action="tag", new="not b", actor="Bob")
        ledger.record("y", action="relabel", field="kind", new="b", actor="Bob")
        events = soft.accept(ledger, actor="Ann")
        assert ledger.to_frame().loc[events, "row_id"].tolist() == ["y"]
        assert len(soft.accept(ledger, actor="Ann")) == 0
        assert len(soft.accept(ledger, actor="Ann", ids=["w", "w"])) == 1
        assert ledger.decisions().loc["w", ["new", "actor"]].tolist() == ["a", "Ann"]
        ledger.undo_many(events, actor="Ann")
        assert len(soft.accept(ledger, actor="Ann")) == 1
    assert message(TypeError, soft.accept, None, actor="Ann") == (
        "The 'ledger' parameter must be a Ledger, such as cl.Ledger('my.ledger'). Got None instead."
    )


def test_numbers_as_ids_and_labels(tmp_path):
    soft = proposal(
        ids=pd.RangeIndex(5),
        labels=np.array([1, 1, 2, 2, "new_0"], dtype=object),
        classes=np.array([1, 2, "new_0"], dtype=object),
    )
    items = pd.DataFrame({"label": [1.0, None, None, None, None]})
    with Ledger(tmp_path / "a.ledger") as ledger:
        soft.accept(ledger, actor="rule", ids=1)
        assert ledger.apply(items)["label"].tolist()[:2] == [1, 1]


# ---- the screen ----------------------------------------------------------------------------------


def chain(emb, start, end, n, rng):
    """Rows from one to another, denser at the start (density 1.5 - x), as in the paper."""
    at = 1.5 - np.sqrt(2.25 - 2 * rng.random((n, 1)))
    return (1 - at) * emb.points[start] + at * emb.points[end]


def test_a_planted_chain_is_found_and_carries_a_label(digits):
    emb, truth = digits
    values = truth.to_numpy()
    rng = np.random.default_rng(0)
    start, end = 0, int(np.flatnonzero(values != values[0])[5])
    planted = chain(emb, start, end, 40, rng)
    labels = [*hide(truth, 3), *[None] * 40]
    labels[start] = values[start]
    labels[end] = None
    found = screen_unlabelled(Embedding(vectors=np.concatenate([emb.points, planted])), labels)
    assert found.keep[start]
    assert (found.reason[len(emb) :] == "chain").mean() > 0.9
    assert (~found.keep[: len(emb)]).sum() <= 5
    assert len(np.unique(found.group[found.reason == "chain"])) == 1


def test_ordinary_rows_are_left_alone(digits):
    emb, truth = digits
    assert screen_unlabelled(emb, hide(truth, 3)).keep.mean() > 0.995
    heap = np.random.default_rng(0).normal(size=(50, 2)) * 0.02
    spread = np.random.default_rng(1).normal(size=(200, 2)) * 5
    flat = Embedding(vectors=np.concatenate([spread, heap]), metric="euclidean")
    assert (screen_unlabelled(flat).reason != "chain").all()  # dense, but no path


@pytest.mark.parametrize("d", [3, 100])
def test_a_path_is_one_in_few_dimensions_and_in_more_than_it_has_rows(d):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, d))
    path = x[0] + np.linspace(0, 1, 40)[:, None] * (x[1] - x[0]) + 1e-3 * rng.normal(size=(40, d))
    found = screen_unlabelled(Embedding(vectors=np.concatenate([x, path]), metric="euclidean"))
    assert (found.reason[200:] == "chain").mean() > 0.9
    assert (found.reason[:200] != "").sum() <= 5


def test_floods_and_copies_of_two_classes():
    x = np.random.default_rng(0).normal(size=(100, 8))
    rows = np.concatenate([x, np.repeat(x[:1], 20, axis=0), x[[1, 1, 1]], x[[2, 2]]])
    labels = np.full(len(rows), None, dtype=object)
    labels[[1, 120]] = ["a", "b"]  # copies with two labels
    found = screen_unlabelled(Embedding(vectors=rows, metric="euclidean"), labels, max_copies=3)
    assert np.flatnonzero(found.reason == "copy").tolist() == list(range(102, 120))
    assert np.flatnonzero(found.reason == "conflict").tolist() == [121, 122]
    assert found.keep.sum() == len(rows) - 20
    assert found.group[[0, 119]].tolist() == [0, 0]
    assert found.group[[1, 122]].tolist() == [1, 1]
    assert found.group[2] == -1  # three copies may stay
    assert repr(found) == "Screened(125 items, 18 copy, 2 conflict, method=screen_unlabelled)"
    assert list(found.to_frame()) == ["screen_keep", "screen_reason", "screen_group"]


@pytest.mark.parametrize("n", [1, 2, 3, 30])
def test_few_rows_and_copies_only(n):
    found = screen_unlabelled(Embedding(vectors=np.ones((n, 3))))
    assert (~found.keep).sum() == max(0, n - 5)


# ---- little to say -------------------------------------------------------------------------------


def test_what_nobody_could_judge_is_told_in_words():
    at = np.r_[np.linspace(-0.3, 0.3, 10), np.linspace(9.7, 10.3, 10), np.linspace(4.7, 5.3, 10)]
    noise = np.random.default_rng(0).normal(size=(30, 2)) * 0.05
    emb = Embedding(vectors=np.c_[at, 0 * at] + noise, metric="euclidean")
    labels = np.full(30, None, dtype=object)
    labels[[0, 10]], labels[20] = "a", "b"
    found = honesty(emb, labels, random_state=0)
    assert found.says.startswith(
        "no proposal of a known class was judged, of 27 unlabelled rows; "
        "1 class could not be judged"
    )
    assert np.isnan(list(found.calibration_error.values())).all()
    assert not len(found.reliability())
    assert list(found.reliability().columns) == ["confidence", "n", "accuracy", "low", "high"]
    assert np.isnan(over_rounds([found])["accuracy"].iloc[0])


def test_labels_hidden_of_classes_with_few_are_told_to_be_so(digits):
    emb, truth = digits
    short = "the runs judged had fewer labels than this one, so this may be too low"
    assert honesty(emb, hide(truth, 3), random_state=0).says.endswith(short)
    assert short not in honesty(emb, hide(truth, 20), random_state=0).says


def test_truth_of_another_type_is_refused(digits):
    emb, truth = digits
    numbers = hide(truth, 5).map(int, na_action="ignore")
    told = truth[numbers.isna()].head(40).astype(str)
    with pytest.raises(TypeError) as caught:
        honesty(emb, numbers, truth=told, random_state=0)
    assert "The 'truth' parameter must be of one type. Got labels of types" in caught.value.args[0]


def test_rounds_are_honesty_each(judged):
    for wrong, got in ((judged, "None"), ([judged.soft], "PseudoLabels"), ([], "no round")):
        if wrong is judged:
            assert len(over_rounds(wrong)) == 1
            continue
        with pytest.raises(TypeError, match=f"Got {got} instead"):
            over_rounds(wrong)
