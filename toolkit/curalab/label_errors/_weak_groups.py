"""Groups of near rows whose labels a held-out model contradicts far more than others'."""

from __future__ import annotations

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, IntArray, check_integer, complain
from curalab.pool import Pool

__all__ = ["weak_groups"]

_EXPECTED = 0.01  # share of false rows among those that begin a group
_TIMES = 2  # as often as in all rows,
_LEAST = 0.25  # and so often, labels must be contradicted around a row
_SIZE = 15  # rows of a group, at least


def weak_groups(pool: Pool, *, k: int = 30) -> pd.DataFrame:
    """List the rows of weak groups: near rows whose labels a held-out model contradicts often.

    Label errors are judged one by one; here a whole region is in doubt. Two classes may meet in it,
    the rule of labelling may be unclear, or those who labelled it may have taken other classes.

    A row begins a group where, among its `k` nearest labelled rows, the model contradicts more
    labels than its share of all rows explains: a binomial test, corrected for the number of rows
    so that 1 % of them are expected to be false [1]_, and at least a quarter and twice that share
    of all. Groups are what the neighbour graph connects of such rows, 15 at least. Where the
    model contradicts labels here and there, there is none.

    Parameters
    ----------
    pool : Pool
        With labels and probabilities, such as ``find_label_errors(…).pool``.
    k : int, default=30
        Neighbours asked, fewer where there are fewer rows.

    Returns
    -------
    DataFrame
        One row an item, its id the index, the group with the largest share of contradicted labels
        first and in it those that are contradicted: `group` (from 0), `given`, `predicted`
        (the class of the largest probability).

    References
    ----------
    .. [1] Benjamini, Hochberg (1995), "Controlling the False Discovery Rate", JRSS B 57.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.label_errors import weak_groups
    >>> rng = np.random.default_rng(0)
    >>> which = np.repeat([0, 1, 2, 3], 100)
    >>> x = 5 * np.eye(4)[which] + rng.normal(size=(400, 4))
    >>> labels = np.where(which == 3, rng.integers(4, size=400), which)
    >>> bad = cl.find_label_errors(x, labels, random_state=0)
    >>> bool((which[weak_groups(bad.pool).index] == 3).mean() > 0.95)
    True
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    check_integer("k", k, low=1)
    if not isinstance(pool, Pool) or pool.labels is None or pool.proba is None:
        rule = "a Pool with labels and probabilities, such as find_label_errors(…).pool"
        raise ValueError(complain("pool", rule, what=type(pool).__name__))
    n, best = len(pool), np.asarray(pool.proba).argmax(axis=1)
    wrong = pool.is_labelled & (best != pool.codes)
    near = pool.embedding.neighbors(min(k, n - 1)).indices
    hot = _hot(near, wrong, pool.is_labelled)
    begin, end = np.repeat(np.arange(n), near.shape[1]), near.ravel()
    held = hot[begin] & hot[end]
    edges = csr_matrix((np.ones(held.sum()), (begin[held], end[held])), shape=(n, n))
    part = np.where(hot, connected_components(edges, directed=False)[1], -1)
    rows = _worst_first(part, wrong)
    return pd.DataFrame(
        {
            "group": pd.factorize(part[rows])[0],
            "given": pool.labels[rows],
            "predicted": pool.classes[best[rows]],
        },
        index=pool.ids[rows],
    )


def _hot(near: IntArray, wrong: BoolArray, judged: BoolArray) -> BoolArray:
    """Return the labelled rows around which labels are contradicted too often, (n_items,)."""
    from scipy.stats import binom, false_discovery_control

    around, found = judged[near].sum(axis=1), wrong[near].sum(axis=1)
    usual = wrong.sum() / max(judged.sum(), 1)
    hot = judged & (found >= max(_LEAST, _TIMES * usual) * around) & (around > 0)
    p_value = binom.sf(found[judged] - 1, around[judged], usual)
    if len(p_value):
        hot[judged] &= false_discovery_control(p_value) <= _EXPECTED
    return np.asarray(hot)


def _worst_first(part: IntArray, wrong: BoolArray) -> AnyArray:
    """Return the rows of groups, by the share of contradicted labels in them."""
    size = np.bincount(part[part >= 0], minlength=len(part))
    share = np.bincount(part[part >= 0], wrong[part >= 0], len(part)) / np.maximum(size, 1)
    rows = np.flatnonzero((part >= 0) & (size[part] >= _SIZE))
    return rows[np.lexsort([rows, ~wrong[rows], part[rows], -share[part[rows]]])]
