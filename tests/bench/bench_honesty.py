"""The honesty of pseudo-labels: calibration error, thresholds that hold, planted chains found."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
JUDGED = 300
MOST = 3_000  # rows of a set, drawn once


def data():
    """Return the folder of the benchmark data."""
    return Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


def sets(quick):
    """Yield name, embedding and true labels of up to 3,000 rows of each set."""
    import curalab as cl

    for name, (items, labels, encoder) in raw(quick).items():
        rows = np.random.default_rng(0).permutation(len(labels))[: 1_500 if quick else MOST]
        if encoder is not None:  # all rows: other benches have these in the cache
            items = cl.embed(items, encoder=encoder, random_state=0).vectors
        emb = cl.Embedding(vectors=np.asarray(items)[rows])
        yield name, emb, pd.Series(np.asarray(labels, dtype=object)[rows]).astype(str)


def raw(quick):
    """Return rows, labels and the encoder by the name of the set."""
    import curalab as cl

    table = cl.samples.digits()
    pixels = np.stack([image.ravel() for image in table["image"]]).astype(float)
    found = {"digits": (pixels, table["label"].to_numpy(), None)}
    if quick or not data().exists():
        return found
    from PIL import Image

    intents = pd.read_parquet(data() / "banking77" / "train.parquet")
    found["banking77"] = (intents["text"].reset_index(drop=True), intents["label"], "minilm")
    clinc = pd.read_parquet(data() / "clinc_shared" / "clinc.parquet").query("label != 'oos'")
    found["clinc_shared"] = (clinc["text"].reset_index(drop=True), clinc["label"], "minilm")
    held = np.load(next((data() / "mnist_t10k").glob("*.npz")))
    found["mnist_t10k"] = (list(held["X"]), held["y"], "patches")
    told = pd.read_csv(data() / "cifar10_shared" / "train_labels.csv")
    with zipfile.ZipFile(data() / "cifar10_shared" / "images.zip") as archive:
        images = [np.asarray(Image.open(io.BytesIO(archive.read(n)))) for n in told["file"]]
    found["cifar10_shared"] = (images, told["clean_label"], "patches")
    return found


def drawn(truth, per_class, seed):
    """Return labels with `per_class` a class left, and 300 other rows to judge on."""
    kept = truth.groupby(truth).sample(frac=1, random_state=seed)
    kept = kept.groupby(kept).head(per_class).index
    labels = truth.where(truth.index.isin(kept), None)
    rest = truth.index[labels.isna()]
    picked = np.random.default_rng(seed).choice(rest, JUDGED, replace=False)
    return labels, truth.loc[picked]


def off(soft, truth, skip):
    """Return the calibration error on unlabelled rows, in 15 bins of equally many."""
    rows = np.flatnonzero(~soft.given & ~soft.ids.isin(skip))
    confidence, right = soft.confidence[rows], (soft.labels == truth.to_numpy())[rows]
    bins = np.array_split(np.argsort(confidence, kind="stable"), 15)
    gaps = [abs(confidence[b].mean() - right[b].mean()) * len(b) for b in bins]
    return float(sum(gaps) / len(rows))


def spread(values):
    """Return mean ± half the 95 % interval as text."""
    from scipy.stats import t

    values = np.asarray(values, dtype=float)
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.3f} ± {half:.3f}"


def bench_calibration(quick):
    """Calibration error on all unlabelled rows that were not judged, before and after.

    "truth" judges 300 rows drawn at random, "hiding" the labelled rows alone; "stated" is what
    `calibration_error` says after calibration, from the rows judged.
    """
    import curalab as cl
    from curalab.pseudo_labels import honesty

    rows = []
    for name, emb, truth in sets(quick):
        for per_class in (1, 5) if quick else (1, 3, 5, 10):
            seen = []
            for seed in range(2 if quick else 10):
                labels, judged = drawn(truth, per_class, seed)
                told = honesty(emb, labels, truth=judged, random_state=seed)
                before = cl.pseudo_label(emb, labels, random_state=seed)
                got = {
                    "accuracy": (before.labels == truth)[~before.given].mean(),
                    "before": off(before, truth, judged.index),
                    "truth": off(told.soft, truth, judged.index),
                    "truth_stated": told.calibration_error["after"],
                }
                if per_class >= 3:
                    hidden = honesty(emb, labels, random_state=seed)
                    got["hiding"] = off(hidden.soft, truth, judged.index)
                    got["hiding_accuracy"] = hidden.curve([0])["accuracy"].iloc[0]
                seen.append(got)
            told = {what: spread(values) for what, values in pd.DataFrame(seen).items()}
            rows.append({"set": name, "per_class": per_class, **told})
    return rows


def bench_threshold(quick):
    """`threshold(0.95)` in 50 draws of labels and judged rows, margin .02.

    "true" is the share of draws in which at least .93 of the other unlabelled rows above it are
    right (none found counts as true), "found" the share with one, "coverage" the mean share of
    the unlabelled rows that are above it, "accuracy" the mean accuracy of these.
    """
    from curalab.pseudo_labels import honesty

    rows = []
    for name, emb, truth in sets(quick):
        for per_class in (5,) if quick else (1, 3, 5, 10):
            for how in ("truth", "hiding")[
                : 1 if per_class < 3 or len(set(truth)) * per_class < 50 else 2
            ]:
                seen = []
                for seed in range(4 if quick else 50 if how == "truth" else 10):
                    labels, judged = drawn(truth, per_class, seed)
                    given = judged if how == "truth" else None
                    told = honesty(emb, labels, truth=given, random_state=seed)
                    try:
                        least = told.threshold(0.95)
                    except ValueError:
                        least = 2.0
                    soft = told.soft
                    rest = ~soft.given & ~soft.ids.isin(judged.index)
                    above = rest & (soft.confidence >= least)
                    right = (soft.labels == truth.to_numpy())[above]
                    accuracy = right.mean() if above.any() else np.nan
                    seen.append(
                        (not accuracy < 0.93, above.any(), above.sum() / rest.sum(), accuracy)
                    )
                frame = pd.DataFrame(seen, columns=["true", "found", "coverage", "accuracy"])
                rows.append(
                    {
                        "set": name,
                        "per_class": per_class,
                        "how": how,
                        "draws": len(frame),
                        **frame.mean(),
                    }
                )
    return rows


def bench_screen(quick):
    """A chain of 0.5 % of the rows from one row to one of another class, 10 draws.

    "found" is the share of the planted rows left out; "false" counts other rows left out as
    chains, and "untouched" those left out, as anything, with nothing planted. "noise" is the length
    of the random step added to each point of the chain, as a share of its whole length.
    """
    import curalab as cl
    from curalab.pseudo_labels import screen_unlabelled

    rows = []
    for name, emb, truth in sets(quick):
        clean = screen_unlabelled(emb)
        for noise in (0.0, 0.05, 0.1, 0.15):
            found, false = [], []
            for seed in range(2 if quick else 10):
                rng = np.random.default_rng(seed)
                start = rng.integers(len(truth))
                end = rng.choice(np.flatnonzero(truth != truth[start]))
                n = max(10, len(truth) // 200)
                at = 1.5 - np.sqrt(2.25 - 2 * rng.random((n, 1)))  # density 1.5 - x
                a, b = emb.points[start], emb.points[end]
                step = rng.normal(size=(n, len(a)))
                step *= noise * np.linalg.norm(a - b) / np.linalg.norm(step, axis=1, keepdims=True)
                planted = np.concatenate([emb.points, (1 - at) * a + at * b + step])
                seen = screen_unlabelled(cl.Embedding(vectors=planted.astype(np.float32)))
                chain = seen.reason == "chain"
                found.append(chain[len(emb) :].mean())
                false.append(chain[: len(emb)].sum())
            row = {"set": name, "rows": len(emb), "noise": noise, "found": spread(found)}
            rows.append({**row, "false": np.mean(false), "untouched": (~clean.keep).sum()})
    return rows
