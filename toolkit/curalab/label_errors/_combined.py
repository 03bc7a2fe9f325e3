"""One answer an item from what several raters say of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from curalab._agreement import kappa_of, rank_agreement
from curalab._check import AnyArray, BoolArray, FloatArray, IntArray

__all__ = ["Combined", "Ratings", "by_confusions", "by_crowdlab", "by_means", "self_consistency"]

_SHRINK = 3.0  # ratings by all raters together that each rater's confusions are mixed with
_STEPS, _STILL = 100, 1e-4


class Ratings(NamedTuple):
    """The table as numbers: row i is rater `rater[i]`'s rating of item `item[i]`."""

    item: IntArray
    rater: IntArray
    value: AnyArray  # scores, or labels as numbers into the classes
    items: pd.Index
    raters: pd.Index
    classes: AnyArray | None

    def of(self, chosen: BoolArray) -> Ratings:
        """Return some of the ratings."""
        return self._replace(
            item=self.item[chosen], rater=self.rater[chosen], value=self.value[chosen]
        )


class Combined(NamedTuple):
    """What is said of each item together, and how each rater fits it."""

    consensus: AnyArray
    quality: FloatArray
    agreement: FloatArray
    others: FloatArray  # each rater's agreement with the consensus of the others


def by_confusions(table: Ratings, kept: BoolArray) -> Combined:
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
    return Combined(
        consensus,
        np.where(is_heard, share.max(axis=1) / share.sum(axis=1), np.nan),
        np.where(is_heard, same / np.maximum(n_heard, 1), np.nan),
        others,
    )


def _dawid_skene(heard: Ratings, n_classes: int) -> tuple[FloatArray, FloatArray]:
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


def by_means(table: Ratings, kept: BoolArray) -> Combined:
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
    return Combined(mean, np.where(n > 0, quality, np.nan), agreement, others)


def by_crowdlab(heard: Ratings, proba: FloatArray, before: Combined) -> Combined:
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
    return Combined(consensus, quality, agreement, before.others)


def self_consistency(table: Ratings) -> FloatArray:
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


def _pairs(table: Ratings) -> tuple[Ratings, IntArray]:
    """Return each pair of item and rater once, and the number of the pair of each rating."""
    key = table.item * len(table.raters) + table.rater
    _, first, said = np.unique(key, return_index=True, return_inverse=True)
    return table._replace(item=table.item[first], rater=table.rater[first]), said
