"""The ledger: what it records, what that makes of a table, and what becomes of its file."""

from __future__ import annotations

import datetime as dt
import functools
import logging
import multiprocessing
import os
import shutil
import sqlite3
import tempfile
import threading
from collections import UserDict
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curalab._check import StaleDecisionError
from curalab.ledger import Ledger, connection, storage

FORK = multiprocessing.get_context("fork") if hasattr(os, "fork") else None
needs_fork = pytest.mark.skipif(FORK is None, reason="no fork on this system")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "my #1.ledger"


@pytest.fixture
def ledger(path):
    with Ledger(path) as opened:
        yield opened


@pytest.fixture
def items():
    return pd.DataFrame(
        {"label": ["cat", "dog", np.nan, "cat"], "size": [1, 2, 3, 4]},
        index=pd.Index(["a", 1, "1", 2.5], name="id"),
    )


def error_of(kind, call):
    with pytest.raises(kind) as info:
        call()
    return str(info.value)


# ---- recording -----------------------------------------------------------------------------------


def test_an_event_says_all_that_was_given(ledger):
    first = ledger.record(
        "a",
        action="relabel",
        field="label",
        old="cat",
        new="dog",
        actor="Ann",
        method="relation_graph",
        params={"k": np.int64(10), "metric": "cosine"},
        embedding="9f86d081",
        reason="It barks. 🐕",
    )
    second = ledger.record(np.int64(7), action="drop", actor="rule")
    assert (first, second, len(ledger)) == (1, 2, 2)
    events = ledger.to_frame()
    assert events.index.name == "event"
    time = events.pop("time")
    assert str(time.dt.tz) == "UTC"
    assert (pd.Timestamp.now("UTC") - time).between(pd.Timedelta(0), pd.Timedelta("1min")).all()
    assert events.pop("undoes").isna().all()
    assert events.loc[1].to_dict() == {
        "row_id": "a",
        "field": "label",
        "action": "relabel",
        "old": "cat",
        "new": "dog",
        "actor": "Ann",
        "method": "relation_graph",
        "params": {"k": 10, "metric": "cosine"},
        "embedding": "9f86d081",
        "reason": "It barks. 🐕",
        "active": True,
    }
    given_none = ["field", "old", "new", "method", "params", "embedding"]
    assert all(events.loc[2, name] is None for name in given_none)
    assert (events.loc[2, "row_id"], events.loc[2, "reason"]) == (7, "")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("1", "1"),
        (1, 1),
        (np.int8(1), 1),
        (2**70, 2**70),
        (0.1, 0.1),
        (np.float32(0.1), 0.10000000149011612),
        (3.0, 3),
        ("ü \udcff\0", "ü \udcff\0"),
        (np.str_("x"), "x"),
        (pd.Timestamp("2024-01-02 03:04:05.000000006"),) * 2,
        (pd.Timestamp("2024-07-01", tz="Asia/Tokyo"), pd.Timestamp("2024-06-30 15:00", tz="UTC")),
        (np.datetime64("2024-01-02"), pd.Timestamp("2024-01-02")),
        (dt.datetime(2024, 1, 2, 3), pd.Timestamp("2024-01-02 03:00")),
        (dt.date(2024, 1, 2), dt.date(2024, 1, 2)),
    ],
)
def test_ids_and_values_come_back(ledger, given, kept):
    ledger.record(given, action="relabel", field="x", old=given, new=given, actor="Ann")
    row_id, old, new = ledger.to_frame()[["row_id", "old", "new"]].iloc[0]
    assert (row_id, old, new) == (kept, given, given)
    assert type(row_id) is type(kept)


@pytest.mark.parametrize(
    "missing", [np.nan, pd.NA, pd.NaT, np.float32("nan"), np.datetime64("NaT")]
)
def test_missing_values_come_back_as_nan(ledger, missing):
    ledger.record("a", action="relabel", field="x", old=missing, new=missing, actor="Ann")
    assert np.isnan(ledger.to_frame()[["old", "new"]].iloc[0].to_list()).all()


def test_bools_and_infinities_are_values(ledger):
    ledger.record("a", action="relabel", field="x", old=np.bool_(True), new=-np.inf, actor="Ann")
    old, new = ledger.to_frame()[["old", "new"]].iloc[0]
    assert old is True
    assert new == -np.inf


ONE_OF = "The 'action' parameter must be one of 'keep', 'drop', 'relabel', 'weight', 'tag'. "
WEIGHT = "The 'new' parameter must be a finite number of 0 or more for the action 'weight'. "
VALUE = "The 'new' parameter must be a string, a number, a bool, a date or missing. "
ROW_ID = "The 'row_id' parameter must be a string, a number or a date. "
PARAMS = "The 'params' parameter must be a mapping that JSON can hold. "
DEEP = functools.reduce(lambda inner, _: {"a": inner}, range(100_000), {})


@pytest.mark.parametrize(
    ("wrong", "kind", "text"),
    [
        ({"action": "dorp"}, ValueError, ONE_OF + "Got 'dorp' instead. Did you mean 'drop'?"),
        ({"action": None}, TypeError, ONE_OF + "Got None instead."),
        (
            {"action": "undo"},
            ValueError,
            ONE_OF + "Got 'undo' instead. To take a decision back call undo().",
        ),
        (
            {"action": "relabel", "new": "x"},
            TypeError,
            "The 'field' parameter must be the name of a column for the action 'relabel'. "
            "Got None instead.",
        ),
        (
            {"action": "relabel", "field": "weight", "new": 1},
            ValueError,
            "The 'field' parameter must be a column other than weight and tags. "
            "Got 'weight' instead. The actions 'weight' and 'tag' write those.",
        ),
        (
            {"action": "relabel", "field": "label"},
            ValueError,
            "The 'new' parameter must be given for the action 'relabel'. Got None instead. "
            "For a missing label give NaN.",
        ),
        ({"action": "relabel", "field": "x", "new": [1]}, TypeError, VALUE + "Got [1] instead."),
        (
            {"field": "label"},
            ValueError,
            "The 'field' parameter must be None for the action 'drop'. Got 'label' instead.",
        ),
        (
            {"new": 3},
            ValueError,
            "The 'new' parameter must be None for the action 'drop'. Got 3 instead.",
        ),
        ({"action": "weight"}, TypeError, WEIGHT + "Got None instead."),
        ({"action": "weight", "new": "1"}, TypeError, WEIGHT + "Got '1' instead."),
        ({"action": "weight", "new": True}, TypeError, WEIGHT + "Got True instead."),
        ({"action": "weight", "new": -0.5}, ValueError, WEIGHT + "Got -0.5 instead."),
        ({"action": "weight", "new": np.inf}, ValueError, WEIGHT + "Got inf instead."),
        (
            {"action": "tag", "new": " "},
            ValueError,
            "The 'new' parameter must be a tag that is not empty. Got ' ' instead.",
        ),
        (
            {"actor": ""},
            ValueError,
            "The 'actor' parameter must be text that is not empty. Got '' instead.",
        ),
        (
            {"actor": None},
            TypeError,
            "The 'actor' parameter must be text that is not empty. Got None instead.",
        ),
        (
            {"method": ""},
            ValueError,
            "The 'method' parameter must be text that is not empty. Got '' instead.",
        ),
        ({"params": 3}, TypeError, PARAMS + "Got 3 instead."),
        ({"params": {"a": {1}}}, TypeError, PARAMS + "Got {'a': {1}} instead. JSON has no set."),
        (
            {"params": {"a": np.inf}},
            ValueError,
            PARAMS + "Got {'a': inf} instead. Out of range float values are not JSON compliant.",
        ),
        ({"reason": 3}, TypeError, "The 'reason' parameter must be text. Got 3 instead."),
        (
            {"reason": "\udcff"},
            ValueError,
            "The 'reason' parameter must be text that UTF-8 can write. Got '\\udcff' instead.",
        ),
        ({"row_id": None}, TypeError, ROW_ID + "Got None instead."),
        ({"row_id": np.nan}, TypeError, ROW_ID + "Got nan instead."),
        ({"row_id": True}, TypeError, ROW_ID + "Got True instead."),
        ({"row_id": ("a", 1)}, TypeError, ROW_ID + "Got ('a', 1) instead."),
        (
            {"row_id": np.timedelta64(1, "ns")},
            TypeError,
            ROW_ID + "Got Timedelta('0 days 00:00:00.000000001') instead.",
        ),
        ({"params": DEEP}, ValueError, PARAMS + "Got one that is nested too deep instead."),
    ],
)
def test_what_is_wrong_with_a_decision(ledger, wrong, kind, text):
    given = {"row_id": "a", "action": "drop", "actor": "Ann"} | wrong
    assert error_of(kind, lambda: ledger.record(given.pop("row_id"), **given)) == text
    assert len(ledger) == 0


def test_a_reason_of_spaces_alone_is_none(ledger):
    ledger.record("a", action="drop", actor="Ann", reason=" \n")
    ledger.checkpoint("v1", actor="Ann", reason=" ")
    assert ledger.to_frame()["reason"].tolist() == ledger.checkpoints()["reason"].tolist() == [""]


def test_a_table_of_decisions_is_the_same_as_one_by_one(ledger, tmp_path):
    frame = pd.DataFrame(
        {
            "row_id": ["a", 1, "1", 2.5],
            "action": ["relabel", "drop", "weight", "tag"],
            "field": ["label", None, None, None],
            "old": pd.Series([np.nan, np.nan, np.nan, np.nan], dtype=object),
            "new": ["dog", np.nan, 0.5, "dark"],
            "actor": "rule",
            "params": [{"k": 3}, None, None, np.nan],
            "reason": ["x", np.nan, "", None],
        }
    )
    before = frame.copy()
    pd.testing.assert_index_equal(ledger.record_many(frame), pd.RangeIndex(1, 5, name="event"))
    pd.testing.assert_frame_equal(frame, before)
    with Ledger(tmp_path / "other") as other:
        other.record(
            "a", action="relabel", field="label", old=np.nan, new="dog", actor="rule",
            params={"k": 3}, reason="x",
        )  # fmt: skip
        other.record(1, action="drop", actor="rule")
        other.record("1", action="weight", new=0.5, actor="rule")
        other.record(2.5, action="tag", new="dark", actor="rule")
        pd.testing.assert_frame_equal(
            ledger.to_frame().drop(columns="time"), other.to_frame().drop(columns="time")
        )
    assert len(ledger.record_many(frame[:0])) == 0


def test_params_of_many_decisions_are_written_and_read_once(ledger):
    class Counted(UserDict):
        n_read = 0

        def __iter__(self):
            Counted.n_read += 1
            return super().__iter__()

    shared = [Counted(k=3), Counted(k=4), None]
    frame = pd.DataFrame({"row_id": range(3_000), "action": "drop", "actor": "rule"})
    frame["params"] = pd.Series(shared * 1_000, dtype=object)
    ledger.record_many(frame)
    assert Counted.n_read == 2
    for told in (ledger.to_frame(), ledger.decisions()):
        assert told["params"].tolist() == [{"k": 3}, {"k": 4}, None] * 1_000
        assert len({id(one) for one in told["params"]}) == 3


def test_a_table_with_one_wrong_row_records_nothing(ledger):
    frame = pd.DataFrame({"row_id": range(3), "action": ["drop", "drop", "dorp"], "actor": "Ann"})
    assert error_of(ValueError, lambda: ledger.record_many(frame)) == (
        ONE_OF + "Got 'dorp' instead. Did you mean 'drop'? "
        "This is row 2 of the frame; none of its rows was recorded."
    )
    rule = (
        "The 'frame' parameter must be a table of row_id, action, actor and other columns among "
        "row_id, field, action, old, new, actor, method, params, embedding, reason. "
    )
    assert error_of(ValueError, lambda: ledger.record_many(frame.assign(who="me"))) == (
        rule + "Got the columns 'row_id', 'action', 'actor', 'who' instead."
    )
    assert error_of(ValueError, lambda: ledger.record_many(frame[["row_id"]])) == (
        rule + "Got no action, actor instead."
    )
    assert error_of(TypeError, lambda: ledger.record_many([1])) == (
        "The 'frame' parameter must be a DataFrame of decisions. Got [1] instead."
    )
    assert len(ledger) == 0


def test_a_full_disk_loses_nothing_and_halves_nothing(ledger):
    ledger.record("kept", action="drop", actor="Ann")
    ledger._storage._connection.execute("PRAGMA max_page_count = 20")
    frame = pd.DataFrame({"row_id": range(5_000), "action": "drop", "actor": "rule"})
    assert error_of(OSError, lambda: ledger.record_many(frame)) == (
        "The ledger 'my #1.ledger' must be on a disk that takes what is written. Got 'database or "
        "disk is full' instead. Nothing of this call was recorded: repeat it afterwards."
    )
    assert ledger.to_frame()["row_id"].tolist() == ["kept"]


# ---- undo ----------------------------------------------------------------------------------------


def test_undo_takes_back_ones_own_last_then_the_one_before(ledger, items):
    for row in ("a", 1):
        ledger.record(row, action="drop", actor="Ann")
    ledger.record("1", action="drop", actor="Bob")
    assert ledger.undo(actor="Ann") == 4
    assert list(ledger.apply(items).index) == [1, 2.5]
    ledger.undo(actor="Ann")
    assert list(ledger.apply(items).index) == ["a", 1, 2.5]
    assert error_of(ValueError, lambda: ledger.undo(actor="Ann")) == (
        "The 'actor' parameter must be someone with a decision left to undo. Got 'Ann' instead."
    )
    assert ledger.to_frame()["undoes"].tolist() == [pd.NA, pd.NA, pd.NA, 2, 1]
    assert ledger.to_frame()["active"].tolist() == [False, False, True, True, True]


def test_undoing_an_undo_brings_the_decision_back(ledger, items):
    drop = ledger.record("a", action="drop", actor="Ann")
    undo = ledger.undo(drop, actor="Bob")
    assert "a" in ledger.apply(items).index
    redo = ledger.undo(undo, actor="Ann")
    assert "a" not in ledger.apply(items).index
    assert ledger.to_frame()["active"].tolist() == [True, False, True]
    assert error_of(ValueError, lambda: ledger.undo(undo, actor="Ann")) == (
        f"The 'event' parameter must be an event not taken back yet. Got {undo} instead. "
        f"Event {redo} took it back; undo that one to bring it back."
    )
    ledger.undo(actor="Ann")
    assert "a" in ledger.apply(items).index
    assert error_of(ValueError, lambda: ledger.undo(drop, actor="Ann")) == (
        "The 'event' parameter must be an event not taken back yet. Got 1 instead. "
        "Event 4 took it back; undo that one to bring it back."
    )


def test_an_undo_repeats_what_it_takes_back(ledger):
    ledger.record(1, action="relabel", field="label", old="cat", new="dog", actor="Ann")
    ledger.undo(1, actor="Bob")
    event = ledger.to_frame().loc[2]
    assert event[["row_id", "field", "action", "old", "new", "actor", "undoes"]].tolist() == [
        1, "label", "undo", "cat", "dog", "Bob", 1,
    ]  # fmt: skip


def test_many_are_taken_back_at_once_or_none(ledger, items):
    frame = pd.DataFrame({"row_id": ["a", 1, "1"], "action": "drop", "actor": "Ann"})
    events = ledger.record_many(frame)
    undone = ledger.undo_many(list(events)[:2], actor="Bo")
    assert list(undone) == [4, 5]
    assert ledger.decisions().index.tolist() == ["1"]
    assert ledger.to_frame().loc[list(undone), "undoes"].tolist() == [1, 2]
    assert ledger.to_frame().loc[5, ["row_id", "action", "actor"]].tolist() == [1, "undo", "Bo"]
    redone = ledger.undo_many(np.array([5, 3]), actor="Ann")  # in the order asked for
    assert ledger.to_frame().loc[list(redone), "undoes"].tolist() == [5, 3]
    assert ledger.decisions().index.tolist() == [1]
    assert len(ledger.undo_many([], actor="Bo")) == 0
    assert len(ledger) == 7


@pytest.mark.parametrize(
    ("events", "kind", "text"),
    [
        ([2, 9], ValueError, "an event of the ledger. Got 9 instead. The ledger holds 4 events."),
        (
            [2, 1],
            ValueError,
            "an event not taken back yet. Got 1 instead. "
            "Event 4 took it back; undo that one to bring it back.",
        ),
        (
            [2, 3, 2],
            ValueError,
            "an event not taken back yet. Got 2 instead. It stands twice among the events.",
        ),
        ([2, 0], ValueError, "an integer of 1 or more. Got 0 instead."),
        ([2, 1.0], TypeError, "an integer of 1 or more. Got 1.0 instead."),
        ([2, True], TypeError, "an integer of 1 or more. Got True instead."),
    ],
)
def test_many_that_cannot_be_taken_back(ledger, events, kind, text):
    ledger.record_many(pd.DataFrame({"row_id": ["a", 1, "1"], "action": "drop", "actor": "Ann"}))
    ledger.undo(1, actor="Bob")
    assert error_of(kind, lambda: ledger.undo_many(events, actor="Ann")) == (
        f"The 'event' parameter must be {text}"
    )
    assert len(ledger) == 4
    assert error_of(TypeError, lambda: ledger.undo_many(2, actor="Ann")) == (
        "The 'events' parameter must be a sequence of event numbers. Got 2 instead."
    )


def test_ones_own_last_is_found_behind_many_that_were_taken_back(ledger, monkeypatch):
    monkeypatch.setattr(storage, "_AT_ONCE", 3)
    events = ledger.record_many(
        pd.DataFrame({"row_id": range(8), "action": "drop", "actor": "Ann"})
    )
    ledger.undo_many(events[1:], actor="Bob")
    ledger.undo(9, actor="Bob")  # event 2 stands again
    for stands in (2, 1):
        undo = ledger.undo(actor="Ann")
        assert ledger.to_frame()["undoes"][undo] == stands


def test_undo_of_what_is_not_there(ledger):
    ledger.record("a", action="drop", actor="Ann")
    assert error_of(ValueError, lambda: ledger.undo(9, actor="Ann")) == (
        "The 'event' parameter must be an event of the ledger. Got 9 instead. "
        "The ledger holds 1 events."
    )
    assert error_of(ValueError, lambda: ledger.undo(0, actor="Ann")) == (
        "The 'event' parameter must be an integer of 1 or more. Got 0 instead."
    )
    assert error_of(ValueError, lambda: ledger.undo(actor=" ")) == (
        "The 'actor' parameter must be text that is not empty. Got ' ' instead."
    )
    assert len(ledger) == 1


# ---- applying ------------------------------------------------------------------------------------


def test_apply_by_hand(ledger, items):
    before = items.copy(deep=True)
    ledger.record("a", action="drop", actor="Ann")
    ledger.record("1", action="relabel", field="label", old=np.nan, new="owl", actor="Ann")
    ledger.record(1, action="weight", new=0.5, actor="Ann")
    ledger.record(1, action="weight", new=2, actor="Ann")
    ledger.record(2.5, action="tag", new="dark", actor="Ann")
    ledger.record(2.5, action="tag", new="blur", actor="Ann")
    ledger.record(2.5, action="tag", new="dark", actor="Bob")
    expected = pd.DataFrame(
        {
            "label": ["dog", "owl", "cat"],
            "size": [2, 3, 4],
            "weight": [2.0, 1.0, 1.0],
            "tags": [[], [], ["blur", "dark"]],
        },
        index=pd.Index([1, "1", 2.5], name="id"),
    )
    pd.testing.assert_frame_equal(ledger.apply(items), expected)
    pd.testing.assert_frame_equal(items, before)


def test_an_empty_ledger_returns_an_equal_new_table(ledger, items):
    clean = ledger.apply(items)
    pd.testing.assert_frame_equal(clean, items)
    clean.loc["a", "label"] = "ant"
    assert items.loc["a", "label"] == "cat"


def test_the_latest_of_keep_and_drop_counts_and_only_for_the_row_itself(ledger, items):
    ledger.record("a", action="drop", actor="Ann")
    ledger.record("a", action="relabel", field="label", new="ant", actor="Ann")
    ledger.record("a", action="keep", actor="Bob")
    ledger.record(1, action="keep", actor="Ann")
    ledger.record(1, action="drop", actor="Ann")
    assert ledger.apply(items)["label"].tolist()[0] == "ant"
    assert list(ledger.apply(items).index) == ["a", "1", 2.5]


def test_relabels_chain_and_the_latest_counts(ledger, items):
    ledger.record("a", action="relabel", field="label", old="cat", new="dog", actor="Ann")
    ledger.record("a", action="relabel", field="label", old="dog", new="owl", actor="Ann")
    ledger.record(1, action="relabel", field="label", old="dog", new="cat", actor="Ann")
    ledger.record(1, action="relabel", field="label", old="dog", new="ant", actor="Bob")
    assert ledger.apply(items)["label"].tolist() == ["owl", "ant", np.nan, "cat"]
    assert ledger.to_frame()["active"].tolist() == [False, True, False, True]


STALE = (
    "The old value of a relabel must be what the table holds in 'label'. Got another for the ids "
)
ANEW = " Undo those decisions or record them anew."


def test_a_relabel_whose_old_value_no_longer_holds_is_refused(ledger, items):
    for row in ("a", 1, 2.5):
        ledger.record(row, action="relabel", field="label", old="cat", new="owl", actor="Ann")
    changed = items.assign(label=["cat", "dog", None, "ant"])
    assert error_of(StaleDecisionError, lambda: ledger.apply(changed)) == (
        STALE + "1, 2.5 instead: event 2 says 'cat', the table 'dog'." + ANEW
    )
    ledger.record(1, action="relabel", field="label", old="dog", new="ant", actor="Ann")
    ledger.record(2.5, action="relabel", field="label", new="ant", actor="Ann")
    assert ledger.apply(changed)["label"].tolist()[:2] == ["owl", "ant"]


def test_a_relabel_falls_with_the_one_that_it_followed(ledger, items):
    first = ledger.record("a", action="relabel", field="label", old="cat", new="dog", actor="Ann")
    ledger.record("a", action="relabel", field="label", old="dog", new="owl", actor="Ann")
    text = STALE + "'a' instead: event 2 says 'dog', the table 'ant'." + ANEW
    changed = items.assign(label="ant")
    assert error_of(StaleDecisionError, lambda: ledger.apply(changed)) == text
    ledger.undo(first, actor="Ann")
    text = text.replace("the table 'ant'", "the table 'cat'")
    assert error_of(StaleDecisionError, lambda: ledger.apply(items)) == text


def test_a_label_said_to_be_missing_must_be_missing(ledger, items):
    ledger.record("a", action="relabel", field="label", old=np.nan, new="owl", actor="rule")
    assert error_of(StaleDecisionError, lambda: ledger.apply(items)) == (
        STALE + "'a' instead: event 1 says nan, the table 'cat'." + ANEW
    )
    assert ledger.apply(items.assign(label=None)).loc["a", "label"] == "owl"


def test_rows_and_columns_that_the_table_lacks(ledger, items):
    for row in ("a", "b", 2):
        ledger.record(row, action="keep", actor="Ann")
    assert error_of(ValueError, lambda: ledger.apply(items)) == (
        "The 'items' parameter must be a table with every row that the ledger decides on. Got none "
        "for the ids 'b', 2 instead. Apply the ledger to the source table, not to one it was "
        "already applied to."
    )
    ledger.undo(2, actor="Ann")
    ledger.undo(3, actor="Ann")
    assert len(ledger.apply(items)) == 4
    ledger.record("a", action="relabel", field="lable", new="owl", actor="Ann")
    assert error_of(ValueError, lambda: ledger.apply(items)) == (
        "The 'items' parameter must be a table with the column 'lable'. "
        "Got the columns 'label', 'size' instead."
    )


def test_tables_that_cannot_be_decided_on(ledger, items):
    ledger.record("a", action="tag", new="dark", actor="Ann")
    twice = pd.concat([items, items[:1]])
    assert error_of(ValueError, lambda: ledger.apply(twice)) == (
        "The 'ids' parameter must be distinct. Got ids that occur twice: 'a' instead."
    )
    assert error_of(TypeError, lambda: ledger.apply([1, 2])) == (
        "The 'items' parameter must be a DataFrame whose index holds the ids. Got [1, 2] instead."
    )
    assert error_of(ValueError, lambda: ledger.apply(items.assign(tags="dark"))) == (
        "The 'items' parameter must be a table whose 'tags' are lists of text. Got 'dark' instead."
    )
    mixed = items.assign(tags=[[1, "a"], [], [], []])
    assert error_of(ValueError, lambda: ledger.apply(mixed)) == (
        "The 'items' parameter must be a table whose 'tags' are lists of text. Got [1, 'a'] "
        "instead."
    )
    doubled = pd.concat([items, items[["size"]]], axis=1)
    levels = items.set_axis(pd.MultiIndex.from_product([["x"], ["label", "size"]]), axis=1)
    for table, what in ((doubled, "several of 'size'"), (levels, "names of several levels")):
        for call in (ledger.apply, ledger.replay):
            assert error_of(ValueError, lambda call=call, table=table: call(table)) == (
                f"The 'items' parameter must be a table with one name for each column. "
                f"Got {what} instead."
            )
    ledger.record("a", action="weight", new=0.5, actor="Ann")
    assert error_of(ValueError, lambda: ledger.apply(items.assign(weight="much"))) == (
        "The 'items' parameter must be a table whose 'weight' are numbers. Got others (could not "
        "convert string to float: 'much') instead."
    )


def test_weights_and_tags_that_the_table_brought_stay(ledger, items):
    own = items.assign(weight=[1, 2, 3, 4], tags=[["z", "a"], None, ["b"], []])
    ledger.record("a", action="weight", new=0, actor="Ann")
    ledger.record("1", action="tag", new="a", actor="Ann")
    clean = ledger.apply(own)
    assert clean["weight"].tolist() == [0, 2, 3, 4]
    assert clean["tags"].tolist() == [["a", "z"], [], ["a", "b"], []]
    assert own["tags"].tolist()[0] == ["z", "a"]


@pytest.mark.parametrize(
    ("column", "new", "expected"),
    [
        (pd.Series([1, 2]), 3, pd.Series([3, 2])),
        (pd.Series([1, 2]), 2.0, pd.Series([2, 2])),
        (pd.Series([1, 2]), 1.5, pd.Series([1.5, 2.0])),
        (pd.Series([1, 2]), np.nan, pd.Series([np.nan, 2.0])),
        (pd.Series([1, 2]), "x", pd.Series(["x", 2], dtype=object)),
        (pd.Series([1, 2**53 + 1]), 1.5, pd.Series([1.5, 2**53 + 1], dtype=object)),
        (pd.Series([1, 2], dtype="uint8"), 300, pd.Series([300, 2])),
        (pd.Series([1, 2], dtype="Int64"), pd.NA, pd.Series([pd.NA, 2], dtype="Int64")),
        (pd.Series([1, 2], dtype="float32"), 0.1, pd.Series([0.1, 2], dtype="float32")),
        (pd.Series([1.5, 2.0]), "2.5", pd.Series(["2.5", 2.0], dtype=object)),
        (pd.Series([True, False]), False, pd.Series([False, False])),
        (pd.Series([True, False]), "no", pd.Series(["no", False], dtype=object)),
        (pd.Series(["a", "b"], dtype="string"), "c", pd.Series(["c", "b"], dtype="string")),
        (pd.Series(["a", "b"]), 3, pd.Series([3, "b"], dtype=object)),
        (pd.Series(["a", "b"]), np.nan, pd.Series([np.nan, "b"])),
        (
            pd.Series(pd.Categorical(["a", "b"], ["b", "a"], ordered=True)),
            "c",
            pd.Series(pd.Categorical(["c", "b"], ["b", "a", "c"], ordered=True)),
        ),
        (
            pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"])),
            dt.datetime(2025, 1, 1),
            pd.Series(pd.to_datetime(["2025-01-01", "2024-01-02"])),
        ),
        (
            pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"])),
            "2025-01-01",
            pd.Series(["2025-01-01", pd.Timestamp("2024-01-02")], dtype=object),
        ),
    ],
)
def test_a_column_keeps_its_type_where_that_holds_the_new_value(ledger, column, new, expected):
    ledger.record(0, action="relabel", field="x", new=new, actor="Ann")
    pd.testing.assert_series_equal(
        ledger.apply(pd.DataFrame({"x": column}))["x"], expected, check_names=False
    )


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2024-01-01", periods=3),
        pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin").as_unit("ns"),
        pd.CategoricalIndex(["x", "y", "z"]),
        pd.Index([0.0, 1.0, 2.5]),
        pd.Index([dt.date(2024, 1, day) for day in (1, 2, 3)]),
        pd.Index(["ä", "\udcff", ""], dtype=object),
    ],
    ids=["dates", "zone", "category", "float", "date", "text"],
)
def test_rows_are_found_in_any_index(ledger, index):
    table = pd.DataFrame({"x": [1, 2, 3]}, index=index)
    ledger.record(index[1], action="drop", actor="Ann")
    assert ledger.apply(table)["x"].tolist() == [1, 3]


def test_text_is_no_date_and_no_number(ledger):
    ledger.record("2024-01-01", action="drop", actor="Ann")
    with pytest.raises(ValueError, match="'2024-01-01'"):
        ledger.apply(pd.DataFrame({"x": [1]}, index=pd.DatetimeIndex(["2024-01-01"])))


# ---- reading -------------------------------------------------------------------------------------


def test_decisions_in_force_by_row(ledger, items):
    ledger.record("a", action="drop", actor="Ann")
    ledger.record("a", action="keep", actor="Bob", reason="fine")
    ledger.record(1, action="tag", new="dark", actor="Ann")
    ledger.record(1, action="tag", new="blur", actor="Ann")
    ledger.record("1", action="drop", actor="Ann")
    ledger.undo(actor="Ann")
    decided = ledger.decisions()
    assert decided.index.tolist() == ["a", 1, 1]
    assert decided[["event", "action", "actor"]].to_numpy().tolist() == [
        [2, "keep", "Bob"],
        [3, "tag", "Ann"],
        [4, "tag", "Ann"],
    ]
    assert items.index.isin(decided.index).tolist() == [True, True, False, False]


def test_diff_by_hand(ledger):
    ledger.record("a", action="relabel", field="label", old="cat", new="dog", actor="Ann")  # 1
    ledger.record("a", action="relabel", field="label", old="cat", new="owl", actor="Bob",
                  method="knn", reason="beak")  # 2  # fmt: skip
    ledger.record("b", action="drop", actor="Ann")  # 3
    ledger.record("b", action="keep", actor="Bob")  # 4
    ledger.record("c", action="weight", new=0.5, actor="Ann")  # 5
    ledger.record("c", action="weight", new=0.5, actor="Bob")  # 6
    ledger.record("d", action="tag", new="dark", actor="Ann")  # 7
    ledger.undo(actor="Ann")  # 8
    columns = [
        "row_id",
        "field",
        "before",
        "after",
        "event",
        "actor",
        "method",
        "reason",
        "conflict",
    ]
    said = {"Ann": "dog", "Bob": "owl"}
    kept = {"Ann": "drop", "Bob": "keep"}
    everything = ledger.diff()
    assert everything[columns].to_numpy().tolist() == [
        ["a", "label", "cat", "owl", 2, "Bob", "knn", "beak", said],
        ["b", None, None, "keep", 4, "Bob", None, "", kept],
        ["c", "weight", None, 0.5, 6, "Bob", None, "", None],
    ]
    assert everything["time"].tolist() == ledger.to_frame().loc[[2, 4, 6], "time"].tolist()
    assert ledger.diff(1, 3)[columns].to_numpy().tolist() == [
        ["a", "label", "dog", "owl", 2, "Bob", "knn", "beak", said],
        ["b", None, None, "drop", 3, "Ann", None, "", None],
    ]
    assert ledger.diff(7)[columns].to_numpy().tolist() == [
        ["d", "tags", "dark", None, 8, "Ann", None, "", None]
    ]
    assert ledger.diff(3, 1)[columns].to_numpy().tolist() == [
        ["a", "label", "owl", "dog", 1, "Ann", None, "", None],
        ["b", None, "drop", None, 3, "Ann", None, "", None],
    ]
    assert len(ledger.diff(5, 6)) == 0
    assert list(ledger.diff(8, 8)) == list(everything)


def test_a_time_stands_for_the_last_event_by_then_whatever_the_clock_did(ledger, monkeypatch):
    for hour, row in ((10, "a"), (12, "b"), (9, "c")):
        monkeypatch.setattr(storage, "_now", lambda hour=hour: f"2026-01-01T{hour:02}:00:00+00:00")
        ledger.record(row, action="drop", actor="Ann")
    assert ledger.to_frame()["row_id"].tolist() == ["a", "b", "c"]
    assert ledger.diff("2026-01-01 08:00", "2026-01-01 09:30")["row_id"].tolist() == ["a", "b", "c"]
    noon = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert len(ledger.diff(noon)) == 0
    rule = "parameter must be the number of an event, up to 3, a time, or a checkpoint. "
    assert error_of(ValueError, lambda: ledger.diff(4)) == f"The 'a' {rule}Got 4 instead."
    assert error_of(ValueError, lambda: ledger.diff(0, "now-ish")) == (
        f"The 'b' {rule}Got 'now-ish' instead."
    )
    for moment in ("", pd.NaT):
        assert error_of(ValueError, lambda moment=moment: ledger.diff(moment)) == (
            f"The 'a' {rule}Got {moment!r} instead."
        )
    assert error_of(TypeError, lambda: ledger.diff(1.5)) == f"The 'a' {rule}Got 1.5 instead."


def test_reprs_are_one_line_and_escaped(ledger):
    assert repr(ledger) == "Ledger('my #1.ledger', 0 events)"
    for row in range(6):
        ledger.record(f"<b>{row}", action="tag", new="<i>", actor="<u>Ann</u>", reason="<script>")
    html = ledger._repr_html_()
    assert "Ledger(&#x27;my #1.ledger&#x27;, 6 events)" in html
    assert "&lt;b&gt;5" in html
    assert "&lt;b&gt;0" not in html
    assert not any(tag in html for tag in ("<b>", "<i>", "<u>", "<script>"))
    ledger.close()
    assert repr(ledger) == "Ledger('my #1.ledger', closed)"
    assert ledger._repr_html_() == "<p>Ledger(&#x27;my #1.ledger&#x27;, closed)</p>"


# ---- the recipe ----------------------------------------------------------------------------------


def follow(recipe, items):
    names = {"items": items}
    exec(recipe, names)
    return names["clean"]


def test_the_recipe_reads_as_written(ledger, items):
    ledger.record("a", action="drop", actor="Ann", reason='"""quoted"""\n')
    ledger.record(1, action="relabel", field="label", new=np.nan, actor="Bob", params={"k": [1]})
    ledger.record(1, action="drop", actor="Bob")
    ledger.undo(actor="Bob")
    recipe = ledger.recipe()
    columns = "['row_id', 'field', 'action', 'new', 'actor', 'params', 'reason']"
    assert f"columns = {columns}\n" in recipe
    assert (
        "('a', None, 'drop', None, 'Ann', None, '\"\"\"quoted\"\"\"\\n'),  # event 1, 20" in recipe
    )
    assert "(1, 'label', 'relabel', float('nan'), 'Bob', {'k': [1]}, '')," in recipe
    assert recipe.count("# event ") == 2
    pd.testing.assert_frame_equal(follow(recipe, items), ledger.apply(items))


def test_the_recipe_of_dates(ledger):
    days = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=2), "x": [1.0, 2.0]})
    days.index = pd.date_range("2024-01-01 00:00:00.000000001", periods=2, tz="Asia/Tokyo")
    ledger.record(days.index[0], action="relabel", field="day", old=days["day"].iloc[0],
                  new=pd.Timestamp("2025-01-01"), actor="Ann")  # fmt: skip
    ledger.record(days.index[1], action="relabel", field="x", new=-np.inf, actor="Ann")
    ledger.record(
        days.index[1], action="relabel", field="day", new=dt.date(2024, 5, 6), actor="Ann"
    )
    pd.testing.assert_frame_equal(follow(ledger.recipe(), days), ledger.apply(days))
    assert ledger.apply(days)["day"].tolist() == [pd.Timestamp("2025-01-01"), dt.date(2024, 5, 6)]


TABLE = pd.DataFrame(
    {
        "label": pd.Series(["cat", None, "dog", "cat"], dtype=object),
        "kind": pd.Categorical(["x", "y", None, "x"]),
        "size": [1, 2, 3, 4],
    },
    index=pd.Index(["a", 1, "1", "ü\n'"]),
)
VALUES = st.sampled_from(["cat", "dog", "x", "ü'\n", "", 5, 0, 2.5, True, np.nan])
DECISIONS = st.tuples(
    st.sampled_from(list(TABLE.index)),
    st.sampled_from(["keep", "drop", "relabel", "relabel", "weight", "tag"]),
    st.sampled_from(list(TABLE.columns)),
    VALUES,
    st.booleans(),
    st.sampled_from(["Ann", "rule"]),
)


def entry(row, action, field, value, says_old, actor):
    new = {"relabel": value, "weight": len(str(value)) / 2, "tag": f"t{value}"}.get(action)
    is_relabel = action == "relabel"
    given = TABLE.loc[row, field]
    old = (np.nan if pd.isna(given) else given) if is_relabel and says_old else None
    return [row, action, field if is_relabel else None, old, new, actor]


def by_hand(entries, undone):
    """Carry out what is left, one decision after the other, in dicts."""
    rows = {row: TABLE.loc[row].to_dict() | {"weight": 1.0, "tags": set()} for row in TABLE.index}
    dropped = set()
    for number, (row, action, field, _, new, _) in enumerate(entries, 1):
        if number in undone:
            continue
        if action in ("keep", "drop"):
            (dropped.add if action == "drop" else dropped.discard)(row)
        elif action == "tag":
            rows[row]["tags"].add(new)
        else:
            rows[row][field or "weight"] = new
    return {row: values for row, values in rows.items() if row not in dropped}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(DECISIONS, min_size=1, max_size=12), st.sets(st.integers(1, 12), max_size=3))
def test_apply_does_what_a_loop_does_and_the_recipe_does_it_again(decisions, undone):
    entries = [entry(*decision) for decision in decisions]
    undone = {number for number in undone if number <= len(entries)}
    columns = ["row_id", "action", "field", "old", "new", "actor"]
    with tempfile.TemporaryDirectory() as folder, Ledger(f"{folder}/l") as ledger:
        ledger.record_many(pd.DataFrame(entries, columns=columns, dtype=object))
        for number in undone:
            ledger.undo(number, actor="Bob")
        clean = ledger.apply(TABLE)
        pd.testing.assert_frame_equal(follow(ledger.recipe(), TABLE), clean)
    expected = by_hand(entries, undone)
    assert list(clean.index) == list(expected)
    for row, values in expected.items():
        got = clean.loc[row].to_dict()
        assert got.pop("tags", []) == sorted(values.pop("tags"))
        assert got.pop("weight", 1.0) == values.pop("weight")
        assert {k: None if pd.isna(v) else v for k, v in got.items()} == {
            k: None if pd.isna(v) else v for k, v in values.items()
        }


# ---- the file ------------------------------------------------------------------------------------


def filled(path, n=3):
    with Ledger(path) as ledger:
        ledger.record_many(pd.DataFrame({"row_id": range(n), "action": "drop", "actor": "Ann"}))
    return path


def test_a_ledger_is_one_file_that_opens_again(path):
    filled(path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with Ledger(str(path)) as ledger:
        assert ledger.record(3, action="drop", actor="Ann") == 4
    with Ledger(path) as ledger:
        assert len(ledger) == 4


def test_each_write_is_synced_and_nothing_can_be_changed(ledger):
    ledger.record("a", action="drop", actor="Ann")
    sql = ledger._storage._connection.execute
    assert sql("PRAGMA journal_mode").fetchone() == ("wal",)
    assert sql("PRAGMA synchronous").fetchone() == (2,)
    for statement in ("DELETE FROM event", "UPDATE event SET actor = 'Bob'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            sql(statement)


def test_a_closed_ledger_says_so(ledger):
    ledger.close()
    ledger.close()
    assert error_of(ValueError, lambda: ledger.record("a", action="drop", actor="Ann")) == (
        "The ledger 'my #1.ledger' must be open. Got a closed one instead. "
        "Open it again with Ledger(path)."
    )


NOT_ONE = (
    "The 'path' parameter must be a ledger or a new file. Got 'my #1.ledger' instead. "
    "The file holds something else and was left as it is: choose another path."
)
CUT = (
    "The 'path' parameter must be a whole ledger. Got 'my #1.ledger', which is damaged or cut, "
    "instead. Nothing was changed: put a copy of the file back."
)


def refused_as_it_is(path, text):
    content = path.read_bytes()
    assert error_of(ValueError, lambda: Ledger(path)) == text
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"id,label\n1,cat\n" * 500, b"hello", b"x", b"\0" * 5000])
def test_a_file_of_something_else_is_refused(path, content):
    path.write_bytes(content)
    refused_as_it_is(path, NOT_ONE)


def test_another_database_is_refused(path):
    with sqlite3.connect(path) as foreign:
        foreign.execute("CREATE TABLE event (x)")
    foreign.close()
    refused_as_it_is(path, NOT_ONE)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.9999])
def test_a_cut_ledger_is_refused(path, share):
    content = filled(path, n=2_000).read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused_as_it_is(path, CUT)


def test_an_emptied_ledger_with_decisions_beside_it_is_refused(path, tmp_path):
    with Ledger(path) as ledger:
        ledger.record("a", action="drop", actor="Ann")
        copy = tmp_path / "copy" / path.name
        copy.parent.mkdir()
        shutil.copy(f"{path}-wal", f"{copy}-wal")
    copy.write_bytes(b"")
    wal = Path(f"{copy}-wal").read_bytes()
    assert error_of(ValueError, lambda: Ledger(copy)) == CUT
    assert Path(f"{copy}-wal").read_bytes() == wal


def test_a_damaged_ledger_says_so_when_it_is_read(path):
    content = bytearray(filled(path, n=2_000).read_bytes())
    content[4096 * 5 : 4096 * 20] = b"\xff" * (4096 * 15)
    path.write_bytes(content)
    with Ledger(path) as ledger:
        assert error_of(ValueError, ledger.to_frame) == CUT


@pytest.mark.parametrize(
    ("column", "junk", "text"),
    [
        ("time", "2026-1?-01", "The times in a ledger must be as it wrote them. Got '2026-1?-01'"),
        ("row_id", '"a', "The values in a ledger must be as it wrote them. Got 'Unterminated "
                         "string starting at: line 1 column 2 (char 1)'"),
        ("params", "{", "The values in a ledger must be as it wrote them. Got 'Expecting property "
                        "name enclosed in double quotes: line 1 column 2 (char 1)'"),
    ],
)  # fmt: skip
def test_a_damaged_value_says_so_when_it_is_read(path, column, junk, text):
    with sqlite3.connect(filled(path)) as other:
        other.execute("DROP TRIGGER event_no_update")
        other.execute(f"UPDATE event SET {column} = ? WHERE event = 1", (junk,))
    other.close()
    with Ledger(path) as ledger:
        assert error_of(ValueError, ledger.to_frame) == (
            f"{text} instead. The file was damaged: put a copy of it back."
        )


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE event RENAME COLUMN reason TO why",
        "UPDATE event SET reason = CAST(X'ff' AS TEXT)",
    ],
)
def test_a_ledger_of_other_columns_or_signs_says_so_when_it_is_read(path, change):
    with sqlite3.connect(filled(path)) as other:
        other.execute("DROP TRIGGER event_no_update")
        other.execute(change)
    other.close()
    with Ledger(path) as ledger:
        assert error_of(ValueError, ledger.to_frame) == CUT


def test_a_version_that_never_was_is_refused(path):
    with sqlite3.connect(filled(path)) as other:
        other.execute("PRAGMA user_version = 0")
    other.close()
    refused_as_it_is(path, NOT_ONE)


def test_a_ledger_of_a_newer_version_is_refused(path):
    with sqlite3.connect(filled(path)) as newer:
        newer.execute("PRAGMA user_version = 2")
    newer.close()
    refused_as_it_is(
        path,
        "The 'path' parameter must be a ledger of version 1. "
        "Got 'my #1.ledger' of version 2 instead. "
        "A newer curalab wrote it and nothing was changed: pip install --upgrade curalab.",
    )


def test_an_empty_file_becomes_a_ledger(path):
    path.touch()
    assert len(filled(path, n=2).read_bytes()) > 0


def test_places_where_no_ledger_can_be(tmp_path, path):
    assert error_of(ValueError, lambda: Ledger(tmp_path)) == (
        f"The 'path' parameter must be a file. Got the folder {str(tmp_path)!r} instead."
    )
    filled(path)
    for place in (tmp_path / "none" / "l", path / "l"):
        assert error_of(ValueError, lambda place=place: Ledger(place)) == (
            f"The 'path' parameter must be in a folder that is there. Got {str(place)!r} instead."
        )
    assert error_of(TypeError, lambda: Ledger(3)) == (
        "The 'path' parameter must be the path of a file. Got 3 instead."
    )


@contextmanager
def read_only(folder):
    """Take away the right to write; from root, who needs no right, by being nobody for a while."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.fixture
def open_folder():
    """A folder that another user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_read_only_folder_lets_a_ledger_be_read(open_folder):
    path = filled(open_folder / "l")
    with read_only(open_folder), Ledger(path) as ledger:
        assert ledger.to_frame()["row_id"].tolist() == [0, 1, 2]
        assert error_of(PermissionError, lambda: ledger.undo(actor="Ann")) == (
            "The 'path' parameter must be a file that can be written, in a folder that can be. "
            f"Got {str(path)!r} instead. "
            "A closed ledger there can be read; copy it to another folder to add decisions."
        )
        with pytest.raises(PermissionError, match="must be a file that can be written"):
            Ledger(open_folder / "new")
    assert [file.name for file in open_folder.iterdir()] == ["l"]
    with Ledger(path) as ledger:
        assert len(ledger) == 3


# ---- several at once -----------------------------------------------------------------------------


def write(path, actor, n, told=None):
    with Ledger(path) as ledger:
        for row in range(n):
            event = ledger.record(row, action="drop", actor=actor)
            if told is not None:
                os.write(told, event.to_bytes(4, "big"))
            if told is not None and row % 10 == 9:
                ledger.record_many(
                    pd.DataFrame({"row_id": range(100), "action": "keep", "actor": "bulk"})
                )


def run_all(calls):
    processes = [FORK.Process(target=call, args=args) for call, *args in calls]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


@needs_fork
@pytest.mark.parametrize(
    ("query", "n"), [("mode=rwc", 300), ("mode=rwc&vfs=unix-dotfile", 50)], ids=["wal", "no wal"]
)
def test_two_processes_write_at_once_and_lose_nothing(path, monkeypatch, query, n):
    monkeypatch.setattr(connection, "_QUERY", query)
    assert run_all([(write, path, actor, n) for actor in ("Ann", "Bob")]) == [0, 0]
    with Ledger(path) as ledger:
        events = ledger.to_frame()
    assert events.index.tolist() == list(range(1, 2 * n + 1))
    for actor in ("Ann", "Bob"):
        assert events.loc[events["actor"] == actor, "row_id"].tolist() == list(range(n))


@needs_fork
def test_processes_that_make_the_ledger_at_once(path):
    assert run_all([(write, path, f"{number}", 1) for number in range(8)]) == [0] * 8
    with Ledger(path) as ledger:
        assert sorted(ledger.to_frame()["actor"]) == list("01234567")


def test_a_ledger_that_another_process_has_just_made_is_left_as_it_is(path):
    filled(path)
    late = sqlite3.connect(path, isolation_level=None)
    connection._create(late)
    assert late.execute("SELECT count(*) FROM event").fetchone() == (3,)
    late.close()


@pytest.fixture
def writer(path):
    """Another program that writes to a ledger that is not in WAL mode."""
    filled(path)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def test_opening_waits_for_a_writer(path, writer):
    release = threading.Timer(0.2, writer.execute, ["COMMIT"])
    release.start()
    with Ledger(path) as ledger:
        assert ledger._storage._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    release.join()


def test_opening_does_not_wait_for_ever(path, writer, monkeypatch):
    monkeypatch.setattr(connection, "_PATIENCE", 0.1)
    with pytest.raises(TimeoutError, match="must be free for writing within 0.1 seconds"):
        Ledger(path)


@needs_fork
@pytest.mark.parametrize("heard", [1, 37, 95])
def test_a_killed_writer_leaves_every_decision_whose_call_returned(path, heard):
    receiver, sender = os.pipe()
    process = FORK.Process(target=write, args=(path, "Ann", 10_000, sender))
    process.start()
    os.close(sender)
    returned = [int.from_bytes(os.read(receiver, 4), "big") for _ in range(heard)]
    process.kill()
    process.join()
    while rest := os.read(receiver, 4):
        returned.append(int.from_bytes(rest, "big"))
    os.close(receiver)
    with Ledger(path) as ledger:
        events = ledger.to_frame()
        assert ledger.record("after", action="drop", actor="Bob") == len(events) + 1
    assert set(returned) <= set(events.index[events["actor"] == "Ann"])
    assert events.loc[events["actor"] == "Ann", "row_id"].tolist()[:heard] == list(range(heard))
    assert (events["actor"] == "bulk").sum() % 100 == 0


@needs_fork
def test_a_ledger_works_on_in_a_forked_process_and_in_its_parent(ledger):
    inherited = ledger._storage._connection

    def child():
        for row in range(20):
            ledger.record(row, action="drop", actor="child")
        assert ledger._storage._connection is not inherited
        ledger.close()

    process = FORK.Process(target=child)
    process.start()
    for row in range(20):
        ledger.record(row, action="drop", actor="parent")
    process.join()
    assert process.exitcode == 0
    assert ledger.to_frame()["actor"].value_counts().to_dict() == {"child": 20, "parent": 20}
    assert ledger._storage._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_threads_share_a_ledger(ledger):
    def work(name):
        for row in range(20):
            ledger.record(row, action="drop", actor=name)
            ledger.undo(actor=name)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("Ann", "Bob", "Eve")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.to_frame()["actor"].value_counts().to_dict() == {"Ann": 40, "Bob": 40, "Eve": 40}
    assert len(ledger.decisions()) == 0


def test_a_lock_that_never_ends_is_named(path, monkeypatch):
    monkeypatch.setattr(connection, "_PATIENCE", 0.1)
    filled(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Ledger(path) as ledger:
        assert error_of(TimeoutError, lambda: ledger.undo(actor="Ann")) == (
            "The ledger 'my #1.ledger' must be free for writing within 0.1 seconds. Got a lock "
            "that another program kept instead. Nothing was recorded: close that program and "
            "repeat the call."
        )
        assert len(ledger) == 3
    other.close()


@pytest.mark.skipif(os.name == "nt", reason="the VFS without shared memory is one of Unix")
def test_where_wal_is_refused_the_ledger_says_so_once_and_works(path, monkeypatch, caplog):
    filled(path)  # in WAL mode, as if it was moved to a network home afterwards
    monkeypatch.setattr(connection, "_QUERY", "mode=rwc&vfs=unix-dotfile")
    caplog.set_level(logging.WARNING)
    for n in (3, 4):
        with Ledger(path) as ledger:
            assert len(ledger) == n
            ledger.record("x", action="drop", actor="Ann")
            assert ledger._storage._connection.execute("PRAGMA journal_mode").fetchone() == (
                "delete",
            )
            assert ledger._storage._connection.execute("PRAGMA synchronous").fetchone() == (3,)
    assert caplog.messages == [
        f"The file system of {path} refuses SQLite's WAL mode: the ledger uses "
        "journal_mode=DELETE, which is as safe and slower."
    ]
