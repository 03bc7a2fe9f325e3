"""Which rows to have labelled for an anomaly detector, and what the labels are worth to it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


def bench_adbench(quick):
    """Tables of adbench_shared (at most 2,000 rows), 10, 20 and 40 rows labelled, paired seeds.

    Rows are picked from one half; AUROC and average precision are of the other half, by the
    detector of `anomaly_query` with these labels. "odd": the rows of the largest mean distance to
    ten neighbours; "no labels": that distance. `over_random` with its 95 % interval is over sets
    and seeds; `found` is anomalies among the picks.
    """
    sets = {}
    for path in sorted((DATA / "adbench_shared").glob("*.npz"))[:: 4 if quick else 1]:
        held = np.load(path)
        take = np.random.default_rng(0).permutation(len(held["y"]))[:2_000]
        x, odd = held["X"][take], held["y"][take].ravel().astype(bool)
        sets[path.stem.split("__")[-1]] = (x - x.mean(0)) / (x.std(0) + 1e-9), odd
    return summed(sets, quick) if sets else [{"set": f"no benchmark data in {DATA}"}]


def bench_planted(quick):
    """1,000 ordinary rows in 16-d and 12 small groups of 5 anomalies, near and far: the same."""
    sets = {}
    for seed in range(2 if quick else 6):
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(12, 16))
        centres *= (np.linspace(5, 15, 12) / np.linalg.norm(centres, axis=1))[:, None]
        odd = np.repeat(centres, 5, axis=0) + 0.3 * rng.normal(size=(60, 16))
        order = rng.permutation(1_060)
        x = np.concatenate([rng.normal(size=(1_000, 16)), odd])[order]
        sets[f"planted {seed}"] = x, order >= 1_000
    return summed(sets, quick)


def summed(sets, quick):
    """Return means over sets and seeds, and those of each set at 20 labels."""
    budgets, seeds = ((20,), range(2)) if quick else ((10, 20, 40), range(5))
    runs = pd.DataFrame(
        [
            {"set": name, "labels": k, "seed": seed, **row}
            for name, (x, odd) in sets.items()
            for k in budgets
            for seed in seeds
            for row in one(x, odd, k, seed)
        ]
    )
    base = runs[runs["picks"] == "random"].set_index(["set", "labels", "seed"])
    rows = []
    for (k, picks), part in runs.groupby(["labels", "picks"]):
        row = {"set": "mean", "labels": k, "picks": picks}
        part = part.set_index(["set", "labels", "seed"])
        for metric in ("auroc", "ap"):
            gap = part[metric] - base[metric].reindex(part.index)
            half = 1.96 * gap.std(ddof=1) / np.sqrt(len(gap))
            row[metric] = part[metric].mean()
            row[f"{metric}_over_random"] = f"{gap.mean():+.3f} ± {half:.3f}"
        row["found"] = part["found"].mean()
        row["share_error"] = part["share_error"].abs().mean()
        rows.append(row)
    own = runs[runs["labels"] == 20].groupby(["set", "labels", "picks"], as_index=False)
    return rows + own[["auroc", "ap", "found"]].mean().to_dict("records")


def one(x, odd, k, seed):
    """Return the scores of one set, budget and seed for each way to pick."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    import curalab as cl
    from curalab.selectors.anomaly_query import AnomalyQuery

    rng = np.random.default_rng([seed, len(x)])
    order = rng.permutation(len(x))
    half, new = order[: len(x) // 2], order[len(x) // 2 :]
    emb = cl.Embedding(vectors=x, metric="euclidean")
    plain = emb.neighbors(10).distance.mean(axis=1)
    drawn = cl.select(emb.take(half), k, method=AnomalyQuery(), random_state=seed)
    ways = {
        "anomaly_query": drawn.ids.to_numpy(),
        "random": rng.choice(half, k, replace=False),
        "odd": half[np.argsort(-plain[half])[:k]],
        "k_center": cl.select(emb.take(half), k, method="k_center").ids.to_numpy(),
    }
    rows = [{"picks": "no labels", "oddness": plain, "found": 0, "share_error": np.nan}]
    for name, picked in ways.items():
        labels = np.full(len(x), None, dtype=object)
        labels[picked] = odd[picked]
        told = cl.select(
            emb, 1, labels=labels, chosen=picked, method=AnomalyQuery(), random_state=seed
        ).details
        error = told["contamination"] - odd.mean()
        rows.append({"picks": name, **told, "found": odd[picked].sum(), "share_error": error})
    return [
        {
            "picks": row["picks"],
            "auroc": roc_auc_score(odd[new], row["oddness"][new]),
            "ap": average_precision_score(odd[new], row["oddness"][new]),
            "found": row["found"],
            "share_error": row["share_error"],
        }
        for row in rows
    ]
