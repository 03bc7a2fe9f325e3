"""What each prediction owes to each training row, learned from many small trainings."""

from __future__ import annotations

from typing import Any

import numpy as np

from curalab._check import check_integer, check_real, check_seed, complain
from curalab.explanations._datamodels_result import Datamodels
from curalab.explanations._subsets import correlation, gather, labelled, margins_of, regress
from curalab.pool import as_pool

__all__ = ["Datamodels", "datamodels"]

_MOST_WEIGHTS = 200_000_000  # 800 MB
_FRESH = 10  # one model in so many is kept apart, to judge the datamodels on


def datamodels(
    embedding: Any,
    labels: Any = None,
    *,
    test: Any = None,
    n_models: int = 1_000,
    share: float = 0.5,
    random_state: int | None = None,
) -> Datamodels:
    """Learn which training rows each prediction owes to which, by training on many subsets.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_train, d)
        The training rows.
    labels : array-like of shape (n_train,), default=None
        Their classes, of which rows without one take no part. None takes the Pool's labels.
    test : Pool, default=None
        The targets: rows with labels, in the same space. None takes the training rows.
    n_models : int, default=1_000
        Subsets to learn from. More give a better `fit`; rows of thousands want thousands.
    share : float, default=0.5
        Share of the training rows in each subset. Small shares show what many rows could replace.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    Datamodels

    Notes
    -----
    The paper trains networks; here each model is a linear head in closed form (ridge regression
    of the one-hot classes, its penalty chosen by leaving one row out), some milliseconds each, so
    the weights speak of heads on these vectors. For each target a LASSO regresses the margins on
    which rows were in the subset, its sparsity chosen on a fifth of the models. `fit` is measured
    on further subsets, a tenth as many.

    Weights are of subsets: a row weighs about `share` times as much when all others are there,
    and `counterfactual` and `brittle` reckon with that, where the paper does not. The more rows
    are removed, the more each of the next weighs, so that the real change is larger than the one
    foretold: digits, 20 rows, by half.

    References
    ----------
    .. [1] Ilyas, Park, Engstrom, Leclerc, Madry (2022), "Datamodels: Predicting Predictions from
       Training Data", ICML, arXiv:2202.00622.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.explanations import datamodels
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 4)) + np.repeat([[0, 0, 0, 0], [5, 0, 0, 0]], 30, axis=0)
    >>> labels = np.repeat(["a", "b"], 30)
    >>> labels[7] = "b"  # wrong
    >>> found = datamodels(cl.Embedding(vectors=x, metric="euclidean"), labels, random_state=0)
    >>> found.value().index[:1].tolist()
    [7]
    """
    check_integer("n_models", n_models, low=20)
    check_real("share", share, low=0.01, high=0.99)
    seed = check_seed(random_state)
    train, known = labelled(as_pool(embedding, labels=labels), "labels")
    targets, asked = (train, known) if test is None else labelled(as_pool(test), "test")
    rows = gather(train, known, targets, asked)
    if len(asked) * len(known) > _MOST_WEIGHTS:
        what = f"{len(asked):,} targets of {len(known):,} training rows"
        rule = f"of at most {_MOST_WEIGHTS:,} weights, targets times training rows"
        raise ValueError(complain("test", rule, what=what, hint="Pass fewer targets or rows."))
    rng, n = np.random.default_rng(seed), len(known)
    size = min(max(round(share * n), 1), n - 1)
    n_fresh = max(n_models // _FRESH, 10)
    first = np.arange(n) < size
    subsets = rng.permuted(np.tile(first, (n_models + n_fresh, 1)), axis=1)
    margins = margins_of(rows, subsets, bar=True)
    weights, offset, sparsity = regress(subsets[:n_models], margins[:n_models])
    guess = subsets[n_models:].astype(np.float32) @ weights.T + offset
    return Datamodels(
        ids=targets.ids[asked],
        weights=weights,
        offset=offset,
        margin=margins_of(rows, np.ones((1, n), dtype=bool))[0],
        fit=correlation(guess, margins[n_models:]),
        train_ids=train.ids[known].to_numpy(),
        share=size / n,
        rows=rows,
        params={
            "verb": "datamodels",
            "settings": {"n_models": n_models, "share": share},
            "targets": "training rows" if test is None else "test rows",
            "penalty": rows.penalty,
            "random_state": seed,
            "embedding": train.embedding.fingerprint,
            "test": None if test is None else targets.embedding.fingerprint,
        },
        details={"sparsity": sparsity},
    )
