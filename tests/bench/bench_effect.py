"""The measured effect: what it finds, and how long it takes."""

from __future__ import annotations

import time

import numpy as np


def bench_digits(quick):
    """Digits (pixels) with 10 % planted label errors: what cleaning and chance are worth.

    Gains in accuracy with 95 % intervals; "nothing" must be exactly zero.
    """
    import curalab as cl

    items = cl.samples.digits()
    order = np.random.default_rng(0).permutation(len(items))
    x = np.stack(items["image"].tolist()).reshape(len(items), -1) / 255
    emb = cl.Embedding(vectors=x, ids=items.index)
    train, test = items.iloc[order[:1300]], items.iloc[order[1300:]]
    planted = cl.samples.plant_label_errors(train, share=0.1, random_state=0)
    before, wrong = planted.items, planted.truth["is_error"].to_numpy()
    some = np.random.default_rng(1).permutation(len(before))[: len(before) - wrong.sum()]
    steps = {
        "relabel the errors": train,
        "drop the errors": before[~wrong],
        "drop as many by chance": before.iloc[np.sort(some)],
        "nothing": before,
    }
    rows = []
    for step, after in steps.items():
        began = time.perf_counter()
        effect = cl.measure_effect(
            before, after, test=test, embedding=emb, n_seeds=3 if quick else 10, random_state=0
        )
        rows.append(
            {
                "step": step,
                "gain": effect.gain,
                "low": effect.interval[0],
                "high": effect.interval[1],
                "gain_over_random": effect.gain_over_random,
                "low_over_random": effect.interval_over_random[0],
                "high_over_random": effect.interval_over_random[1],
                "detectable": effect.is_detectable,
                "beyond_chance": effect.is_beyond_chance,
                "seconds": time.perf_counter() - began,
            }
        )
    return rows


def bench_coverage(quick):
    """Random steps and better ones, each on fresh small tables: what the intervals keep.

    150 training rows of three overlapping classes, a fifth with wrong labels; 300 test rows.
    `covered` is the share of draws whose interval of the gain holds what 3,000 other test rows and
    16 other seeds say this very step does, `class_covered` the same for its classes: 95 % or more.
    On a table so small a random step has some effect too, so `detectable` may be frequent;
    `beyond_chance` may not exceed 5 % for the two random steps. Other labels of which as many are
    wrong are worth nothing over doing nothing, on average, and much over relabelling at random.
    """
    steps = (
        "drop a tenth at random",
        "relabel a tenth at random",
        "as many wrong labels elsewhere",
        "repair half the wrong labels",
    )
    n_draws, looks = (4, (3,)) if quick else (200, (3, 10))
    rows = []
    for step in steps:
        drawn = [_kept(step, draw, looks) for draw in range(n_draws)]
        for n_seeds in looks:
            some = [row[n_seeds] for row in drawn]
            means = {name: float(np.mean([row[name] for row in some])) for name in some[0]}
            rows.append({"step": step, "n_seeds": n_seeds, "n_draws": n_draws, **means})
    return rows


def _kept(step, draw, looks):
    """Return by number of seeds what the intervals of one drawn table hold."""
    import curalab as cl

    before, after, test, more, emb = _table(step, np.random.default_rng([draw, 7]))
    truth = cl.measure_effect(
        before, after, test=more, embedding=emb, n_seeds=16, random_state=draw + 10_000
    )
    rows = {}
    for n_seeds in looks:
        effect = cl.measure_effect(
            before, after, test=test, embedding=emb, n_seeds=n_seeds, random_state=draw
        )
        classes, of_truth = effect.per_class, truth.per_class["gain"]
        rows[n_seeds] = {
            "gain": truth.gain,
            "covered": effect.interval[0] <= truth.gain <= effect.interval[1],
            "class_covered": of_truth.between(classes["low"], classes["high"]).mean(),
            "detectable": effect.is_detectable,
            "beyond_chance": effect.is_beyond_chance,
            "class_detectable": classes["is_detectable"].any(),
            "half_width": np.diff(effect.interval)[0] / 2,
            "half_width_over_random": np.diff(effect.interval_over_random)[0] / 2,
        }
    return rows


def _table(step, rng):
    """Return a table before and after a step, test rows, more of them, and all vectors."""
    import pandas as pd

    import curalab as cl

    n, n_classes = 150, 3
    truth = rng.integers(n_classes, size=n + 3300)
    x = rng.normal(size=(len(truth), 8)) + 1.6 * np.eye(8)[truth]
    items = pd.DataFrame({"label": truth})
    right, test, more = items[:n], items[n : n + 300], items[n + 300 :]

    def noisy():
        moved = np.where(rng.random(n) < 0.2, rng.integers(1, n_classes, size=n), 0)
        return right.assign(label=(right["label"] + moved) % n_classes)

    before = noisy()
    tenth = rng.permutation(n)[: n // 10]
    if step.startswith("drop"):
        after = before.drop(index=tenth)
    elif step.startswith("relabel"):
        after = before.copy()
        after.loc[tenth, "label"] += rng.integers(1, n_classes, size=len(tenth))
        after["label"] %= n_classes
    elif step.startswith("as many"):
        after = noisy()
    else:
        wrong = np.flatnonzero(before["label"] != right["label"])
        half = rng.permutation(wrong)[: len(wrong) // 2]
        after = before.assign(label=right["label"].where(right.index.isin(half), before["label"]))
    return before, after, test, more, cl.Embedding(vectors=x, metric="euclidean")
