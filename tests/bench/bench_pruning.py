"""Pruning and balance: half of the rows kept, a million rows balanced, rare classes found."""

from __future__ import annotations

import io
import os
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


def bench_half_of_cifar10(quick):
    """Half of 10,000 rows kept, of which 30 % are planted near-copies and 10 % mislabelled.

    7,000 images (`patches`) and 3,000 near-copies of some of them; a linear head on what is kept,
    accuracy on 3,000 other images with their true labels; ten draws. `gain` is over training on
    everything, `over_random` over as many rows at random, each with its 95 % interval. `clean` is
    the pipeline `prune`, by what chooses among the rows that are left in the end.
    """
    if not DATA.exists():
        return []
    emb, truth = cifar10(quick)
    found = [half_kept(emb, truth, seed) for seed in range(2 if quick else 10)]
    frame = pd.DataFrame(found)
    rows = []
    for name in frame:
        gain, over = frame[name] - frame["everything"], frame[name] - frame["random"]
        rows.append(
            {
                "kept": name,
                "accuracy": frame[name].mean(),
                "±": half_width(frame[name]),
                "gain": gain.mean(),
                "±gain": half_width(gain),
                "over_random": over.mean(),
                "±over": half_width(over),
            }
        )
    return rows


def prune(embedding, labels, k, *, random_state, method="margin"):
    """Return `k` rows to keep: one of each group of copies, no likely label error, then a choice.

    Where fewer than `k` are left, the least doubtful of the doubtful labels are kept too.
    """
    return choose(*clean(embedding, labels, random_state), k, method, random_state)


def clean(embedding, labels, random_state):
    """Return the rows without copies, and the label errors among them."""
    import curalab as cl

    one = np.flatnonzero(cl.find_duplicates(embedding, random_state=random_state).keep)
    own = embedding.take(embedding.ids[one])
    return one, cl.find_label_errors(own, labels[one], random_state=random_state)


def choose(one, errors, k, method, random_state):
    """Return `k` of the rows `one`: chosen by `method` among those whose label is not in doubt."""
    import curalab as cl

    good = ~errors.is_error
    if good.sum() <= k:
        return one[np.lexsort((-errors.quality, errors.is_error))[:k]]
    # the probabilities that found the errors serve a choice that asks for some
    pool = cl.Pool(
        embedding=errors.pool.embedding.take(errors.ids[good]),
        labels=errors.pool.labels[good],
        classes=errors.pool.classes,
        proba=errors.pool.proba[good],
    )
    return one[good][cl.select(pool, k, method=method, random_state=random_state).rows]


def half_kept(emb, truth, seed):
    """Return the accuracy by what is kept, of one draw; print it as it comes."""
    import curalab as cl
    from curalab.selectors.complexity_pruning import ComplexityPruning
    from curalab.selectors.hierarchical_balance import HierarchicalBalance

    rng = np.random.default_rng(seed)
    order = rng.permutation(len(truth))
    own, test = np.split(order, [7 * len(order) // 10])
    rows = np.r_[own, rng.choice(own, len(order) - len(own))]
    x = emb.vectors[rows] * np.ones(1, dtype=np.float32)
    x[len(own) :] += 0.05 * emb.vectors.std(axis=0) * rng.normal(size=x[len(own) :].shape)
    labels = truth[rows]
    wrong = rng.choice(len(rows), len(rows) // 10, replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, size=len(wrong))) % 10
    pool, k = cl.Embedding(vectors=x), len(rows) // 2
    new = emb.take(emb.ids[test])

    def accuracy(kept):
        head = cl.heads.fit_head(pool.points[kept], labels[kept], 10, penalty=0.03)
        return (head.predict_proba(new.points).argmax(axis=1) == truth[test]).mean()

    kept = {
        "everything": np.arange(len(rows)),
        "random": rng.permutation(len(rows))[:k],
    }
    methods = {
        "random": "random",
        "k_center": "k_center",
        "margin": "margin",
        "complexity_pruning": ComplexityPruning(),
        "complexity_pruning, near": ComplexityPruning(keep="near"),
        "hierarchical_balance": HierarchicalBalance(),
    }
    cleaned = clean(pool, labels, seed)
    for name, method in methods.items():
        kept[f"clean, {name}"] = choose(*cleaned, k, method, seed)
    for name in ("complexity_pruning", "hierarchical_balance"):
        pick = cl.select(pool, k, method=methods[name], random_state=seed)
        kept[f"{name} alone"] = pick.rows
    found = {name: accuracy(some) for name, some in kept.items()}
    print(*found.values(), sep="\t", file=sys.stderr, flush=True)
    return found


def bench_balance_of_a_million(quick):
    """hierarchical_balance, 100,000 picks of 1,000,000 x 384: seconds, and GiB above the data."""
    import resource

    import curalab as cl
    from curalab.selectors.hierarchical_balance import HierarchicalBalance

    n, d, n_kinds = (50_000 if quick else 1_000_000), 384, 200
    rng = np.random.default_rng(0)
    x = np.empty((n, d), dtype=np.float32)
    odds = 1 / np.arange(1, n_kinds + 1)
    kind = rng.choice(n_kinds, size=n, p=odds / odds.sum())
    ways = rng.standard_normal((16, d), dtype=np.float32)  # data of low rank, as embeddings are
    centres = 3 * rng.standard_normal((n_kinds, 16), dtype=np.float32)
    for at in range(0, n, 10_000):
        some = kind[at : at + 10_000]
        low = centres[some] + rng.standard_normal((len(some), 16), dtype=np.float32)
        noise = rng.standard_normal((len(some), d), dtype=np.float32)
        x[at : at + 10_000] = low @ ways + noise
    emb = cl.Embedding(vectors=x)
    cl.select(emb.take(emb.ids[:2000]), 10, method=HierarchicalBalance(), random_state=0)  # imports
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    pick = cl.select(emb, n // 10, method=HierarchicalBalance(), random_state=0)
    seconds = time.perf_counter() - began
    added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    return [
        {
            "n": n,
            "d": d,
            "seconds": seconds,
            "GiB above the data": added,
            "evenness of the pool": evenness(kind, n_kinds),
            "evenness of the picks": evenness(kind[pick.rows], n_kinds),
        }
    ]


def bench_unequal_classes(quick):
    """Evenness of the classes among the picks (entropy, 1 is even), of an unequal pool; ten draws.

    The classes of digits, MNIST and CIFAR-10 with sizes proportional to 1/rank, a tenth picked.
    "cells" deals evenly over k-means cells of one level without resampling. `over_cells` and
    `over_random` are the gains, each with its 95 % interval.
    """
    import curalab as cl
    from curalab.selectors.hierarchical_balance import HierarchicalBalance

    rows = []
    for set_name, emb, truth in unequal_sets(quick):
        found = []
        for seed in range(2 if quick else 10):
            rng = np.random.default_rng(seed)
            some = by_rank(truth, rng)
            pool, kind = emb.take(emb.ids[some]), truth[some]
            methods = {
                "hierarchical_balance": HierarchicalBalance(),
                "cells": HierarchicalBalance(n_clusters=[len(some) // 30], n_resamplings=0),
                "random": "random",
            }
            picks = {
                name: cl.select(pool, len(some) // 10, method=method, random_state=seed).rows
                for name, method in methods.items()
            }
            found.append({name: evenness(kind[some], 10) for name, some in picks.items()})
        frame = pd.DataFrame(found)
        gains = {name: frame["hierarchical_balance"] - frame[name] for name in ("cells", "random")}
        row = {"set": set_name, **frame.mean().to_dict()}
        for name, gain in gains.items():
            row |= {f"over_{name}": gain.mean(), f"±{name}": half_width(gain)}
        rows.append(row)
    return rows


def cifar10(quick):
    """Return the embedding of the images and their true labels."""
    from PIL import Image

    import curalab as cl

    folder = DATA / "cifar10_shared"
    table = pd.read_csv(folder / "train_labels.csv")
    with zipfile.ZipFile(folder / "images.zip") as archive:
        images = [np.asarray(Image.open(io.BytesIO(archive.read(f)))) for f in table["file"]]
    emb = cl.embed(images, encoder="patches", random_state=0)
    n = 2_000 if quick else len(table)
    return emb.take(emb.ids[:n]), table["clean_label"].to_numpy()[:n]


def unequal_sets(quick):
    """Yield name, embedding and classes of each set."""
    import curalab as cl

    table = cl.samples.digits()
    pixels = np.stack([image.ravel() for image in table["image"]]).astype(float)
    yield (
        "digits",
        cl.Embedding(vectors=pixels, metric="euclidean"),
        pd.factorize(table["label"])[0],
    )
    if quick or not DATA.exists():
        return
    with np.load(next((DATA / "mnist_t10k").glob("*.npz"))) as file:
        yield "mnist_t10k", cl.embed(list(file["X"]), encoder="patches"), file["y"]
    yield "cifar10_shared", *cifar10(quick)


def by_rank(truth, rng):
    """Return rows of which class i has a share proportional to 1/i, classes in random order."""
    rows = []
    for rank, one in enumerate(rng.permutation(np.unique(truth))):
        mine = rng.permutation(np.flatnonzero(truth == one))
        rows.append(mine[: max(1, len(mine) // (rank + 1))])
    return np.concatenate(rows)


def evenness(kind, n_kinds):
    """Return the entropy of the kinds over its largest value."""
    share = np.bincount(kind, minlength=n_kinds) / len(kind)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum() / np.log(n_kinds))


def half_width(values):
    """Return half of the 95 % interval of the mean."""
    n = len(values)
    return float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5)
