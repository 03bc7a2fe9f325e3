"""Outliers: foreign items planted in digits, tables with known anomalies, requests out of scope."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


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
            for method in without_reference():
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
    """AUROC / average precision on standardised tables, at most 20,000 rows (2,000 if quick)."""
    sets = tables(2_000 if quick else 20_000)
    return scores(sets) if sets else [{"set": f"no benchmark data in {DATA}"}]


def bench_rare_classes(quick):
    """The same on tables from scikit-learn in which the rows of one class are made rare."""
    from sklearn import datasets

    sets = {}
    for name in ("breast_cancer", "wine", "iris", "digits"):
        data = getattr(datasets, f"load_{name}")()
        for odd in np.unique(data.target)[:1] if quick else np.unique(data.target):
            rng = np.random.default_rng([5, odd])
            usual, other = np.flatnonzero(data.target != odd), np.flatnonzero(data.target == odd)
            rare = rng.choice(other, max(5, len(usual) // 25), replace=False)
            rows = rng.permutation(np.concatenate([usual, rare]))
            sets[f"{name} {odd}"] = standard(data.data[rows]), data.target[rows] == odd
    return scores(sets)


def bench_out_of_scope(quick):
    """clinc_shared with MiniLM: with and without labels of the training rows, and as a reference.

    `rows`: AUROC / average precision among the rows judged that are not training rows; precision
    and recall of what is marked, at the default cut.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    import curalab as cl

    path = DATA / "clinc_shared" / "clinc.parquet"
    if not path.exists():
        return [{"set": f"no benchmark data in {DATA}"}]
    items = pd.read_parquet(path)
    if quick:
        items = items.groupby("label").sample(frac=0.2, random_state=0)
    emb = cl.embed(items["text"], encoder="minilm")
    train, odd = (items["split"] == "train").to_numpy(), items["label"].eq("oos").to_numpy()
    labels = items["label"].where(train, None).to_numpy(object)
    rest, known = emb.take(emb.ids[~train]), emb.take(emb.ids[train])
    doors = {
        "one pool": (emb, {}),
        "one pool, training rows labelled": (emb, {"labels": labels}),
        "reference": (rest, {"reference": known}),
        "labelled reference": (
            rest,
            {"reference": cl.Pool(embedding=known, labels=labels[train])},
        ),
    }
    rows = []
    for door, (judged, settings) in doors.items():
        for method in cl.methods("outliers").query("kind == 'method'")["name"]:
            if method == "gradient_subspace" and "reference" not in settings:
                continue
            began = time.perf_counter()
            found = cl.find_outliers(judged, method=method, random_state=0, **settings)
            seconds = time.perf_counter() - began
            true = odd if judged is emb else odd[~train]
            new = ~train if judged is emb else np.ones(len(rest), dtype=bool)
            rows.append(
                {
                    "door": door,
                    "method": method,
                    "auroc": roc_auc_score(true, found.oddness),
                    "auroc_new": roc_auc_score(true[new], found.oddness[new]),
                    "ap_new": average_precision_score(true[new], found.oddness[new]),
                    "precision": true[found.is_outlier].mean() if found.is_outlier.any() else 0.0,
                    "recall": found.is_outlier[true].mean(),
                    "seconds": seconds,
                }
            )
    return rows


def bench_false_alarms(quick):
    """Share of clean rows marked at a rate asked for, by rows judged against a clean reference."""
    import curalab as cl

    rows = []
    draws = {
        "normal": lambda rng, n: rng.normal(size=(n, 10)),
        "heavy tails": lambda rng, n: rng.standard_t(3, size=(n, 10)),
        "skewed": lambda rng, n: rng.lognormal(size=(n, 10)),
    }
    for name, draw in draws.items():
        for method in without_reference("prototype_mixture", "mutual_scoring"):  # slow
            for rate in (0.02, 0.1):
                marked = []
                for seed in range(5 if quick else 20):
                    x = draw(np.random.default_rng(seed), 1_500).astype(np.float32)
                    emb = [
                        cl.Embedding(vectors=part, metric="euclidean")
                        for part in (x[:1_000], x[1_000:])
                    ]
                    found = cl.find_outliers(
                        emb[0],
                        reference=emb[1],
                        false_alarms=rate,
                        method=method,
                        random_state=seed,
                    )
                    marked.append(found.is_outlier.mean())
                rows.append(
                    {"rows": name, "method": method, "asked": rate, "marked": np.mean(marked)}
                )
    return rows


def without_reference(*left_out):
    """Return the names of the methods that run without a reference, but for some."""
    import curalab as cl

    names = cl.methods("outliers").query("kind == 'method'")["name"]
    return [name for name in names if name not in ("gradient_subspace", *left_out)]


def tables(most):
    """Return the standardised tables of adbench_shared and their anomalies."""
    sets = {}
    for path in sorted((DATA / "adbench_shared").glob("*.npz")):
        data = np.load(path)
        take = np.random.default_rng(0).permutation(len(data["y"]))[:most]
        odd = data["y"][take].ravel().astype(bool)
        sets[path.stem.split("__")[-1]] = standard(data["X"][take]), odd
    return sets


def standard(x):
    """Return columns of mean 0 and spread 1."""
    return (x - x.mean(0)) / (x.std(0) + 1e-9)


def scores(sets):
    """Return AUROC / average precision of each method on each set, the means last."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    import curalab as cl

    methods, rows = without_reference(), []
    for name, (x, odd) in sets.items():
        emb, row = cl.Embedding(vectors=x, metric="euclidean"), {"set": name}
        for method in methods:
            score = cl.find_outliers(emb, method=method, random_state=0).oddness
            row[method] = roc_auc_score(odd, score), average_precision_score(odd, score)
        rows.append(row)
    mean = {m: tuple(np.mean([row[m] for row in rows], axis=0)) for m in methods}
    return [
        {"set": row["set"], **{m: f"{row[m][0]:.3f} / {row[m][1]:.3f}" for m in methods}}
        for row in [*rows, {"set": "mean", **mean}]
    ]
