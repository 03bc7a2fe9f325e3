"""The audit: what it costs beside cleanlab's Datalab, and which weak groups it finds."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")

CODE = """
    import contextlib, io, resource, time
    import numpy as np, pandas as pd

    n = {n}
    rng = np.random.default_rng(0)
    which = rng.integers(10, size=n)
    x = rng.normal(size=(10, 40))[which] @ rng.normal(size=(40, 384))
    x = (x + 6 * rng.normal(size=(n, 40)) @ rng.normal(size=(40, 384)) / 3).astype(np.float32)
    x[-n // 100 :] = x[: n // 100] + 0.01 * rng.normal(size=(n // 100, 384))
    labels = np.where(rng.random(n) < 0.05, rng.integers(10, size=n), which)
    logits = rng.normal(size=(n, 10)) + 4 * np.eye(10)[which]
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    {setup}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        {run}
    seconds = time.perf_counter() - began
    print(seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20)
"""
OURS = (
    "import curalab as cl, torch, sklearn.cluster, sklearn.covariance, scipy.stats\n"
    "pool = cl.Pool(embedding=x, labels=labels, proba=proba)",
    "cl.audit(pd.DataFrame({'label': labels}), embedding=pool, labels='label', random_state=0)",
)
THEIRS = (
    "from cleanlab import Datalab\nimport sklearn.neighbors",
    "Datalab({'label': labels}, label_name='label').find_issues(features=x, pred_probs=proba, "
    "issue_types={'label': {}, 'outlier': {}, 'near_duplicate': {}, 'non_iid': {}})",
)


def bench_datalab(quick):
    """Seconds and added GiB at the peak, each in a process of its own, probabilities given.

    Label errors, outliers, near-duplicates and the order of rows: what both find. The audit
    checks the table as well, and looks at outliers in four more ways.
    """
    rows = []
    for n in (4_000,) if quick else (20_000, 50_000):
        ours, theirs = measured(n, *OURS), measured(n, *THEIRS)
        rows.append(
            {
                "rows": n,
                "audit s": ours[0],
                "Datalab s": theirs[0],
                "times faster": theirs[0] / ours[0],
                "audit GiB": ours[1],
                "Datalab GiB": theirs[1],
            }
        )
    return rows


def measured(n, setup, run):
    """Return seconds and GiB of one run in a fresh process."""
    code = textwrap.dedent(CODE).format(n=n, setup=textwrap.dedent(setup), run=run)
    made = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    return [float(value) for value in made.stdout.split()[-2:]]


AT_SIZE = """
    import sys, time
    import numpy as np, pandas as pd
    {setup}

    n = {n}
    rng, x = np.random.default_rng(0), np.empty((n, 384), dtype=np.float32)
    which, middle = rng.integers(10, size=n), rng.normal(size=(10, 40))
    axes = rng.normal(size=(2, 40, 384)).astype(np.float32)
    for at in range(0, n, 50_000):
        part = which[at : at + 50_000]
        spread = 2 * rng.normal(size=(len(part), 40)).astype(np.float32)
        x[at : at + 50_000] = middle[part].astype(np.float32) @ axes[0] + spread @ axes[1]
    x[-n // 100 :] = x[: n // 100] + 0.01 * rng.normal(size=(n // 100, 384))
    labels = np.where(rng.random(n) < 0.05, rng.integers(10, size=n), which)
    proba = np.exp(rng.normal(size=(n, 10)) + 4 * np.eye(10)[which])
    proba /= proba.sum(axis=1, keepdims=True)
    split = np.where(rng.random(n) < 0.1, "test", "train")
    items = pd.DataFrame({{"label": labels, "site": rng.integers(5, size=n), "split": split}})

    def memory(name):
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        return int(status[name].split()[0]) / 2**20

    open("/proc/self/clear_refs", "w").write("5")  # the peak starts from here
    before, began = memory("VmRSS"), time.perf_counter()
{run}
    print(time.perf_counter() - began, memory("VmHWM") - before)
"""
RUNS = {
    "audit": (
        "import curalab as cl, torch, sklearn.cluster, sklearn.covariance, scipy.stats",
        "pool = cl.Pool(embedding=x, labels=labels, proba=proba)\n"
        "report = cl.audit(items, embedding=pool, labels='label', groups='site', split='split', "
        "random_state=0)\n"
        "assert not report.errors, report.errors",
    ),
    "faiss flat, k = 16": (
        "import faiss",
        "faiss.normalize_L2(x)\n"
        "index = faiss.IndexFlatIP(x.shape[1])\n"
        "index.add(x)\n"
        "found = index.search(x, 16)",
    ),
}


def bench_at_size(quick):
    """A whole audit of 384 dimensions beside nothing but faiss's exact neighbours of the rows.

    Duplicates, outliers, label errors, shift between groups, leakage of copies and of groups,
    shortcuts and the table; probabilities are given. It makes no clusters. Each in a fresh process,
    imports and rows apart: the median seconds of three, of one where the first takes over 10 s,
    and GiB at the peak above imports and rows. `exponent` is the slope of log seconds over log n
    from the smallest n.
    """
    sizes = (4_000, 8_000) if quick else (20_000, 100_000, 500_000)
    rows = []
    for n in sizes:
        found = {"audit": fresh(n, *RUNS["audit"], 1 if quick else 3)}
        if n <= 100_000:
            name = "faiss flat, k = 16"
            found[name] = fresh(n, *RUNS[name], 1 if quick else 3)
        for name, (s, gib) in found.items():
            row = {"n": n, "by": name, "seconds": s, "GiB": gib}
            rows.append(row | {"audit takes": found["audit"][0] / s})
    first = rows[0]
    for row in rows[1:]:
        if row["by"] == "audit":
            row["exponent"] = np.log(row["seconds"] / first["seconds"]) / np.log(
                row["n"] / sizes[0]
            )
    return rows


def fresh(n, setup, run, times):
    """Return the median seconds and GiB of fresh processes."""
    code = textwrap.dedent(AT_SIZE.format(n=n, setup=setup, run=textwrap.indent(run, "    ")))
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    runs = []
    while len(runs) < times and not (runs and runs[0][0] > 10):
        command = [sys.executable, "-W", "ignore", "-c", code]
        made = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        runs.append([float(value) for value in made.stdout.split()[-2:]])
    return tuple(np.median(runs, axis=0))


def bench_weak_groups(quick):
    """A hundred near rows, half of their labels at random: what is told of them, and of others.

    `found` is the share of the hundred that is told, `right` the share of what is told that is of
    them, 1 where nothing is; on the first line of a set nothing is planted, and `rows` are false or
    the set's own. Beside `weak_groups`: the clusters of HDBSCAN (`leaf`) that a binomial test finds
    worse than the rest (Bonferroni, 1 %, twice the rest's share), and Datalab's, as it comes.
    """
    import curalab as cl
    from curalab.heads import with_proba
    from curalab.label_errors import weak_groups

    rows = []
    for name, (emb, labels) in weak_sets(quick):
        near = emb.neighbors(100).indices
        for seed in range(2 if quick else 6):
            rng, given = np.random.default_rng(seed), labels.copy()
            first = rng.integers(len(given))
            planted = np.append(first, near[first, :99])[: 100 * (seed > 0)]
            given[planted[::2]] = rng.choice(np.unique(labels), len(planted[::2]))
            pool, _ = with_proba(cl.Pool(embedding=emb, labels=given), 0)
            told = {
                "weak_groups": np.isin(emb.ids, weak_groups(pool).index),
                "HDBSCAN": worse_clusters(pool),
                "Datalab": datalab_group(pool),
            }
            for by, is_told in told.items():
                hit = is_told[planted].sum()
                row = {"set": name, "planted": len(planted), "by": by, "rows": is_told.sum()}
                row |= {"found": hit / max(len(planted), 1), "right": hit / max(is_told.sum(), 1)}
                rows.append(row)
    by = ["set", "planted", "by"]
    return pd.DataFrame(rows).groupby(by, sort=False).mean().reset_index().to_dict("records")


def weak_sets(quick):
    """Yield the name of a set, its embedding and its labels."""
    import curalab as cl

    items = cl.samples.digits()
    pixels = np.stack(items["image"].tolist()).reshape(len(items), -1)
    yield "digits", (cl.Embedding(vectors=pixels), items["label"].to_numpy(dtype=object))
    if quick or not DATA.is_dir():
        return
    texts = pd.read_parquet(DATA / "banking77" / "train.parquet").sample(4_000, random_state=0)
    emb = cl.Embedding(vectors=cl.embed(texts["text"].tolist(), encoder="minilm").vectors)
    yield "banking77", (emb, texts["label"].to_numpy(dtype=object))


def worse_clusters(pool):
    """Return which rows are in clusters whose labels the head contradicts more than the rest's."""
    from scipy.stats import binomtest

    import curalab as cl

    wrong = np.asarray(pool.proba).argmax(axis=1) != pool.codes
    found = cl.cluster(pool, method=cl.clusters.HDBSCAN(selection="leaf"), random_state=0)
    told = np.zeros(len(wrong), dtype=bool)
    for number in range(found.n_clusters):
        inside = found.labels == number
        rest = max(wrong[~inside].mean(), 1e-9)
        p = binomtest(int(wrong[inside].sum()), int(inside.sum()), rest, alternative="greater")
        told |= inside & (p.pvalue * found.n_clusters < 0.01) & (wrong[inside].mean() > 2 * rest)
    return told


def datalab_group(pool):
    """Return which rows Datalab says are in an underperforming group."""
    from cleanlab import Datalab

    lab = Datalab({"label": np.asarray(pool.labels).astype(str)}, label_name="label", verbosity=0)
    with contextlib.redirect_stdout(io.StringIO()):
        lab.find_issues(
            features=pool.embedding.vectors,
            pred_probs=np.asarray(pool.proba),
            issue_types={"underperforming_group": {}},
        )
    column = "is_underperforming_group_issue"
    issues = lab.get_issues()
    return issues[column].to_numpy() if column in issues else np.zeros(len(pool), dtype=bool)
