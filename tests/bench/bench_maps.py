"""Maps: how well each keeps the neighbours of images, beside umap-learn called plainly."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
K = 15


def images(name):
    """Pixels from 0 to 1, shape (n, d), and labels."""
    if name == "optdigits":
        frame = pd.read_parquet(FOLDER / name / "optdigits.parquet").query("label != 'Class'")
        pixels = frame.filter(regex=r"^p\d").astype(np.float32).to_numpy()
        return pixels / 16, frame["label"].astype(int).to_numpy()
    data = np.load(FOLDER / name / f"{name}.npz")
    x = data["X"].reshape(len(data["X"]), -1).astype(np.float32)
    return x / x.max(), data["y" if "y" in data else "object_id"]


def plain_umap(emb, seed=0):
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return umap.UMAP(random_state=seed).fit_transform(np.asarray(emb.vectors))


def label_agreement(view, labels):
    """Share of rows whose 15 neighbours on the map have mostly its label."""
    near = labels[view.neighbors(K).indices]
    return ((near == labels[:, None]).mean(axis=1) > 0.5).mean()


def measured(emb, labels, make):
    """What a map keeps, and its time."""
    import curalab as cl
    from curalab.maps._quality import map_quality

    emb.neighbors(91)  # the graph is made once, before the clock starts
    began = time.perf_counter()
    view = make(emb)
    seconds = time.perf_counter() - began
    if not isinstance(view, cl.Embedding):
        view = cl.Embedding(vectors=view, metric="euclidean")
    found = map_quality(view, emb, k=K)
    means = {key: found.details[key] for key in ("trustworthiness", "continuity", "recall")}
    agreement = label_agreement(view, labels)
    return {**means, "misplaced": found.misplaced.mean(), "label": agreement, "seconds": seconds}


def bench_images(quick):
    """15 neighbours, at most 3,000 rows (500 if quick); target: not below umap-learn's."""
    import curalab as cl
    from curalab.maps.tldr import TLDR

    sets = {}
    for name in ("mnist_t10k", "coil20_32", "optdigits"):
        if (FOLDER / name).is_dir():
            x, labels = images(name)
            take = np.random.default_rng(0).permutation(len(x))[: 500 if quick else 3_000]
            sets[name] = cl.Embedding(vectors=x[take], metric="euclidean"), labels[take]
    rows = []
    # umap-learn comes last: its import changes how many threads torch takes.
    for name in ("pca", "tldr", "tsne", "umap", "umap_learn", "umap-learn itself"):
        method = {"tldr": TLDR()}.get(name, name)
        if name == "umap_learn":  # compiles, before the clock starts
            plain_umap(cl.Embedding(vectors=np.random.default_rng(0).normal(size=(99, 4))))

        def make(emb, seed, name=name, method=method):
            if name == "umap-learn itself":
                return plain_umap(emb, seed)
            return cl.reduce(emb, method=method, random_state=seed)

        seeds = range(3 if "umap" in name and not quick else 1)  # its seeds differ by 0.001
        for s in sets:
            runs = [measured(*sets[s], partial(make, seed=seed)) for seed in seeds]
            rows.append({"set": s, "map": name, **pd.DataFrame(runs).mean()})
    rows.sort(key=lambda row: list(sets).index(row["set"]))
    return rows or [{"set": f"no benchmark data in {FOLDER}"}]


FIRST = """
import sys, time
began = time.perf_counter()
import numpy as np
x = np.load(sys.argv[1])
if sys.argv[2] == "umap-learn":
    import umap
    y = umap.UMAP(metric="cosine", random_state=0).fit_transform(x)
else:
    import curalab as cl
    y = np.asarray(cl.reduce(x, method=sys.argv[2], random_state=0))
np.save(sys.argv[3], y)
print(time.perf_counter() - began)
"""


def bench_first_map(quick):
    """Seconds from a fresh Python to a map, imports included, and trustworthiness (k = 15).

    Texts of banking77 and clinc as MiniLM sees them.
    """
    import curalab as cl
    from curalab.maps._quality import map_quality

    if not (FOLDER / "banking77").is_dir():
        return [{"map": f"no benchmark data in {FOLDER}"}]
    every = np.concatenate([sentences("banking77"), sentences("clinc_shared")])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "x.npy", Path(folder) / "y.npy"
        for n in (1_000,) if quick else (5_000, 20_000):
            x = every[np.random.default_rng(0).permutation(len(every))[:n]]
            np.save(given, x)
            emb = cl.Embedding(vectors=x)
            for name in ("umap", "umap-learn"):
                command = [sys.executable, "-W", "ignore", "-c", FIRST, given, name, made]
                ran = subprocess.run(command, capture_output=True, text=True, check=True)
                view = cl.Embedding(vectors=np.load(made), metric="euclidean")
                some = np.random.default_rng(1).permutation(n)[:5_000]
                found = map_quality(view.take(view.ids[some]), emb.take(emb.ids[some]), k=K)
                row = {"n": n, "map": name, "seconds": float(ran.stdout)}
                rows.append({**row, "trustworthiness": found.details["trustworthiness"]})
    return rows


def sentences(name):
    """MiniLM vectors of a set's texts, kept in the toolkit's cache."""
    import curalab as cl

    files = sorted((FOLDER / name).glob("*.parquet"))
    texts = pd.concat([pd.read_parquet(file)["text"] for file in files])
    return np.asarray(cl.embed(texts.tolist()[:10_000], encoder="minilm"))


def bench_components(quick):
    """TLDR beside PCA at equal numbers of components, digits: neighbours and labels kept."""
    import curalab as cl
    from curalab.maps.tldr import TLDR

    if not (FOLDER / "mnist_t10k").is_dir():
        return [{"set": f"no benchmark data in {FOLDER}"}]
    x, labels = images("mnist_t10k")
    emb = cl.Embedding(vectors=x[: 500 if quick else 3_000], metric="euclidean")
    labels = labels[: len(emb)]
    rows = []
    methods = {"pca": "pca", "tldr": TLDR(), "tldr, hidden=256": TLDR(hidden=256)}
    for n in (4, 8, 16, 32):
        for name, method in methods.items():

            def make(emb, n=n, method=method):
                return cl.reduce(emb, method=method, n_components=n, random_state=0)

            rows.append({"components": n, "map": name, **measured(emb, labels, make)})
    return rows


def bench_tour(quick):
    """Mean step of a tour through digits, beside the first component's order and chance."""
    import curalab as cl
    from curalab.maps._tour import tour

    if not (FOLDER / "mnist_t10k").is_dir():
        return [{"set": f"no benchmark data in {FOLDER}"}]
    x, labels = images("mnist_t10k")
    rows = []
    for n in (500,) if quick else (500, 10_000):
        emb = cl.Embedding(vectors=x[:n], metric="euclidean")
        first = cl.reduce(emb, method="pca", n_components=1).vectors[:, 0]
        emb.neighbors(8)
        began = time.perf_counter()
        walk = emb.ids.get_indexer(tour(emb, random_state=0))
        seconds = time.perf_counter() - began
        orders = {"tour": walk, "first component": np.argsort(first), "chance": np.arange(n)}
        for name, order in orders.items():
            step = np.linalg.norm(np.diff(x[order], axis=0), axis=1).mean()
            same = (labels[order][1:] == labels[order][:-1]).mean()
            made = {"mean_step": step, "same_label_next": same}
            rows.append(
                {"rows": n, "order": name, **made, "seconds": seconds if name == "tour" else None}
            )
    return rows


def bench_out_of_scope(quick):
    """Intents and 600 questions that belong to none: are these apart by oddness, and on the map?

    "auroc" is of the default `find_outliers`; "gathered" the share of the 15 nearest rows on the
    map that are out of scope too, in the mean over those that are, and "by chance" the same of
    rows anywhere.
    """
    from sklearn.metrics import roc_auc_score

    import curalab as cl
    from curalab.maps import map_quality

    path = FOLDER / "clinc_shared" / "clinc.parquet"
    if not path.is_file():
        return [{"map": f"no benchmark data in {FOLDER}"}]
    held = pd.read_parquet(path).reset_index(drop=True)[:: 6 if quick else 1]
    strange = held["label"].eq("oos").to_numpy()
    emb = cl.embed(held["text"], encoder="minilm", random_state=0)
    odd = cl.find_outliers(emb, random_state=0)
    rows = []
    for method in ("tsne", "umap", "pca"):
        view = cl.reduce(emb, method=method, random_state=0)
        around = strange[view.neighbors(15).indices]
        rows.append({
            "map": method,
            "auroc": roc_auc_score(strange, odd.oddness),
            "marked": int(odd.is_outlier.sum()),
            "precision": strange[odd.is_outlier].mean(),
            "gathered": around[strange].mean(),
            "by chance": strange.mean(),
            "trust in them": map_quality(view, emb).trustworthiness[strange].mean(),
        })  # fmt: skip
    return rows
