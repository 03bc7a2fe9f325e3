"""What each step of a ledger is worth: planted steps, sums, order, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from curalab._check import StaleDecisionError
from curalab.effect import Effect, measure_effect
from curalab.effect._steps import ALL_STEPS, effect_by_step
from curalab.embedding import Embedding
from curalab.ledger import Ledger

N_TRAIN, N = 160, 460


@pytest.fixture(scope="module")
def data():
    """Return a table with 60 wrong labels, the right labels, and the embedding."""
    rng = np.random.default_rng(0)
    truth = np.arange(N) % 3
    x = rng.normal(size=(N, 4)) + 1.7 * np.eye(4)[truth]
    ids = pd.Index([f"i{k}" for k in range(N)], name="id")
    right = pd.Series(np.array(list("abc"))[truth], index=ids, name="label")
    items = pd.DataFrame({"label": right.copy(), "site": "x"})
    wrong = ids[rng.permutation(N_TRAIN)[:60]]
    items.loc[wrong, "label"] = right[wrong].map({"a": "b", "b": "c", "c": "a"})
    return items, right, wrong, Embedding(vectors=x, ids=ids, metric="euclidean")


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "test.ledger") as opened:
        yield opened


def relabel(ledger, items, right, ids, *, actor="Ann", method=None):
    frame = pd.DataFrame({"row_id": ids, "old": items.loc[ids, "label"], "new": right[ids]})
    frame = frame.assign(action="relabel", field="label", actor=actor, method=method)
    return list(ledger.record_many(frame.astype(object)))


def drop(ledger, ids, *, actor="knn"):
    frame = pd.DataFrame({"row_id": ids, "action": "drop", "actor": actor, "method": "knn"})
    return list(ledger.record_many(frame.astype(object)))


def steps_of(items, ledger, embedding, **settings):
    settings = {"n_seeds": 4, "random_state": 0, **settings}
    return effect_by_step(items, ledger, test=items[N_TRAIN:], embedding=embedding, **settings)


def test_planted_steps_are_told_apart_and_add_up(data, ledger):
    items, right, wrong, embedding = data
    events = relabel(ledger, items, right, wrong)
    idle = [i for i in items.index[:N_TRAIN] if i not in wrong][:3]
    drop(ledger, idle)
    effects = steps_of(items, ledger, embedding)
    assert list(effects) == ["relabel by Ann", "drop by knn", ALL_STEPS]
    repaired, dropped, whole = effects.values()
    assert all(isinstance(effect, Effect) for effect in effects.values())
    assert repaired.is_detectable
    assert repaired.gain_over_random > 0.1
    assert not dropped.is_detectable
    assert repaired.details["change"] == {"relabelled": 60}
    assert dropped.details["change"] == {"dropped": 3}
    assert whole.details["change"] == {"relabelled": 60, "dropped": 3}
    assert repaired.gain + dropped.gain == pytest.approx(whole.gain)
    np.testing.assert_array_equal(repaired.after, dropped.before)
    told = repaired.details["step"]
    assert (told["action"], told["actor"], told["method"]) == ("relabel", "Ann", None)
    assert (told["ids"], told["events"]) == (list(wrong), events)
    assert dropped.details["step"]["method"] == "knn"
    so_far = [effect.details["step"]["so_far"] for effect in effects.values()]
    assert so_far[0]["gain"] == pytest.approx(repaired.gain)
    assert (so_far[0]["low"], so_far[0]["high"]) == pytest.approx(repaired.interval)
    assert so_far[1] == pytest.approx(so_far[2])
    assert whole.details["step"]["ids"] == [*wrong, *idle]
    assert whole.details["step"]["action"] is None


def test_one_step_is_what_measure_effect_says_of_the_applied_table(data, ledger):
    items, right, wrong, embedding = data
    relabel(ledger, items, right, wrong, method="judge")
    drop(ledger, [], actor="nobody")
    ((name, effect),) = steps_of(items, ledger, embedding).items()
    assert name == "relabel by Ann (judge)"
    after = ledger.apply(items)
    direct = measure_effect(
        items[:N_TRAIN],
        after[:N_TRAIN],
        test=items[N_TRAIN:],
        embedding=embedding,
        ledger=ledger,
        n_seeds=4,
        random_state=0,
    )
    assert effect.sentence == direct.sentence
    np.testing.assert_array_equal(effect.details["right"], direct.details["right"])
    assert effect.params["step"] == name


def test_drops_weights_and_earlier_words_on_the_same_row(data, ledger):
    items, right, wrong, embedding = data
    first, second, third = wrong[:3]
    ledger.record(first, action="drop", actor="Ann")
    ledger.record(first, action="relabel", field="label", new="a", actor="Bob")  # stays dropped
    ledger.record(second, action="weight", new=0.25, actor="Bob")
    # Superseded: Cid's word on the same label counts, and follows what Bob said.
    bob = {"action": "relabel", "field": "label", "actor": "Bob"}
    ledger.record(third, **bob, old=items.loc[third, "label"], new="zebra")
    cid = {**bob, "actor": "Cid"}
    ledger.record(third, **cid, old="zebra", new=right[third])
    effects = steps_of(items, ledger, embedding, n_seeds=2)
    assert list(effects) == [
        "drop by Ann",
        "relabel by Bob",
        "weight by Bob",
        "relabel by Cid",
        ALL_STEPS,
    ]
    changes = [effect.details["change"] for effect in effects.values()]
    assert changes == [
        {"dropped": 1},
        {},
        {"reweighted": 1},
        {"relabelled": 1},
        {"dropped": 1, "relabelled": 1, "reweighted": 1},
    ]
    assert effects["relabel by Bob"].sentence.startswith("No change")
    clean = ledger.apply(items)
    assert "zebra" not in set(clean["label"])


def test_what_changes_no_training_is_no_step(data, ledger):
    items, _, _, embedding = data
    ledger.record("i1", action="keep", actor="Ann")
    ledger.record("i2", action="tag", new="seen", actor="Ann")
    ledger.record("i3", action="relabel", field="site", new="y", actor="Ann")
    ledger.record("i200", action="relabel", field="label", new="c", actor="Ann")  # a test row
    gone = ledger.record("i4", action="drop", actor="Ann")
    ledger.undo(gone, actor="Ann")
    with pytest.raises(ValueError) as caught:
        steps_of(items, ledger, embedding)
    assert caught.value.args[0] == (
        "The 'ledger' parameter must be one with decisions in force that drop, relabel or weight "
        "rows to train on. Got none instead."
    )
    ledger.record("i5", action="drop", actor="Ann")
    assert list(steps_of(items, ledger, embedding, n_seeds=2)) == ["drop by Ann"]


def test_items_without_the_test_rows_and_integer_ids(tmp_path):
    rng = np.random.default_rng(0)
    items = pd.DataFrame({"label": np.arange(80) % 2}, index=np.arange(80)[::-1])
    emb = Embedding(vectors=rng.normal(size=(80, 2)) + items[["label"]].to_numpy(), ids=items.index)
    with Ledger(tmp_path / "n.ledger") as ledger:
        ledger.record(79, action="relabel", field="label", old=0, new=1, actor="Ann")
        found = effect_by_step(
            items[:40], ledger, test=items[40:], embedding=emb, n_seeds=2, random_state=0
        )
    assert found["relabel by Ann"].details["change"] == {"relabelled": 1}
    assert found["relabel by Ann"].details["step"]["ids"] == [79]


def test_an_effect_of_a_step_is_kept_with_what_it_did(data, ledger, tmp_path):
    items, right, wrong, embedding = data
    relabel(ledger, items, right, wrong)
    (effect,) = steps_of(items, ledger, embedding, n_seeds=2).values()
    effect.save(tmp_path / "effect")
    again = Effect.open(tmp_path / "effect")
    assert again.details["step"] == effect.details["step"]


def test_inputs_stay_and_the_same_seed_gives_the_same(data, ledger):
    items, right, wrong, embedding = data
    relabel(ledger, items, right, wrong)
    copy = items.copy()
    one, two = (steps_of(items, ledger, embedding, n_seeds=2) for _ in range(2))
    pd.testing.assert_frame_equal(items, copy)
    assert one["relabel by Ann"].sentence == two["relabel by Ann"].sentence


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (
            {"ledger": "my.ledger"},
            TypeError,
            "The 'ledger' parameter must be a Ledger, such as cl.Ledger('my.ledger'). "
            "Got 'my.ledger' instead.",
        ),
        (
            {"labels": "lable"},
            ValueError,
            "The 'labels' parameter must be one of the columns 'label', 'site'. "
            "Got 'lable' instead. Did you mean 'label'?",
        ),
    ],
)
def test_bad_input_is_named(data, ledger, change, error, text):
    items, _, _, embedding = data
    given = {"ledger": ledger, "test": items[N_TRAIN:], "embedding": embedding, **change}
    with pytest.raises(error) as caught:
        effect_by_step(items, given.pop("ledger"), **given)
    assert caught.value.args[0] == text


def test_decisions_that_do_not_fit_are_refused(data, ledger):
    items, _, _, embedding = data
    relabelled = {"action": "relabel", "field": "label", "actor": "Ann"}
    event = ledger.record("i1", **relabelled, old="zebra", new="a")
    with pytest.raises(StaleDecisionError):
        steps_of(items, ledger, embedding)
    ledger.undo(event, actor="Ann")
    ledger.record("nobody", action="drop", actor="Ann")
    with pytest.raises(ValueError, match="every row that the ledger decides on"):
        steps_of(items, ledger, embedding)
