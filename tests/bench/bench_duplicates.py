"""Duplicates: what the default thresholds and methods find in digits, records, images, texts."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


def bench_digits(quick):
    """Planted copies of digits at the default threshold, mean over seeds.

    `best` is the smaller of precision and recall at the best threshold there is, with the truth
    at hand; `pairs` of the rows without planted copies are all false.
    """
    import curalab as cl

    rows = []
    for kind in (None, "exact", "jittered", ["exact", "jittered"]):
        for share in (0.05,) if quick or kind != ["exact", "jittered"] else (0.01, 0.05, 0.3):
            found = []
            for seed in range(1 if kind is None else 2 if quick else 6):
                items, truth = cl.samples.digits(), pd.DataFrame({"id_a": [], "id_b": []})
                if kind is not None:
                    planted = cl.samples.plant_duplicates(
                        items, share=share, kind=kind, random_state=seed
                    )
                    items, truth = planted.items, planted.truth
                pixels = np.stack(items["image"].tolist()).reshape(len(items), -1)
                for name, emb in {
                    "pixels": cl.Embedding(vectors=pixels, ids=items.index),
                    "patches": cl.embed(items["image"], encoder="patches", random_state=0),
                }.items():
                    found.append({"vectors": name, **judged(emb, truth)})
            mean = pd.DataFrame(found).groupby("vectors", sort=False).mean().reset_index()
            rows += [
                {"planted": "nothing" if kind is None else str(kind), "share": share, **row}
                for row in mean.to_dict("records")
            ]
    return rows


def bench_real(quick):
    """Pairs found in real data at the default threshold, and precision and recall where known.

    febrl3 has all true pairs; dblp_acm judged pairs (of those found, the judged ones count).
    """
    import curalab as cl

    data = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
    if not data.is_dir():
        return [{"set": f"no benchmark data at {data}: set CURALAB_BENCH_DATA to their folder"}]
    sets = {}
    febrl = pd.read_parquet(data / "febrl" / "febrl3.parquet")
    texts = febrl.drop(columns=["rec_id", "entity"]).fillna("").astype(str).agg(" ".join, axis=1)
    same = febrl.reset_index().merge(febrl.reset_index(), on="entity")
    sets["febrl3"] = (
        texts,
        {frozenset(pair) for pair in zip(same["index_x"], same["index_y"], strict=True)},
        None,
    )
    judged_pairs = pd.read_parquet(data / "er_dblp_acm" / "pairs.parquet")
    records = pd.unique(pd.concat([judged_pairs["left"], judged_pairs["right"]]))
    number = {record: i for i, record in enumerate(records)}
    pairs = [
        frozenset([number[a], number[b]])
        for a, b in zip(judged_pairs["left"], judged_pairs["right"], strict=True)
    ]
    true = {pair for pair, match in zip(pairs, judged_pairs["match"], strict=True) if match}
    texts = [" ".join(map(str, json.loads(record).values())) for record in records]
    sets["er_dblp_acm"] = pd.Series(texts), true, set(pairs)
    for name in ("youtube_spam", "banking77"):
        folder = data / name
        frame = pd.concat([pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))])
        sets[name] = frame["text"].reset_index(drop=True), None, None
    rows = []
    for name, (texts, true, known) in sets.items():
        found = cl.find_duplicates(cl.embed(texts, encoder="tfidf", random_state=0))
        row = {"set": name, "n": len(texts), "pairs": len(found.found), "at": found.threshold}
        if true is not None:
            true = {pair for pair in true if len(pair) == 2}
            told = pair_set(found) if known is None else pair_set(found) & known
            row["precision"] = len(told & true) / max(len(told), 1)
            row["recall"] = len(told & true) / len(true)
        rows.append(row)
    return rows


def bench_images(quick):
    """Judged near-duplicates among 14,996 small photographs.

    `in 10`: share of the pairs judged to be the same shot (or very similar) that are among the ten
    most similar images of one of the two; what the default threshold finds of them, and how many of
    the judged pairs that it finds are the same shot. All judged pairs are duplicates of some kind,
    so `pairs` matters as well.
    """
    import curalab as cl

    folder = DATA / "cifar10_shared"
    if not folder.is_dir():
        return [{"vectors": f"no benchmark data in {DATA}"}]
    judged = pd.read_csv(folder / "near_duplicate_pairs.csv")
    names = pd.concat(
        [pd.read_csv(folder / f"{side}_labels.csv")["file"] for side in ("train", "test")]
    )
    if quick:
        names = names[
            names.isin(judged[["file_a", "file_b"]].to_numpy().ravel())
            | (np.arange(len(names)) % 9 == 0)
        ]
    images = pd.Series(read_images(folder / "images.zip", names), index=names.to_numpy())
    same = {frozenset(p) for p in judged[judged["judgment"] == 1][["file_a", "file_b"]].to_numpy()}
    alike = {frozenset(p) for p in judged[judged["judgment"] != 1][["file_a", "file_b"]].to_numpy()}
    emb = cl.embed(images, encoder="patches", random_state=0)
    near = emb.neighbors(10).indices
    ten = {
        frozenset((emb.ids[row], emb.ids[other])) for row in range(len(emb)) for other in near[row]
    }
    rows = []
    for method in ("semantic", "perceptual"):
        found = pair_set(cl.find_duplicates(emb, method=method, random_state=0))
        told = found & (same | alike)
        rows.append(
            {
                "method": method,
                "in 10, same shot": len(same & ten) / len(same) if method == "semantic" else None,
                "in 10, similar": len(alike & ten) / len(alike) if method == "semantic" else None,
                "pairs": len(found),
                "judged": len(told),
                "precision, same shot": len(told & same) / max(len(told), 1),
                "recall, same shot": len(told & same) / len(same),
                "recall, similar": len(told & alike) / len(alike),
            }
        )
    return rows


def read_images(path, names):
    """Return the images of a zip file as arrays."""
    from PIL import Image

    with zipfile.ZipFile(path) as archive:
        return [np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names]


def bench_texts(quick):
    """Recall of planted near-copies of texts against brute force, and seconds for 20,000 texts."""
    import curalab as cl
    from curalab.duplicates import NearText
    from curalab.duplicates._shingles import shingle_sets

    texts = cl.samples.docstrings()["text"].tolist()
    rng, made = np.random.default_rng(0), []
    for text in texts[: 300 if quick else 1_500]:
        words = text.split()
        for _ in range(max(1, len(words) // 12)):
            words[rng.integers(len(words))] = "changed"
        made.append(" ".join(words))
    both = pd.Series([*texts[: 300 if quick else 1_500], *made])
    sets, _ = shingle_sets(both.tolist(), 2)
    size, common = np.diff(sets.indptr), (sets @ sets.T).toarray()
    true = common / (size[:, None] + size - common)
    pool = cl.Pool(embedding=np.ones((len(both), 2)), data=both)
    rows = []
    for threshold in (0.5, 0.7, 0.9):
        began = time.perf_counter()
        found = cl.find_duplicates(pool, method=NearText(), threshold=threshold, random_state=0)
        seconds = time.perf_counter() - began
        pairs = found.found[["row_a", "row_b"]].to_numpy()
        wanted = np.triu(true >= threshold, 1)
        hit = np.zeros_like(wanted)
        hit[pairs.min(axis=1), pairs.max(axis=1)] = True
        rows.append(
            {
                "texts": len(both),
                "threshold": threshold,
                "pairs": int(wanted.sum()),
                "recall": (hit & wanted).sum() / max(wanted.sum(), 1),
                "false": int((hit & ~wanted).sum()),
                "seconds": seconds,
            }
        )
    return rows


def judged(emb, truth):
    """Return what the default threshold found, and the best that any could."""
    import curalab as cl

    found, true = cl.find_duplicates(emb), pair_set_of(truth)
    right = len(pair_set(found) & true)
    row = {"pairs": len(found.found), "at": found.threshold}
    if true:
        row |= {"precision": right / max(len(found.found), 1), "recall": right / len(true)}
        row["best"] = best(emb, true)
    return row


def best(emb, true):
    """Return the largest value that precision and recall both reach at some threshold."""
    near = emb.neighbors(30)
    rows = np.repeat(np.arange(len(emb)), near.k)
    pairs = np.sort(np.column_stack([rows, near.indices.ravel()]), axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    first = first[np.argsort(near.distance.ravel()[first], kind="stable")]
    right = np.cumsum([frozenset(emb.ids[pair]) in true for pair in pairs[first]])
    return np.minimum(right / np.arange(1, len(right) + 1), right / len(true)).max()


def pair_set(found):
    """Return the pairs of a result."""
    return pair_set_of(found.pairs())


def pair_set_of(frame):
    """Return the pairs of a table."""
    return {frozenset(pair) for pair in frame[["id_a", "id_b"]].to_numpy().tolist()}
