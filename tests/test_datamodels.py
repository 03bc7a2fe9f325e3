"""Datamodels: planted influence, removals really made, and what the result tells."""

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.explanations._datamodels import Datamodels, datamodels

DIGITS = cl.samples.digits()


def digits(n, n_test, seed=0):
    rows = np.random.default_rng(seed).permutation(len(DIGITS))[: n + n_test]
    x = np.stack(DIGITS["image"].tolist()).reshape(len(DIGITS), -1)[rows] / 255
    labels = DIGITS["label"].to_numpy().astype(int)[rows]
    return x[:n], labels[:n], x[n:], labels[n:]


def pool(x, labels, **settings):
    return cl.Pool(embedding=cl.Embedding(vectors=x, **settings), labels=labels)


@pytest.fixture(scope="module")
def planted():
    """Return 400 digits, 20 with a wrong label, and the datamodels of 100 tests."""
    rng = np.random.default_rng(1)
    x, labels, new, true = digits(400, 100)
    wrong = rng.choice(400, 20, replace=False)
    given = labels.copy()
    given[wrong] = (labels[wrong] + rng.integers(1, 10, 20)) % 10
    ids = [f"train-{i}" for i in range(400)]
    test = pool(new, true, ids=[f"test-{i}" for i in range(100)])
    found = datamodels(pool(x, given, ids=ids), test=test, n_models=1_000, random_state=0)
    return found, {f"train-{i}" for i in wrong}


# ---- the weights ---------------------------------------------------------------------------------


def test_margins_of_new_subsets_are_foretold(planted):
    found, _ = planted
    assert len(found) == 100
    assert found.weights.shape == (100, 400)
    assert np.median(found.fit) > 0.8
    assert found.fit.min() > 0.3


def test_weights_of_a_linear_truth_are_found():
    from curalab.explanations._subsets import correlation, regress

    rng = np.random.default_rng(0)
    subsets = rng.random((800, 50)) < 0.5
    truth = np.zeros((3, 50))
    truth[0, :3], truth[1, 7] = [3, -2, 1], 4
    margins = (subsets @ truth.T + [1, 2, 5]).astype(np.float32)
    margins[:, 2] += rng.normal(size=800)
    weights, offset, _ = regress(subsets, margins)
    assert np.abs(weights[:2] - truth[:2]).max() < 0.1
    assert np.abs(weights[2]).max() < 0.2
    assert offset == pytest.approx([1, 2, 5], abs=0.15)
    guess = subsets @ weights.T + offset
    assert correlation(guess, margins)[:2] == pytest.approx([1, 1], abs=1e-3)


def test_a_margin_that_never_moves_has_no_weights():
    from curalab.explanations._subsets import regress

    subsets = np.random.default_rng(0).random((50, 9)) < 0.5
    weights, offset, sparsity = regress(subsets, np.ones((50, 1)))
    assert not weights.any()
    assert offset.tolist() == [1]
    assert np.isnan(sparsity).all()


def test_a_head_is_ridge_regression_by_hand():
    from sklearn.linear_model import Ridge

    from curalab.explanations._subsets import gather, margins_of

    rng = np.random.default_rng(0)
    train, test = pool(rng.normal(size=(30, 4)), list("abc") * 10), rng.normal(size=(5, 4))
    rows = gather(train, np.arange(30), pool(test, list("abcab")), np.arange(5))
    subset = rng.random(30) < 0.5
    head = Ridge(alpha=rows.penalty * subset.sum())
    head.fit(rows.points[subset, :-1], np.eye(3)[rows.codes[subset]])
    score = head.predict(rows.target_points[:, :-1])
    own = score[np.arange(5), [0, 1, 2, 0, 1]]
    score[np.arange(5), [0, 1, 2, 0, 1]] = -np.inf
    assert margins_of(rows, subset[None])[0] == pytest.approx(own - score.max(axis=1), abs=1e-3)


# ---- what the result tells -----------------------------------------------------------------------


def test_influence_lists_helpful_and_harmful_rows(planted):
    found, _ = planted
    told = found.influence("test-3", n=4)
    assert told["effect"].tolist() == ["helps"] * 4 + ["harms"] * 4
    assert told["weight"].is_monotonic_decreasing
    at = found.train_ids.tolist().index(told.index[0])
    assert told["weight"].iloc[0] == found.weights[3].max() == found.weights[3, at]


def test_wrong_labels_harm_on_average(planted):
    found, wrong = planted
    worst = set(found.value().index[:20])
    assert len(worst & wrong) >= 10  # one by chance


def test_removals_foretold_and_made(planted):
    found, _ = planted
    told = [found.counterfactual(id, 3) for id in found.ids[:40]]
    guess = np.array([one["predicted"] - one["margin"] for one in told])
    real = np.array([one["measured"] - one["margin"] for one in told])
    assert np.corrcoef(guess, real)[0, 1] > 0.9
    assert 0.8 < real.mean() / guess.mean() < 1.4
    others = np.random.default_rng(0).permutation(400)[:3]  # as many at random change little
    left = ~np.isin(np.arange(400), others)
    from curalab.explanations._subsets import margins_of

    by_chance = margins_of(found.rows, left[None])[0, :40] - found.margin[:40]
    assert np.abs(by_chance).mean() < np.abs(real).mean() / 4


def test_brittle_predictions_flip_when_the_rows_are_removed(planted):
    found, _ = planted
    brittle = found.brittle()
    assert brittle["n_removals"].is_monotonic_increasing
    assert (brittle["margin"] > 0).all()
    few = brittle[brittle["n_removals"] <= 10]
    assert len(few) >= 3
    flipped = [
        found.counterfactual(id, int(n))["measured"] < 0 for id, n in few["n_removals"].items()
    ]
    assert np.mean(flipped) > 0.8


def test_similar_targets_are_of_one_class(planted):
    found, _ = planted
    true = pd.Series(digits(400, 100)[3], index=found.ids)
    same = [true[found.similar(id, n=1).index[0]] == true[id] for id in found.ids]
    assert np.mean(same) > 0.7
    assert len(found.embedding()) == (found.weights != 0).any(axis=1).sum()
    near = found.similar("test-0", n=3)
    assert near.is_monotonic_decreasing
    assert "test-0" not in near.index


def test_copies_between_training_and_test_stand_out():
    rng = np.random.default_rng(0)
    x, new = rng.normal(size=(120, 80)), rng.normal(size=(40, 80))
    labels, true = rng.permutation(list("ab") * 60), rng.permutation(list("ab") * 20)
    new[:5] = x[:5] + rng.normal(size=(5, 80)) * 0.02
    true[:5] = labels[:5]
    found = datamodels(pool(x, labels), test=pool(new, true), n_models=600, random_state=0)
    leaks = found.leakage(dominates=2)
    assert leaks.index[:5].sort_values().tolist() == [0, 1, 2, 3, 4]
    assert (leaks["train_id"].iloc[:5] == leaks.index[:5]).all()
    assert leaks["dominance"].is_monotonic_decreasing
    assert (leaks["dominance"] >= 2).all()
    assert len(found.leakage(dominates=1)) >= len(leaks)


def test_training_rows_as_targets_leave_themselves_out():
    x, labels, *_ = digits(200, 0)
    found = datamodels(x, labels, n_models=300, random_state=0)
    assert found.ids.tolist() == list(range(200))
    own = np.diag(found.weights)
    assert (own > 0).mean() > 0.5
    assert own.mean() > 5 * np.abs(found.weights).mean()
    assert 0 not in found.influence(0).index
    assert 0 not in found.counterfactual(0, 199)["removed"]
    assert (found.leakage(dominates=1)["train_id"] != found.leakage(dominates=1).index).all()


def test_rows_without_a_label_take_no_part():
    x, labels, new, true = digits(100, 20)
    given, asked = labels.astype(object), true.astype(object)
    given[:10], asked[0] = None, None
    found = datamodels(x, given, test=pool(new, asked), n_models=40, random_state=0)
    assert found.train_ids.tolist() == list(range(10, 100))
    assert found.ids.tolist() == list(range(1, 20))


# ---- the frame of it -----------------------------------------------------------------------------


def test_the_same_seed_gives_the_same(tmp_path):
    x, labels, *_ = digits(80, 0)
    first, again = (datamodels(x, labels, n_models=50, random_state=3) for _ in range(2))
    assert np.array_equal(first.weights, again.weights)
    assert first.params == again.params
    frame = first.to_frame()
    assert list(frame) == [
        "datamodel_margin", "datamodel_fit", "datamodel_n_weights", "datamodel_helped_by",
        "datamodel_weight",
    ]  # fmt: skip
    first.save(tmp_path / "kept")
    kept = Datamodels.open(tmp_path / "kept")
    assert np.array_equal(kept.weights, first.weights)
    assert kept.to_frame().equals(frame)
    assert kept.counterfactual(0, 2)["measured"] is None
    assert repr(first).startswith("Datamodels(80 targets of 80 training rows, fit ")


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_small_and_odd_pools(share):
    x = np.eye(4)[[0, 0, 1, 1]]
    found = datamodels(x, list("aabb"), n_models=20, share=share, random_state=0)
    assert np.isfinite(found.weights).all()
    assert len(found.brittle()) <= 4
    assert len(found.leakage()) <= 4
    one = datamodels(x, list("aaab"), test=pool(x[:1], ["a"]), n_models=20, random_state=0)
    assert one.similar(0).empty
    assert len(one.leakage()) <= 1


@pytest.mark.parametrize(
    ("arguments", "settings", "text"),
    [
        (([[1], [2]],), {}, "The 'labels' parameter must be labels of some rows. Got none instead. "
         "Pass labels=…."),
        (([[1], [2]], ["a", "a"]), {}, "The 'labels' parameter must be of two classes or more. Got "
         "one class, 'a' instead."),
        (([[1], [2]], ["a", "b"]), {"test": np.eye(2)}, "The 'test' parameter must be labels of "
         "some rows. Got none instead. Pass a Pool with labels."),
        (([[1], [2]], ["a", "b"]), {"test": pool(np.eye(2), ["a", "b"])}, "The 'test' parameter "
         "must be of 1 dimensions and metric 'cosine', as the embedding is. Got 2 dimensions, "
         "'cosine' instead."),
        (([[1], [2]], ["a", "b"]), {"test": pool([[1]], ["c"])}, "The 'test' parameter must be of "
         "the classes of the labels. Got 'c' instead."),
        (([[1], [2]], ["a", "b"]), {"n_models": 3}, "The 'n_models' parameter must be an integer "
         "of 20 or more. Got 3 instead."),
        (([[1], [2]], ["a", "b"]), {"share": 1}, "The 'share' parameter must be a number from 0.01 "
         "to 0.99. Got 1 instead."),
    ],
)  # fmt: skip
def test_what_is_refused(arguments, settings, text):
    with pytest.raises(ValueError, match="parameter") as error:
        datamodels(*arguments, **settings)
    assert str(error.value) == text


def test_too_many_weights(monkeypatch):
    monkeypatch.setattr("curalab.explanations._datamodels._MOST_WEIGHTS", 10)
    with pytest.raises(ValueError, match="test") as error:
        datamodels(np.eye(4), list("abab"))
    assert str(error.value) == (
        "The 'test' parameter must be of at most 10 weights, targets times training rows. Got 4 "
        "targets of 4 training rows instead. Pass fewer targets or rows."
    )


def test_an_unknown_target(planted):
    found, _ = planted
    with pytest.raises(KeyError, match="unknown ids 'nobody'"):
        found.influence("nobody")
    with pytest.raises(ValueError, match="n") as error:
        found.counterfactual("test-0", 400)
    assert str(error.value) == (
        "The 'n' parameter must be an integer from 1 to 399. Got 400 instead."
    )
