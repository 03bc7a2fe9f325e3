"""Selection of rows whose loss falls when a model goes on to learn the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from curalab._check import IntArray, check_integer, check_labels, complain
from curalab.pool import Pool
from curalab.selectors._losses import Densities, Heads, Words
from curalab.selectors._target import check_space, texts_of
from curalab.selectors._top_k import best_rows

__all__ = ["LossReduction"]


@dataclass(frozen=True, kw_only=True)
class LossReduction:
    """CoLoR-Filter: rows whose loss falls most from model A to model B, which A becomes.

    A is trained on rows of the pool, B is A trained further on the target. The gain of a row is
    loss_A - loss_B, and the `k` highest are kept, without noise. Against the likelihood under a
    model of the target alone, what is easy for every model counts for nothing.

    The pool is dealt into two halves, and each half is scored by the models of the other, so that
    no row is scored by models that trained on it (ours; the paper draws A's rows from a pool that
    is far larger than what it scores). How far B goes is set by the loss on parts of the target
    that it was not trained on, as the paper stops its training. Models and losses are small:

    - with `target_labels`, and labels in the pool: a softmax head on the vectors and its
      cross-entropy; B is some more steps of gradient descent on the target. Rows without a label
      have no loss, come last and have a gain of NaN;
    - else, where pool and target hold their texts (`data`): a language model of words and pairs
      of words, and the mean loss of a text's words; B is A adapted [3]_ to the target's words;
    - else a mixture of Gaussians of one width on the leading components of the vectors, and
      -log of its density; B moves its means and weights towards the target's. The paper has text
      alone; head and mixture are ours.

    Parameters
    ----------
    target_labels : array-like of shape (m,), default=None
        A label for each row of the target, of the pool's classes.
    n_folds : int, default=5
        Parts of the target of which each is left out once.

    Notes
    -----
    `details["loss"]` is "head", "words" or "density"; `details["amount"]` how far B went in each
    half: steps, or the weight of the target's rows.

    References
    ----------
    .. [1] Brandfonbrener, Zhang, Kirsch, Schwarz, Kakade (2024), "CoLoR-Filter: Conditional Loss
       Reduction Filtering for Targeted Language Model Pre-training", NeurIPS, arXiv:2406.10670.
    .. [2] Reynolds, Quatieri, Dunn (2000), "Speaker Verification Using Adapted Gaussian Mixture
       Models", Digital Signal Processing 10. How the mixture is moved.
    .. [3] Kneser, Peters, Klakow (1997), "Language Model Adaptation Using Dynamic Marginals",
       Eurospeech. How p of a word follows its frequency.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> from curalab.selectors import LossReduction
    >>> texts = ["my card is lost", "a train to Rome", "block my lost card", "rain in Rome"] * 5
    >>> pool = cl.Embedding(vectors=np.ones((20, 2)), data=texts)
    >>> target = cl.Embedding(vectors=np.ones((2, 2)), data=["I lost my card", "my lost card"])
    >>> pick = cl.select(pool, 10, target=target, method=LossReduction(), random_state=0)
    >>> pick.details["loss"], bool((pick.rows % 2 == 0).all())
    ('words', True)
    """

    needs: ClassVar[tuple[str, ...]] = ("target",)
    cost: ClassVar[str] = "two small models a half"

    target_labels: Any = None
    n_folds: int = 5

    def __post_init__(self) -> None:
        if self.target_labels is not None:  # methods compare by value, which arrays do not
            listed = np.asarray(self.target_labels, dtype=object).ravel().tolist()
            object.__setattr__(self, "target_labels", tuple(listed))

    def __call__(
        self, pool: Pool, k: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, dict[str, Any]]:
        """Return the `k` rows whose loss falls most, by how much, and which loss it is."""
        check_integer("n_folds", self.n_folds, low=2)
        target: Any = pool.target
        model, able = self._model(pool, rng)
        goal = len(pool) + np.arange(len(target))
        fold = rng.permutation(len(goal)) % self.n_folds
        half = rng.permutation(len(able)) % 2
        fall, amounts = np.full(len(pool), np.nan), []
        for part in (0, 1):
            train, left = able[half != part], able[half == part]
            if not len(train):  # a row without others to train on
                fall[left] = 0
                continue
            first = model.fit(train)
            amounts.append(_best_amount(model, first, goal, fold))
            second = model.further(first, goal, amounts[-1])
            fall[left] = model.loss(first, left) - model.loss(second, left)
        rows = best_rows(np.where(np.isnan(fall), -np.inf, fall), pool, k, rng=rng)
        return rows, {"gain": fall[rows], "loss": model.name, "amount": amounts}

    def _model(self, pool: Pool, rng: np.random.Generator) -> tuple[Any, IntArray]:
        """Return the kind of model that the data allow, and the rows that have a loss."""
        target: Any = pool.target
        every = np.arange(len(pool))
        texts, goal = texts_of(pool.data), texts_of(target.data)
        if self.target_labels is None and texts is not None and goal is not None:
            return Words(texts + goal), every
        check_space("target", target, pool.embedding)
        points = np.concatenate([pool.embedding.points, target.points])
        if self.target_labels is None:
            return Densities(points, rng), every
        labelled = np.flatnonzero(pool.is_labelled)
        if len(labelled) < 2:
            got = f"{len(labelled):,} labels"
            raise ValueError(complain("labels", "known for two rows or more", what=got))
        rule = f"{len(target):,} labels, one for each row of the target, none missing"
        codes = check_labels(self.target_labels, classes=pool.classes, name="target_labels")[1]
        if len(codes) != len(target) or (codes < 0).any():
            got = f"{(codes >= 0).sum():,} labels"
            raise ValueError(complain("target_labels", rule, what=got))
        return Heads(points, np.append(pool.codes, codes), len(pool.classes)), labelled


def _best_amount(model: Any, first: Any, goal: IntArray, fold: IntArray) -> float:
    """Return how far to train on the target; the middle where it is a single row."""
    if len(goal) == 1:
        return float(model.amounts[len(model.amounts) // 2])
    losses = []
    for amount in model.amounts:
        found = 0.0
        for i in np.unique(fold):
            second = model.further(first, goal[fold != i], amount)
            found += float(model.loss(second, goal[fold == i]).sum())
        losses.append(found)
    return float(model.amounts[int(np.argmin(losses))])
