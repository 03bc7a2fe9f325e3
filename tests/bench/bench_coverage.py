"""Selectors that cover the pool: what facility_location costs."""

from __future__ import annotations

import heapq
import resource
import time

import numpy as np


def bench_facility_location(quick):
    """k = 500 at 20,000 × 384 (quick: 50 at 2,000): seconds, peak MiB, share of the objective.

    `objective` is the mean cosine (0 where negative) of all rows to their most similar pick, taken
    anew in float32. The plain side is apricot where it can be imported, else lazy greedy with a
    heap over the full float32 matrix, one row looked at at a time. Each side first runs once on
    8,000 x 16, which imports and compiles what it needs. `mib` is the largest resident memory of
    the process so far, the toolkit's run first.
    """
    import curalab as cl
    from curalab.selectors.facility_location import FacilityLocation

    n, k = (2_000, 50) if quick else (20_000, 500)
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(100, 384)).astype(np.float32)
    x = centre[rng.integers(100, size=n)]
    x += rng.normal(size=x.shape).astype(np.float32)
    pool = cl.Pool(embedding=cl.Embedding(vectors=x))
    points = np.asarray(pool.embedding.points)
    found, plain = [], _apricot() or _lazy_greedy
    small = rng.normal(size=(8_000, 16)).astype(np.float32)
    plain(small, 5)
    cl.select(small, 5, method=FacilityLocation())
    for name, pick in (
        ("facility_location", lambda: cl.select(pool, k, method=FacilityLocation()).rows),
        (plain.__name__.strip("_"), lambda: plain(points, k)),
    ):
        began = time.perf_counter()
        rows = pick()
        seconds = time.perf_counter() - began
        objective = float(np.maximum(points @ points[rows].T, 0).max(axis=1).mean())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        row = {"method": name, "seconds": seconds, "mib": peak, "objective": objective}
        found.append(row)
    ours, other = found
    ours["faster"] = other["seconds"] / ours["seconds"]
    ours["share"] = ours["objective"] / other["objective"]
    return found


def _apricot():
    try:
        from apricot import FacilityLocationSelection
    except ImportError:
        return None

    def apricot(points, k):
        return FacilityLocationSelection(k, metric="cosine").fit(points).ranking

    return apricot


def _lazy_greedy(points, k):
    similarity = np.maximum(points @ points.T, 0)
    best = np.zeros(len(points), dtype=np.float32)
    queue = [(-float(gain), row, 0) for row, gain in enumerate(similarity.sum(axis=1))]
    heapq.heapify(queue)
    rows = []
    while len(rows) < k:
        _, row, seen = heapq.heappop(queue)
        if seen == len(rows):
            rows.append(row)
            np.maximum(best, similarity[row], out=best)
        else:
            gain = float(np.maximum(similarity[row] - best, 0).sum())
            heapq.heappush(queue, (-gain, row, len(rows)))
    return np.array(rows)
