"""Neighbours, against faiss."""

from __future__ import annotations

import time

import numpy as np


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
        own = Embedding(vectors=x).neighbors(15).indices
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


def recall(own, theirs):
    """Return the share of faiss's neighbours (the row itself left out) that we found too."""
    n, k = own.shape
    found = 0
    for row in range(n):
        others = [j for j in theirs[row] if j != row][:k]
        found += len(np.intersect1d(others, own[row]))
    return found / (n * k)
