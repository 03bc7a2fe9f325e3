"""Duplicates: what the default threshold finds, and what finding it costs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]


def bench_digits(quick):
    """Planted copies of digits at the default threshold, mean over seeds.

    `best` is the smaller of precision and recall at the best threshold there is, with the truth
    at hand; `pairs` of the rows without planted copies are all false.
    """
    import curalab as cl

    rows = []
    for kind in (None, "exact", "jittered", ["exact", "jittered"]):
        for share in (0.05,) if quick or kind != ["exact", "jittered"] else (0.01, 0.05, 0.3):
            found = []
            for seed in range(1 if kind is None else 2 if quick else 6):
                items, truth = cl.samples.digits(), pd.DataFrame({"id_a": [], "id_b": []})
                if kind is not None:
                    planted = cl.samples.plant_duplicates(
                        items, share=share, kind=kind, random_state=seed
                    )
                    items, truth = planted.items, planted.truth
                pixels = np.stack(items["image"].tolist()).reshape(len(items), -1)
                for name, emb in {
                    "pixels": cl.Embedding(vectors=pixels, ids=items.index),
                    "patches": cl.embed(items["image"], encoder="patches", random_state=0),
                }.items():
                    found.append({"vectors": name, **judged(emb, truth)})
            mean = pd.DataFrame(found).groupby("vectors", sort=False).mean().reset_index()
            rows += [
                {"planted": "nothing" if kind is None else str(kind), "share": share, **row}
                for row in mean.to_dict("records")
            ]
    return rows


def bench_real(quick):
    """Pairs found in real data at the default threshold, and precision and recall where known.

    febrl3 has all true pairs; dblp_acm judged pairs (of those found, the judged ones count).
    """
    import json

    import curalab as cl

    data = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
    if not data.is_dir():
        return [{"set": f"no benchmark data at {data}: set CURALAB_BENCH_DATA to their folder"}]
    sets = {}
    febrl = pd.read_parquet(data / "febrl" / "febrl3.parquet")
    texts = febrl.drop(columns=["rec_id", "entity"]).fillna("").astype(str).agg(" ".join, axis=1)
    same = febrl.reset_index().merge(febrl.reset_index(), on="entity")
    sets["febrl3"] = (
        texts,
        {frozenset(pair) for pair in zip(same["index_x"], same["index_y"], strict=True)},
        None,
    )
    judged_pairs = pd.read_parquet(data / "er_dblp_acm" / "pairs.parquet")
    records = pd.unique(pd.concat([judged_pairs["left"], judged_pairs["right"]]))
    number = {record: i for i, record in enumerate(records)}
    pairs = [
        frozenset([number[a], number[b]])
        for a, b in zip(judged_pairs["left"], judged_pairs["right"], strict=True)
    ]
    true = {pair for pair, match in zip(pairs, judged_pairs["match"], strict=True) if match}
    texts = [" ".join(map(str, json.loads(record).values())) for record in records]
    sets["er_dblp_acm"] = pd.Series(texts), true, set(pairs)
    for name in ("youtube_spam", "banking77"):
        folder = data / name
        frame = pd.concat([pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))])
        sets[name] = frame["text"].reset_index(drop=True), None, None
    rows = []
    for name, (texts, true, known) in sets.items():
        found = cl.find_duplicates(cl.embed(texts, encoder="tfidf", random_state=0))
        row = {"set": name, "n": len(texts), "pairs": len(found.found), "at": found.threshold}
        if true is not None:
            true = {pair for pair in true if len(pair) == 2}
            told = pair_set(found) if known is None else pair_set(found) & known
            row["precision"] = len(told & true) / max(len(told), 1)
            row["recall"] = len(told & true) / len(true)
        rows.append(row)
    return rows


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


def judged(emb, truth):
    """Return what the default threshold found, and the best that any could."""
    import curalab as cl

    found, true = cl.find_duplicates(emb), pair_set_of(truth)
    right = len(pair_set(found) & true)
    row = {"pairs": len(found.found), "at": found.threshold}
    if true:
        row |= {"precision": right / max(len(found.found), 1), "recall": right / len(true)}
        row["best"] = best(emb, true)
    return row


def best(emb, true):
    """Return the largest value that precision and recall both reach at some threshold."""
    near = emb.neighbors(30)
    rows = np.repeat(np.arange(len(emb)), near.k)
    pairs = np.sort(np.column_stack([rows, near.indices.ravel()]), axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    first = first[np.argsort(near.distance.ravel()[first], kind="stable")]
    right = np.cumsum([frozenset(emb.ids[pair]) in true for pair in pairs[first]])
    return np.minimum(right / np.arange(1, len(right) + 1), right / len(true)).max()


def pair_set(found):
    """Return the pairs of a result."""
    return pair_set_of(found.pairs())


def pair_set_of(frame):
    """Return the pairs of a table."""
    return {frozenset(pair) for pair in frame[["id_a", "id_b"]].to_numpy().tolist()}
