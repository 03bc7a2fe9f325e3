"""Wrong labels whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from curalab._check import (
    FloatArray,
    IntArray,
    align,
    carried_ids,
    check_choice,
    check_labels,
    check_seed,
    check_vectors,
    complain,
    first_few,
)
from curalab.items._table import check_column, check_table
from curalab.samples._rows import Planted, count_of

_KINDS = ("uniform", "class_conditional", "feature_dependent")


def plant_label_errors(
    items: pd.DataFrame,
    *,
    share: float = 0.08,
    column: str = "label",
    kind: str = "uniform",
    matrix: pd.DataFrame | FloatArray | None = None,
    embedding: Any = None,
    random_state: int | None = None,
) -> Planted:
    """Give a share of the rows a wrong label.

    Parameters
    ----------
    items : DataFrame
        The table, its index holding the ids.
    share : float, default=0.08
        Share of the labelled rows that gets a wrong label, 0 to 1; exact, to
        the nearest row.
    column : str, default="label"
        The column of class labels. Rows without a label are left alone.
    kind : {"uniform", "class_conditional", "feature_dependent"}
        "uniform": any row, any other class. "class_conditional": as `matrix`
        says. "feature_dependent": rows that lie near another class in
        `embedding`, more often the nearer they are, get that class's label, as
        people do: polynomial-margin diminishing noise [1]_.
    matrix : DataFrame or array-like of shape (n_classes, n_classes), default=None
        Row i holds how often a row of class i (sorted order, or the
        DataFrame's index) is labelled as each class; rows sum to 1. The
        entries off the diagonal set where errors fall; `share` sets how many.
        None confuses each class with the next one only, "pair flipping" [2]_.
    embedding : Embedding, DataFrame or array-like of shape (n_items, d), default=None
        What "feature_dependent" looks at. Ids are aligned where it has them.
    random_state : int, default=None
        Seed. None draws one.

    Returns
    -------
    Planted
        `truth` is indexed by id: `is_error` (bool) and `label` (the right one).

    Notes
    -----
    [1]_ takes the class probabilities from a network trained on the clean
    labels; here they are out-of-fold, from a logistic regression. With m the
    margin between the row's own class and the likeliest other one, rows are
    drawn with weight 1/2 - m²/2 (type I of the paper), or 1/2 where the other
    class is likelier; the paper flips each row on its own and scales the
    weights to reach a rate, here the number of errors is exact.

    References
    ----------
    .. [1] Zhang, Zheng, Wu, Goswami, Chen (2021), "Learning with
       Feature-Dependent Label Noise: A Progressive Approach", ICLR,
       arXiv:2103.07756.
    .. [2] Han et al. (2018), "Co-teaching: Robust Training of Deep Neural
       Networks with Extremely Noisy Labels", NeurIPS, arXiv:1804.06872.

    Examples
    --------
    >>> import curalab as cl
    >>> planted = cl.plant_label_errors(cl.samples.digits(), random_state=0)
    >>> int(planted.truth["is_error"].sum())
    144
    """
    check_table("items", items)
    check_column(items, column)
    check_choice("kind", kind, _KINDS)
    _refuse_unused(kind, matrix, embedding)
    _, codes, classes = check_labels(items[column], name=column)
    if len(classes) < 2:
        raise ValueError(complain("column", "a column of two classes or more", column))
    rng = np.random.default_rng(check_seed(random_state))
    if kind == "feature_dependent":
        odds = _margin_odds(_aligned(embedding, items.index), codes, len(classes))
    else:
        table = np.full((len(classes),) * 2, 1 / len(classes))
        if kind == "class_conditional":
            table = _transitions(matrix, classes)
        odds = np.where(codes[:, None] >= 0, table[codes], 0)
        odds[np.arange(len(odds)), codes] = 0
    wrong = _draw(odds, count_of(share, int((codes >= 0).sum())), rng)
    is_error = wrong >= 0
    truth = pd.DataFrame({"is_error": is_error, "label": items[column]}, index=items.index)
    changed = items.copy()
    changed.loc[is_error, column] = classes[wrong[is_error]]
    return Planted(items=changed, truth=truth)


def _refuse_unused(kind: str, matrix: object, embedding: object) -> None:
    if matrix is not None and kind != "class_conditional":
        raise ValueError(complain("matrix", f"None when kind is {kind!r}", what="a matrix"))
    if embedding is not None and kind != "feature_dependent":
        raise ValueError(complain("embedding", f"None when kind is {kind!r}", what="an embedding"))
    if embedding is None and kind == "feature_dependent":
        rule = "an Embedding or an array of shape (n, d) when kind is 'feature_dependent'"
        raise ValueError(complain("embedding", rule))


def _draw(odds: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """Return the new code of each row, -1 where it keeps its label; `n` rows change."""
    weight = odds.sum(axis=1)
    able = int((weight > 0).sum())
    if n > able:
        raise ValueError(complain("share", f"at most {able:,} rows here", what=f"{n:,} rows"))
    wrong = np.full(len(odds), -1)
    if n:
        rows = rng.choice(len(odds), n, replace=False, p=weight / weight.sum())
        reached = odds[rows].cumsum(axis=1)
        wrong[rows] = (reached <= rng.random((n, 1)) * reached[:, -1:]).sum(axis=1)
    return wrong


def _transitions(matrix: pd.DataFrame | FloatArray | None, classes: Any) -> FloatArray:
    n = len(classes)
    if matrix is None:
        return np.roll(np.eye(n), 1, axis=1)
    if isinstance(matrix, pd.DataFrame):
        for names in (matrix.index, matrix.columns):
            if set(names) != set(classes):
                rule = f"named for the classes {first_few(classes)}"
                raise ValueError(complain("matrix", rule, what=first_few(names)))
        matrix = matrix.loc[list(classes), list(classes)].to_numpy()
    table = np.asarray(matrix, dtype=float)
    if table.shape != (n, n):
        raise ValueError(complain("matrix", f"of shape ({n}, {n})", what=f"shape {table.shape}"))
    if not (table >= 0).all() or not np.allclose(table.sum(axis=1), 1):
        rule = "of rows that are 0 or more and sum to 1"
        raise ValueError(complain("matrix", rule, what=f"sums {first_few(table.sum(axis=1))}"))
    return table


def _aligned(embedding: Any, ids: pd.Index) -> FloatArray:
    own = carried_ids(embedding)
    vectors = check_vectors("embedding", np.asarray(embedding), ids=own)
    table = vectors if own is None else pd.DataFrame(vectors, index=own)
    return np.asarray(align("embedding", table, ids), dtype=np.float64)


def _margin_odds(vectors: FloatArray, codes: IntArray, n_classes: int) -> FloatArray:
    """Return for each row the weight of its likeliest other class, and 0 elsewhere."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    has = np.flatnonzero(codes >= 0)
    folds = min(5, int(np.bincount(codes[has]).min()))
    if folds < 2:
        rule = "of two rows or more in every class when kind is 'feature_dependent'"
        raise ValueError(complain("column", rule, what="a class of one row"))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    eta = cross_val_predict(model, vectors[has], codes[has], cv=split, method="predict_proba")
    row = np.arange(len(has))
    own = eta[row, codes[has]]
    eta[row, codes[has]] = -1
    other = eta.argmax(axis=1)
    margin = np.maximum(own - eta[row, other], 0)
    odds = np.zeros((len(codes), n_classes))
    odds[has, other] = (1 - margin**2) / 2
    return odds
