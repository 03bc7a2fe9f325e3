"""The ledger: a million decisions in bulk, one durable decision, several writers."""

from __future__ import annotations

import multiprocessing
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

CLASSES = np.array(["cat", "dog", "owl", "ant"])


def made(n):
    """Return a table and as many relabels of it."""
    rng = np.random.default_rng(0)
    old, new = CLASSES[rng.integers(4, size=n)], CLASSES[rng.integers(4, size=n)]
    items = pd.DataFrame({"label": old}, index=[f"row-{i:07d}" for i in range(n)])
    one = {"action": "relabel", "field": "label", "actor": "rule", "method": "relation_graph"}
    decisions = pd.DataFrame({"row_id": items.index, "old": old, "new": new, **one})
    return items, decisions.assign(reason="the neighbours disagree")


def timed(call):
    """Return the seconds a call takes, and what it returns."""
    began = time.perf_counter()
    done = call()
    return time.perf_counter() - began, done


def bench_bulk(quick):
    """Decisions in one call: to record at least 50,000 a second, to apply a million in 10 s.

    The file of a million is to stay under 300 MB. `replay`, `diff`, `recipe` and the way through
    JSON Lines are told beside them.
    """
    from curalab import Ledger

    n = 20_000 if quick else 1_000_000
    items, decisions = made(n)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.ledger"
        with Ledger(path) as ledger:
            calls = {
                "record_many": lambda: ledger.record_many(decisions),
                "apply": lambda: ledger.apply(items),
                "replay": lambda: ledger.replay(items),
                "diff": ledger.diff,
                "recipe": ledger.recipe,
                "export": lambda: ledger.export(Path(folder) / "a.jsonl"),
            }
            for name, call in calls.items():
                seconds = timed(call)[0]
                rows.append({"what": name, "n": n, "seconds": seconds, "per_second": n / seconds})
        rows.append({"what": "file", "n": n, "mb": path.stat().st_size / 1e6})
        with Ledger(Path(folder) / "b.ledger") as other:
            seconds = timed(lambda: other.import_decisions(Path(folder) / "a.jsonl"))[0]
            rows.append({"what": "import", "n": n, "seconds": seconds, "per_second": n / seconds})
    return rows


def bench_recipe(quick):
    """A recipe of many decisions, run as printed."""
    from curalab import Ledger

    n = 2_000 if quick else 100_000
    items, decisions = made(n)
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "a.ledger") as ledger:
        ledger.record_many(decisions)
        write, recipe = timed(ledger.recipe)
        names = {"items": items}
        run = timed(lambda: exec(recipe, names))[0]
        same = names["clean"].equals(ledger.apply(items))
    return [{"n": n, "write_s": write, "run_s": run, "mb": len(recipe) / 1e6, "same": same}]


def bench_undo(quick):
    """Decisions taken back in one call, brought back in another, against their recording.

    `own last` looks for an actor's last decision behind all that others took back.
    """
    from curalab import Ledger

    n = 5_000 if quick else 100_000
    decisions = made(n)[1]
    rows = []
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "a.ledger") as ledger:
        ledger.record("row-0000000", action="drop", actor="rule")
        calls = {
            "record_many": lambda: ledger.record_many(decisions),
            "undo_many": lambda: ledger.undo_many(range(2, n + 2), actor="Ann"),
            "undone again": lambda: ledger.undo_many(range(n + 2, 2 * n + 2), actor="Ann"),
            "and again": lambda: ledger.undo_many(range(2 * n + 2, 3 * n + 2), actor="Ann"),
            "own last": lambda: ledger.undo(actor="rule"),
        }
        for name, call in calls.items():
            seconds = timed(call)[0]
            rows.append({"what": name, "n": n, "seconds": seconds})
        left = len(ledger.decisions())
    return [*rows, {"what": "left", "n": left}]


def bench_single(quick):
    """One decision on disk, against a bare SQLite commit of one row in the same mode.

    Bound: 20 ms in the median, or 1.5 times the bare commit where that is more. They take turns.
    """
    from curalab import Ledger

    n = 50 if quick else 500
    times = {"record": [], "bare commit": []}
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "a.ledger") as ledger:
        bare = sqlite3.connect(Path(folder) / "bare", isolation_level=None)
        bare.execute("PRAGMA journal_mode = WAL")
        bare.execute("PRAGMA synchronous = FULL")
        bare.execute("CREATE TABLE event (event INTEGER PRIMARY KEY, text TEXT)")
        insert = "INSERT INTO event (text) VALUES ('a row about as long as a decision is, or so')"
        for row in range(n):
            one = {"action": "relabel", "field": "label", "old": "cat", "new": "dog"}
            call = lambda row=row, one=one: ledger.record(f"row-{row}", actor="Ann", **one)  # noqa: E731
            times["record"].append(timed(call)[0])
            times["bare commit"].append(timed(lambda: bare.execute(insert))[0])
        bare.close()
    rows = [
        {"what": name, "n": n, "median_ms": 1e3 * statistics.median(of), "max_ms": 1e3 * max(of)}
        for name, of in times.items()
    ]
    return [*rows, {"what": "ratio", "median_ms": rows[0]["median_ms"] / rows[1]["median_ms"]}]


def write(path, actor, n):
    """Record single decisions."""
    from curalab import Ledger

    with Ledger(path) as ledger:
        for row in range(n):
            ledger.record(row, action="drop", actor=actor)


def bench_writers(quick):
    """Two processes that write single decisions at once: all arrive, in each one's order."""
    from curalab.ledger import Ledger, connection

    n = 200 if quick else 5_000
    rows = []
    fork = multiprocessing.get_context("fork")
    for name, query in {"wal": "mode=rwc", "delete": "mode=rwc&vfs=unix-dotfile"}.items():
        connection._QUERY = query
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.ledger"
            began = time.perf_counter()
            writers = [fork.Process(target=write, args=(path, who, n)) for who in ("Ann", "Bob")]
            for each in writers:
                each.start()
            for each in writers:
                each.join()
            seconds = time.perf_counter() - began
            with Ledger(path) as ledger:
                events = ledger.to_frame()
        own = [events.loc[events["actor"] == who, "row_id"].tolist() for who in ("Ann", "Bob")]
        lost = 2 * n - len(events)
        in_order = own == [list(range(n))] * 2
        rows.append({"mode": name, "n": 2 * n, "seconds": seconds, "lost": lost, "order": in_order})
    return rows
