"""Labels from rules and other weak sources, against majority vote."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
N_SEEDS = 10


def data():
    """Return the folder of the benchmark data."""
    return Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


def says(pattern, label):
    """Return a rule that names `label` where the pattern occurs."""
    found = re.compile(pattern, re.IGNORECASE)
    return lambda text: label if found.search(text) else None


SITES = "facebook|twitter|instagram|itunes|soundcloud|kickstarter|gofundme|ebay|amazon"
THINGS = "channel|videos?|page|music|songs?|covers?|site|website|playlist|rap"
STARS = "beat|voice|lyrics|shakira|katy|eminem|psy|lmfao|rihanna"
RULES = {
    "link": says(r"https?:|www\.|\.(com|org|net|tk|me|ly)\b|watch\?v=", "spam"),
    "check out": says(r"check\s*(this\s*)?(it\s*)?out|check my", "spam"),
    "subscribe": says(r"subscri|\bsubs?\b", "spam"),
    "my channel": says(rf"\bmy\s+(\w+\s+)?({THINGS})\b", "spam"),
    "money": says(r"\bmoney\b|\$\d|free|\bearn\b|\bwin\b|giveaway|\bcash\b|dollars", "spam"),
    "please": says(r"\b(please|plz|pls|plese)\b", "spam"),
    "other site": says(SITES, "spam"),
    "long": lambda text: "spam" if len(text) > 250 else None,
    "short": lambda text: "ham" if len(text.split()) < 6 else None,
    "song": says(rf"\b(songs?|music|video|{STARS})\b(?!.*(check|http|my))", "ham"),
    "love": says(r"\b(love|best|beautiful|awesome|amazing|favou?rite|great|cool|lol)\b", "ham"),
    "views": says(r"billion|million|\bviews\b|\b20\d\d\b", "ham"),
}


def bench_rules(quick):
    """youtube_spam, 12 rules of our own: accuracy on comments held out, 10 splits.

    A quarter is held out, equal texts on one side. "vote" asks the rules themselves; ties and rows
    without a vote go to the commoner class. The others are heads on MiniLM vectors of the rest,
    trained on the rules' labels alone: logistic regression (C) on the majority vote without ties,
    or on the likeliest classes of the label model. "true labels" is what the vectors allow.
    "labelled" and "ece" are accuracy and calibration error of pseudo_label on the rest itself.
    """
    import curalab as cl
    from curalab.pseudo_labels import LabelModel, apply_rules

    path = data() / "youtube_spam" / "all.parquet"
    if not path.exists():
        return [{"method": f"no benchmark data in {data()}"}]
    table = pd.read_parquet(path)
    texts = table["text"].reset_index(drop=True)
    truth = np.where(table["label"] == 1, "spam", "ham").astype(object)
    emb = cl.embed(texts, encoder="minilm", random_state=0)
    votes = apply_rules(texts, list(RULES.values())).votes.to_numpy()
    same = pd.factorize(texts.str.strip())[0]
    rows = []
    for seed in range(2 if quick else N_SEEDS):
        held = np.random.default_rng(seed).random(same.max() + 1)[same] < 0.25
        rest, asked = emb.take(emb.ids[~held]), emb.take(emb.ids[held])
        voted, told = majority(votes[~held]), majority(votes[held])
        common = pd.Series(voted).mode()[0]
        add(rows, seed, "vote", right(pd.Series(told).fillna(common), truth[held]))
        for penalty in (0.1, 1, 10):
            guess = taught(rest, voted, asked, penalty)
            add(rows, seed, f"head on vote, C={penalty}", right(guess, truth[held]))
        best = right(taught(rest, truth[~held], asked, 1), truth[held])
        add(rows, seed, "head on true labels, C=1", best)
        for name, settings in MODELS.items():
            method = LabelModel(votes=votes[~held], classes=["ham", "spam"], **settings)
            soft = cl.pseudo_label(rest, method=method, random_state=seed)
            got = {"labelled": right(soft.labels, truth[~held]), "ece": ece(soft, truth[~held])}
            guess = taught(rest, soft.labels, asked, 1)
            add(rows, seed, name, right(guess, truth[held]), **got)
    return intervals(rows)


MODELS = {
    "label_model": {},
    "label_model, confusion": {"confusion": True},
    "label_model, no end model": {"end_model": False},
}


def bench_source(quick):
    """yoruba_news: one weak source (33 % wrong), 7 topics: accuracy on its test split, 10 draws.

    Each draw is 80 % of the training rows. With one source the majority vote is the source.
    """
    import curalab as cl
    from curalab.pseudo_labels import LabelModel

    path = data() / "yoruba_news_distant_noise" / "all.parquet"
    if not path.exists():
        return [{"method": f"no benchmark data in {data()}"}]
    table = pd.read_parquet(path)
    emb = cl.embed(table["text"].reset_index(drop=True), encoder="minilm", random_state=0)
    truth, weak = (table[c].to_numpy(dtype=object) for c in ("clean_label", "noisy_label"))
    held = (table["split"] == "test").to_numpy()
    train, asked = np.flatnonzero(table["split"] == "train"), emb.take(emb.ids[held])
    rows = []
    for seed in range(2 if quick else N_SEEDS):
        some = np.random.default_rng(seed).choice(train, int(0.8 * len(train)), replace=False)
        rest = emb.take(emb.ids[some])
        for penalty in (0.1, 1, 10):
            for name, known in (("the source", weak), ("true labels", truth)):
                guess = taught(rest, known[some], asked, penalty)
                add(rows, seed, f"head on {name}, C={penalty}", right(guess, truth[held]))
        add(rows, seed, "the source", np.nan, labelled=right(weak[some], truth[some]))
        for name, settings in list(MODELS.items())[:2]:
            method = LabelModel(votes=weak[some], **settings)
            soft = cl.pseudo_label(rest, method=method, random_state=seed)
            got = {"labelled": right(soft.labels, truth[some]), "ece": ece(soft, truth[some])}
            guess = taught(rest, soft.labels, asked, 1)
            add(rows, seed, name, right(guess, truth[held]), **got)
    return intervals(rows)


def majority(votes):
    """Return the class that most votes name, None where there is none or a tie."""
    names = sorted({vote for vote in votes.ravel() if vote is not None})
    count = np.stack([(votes == name).sum(axis=1) for name in names], axis=1)
    tie = (count == count.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return np.where(tie, None, np.array(names, dtype=object)[count.argmax(axis=1)])


def taught(rest, labels, asked, penalty):
    """Return what logistic regression on these labels says of the rows asked about."""
    import curalab as cl
    from curalab.pseudo_labels import LowShotProbe

    soft = cl.pseudo_label(rest, labels, method=LowShotProbe(C=penalty), random_state=0)
    return soft.predict(asked)["pseudo_label"]


def right(guess, truth):
    """Return the accuracy."""
    return float((np.asarray(guess) == np.asarray(truth)).mean())


def ece(soft, truth):
    """Return the mean gap of confidence and accuracy over ten bins of confidence."""
    place = np.minimum((soft.confidence * 10).astype(int), 9)
    gap = soft.confidence - (soft.labels == truth)
    return float(np.abs(np.bincount(place, gap)).sum() / len(gap))


def add(rows, seed, method, accuracy, **more):
    """Put down one run."""
    rows.append({"method": method, "seed": seed, "accuracy": accuracy, **more})


def intervals(rows):
    """Return each method's mean over seeds, half of its 95 % interval, and the means beside it."""
    from scipy.stats import t

    found = []
    for method, group in pd.DataFrame(rows).groupby("method", sort=False):
        seen, n = group["accuracy"], len(group)
        half = t.ppf(0.975, n - 1) * seen.std(ddof=1) / n**0.5
        extra = group.drop(columns=["method", "seed", "accuracy"]).mean()
        found.append({"method": method, "accuracy": seen.mean(), "±": half, **extra})
    return found
