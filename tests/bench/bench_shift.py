"""Shift: false alarms, power and cost of the tests."""

from __future__ import annotations

import time

import numpy as np


def bench_false_alarms(quick):
    """Share of 200 draws without a shift in which each test says p <= 0.05, p <= 0.1."""
    import curalab as cl

    items = cl.samples.digits()
    pixels = np.stack(items["image"].tolist()).reshape(len(items), -1).astype(float)
    n_draws = 40 if quick else 200
    rows = []
    for name, draw in nulls(pixels).items():
        p = np.array([draw(np.random.default_rng([7, i]), i) for i in range(n_draws)])
        rows.append({"test": name, "p <= 0.05": (p <= 0.05).mean(), "p <= 0.1": (p <= 0.1).mean()})
    return rows


def nulls(pixels):
    """Return draws without a shift; each returns a p-value."""
    from curalab import Embedding, find_shift

    def test(x, seed, method, **settings):
        emb = Embedding(vectors=x, metric="euclidean")
        return find_shift(emb, method=method, random_state=seed, **settings).p_value

    def some(rng, n):
        return pixels[rng.choice(len(pixels), n, replace=False)]

    def other(x):
        return Embedding(vectors=x, metric="euclidean")

    return {
        "group_test, 4 groups, normal 200 x 100": lambda rng, i: test(
            rng.normal(size=(200, 100)), i, "group_test", groups=np.arange(200) % 4
        ),
        "group_test, a group of 30, heavy tails 300 x 20": lambda rng, i: test(
            rng.standard_t(2, size=(300, 20)), i, "group_test", groups=np.arange(300) < 30
        ),
        "group_test, 12 groups, 500 digits": lambda rng, i: test(
            some(rng, 500), i, "group_test", groups=rng.integers(12, size=500)
        ),
        "reference_test, 200 and 200, normal, 20 dimensions": lambda rng, i: test(
            rng.normal(size=(200, 20)),
            i,
            "reference_test",
            reference=other(rng.normal(size=(200, 20))),
        ),
        "reference_test, 200 and 300 digits": lambda rng, i: test(
            (x := some(rng, 500))[:200], i, "reference_test", reference=other(x[200:])
        ),
        "order, normal 200 x 5": lambda rng, i: test(rng.normal(size=(200, 5)), i, "order"),
        "order, 500 digits": lambda rng, i: test(some(rng, 500), i, "order"),
        "order, 300 copies of 60 rows": lambda rng, i: test(
            rng.normal(size=(60, 5))[rng.integers(60, size=300)], i, "order"
        ),
    }


def bench_power(quick):
    """Share of draws with a planted shift of digits (400 rows) in which p <= 0.05.

    `split`: a logistic regression fitted on half of the rows, its AUC on the other half against
    chance, as the paper has it.
    """
    import curalab as cl

    rows = []
    for kind, strength in (
        ("content", 0.03),
        ("content", 0.06),
        ("classes", 0.2),
        ("classes", 0.4),
    ):
        p, split = [], []
        for seed in range(10 if quick else 40):
            items = cl.samples.digits().sample(400, random_state=seed)
            items = cl.plant_shift(
                items, kind=kind, strength=strength, n_groups=2, random_state=seed
            ).items
            x = np.stack(items["image"].tolist()).reshape(len(items), -1) / 255
            emb, groups = cl.Embedding(vectors=x, metric="euclidean"), items["group"].to_numpy()
            p.append(cl.find_shift(emb, groups=groups, random_state=seed).p_value)
            split.append(by_split(x, groups == "a", seed))
        rows.append(
            {
                "shift": kind,
                "strength": strength,
                "group_test": np.mean(np.array(p) <= 0.05),
                "split": np.mean(np.array(split) <= 0.05),
            }
        )
    return rows


def by_split(x, is_first, seed):
    """Return the p-value of a classifier fitted on half of the rows."""
    from scipy.stats import mannwhitneyu
    from sklearn.linear_model import LogisticRegression

    order = np.random.default_rng([seed, 1]).permutation(len(x))
    fit, rest = np.array_split(order, 2)
    told = LogisticRegression(max_iter=1000).fit(x[fit], is_first[fit]).decision_function(x[rest])
    one, other = told[is_first[rest]], told[~is_first[rest]]
    return mannwhitneyu(one, other, alternative="greater").pvalue


def bench_time(quick):
    """Seconds for each test of 20,000 x 384, the neighbour graph there."""
    from curalab import Embedding, find_shift

    n = 4_000 if quick else 20_000
    x = np.random.default_rng(0).normal(size=(n, 384)).astype(np.float32)
    emb = Embedding(vectors=x)
    began = time.perf_counter()
    emb.neighbors(30)
    rows = [{"task": "neighbors(30)", "seconds": time.perf_counter() - began}]
    moved = {
        "group_test, 2 groups": {"groups": np.arange(n) % 2},
        "group_test, 10 groups": {"groups": np.arange(n) % 10},
        "group_test, 2 groups, shifted": {"groups": x[:, 0] > 0},
        "reference_test, against 4,000": {
            "reference": Embedding(vectors=x[:4_000] + 0.01),
            "method": "reference_test",
        },
        "order": {"method": "order"},
    }
    for task, settings in moved.items():
        began = time.perf_counter()
        find_shift(emb, random_state=0, **settings)
        rows.append({"task": task, "seconds": time.perf_counter() - began})
    return rows
