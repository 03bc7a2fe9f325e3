"""Selection towards a target: how many of the picks belong to the target's domain."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
DOMAINS = ("auto_and_commute", "home", "travel", "utility", "banking")
K = 1_000


def bench_domain(quick):
    """Share of 1,000 picks that belong to the domain of 50 target texts; 10 draws a domain.

    The pool is all of clinc and banking77 (MiniLM vectors; texts where a method reads them) but the
    target. A clinc domain has 2,200 rows left in the pool of about 21,800, so that 1,000 right
    picks are possible and chance gets .10. For "banking" the target is of clinc, and rows of
    banking77 count as right too (12,203 rows, chance .56); "mean" leaves it out. `over_centroid` is
    paired with the cosine to the target's mean on the same draws; ± are half 95 % intervals over
    the draws.
    """
    pool_of = loaded()
    if pool_of is None:
        return [{"domain": f"no benchmark data in {DATA}"}]
    found = []
    for domain in DOMAINS[-2:] if quick else DOMAINS:
        for seed in range(2 if quick else 10):
            for name, (right, seconds) in draw(*pool_of, domain, seed).items():
                found.append((domain, seed, name, right, seconds))
    columns = ["domain", "seed", "method", "precision", "seconds"]
    frame = pd.DataFrame(found, columns=columns)
    plain = frame[frame["method"] == "centroid"].set_index(["domain", "seed"])["precision"]
    frame["over"] = frame["precision"] - frame.set_index(["domain", "seed"]).index.map(plain)
    others = frame[frame["domain"] != "banking"]
    mean = others.groupby(["seed", "method"], sort=False).mean(numeric_only=True).reset_index()
    parts = [("mean", mean), *frame.groupby("domain", sort=False)]
    return [
        {
            "domain": domain,
            "method": name,
            "precision": each["precision"].mean(),
            "±": half_width(each["precision"]),
            "over_centroid": each["over"].mean(),
            "±over": half_width(each["over"]),
            "seconds": each["seconds"].mean(),
        }
        for domain, part in parts
        for name, each in part.groupby("method", sort=False)
    ]


def loaded():
    """Return the vectors, the texts, and the domain of each row; clinc's rows come first."""
    import curalab as cl

    clinc, bank = DATA / "clinc_shared" / "clinc.parquet", DATA / "banking77" / "train.parquet"
    if not (clinc.is_file() and bank.is_file()):
        return None
    tables = pd.read_parquet(clinc), pd.read_parquet(bank).assign(domain="banking", split="bank")
    items = pd.concat(tables, ignore_index=True)
    return cl.embed(items["text"], encoder="minilm").vectors, items


def draw(vectors, items, domain, seed):
    """Return precision and seconds of each method for one target."""
    import curalab as cl

    rng = np.random.default_rng(seed)
    known = np.flatnonzero((items["domain"] == domain) & (items["split"] != "bank"))
    goal = rng.permutation(known)[:50]
    rest = np.setdiff1d(np.arange(len(items)), goal)
    truth = (items["domain"].iloc[rest] == domain).to_numpy()
    texts = items["text"].to_numpy()
    bare = cl.Pool(embedding=vectors[rest], target=vectors[goal])
    told = cl.Pool(
        embedding=cl.Embedding(vectors=vectors[rest], data=texts[rest]),
        target=cl.Embedding(vectors=vectors[goal], data=texts[goal]),
    )
    found = {}
    for name, (method, pool) in methods(bare, told).items():
        began = time.perf_counter()
        pick = cl.select(pool, K, method=method, random_state=seed)
        found[name] = truth[pick.rows].mean(), time.perf_counter() - began
    return found


def methods(bare, told):
    """Return each method with the pool that it gets: vectors alone, or texts too."""
    from curalab.selectors.importance_resampling import ImportanceResampling
    from curalab.selectors.learned_filter import LearnedFilter
    from curalab.selectors.loss_reduction import LossReduction
    from curalab.selectors.nearest_to_target import NearestToTarget
    from curalab.selectors.seed_retrieval import SeedRetrieval

    return {
        "random": ("random", bare),
        "centroid": (nearest_mean, bare),
        "nearest_to_target": (NearestToTarget(), bare),
        "importance_resampling, words": (ImportanceResampling(), told),
        "importance_resampling, cells": (ImportanceResampling(), bare),
        "seed_retrieval": (SeedRetrieval(), bare),
        "learned_filter": (LearnedFilter(), bare),
        "loss_reduction, words": (LossReduction(), told),
        "loss_reduction, density": (LossReduction(), bare),
    }


def nearest_mean(pool, k, *, rng):
    """Pick the rows of the largest cosine to the target's mean."""
    mean = pool.target.points.mean(axis=0)
    return np.argsort(-(pool.embedding.points @ mean), kind="stable")[:k]


def half_width(values):
    """Return half the width of the 95 % interval of the mean."""
    spread = stats.sem(values) if len(values) > 1 else np.nan
    return spread * stats.t.ppf(0.975, max(len(values) - 1, 1))
