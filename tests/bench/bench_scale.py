"""Batches on Ray beside this machine alone, and vectors that stay on disk."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WORDS = ["the", "red", "old", "new", "small", "car", "cat", "house", "tea", "city", "is", "with"]


def bench_ray(quick):
    """Texts embedded with MiniLM, on Ray with two workers against this process on two cores.

    `start_s` is Ray's start and the first batch of each worker, apart; `equal` is the largest
    difference of the vectors. The job is of a minute and more.
    """
    import ray

    import curalab as cl

    rng = np.random.default_rng(0)
    n = 1_000 if quick else 24_000
    texts = [" ".join(rng.choice(WORDS, 16)) for _ in range(n)]
    encoder = cl.encoders.MiniLM()
    few = [" ".join(rng.choice(WORDS, 16)) for _ in range(64)]
    cl.map_batches(encoder, few)  # the model is read
    began = time.perf_counter()
    here = cl.map_batches(encoder, texts, batch_size=512)
    local_s = time.perf_counter() - began
    began = time.perf_counter()
    ray.init(num_cpus=2, logging_level="error", log_to_driver=False, include_dashboard=False)
    cl.map_batches(encoder, few, batch_size=8, backend="ray")
    start_s = time.perf_counter() - began
    began = time.perf_counter()
    there = cl.map_batches(encoder, texts, batch_size=512, backend="ray")
    ray_s = time.perf_counter() - began
    ray.shutdown()
    return [
        {
            "texts": n,
            "local_s": local_s,
            "ray_s": ray_s,
            "start_s": start_s,
            "overhead": ray_s / local_s - 1,
            "equal": float(np.abs(here - there).max()),
        }
    ]


ON_DISK = """
import sys, threading, time
import numpy as np, torch, scipy.sparse, sklearn.cluster
import curalab as cl

def own():
    lines = dict(line.split(":") for line in open("/proc/self/status"))
    return int(lines["RssAnon"].split()[0]) * 1024

def watch():
    while True:
        peak[0] = max(peak[0], own())
        time.sleep(0.01)

warm = np.random.default_rng(0).normal(size=(300, 8))
cl.audit(cl.Embedding(vectors=warm).to_frame(), embedding=cl.Embedding(vectors=warm))
before, peak = own(), [0]
threading.Thread(target=watch, daemon=True).start()
emb = cl.Embedding.open(sys.argv[1])
for name, run in {
    "neighbors": lambda: emb.neighbors(10),
    "duplicates": lambda: cl.find_duplicates(emb, threshold=0.999),
    "outliers": lambda: cl.find_outliers(emb, method="knn"),
}.items():
    peak[0] = 0
    began = time.perf_counter()
    run()
    print(name, time.perf_counter() - began, (peak[0] - before) / 2**20)
"""


def bench_on_disk(quick):
    """Memory that no file stands behind, above imports, for vectors mapped from a file.

    Eight dimensions spread over 2,048; `data_mb` is what the vectors would take in memory.
    """
    import pandas as pd

    import curalab as cl

    n, d, rng = 4_000 if quick else 120_000, 2_048, np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "emb"
        cl.Embedding(vectors=np.ones((1, d))).save(place)
        file = place / "vectors.npy"
        held = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(n, d))
        spread = rng.normal(size=(8, d)).astype(np.float32)
        for at in range(0, n, 4_000):
            held[at : at + 4_000] = rng.normal(size=(4_000, 8)).astype(np.float32) @ spread
        held.flush()
        pd.DataFrame({"id": np.arange(n)}).to_parquet(place / "rows.parquet")
        command = [sys.executable, "-W", "ignore", "-c", ON_DISK, str(place)]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split() for line in ran.stdout.splitlines()]
    data_mb = n * d * 4 / 2**20
    return [
        {"what": what, "n": n, "seconds": float(s), "data_mb": data_mb, "own_mb": float(mb)}
        for what, s, mb in rows
    ]
