"""Neighbours, against faiss."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


def bench_exact(quick):
    """Exact 15 neighbours under cosine, against faiss IndexFlatIP in the same run.

    The ratio is our time over that of faiss (its own normalising and index building included);
    at or below 1 is no slower. The best of three, in turns.
    """
    import faiss

    from curalab import Embedding

    n = 4_000 if quick else 20_000
    x = np.random.default_rng(0).normal(size=(n, 384)).astype(np.float32)
    times = {"curalab": [], "faiss": []}
    for _ in range(3):
        began = time.perf_counter()
        own = Embedding(vectors=x).neighbors(15, recall=1).indices
        times["curalab"].append(time.perf_counter() - began)
        began = time.perf_counter()
        unit = x.copy()
        faiss.normalize_L2(unit)
        index = faiss.IndexFlatIP(384)
        index.add(unit)
        theirs = index.search(unit, 16)[1]
        times["faiss"].append(time.perf_counter() - began)
    ours, faiss_time = min(times["curalab"]), min(times["faiss"])
    return [
        {
            "n": n,
            "dimensions": 384,
            "k": 15,
            "curalab_s": ours,
            "faiss_s": faiss_time,
            "ratio": ours / faiss_time,
            "recall": recall(own, theirs),
        }
    ]


PROBE = """
import sys, time
began = time.perf_counter()
import numpy as np
x = np.load(sys.argv[1])
if sys.argv[2] == "faiss":
    import faiss
    faiss.normalize_L2(x)
    index = faiss.IndexFlatIP(x.shape[1])
    index.add(x)
    found = index.search(x, 16)[1]
else:
    import curalab as cl
    near = cl.Embedding(vectors=x).neighbors(15)
    found = near.indices
print(time.perf_counter() - began)
np.save(sys.argv[3], found)
"""


def bench_cold(quick):
    """Fifteen neighbours of 100,000 rows to the default recall, each in a fresh process.

    Imports and all preparations count; `ratio` is to faiss IndexFlatIP. The rows: MNIST's test
    digits in ten places, 384 random projections of their pixels; and ten groups of forty
    dimensions that were spread over 384 ("low rank"). `recall` is against what faiss found.
    """
    n = 16_000 if quick else 100_000
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "x.npy", Path(folder) / "found.npy"
        for name, x in (("digits", _moved_digits(n)), ("low rank", SHAPES["low rank"](n, _draw()))):
            if x is None:
                rows.append({"rows": f"no benchmark data in {FOLDER}"})
                continue
            np.save(given, x.astype(np.float32))
            seconds, found = {}, {}
            for who in ("faiss", "curalab"):
                command = [sys.executable, "-c", PROBE, given, who, made]
                ran = subprocess.run(command, capture_output=True, text=True, check=True)
                seconds[who], found[who] = float(ran.stdout), np.load(made)
            some = _draw().permutation(n)[:2_000]
            kept = recall(found["curalab"][some], found["faiss"][some], some)
            ratio = seconds["curalab"] / seconds["faiss"]
            rows.append({"rows": name, "n": n, **seconds, "ratio": ratio, "recall": kept})
    return rows


def _draw():
    return np.random.default_rng(0)


def _moved_digits(n):
    if not (FOLDER / "mnist_t10k").is_dir():
        return None
    image = np.load(FOLDER / "mnist_t10k" / "mnist_t10k.npz")["X"].astype(np.float32)
    ways = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)] + [(2, 0)]
    moved = np.concatenate([np.roll(image, way, axis=(1, 2)) for way in ways])
    x = moved.reshape(len(moved), -1) @ _draw().normal(size=(784, 384)).astype(np.float32)
    return x[_draw().permutation(len(x))[:n]]


def bench_approximate(quick):
    """Thirty neighbours to the default recall, against the exact ones of the same rows.

    "low rank": ten groups in forty dimensions that were spread over 384; "falling": the i-th
    coordinate has a spread of 1 / √i; "alike": all have the same, and the search stays exact. A
    twentieth of the rows are copies of others, moved by up to .3 of their length: `copies` is the
    share of them that find their original.
    """
    from curalab import Embedding

    Embedding(vectors=np.eye(64)).neighbors(2)  # imports and threads cost something once
    rows = []
    for n in (17_000,) if quick else (20_000, 50_000):
        for name, made in SHAPES.items():
            rng = np.random.default_rng(0)
            x = made(n, rng).astype(np.float32)
            x /= np.linalg.norm(x, axis=1, keepdims=True)
            away = rng.normal(size=(n // 20, 384))
            away *= rng.uniform(0, 0.3, n // 20)[:, None] / np.linalg.norm(away, axis=1)[:, None]
            x[-len(away) :] = x[: len(away)] + away
            seconds, found = [], []
            for asked in ({}, {"recall": 1}):
                emb = Embedding(vectors=x)
                began = time.perf_counter()
                found.append(emb.neighbors(30, **asked))
                seconds.append(time.perf_counter() - began)
            original = found[0].indices[-len(away) :] == np.arange(len(away))[:, None]
            rows.append(
                {
                    "shape": name,
                    "n": n,
                    "seconds": seconds[0],
                    "exact_s": seconds[1],
                    "times faster": seconds[1] / seconds[0],
                    "recall stated": found[0].recall,
                    "recall": overlap(found[0].indices, found[1].indices),
                    "recall of the first": (found[0].indices == found[1].indices)[:, 0].mean(),
                    "copies": original.any(axis=1).mean(),
                }
            )
    return rows


def _low_rank(n, rng):
    spread, centres = rng.normal(size=(2, 40, 384)) / [[[1]], [[3]]], rng.normal(size=(10, 40))
    return centres[rng.integers(10, size=n)] @ spread[0] + 6 * rng.normal(size=(n, 40)) @ spread[1]


SHAPES = {
    "low rank": _low_rank,
    "falling": lambda n, rng: rng.normal(size=(n, 384)) * np.arange(1, 385) ** -0.5,
    "alike": lambda n, rng: rng.normal(size=(n, 384)),
}


def overlap(own, theirs):
    """Return the share of their neighbours that are among ours, row by row."""
    return np.mean([np.isin(*pair).mean() for pair in zip(theirs, own, strict=True)])


def recall(own, theirs, rows=None):
    """Return the share of faiss's neighbours (the row itself left out) that we found too."""
    n, k = own.shape
    found = 0
    for at, row in enumerate(range(n) if rows is None else rows):
        others = [j for j in theirs[at] if j != row][:k]
        found += len(np.intersect1d(others, own[at]))
    return found / (n * k)
