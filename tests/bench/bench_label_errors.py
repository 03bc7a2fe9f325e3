"""Label errors: planted ones in digits, by every method, on the same probabilities."""

from __future__ import annotations

import numpy as np
import pandas as pd


def bench_digits(quick):
    """Mean average precision over seeds, with 8 % of the labels wrong; `marked` is what is cut."""
    from sklearn.metrics import average_precision_score

    import curalab as cl
    from curalab.heads import with_proba

    items = cl.samples.digits()
    pixels = np.stack(items["image"].tolist()).reshape(len(items), -1)
    found = []
    for name, emb in {
        "pixels": cl.Embedding(vectors=pixels, ids=items.index),
        "patches": cl.embed(items["image"], encoder="patches", random_state=0),
    }.items():
        for kind in ("uniform", "class_conditional", "feature_dependent"):
            near = {"embedding": pixels} if kind == "feature_dependent" else {}
            for seed in range(1 if quick else 3):
                planted = cl.plant_label_errors(items, kind=kind, random_state=seed, **near)
                wrong = planted.truth["is_error"].to_numpy()
                pool, _ = with_proba(cl.Pool(embedding=emb, labels=planted.items["label"]), 0)
                for method in cl.methods("label_errors").query("kind == 'method'")["name"]:
                    bad = cl.find_label_errors(pool, method=method, random_state=0)
                    found.append(
                        {
                            "vectors": name,
                            "kind": kind,
                            "method": method,
                            "average_precision": average_precision_score(wrong, -bad.quality),
                            "precision_marked": wrong[bad.is_error].mean(),
                            "recall_marked": bad.is_error[wrong].mean(),
                        }
                    )
    by = ["vectors", "kind", "method"]
    return pd.DataFrame(found).groupby(by, sort=False).mean().reset_index().to_dict("records")
