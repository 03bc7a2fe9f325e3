"""Every stage from 5,000 to 1,000,000 rows, beside the packages people use for it.

`contenders.py` says who runs what. Each contender has a fresh process for each size, and all of
them the same rows: ten groups of forty dimensions spread over 384, the "low rank" of
`bench_neighbors`. They overlap: of 5,000 rows' neighbours 12 % are of another group, and no gap in
density parts them. The last hundredth are near-copies of the first, the second hundredth was moved
off by as much as a row is long, and a twentieth of the labels is drawn at random.

`cold` is the imports and the first run; numpy and the rows are there before. `seconds` is the
median of up to three further `runs` (the first over 10 s is the last; where the first run of all
took over 100 s, it is that one, in which imports hardly count), each on objects of its own and on
rows in another order, so that nothing made for one can be found by the next. Code that packages
compile and keep on disk is there in full runs: each contender has run once before, on few rows.
`value` is what the answer is worth, by the `measure` that each bench tells. `MiB` is the peak of
the first run above interpreter and rows, without what other processes take. `ratio` is `seconds`
over `kernel`: a product of two matrices of 2,000 x 2,000 in float32, the mean of processes of their
own just before and just after. Where these differ by over 30 %, or the mean is that much above the
stage's least, the row is marked as unquiet and no check counts it: threads that wait for each other
lose far more to other work than the kernel does. `exponent` is the slope of log seconds over log n,
and `of best peer` is our time over that of the fastest peer, good or not. All cores are used;
OPENBLAS_CORETYPE is taken out of the environment, and the cache is an empty folder.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIZES = (5_000, 20_000, 100_000, 1_000_000)
FEW = 1_000
LIMIT = 600  # seconds that a run may be expected to take
STOP = 2 * LIMIT  # for the first run and those after it
LONG = 10  # seconds from which one warm run is enough, and ten times that, from which none is run
STATUS = Path("/proc/self/status")
UNQUIET = "unquiet: other work was in the way"


def bench_neighbors(quick):
    """Fifteen neighbours; recall of 500 rows."""
    return table("neighbors", quick)


def bench_maps(quick):
    """Two dimensions; trustworthiness (k = 15) among 2,000 rows."""
    return table("maps", quick)


def bench_clusters(quick):
    """Ten planted groups; adjusted Rand index, noise points as a group."""
    return table("clusters", quick)


def bench_duplicates(quick):
    """Rows with another from a similarity of .9 up; recall of the planted copies."""
    return table("duplicates", quick)


def bench_label_errors(quick):
    """From given probabilities; the share of cleanlab's flags that are flagged.

    Ours has the vectors too, and uses them by default.
    """
    return table("label_errors", quick)


def bench_outliers(quick):
    """Oddness of rows; area under the ROC curve of the planted ones."""
    return table("outliers", quick)


def bench_audit(quick):
    """Label errors, outliers, near-duplicates and the order of rows, probabilities given.

    The audit also checks the table, and looks at outliers in more ways.
    """
    return table("audit", quick)


def table(stage, quick):
    """Return the rows of a stage; if quick, of 5,000 rows, ours and one peer."""
    from contenders import CONTENDERS

    who = CONTENDERS[stage]
    if quick:
        who = {name: who[name] for name in ("curalab", next(n for n in who if not ours(n)))}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, contender in who.items():
            done = {}
            if not quick:
                apart(folder, stage, name, FEW)
            for n in SIZES[:1] if quick else SIZES:
                said = hopeless(done, n, contender.up_to)
                row = {"said": said} if said else apart(folder, stage, name, n)
                if "seconds" in row:
                    done[n] = row["seconds"]
                took = f"{row['seconds']:.3g} s" if "seconds" in row else row["said"]
                print(f"  {name}, {n:,} rows: {took}", file=sys.stderr, flush=True)
                rows.append({"contender": name, "n": n, **row})
    return compared(rows)


def hopeless(done, n, up_to):
    """Return why a size is skipped, or nothing; `done` has the seconds of smaller ones."""
    if up_to and n > up_to:
        return f"skipped: at most {up_to:,} rows"
    if len(done) < SIZES.index(n):
        return "skipped: no time for fewer rows"
    if not done:
        return ""
    last = max(done)
    if (seconds := done[last] * (n / last) ** power(done)) > LIMIT:
        return f"skipped: some {seconds:,.0f} s expected"
    return ""


def power(done):
    """Return the exponent of the last step from size to size, 1 to 2; 2 where there is none."""
    if len(done) < 2:
        return 2
    return float(np.clip(slope(dict(sorted(done.items())[-2:])), 1, 2))


def slope(done):
    """Return the exponent of seconds by size, by least squares."""
    return float(np.polyfit(np.log(list(done)), np.log(list(done.values())), 1)[0])


def compared(rows):
    """Add the exponents, and our time over that of the best peer; mark what was disturbed."""
    times, quiet = {}, min((row["kernel"] for row in rows if "kernel" in row), default=0)
    for row in rows:
        if "seconds" in row:
            times.setdefault(row["contender"], {})[row["n"]] = row["seconds"]
    made = []
    for row in rows:
        name, n = row["contender"], row["n"]
        own = times.get(name, {})
        peers = [t[n] for peer, t in times.items() if not ours(peer) and n in t]
        of_best = own[n] / min(peers) if ours(name) and n in own and peers else None
        exponent = slope(own) if len(own) > 1 else None
        said = row.pop("said", "")
        if row.get("kernel", 0) > 1.3 * quiet:
            said = UNQUIET
        made.append({**row, "exponent": exponent, "of best peer": of_best, "said": said})
    return made


def ours(name):
    """Return whether a contender is this toolkit."""
    return name.startswith("curalab")


def apart(folder, stage, name, n):
    """Measure one contender at one size in fresh processes; say what went wrong, if it did."""
    rows = Path(folder) / f"{n}.npz"
    if not rows.exists():
        child("rows", rows, n)
    before = child("kernel")
    try:
        row = child("measure", stage, name, rows, timeout=STOP)
    except subprocess.TimeoutExpired:
        return {"said": f"stopped after {STOP} s"}
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit {error.returncode}"]
        return {"said": f"failed: {lines[-1]}"}
    kernels = [before, child("kernel")]
    mean = float(np.mean(kernels))
    said = UNQUIET if max(kernels) > 1.3 * min(kernels) else ""
    return {**row, "kernel": mean, "ratio": row["seconds"] / mean, "said": said}


def child(*what, timeout=None):
    """Run this file in a fresh process and return what it says in its last line."""
    kept = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    with tempfile.TemporaryDirectory() as cache:
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", __file__, *map(str, what)],
            env={**kept, "CURALAB_CACHE": cache},
            capture_output=True,
            text=True,
            check=True,
            timeout=timeout,
        )
    return json.loads(ran.stdout.splitlines()[-1])


# ---- in the fresh process ------------------------------------------------------------------------


def measure(stage, name, rows):
    """Run a contender, cold and warm, and return what it took and what it is worth."""
    from contenders import CONTENDERS, WORTH

    contender = CONTENDERS[stage][name]
    with np.load(rows) as held:
        truth = dict(held)
    given = {name: truth[name] for name in ("x", "labels", "proba")}
    space = {"np": np, **given}
    before = memory("VmRSS")
    cold = timed(contender.setup + "\n" + contender.run, space)
    peak, found = memory("VmHWM") - before, space.pop("found")
    warm = [cold] if cold > 10 * LONG else []
    while len(warm) < 3 and max(warm, default=0) <= LONG:
        order = np.random.default_rng(len(warm)).permutation(len(given["x"]))
        space |= {name: values[order] for name, values in given.items()}
        warm.append(timed(contender.run, space))
    row = {"cold": cold, "seconds": float(np.median(warm)), "runs": len(warm), "MiB": peak}
    if stage in WORTH:
        what, worth = WORTH[stage]
        row |= {"measure": what, "value": float(worth(found, truth["x"], truth))}
    return row


def timed(code, space):
    """Return the seconds that code takes."""
    began = time.perf_counter()
    exec(code, space)
    return time.perf_counter() - began


def memory(what):
    """Return a line of the process's status in MiB; NaN where there is none (not Linux)."""
    if not STATUS.exists():
        return float("nan")
    return int(re.search(rf"{what}:\s+(\d+)", STATUS.read_text())[1]) / 1024


def kernel():
    """Return the median seconds of a matrix product, of seven."""
    a = np.random.default_rng(0).normal(size=(2_000, 2_000)).astype(np.float32)
    return float(np.median([timed("a @ a", {"a": a}) for _ in range(8)][1:]))


def planted(path, n):
    """Write rows and what is known of them; in pieces, for a million do not fit in float64."""
    n, rng = int(n), np.random.default_rng(0)
    spread, centres = rng.normal(size=(2, 40, 384)) / [[[1]], [[3]]], rng.normal(size=(10, 40))
    group, x = rng.integers(10, size=n), np.empty((n, 384), dtype=np.float32)
    for piece in np.array_split(np.arange(n), -(-n // 50_000)):
        noise = rng.normal(size=(len(piece), 40))
        x[piece] = centres[group[piece]] @ spread[0] + 6 * noise @ spread[1]
    few, row = n // 100, np.arange(n)
    x[-few:], group[-few:] = x[:few] + moved(x[:few], rng.uniform(0, 0.3, few), rng), group[:few]
    x[few : 2 * few] += moved(x[few : 2 * few], np.ones(few), rng)
    labels = np.where(rng.random(n) < 0.05, rng.integers(10, size=n), group)
    odds = np.exp(rng.normal(size=(n, 10)) + 4 * np.eye(10)[group])
    proba, odd = odds / odds.sum(axis=1, keepdims=True), (row >= few) & (row < 2 * few)
    np.savez(path, x=x, group=group, labels=labels, proba=proba, odd=odd)


def moved(x, share, rng):
    """Return steps in any direction, as long as a share of each row."""
    step = rng.normal(size=x.shape)
    length = share * np.linalg.norm(x, axis=1) / np.linalg.norm(step, axis=1)
    return (step * length[:, None]).astype(np.float32)


TASKS = {"rows": planted, "kernel": kernel, "measure": measure}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])))
