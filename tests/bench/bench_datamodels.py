"""Datamodels: margins foretold, removals made, wrong labels and copies found."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


def bench_fit(quick):
    """Correlation of predicted and true margins on new subsets, by number of models.

    1,500 training rows (600 if quick), 200 test rows, three seeds with 95 % intervals; the median
    over targets, the share of targets above 0.5, weights a target, and seconds on one thread.
    """
    from curalab.explanations._datamodels import datamodels

    rows = []
    for name, vectors, labels in sets():
        for n_models in (300, 1_000) if quick else (300, 1_000, 2_000):
            runs = []
            for seed in seeds(quick):
                train, test, _ = split(vectors, labels, size(quick), 200, seed)
                began = time.perf_counter()
                found = datamodels(train, test=test, n_models=n_models, random_state=seed)
                runs.append(
                    {
                        "fit": np.nanmedian(found.fit),
                        "above_half": np.nanmean(found.fit > 0.5),
                        "weights": (found.weights != 0).sum(axis=1).mean(),
                        "accuracy": (found.margin > 0).mean(),
                        "seconds": time.perf_counter() - began,
                    }
                )
            rows.append({"set": name, "models": n_models, **summed(runs)})
    return rows


def bench_removals(quick):
    """The n rows that help a target most, removed: change of its margin foretold and measured.

    `correlation` over targets; `real` over `foretold` is the ratio of the mean changes; `random`
    is the mean change without as many random rows, `nearest` without the nearest rows of the
    target's class. `flips`: share of the predictions that `brittle` says at most n removals flip
    which flip when its rows are removed.
    """
    from curalab.explanations._datamodels import datamodels
    from curalab.explanations._subsets import margins_of

    rows = []
    for name, vectors, labels in sets():
        runs = {n: [] for n in (1, 5, 20)}
        for seed in seeds(quick):
            train, test, _ = split(vectors, labels, size(quick), 100, seed)
            found = datamodels(train, test=test, random_state=seed)
            brittle = found.brittle()["n_removals"]
            n_train, rng = len(train), np.random.default_rng(seed)
            for n in runs:
                told = [found.counterfactual(id, n) for id in found.ids]
                guess, real = (
                    np.array([one[k] - one["margin"] for one in told])
                    for k in ("predicted", "measured")
                )
                chance, near = [], []
                for at, margin in enumerate(found.margin):
                    gap = 1 - train.embedding.points @ test.embedding.points[at]
                    gap[found.rows.codes != found.rows.target_codes[at]] = np.inf
                    for made, gone in (
                        (chance, rng.permutation(n_train)[:n]),
                        (near, np.argsort(gap)[:n]),
                    ):
                        left = ~np.isin(np.arange(n_train), gone)
                        new = margins_of(found.rows, left[None], targets=np.array([at]))
                        made.append(new[0, 0] - margin)
                few = brittle[brittle <= n]
                flips = [found.counterfactual(i, int(m))["measured"] < 0 for i, m in few.items()]
                runs[n].append(
                    {
                        "correlation": np.corrcoef(guess, real)[0, 1],
                        "foretold": guess.mean(),
                        "measured": real.mean(),
                        "nearest": np.mean(near),
                        "random": np.mean(chance),
                        "n_brittle": len(few),
                        "flips": np.mean(flips) if flips else np.nan,
                    }
                )
        rows += [{"set": name, "removed": n, **summed(made)} for n, made in runs.items()]
    return rows


def bench_wrong_labels(quick):
    """5 % wrong labels: share of them among as many rows of the least value (0.05 by chance).

    `test`: by what training rows do to 200 clean test rows; `own`: with the training rows
    themselves as targets; `confident_learning`: by that method of find_label_errors.
    """
    import curalab as cl
    from curalab.explanations._datamodels import datamodels

    rows = []
    for name, vectors, labels in sets():
        runs = []
        for seed in seeds(quick):
            train, test, wrong = split(vectors, labels, size(quick) // 2, 200, seed, wrong=0.05)
            by = {
                "test": datamodels(train, test=test, random_state=seed).value().index,
                "own": datamodels(train, random_state=seed).value().index,
            }
            bad = cl.find_label_errors(train, method="confident_learning", random_state=seed)
            by["confident_learning"] = train.ids[np.argsort(bad.quality, kind="stable")]
            runs.append({k: np.isin(found[: len(wrong)], wrong).mean() for k, found in by.items()})
        rows.append({"set": name, **summed(runs)})
    return rows


def bench_copies(quick):
    """10 of 200 test rows are near copies of training rows: found among the 10 most dominated.

    `by_weight` ranks by the largest weight alone; `marked` and `right` are of `leakage()`, where a
    set has near copies of its own that count as wrong here; `cosine` ranks by the nearest row.
    """
    from curalab.explanations._datamodels import datamodels

    rows = []
    for name, vectors, labels in sets():
        runs = []
        for seed in seeds(quick):
            train, test, origin = split(vectors, labels, size(quick), 200, seed, copies=10)
            found = datamodels(train, test=test, random_state=seed)
            leaks = found.leakage(dominates=1)
            hit = np.array([origin.get(i) == j for i, j in leaks["train_id"].items()])
            marked = leaks["dominance"].to_numpy() >= 3
            by_weight = np.argsort(-leaks["weight"].to_numpy(), kind="stable")
            nearest = (test.embedding.points @ train.embedding.points.T).max(axis=1)
            runs.append(
                {
                    "found": hit[:10].mean(),
                    "by_weight": hit[by_weight[:10]].mean(),
                    "marked": marked.sum(),
                    "right": hit[marked].mean() if marked.any() else np.nan,
                    "cosine": np.isin(test.ids[np.argsort(-nearest)[:10]], list(origin)).mean(),
                }
            )
        rows.append({"set": name, **summed(runs)})
    return rows


def sets():
    """Yield name, vectors and labels: digits as pixels, banking77 (its first 20 intents)."""
    import curalab as cl

    digits = cl.samples.digits()
    yield "digits", np.stack(digits["image"].tolist()).reshape(len(digits), -1), digits["label"]
    path = next(iter(sorted((DATA / "banking77").glob("*train*"))), None)
    if path is not None:
        items = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        kept = items[items["label"].isin(sorted(items["label"].unique())[:20])]
        emb = cl.embed(kept["text"].reset_index(drop=True), encoder="minilm", random_state=0)
        yield "banking77, 20 intents", emb.vectors, kept["label"]


def split(vectors, labels, n, n_test, seed, *, wrong=0.0, copies=0):
    """Return training and test pools, and what was planted: wrong ids, or origins of copies."""
    import curalab as cl

    rng = np.random.default_rng(seed)
    names, codes = np.unique(labels.to_numpy(), return_inverse=True)
    rows = rng.permutation(len(codes))[: n + n_test]
    n = len(rows) - n_test
    x, y = np.asarray(vectors, dtype=np.float64)[rows], codes[rows]
    bad = rng.choice(n, round(wrong * n), replace=False)
    y[bad] = (y[bad] + rng.integers(1, len(names), len(bad))) % len(names)
    origin = rng.choice(n, copies, replace=False)
    spread = 0.02 * np.linalg.norm(x, axis=1).mean() / np.sqrt(x.shape[1])
    x[n : n + copies] = x[origin] + spread * rng.normal(size=(copies, x.shape[1]))
    y[n : n + copies] = y[origin]
    train, test = (
        cl.Pool(embedding=cl.Embedding(vectors=x[part]), labels=names[y[part]])
        for part in (slice(None, n), slice(n, None))
    )
    return train, test, dict(enumerate(origin)) if copies else bad


def size(quick):
    """Return the number of training rows."""
    return 600 if quick else 1_500


def seeds(quick):
    """Return the seeds."""
    return range(2 if quick else 3)


def summed(runs):
    """Return the mean of each number over the runs, with half its 95 % interval."""
    from scipy.stats import t

    frame = pd.DataFrame(runs)
    half = frame.std(ddof=1) / np.sqrt(len(frame)) * t.ppf(0.975, len(frame) - 1)
    return {k: f"{frame[k].mean():.3f} ± {half[k]:.3f}" for k in frame}
