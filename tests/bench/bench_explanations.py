"""Explanations: rules for the classes of tables, against the leaves of a decision tree."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
SETS = {
    "penguins": ("species", ["species"]),
    "wine_quality": ("color", ["color", "quality"]),
    "adult": ("label", ["label", "split"]),
}


def bench_rules(quick):
    """Classes as clusters: one rule a class from half of the rows, means over the classes.

    `f1` is the harmonic mean of `covers` and `precision`, `f1_new` the same on the other half.
    "tree" has one leaf a class, "tree to match" as many as it needs for the same `f1` (at most
    64); what it says of a class is all leaves that predict it. `conditions` are those of all
    classes together, two cuts of a column on one path in the same direction counted once.
    """
    import curalab as cl
    from curalab.explanations.rules import Rules

    rows = []
    for name, (label, not_read) in SETS.items():
        path = DATA / name / f"{name}.parquet"
        if not path.is_file():
            return [{"set": f"no benchmark data in {DATA}"}]
        table = pd.read_parquet(path).dropna(subset=[label])
        table = table.sample(min(len(table), 2_000 if quick else 20_000), random_state=0)
        items, found = table.drop(columns=not_read), pd.factorize(table[label], sort=True)[0]
        half = np.arange(len(items)) % 2 == 0
        emb = cl.Embedding(
            ids=items.index[half], vectors=np.ones((half.sum(), 1)), metric="euclidean"
        )
        ours = {}
        for columns in (2, 1):  # the tree matches the last
            method = Rules(max_columns=columns)
            why = cl.explain(emb, found[half], items=items[half], method=method, random_state=0)
            rules = why.details["rules"]
            masks = [items.index.isin(items.query(query).index) for query in rules["query"]]
            ours = _judged(masks, found, half)
            rows.append(
                {"set": name, "method": f"rules, {columns} columns a condition", **ours}
                | {"conditions": int(rules["n_conditions"].sum())}
            )
        rows += [{"set": name, **row} for row in _trees(items, found, half, ours["f1"])]
    return rows


def _judged(masks, found, half):
    """Return coverage, precision and F1, means over the classes."""
    judged = []
    for number, mask in enumerate(masks):
        for part, rows in (("", half), ("_new", ~half)):
            member, covered = (found == number)[rows], mask[rows]
            right = (member & covered).sum()
            judged.append(
                {
                    f"covers{part}": right / member.sum(),
                    f"precision{part}": right / max(covered.sum(), 1),
                    f"f1{part}": 2 * right / (member.sum() + covered.sum()),
                }
            )
    mean = pd.DataFrame(judged).mean()
    return {key: float(mean[key]) for key in ("covers", "precision", "f1", "f1_new")}


def _trees(items, found, half, least):
    """Return a tree with one leaf a class, and the smallest as good as `least`."""
    from sklearn.tree import DecisionTreeClassifier

    x = pd.get_dummies(items).astype(float)
    n_classes, rows = found.max() + 1, []
    for n_leaves in range(n_classes, 65):
        tree = DecisionTreeClassifier(max_leaf_nodes=n_leaves, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            guess = tree.fit(x[half].to_numpy(), found[half]).predict(x.to_numpy())
        judged = _judged([guess == number for number in range(n_classes)], found, half)
        row = judged | {"conditions": _conditions(tree.tree_), "leaves": n_leaves}
        if not rows:
            rows.append({"method": "tree", **row})
        if judged["f1"] >= least - 1e-9:
            break
    return [*rows, {"method": "tree to match", **row}]


def _conditions(tree, node=0, path=frozenset()):
    """Return the distinct cuts on the way to each leaf, summed over the leaves."""
    left, right = tree.children_left[node], tree.children_right[node]
    if left == right:
        return len(path)
    sides = ((left, "≤"), (right, ">"))
    return sum(_conditions(tree, to, path | {(tree.feature[node], way)}) for to, way in sides)
