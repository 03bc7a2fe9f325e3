"""Record linkage: judged pairs of records, and registers of people."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")


def bench_linkage(quick):
    """Average precision on judged pairs of records, and F1 of the pairs in groups of people.

    `floor`: cosine of character TF-IDF. `P`, `R`: what is at .5 or above.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import average_precision_score

    import curalab as cl
    from curalab.duplicates import RecordLinkage

    rows = []
    names = ("er_itunes_amazon", "er_amazon_google", "er_dblp_acm", "er_dblp_acm_dirty")
    for name in names[:1] if quick else names:
        path = DATA / name / "pairs.parquet"
        if not path.exists():
            return [{"set": f"no benchmark data in {DATA}"}]
        judged = pd.read_parquet(path)
        records = pd.unique(pd.concat([judged["left"], judged["right"]]))
        number = {record: i for i, record in enumerate(records)}
        pairs = np.column_stack([judged["left"].map(number), judged["right"].map(number)])
        table = pd.DataFrame([json.loads(record) for record in records]).replace("", None)
        texts = table.fillna("").astype(str).agg(" ".join, axis=1)
        x = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit_transform(texts)
        floor = np.asarray(x[pairs[:, 0]].multiply(x[pairs[:, 1]]).sum(axis=1)).ravel()
        match = judged["match"].to_numpy().astype(bool)
        for compare in ("fields", "joined"):
            pool = cl.Pool(embedding=np.ones((len(table), 2)), data=table)
            method = RecordLinkage(compare=compare)
            told = cl.score_pairs(pool, pairs, method=method)["similarity"].to_numpy()
            rows.append(
                {
                    "set": name,
                    "compare": compare,
                    "floor": average_precision_score(match, floor),
                    "average_precision": average_precision_score(match, told),
                    "P": match[told >= 0.5].mean(),
                    "R": (told >= 0.5)[match].mean(),
                }
            )
    for name in ("febrl1",) if quick else ("febrl1", "febrl2", "febrl3"):
        people = pd.read_parquet(DATA / "febrl" / f"{name}.parquet")
        table, entity = people.drop(columns=["rec_id", "entity"]), people["entity"].to_numpy()
        pool = cl.Pool(embedding=np.ones((len(table), 2)), data=table.reset_index(drop=True))
        found = cl.find_duplicates(pool, method="record_linkage", random_state=0)
        group = np.where(found.group < 0, -1 - np.arange(len(entity)), found.group)
        both = n_pairs(pd.Series(list(zip(group, entity, strict=True))))
        rows.append(
            {
                "set": name,
                "compare": "fields",
                "P": both / max(n_pairs(pd.Series(group)), 1),
                "R": both / n_pairs(pd.Series(entity)),
            }
        )
    return rows


def n_pairs(label):
    """Return how many pairs have the same label."""
    size = label.value_counts()
    return int((size * (size - 1) // 2).sum())
