"""Several raters an item: which of them to keep, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from curalab._agreement import alpha_of, kappa_of, rank_agreement
from curalab._check import (
    AnyArray,
    BoolArray,
    FloatArray,
    IntArray,
    check_labels,
    check_real,
    complain,
    first_few,
)
from curalab.embedding import Embedding
from curalab.items._table import check_table
from curalab.pool import Pool
from curalab.results import StageResult

__all__ = ["RaterConsensus", "raters"]

_SHRINK = 3.0  # ratings by all raters together that each rater's confusions are mixed with
_STEPS, _STILL = 100, 1e-4


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


class _Ratings(NamedTuple):
    """The table as numbers: row i is rater `rater[i]`'s rating of item `item[i]`."""

    item: IntArray
    rater: IntArray
    value: AnyArray  # scores, or labels as numbers into the classes
    items: pd.Index
    raters: pd.Index
    classes: AnyArray | None

    def of(self, chosen: BoolArray) -> _Ratings:
        return self._replace(
            item=self.item[chosen], rater=self.rater[chosen], value=self.value[chosen]
        )


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
    combine = _labels if table.classes is not None else _scores
    kept = np.ones(len(table.raters), dtype=bool)
    consistency = _self_consistency(table)
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
        combined = _by_crowdlab(heard, proba, combined)
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


class _Combined(NamedTuple):
    consensus: AnyArray
    quality: FloatArray
    agreement: FloatArray
    others: FloatArray  # each rater's agreement with the consensus of the others


def _labels(table: _Ratings, kept: BoolArray) -> _Combined:
    """Combine labels by each rater's confusions, (n_raters, n_classes, n_classes)."""
    n_items, classes = len(table.items), np.asarray(table.classes)
    heard = table.of(kept[table.rater])
    belief, confusion = _dawid_skene(heard, len(classes))
    pair, said = _pairs(table)
    alone = belief[pair.item].copy()  # log belief without what the rater of the pair said
    own = np.where(kept[table.rater, None], confusion[table.rater, :, table.value], 0)
    np.subtract.at(alone, said, own)
    n_heard = np.bincount(heard.item, minlength=n_items)
    n_others = n_heard[pair.item] - kept[pair.rater] * np.bincount(said)
    told = alone.argmax(axis=1)[said]
    others = np.full(len(kept), np.nan)
    for r in range(len(kept)):
        rows = (table.rater == r) & (n_others[said] > 0)
        others[r] = kappa_of(table.value[rows], told[rows])
    best = belief.argmax(axis=1)
    share = np.exp(belief - belief.max(axis=1, keepdims=True))
    same = np.bincount(heard.item, heard.value == best[heard.item], minlength=n_items)
    is_heard = n_heard > 0
    consensus = classes[best].astype(object)
    consensus[~is_heard] = None
    return _Combined(
        consensus,
        np.where(is_heard, share.max(axis=1) / share.sum(axis=1), np.nan),
        np.where(is_heard, same / np.maximum(n_heard, 1), np.nan),
        others,
    )


def _dawid_skene(heard: _Ratings, n_classes: int) -> tuple[FloatArray, FloatArray]:
    """Return the log belief in each class (n_items, n_classes), and the log confusions."""
    n_items, n_raters = len(heard.items), len(heard.raters)
    place = heard.item * n_classes + heard.value
    votes = np.bincount(place, minlength=n_items * n_classes).reshape(n_items, n_classes)
    belief = (votes + 1 / n_classes) / (votes.sum(axis=1, keepdims=True) + 1)
    cell = heard.rater * n_classes + heard.value
    for _ in range(_STEPS):
        weight = belief[heard.item]
        counts = np.stack(
            [np.bincount(cell, w, minlength=n_raters * n_classes) for w in weight.T], axis=1
        )
        counts = counts.reshape(n_raters, n_classes, n_classes).transpose(0, 2, 1)
        usual = counts.sum(axis=0) + np.eye(n_classes) + 1 / n_classes
        counts = counts + _SHRINK * usual / usual.sum(axis=1, keepdims=True)
        confusion = np.log(counts / counts.sum(axis=2, keepdims=True))
        said = confusion[heard.rater, :, heard.value]
        log = np.tile(np.log(belief.mean(axis=0)), (n_items, 1))
        np.add.at(log, heard.item, said)
        new = np.exp(log - log.max(axis=1, keepdims=True))
        new /= new.sum(axis=1, keepdims=True)
        moved, belief = np.abs(new - belief).max(), new
        if moved < _STILL:
            break
    return log, confusion


def _scores(table: _Ratings, kept: BoolArray) -> _Combined:
    """Combine scores by their mean over raters."""
    n_items = len(table.items)
    pair, said = _pairs(table)
    score = np.bincount(said, table.value) / np.bincount(said)
    is_heard = kept[pair.rater]
    item, heard = pair.item[is_heard], score[is_heard]
    n = np.bincount(item, minlength=n_items)
    total = np.bincount(item, heard, minlength=n_items)
    mean = np.divide(total, n, out=np.full(n_items, np.nan), where=n > 0)
    rest = n[pair.item] - is_heard
    rest_total = total[pair.item] - np.where(is_heard, score, 0)
    others = np.full(len(kept), np.nan)
    for r in range(len(kept)):
        rows = (pair.rater == r) & (rest > 0)
        others[r] = rank_agreement(score[rows], rest_total[rows] / rest[rows])
    within = np.bincount(item, np.square(heard - mean[item]), minlength=n_items)
    pooled = within.sum() / max(int((n - 1).clip(0).sum()), 1)
    error = (within + pooled) / np.maximum(n, 1) / np.maximum(n, 1)  # of the item's mean
    between = max(float(np.nanvar(mean) - error[n > 0].mean()), 0.0)
    quality = np.divide(between, between + error, out=np.ones(n_items), where=between + error > 0)
    spread = float(np.var(heard, ddof=1))
    own = np.divide(within, n - 1, out=np.full(n_items, np.nan), where=n > 1)
    agreement = 1 - own / spread if spread else np.where(n > 1, 1.0, np.nan)
    return _Combined(mean, np.where(n > 0, quality, np.nan), agreement, others)


def _by_crowdlab(heard: _Ratings, proba: FloatArray, before: _Combined) -> _Combined:
    """Return the combination with consensus, its quality and agreement by cleanlab."""
    from cleanlab.multiannotator import get_label_quality_multiannotator

    wide = np.full((len(heard.items), len(heard.raters)), np.nan)
    wide[heard.item, heard.rater] = heard.value
    rows, columns = ~np.isnan(wide).all(axis=1), ~np.isnan(wide).all(axis=0)
    # An exact tie would be broken by a draw from the global generator.
    untied = proba[rows] * (1 - 1e-9 * np.arange(proba.shape[1]))
    found = get_label_quality_multiannotator(
        pd.DataFrame(wide[rows][:, columns]),
        untied / untied.sum(axis=1, keepdims=True),
        return_detailed_quality=False, return_annotator_stats=False, verbose=False,
    )["label_quality"]  # fmt: skip
    consensus = np.full(len(rows), None, dtype=object)
    consensus[rows] = np.asarray(heard.classes)[found["consensus_label"].to_numpy()]
    quality, agreement = np.full((2, len(rows)), np.nan)
    quality[rows] = np.clip(found["consensus_quality_score"], 0, 1)
    agreement[rows] = found["annotator_agreement"]
    return _Combined(consensus, quality, agreement, before.others)


def _self_consistency(table: _Ratings) -> FloatArray:
    """Return how a rater's last rating of an item agrees with the first, (n_raters,)."""
    frame = pd.DataFrame({"rater": table.rater, "item": table.item, "value": table.value})
    pairs = frame.groupby(["rater", "item"])["value"].agg(["first", "last", "size"])
    twice = pairs[pairs["size"] > 1].droplevel("item")
    agree = rank_agreement if table.classes is None else kappa_of
    found = np.full(len(table.raters), np.nan)
    for r in np.unique(twice.index):
        own = twice.loc[[r]]
        found[r] = agree(own["first"].to_numpy(), own["last"].to_numpy())
    return found


def _pairs(table: _Ratings) -> tuple[_Ratings, IntArray]:
    """Return each pair of item and rater once, and the number of the pair of each rating."""
    key = table.item * len(table.raters) + table.rater
    _, first, said = np.unique(key, return_index=True, return_inverse=True)
    return table._replace(item=table.item[first], rater=table.rater[first]), said


# ---- input ---------------------------------------------------------------------------------------


def _checked(ratings: Any) -> _Ratings:
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
    return _Ratings(items.get_indexer(table["item"]), rater, value, items, index, classes)


def _numbers(score: pd.Series) -> FloatArray:
    if not pd.api.types.is_numeric_dtype(score) or pd.api.types.is_bool_dtype(score):
        hint = "Labels go in a column 'label'."
        raise TypeError(complain("score", "numbers", what=f"dtype {score.dtype}", hint=hint))
    value = score.to_numpy(dtype=np.float64)
    if not np.isfinite(value).all():
        raise ValueError(complain("score", "finite", what="infinite scores"))
    return value


def _with_proba(table: _Ratings, proba: Any) -> tuple[_Ratings, FloatArray]:
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
