"""Selectors: what their picks are worth, and what they cost."""

from __future__ import annotations

import time

import numpy as np


def bench_label_digits(quick):
    """Labelling on digits (pixels): accuracy of a linear head by budget, with 95 % intervals.

    `over_random` is paired with random picks on the same seeds and test rows.
    """
    return digits("label", quick)


def bench_keep_digits(quick):
    """Pruning digits (pixels), all labels visible: accuracy of a linear head by budget."""
    return digits("keep", quick)


def digits(protocol, quick):
    """Return the curve of every registered selector."""
    import curalab as cl
    from curalab.pool import method_names
    from curalab.selectors import STAGE

    items = cl.samples.digits()
    order = np.random.default_rng(0).permutation(len(items))
    x = np.stack(items["image"].tolist()).reshape(len(items), -1) / 255
    pool, test = (
        cl.Pool(
            embedding=cl.Embedding(vectors=x[rows], ids=items.index[rows]),
            labels=items["label"].iloc[rows],
        )
        for rows in (order[:1200], order[1200:])
    )
    board = cl.bench(
        "selectors",
        method_names(STAGE),
        pool=pool,
        test=test,
        n_seeds=2 if quick else 10,
        protocol=protocol,
        random_state=0,
    )
    return board.curve.to_dict("records")


TWELVE = [
    "coverage_plus_uncertainty",
    "facility_location",
    "typicality",
    "stratified",
    "prob_cover",
    "herding",
    "k_center",
    "margin",
    "badge",
    "entropy",
    "confidence_mixup",
    "random",
]


def bench_twelve_selectors(quick):
    """Twelve selectors, four budgets, ten seeds on 10,000 × 384: the whole bench on all cores.

    Ten classes overlap as those of real embeddings do. `minutes` is asked to be under 5 on two
    cores; the seconds of a method are those of one run up to the largest budget.
    """
    import curalab as cl

    n, n_seeds = (1_000, 2) if quick else (10_000, 10)
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(10, 384))
    code = rng.integers(10, size=n + 2_000)
    x = (0.25 * centre[code] + rng.normal(size=(len(code), 384))).astype(np.float32)
    pool, test = (
        cl.Pool(embedding=cl.Embedding(vectors=x[part]), labels=code[part].astype(str))
        for part in (slice(n), slice(n, None))
    )
    began = time.perf_counter()
    board = cl.bench(
        "selectors",
        TWELVE,
        pool=pool,
        test=test,
        budgets=[20, 50, 100, 200],
        n_seeds=n_seeds,
        random_state=int(time.time()),  # no run of an earlier bench is taken from the cache
    )
    minutes = (time.perf_counter() - began) / 60
    frame = board.to_frame().reset_index()
    return [
        {"minutes": minutes, "n_methods": len(board), **row} for row in frame.to_dict("records")
    ]


def bench_k_center_speed(quick):
    """k_center on n × 384 against as many matrix-vector products, the bound of one pass a pick."""
    import curalab as cl

    n, k = (10_000, 100) if quick else (100_000, 200)
    x = np.random.default_rng(0).normal(size=(n, 384)).astype(np.float32)
    emb = cl.Embedding(vectors=x)
    points = emb.points
    passes, ours = [], []
    for _ in range(3):
        began = time.perf_counter()
        for row in range(k):
            points @ points[row]
        passes.append(time.perf_counter() - began)
        began = time.perf_counter()
        cl.select(emb, k, method="k_center")
        ours.append(time.perf_counter() - began)
    bound, taken = min(passes), min(ours)
    return [{"n": n, "k": k, "seconds": taken, "bound_s": bound, "ratio": taken / bound}]
