"""Duplicates at size: what finding them takes, beside semhash and faiss."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np

AT_SIZE = """
    import sys, time
    import numpy as np
    {setup}

    def memory(name):
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        return int(status[name].split()[0]) / 2**20

    x = np.load(sys.argv[1])
    open("/proc/self/clear_refs", "w").write("5")  # the peak starts from here
    before, began = memory("VmRSS"), time.perf_counter()
{run}
    print(time.perf_counter() - began, memory("VmHWM") - before)
    np.save(sys.argv[2], pairs)
"""
CONTENDERS = {
    "find_duplicates": (
        "import curalab as cl, scipy.sparse.csgraph, torch, tqdm.auto",
        "found = cl.find_duplicates(x, threshold=0.95, random_state=0)\n"
        "pairs = found.found[['row_a', 'row_b']].to_numpy()",
    ),
    "semhash": (
        "from semhash import SemHash",
        "records = list(map(str, range(len(x))))\n"
        "made = SemHash.from_embeddings(x, records, model=None)\n"
        "found = made.self_deduplicate(threshold=0.95).filtered\n"
        "pairs = np.array([(int(one.duplicate_of), int(one.record)) for one in found])",
    ),
    "faiss flat, k = 16": (
        "import faiss",
        "unit = x.copy()\n"
        "faiss.normalize_L2(unit)\n"
        "index = faiss.IndexFlatIP(x.shape[1])\n"
        "index.add(unit)\n"
        "near, other = index.search(unit, 16)\n"
        "row, at = np.nonzero(near >= 0.95)\n"
        "pairs = np.column_stack([row, other[row, at]])\n"
        "pairs = pairs[pairs[:, 0] < pairs[:, 1]]",
    ),
}


def bench_at_size(quick):
    """All pairs from a cosine of 0.95 up of 384 dimensions, beside semhash and faiss.

    Each in a fresh process, imports and reading apart: the median seconds of three, of one where
    the first takes over 10 s, and GiB at the peak above imports and rows. `recall` is of the pairs
    of the definition, found block by block in double precision (ours); semhash gives each copy one
    other row, so it has none; faiss has those among 15 neighbours. The rows: forty dimensions and
    noise, as encoders have them, or all dimensions alike; a fiftieth are copies with noise, cosines
    from 0.93 to 1. At 1,000,000 rows ours alone.
    """
    sizes = [(5_000, True)] if quick else [(100_000, True), (100_000, False), (1_000_000, True)]
    rows = []
    for n, is_low in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.npy"
            np.save(path, many_rows(n, is_low))
            names = list(CONTENDERS) if n <= 100_000 else ["find_duplicates"]
            found = {name: timed(path, *CONTENDERS[name], 1 if quick else 3) for name in names}
            true = true_pairs(np.load(path), 0.95) if n <= 100_000 else None
        seconds = found["find_duplicates"][0]
        for name, (s, gib, pairs) in found.items():
            row = {"n": n, "rows": "low" if is_low else "full", "by": name, "seconds": s}
            row |= {"GiB": gib, "pairs": len(pairs), "ours takes": seconds / s}
            if true is not None and name != "semhash":
                row["recall"] = len(true & set(map(tuple, pairs.tolist()))) / len(true)
            rows.append(row)
    return rows


def many_rows(n, is_low):
    """Return float32 rows of 384 dimensions, a fiftieth of them near-copies."""
    rng, x = np.random.default_rng(0), np.empty((n, 384), dtype=np.float32)
    axes = rng.normal(size=(40, 384)).astype(np.float32)
    for at in range(0, n, 50_000):
        m = min(50_000, n - at)
        part = rng.normal(size=(m, 384)).astype(np.float32)
        if is_low:
            part = rng.normal(size=(m, 40)).astype(np.float32) @ axes + 0.5 * part
        x[at : at + m] = part
    row, other = rng.permutation(n)[: n // 25].reshape(2, -1)
    far = rng.uniform(0, 0.4, size=(len(row), 1)) * np.linalg.norm(x[row], axis=1, keepdims=True)
    x[other] = x[row] + far * rng.normal(size=(len(row), 384)) / np.sqrt(384)
    return x


def timed(path, setup, run, times):
    """Return the median seconds and GiB of fresh processes, and the pairs that they found."""
    code = textwrap.dedent(AT_SIZE.format(setup=setup, run=textwrap.indent(run, "    ")))
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    runs, into = [], path.with_name("pairs.npy")
    while len(runs) < times and not (runs and runs[0][0] > 10):
        command = [sys.executable, "-W", "ignore", "-c", code, str(path), str(into)]
        made = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        runs.append([float(value) for value in made.stdout.split()[-2:]])
    return (*np.median(runs, axis=0), np.load(into))


def true_pairs(x, threshold):
    """Return the pairs of the definition, as a set."""
    import torch

    unit = torch.from_numpy(x).double()
    unit = (unit / unit.norm(dim=1, keepdim=True)).float()
    found = set()
    for at in range(0, len(unit), 1_000):
        near = (unit[at : at + 1_000] @ unit[at:].T > threshold - 1e-5).nonzero() + at
        near = near[near[:, 0] < near[:, 1]]
        for pairs in near.split(10_000):
            one, other = unit[pairs[:, 0]].double(), unit[pairs[:, 1]].double()
            is_pair = (one * other).sum(dim=1) >= threshold + 1e-6  # rounding may miss the others
            found |= set(map(tuple, pairs[is_pair].tolist()))
    return found


def bench_time(quick):
    """Seconds for 20,000 x 384 with 500 planted near-copies, and for copies of one row."""
    from curalab import Embedding, find_duplicates, find_leakage

    n = 4_000 if quick else 20_000
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 40)) @ rng.normal(size=(40, 384)) + 0.5 * rng.normal(size=(n, 384))
    x[-500:] = x[:500] + 0.05 * rng.normal(size=(500, 384))
    emb, copies = Embedding(vectors=x), Embedding(vectors=np.ones((5 * n, 8)))
    cut = n - n // 5
    tasks = {
        "neighbors(30)": lambda: emb.neighbors(30),
        "find_duplicates, graph there": lambda: find_duplicates(emb),
        "find_duplicates, exact": lambda: find_duplicates(emb, method="exact"),
        f"find_leakage, {cut:,} and {n - cut:,}": lambda: find_leakage(x[:cut], x[cut:]),
        f"{5 * n:,} copies of one row": lambda: find_duplicates(copies),
    }
    rows = []
    for task, run in tasks.items():
        began = time.perf_counter()
        run()
        rows.append({"task": task, "seconds": time.perf_counter() - began})
    return rows
