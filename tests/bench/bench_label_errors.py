"""Label errors: planted and human ones, by every method, on the same probabilities."""

from __future__ import annotations

import io
import os
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
