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
                "detectable": effect.is_detectable,
                "seconds": time.perf_counter() - began,
            }
        )
    return rows
