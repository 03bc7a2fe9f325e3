"""Clusters: reference partitions, intents and topics, against the packages people use."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]


def data():
    """Return the folder of the benchmark data."""
    return Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


def bench_partitions(quick):
    """26 sets with reference partitions: ARI against the best matching one, noise points left out.

    "as errors" counts noise points as one class of their own; "told" is given the number of
    clusters of each reference; "near" is the share of sets whose number is right or off by one.
    """
    import curalab as cl

    rows = []
    for path in sorted((data() / "clustering_shared").glob("*.npz"))[:: 4 if quick else 1]:
        held = np.load(path)
        x = held["X"].reshape(len(held["X"]), -1).astype(float)
        references = [held[name] for name in sorted(held.files) if name.startswith("labels")]
        numbers = {len(np.unique(known[known > 0])) for known in references}
        emb = cl.Embedding(vectors=x, metric="euclidean")

        def own(method, emb=emb):
            return cl.cluster(emb, method=method, random_state=0).labels

        for name, free, told in contenders(x, own):
            row = {"set": path.stem, "method": name}
            if free is not None:
                row |= scores(references, free())
                row["near"] = min(abs(row["n_clusters"] - number) for number in numbers) <= 1
            if told is not None:
                made = {number: told(number) for number in numbers}
                row["told"] = max(
                    scores([known], made[len(np.unique(known[known > 0]))])["ari"]
                    for known in references
                )
            rows.append(row)
    if not rows:
        return [{"set": f"no benchmark data in {data()}"}]
    frame = pd.DataFrame(rows)
    means = frame.drop(columns="set").groupby("method", sort=False).mean(numeric_only=False)
    return [*means.reset_index().assign(set="mean of all").to_dict("records"), *rows]


def contenders(x, own):
    """Return name, clustering told nothing, and clustering told the number, where there is one."""
    import hdbscan
    from genieclust import Genie
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture

    from curalab.clusters import DEFAULTS, Agglomerative, Spectral
    from curalab.clusters import KMeans as Ours

    spread = 1e-6 * x.var()
    yield "the default", lambda: own(DEFAULTS), None
    yield "spectral", lambda: own("spectral"), lambda k: own(Spectral(n_clusters=k))
    yield "agglomerative", lambda: own("agglomerative"), lambda k: own(Agglomerative(n_clusters=k))
    yield "kmeans", lambda: own("kmeans"), lambda k: own(Ours(n_clusters=k))
    yield "hdbscan", lambda: own("hdbscan"), None
    for size in (5, 15):
        made = hdbscan.HDBSCAN(min_cluster_size=size)
        yield f"hdbscan package, {size}", lambda made=made: made.fit_predict(x), None
    yield "sklearn KMeans", None, lambda k: KMeans(k, n_init=3, random_state=0).fit_predict(x)
    yield (
        "sklearn GaussianMixture",
        None,
        lambda k: GaussianMixture(k, n_init=2, random_state=0, reg_covar=spread).fit_predict(x),
    )
    yield "genieclust", None, lambda k: Genie(n_clusters=k).fit_predict(x)


def scores(references, labels):
    """Return the adjusted Rand index against the best matching reference, both ways, and noise."""
    from sklearn.metrics import adjusted_rand_score

    return {
        "ari": max(
            adjusted_rand_score(known[known > 0], labels[known > 0]) for known in references
        ),
        "ari_noise_as_errors": max(adjusted_rand_score(known, labels) for known in references),
        "n_clusters": len(np.unique(labels[labels >= 0])),
        "noise": float((labels < 0).mean()),
    }


def bench_texts(quick):
    """Intents and topics embedded with MiniLM, told nothing, on two seeds.

    The baseline is k-means with its number chosen by silhouette, numbers from 2 to √n, each a
    third above the last. "told" is given the number.
    """
    from sklearn.metrics import normalized_mutual_info_score

    import curalab as cl
    from curalab.clusters import Agglomerative, KMeans, RateReduction, Scan, Sinkhorn, Spectral

    rows = []
    for name, (texts, known) in texts_of(quick).items():
        emb = cl.embed(texts.reset_index(drop=True), encoder="minilm", random_state=0)
        codes = pd.factorize(known)[0] + 1
        number = codes.max()
        for method in (
            "agglomerative",
            "kmeans",
            "spectral",
            "leiden",
            "hdbscan",
            Agglomerative(n_clusters=number),
            KMeans(n_clusters=number),
            Spectral(n_clusters=number),
            Scan(n_clusters=number),
            Sinkhorn(n_clusters=number),
            RateReduction(n_clusters=number),
        ):
            for seed in range(2):
                began = time.perf_counter()
                labels = cl.cluster(emb, method=method, random_state=seed).labels
                seconds = time.perf_counter() - began
                told = "" if isinstance(method, str) else "told "
                row = {"set": name, "method": told + getattr(method, "__class__", str).__name__}
                row["method"] = method if isinstance(method, str) else row["method"].lower()
                row |= scores([codes], labels)
                row["nmi"] = normalized_mutual_info_score(codes, labels)
                rows.append({**row, "seconds": seconds})
    if not rows:
        return [{"set": f"no benchmark data in {data()}"}]
    frame = pd.DataFrame(rows)
    return frame.groupby(["set", "method"], sort=False).mean().reset_index().to_dict("records")


def bench_hdbscan(quick):
    """`hdbscan` on intents of 384 dimensions, neighbour search included, against its package.

    "agreement" is the adjusted Rand index between the two.
    """
    import hdbscan
    from sklearn.metrics import adjusted_rand_score

    import curalab as cl

    held = texts_of(False)
    if not held:
        return [{"set": f"no benchmark data in {data()}"}]
    sizes = (3_100,) if quick else (3_100, 10_003)  # above 3,000 rows it takes the graph
    texts = held["banking77"][0].reset_index(drop=True)[: sizes[-1]]
    emb = cl.embed(texts, encoder="minilm", random_state=0)
    rows = []
    for n in sizes:
        points = np.asarray(emb)[:n]
        began = time.perf_counter()
        ours = cl.cluster(cl.Embedding(vectors=points), method="hdbscan").labels
        seconds = time.perf_counter() - began
        began = time.perf_counter()
        package = hdbscan.HDBSCAN(min_cluster_size=15, core_dist_n_jobs=1)
        theirs = package.fit_predict(points.astype(float))
        peer = time.perf_counter() - began
        agreement = adjusted_rand_score(ours, theirs)
        rows.append(
            {"rows": n, "seconds": seconds, "ratio": seconds / peer, "agreement": agreement}
        )
    return rows


PROBE = """
import sys, time
began = time.perf_counter()
import numpy as np
x = np.load(sys.argv[1])
def run(who):
    if who == "curalab":
        import curalab as cl
        return cl.cluster(cl.Embedding(vectors=x), method="hdbscan").labels
    if who == "our neighbours alone":
        import curalab as cl
        cl.Embedding(vectors=x).neighbors(30)
        return np.full(len(x), -1)
    if who == "fast_hdbscan":
        from fast_hdbscan import HDBSCAN
        return HDBSCAN(min_cluster_size=15).fit_predict(x)
    if who == "evoc":
        from evoc import EVoC
        return EVoC().fit_predict(x)
    from hdbscan import HDBSCAN
    return HDBSCAN(min_cluster_size=15, core_dist_n_jobs=1).fit_predict(x.astype(float))
labels = run(sys.argv[2])
fresh = time.perf_counter() - began
with open("/proc/self/status") as status:  # ru_maxrss would count the process that started this
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
if sys.argv[2] != "hdbscan package":
    began = time.perf_counter()
    run(sys.argv[2])
np.save(sys.argv[3], labels)
print(fresh, time.perf_counter() - began, peak)
"""


def bench_hdbscan_at_size(quick):
    """`hdbscan` without reducing first, against its package, fast_hdbscan and EVoC.

    Unit rows: thirty groups in forty dimensions and a twentieth of noise, spread over 384. Each in
    a process of its own: "fresh_s" from its start on, imports and reading the rows included,
    "warm_s" the same again in it, "peak_mb" of the first. At the first size nothing was compiled
    before; at the next what numba kept on disk of that is used (EVoC keeps it, fast_hdbscan
    does not). The package runs at 20,000 rows, once; at 100,000 its time is taken to have grown
    with n², which is less than it does. "ari" is to the planted groups, noise as one of its own;
    EVoC, at its own settings, looks for finer ones and is here for its time. Rows without groups
    and many groups of few rows are not measured. "over_neighbours" is "warm_s" over that of our
    neighbours alone.
    """
    rows, whos = [], ["our neighbours alone", "curalab", "fast_hdbscan", "evoc", "hdbscan package"]
    with tempfile.TemporaryDirectory() as folder:
        for n in (4_000,) if quick else (20_000, 100_000):
            x, group = planted(n)
            some = [run_apart(who, x, group, folder) for who in whos[: 5 if n <= 20_000 else 4]]
            if n > 20_000:
                squared = (n / 20_000) ** 2 * rows[4]["fresh_s"]
                some.append({"method": f"{whos[4]}, by n²", "fresh_s": squared, "warm_s": squared})
            first = some[0]["warm_s"]
            rows += [{"rows": n, **row, "over_neighbours": row["warm_s"] / first} for row in some]
    return rows


def run_apart(who, x, group, folder):
    """Return times, peak memory and scores of one contender, in a process of its own."""
    given, made = Path(folder) / "x.npy", Path(folder) / "labels.npy"
    np.save(given, x)
    command = [sys.executable, "-c", PROBE, given, who, made]
    setting = {**os.environ, "NUMBA_CACHE_DIR": folder}
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=setting)
    fresh, warm, peak = (float(number) for number in ran.stdout.split())
    row = {"method": who, "fresh_s": fresh, "warm_s": warm, "peak_mb": peak}
    found = scores([group + 2], np.load(made)) if who != "our neighbours alone" else {}
    row |= {name: found.get(name) for name in ("ari_noise_as_errors", "n_clusters", "noise")}
    return {**row, "load": os.getloadavg()[0]}


def planted(n):
    """Return unit rows and the group of each, -1 for noise."""
    rng = np.random.default_rng(0)
    spread, centres = rng.normal(size=(40, 384)), 3 * rng.normal(size=(30, 40))
    group = rng.integers(30, size=n)
    low = centres[group] + rng.normal(size=(n, 40))
    low[: n // 20], group[: n // 20] = 3.2 * rng.normal(size=(n // 20, 40)), -1
    x = low @ spread + 0.1 * rng.normal(size=(n, 384))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), group


def texts_of(quick):
    """Return texts and their classes, by the name of the set."""
    found = {}
    if not data().exists():
        return found
    intents = pd.read_parquet(data() / "banking77" / "train.parquet")
    found["banking77"] = intents["text"], intents["label"]
    clinc = pd.read_parquet(data() / "clinc_shared" / "clinc.parquet").query("label != 'oos'")
    found["clinc_shared"] = clinc["text"], clinc["label"]
    news = pd.read_parquet(data() / "ag_news_test" / "all.parquet")
    found["ag_news_test"] = news["title"] + ". " + news["description"], news["label"]
    step = 6 if quick else 1
    return {name: (texts[::step], known[::step]) for name, (texts, known) in found.items()}
