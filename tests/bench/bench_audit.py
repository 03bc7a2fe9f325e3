"""The audit: what it costs beside cleanlab's Datalab."""

from __future__ import annotations

import subprocess
import sys
import textwrap

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
