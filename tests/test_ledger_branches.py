"""Ledgers at named moments, beside each other, merged; and how far their people agree."""

from __future__ import annotations

import datetime as dt
import shutil

import numpy as np
import pandas as pd
import pytest

from curalab.ledger import Ledger, storage
from curalab.ledger.agreement import agreement_of


def error_of(kind, call):
    with pytest.raises(kind) as info:
        call()
    return str(info.value)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "main.ledger") as opened:
        yield opened


@pytest.fixture
def items():
    index = pd.Index(["a", 1, "1", 2.5, "b", "c"], dtype=object, name="id")
    return pd.DataFrame({"label": ["cat", "dog", "cat", "cat", "dog", None]}, index=index)


@pytest.fixture
def parted(tmp_path, monkeypatch):
    """Two copies of one ledger, in which "a" was relabelled to dog and "b" dropped."""
    clock = iter(pd.date_range("2026-01-01", periods=200, freq="min", tz="UTC"))
    monkeypatch.setattr(storage, "_now", lambda: next(clock).isoformat(timespec="milliseconds"))
    with Ledger(tmp_path / "base") as base:
        relabel(base, "a", "cat", "dog", "Ann")
        base.record("b", action="drop", actor="Ann")
    for name in ("ours", "theirs"):
        shutil.copy(tmp_path / "base", tmp_path / name)
    with Ledger(tmp_path / "ours") as ours, Ledger(tmp_path / "theirs") as theirs:
        yield ours, theirs


def relabel(ledger, row, old, new, actor, **more):
    return ledger.record(
        row, action="relabel", field="label", old=old, new=new, actor=actor, **more
    )


# ---- checkpoints ---------------------------------------------------------------------------------


def test_a_checkpoint_names_a_moment(ledger, items):
    assert ledger.checkpoint("empty", actor="Ann") == 0
    relabel(ledger, "a", "cat", "dog", "Ann")
    ledger.record(1, action="drop", actor="Ann")
    assert ledger.checkpoint("first pass", actor="Bob", reason="before the meeting") == 2
    ledger.undo(actor="Ann")
    ledger.record("b", action="drop", actor="Ann")
    named = ledger.checkpoints()
    assert named.index.tolist() == ["empty", "first pass"]
    assert named.index.name == "name"
    assert named[["event", "actor", "reason"]].to_numpy().tolist() == [
        [0, "Ann", ""],
        [2, "Bob", "before the meeting"],
    ]
    assert str(named["time"].dt.tz) == "UTC"
    assert ledger.diff("first pass")["row_id"].tolist() == [1, "b"]
    assert ledger.diff("empty", "first pass")["row_id"].tolist() == ["a", 1]
    assert ledger.decisions(at="first pass").index.tolist() == ["a", 1]
    assert ledger.decisions(at=1).index.tolist() == ["a"]
    assert len(ledger.decisions(at="empty")) == 0
    clean = ledger.apply(items, at="first pass")
    assert clean.index.tolist() == ["a", "1", 2.5, "b", "c"]
    assert clean.loc["a", "label"] == "dog"
    pd.testing.assert_frame_equal(ledger.apply(items, at="empty"), items)
    assert len(ledger.decisions(at=dt.datetime(2000, 1, 1))) == 0


def test_checkpoints_that_cannot_be(ledger):
    ledger.checkpoint("v1", actor="Ann")
    assert error_of(ValueError, lambda: ledger.checkpoint("v1", actor="Bob")) == (
        "The 'name' parameter must be a name that no checkpoint has yet. Got 'v1' instead."
    )
    assert error_of(TypeError, lambda: ledger.checkpoint(3, actor="Bob")) == (
        "The 'name' parameter must be text that is not empty. Got 3 instead."
    )
    assert error_of(ValueError, lambda: ledger.decisions(at="v2")) == (
        "The 'at' parameter must be the number of an event, up to 0, a time, or a checkpoint. "
        "Got 'v2' instead."
    )
    assert len(ledger.checkpoints()) == 1
    with pytest.raises(Exception, match="append-only"):
        ledger._storage._connection.execute("DELETE FROM mark")


def test_a_ledger_of_before_checkpoints_opens_and_has_none(ledger):
    ledger.record("a", action="drop", actor="Ann")
    tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    assert ledger._storage._connection.execute(tables).fetchall() == [("event",)]
    assert len(ledger.checkpoints()) == 0
    assert ledger.checkpoints().columns.tolist() == ["event", "time", "actor", "reason"]
    ledger.checkpoint("v1", actor="Ann")
    version = ledger._storage._connection.execute("PRAGMA user_version").fetchone()
    assert version == (1,)  # the version of before reads it: it knows the events


# ---- compared ------------------------------------------------------------------------------------


def test_two_ledgers_compared_say_who_and_why_on_both_sides(parted):
    ours, theirs = parted
    relabel(ours, "a", "dog", "owl", "Ann", reason="beak")
    relabel(theirs, "a", "dog", "ant", "Bob", method="knn", reason="legs")
    theirs.undo(2, actor="Bob")
    theirs.record(1, action="tag", new="dark", actor="Bob")
    relabel(ours, "1", "cat", "dog", "Ann")
    relabel(theirs, "1", "cat", "dog", "Bob")
    told = ours.compare(theirs)
    assert told.columns.tolist() == [
        "row_id", "field",
        "ours", "ours_event", "ours_time", "ours_actor", "ours_method", "ours_reason",
        "theirs", "theirs_event", "theirs_time", "theirs_actor", "theirs_method", "theirs_reason",
    ]  # fmt: skip
    shown = ["row_id", "field", "ours", "ours_event", "ours_actor", "ours_reason"]
    shown += ["theirs", "theirs_event", "theirs_actor", "theirs_method", "theirs_reason"]
    assert told[shown].to_numpy().tolist() == [
        ["a", "label", "owl", 3, "Ann", "beak", "ant", 3, "Bob", "knn", "legs"],
        ["b", None, "drop", 2, "Ann", "", None, 4, "Bob", None, ""],
        [1, "tags", None, pd.NA, None, None, "dark", 5, "Bob", None, ""],
    ]
    assert len(ours.compare(ours)) == 0
    assert error_of(TypeError, lambda: ours.compare("theirs")) == (
        "The 'other' parameter must be a Ledger. Got 'theirs' instead."
    )


# ---- merged --------------------------------------------------------------------------------------


def state(ledger, items):
    return ledger.apply(items)


def test_a_merge_takes_over_only_what_is_new_with_who_when_how_and_why(parted, items):
    ours, theirs = parted
    relabel(theirs, 1, "dog", "ant", "Bob", method="knn", params={"k": 3}, reason="legs")
    theirs.undo(2, actor="Bob")
    ours.record("1", action="weight", new=0.5, actor="Ann")
    before = theirs.to_frame()
    merged = ours.merge(theirs, actor="Eve")
    assert (list(merged.events), len(merged.conflicts)) == ([4, 5], 0)
    assert repr(merged) == "Merged(2 new events, 0 open conflicts)"
    taken = ours.to_frame().loc[[4, 5]].drop(columns="active").reset_index(drop=True)
    said = before.loc[[3, 4]].drop(columns="active").reset_index(drop=True)
    pd.testing.assert_frame_equal(taken, said)
    assert list(state(ours, items).index) == ["a", 1, "1", 2.5, "b", "c"]
    for _ in range(2):
        assert len(ours.merge(theirs, actor="Eve").events) == 0
    assert list(theirs.merge(ours, actor="Eve").events) == [5]
    pd.testing.assert_frame_equal(state(theirs, items), state(ours, items))
    assert len(ours.compare(theirs)) == 0


@pytest.mark.parametrize(
    ("rule", "label", "sides"),
    [
        ("ours", "owl", ["ours", "ours"]),
        ("theirs", "ant", ["theirs", "theirs"]),
        ("latest", "ant", ["theirs", "ours"]),
        ({"a": "ours", ("b", None): "theirs"}, "owl", ["ours", "theirs"]),
    ],
)
def test_conflicts_are_listed_and_settled_and_nothing_is_lost(parted, items, rule, label, sides):
    ours, theirs = parted
    relabel(ours, "a", "dog", "owl", "Ann")
    relabel(theirs, "a", "dog", "bee", "Bob")
    relabel(theirs, "a", "bee", "ant", "Bob")
    theirs.undo(2, actor="Bob")
    ours.record("b", action="keep", actor="Ann")
    ours.record("b", action="drop", actor="Ann")
    theirs.record(1, action="drop", actor="Bob")
    listed = ours.merge(theirs, actor="Eve")
    assert listed.conflicts[["row_id", "field", "ours", "theirs", "kept"]].to_numpy().tolist() == [
        ["a", "label", "owl", "ant", None],
        ["b", None, "drop", None, None],
    ]
    assert ours.to_frame().loc[list(listed.events), "row_id"].tolist() == [1]
    assert repr(listed) == "Merged(1 new events, 2 open conflicts)"
    assert len(ours.merge(theirs, actor="Eve").events) == 0
    merged = ours.merge(theirs, actor="Eve", conflicts=rule)
    assert merged.conflicts["kept"].tolist() == sides
    clean = state(ours, items)
    assert clean.loc["a", "label"] == label
    assert ("b" in clean.index) == (sides[1] == "theirs")
    said = ours.to_frame()
    for one in (theirs.to_frame(), said):
        assert {"owl", "bee", "ant"} & set(one["new"].dropna()) <= set(said["new"].dropna())
    undos = said[(said["action"] == "undo") & (said["actor"] == "Eve")]
    assert set(undos["method"]) == {"merge"}
    assert set(undos["reason"]) == {"the other was kept"}
    for again in (rule, "ours", "theirs", "list"):
        repeated = ours.merge(theirs, actor="Eve", conflicts=again)
        assert (len(repeated.events), len(repeated.conflicts)) == (0, 0)
    theirs.merge(ours, actor="Eve")
    pd.testing.assert_frame_equal(state(theirs, items), clean)


def test_an_undone_merge_brings_the_other_decision_back(parted, items):
    ours, theirs = parted
    relabel(ours, 1, "dog", "owl", "Ann")
    relabel(theirs, 1, "dog", "ant", "Bob")
    merged = ours.merge(theirs, actor="Eve", conflicts="ours")
    assert state(ours, items).loc[1, "label"] == "owl"
    ours.undo(merged.events[-1], actor="Eve")
    assert state(ours, items).loc[1, "label"] == "ant"


def test_those_who_decide_the_same_have_no_conflict(parted, items):
    ours, theirs = parted
    relabel(ours, "a", "dog", "owl", "Ann")
    relabel(theirs, "a", "dog", "owl", "Bob")
    relabel(ours, 1, "dog", "owl", "Ann")
    relabel(theirs, 1, "dog", "bee", "Bob")
    relabel(theirs, 1, "bee", "owl", "Bob")
    ours.undo(2, actor="Ann")
    theirs.undo(2, actor="Bob")
    merged = ours.merge(theirs, actor="Eve")
    assert len(merged.conflicts) == 0
    assert state(ours, items)["label"].tolist()[:2] == ["owl", "owl"]
    assert "b" in state(ours, items).index
    assert len(ours.merge(theirs, actor="Eve").events) == 0
    assert ours.agreement("label").same == 1
    ours.undo(5, actor="Ann")  # one of two undos is taken back: the other still holds
    assert "b" in state(ours, items).index
    assert error_of(ValueError, lambda: ours.undo(2, actor="Ann")).endswith(
        "Got 2 instead. Event 9 took it back; undo that one to bring it back."
    )


def test_ledgers_without_a_common_past_merge_too(tmp_path, items):
    with Ledger(tmp_path / "x") as ours, Ledger(tmp_path / "y") as theirs:
        for ledger, row in ((ours, 1), (theirs, "1")):  # different rows
            ledger.record(row, action="drop", actor="Ann")
        frame = pd.DataFrame({"row_id": ["a", "a"], "action": "tag", "new": "x", "actor": "Ann"})
        theirs.record_many(frame)  # two events alike: both arrive
        assert len(ours.merge(theirs, actor="Ann").events) == 3
        assert len(ours.merge(theirs, actor="Ann").events) == 0
        assert len(ours.merge(ours, actor="Ann").events) == 0
        assert list(state(ours, items).index) == ["a", 2.5, "b", "c"]


def test_a_time_before_the_merge_is_without_what_was_merged(parted):
    ours, theirs = parted  # a minute between two writings
    theirs.record(1, action="drop", actor="Bob")
    ours.record("c", action="drop", actor="Ann")
    ours.merge(theirs, actor="Eve")
    assert ours.decisions(at="2026-01-01 00:03").index.tolist() == ["a", "b", "c"]
    assert ours.decisions(at="2026-01-01 00:04").index.tolist() == ["a", "b", "c", 1]


def test_merges_that_cannot_be(parted):
    ours, theirs = parted
    assert error_of(ValueError, lambda: ours.merge(theirs, actor="Eve", conflicts="mine")) == (
        "The 'conflicts' parameter must be one of 'list', 'ours', 'theirs', 'latest'. "
        "Got 'mine' instead. A mapping of row ids settles by hand."
    )
    by_hand = {"a": "both"}
    assert error_of(ValueError, lambda: ours.merge(theirs, actor="Eve", conflicts=by_hand)) == (
        "The 'conflicts' parameter must be one of 'ours', 'theirs'. Got 'both' instead."
    )
    stray = {"a": "ours", "z": "ours"}
    assert error_of(ValueError, lambda: ours.merge(theirs, actor="Eve", conflicts=stray)) == (
        "The 'conflicts' parameter must be about rows that the ledgers decide on. Got 'z' instead."
    )
    assert error_of(TypeError, lambda: ours.merge("theirs", actor="Eve")) == (
        "The 'other' parameter must be a Ledger. Got 'theirs' instead."
    )
    assert len(ours) == 2


# ---- agreement -----------------------------------------------------------------------------------

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": four observers, twelve units.
FOUR = pd.DataFrame(
    {
        "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        "C": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    }
)


def by_coincidences(answers):
    """Krippendorff's alpha as the paper computes it: from the matrix of coincidences."""
    classes = sorted(set(answers.to_numpy()[answers.notna()].tolist()))
    matrix = np.zeros((len(classes), len(classes)))
    for row in answers.to_numpy():
        said = [classes.index(v) for v in row if not pd.isna(v)]
        for i, one in enumerate(said):
            for j, other in enumerate(said):
                if i != j:
                    matrix[one, other] += 1 / (len(said) - 1)
    n, n_c = matrix.sum(), matrix.sum(axis=1)
    observed = matrix.trace()
    expected = (n_c * (n_c - 1)).sum()
    return ((n - 1) * observed - expected) / (n * (n - 1) - expected)


def test_agreement_of_the_published_example():
    found = agreement_of(FOUR)
    assert found.alpha == pytest.approx(0.743, abs=5e-4)
    assert found.alpha == pytest.approx(by_coincidences(FOUR), abs=1e-12)
    assert found.n_rows == 11  # the last unit has one observer
    pairs = found.pairs.set_index(["one", "other"])
    assert pairs["both"].to_dict() == {
        ("A", "B"): 9, ("A", "C"): 8, ("A", "D"): 9, ("B", "C"): 9, ("B", "D"): 10, ("C", "D"): 10,
    }  # fmt: skip
    assert pairs.loc[("A", "B"), "same"] == pytest.approx(8 / 9)
    # Cohen's kappa of A and B by hand: 8 of 9 alike; A says 3, 3, 2, 1 and B 2, 4, 2, 1 times.
    chance = (3 * 2 + 3 * 4 + 2 * 2 + 1 * 1) / 81
    assert pairs.loc[("A", "B"), "kappa"] == pytest.approx((8 / 9 - chance) / (1 - chance))
    same = (pairs["same"] * pairs["both"]).sum() / pairs["both"].sum()
    assert found.same == pytest.approx(same)


@pytest.mark.parametrize("seed", range(5))
def test_agreement_of_random_answers(seed):
    rng = np.random.default_rng(seed)
    said = pd.DataFrame(rng.integers(3, size=(30, 4)), dtype=object)
    table = said.mask(rng.random((30, 4)) < 0.4)
    assert agreement_of(table).alpha == pytest.approx(by_coincidences(table), abs=1e-12)


def test_agreement_where_there_is_little_to_agree_on():
    nobody = agreement_of(FOUR[:0])
    assert (nobody.n_rows, len(nobody.pairs), len(nobody.answers)) == (0, 0, 0)
    assert np.isnan([nobody.same, nobody.alpha]).all()
    alone = agreement_of(FOUR[["A"]])
    assert (alone.n_rows, alone.answers.shape) == (0, (0, 0))
    one_class = agreement_of(pd.DataFrame({"A": ["x"] * 6, "B": ["x"] * 6}))
    assert one_class.same == 1
    assert np.isnan([one_class.alpha, one_class.pairs["kappa"][0]]).all()
    few = agreement_of(pd.DataFrame({"A": [*"xyxy"], "B": [*"xyxx"]}))
    assert np.isnan(few.pairs["kappa"][0])
    assert repr(nobody) == "Agreement(0 rows, 0 actors, alpha nan)"


def test_the_agreement_of_annotators_in_a_ledger(ledger):
    relabel(ledger, "a", "cat", "dog", "Ann")
    relabel(ledger, "a", "cat", "owl", "Ann")
    relabel(ledger, "a", "cat", "owl", "Bob")
    ledger.record("b", action="keep", actor="Ann")  # its label is right
    relabel(ledger, "b", "dog", "dog", "Bob")  # which is to say the same
    ledger.record("c", action="drop", actor="Ann")
    relabel(ledger, "c", np.nan, "dog", "Bob")
    ledger.record(1, action="drop", actor="Ann")
    ledger.record(1, action="drop", actor="Bob")
    ledger.undo(actor="Bob")
    ledger.record(2, action="weight", new=0.5, actor="Ann")
    ledger.record(2, action="weight", new=1, actor="Bob")
    found = ledger.agreement("label")
    assert found.answers.index.tolist() == ["a", "b", "c"]
    assert found.answers.to_numpy().tolist() == [
        ["'owl'", "'owl'"], ["keep", "keep"], ["drop", "'dog'"],
    ]  # fmt: skip
    assert found.pairs[["one", "other", "both"]].to_numpy().tolist() == [["Ann", "Bob", 3]]
    assert found.same == pytest.approx(2 / 3)
    # By hand: six answers, four of them in agreeing pairs; owl 2, keep 2, drop 1, 'dog' 1.
    assert found.alpha == pytest.approx((5 * 4 - 4) / (6 * 5 - 4))
    apart = ledger.agreement()
    assert apart.answers.index.tolist() == [("a", "label"), (2, "weight")]
    assert apart.answers.to_numpy().tolist() == [["'owl'", "'owl'"], ["0.5", "1.0"]]
    assert error_of(TypeError, lambda: ledger.agreement(3)) == (
        "The 'field' parameter must be the name of a column or None. Got 3 instead."
    )


def test_a_settled_conflict_is_still_a_disagreement(parted):
    ours, theirs = parted
    relabel(ours, 1, "dog", "owl", "Ann")
    relabel(theirs, 1, "dog", "ant", "Bob")
    ours.merge(theirs, actor="Ann", conflicts="theirs")
    assert ours.agreement("label").answers.to_numpy().tolist() == [["'owl'", "'ant'"]]
    assert ours.agreement("label").same == 0
