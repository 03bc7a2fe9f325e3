"""Discovery of classes that nobody named: intents and digits with half of the classes hidden."""

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


def bench_main(quick):
    """Half of the classes hidden, half of the rows of the others labelled: mean of 10 deals.

    All numbers are of the rows without label. Accuracy matches clusters to classes by the
    Hungarian algorithm over all of them, "± " is half of the 95 % interval. "ece" is the error of
    the confidence, "ece_new" that of the chance of being new, both in 15 bins. "new" over "truth"
    is the number of new classes found; "within" the share of deals in which it is at most 20 %
    off. The two k-means are told the true number; `settled` is k-means whose labelled rows stay.
    """
    return compared(["clinc_shared", "digits"], quick)


def bench_untuned(quick):
    """The same on two more sets; 3 deals. mnist was looked at once early, banking77 not at all."""
    return compared(["banking77", "mnist_t10k"], quick, n_deals=3)


def bench_outliers(quick):
    """The intents with their 600 out-of-scope texts among the rows without label; 3 deals.

    Accuracy is of the other rows. "aside" and "aside_odd" are the shares set aside of the others
    and of the out-of-scope rows, "sure" and "sure_odd" their mean confidence.
    """
    return compared(["clinc_shared with oos"], quick, n_deals=3)


def bench_judged(quick):
    """Category discovery under `honesty`: 100 to 300 of the rows without label judged; 10 deals.

    "before" and "ece" are the error of the confidence on the rows that were not judged, "worst"
    that of the worst deal, "chance" of a true confidence in the same bins; "covered" is the share
    of deals whose 95 % interval, said of known and of discovered classes, holds the accuracy there.
    """
    rows = []
    for name in ("clinc_shared", "digits", "mnist_t10k"):
        held = set_of(name)
        if held is None:
            rows.append({"set": f"no benchmark data in {data()}"})
            continue
        deals = range(2 if quick else 10)
        for n in (200,) if quick else (100, 200, 300):
            seen = pd.DataFrame([judged(*held, n, seed) for seed in deals])
            row = {"set": name, "judged": n, **seen.mean().round(3)}
            rows.append({**row, "worst": round(seen["ece"].max(), 3)})
    return rows


def judged(emb, truth, n, seed):
    """Return how true the confidence is on the rows left, after `n` of them were judged."""
    import curalab as cl

    labels, known = dealt(truth, seed)
    free = pd.isna(labels)
    rng = np.random.default_rng(seed)
    picked = rng.choice(np.flatnonzero(free), n, replace=False)
    told = pd.Series(truth[picked], index=emb.ids[picked])
    method = "category_discovery"
    found = cl.pseudo_labels.honesty(emb, labels, truth=told, method=method, random_state=seed)
    plain = cl.pseudo_label(emb, labels, method=method, random_state=seed)
    free[picked] = False
    row, right = scores(truth, free, known, found.soft.labels)
    said = found.curve([0.0], new_classes=True).iloc[0]
    sure = found.soft.confidence[free]
    true = rng.random((100, len(sure))) < sure
    return {
        "all": row["all"],
        "before": calibration_error(plain.confidence[free], right[free]),
        "ece": calibration_error(sure, right[free]),
        "chance": np.mean([calibration_error(sure, one) for one in true]),
        "said": said["accuracy"],
        "covered": float(said["low"] <= row["all"] <= said["high"]),
    }


def compared(names, quick, n_deals=10):
    """Return one row a set and method."""
    from curalab.pseudo_labels import CategoryDiscovery, HiddenClassDiscovery

    rows = []
    for name in names:
        held = set_of(name)
        if held is None:
            rows.append({"set": f"no benchmark data in {data()}"})
            continue
        emb, truth = held
        made = []
        for seed in range(2 if quick else n_deals):
            labels, known = dealt(truth, seed)
            deal = emb, truth, labels, known
            made += [ours(*deal, m, seed) for m in (CategoryDiscovery(), HiddenClassDiscovery())]
            made += [theirs(*deal, told, seed) for told in ("k-means", "settled")]
        frame = pd.DataFrame(made)
        for method, part in frame.groupby("method", sort=False):
            numbers = part.drop(columns="method")
            row = {"set": name, "method": method, **numbers.mean().dropna().round(3)}
            for column in ("all", "new_classes"):
                row[f"± {column}"] = round(half_interval(numbers[column]), 3)
            rows.append(row)
    return rows


def half_interval(values):
    """Return half the width of the 95 % interval of the mean."""
    from scipy.stats import t

    return float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def set_of(name):
    """Return an Embedding and the classes; None where the data is not there."""
    import curalab as cl

    if name == "digits":
        table = cl.samples.digits()
        pixels = np.stack([image.ravel() for image in table["image"]]).astype(np.float32)
        return cl.Embedding(vectors=pixels, metric="euclidean"), table["label"].to_numpy(object)
    if not data().exists():
        return None
    if name == "mnist_t10k":
        held = np.load(data() / "mnist_t10k" / "mnist_t10k.npz")
        emb = cl.embed(list(held["X"]), encoder="patches", random_state=0)
        return emb, held["y"].astype(str).astype(object)
    if name == "banking77":
        table = pd.read_parquet(data() / "banking77" / "train.parquet")
    else:
        table = pd.read_parquet(data() / "clinc_shared" / "clinc.parquet")
    emb = cl.embed(table["text"].reset_index(drop=True), encoder="minilm", random_state=0)
    truth = table["label"].astype(str).to_numpy(object)
    kept = np.full(len(truth), True) if "oos" in name else truth != "oos"
    return cl.Embedding(vectors=np.asarray(emb)[kept]), truth[kept]


def dealt(truth, seed):
    """Return labels of half of the rows of half of the classes, and these classes."""
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.unique(truth[truth != "oos"]))
    known = classes[: (len(classes) + len(classes) % 2) // 2]
    labels = np.full(len(truth), None, dtype=object)
    for label in known:
        rows = rng.permutation(np.flatnonzero(truth == label))
        labels[rows[: len(rows) // 2]] = label
    return labels, known


def ours(emb, truth, labels, known, method, seed):
    """Return the numbers of one of our methods."""
    import curalab as cl

    began = time.perf_counter()
    soft = cl.pseudo_label(emb, labels, method=method, random_state=seed)
    seconds = time.perf_counter() - began
    free = pd.isna(labels)
    row, right = scores(truth, free, known, soft.labels)
    ordinary = free & (truth != "oos")
    chance = soft.proba[:, len(known) :].sum(axis=1)
    is_new = ~np.isin(truth, known)
    row |= {
        "ece": calibration_error(soft.confidence[ordinary], right[ordinary]),
        "ece_new": calibration_error(chance[ordinary], is_new[ordinary]),
        "aside": soft.details["set_aside"][ordinary].mean(),
        "sure": soft.confidence[ordinary].mean(),
        "seconds": seconds,
    }
    if (truth == "oos").any():
        odd = truth == "oos"
        row["aside_odd"] = soft.details["set_aside"][odd].mean()
        row["sure_odd"] = soft.confidence[odd].mean()
    return {"method": type(method).__name__, **row}


def theirs(emb, truth, labels, known, told, seed):
    """Return the numbers of k-means that is told the true number."""
    from sklearn.cluster import KMeans

    points = np.asarray(emb.points, dtype=float)
    n = len(np.unique(truth[truth != "oos"]))
    free = pd.isna(labels)
    if told == "k-means":
        found = KMeans(n, n_init=3, random_state=seed).fit_predict(points)
    else:
        centres = np.stack([points[labels == label].mean(axis=0) for label in known])
        rest = KMeans(n - len(known), n_init=3, random_state=seed).fit(points[free])
        centres = np.concatenate([centres, rest.cluster_centers_])
        codes = np.full(len(labels), -1)
        for i, label in enumerate(known):
            codes[labels == label] = i
        for _ in range(30):
            square = np.square(centres).sum(axis=1) - 2 * points @ centres.T
            found = np.where(codes >= 0, codes, square.argmin(axis=1))
            seen = [points[found == i] for i in range(n)]
            centres = np.stack(
                [s.mean(axis=0) if len(s) else c for s, c in zip(seen, centres, strict=True)]
            )
    row, _ = scores(truth, free, known, found)
    return {"method": f"{told}, told the number", **row}


def scores(truth, free, known, found):
    """Return accuracy on all, known and new rows without label, and which rows are right."""
    from scipy.optimize import linear_sum_assignment

    rows = free & (truth != "oos")
    clusters, cluster = np.unique(found, return_inverse=True)
    classes, true = np.unique(truth, return_inverse=True)
    table = np.zeros((len(clusters), len(classes)))
    np.add.at(table, (cluster[rows], true[rows]), 1)
    match = np.full(len(clusters), -1)
    match.put(*linear_sum_assignment(-table))
    right = match[cluster] == true
    is_new = ~np.isin(truth, known)
    n_new = len(clusters) - len(np.intersect1d(clusters.astype(str), known.astype(str)))
    n_new = n_new if n_new < len(clusters) else len(clusters) - len(known)
    n_true = len(classes) - len(known) - int("oos" in classes)
    row = {
        "all": right[rows].mean(),
        "known_classes": right[rows & ~is_new].mean(),
        "new_classes": right[rows & is_new].mean(),
        "new": n_new,
        "truth": n_true,
        "within": float(abs(n_new - n_true) <= 0.2 * n_true),
    }
    return row, right


def calibration_error(chance, came):
    """Return the mean gap between chance and share in 15 bins, weighed by their rows."""
    place = np.minimum((chance * 15).astype(int), 14)
    gap = np.bincount(place, weights=chance - came, minlength=15)
    return float(np.abs(gap).sum() / len(chance))
