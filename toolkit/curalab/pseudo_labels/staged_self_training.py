"""Staged self-training: pseudo-labels first, the labels given last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, check_real, complain
from curalab.heads import Head
from curalab.pool import Pool, run
from curalab.pseudo_labels.low_shot_probe import fit_probe
from curalab.pseudo_labels.self_training import surest_of_each_class

__all__ = ["StagedSelfTraining"]


@dataclass(frozen=True, kw_only=True)
class StagedSelfTraining:
    """A fresh probe is trained on pseudo-labels alone, then tuned on the labels given.

    Three stages: `teacher`, fitted on the labels given, labels the other rows; a fresh probe is
    fitted on the surest `share` of each class of these, without the labels given; then it is
    tuned on the labels given. The wrong pseudo-labels cannot outvote these, which come last.

    ``details["stages"]`` has one row a stage: `rows` it learned from, `agreement` with the labels
    given and `mean_confidence` on the rows without. ``details["source"]`` says of each label
    "given", "pseudo" (its row was learned from) or "probe".

    Parameters
    ----------
    teacher : str or callable, default="low_shot_probe"
        Any method of this stage. [1]_ has the probe; "propagation" is better on images.
    share : float, default=0.5
        Share of each class that is learned from, above 0 up to 1.
    pull : float, default=0.03
        Penalty that holds the tuned weights to those learned from pseudo-labels, above 0.
    C : float, default=10
        Inverse strength of the penalty of the probe on pseudo-labels.

    Notes
    -----
    [1]_ trains language models whole, on all pseudo-labels, and ends the tuning early. Here a
    linear head on frozen vectors is trained; a squared penalty on the way from the pseudo-label
    weights stands for the early end. The share is ours: a linear head that learns all labels of
    a linear teacher is that teacher again.

    References
    ----------
    .. [1] Guo (2020), "Predictions For Pre-training Language Models" (later "Self-training For
       Pre-training Language Models"). arXiv:2011.09031.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(60, 3)) + np.repeat([[0], [9]], 30, axis=0)
    >>> labels = ["a"] + [None] * 29 + ["b"] + [None] * 29
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> soft = cl.pseudo_label(emb, labels, method="staged_self_training")
    >>> soft.details["stages"]["rows"].tolist()
    [2, 30, 2]
    """

    cost: ClassVar[str] = "the teacher, a fit on half of the rows, one on the labelled rows"
    needs: ClassVar[str] = "labels"

    teacher: str | Callable[..., Any] = "low_shot_probe"
    share: float = 0.5
    pull: float = 0.03
    C: float = 10.0

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes)."""
        from curalab.pseudo_labels import STAGE

        check_real("share", self.share, low=1e-3, high=1)
        check_real("pull", self.pull, low=1e-6, high=1e6)
        check_real("C", self.C, low=1e-6, high=1e6)
        points, given = pool.embedding.points, pool.is_labelled
        taught = run(STAGE, self.teacher, pool, random_state=int(rng.integers(2**31)))
        told = taught.arrays["proba"]
        if told.shape[1] != len(pool.classes):
            rule = "a method that finds no classes of its own"
            raise ValueError(complain("teacher", rule, what=repr(taught.params["method"])))
        best, sure = told.argmax(axis=1), told.max(axis=1)
        chosen = surest_of_each_class(best, sure, ~given, self.share)
        gold = fit_probe(pool, pool.codes, C=self.C)  # where there is nothing to label
        pseudo = fit_probe(pool, np.where(chosen, best, -1), C=self.C) if chosen.any() else gold
        tuned = _tuned(pseudo, points[given], pool.codes[given], self.pull)
        proba = tuned.predict_proba(points)
        stages = [
            _row("teacher", int(given.sum()), told, pool),
            _row("pseudo-labels", int(chosen.sum()), pseudo.predict_proba(points), pool),
            _row("tuned", int(given.sum()), proba, pool),
        ]
        source = np.where(given, "given", np.where(chosen, "pseudo", "probe")).astype(object)
        return proba, {
            "predict": tuned.predict_proba,
            "stages": pd.DataFrame(stages),
            "source": source,
        }


def _row(stage: str, rows: int, proba: FloatArray, pool: Pool) -> dict[str, Any]:
    given, best = pool.is_labelled, proba.argmax(axis=1)
    sure = proba[~given].max(axis=1)
    return {
        "stage": stage,
        "rows": rows,
        "agreement": float((best == pool.codes)[given].mean()),
        "mean_confidence": float(sure.mean()) if len(sure) else np.nan,
    }


def _tuned(head: Head, points: FloatArray, codes: IntArray, pull: float) -> Head:
    """Return the head with the least mean loss plus pull/2 times its squared way from `head`."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    shape = (len(head.weight) + 1, head.weight.shape[1])
    x = np.column_stack([(points - head.centre) / head.scale, np.ones(len(points))])
    before = x[:, :-1] @ head.weight + head.bias
    wanted = np.eye(shape[1])[codes]

    def loss(way: FloatArray) -> tuple[float, FloatArray]:
        moved = way.reshape(shape)
        log_proba = log_softmax(before + x @ moved, axis=1)
        gap = (np.exp(log_proba) - wanted) / len(x)
        value = -(wanted * log_proba).sum() / len(x) + pull / 2 * np.square(moved).sum()
        return float(value), np.asarray((x.T @ gap + pull * moved).ravel())

    way = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B").x.reshape(shape)
    return replace(head, weight=head.weight + way[:-1], bias=head.bias + way[-1])
