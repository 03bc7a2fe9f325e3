"""Labels from the names of classes alone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
TREC = {
    "ABBR": "abbreviation",
    "DESC": "description",
    "ENTY": "entity",
    "HUM": "human",
    "LOC": "location",
    "NUM": "number",
}


def data():
    """Return the folder of the benchmark data."""
    return Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


def bench_names(quick):
    """Accuracy from class names alone, MiniLM, on 10 draws of rows of each set.

    "gain" is over `zero_shot` (the nearest name) on the same rows, with its 95 % interval; "off" is
    the mean confidence less the accuracy. "some" are 2,000 rows at random (all have a little more
    to learn from); of "ranked" rows class sizes are proportional to 1/rank, in a random order of
    the classes. "mean of 3" is that of ag_news, banking77 and trec6. The settings' defaults were
    chosen with these five sets in view; `bench_unseen` has one that was not.
    """
    rows = []
    for name, (emb, truth, texts) in sets().items():
        for draw, kept in (("some", some), ("ranked", ranked)):
            for seed in range(2 if quick else 10):
                chosen = kept(truth, np.random.default_rng(seed))
                seen = scores(emb.take(emb.ids[chosen]), truth[chosen], texts, seed)
                rows += [{"set": name, "draw": draw, "seed": seed, **row} for row in seen]
    if not rows:
        return [{"set": f"no benchmark data in {data()}"}]
    frame = pd.DataFrame(rows)
    tuned = frame[frame["set"].isin(["ag_news", "banking77", "trec6"])]
    keys = ["draw", "seed", "method"]
    mean = tuned.groupby(keys, sort=False)[["accuracy", "gain", "off"]].mean().reset_index()
    frame = pd.concat([frame, mean.assign(set="mean of 3")])
    return [
        {"set": name, "draw": draw, "method": method, **summary(part)}
        for (name, draw, method), part in frame.groupby(["set", "draw", "method"], sort=False)
    ]


def bench_unseen(quick):
    """The same on tweet_emotion, on which nothing was chosen: emotions, unlike topics."""
    import curalab as cl

    if not data().exists():
        return [{"set": f"no benchmark data in {data()}"}]
    tweets = pd.read_parquet(data() / "tweet_emotion" / "all.parquet")
    truth, names = pd.factorize(tweets["label"], sort=True)
    told = cl.embed(list(names), encoder="minilm").vectors
    emb = cl.embed(tweets["text"].reset_index(drop=True), encoder="minilm")
    rows = []
    for seed in range(2 if quick else 10):
        chosen = some(truth, np.random.default_rng(seed))
        rows += scores(emb.take(emb.ids[chosen]), truth[chosen], dict(enumerate(told)), seed)
    frame = pd.DataFrame(rows)
    parts = frame.groupby("method", sort=False)
    return [{"method": method, **summary(part)} for method, part in parts]


def sets():
    """Return embedding, class numbers and texts of the classes, by the name of the set."""
    import curalab as cl

    if not data().exists():
        return {}
    news = pd.read_parquet(data() / "ag_news_test" / "all.parquet")
    intents = pd.read_parquet(data() / "banking77" / "train.parquet")
    questions = pd.read_parquet(data() / "trec6" / "all.parquet")
    clinc = pd.read_parquet(data() / "clinc_shared" / "clinc.parquet").query("label != 'oos'")
    comments = pd.read_parquet(data() / "youtube_spam" / "all.parquet")
    held = {
        "ag_news": (
            news["title"] + ". " + news["description"],
            news["label"].replace("Sci/Tech", "science and technology"),
        ),
        "banking77": (intents["text"], intents["label"]),
        "trec6": (questions["text"], questions["label"].map(TREC)),
        "clinc": (clinc["text"], clinc["label"]),
        "youtube": (comments["text"], comments["label"].map({0: "ham", 1: "spam"})),
    }
    found = {}
    for name, (texts, labels) in held.items():
        truth, names = pd.factorize(labels, sort=True)
        told = cl.embed([label.replace("_", " ") for label in names], encoder="minilm").vectors
        emb = cl.embed(texts.reset_index(drop=True), encoder="minilm")
        found[name] = emb, truth, dict(enumerate(told))
    return found


def some(truth, rng):
    """Return 2,000 rows, or four fifths where there are fewer."""
    return np.sort(rng.permutation(len(truth))[: min(2_000, len(truth) * 4 // 5)])


def ranked(truth, rng):
    """Return rows of classes whose sizes are proportional to 1/rank, ten at least."""
    size = np.bincount(truth)
    chosen = []
    for rank, c in enumerate(rng.permutation(len(size))):
        n = min(size[c], max(10, int(size.max() / (1 + rank))))
        chosen.append(rng.choice(np.flatnonzero(truth == c), n, replace=False))
    return np.sort(np.concatenate(chosen))


def scores(emb, truth, texts, seed):
    """Return accuracy, gain over the nearest name and what confidence is off by, each method."""
    import curalab as cl
    from curalab.pseudo_labels import (
        Descriptions,
        Keywords,
        TextPropagation,
        TopicZeroShot,
        ZeroShot,
    )

    rows = []
    for method in (ZeroShot, Descriptions, TextPropagation, Keywords, TopicZeroShot):
        soft = cl.pseudo_label(emb, method=method(texts=texts), random_state=seed)
        right = float((soft.labels == truth).mean())
        off = float(soft.confidence.mean()) - right
        rows.append({"method": method.__name__, "accuracy": right, "off": off})
    return [{**row, "gain": row["accuracy"] - rows[0]["accuracy"]} for row in rows]


def summary(part):
    """Return means over the seeds, with half the width of the interval of accuracy and gain."""
    from scipy.stats import t

    told = {}
    for column in ("accuracy", "gain", "off"):
        seen = part[column].to_numpy()
        told[column] = round(float(seen.mean()), 3)
        if column != "off":
            wide = t.ppf(0.975, len(seen) - 1) * seen.std(ddof=1) / np.sqrt(len(seen))
            told[f"{column}_±"] = round(float(wide), 3)
    return told
