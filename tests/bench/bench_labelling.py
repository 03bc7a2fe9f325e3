"""Labelling with few labels: what a linear head learns from the picks of each selector."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
METHODS = (
    "coverage_plus_uncertainty",
    "typicality",
    "prob_cover",
    "facility_location",
    "stratified",
    "herding",
    "k_center",
    "margin",
    "entropy",
    "badge",
    "random",
)


def bench_few_labels(quick):
    """Accuracy by budget (1, 2, 5, 10 x classes) on four sets, 20 seeds, 95 % intervals.

    MiniLM for texts, with the test rows of the sets; `patches` for images, 5,000 rows to pick from
    and 5,000 to test on, drawn once. `over_random` is paired with random picks on the same seeds.
    The first picks of margin, entropy and badge, which need labels, are those of random. `top` is
    whether a method is not clearly below the best one over all budgets.
    """
    rows = []
    for name, pool, test in islice(sets(), 1 if quick else None):
        for row in measured(pool, test, METHODS, n_seeds=2 if quick else 20):
            rows.append({"set": name, **row})
            print(*rows[-1].values(), sep="\t", file=sys.stderr, flush=True)
    return rows or [{"set": f"no benchmark data in {DATA}"}]


def measured(pool, test, methods, *, n_seeds):
    """Return a row for each method and budget."""
    import curalab as cl

    board = cl.bench(
        "selectors",
        list(methods),
        pool=pool,
        test=test,
        n_seeds=n_seeds,
        protocol="label",
        random_state=0,
    )
    top = board.to_frame()["top"].rename_axis("method").reset_index()
    return board.curve.merge(top, on="method", how="left").to_dict("records")


def sets():
    """Yield name, rows to pick from, and rows to test on."""
    if not DATA.exists():
        return
    folder = DATA / "banking77"
    parts = [pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test")]
    yield "banking77", *map(of_texts, parts)
    table = pd.read_parquet(DATA / "clinc_shared" / "clinc.parquet")
    parts = [
        table[(table["split"] == part) & (table["label"] != "oos")] for part in ("train", "test")
    ]
    yield "clinc_shared", *map(of_texts, parts)
    with np.load(next((DATA / "mnist_t10k").glob("*.npz"))) as file:
        yield "mnist_t10k", *of_images(list(file["X"]), file["y"])
    folder = DATA / "cifar10_shared"
    table = pd.read_csv(folder / "train_labels.csv")
    yield (
        "cifar10_shared",
        *of_images(read(folder / "images.zip", table["file"]), table["clean_label"]),
    )


def of_texts(table):
    """Return the texts of a table, with their labels."""
    import curalab as cl

    emb = cl.embed(table["text"].tolist(), encoder="minilm")
    return cl.Pool(embedding=emb, labels=np.asarray(table["label"]).astype(str))


def of_images(images, labels):
    """Return two halves of the images, with their labels, embedded together."""
    import curalab as cl

    emb = cl.embed(images, encoder="patches", random_state=0)
    return halves(emb.vectors, labels)


def halves(vectors, labels):
    """Return a half to pick from and a half to test on, drawn once."""
    import curalab as cl

    order = np.random.default_rng(0).permutation(len(vectors))
    return [
        cl.Pool(
            embedding=cl.Embedding(vectors=vectors[rows]),
            labels=np.asarray(labels)[rows].astype(str),
        )
        for rows in np.array_split(order, 2)
    ]


def read(path, names):
    """Return the images of a zip file as arrays."""
    from PIL import Image

    with zipfile.ZipFile(path) as archive:
        return [np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names]
