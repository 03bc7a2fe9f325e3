"""Self-training: the probe learns from what it is surest of, a larger share each round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray, check_integer, check_real
from curalab.pool import Pool
from curalab.pseudo_labels.low_shot_probe import fit_probe

__all__ = ["SelfTraining", "fit_probe", "surest_of_each_class"]


@dataclass(frozen=True, kw_only=True)
class SelfTraining:
    """The probe is fitted again and again on the labels and on the rows that it is surest of.

    In round r of R a row without a label is accepted where the probe is among the surest
    share·r/R of all rows that it puts into the same class. A share of each class, as in [2]_,
    rather than one threshold for all, as in [1]_: with few labels and many classes no probability
    is large, a threshold accepts nothing or only the easy classes. All rows are judged anew in
    each round, as in [3]_, so that a wrong label can be taken back. The share is of what the
    probe puts into the class, so classes of unequal sizes stay so. It ends early in a round that
    accepts the same labels as the one before.

    Learning from itself makes the probe too sure: calibrate its confidence before use. Where the
    first probe is near chance, as with one label a class of hard images, it gets worse.

    ``details["rounds"]`` has one row a round: `accepted` rows, how many of them were `changed`
    (not accepted before, or under another label), and their `mean_confidence`.
    ``details["source"]`` says of each label "given", the last round that changed it, such as
    "round 3", or "probe" where the row was not accepted at the end.

    Parameters
    ----------
    rounds : int, default=10
        R, fits after the first. Each costs about as much as one on all rows.
    share : float, default=1.0
        Share of each class that the last round accepts, above 0 up to 1. Less leaves out rows
        that may be of no class.
    threshold : float, default=0.0
        Probability below which no row is accepted, from 0 to 1.
    gold : float, default=0.2
        Least share of the weight that the given labels have together, from 0 to 0.99 (ours).
    C : float, default=10
        Inverse strength of the penalty.

    References
    ----------
    .. [1] Yarowsky (1995), "Unsupervised Word Sense Disambiguation Rivaling Supervised Methods",
       ACL.
    .. [2] Zou, Yu, Kumar, Wang (2018), "Unsupervised Domain Adaptation for Semantic Segmentation
       via Class-Balanced Self-Training", ECCV. arXiv:1810.07911.
    .. [3] Cascante-Bonilla, Tan, Qi, Ordonez (2021), "Curriculum Labeling: Revisiting
       Pseudo-Labeling for Semi-Supervised Learning", AAAI. arXiv:2001.06001.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(60, 3)) + np.repeat([[0], [9]], 30, axis=0)
    >>> labels = ["a"] + [None] * 29 + ["b"] + [None] * 29
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> soft = cl.pseudo_label(emb, labels, method="self_training")
    >>> soft.details["rounds"]["accepted"].tolist()[:3]
    [6, 12, 18]
    """

    cost: ClassVar[str] = "a fit on the labelled rows, ten on a growing share of all"
    needs: ClassVar[str] = "labels"

    rounds: int = 10
    share: float = 1.0
    threshold: float = 0.0
    gold: float = 0.2
    C: float = 10.0

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes)."""
        check_integer("rounds", self.rounds, low=1)
        check_real("share", self.share, low=1e-3, high=1)
        check_real("threshold", self.threshold, low=0, high=1)
        check_real("gold", self.gold, low=0, high=0.99)
        check_real("C", self.C, low=1e-6, high=1e6)
        points, given = pool.embedding.points, pool.is_labelled
        taught = np.array(pool.codes)
        since = np.zeros(len(pool), dtype=int)
        head, table = fit_probe(pool, taught, C=self.C), []
        for r in range(1, self.rounds + 1):
            proba = head.predict_proba(points)
            best, sure = proba.argmax(axis=1), proba.max(axis=1)
            chosen = ~given & (sure >= self.threshold)
            chosen &= surest_of_each_class(best, sure, ~given, self.share * r / self.rounds)
            now = np.where(given, pool.codes, np.where(chosen, best, -1))
            changed = now != taught
            if not changed.any():
                break
            since[changed] = r
            taught = now
            mean = float(sure[chosen].mean()) if chosen.any() else np.nan
            table.append((r, int(chosen.sum()), int((changed & chosen).sum()), mean))
            head = fit_probe(pool, taught, C=self.C, gold=self.gold, start=head)
        columns = ["round", "accepted", "changed", "mean_confidence"]
        source = np.array([f"round {r}" for r in range(self.rounds + 1)], dtype=object)[since]
        source[taught < 0], source[given] = "probe", "given"
        return head.predict_proba(points), {
            "predict": head.predict_proba,
            "rounds": pd.DataFrame(table, columns=columns),
            "source": source,
        }


def surest_of_each_class(
    best: IntArray, sure: FloatArray, among: BoolArray, share: float
) -> BoolArray:
    """Return the surest `share` of the rows `among` in each class; at least one, ties together."""
    kept = np.zeros(len(best), dtype=bool)
    for c in np.unique(best[among]):
        rows = np.flatnonzero(among & (best == c))
        at = len(rows) - int(np.ceil(share * len(rows) - 1e-9))
        kept[rows] = sure[rows] >= np.partition(sure[rows], at)[at]
    return kept
