"""Duplicates among questions: what means the same in other words, by vectors and by characters."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
NEAREST = 100  # partners looked at for each question; those beyond are no candidates


def bench_quora(quick):
    """Recall of 5,000 listed pairs of duplicate questions at a stated precision.

    Only duplicates are listed, and by far not all there are ("How can I lose weight?" is there
    many times). `precision` is therefore a lower bound, and a low one: a pair counts as right
    where the listed pairs connect its questions, and as wrong otherwise. The recall is that of the
    listed pairs, at the threshold that finds most of them with at least this precision; at the
    default threshold, both are what `find_duplicates` finds. `first 10`: one of the two questions
    is among the ten nearest of the other, which needs no precision.
    """
    import curalab as cl

    path = DATA / "quora_dups" / "duplicate_pairs.parquet"
    if not path.exists():
        return [{"vectors": f"no benchmark data in {DATA}"}]
    listed = pd.read_parquet(path)[: 500 if quick else None]
    texts = pd.concat(
        [listed.set_index(f"qid{side}")[f"question{side}"] for side in (1, 2)]
    ).groupby(level=0).first()  # fmt: skip
    true = np.sort(
        texts.index.get_indexer(listed[["qid1", "qid2"]].to_numpy().ravel()).reshape(-1, 2)
    )
    true = np.unique(true, axis=0)
    part = components(len(texts), true)
    emb = cl.embed(texts, encoder="minilm")
    near = emb.neighbors(min(NEAREST, len(emb) - 1))
    rows = []
    for name, (indices, similarity) in {
        "minilm": (near.indices, near.similarity),
        "character n-grams": by_characters(texts),
    }.items():
        pairs, first = unique_pairs(indices)
        similarity = similarity.ravel()[first]
        row = {"vectors": name, "n": len(texts)}
        for wanted in (0.9, 0.8, 0.5):
            found = at_precision(pairs, similarity, part, true, wanted)
            rows.append({**row, "asked": f"precision {wanted}", **found})
        ten = right(unique_pairs(indices[:, :10])[0], part, true)
        rows.append({**row, "asked": "first 10", "recall": ten["recall"]})
    found = cl.find_duplicates(emb, random_state=0)
    pairs = np.sort(found.found[["row_a", "row_b"]].to_numpy(), axis=1)
    told = {"at": found.threshold, "pairs": len(pairs)} | right(pairs, part, true)
    return [*rows, {"vectors": "minilm", "n": len(texts), "asked": "default threshold", **told}]


def bench_paraphrases(quick):
    """500 pairs of questions that four people graded from -5 to 5: how `score_pairs` ranks them.

    Spearman's correlation with the mean grade, and average precision of a mean grade above 0.
    """
    from scipy.stats import spearmanr
    from sklearn.metrics import average_precision_score

    import curalab as cl

    path = DATA / "lewidi_paraphrase" / "all.parquet"
    if not path.exists():
        return [{"vectors": f"no benchmark data in {DATA}"}]
    graded = pd.read_parquet(path)
    both = pd.DataFrame([json.loads(text) for text in graded["text"]])
    grades = [list(map(float, json.loads(told).values())) for told in graded["annotations"]]
    grade = np.array([np.mean(told) for told in grades])
    texts = pd.concat([both["Question1"], both["Question2"]], ignore_index=True)
    pairs = np.column_stack([np.arange(len(both)), np.arange(len(both)) + len(both)])
    x = characters(texts)
    scores = {
        "minilm": cl.score_pairs(cl.embed(texts, encoder="minilm"), pairs)["similarity"],
        "character n-grams": np.asarray(
            x[pairs[:, 0]].multiply(x[pairs[:, 1]]).sum(axis=1)
        ).ravel(),
    }
    return [
        {
            "vectors": name,
            "pairs": len(pairs),
            "spearman": spearmanr(score, grade).statistic,
            "average_precision": average_precision_score(grade > 0, score),
            "share": (grade > 0).mean(),
        }
        for name, score in scores.items()
    ]


def characters(texts):
    """Return TF-IDF of character n-grams, rows of length 1."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit_transform(texts)


def by_characters(texts):
    """Return the nearest texts by characters (n, k) and their similarity."""
    x = characters(texts)
    k, indices, similarity = min(NEAREST, len(texts) - 1), [], []
    for start in range(0, len(texts), 512):
        block = (x[start : start + 512] @ x.T).toarray()
        block[np.arange(len(block)), start + np.arange(len(block))] = -1
        near = np.argpartition(-block, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(block, near, axis=1), axis=1, kind="stable")
        indices.append(np.take_along_axis(near, order, axis=1))
        similarity.append(np.take_along_axis(block, indices[-1], axis=1))
    return np.concatenate(indices), np.concatenate(similarity)


def unique_pairs(indices):
    """Return pairs of rows (m, 2), ascending, and where in `indices` each is first named."""
    rows = np.repeat(np.arange(len(indices)), indices.shape[1])
    pairs = np.sort(np.column_stack([rows, indices.ravel()]), axis=1)
    return np.unique(pairs, axis=0, return_index=True)


def components(n, pairs):
    """Return the number of the group that pairs connect each row to."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(n, n))
    return connected_components(links, directed=False)[1]


def at_precision(pairs, similarity, part, true, wanted):
    """Return the threshold with most pairs of which at least this share is right, and both."""
    order = np.argsort(-similarity, kind="stable")
    is_right = (part[pairs[:, 0]] == part[pairs[:, 1]])[order]
    kept = np.flatnonzero(np.cumsum(is_right) / np.arange(1, len(order) + 1) >= wanted)
    n = kept[-1] + 1 if len(kept) else 0
    at = similarity[order[n - 1]] if n else None
    return {"at": at, "pairs": n} | right(pairs[order[:n]], part, true)


def right(pairs, part, true):
    """Return the bound of the precision of pairs, and their recall of the listed ones."""
    n = len(part)
    hit = np.isin(true @ [n, 1], pairs @ [n, 1]).mean() if len(pairs) else 0.0
    is_right = part[pairs[:, 0]] == part[pairs[:, 1]]
    return {"precision": is_right.mean() if len(pairs) else None, "recall": hit}
