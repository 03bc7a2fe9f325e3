"""Pruning of clean sets: what a linear head learns from the part that is kept."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


def bench_clean_sets(quick):
    """A tenth, a quarter, half of clean rows kept: what methods that prune by cells bring.

    Protocol "keep" on 3,000 digits, 5,000 images of MNIST (`patches`) and 4,000 texts of banking77
    (MiniLM), five seeds, accuracy of a linear head on other rows, `over_random` with its 95 %
    interval. The classes are about even, so that random rows are balanced already.
    """
    import curalab as cl
    from curalab.selectors.complexity_pruning import ComplexityPruning

    near = ComplexityPruning(keep="near")
    methods = ["random", "stratified", "hierarchical_balance", "complexity_pruning", near]
    rows = []
    for name, pool, test in clean_sets(quick):
        board = cl.bench(
            "selectors",
            methods,
            pool=pool,
            test=test,
            protocol="keep",
            n_seeds=2 if quick else 5,
            random_state=1,
        )
        rows += board.curve.assign(set=name).to_dict("records")
    return rows or [{"set": f"no benchmark data in {DATA}"}]


def clean_sets(quick):
    """Yield name, rows to keep some of, and rows to test on."""
    import curalab as cl

    if not DATA.exists():
        return
    table = pd.read_parquet(DATA / "optdigits" / "optdigits.parquet")
    pixels = table.filter(regex=r"^p\d+$").apply(pd.to_numeric, errors="coerce")
    whole = pixels.notna().all(axis=1)  # a few lines of the file are headings
    emb = cl.Embedding(vectors=pixels[whole].to_numpy(dtype=float), metric="euclidean")
    yield "optdigits", *parted(emb, table.loc[whole, "label"], 3_000)
    if quick:
        return
    with np.load(next((DATA / "mnist_t10k").glob("*.npz"))) as file:
        emb = cl.embed(list(file["X"]), encoder="patches", random_state=0)
        yield "mnist_t10k", *parted(emb, file["y"], 5_000)
    table = pd.read_parquet(DATA / "banking77" / "train.parquet")
    emb = cl.embed(table["text"].tolist(), encoder="minilm")
    yield "banking77", *parted(emb, table["label"], 4_000)


def parted(emb, labels, n):
    """Return `n` rows and the others, drawn once, with their labels."""
    import curalab as cl

    order = np.random.default_rng(0).permutation(len(emb))
    names = np.asarray(labels).astype(str)
    parts = order[:n], order[n:]
    return [cl.Pool(embedding=emb.take(emb.ids[rows]), labels=names[rows]) for rows in parts]
