"""Several raters an item: which of them to keep, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._agreement import alpha_of
from curalab._check import (
    AnyArray,
    FloatArray,
    IntArray,
    check_labels,
    check_real,
    complain,
    first_few,
)
from curalab.embedding import Embedding
from curalab.items._table import check_table
from curalab.label_errors._combined import (
    Ratings,
    by_confusions,
    by_crowdlab,
    by_means,
    self_consistency,
)
from curalab.pool import Pool
from curalab.results import StageResult

__all__ = ["RaterConsensus", "raters"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RaterConsensus(StageResult):
    """What several raters say of each item, and how far each rater can be relied on.

    Attributes
    ----------
    consensus : ndarray of shape (n_items,)
        The label (None without a kept rating) or the mean score (NaN without one).
    quality : ndarray of shape (n_items,), float
        How sure the consensus is, from 0 to 1; NaN without a kept rating.
    agreement : ndarray of shape (n_items,), float
        Share of the item's kept ratings that are its consensus label; or, of scores, 1 - their
        variance over that of all scores, up to 1, below 0 where they differ more than those of
        different items, NaN for a single one.
    n_ratings : ndarray of shape (n_items,), int
        Ratings by raters that were kept.
    raters : DataFrame
        One row a rater: `n_ratings`; `agreement` with the consensus of the others and
        `self_consistency` with themselves, where they rated items twice (Cohen's kappa of labels,
        Spearman's correlation of scores: 0 is chance, 1 perfect, NaN on fewer than five items);
        and whether they are `kept`.
    alpha : float
        Krippendorff's alpha of the kept ratings: 1 is perfect agreement, 0 chance.
    """

    prefix: ClassVar[str] = "consensus"
    columns: ClassVar[dict[str, str]] = {"consensus": "consensus"}

    consensus: AnyArray
    quality: FloatArray
    agreement: FloatArray
    n_ratings: IntArray
    raters: pd.DataFrame
    alpha: float

    @property
    def summary(self) -> str:
        return f"{int(self.raters['kept'].sum())} of {len(self.raters)} raters kept"


def raters(ratings: pd.DataFrame, *, proba: Any = None, least: float = 0.2) -> RaterConsensus:
    """Keep reliable raters, and combine what they say of each item.

    A rater is kept whose ratings agree with the consensus of the others, and, where items were
    rated twice, with their own; this is judged again until nobody more is left out. Labels are
    combined by the confusions of each rater, learned with the consensus (Dawid and Skene [2]_), or
    with `proba` by cleanlab's CROWDLAB [3]_; scores by their mean over raters.

    Parameters
    ----------
    ratings : DataFrame
        One row a rating: `item`, `rater`, and `label` or `score`. A rater may rate an item more
        than once; a column `time` or `repeat` puts such ratings in order, else the table does.
    proba : DataFrame or array-like of shape (n_items, n_classes), default=None
        Probability of each class from a model that did not train on the item: the index holds the
        items and the columns the classes, or both in the order in which items occur first, and
        classes sorted.
    least : float, default=0.2
        Agreement, and self-consistency, below which a rater is left out, from -1 (nobody) to 1.

    Returns
    -------
    RaterConsensus
        ``details["alpha_all"]`` is Krippendorff's alpha [4]_ of all ratings.

    Raises
    ------
    ValueError
        Fewer than two raters, a missing cell, or fewer than two raters reach `least`.

    Notes
    -----
    Ours: [1]_ screens raters by self-consistency and by further measures of reliability, and
    states no rule that fits other scales; here both measures must reach `least`. Quality is the
    posterior of the consensus label; of scores, b / (b + w/n): b the variance between items, w
    that within the item (with one rating's worth of the mean of all items), n its raters. The
    consensus of the others leaves out a rater's votes, while the confusions of the others are
    those learned from all. The confusions of each rater are mixed with three ratings' worth of
    those of all raters. CROWDLAB hears the last of a rater's labels of an item.

    References
    ----------
    .. [1] Hosu, Agnolucci, Wiedemann, Iso, Saupe (2024), "UHD-IQA Benchmark Database: Pushing the
       Boundaries of Blind Photo Quality Assessment", ECCV Workshops. arXiv:2406.17472.
    .. [2] Dawid, Skene (1979), "Maximum Likelihood Estimation of Observer Error-Rates Using the EM
       Algorithm", Applied Statistics 28.
    .. [3] Goh, Tkachenko, Mueller (2022), "CROWDLAB: Supervised Learning to Infer Consensus Labels
       and Quality Scores for Data with Multiple Annotators". arXiv:2210.06812.
    .. [4] Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability".

    Examples
    --------
    >>> import pandas as pd
    >>> from curalab.label_errors import raters
    >>> told = {"ann": "xxxyyyyx", "bob": "xxxyyyyx", "cat": "xyxyyyyx", "eve": "xxxxxxxx"}
    >>> table = pd.DataFrame(
    ...     [(i, who, label) for who, labels in told.items() for i, label in enumerate(labels)],
    ...     columns=["item", "rater", "label"],
    ... )
    >>> found = raters(table)
    >>> found.raters["kept"].to_dict()
    {'ann': True, 'bob': True, 'cat': True, 'eve': False}
    >>> "".join(found.consensus)
    'xxxyyyyx'
    """
    check_real("least", least, low=-1, high=1)
    table = _checked(ratings)
    if proba is not None:
        table, proba = _with_proba(table, proba)
    combine = by_confusions if table.classes is not None else by_means
    kept = np.ones(len(table.raters), dtype=bool)
    consistency = self_consistency(table)
    while True:
        combined = combine(table, kept)
        left_out = kept & ((combined.others < least) | (consistency < least))
        if not left_out.any():
            break
        kept &= ~left_out
        if kept.sum() < 2:
            got = f"{least}, which keeps {kept.sum()} of {len(kept)} raters"
            hint = "least=-1 keeps all, and shows how they agree."
            raise ValueError(complain("least", "low enough to keep 2 raters", what=got, hint=hint))
    heard = table.of(kept[table.rater])
    if proba is not None:
        combined = by_crowdlab(heard, proba, combined)
    frame = {"agreement": combined.others, "self_consistency": consistency, "kept": kept}
    n = np.bincount(table.rater, minlength=len(kept))
    numeric = table.classes is None
    return RaterConsensus(
        ids=table.items,
        consensus=combined.consensus,
        quality=combined.quality,
        agreement=combined.agreement,
        n_ratings=np.bincount(heard.item, minlength=len(table.items)),
        raters=pd.DataFrame({"n_ratings": n, **frame}, index=table.raters),
        alpha=alpha_of(heard.item, heard.value, numeric=numeric),
        params={"verb": "raters", "settings": {"least": least, "proba": proba is not None}},
        details={"alpha_all": alpha_of(table.item, table.value, numeric=numeric)},
    )


def _checked(ratings: Any) -> Ratings:
    table = ratings.reset_index(drop=True) if isinstance(ratings, pd.DataFrame) else ratings
    check_table("ratings", table)
    kinds = [name for name in ("label", "score") if name in table]
    if not {"item", "rater"} <= set(table) or len(kinds) != 1:
        rule = "a table with the columns 'item', 'rater', and 'label' or 'score'"
        raise ValueError(complain("ratings", rule, what=f"the columns {first_few(table, 20)}"))
    missing = table[["item", "rater", kinds[0]]].isna().any(axis=1)
    if missing.any():
        hint = "Leave these rows out: ratings.dropna()."
        got = f"missing cells in {missing.sum():,} rows (rows {first_few(np.flatnonzero(missing))})"
        raise ValueError(complain("ratings", "complete", what=got, hint=hint))
    order = [name for name in ("time", "repeat") if name in table]
    items = pd.Index(table["item"].unique(), name="item")  # in the order of the table given
    table = table.sort_values(order, kind="stable") if order else table
    rater, names = pd.factorize(table["rater"], sort=True)
    if len(names) < 2:
        raise ValueError(complain("ratings", "by at least 2 raters", what=f"{len(names)}"))
    value: AnyArray
    classes: AnyArray | None
    if kinds == ["label"]:
        _, value, classes = check_labels(table["label"], name="label")
    else:
        value, classes = _numbers(table["score"]), None
    index = pd.Index(names, name="rater")
    return Ratings(items.get_indexer(table["item"]), rater, value, items, index, classes)


def _numbers(score: pd.Series) -> FloatArray:
    if not pd.api.types.is_numeric_dtype(score) or pd.api.types.is_bool_dtype(score):
        hint = "Labels go in a column 'label'."
        raise TypeError(complain("score", "numbers", what=f"dtype {score.dtype}", hint=hint))
    value = score.to_numpy(dtype=np.float64)
    if not np.isfinite(value).all():
        raise ValueError(complain("score", "finite", what="infinite scores"))
    return value


def _with_proba(table: Ratings, proba: Any) -> tuple[Ratings, FloatArray]:
    """Return the ratings with the classes of the columns, and the probabilities in their order."""
    if table.classes is None:
        raise ValueError(complain("proba", "None where the ratings are scores", what="an array"))
    rows = Embedding(vectors=np.ones((len(table.items), 1)), ids=table.items)
    pool = Pool(embedding=rows, proba=proba)
    classes = table.classes if pool.classes is None else pool.classes
    if pool.proba.shape[1] != len(classes):
        rule = f"of {len(classes)} columns, one for each class"
        raise ValueError(complain("proba", rule, what=f"{pool.proba.shape[1]} columns"))
    named = np.asarray(table.classes)[table.value]
    _, value, classes = check_labels(named, classes=classes, name="label")
    return table._replace(value=value, classes=classes), pool.proba
