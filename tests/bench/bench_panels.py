"""What the panels cost in the kernel."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

KEYS = "krd12"  # keep, relabel to the suggestion, drop, a label and another
SIZES = [(2_000, 64, 0), (20_000, 384, 0), (20_000, 384, 10_000), (100_000, 384, 0)]


def bench_review_keys(quick):
    """Milliseconds until the kernel is done with a key, 500 decisions in a row, in five sittings.

    `first_ten` and `last_ten` are medians of ten; `ratio`, the median of the sittings' last over
    first, is to stay below 1.2; `cpu_ratio` is that of processor time, which other work on the
    machine does not touch. `commit` is a bare SQLite commit of one row to the same disk (WAL,
    synchronous=FULL). `build`: seconds until the panel is there. `before`: decisions in
    the ledger at that time.
    """
    asyncio.run(_sitting(*suspects(200, 8), decisions=10))  # what is imported at first use
    rows = []
    for n, d, before in [(2_000, 64, 0)] if quick else SIZES:
        items, bad = suspects(n, d)
        sat = [
            asyncio.run(_sitting(items, bad, decisions=100 if quick else 500, before=before))
            for _ in range(1 if quick else 5)
        ]
        rows.append(pd.DataFrame(sat).median().to_dict() | {"items": n, "before": before})
    return rows


async def _sitting(items, bad, *, decisions, before=0):
    """Press keys as a kernel hears them: its event loop runs between two."""
    from curalab.ledger import Ledger
    from curalab_widgets.review import ReviewPanel

    n = len(items)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        commit = _commit(f"{folder}/bare.db")
        with Ledger(f"{folder}/keys.ledger") as ledger:
            if before:
                past = {"row_id": bad.worst(before).tolist(), "action": "keep", "actor": "Ann"}
                ledger.record_many(pd.DataFrame(past))
            began = time.perf_counter()
            panel = ReviewPanel(bad, items, ledger, actor="Ann", n=min(n, before + 2 * decisions))
            build = time.perf_counter() - began
            taken, worked = [], []
            for number in range(decisions):
                began, own = time.perf_counter(), time.thread_time()
                panel._hear(None, {"key": KEYS[number % len(KEYS)]}, [])
                taken.append(time.perf_counter() - began)
                worked.append(time.thread_time() - own)
                await asyncio.sleep(0)
            assert len(ledger) == before + decisions
            while not panel._tally._work.is_idle:  # or it would slow the next sitting down
                await asyncio.sleep(0.05)
    ms, cpu = 1000 * np.array(taken), 1000 * np.array(worked)
    return {
        "items": n,
        "before": before,
        "decisions": decisions,
        "build": build,
        "commit": commit,
        "median": float(np.median(ms)),
        "first_ten": float(np.median(ms[:10])),
        "last_ten": float(np.median(ms[-10:])),
        "ratio": float(np.median(ms[-10:]) / np.median(ms[:10])),
        "cpu_ratio": float(np.median(cpu[-10:]) / np.median(cpu[:10])),
        "p99": float(np.quantile(ms, 0.99)),
    }


def suspects(n, d):
    """Return a table of texts and label errors on it, without the time that finding them takes."""
    import curalab as cl
    from curalab.label_errors import LabelErrors

    rng = np.random.default_rng(0)
    ids = pd.Index([f"row-{i:06d}" for i in range(n)])
    names = np.array([f"class {c}" for c in range(10)], dtype=object)
    labels = names[rng.integers(10, size=n)]
    words = rng.integers(1000, size=(n, 12))
    texts = [" ".join(f"word{w}" for w in row) for row in words]
    items = pd.DataFrame({"text": texts, "label": labels}, index=ids)
    emb = cl.Embedding(vectors=rng.normal(size=(n, d)).astype(np.float32), ids=ids)
    assert len(emb.points)  # made by any stage
    proba = rng.dirichlet(np.ones(10), size=n)
    quality = rng.beta(3, 1, n)
    bad = LabelErrors(
        ids=ids,
        quality=quality,
        suggested=names[proba.argmax(axis=1)],
        is_error=quality < 0.3,
        pool=cl.Pool(embedding=emb, labels=items["label"], proba=proba),
        params={"verb": "find_label_errors", "method": "bench", "embedding": emb.fingerprint},
        details={"cut": {"rule": "quality below 0.3"}},
    )
    return items, bad


def _commit(path):
    """Return the milliseconds of one commit of one row."""
    with sqlite3.connect(path, isolation_level=None) as base:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("PRAGMA synchronous=FULL")
        base.execute("CREATE TABLE event (event INTEGER PRIMARY KEY, told TEXT)")
        taken = []
        for _ in range(100):
            began = time.perf_counter()
            base.execute("BEGIN IMMEDIATE")
            base.execute("INSERT INTO event (told) VALUES (?)", ("x" * 500,))
            base.execute("COMMIT")
            taken.append(time.perf_counter() - began)
    base.close()
    return 1000 * float(np.median(taken))
