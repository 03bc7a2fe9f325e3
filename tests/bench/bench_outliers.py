"""Outliers: foreign items planted in digits, and the collections of the benchmark data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]


def bench_digits(quick):
    """Area under the ROC curve, mean over seeds, with 5 % foreign items; and the default cut."""
    from sklearn.metrics import roc_auc_score

    import curalab as cl

    found = []
    for seed in range(2 if quick else 5):
        planted = cl.plant_outliers(cl.samples.digits(), random_state=seed)
        odd = planted.truth["is_outlier"].to_numpy()
        pixels = np.stack(planted.items["image"].tolist()).reshape(len(odd), -1)
        for name, emb in {
            "pixels": cl.Embedding(vectors=pixels, metric="euclidean"),
            "patches": cl.embed(planted.items["image"], encoder="patches", random_state=0),
        }.items():
            for method in cl.methods("outliers").query("kind == 'method'")["name"]:
                result = cl.find_outliers(emb, method=method, random_state=0)
                found.append(
                    {
                        "vectors": name,
                        "method": method,
                        "auroc": roc_auc_score(odd, result.oddness),
                        "precision_marked": odd[result.is_outlier].mean(),
                        "recall_marked": result.is_outlier[odd].mean(),
                    }
                )
    by = ["vectors", "method"]
    return pd.DataFrame(found).groupby(by, sort=False).mean().reset_index().to_dict("records")


def bench_adbench(quick):
    """AUROC and average precision on standardised tables, at most 20,000 rows (2,000 if quick)."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    import curalab as cl

    folder = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
    rows = []
    for path in sorted((folder / "adbench_shared").glob("*.npz")):
        data = np.load(path)
        take = np.random.default_rng(0).permutation(len(data["y"]))[: 2_000 if quick else 20_000]
        x, odd = data["X"][take], data["y"][take].ravel().astype(bool)
        emb = cl.Embedding(vectors=(x - x.mean(0)) / (x.std(0) + 1e-9), metric="euclidean")
        for method in cl.methods("outliers").query("kind == 'method'")["name"]:
            score = cl.find_outliers(emb, method=method, random_state=0).oddness
            rows.append(
                {
                    "set": path.stem.split("__")[-1],
                    "method": method,
                    "auroc": roc_auc_score(odd, score),
                    "average_precision": average_precision_score(odd, score),
                }
            )
    return rows or [{"set": f"no benchmark data in {folder}"}]
