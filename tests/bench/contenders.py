"""Who is measured at which sizes (`bench_sizes`), and what an answer is worth.

A contender is two pieces of code. `setup` imports; `run` makes everything else, from the rows `x`
(n, 384) float32, their `labels` and `proba`, and leaves what it `found`. Ours come first and are
called "curalab"; the first of the peers is the one that a quick run measures too. Peers get all
cores: umap-learn takes one only if it is given a seed, others unless they are told.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Contender(NamedTuple):
    """Code, and the most rows that it is given, where more is hopeless."""

    setup: str
    run: str
    up_to: int | None = None


OURS = "import curalab as cl"
CONTENDERS = {
    "neighbors": {
        "curalab": Contender(OURS, "found = cl.Embedding(vectors=x).neighbors(15).indices"),
        "curalab, exact": Contender(
            OURS, "found = cl.Embedding(vectors=x).neighbors(15, recall=1).indices"
        ),
        "curalab, recall .95": Contender(
            OURS, "found = cl.Embedding(vectors=x).neighbors(15, recall=0.95).indices"
        ),
        "faiss IndexFlatIP": Contender(
            "import faiss",
            "unit = x.copy()\n"
            "faiss.normalize_L2(unit)\n"
            "index = faiss.IndexFlatIP(x.shape[1])\n"
            "index.add(unit)\n"
            "found = index.search(unit, 16)[1]",
        ),
        "faiss HNSW": Contender(
            "import faiss",
            "unit = x.copy()\n"
            "faiss.normalize_L2(unit)\n"
            "index = faiss.IndexHNSWFlat(x.shape[1], 32, faiss.METRIC_INNER_PRODUCT)\n"
            "index.add(unit)\n"
            "found = index.search(unit, 16)[1]",
        ),
        "pynndescent": Contender(
            "from pynndescent import NNDescent",
            "found = NNDescent(x, metric='cosine', n_neighbors=16).neighbor_graph[0]",
        ),
    },
    "maps": {
        "curalab": Contender(OURS, "found = cl.reduce(x, random_state=0).vectors"),
        "umap-learn": Contender(
            "import umap", "found = umap.UMAP(metric='cosine').fit_transform(x)"
        ),
        "pacmap": Contender(
            "import pacmap", "found = pacmap.PaCMAP(distance='angular').fit_transform(x)"
        ),
    },
    "clusters": {
        "curalab": Contender(OURS, "found = cl.cluster(x, random_state=0).labels"),
        "MiniBatchKMeans, told 10": Contender(
            "from sklearn.cluster import MiniBatchKMeans",
            "found = MiniBatchKMeans(10, n_init=3, random_state=0).fit_predict(x)",
        ),
        "fast_hdbscan": Contender(
            "import fast_hdbscan",
            "found = fast_hdbscan.HDBSCAN(min_cluster_size=15).fit_predict(x)",
        ),
        "evoc": Contender("import evoc", "found = evoc.EVoC().fit_predict(x)"),
        "hdbscan": Contender(
            "import hdbscan",
            "found = hdbscan.HDBSCAN(min_cluster_size=15, core_dist_n_jobs=-1).fit_predict(x)",
            up_to=5_000,
        ),
    },
    "duplicates": {
        "curalab": Contender(
            OURS,
            "dup = cl.find_duplicates(x, threshold=0.9)\n"
            "found = dup.found[['row_a', 'row_b']].to_numpy().ravel()",
        ),
        "faiss range search": Contender(
            "import faiss",
            "unit = x.copy()\n"
            "faiss.normalize_L2(unit)\n"
            "index = faiss.IndexFlatIP(x.shape[1])\n"
            "index.add(unit)\n"
            "starts, _, near = index.range_search(unit, 0.9)\n"
            "found = near[near != np.repeat(np.arange(len(x)), np.diff(starts.astype(int)))]",
        ),
        "semhash": Contender(
            "from semhash import SemHash",
            "texts = [str(row) for row in range(len(x))]\n"
            "index = SemHash.from_embeddings(x, texts, model=None)\n"
            "filtered = index.self_deduplicate(threshold=0.9).filtered\n"
            "found = np.array([int(one.record) for one in filtered])",
        ),
    },
    "label_errors": {
        "curalab": Contender(
            OURS, "found = cl.find_label_errors(x, labels, proba=proba, random_state=0).is_error"
        ),
        "curalab, confident_learning": Contender(
            OURS,
            "found = cl.find_label_errors(\n"
            "    x, labels, proba=proba, method='confident_learning', random_state=0\n"
            ").is_error",
        ),
        "cleanlab": Contender(
            "from cleanlab.filter import find_label_issues",
            "found = find_label_issues(labels, proba)",
        ),
    },
    "outliers": {
        "curalab": Contender(OURS, "found = cl.find_outliers(x, random_state=0).oddness"),
        "curalab, knn": Contender(
            OURS, "found = cl.find_outliers(x, method='knn', random_state=0).oddness"
        ),
        "sklearn LocalOutlierFactor": Contender(
            "from sklearn.neighbors import LocalOutlierFactor",
            "found = -LocalOutlierFactor(n_jobs=-1).fit(x).negative_outlier_factor_",
        ),
        "pyod KNN": Contender(
            "from pyod.models.knn import KNN", "found = KNN(n_jobs=-1).fit(x).decision_scores_"
        ),
    },
    "audit": {
        "curalab": Contender(
            "import curalab as cl, pandas as pd",
            "pool = cl.Pool(embedding=x, labels=labels, proba=proba)\n"
            "items = pd.DataFrame({'label': labels})\n"
            "found = cl.audit(items, embedding=pool, labels='label', random_state=0)",
        ),
        "cleanlab Datalab": Contender(
            "from cleanlab import Datalab",
            "kinds = ('label', 'outlier', 'near_duplicate', 'non_iid')\n"
            "found = Datalab({'label': labels}, label_name='label', verbosity=0)\n"
            "found.find_issues(features=x, pred_probs=proba, issue_types={k: {} for k in kinds})",
        ),
    },
}


def _recall(found, x, truth):
    some = _some(len(x), 500)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    near = unit[some] @ unit.T
    near[np.arange(len(some)), some] = -np.inf
    true = np.argpartition(-near, 15, axis=1)[:, :15]
    own = [row[row != at][:15] for row, at in zip(found[some], some, strict=True)]
    return np.mean([np.isin(*pair).mean() for pair in zip(true, own, strict=True)])


def _trustworthiness(found, x, truth):
    from sklearn.manifold import trustworthiness

    some = _some(len(x), 2_000)
    return trustworthiness(x[some], found[some], n_neighbors=15, metric="cosine")


def _agreement(found, x, truth):
    from sklearn.metrics import adjusted_rand_score

    return adjusted_rand_score(truth["group"][~truth["odd"]], found[~truth["odd"]])


def _copies(found, x, truth):
    marked = np.isin(np.arange(len(x)), found)
    n_copies = truth["odd"].sum()
    return (marked[:n_copies] | marked[-n_copies:]).mean()


def _as_cleanlab(found, x, truth):
    from cleanlab.filter import find_label_issues

    return found[find_label_issues(truth["labels"], truth["proba"])].mean()


def _auroc(found, x, truth):
    from sklearn.metrics import roc_auc_score

    return roc_auc_score(truth["odd"], found)


def _some(n, most):
    return np.random.default_rng(1).permutation(n)[:most]


WORTH = {
    "neighbors": ("recall", _recall),
    "maps": ("trustworthiness", _trustworthiness),
    "clusters": ("ari", _agreement),
    "duplicates": ("recall", _copies),
    "label_errors": ("share of cleanlab's", _as_cleanlab),
    "outliers": ("auroc", _auroc),
}
