"""What becomes of a ledger's file when things go wrong: kills, crowds, clocks and long notes."""

from __future__ import annotations

import multiprocessing
import os
import random
import time

import pandas as pd
import pytest

from curalab.ledger import Ledger, connection, storage

FORK = multiprocessing.get_context("fork") if hasattr(os, "fork") else None
needs_fork = pytest.mark.skipif(FORK is None, reason="no fork on this system")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
MODES = pytest.mark.parametrize("mode", ["wal", "delete"], indirect=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "my.ledger"


@pytest.fixture
def mode(request, monkeypatch):
    """The journal's mode: "delete" where the file system refuses WAL."""
    if request.param == "delete":
        monkeypatch.setattr(connection, "_switch_to_wal", lambda opened: "delete")
    return request.param


def write_200(path, sender):
    """Write 200 times: decisions, tables of them, checkpoints; tell of each that is done."""
    with Ledger(path) as ledger:
        for row in range(200):
            if row % 10 == 9:
                frame = pd.DataFrame({"row_id": [row] * 20, "action": "tag", "actor": "Ann"})
                ledger.record_many(frame.assign(new=[f"t{i}" for i in range(20)]))
            else:
                ledger.record(row, action="drop", actor="Ann", reason="x" * (row * 40))
            if row % 50 == 25:
                ledger.checkpoint(f"at {row}", actor="Ann")
            os.write(sender, row.to_bytes(4, "big"))


@needs_fork
@MODES
@pytest.mark.parametrize("seed", range(3))
def test_a_writer_killed_at_any_moment_loses_nothing_that_returned(path, mode, seed):
    receiver, sender = os.pipe()
    process = FORK.Process(target=write_200, args=(path, sender))
    process.start()
    os.close(sender)
    done = [int.from_bytes(os.read(receiver, 4), "big")]  # the file is made
    time.sleep(random.Random(seed).uniform(0, 0.5))
    process.kill()
    process.join()
    while told := os.read(receiver, 4):
        done.append(int.from_bytes(told, "big"))
    os.close(receiver)
    with Ledger(path) as ledger:
        events = ledger.to_frame()
        check = ledger._storage._connection.execute("PRAGMA integrity_check").fetchone()
        assert check == ("ok",)
        assert ledger.record("after", action="drop", actor="Bob") == len(events) + 1
        assert [row for row in range(200) if row % 50 == 25 and row in done] == [
            int(name[3:]) for name in ledger.checkpoints().index if int(name[3:]) in done
        ]
    rows = events["row_id"].unique().tolist()
    assert done == list(range(len(done)))
    assert rows[: len(done)] == done
    assert len(rows) <= len(done) + 1  # the one whose call did not return may be there: whole
    sizes = events.groupby("row_id").size()
    assert [sizes[row] for row in rows] == [20 if row % 10 == 9 else 1 for row in rows]


def write_tables(path, actor, n):
    with Ledger(path) as ledger:
        for first in range(0, n, 50):
            ledger.record_many(
                pd.DataFrame({"row_id": range(first, first + 50), "action": "drop", "actor": actor})
            )


@needs_fork
@MODES
def test_two_processes_write_5000_each_and_10000_arrive_in_order(path, mode):
    writers = [FORK.Process(target=write_tables, args=(path, who, 5_000)) for who in ("Ann", "Bob")]
    for process in writers:
        process.start()
    for process in writers:
        process.join()
    assert [process.exitcode for process in writers] == [0, 0]
    with Ledger(path) as ledger:
        used = ledger._storage._connection.execute("PRAGMA journal_mode").fetchone()
        assert used == (mode,)
        events = ledger.to_frame()
    assert events.index.tolist() == list(range(1, 10_001))
    for who in ("Ann", "Bob"):
        assert events.loc[events["actor"] == who, "row_id"].tolist() == list(range(5_000))
    calls = events["actor"].to_numpy().reshape(-1, 50)
    assert (calls == calls[:, :1]).all()  # no table was cut in two


def merge_into(path, source, who):
    with Ledger(path) as ledger, Ledger(source) as other:
        ledger.merge(other, actor=who)


@needs_fork
def test_two_who_merge_the_same_at_once_take_it_over_once(path, tmp_path):
    write_tables(path, "Ann", 50)
    write_tables(tmp_path / "other", "Bob", 1_000)
    merges = [FORK.Process(target=merge_into, args=(path, tmp_path / "other", w)) for w in "xy"]
    for process in merges:
        process.start()
    for process in merges:
        process.join()
    with Ledger(path) as ledger:
        assert ledger.to_frame()["actor"].value_counts().to_dict() == {"Bob": 1_000, "Ann": 50}


def test_a_note_of_ten_megabytes_is_kept_whole(path, tmp_path):
    note = "é\n\"'" * 2_000_001
    with Ledger(path) as ledger:
        ledger.record("a", action="drop", actor="Ann", reason=note)
        assert ledger.decisions()["reason"].tolist() == [note]
        assert ledger.diff()["reason"].tolist() == [note]
        for form in ("jsonl", "csv"):
            out = ledger.export(tmp_path / form, format=form)
            with Ledger(tmp_path / f"{form}.ledger") as copy:
                copy.import_decisions(out, format=form)
                assert copy.decisions()["reason"].tolist() == [note]
        assert len(ledger._repr_html_()) < 10_000


def test_a_clock_that_goes_backwards_changes_no_order(path, monkeypatch):
    items = pd.DataFrame({"label": ["cat"]}, index=["a"])
    with Ledger(path) as ledger:
        for year, old, new in ((2030, "cat", "dog"), (1999, "dog", "owl")):
            monkeypatch.setattr(storage, "_now", lambda year=year: f"{year}-01-01T00:00:00+00:00")
            ledger.record("a", action="relabel", field="label", old=old, new=new, actor="Ann")
        ledger.checkpoint("now", actor="Ann")
        assert ledger.apply(items)["label"].tolist() == ["owl"]
        assert ledger.decisions(at="now")["new"].tolist() == ["owl"]
        assert ledger.decisions(at="2000-01-01")["new"].tolist() == ["owl"]
        assert len(ledger.decisions(at="1998-01-01")) == 0


@pytest.mark.parametrize("limit", [12, 40])
def test_a_disk_that_fills_up_keeps_what_was_there(path, tmp_path, limit):
    write_tables(path, "Ann", 200)
    with Ledger(tmp_path / "other") as other:
        other.record_many(pd.DataFrame({"row_id": range(4_000), "action": "keep", "actor": "Bob"}))
        with Ledger(path) as ledger:
            ledger._storage._connection.execute(f"PRAGMA max_page_count = {limit}")
            for call in (
                lambda: ledger.merge(other, actor="Eve"),
                lambda: ledger.import_decisions(other.export(tmp_path / "x.jsonl")),
            ):
                with pytest.raises(OSError, match="must be on a disk that takes what is written"):
                    call()
            assert len(ledger) == 200
            assert len(ledger._storage.marks()) == 0
    with Ledger(path) as ledger:
        assert ledger.to_frame()["actor"].unique().tolist() == ["Ann"]
        assert len(ledger.checkpoints()) == 0


@pytest.mark.skipif(os.name == "nt", reason="a limit of file size is one of Unix")
def test_a_file_that_may_not_grow_says_so(path):
    """What a quota of the home does: the write fails in the middle."""
    import resource
    import signal

    write_tables(path, "Ann", 50)
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with Ledger(path) as ledger:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, kept[1]))
            many = pd.DataFrame({"row_id": range(20_000), "action": "drop", "actor": "Bob"})
            with pytest.raises(OSError, match="must be on a disk that takes what is written"):
                ledger.record_many(many)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, kept)
            signal.signal(signal.SIGXFSZ, was)
        assert len(ledger) == 50
        assert ledger.record("a", action="drop", actor="Ann") == 51
