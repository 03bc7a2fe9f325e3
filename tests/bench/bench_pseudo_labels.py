"""Pseudo-labels from a few labels: what the unlabelled rows are given, against plain peers."""

from __future__ import annotations

import io
import os
import sys
import time
import warnings
import zipfile
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
SHOTS = (1, 3, 5, 10)


def bench_few_labels(quick):
    """The default's accuracy on the unlabelled rows by labels a class: ten draws, 95 % intervals.

    MiniLM for texts, `patches` for images, pixels for digits. The peers are scikit-learn's on the
    same vectors and rows: logistic regression (C = 10; `low_shot_probe`, the same numbers, which a
    test compares), LabelSpreading (kNN kernel) and SelfTrainingClassifier. `gain` is that over
    logistic regression on the same draws, `sure` is the mean confidence, `off` the calibration
    error.
    """
    return measured(quick, ranked=False, methods={**propagations(), **PEERS})


def bench_every_method(quick):
    """The same for every method for a few labels, on the same draws, without the slow peers."""
    return measured(quick, ranked=False, methods=ours())


def bench_unequal_classes(quick):
    """The same with class sizes proportional to 1/rank, in an order drawn with the labels."""
    return measured(quick, ranked=True, methods={**propagations(), **PEERS})


def bench_100000_rows(quick):
    """Propagation of 1,000 labels of 10 classes over 100,000 x 384 rows, from a ready graph."""
    import resource

    import curalab as cl

    rng = np.random.default_rng(0)
    n = 20_000 if quick else 100_000
    truth = rng.integers(10, size=n)
    ways = rng.normal(size=(16, 384))  # data of low rank, as embeddings are
    x = (rng.normal(size=(n, 16)) + 1.5 * rng.normal(size=(10, 16))[truth]) @ ways
    emb = cl.Embedding(vectors=(x + rng.normal(size=x.shape)).astype(np.float32))
    labels = np.full(n, None, dtype=object)
    labels[:1000] = truth[:1000].astype(str)
    pool = cl.Pool(embedding=emb, labels=labels)
    emb.neighbors(15)
    rows = []
    for name, method in propagations().items():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        soft = cl.pseudo_label(pool, method=method, random_state=0)
        seconds = time.perf_counter() - began
        added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
        right = (soft.labels == truth.astype(str))[~soft.given].mean()
        rows.append({"method": name, "n": n, "seconds": seconds, "GiB": added, "accuracy": right})
    return rows


def propagations():
    """Return the published method, then the default."""
    from curalab.pseudo_labels import Propagation

    return {"propagation, as published": Propagation(probe=False), "propagation": Propagation()}


def measured(quick, *, ranked, methods):
    """Return a row for each set, number of labels and method; print them as they come."""
    rows = []
    for name, emb, truth in islice(sets(), 1 if quick else None):
        for shots in SHOTS[:2] if quick else SHOTS:
            found = [draw(emb, truth, shots, s, ranked, methods) for s in range(2 if quick else 10)]
            plain = np.array([each["low_shot_probe"][0] for each in found])
            for method in found[0]:
                right, sure, off, seconds = np.transpose([each[method] for each in found])
                rows.append(
                    {
                        "set": name,
                        "labels": shots,
                        "method": method,
                        "accuracy": right.mean(),
                        "±": half_width(right),
                        "gain": (right - plain).mean(),
                        "±gain": half_width(right - plain),
                        "sure": sure.mean(),
                        "off": off.mean(),
                        "seconds": seconds.mean(),
                    }
                )
                print(*rows[-1].values(), sep="\t", file=sys.stderr, flush=True)
    return rows


def draw(emb, truth, shots, seed, ranked, methods):
    """Label some rows, and return accuracy, confidence, calibration and time of each method."""
    import curalab as cl

    rng = np.random.default_rng(seed)
    rows = by_rank(truth, shots, rng) if ranked else np.arange(len(truth))
    emb, truth = (emb.take(emb.ids[rows]), truth[rows]) if ranked else (emb, truth)
    classes = np.unique(truth)
    known = np.concatenate([rng.permutation(np.flatnonzero(truth == c))[:shots] for c in classes])
    labels = np.full(len(truth), None, dtype=object)
    labels[known] = truth[known]
    pool = cl.Pool(embedding=emb, labels=labels)
    emb.neighbors(15)
    found = {}
    for name, method in {"low_shot_probe": "low_shot_probe", **methods}.items():
        began = time.perf_counter()
        proba = cl.pseudo_label(pool, method=method, random_state=0).proba
        seconds = time.perf_counter() - began
        new = ~pool.is_labelled
        right = classes[proba[new].argmax(axis=1)] == truth[new]
        sure = proba[new].max(axis=1)
        found[name] = right.mean(), sure.mean(), calibration_error(sure, right), seconds
    return found


def ours():
    """Return the names of all methods for a few labels of known classes."""
    from curalab.pseudo_labels import STAGE

    discover = ("category_discovery", "hidden_class_discovery")
    needy = (n for n, m in STAGE.methods.items() if "labels" in getattr(m, "needs", ()))
    return {name: name for name in needy if name not in discover}


def label_spreading(pool, *, rng):
    """Ask scikit-learn's LabelSpreading; rows that it gives 0 get equal shares."""
    from sklearn.semi_supervised import LabelSpreading

    model = LabelSpreading(kernel="knn", n_neighbors=7)
    proba = fitted(model, pool).label_distributions_
    return np.where(proba.sum(axis=1, keepdims=True) > 0.5, proba, 1 / proba.shape[1])


def self_training(pool, *, rng):
    """Ask scikit-learn's SelfTrainingClassifier, with logistic regression (C = 10)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.semi_supervised import SelfTrainingClassifier

    model = SelfTrainingClassifier(LogisticRegression(C=10, max_iter=300))
    return fitted(model, pool).predict_proba(scaled(pool))


PEERS = {"LabelSpreading": label_spreading, "SelfTrainingClassifier": self_training}


def scaled(pool):
    """Return the points in units in which C = 10 is what it is for vectors of length 1."""
    cosine = pool.embedding.metric == "cosine"
    return pool.embedding.points / (1 if cosine else pool.embedding.points.var(axis=0).sum() ** 0.5)


def fitted(model, pool):
    """Return the model, fitted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(scaled(pool), pool.codes)


def by_rank(truth, shots, rng):
    """Return rows of which the classes have sizes proportional to 1/rank."""
    classes, counts = np.unique(truth, return_counts=True)
    kept = [
        rng.permutation(np.flatnonzero(truth == c))[: max(counts.max() // rank, shots + 5)]
        for rank, c in enumerate(rng.permutation(classes), start=1)
    ]
    return np.sort(np.concatenate(kept))


def calibration_error(sure, right, bins=15):
    """Return the mean gap of confidence and accuracy over bins of equal width."""
    at = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = pd.DataFrame({"sure": sure, "right": right}).groupby(at).agg(["mean", "size"])
    gap = (gaps["sure", "mean"] - gaps["right", "mean"]).abs()
    return float((gap * gaps["sure", "size"]).sum() / len(sure))


def half_width(values):
    """Return half the width of the 95 % interval of a mean."""
    return float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def sets():
    """Yield name, embedding and labels of each set."""
    import curalab as cl

    table = cl.samples.digits()
    pixels = np.stack([image.ravel() for image in table["image"]]).astype(float)
    yield "digits", cl.Embedding(vectors=pixels, metric="euclidean"), text(table["label"])
    if not DATA.exists():
        return
    table = pd.read_parquet(DATA / "banking77" / "train.parquet")
    yield "banking77", cl.embed(table["text"], encoder="minilm"), text(table["label"])
    table = pd.read_parquet(DATA / "clinc_shared" / "clinc.parquet")
    table = table[table["label"] != "oos"]
    yield "clinc_shared", cl.embed(table["text"], encoder="minilm"), text(table["label"])
    with np.load(next((DATA / "mnist_t10k").glob("*.npz"))) as file:
        yield "mnist_t10k", cl.embed(list(file["X"]), encoder="patches"), text(file["y"])
    folder = DATA / "cifar10_shared"
    table = pd.read_csv(folder / "train_labels.csv")
    emb = cl.embed(images(folder / "images.zip", table["file"]), encoder="patches", random_state=0)
    yield "cifar10_shared", emb, text(table["clean_label"])


def text(labels):
    """Return labels as an array of str."""
    return np.asarray(labels).astype(str).astype(object)


def images(path, names):
    """Return the images of a zip file as arrays."""
    from PIL import Image

    with zipfile.ZipFile(path) as archive:
        return [np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names]
