"""Label errors by the margin that a label keeps while a head learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import check_integer, check_real
from curalab.label_errors._chance import beyond_chance
from curalab.pool import AnyArray, BoolArray, FloatArray, IntArray, Pool

__all__ = ["AreaUnderMargin"]

_RULE = (
    "area under the margin at or below that of the threshold rows' percentile, where another "
    "label is suggested"
)


@dataclass(frozen=True, kw_only=True)
class AreaUnderMargin:
    """Mean margin of the given label over the epochs in which a head learns.

    The margin is the logit of the given label minus the largest other one. A head learns what
    rows share before it learns single rows by heart, so the margin of a wrong label stays low or
    negative for most of the training; its mean over the epochs is the area under the margin (AUM).
    What is low is learned too: a share 1/(c + 1) of the rows, c the number of classes, is given a
    fake class of its own, and a high percentile of the AUM of these threshold rows is the cut. A
    second run with other threshold rows scores the first ones.

    Ours: the head is linear on `kernel_features` of frozen vectors; a network on the raw data is
    what [1]_ trains. Logits are taken after each epoch, of all rows by the same head. Rows that
    keep their label in both runs get the mean of the two. Quality is 1 / (1 + exp(cut - AUM)): it
    rises with the AUM and is 1/2 at the cut. Of the rows below it those are marked for which
    another class has the largest mean probability, which is the label suggested.

    Parameters
    ----------
    n_epochs : int, default=15
        Passes over the rows in each of the two runs.
    rate : float, default=1.0
        Size of the steps, from 0.001 to 100. Large ones learn wrong labels by heart.
    percentile : float, default=99
        Of the threshold rows' AUM. Lower marks fewer rows.

    Notes
    -----
    ``details`` has, for each row, the `aum`, and after [2]_ the `confidence` (mean over the epochs
    of the probability of the given label) and its standard deviation, the `variability`: rows of
    low confidence and low variability are hard or mislabelled, of high variability ambiguous.
    They are NaN for rows without a label.

    References
    ----------
    .. [1] Pleiss, Zhang, Elenberg, Weinberger (2020), "Identifying Mislabeled Data using the Area
       Under the Margin Ranking", NeurIPS. arXiv:2001.10528.
    .. [2] Swayamdipta, Schwartz, Lourie, Wang, Hajishirzi, Smith, Choi (2020), "Dataset
       Cartography: Mapping and Diagnosing Datasets with Training Dynamics", EMNLP.
       arXiv:2009.10795.
    """

    cost: ClassVar[str] = "a head trained twice, 15 epochs each"
    needs: ClassVar[str] = "labels"

    n_epochs: int = 15
    rate: float = 1.0
    percentile: float = 99.0

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, AnyArray, dict[str, Any]]:
        """Return quality in [0, 1] and suggested labels, each (n_items,)."""
        from scipy.special import expit

        check_integer("n_epochs", self.n_epochs, low=1)
        check_real("rate", self.rate, low=0.001, high=100)
        check_real("percentile", self.percentile, low=0, high=100)
        judged = np.flatnonzero(pool.is_labelled)
        codes = pool.codes[judged]
        mean, cut = self._two_runs(pool.embedding.points[judged], codes, len(pool.classes), rng)
        lead, best = mean[:, 0], mean[:, 4:].argmax(axis=1)
        quality, is_error = np.ones(len(pool)), np.zeros(len(pool), dtype=bool)
        quality[judged] = expit(lead)
        is_error[judged] = (lead <= 0) & (best != codes)
        suggested = pool.classes[np.zeros(len(pool), dtype=int)]
        suggested[judged] = pool.classes[best]
        is_error, rule = beyond_chance(is_error, _RULE, mean[:, 4:], codes)
        details: dict[str, Any] = {"is_error": is_error, "cut": {"rule": rule, **cut}}
        for column, name in enumerate(("aum", "confidence", "variability"), start=1):
            details[name] = np.full(len(pool), np.nan)
            details[name][judged] = mean[:, column]
        return quality, suggested, details

    def _two_runs(
        self, points: FloatArray, codes: IntArray, n_classes: int, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return AUM - cut, AUM, confidence, variability and mean probabilities, and the cuts.

        The first have shape (n, 4 + n_classes): means over the runs in which a row had its label.
        """
        from curalab.heads import kernel_features

        features = kernel_features(points, rng=rng)
        n_fake = max(1, len(codes) // (len(np.unique(codes)) + 1))
        order = rng.permutation(len(codes))
        total, n_runs, cuts = np.zeros((len(codes), 4 + n_classes)), np.zeros((len(codes), 1)), []
        for start in (0, n_fake):
            is_fake = np.zeros((len(codes), 1), dtype=bool)
            is_fake[order[start : start + n_fake]] = True
            aum, seen = self._run(features, codes, is_fake[:, 0], n_classes, rng)
            cuts.append(float(np.percentile(aum[is_fake[:, 0]], self.percentile)))
            total += ~is_fake * np.column_stack([aum - cuts[-1], aum, seen])
            n_runs += ~is_fake
        return total / n_runs, {"aum": cuts, "threshold_rows": n_fake}

    def _run(
        self,
        features: FloatArray,
        codes: IntArray,
        is_fake: BoolArray,
        n_classes: int,
        rng: np.random.Generator,
    ) -> tuple[FloatArray, FloatArray]:
        """Return the AUM, and confidence, variability and mean probabilities side by side."""
        from scipy.special import softmax

        from curalab.heads import training_dynamics

        rows, told = np.arange(len(codes)), np.where(is_fake, n_classes, codes)
        aum, square = np.zeros(len(codes)), np.zeros(len(codes))
        belief = np.zeros((len(codes), n_classes))
        for logits in training_dynamics(
            features, told, n_classes + 1, n_epochs=self.n_epochs, rate=self.rate, rng=rng
        ):
            proba = softmax(logits[:, :n_classes].astype(float), axis=1)
            belief += proba / self.n_epochs
            square += np.square(proba[rows, codes]) / self.n_epochs
            own = logits[rows, told]
            logits[rows, told] = -np.inf
            aum += (own - logits.max(axis=1)) / self.n_epochs
        confidence = belief[rows, codes]
        variability = np.sqrt(np.maximum(square - np.square(confidence), 0))
        return aum, np.column_stack([confidence, variability, belief])
