"""Exemplars of a labelling guide: how well they find the members of their class."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]


def data():
    """Return the folder of the benchmark data."""
    return Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


def bench_exemplars(quick):
    """Retrieval mAP of three exemplars a class on a third of the rows, held out.

    "greedy" are those of `labeling_guide`, "centre" the members nearest to the mean of the class,
    "random" members at random; "gain" is greedy less the better of the two, with its 95 %
    interval over the draws of the held-out rows. "n" is the mean number of exemplars a class.
    """
    return [scores(name, *made, 2 if quick else 5) for name, made in sets(quick)]


def sets(quick):
    """Yield embedding and class numbers by the name of the set."""
    import curalab as cl

    digits = cl.samples.digits()
    x = np.stack(digits["image"].tolist()).reshape(len(digits), -1)
    yield "digits, pixels", (cl.Embedding(vectors=x), digits["label"])
    texts = cl.samples.docstrings()
    yield "docstrings, tf-idf", (cl.embed(texts["text"], encoder="tfidf"), texts["label"])
    if quick or not data().exists():
        return
    intents = pd.read_parquet(data() / "banking77" / "train.parquet")
    clinc = pd.read_parquet(data() / "clinc_shared" / "clinc.parquet").query("label != 'oos'")
    for name, held in (("banking77, minilm", intents), ("clinc, minilm", clinc)):
        held = held.reset_index(drop=True)
        yield name, (cl.embed(held["text"], encoder="minilm"), held["label"])


def scores(name, emb, labels, n_draws):
    """Return means over the draws, and the interval of the gain."""
    from scipy.stats import t

    points, codes = emb.points, pd.factorize(labels, sort=True)[0]
    runs = pd.DataFrame([scored(points, codes, np.random.default_rng(s)) for s in range(n_draws)])
    gain = runs["greedy"] - runs[["random", "centre"]].max(axis=1)
    wide = t.ppf(0.975, n_draws - 1) * gain.std() / np.sqrt(n_draws)
    told = {key: round(float(mean), 3) for key, mean in runs.mean().items()}
    more = {"gain": round(float(gain.mean()), 3), "gain_±": round(float(wide), 3)}
    return {"set": name, "classes": int(codes.max()) + 1, **told, **more}


def scored(points, codes, rng):
    """Return the mAP of each way to choose, on one draw of the held-out rows."""
    from curalab.documents._exemplars import chosen_exemplars, retrieval_precision

    n_classes = int(codes.max()) + 1
    is_held = rng.random(len(codes)) < 1 / 3
    seen, held = np.where(is_held, -1, codes), np.where(is_held, codes, -1)
    start = time.perf_counter()
    picked = {"greedy": chosen_exemplars(points, seen, n_classes, 3, rng=rng)}
    seconds = time.perf_counter() - start
    members = [np.flatnonzero(seen == c) for c in range(n_classes)]
    away = [np.linalg.norm(points[m] - points[m].mean(axis=0), axis=1) for m in members]
    picked["centre"] = [m[np.argsort(a)[:3]] for m, a in zip(members, away, strict=True)]
    picked["random"] = [rng.permutation(m)[:3] for m in members]
    told = {
        name: np.nanmean(retrieval_precision(points, held, rows, rng=np.random.default_rng(0)))
        for name, rows in picked.items()
    }
    return {**told, "n": np.mean([len(rows) for rows in picked["greedy"]]), "seconds": seconds}
