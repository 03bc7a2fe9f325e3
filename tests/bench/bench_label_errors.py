"""Label errors: planted and human ones, by every method, on the same probabilities."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
PEERS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


def bench_digits(quick):
    """Mean average precision over seeds, with 8 % of the labels wrong; `marked` is what is cut."""
    from sklearn.metrics import average_precision_score

    import curalab as cl
    from curalab.heads import with_proba

    items = cl.samples.digits()
    pixels = np.stack(items["image"].tolist()).reshape(len(items), -1)
    found = []
    for name, emb in {
        "pixels": cl.Embedding(vectors=pixels, ids=items.index),
        "patches": cl.embed(items["image"], encoder="patches", random_state=0),
    }.items():
        for kind in ("uniform", "class_conditional", "feature_dependent"):
            near = {"embedding": pixels} if kind == "feature_dependent" else {}
            for seed in range(1 if quick else 3):
                planted = cl.plant_label_errors(items, kind=kind, random_state=seed, **near)
                wrong = planted.truth["is_error"].to_numpy()
                pool, _ = with_proba(cl.Pool(embedding=emb, labels=planted.items["label"]), 0)
                for method in methods():
                    bad = cl.find_label_errors(pool, method=method, random_state=0)
                    found.append(
                        {
                            "vectors": name,
                            "kind": kind,
                            "method": method,
                            "average_precision": average_precision_score(wrong, -bad.quality),
                            "precision_marked": wrong[bad.is_error].mean(),
                            "recall_marked": bad.is_error[wrong].mean(),
                        }
                    )
    by = ["vectors", "kind", "method"]
    return pd.DataFrame(found).groupby(by, sort=False).mean().reset_index().to_dict("records")


def bench_real(quick):
    """Average precision, and precision among the first 50 and 100, on human and planted errors.

    `cleanlab` is the best of its three scores on that column, by average precision.
    """
    sets = columns(quick)
    rows = [scored(name, *column) for name, column in sets] or [{"set": f"no data in {DATA}"}]
    numbers = pd.DataFrame(rows).select_dtypes("number").drop(columns="wrong", errors="ignore")
    return [*rows, {"set": "mean", **numbers.mean().to_dict()}]


def bench_marked(quick):
    """What the default marks: share of the wrong labels found, and share of it that is wrong."""
    import curalab as cl

    rows = []
    for name, (emb, given, truth) in columns(quick):
        wrong = np.asarray(given) != np.asarray(truth)
        bad = cl.find_label_errors(emb, given, random_state=0)
        rows.append(
            {
                "set": name,
                "wrong": int(wrong.sum()),
                "marked": int(bad.is_error.sum()),
                "precision": wrong[bad.is_error].mean(),
                "recall": bad.is_error[wrong].mean(),
            }
        )
    return rows


def scored(name, emb, given, truth):
    """Return how each method ranks the wrong labels of one column."""
    from cleanlab.rank import get_label_quality_scores

    import curalab as cl
    from curalab.heads import with_proba

    wrong = np.asarray(given) != np.asarray(truth)
    pool, _ = with_proba(cl.Pool(embedding=emb, labels=np.asarray(given)), 0)
    row = {"set": name, "wrong": int(wrong.sum())}
    proba = np.asarray(pool.proba)
    peers = [
        precisions(wrong, get_label_quality_scores(pool.codes, proba, method=score))
        for score in PEERS
    ]
    row |= {f"cleanlab{k}": v for k, v in max(peers, key=lambda found: found[""]).items()}
    for method in methods():
        began = time.perf_counter()
        bad = cl.find_label_errors(pool, method=method, random_state=0)
        found = precisions(wrong, bad.quality)
        row |= {f"{method}{k}": v for k, v in found.items() if method == "consensus" or not k}
        if method == "consensus":
            row["seconds"] = time.perf_counter() - began
    return row


def precisions(wrong, quality):
    """Return the average precision, and the precision among the 50 and 100 of least quality."""
    from sklearn.metrics import average_precision_score

    order = np.argsort(quality, kind="stable")
    return {
        "": average_precision_score(wrong, -quality),
        " at 50": wrong[order[:50]].mean(),
        " at 100": wrong[order[:100]].mean(),
    }


def methods():
    """Return the names of the methods that need nothing but labels and vectors."""
    import curalab as cl

    names = cl.methods("label_errors").query("kind == 'method'")["name"]
    return [name for name in names if name not in ("judges", "trusted_prototypes")]


def columns(quick):
    """Yield the name of a column of labels, its embedding, the labels given and the true ones."""
    import curalab as cl

    if not DATA.is_dir():
        return
    for name, encoder, given, truth in (
        ("chnsenticorp_shared", "tfidf", "given_label", "golden_label"),
        ("yoruba_news_distant_noise", "tfidf", "noisy_label", "clean_label"),
    ):
        frame = pd.concat([pd.read_parquet(p) for p in sorted((DATA / name).glob("*.parquet"))])
        frame = frame.dropna(subset=[given, truth]).reset_index(drop=True)
        emb = cl.embed(frame["text"], encoder=encoder, random_state=0)
        yield name, (emb, frame[given], frame[truth])
    texts = pd.read_parquet(DATA / "banking77" / "train.parquet")
    texts = texts.sample(1_500 if quick else 6_000, random_state=0).reset_index(drop=True)
    sets = {"banking77": (texts, cl.embed(texts["text"], encoder="minilm"))}
    digits = cl.samples.digits()
    sets["digits"] = digits, cl.embed(digits["image"], encoder="patches", random_state=0)
    for name, (items, emb) in sets.items():
        for kind in ("uniform", "class_conditional", "feature_dependent"):
            near = {"embedding": emb} if kind == "feature_dependent" else {}
            planted = cl.plant_label_errors(items, kind=kind, random_state=0, **near)
            yield f"{name}, {kind}", (emb, planted.items["label"], items["label"])
    if not quick:
        yield from cifar()


def cifar():
    """Yield the five columns of human labels of 10,000 small images."""
    import curalab as cl

    folder = DATA / "cifar10_shared"
    labels = pd.read_csv(folder / "train_labels.csv")
    emb = cl.embed(images(folder / "images.zip", labels["file"]), encoder="patches", random_state=0)
    for column in labels.columns[labels.columns.str.match("aggre|random|worse")]:
        yield f"cifar10_shared, {column}", (emb, labels[column], labels["clean_label"])


def images(path, names):
    """Return the images of a zip file as arrays."""
    from PIL import Image

    with zipfile.ZipFile(path) as archive:
        return [np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names]


def bench_web_noise(quick):
    """Rows of no class, and of another class for 10 % of the rest: what is ranked and marked.

    `foreign` is the average precision among all rows of those of no class: by the method's details,
    and by two plain ways to find them, how unsure the head is and how far the neighbours are.
    `kinds` is the mean F1 of clean, wrong label and foreign; `kinds, plain` takes the marks of
    confident learning, and for foreign those whose likeliest class stays below 1/2.
    """
    from sklearn.metrics import average_precision_score, f1_score

    import curalab as cl
    from curalab.heads import with_proba

    rows = []
    for name, (emb, truth, foreign) in web_sets(quick):
        for seed in range(1 if quick else 2):
            given, kind = web_labels(truth, foreign, np.random.default_rng(seed))
            pool, _ = with_proba(cl.Pool(embedding=emb, labels=given), 0)
            wrong, row, most = kind > 0, {"set": name, "seed": seed}, np.asarray(pool.proba).max(1)
            for method in ("knn_agreement", "confident_learning", "consensus", "linear_separation"):
                bad = cl.find_label_errors(pool, method=method, random_state=0)
                row[method] = average_precision_score(wrong, -bad.quality)
                row[f"{method}, F1"] = f1_score(wrong, bad.is_error)
                if method == "confident_learning":
                    plain = np.where(bad.is_error, np.where(most < 0.5, 2, 1), 0)
            told = pd.Series(bad.details["kind"]).map({"clean": 0, "wrong label": 1, "foreign": 2})
            for key, oddness in {
                "foreign": bad.details["foreign"],
                "foreign, unsure head": -most,
                "foreign, neighbours": cl.find_outliers(emb, method="knn", random_state=0).oddness,
            }.items():
                row[key] = average_precision_score(foreign, oddness)
            row["kinds"] = f1_score(kind, told, average="macro")
            row["kinds, plain"] = f1_score(kind, plain, average="macro")
            rows.append(row)
    return rows


def web_labels(truth, foreign, rng, share=0.1):
    """Return labels, at random where foreign, and the kinds: 0 clean, 1 wrong label, 2 foreign."""
    classes, given = np.unique(truth[~foreign]), truth.copy()
    kind = np.where(foreign, 2, rng.random(len(truth)) < share)
    for i in np.flatnonzero(kind):
        given[i] = rng.choice(classes[classes != truth[i]])
    return given, kind


def web_sets(quick):
    """Yield the name of a set, its embedding, its labels and which rows belong to no class."""
    import curalab as cl

    items = cl.samples.digits()
    emb = cl.embed(items["image"], encoder="patches", random_state=0)
    truth = items["label"].astype(str).to_numpy(dtype=object)
    yield "digits, 0 1 6 foreign", (emb, truth, np.isin(truth, ["0", "1", "6"]))
    if quick or not DATA.is_dir():
        return
    texts = pd.read_parquet(DATA / "clinc_shared" / "clinc.parquet")
    for name, chosen, foreign in (
        ("clinc, out of scope", "split == 'train' or domain == 'oos'", "oos"),
        ("clinc, banking foreign", "split == 'train'", "banking"),
    ):
        some = texts.query(chosen).reset_index(drop=True)
        emb = cl.embed(some["text"], encoder="minilm")
        truth = some["label"].to_numpy(dtype=object)
        yield name, (emb, truth, (some["domain"] == foreign).to_numpy())
    _, (emb, _, truth) = next(cifar())
    truth = truth.astype(str).to_numpy(dtype=object)
    for pair in (np.unique(truth)[[3, 8]], np.unique(truth)[[0, 5]]):
        yield f"cifar10_shared, {' '.join(pair)} foreign", (emb, truth, np.isin(truth, pair))


AT_SIZE = """
    import hashlib, sys, time
    import numpy as np

    n, k = int(sys.argv[1]), int(sys.argv[2])
    rng = np.random.default_rng(0)
    true = rng.integers(k, size=n)
    proba = np.exp(rng.normal(size=(n, k)) + 3 * (true[:, None] == np.arange(k)))
    proba /= proba.sum(axis=1, keepdims=True)
    labels = np.where(rng.random(n) < 0.05, rng.integers(k, size=n), true)
    del true
    {setup}

    def memory(name):
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        return int(status[name].split()[0]) / 1024

    open("/proc/self/clear_refs", "w").write("5")  # the peak starts from here
    before, began = memory("VmRSS"), time.perf_counter()
    marked = {run}
    print(time.perf_counter() - began, memory("VmHWM") - before)
    print(hashlib.blake2b(np.packbits(marked).data).hexdigest())
"""
MARKERS = {
    "cleanlab": (
        "from cleanlab.filter import find_label_issues",
        "find_label_issues(labels, proba, filter_by='confident_learning')",
    ),
    "label_issues": (
        "from curalab.label_errors._joint import label_issues",
        "label_issues(labels, proba, 'confident_learning')",
    ),
    "find_label_errors": (
        "import curalab as cl\n"
        "from curalab.label_errors import ConfidentLearning\n"
        "method = ConfidentLearning(filter_by='confident_learning')\n"
        "emb = cl.Embedding(vectors=np.ones((n, 1)))",
        "cl.find_label_errors(emb, labels, proba=proba, method=method, random_state=0).is_error",
    ),
}


def bench_confident_learning(quick):
    """Marks by the confident joint, from given probabilities, beside cleanlab's; the same ones.

    Seconds of the first call after imports and data, the median of five fresh processes, and MiB
    at its peak above those: of the function that marks alone, and of the whole verb with its
    checks, ranks, suggestions and ids. `faster` and `memory` are ratios to cleanlab.
    """
    rows = []
    for n, k in ((20_000, 10), (5_000, 50)) if quick else ((1_000_000, 10), (200_000, 100)):
        found = {name: marked(n, k, *code, 1 if quick else 5) for name, code in MARKERS.items()}
        seconds, mib, theirs = found["cleanlab"]
        for name, (s, m, flags) in found.items():
            row = {"n": n, "classes": k, "by": name, "seconds": s, "MiB": m}
            row |= {"faster": seconds / s, "memory": m / mib, "same flags": flags == theirs}
            rows.append(row)
    return rows


def marked(n, k, setup, run, times):
    """Return the median seconds and MiB of fresh processes, and a hash of what they marked."""
    code = textwrap.dedent(AT_SIZE).format(setup=setup, run=run)
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    runs = []
    for _ in range(times):
        command = [sys.executable, "-W", "ignore", "-c", code, str(n), str(k)]
        made = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        runs.append(made.stdout.split()[-3:])
    return (*np.median([[float(v) for v in run[:2]] for run in runs], axis=0), runs[0][2])
