"""Small models whose loss on a row tells how well they know its kind.

Each numbers the pool's rows from 0 and the target's after them. `fit` trains a model on rows,
`further` trains it on more of them, by one of `amounts`, and `loss` is one number a row.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from curalab._check import BoolArray, FloatArray, IntArray
from curalab.heads import Head, fit_head

__all__ = ["Densities", "Heads", "Words"]

_TOKEN = re.compile(r"\w+|[^\w\s]+")
_BACK_OFF = 20.0  # occurrences of a word from which its pairs tell more than the ground
_COMPONENTS = 32
_GAUSSIANS = 64
_ROWS_EACH = 20


class Words:
    """A language model of words and pairs of words; a text's loss is the mean over its words.

    Pairs back off to single words, and these to any word. Training further mixes the frequencies
    of the new texts' words into those of words, where they weigh `amount`, and changes p of a word
    as its frequency changed, whatever stands before it; then it adds their pairs. (An average of p
    and these frequencies taught nothing of a word that the model foretold already.)
    """

    name: ClassVar[str] = "words"
    amounts: ClassVar[tuple[float, ...]] = (0.03, 0.1, 0.3, 0.5, 0.7)

    def __init__(self, texts: list[str]) -> None:
        split = [_TOKEN.findall(text.lower()) for text in texts]
        number: dict[str, int] = {}
        coded = [[number.setdefault(word, len(number)) for word in words] for words in split]
        self.n_words = max(len(number), 1)
        self.size = np.array([len(words) for words in coded])
        self.text = np.repeat(np.arange(len(texts)), self.size)
        self.word = np.array([word for words in coded for word in words], dtype=np.int64)
        before = [word for words in coded for word in [self.n_words, *words][: len(words)]]
        self.before = np.array(before, dtype=np.int64)

    def fit(self, rows: IntArray) -> Any:
        """Count pairs of words; row `n_words` is the start of a text."""
        from scipy.sparse import csr_matrix

        at = np.isin(self.text, rows)
        shape = (self.n_words + 1, self.n_words)
        return csr_matrix((np.ones(at.sum()), (self.before[at], self.word[at])), shape=shape)

    def further(self, model: Any, rows: IntArray, amount: float) -> Any:
        """Keep the counts of the new texts beside the model's."""
        return model, self.fit(rows), amount

    def loss(self, model: Any, rows: IntArray) -> FloatArray:
        """Return -log p of a word, the mean over each text; of no words 0."""
        at = np.isin(self.text, rows)
        first, more, amount = model if isinstance(model, tuple) else (model, None, 0.0)
        word = self.word[at]
        single = _total(first) + 1
        single /= single.sum()
        p = self._after(first, single[word], at)
        if more is not None:
            lift = 1 - amount + amount * _total(more) / max(more.sum(), 1) / single
            # what p of all words after a word sums to when each is lifted
            sums = first @ lift + _BACK_OFF * float(single @ lift)
            sums /= np.asarray(first.sum(axis=1)).ravel() + _BACK_OFF
            p = self._after(more, p * lift[word] / sums[self.before[at]], at)
        total = np.bincount(self.text[at], -np.log(p), minlength=len(self.size))
        return np.asarray((total / np.maximum(self.size, 1))[rows])

    def _after(self, counts: Any, ground: FloatArray, at: BoolArray) -> FloatArray:
        """Return p of each word after the word before it; `ground` counts as `_BACK_OFF` pairs."""
        word, before = self.word[at], self.before[at]
        pair = np.asarray(counts[before, word]).ravel() if len(word) else np.zeros(0)
        seen = np.asarray(counts.sum(axis=1)).ravel()[before]
        return np.asarray((pair + _BACK_OFF * ground) / (seen + _BACK_OFF))


def _total(counts: Any) -> FloatArray:
    return np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()


class Heads:
    """A softmax head on the vectors; a row's loss is the cross-entropy of its label.

    Training further is `amount` steps of gradient descent.
    """

    name: ClassVar[str] = "head"
    amounts: ClassVar[tuple[float, ...]] = (1, 3, 10, 30, 100)

    def __init__(self, points: FloatArray, codes: IntArray, n_classes: int) -> None:
        self.points, self.codes, self.n_classes = points, codes, n_classes

    def fit(self, rows: IntArray) -> Head:
        """Fit a head."""
        return fit_head(self.points[rows], self.codes[rows], self.n_classes)

    def further(self, model: Head, rows: IntArray, amount: float) -> Head:
        """Take steps as large as the bend of the loss allows."""
        x = (self.points[rows] - model.centre) / model.scale
        rate = 1 / max(float(np.square(x).sum(axis=1).mean()), 1.0)
        for _ in range(int(amount)):
            gap = model.predict_proba(self.points[rows])  # of the cross-entropy: p - one_hot(y)
            gap[np.arange(len(rows)), self.codes[rows]] -= 1
            weight = model.weight - rate * x.T @ gap / len(rows)
            model = replace(model, weight=weight, bias=model.bias - rate * gap.mean(axis=0))
        return model

    def loss(self, model: Head, rows: IntArray) -> FloatArray:
        """Return -log p of the label."""
        proba = model.predict_proba(self.points[rows])[np.arange(len(rows)), self.codes[rows]]
        return np.asarray(-np.log(np.maximum(proba, 1e-12)))


class _Mixture(NamedTuple):
    """Gaussians of one width on the leading components."""

    middle: FloatArray
    axes: FloatArray
    means: FloatArray
    share: FloatArray
    variance: float


class Densities:
    """A mixture of Gaussians on the leading components; a row's loss is -log of its density.

    Training further moves shares and means towards the rows', which weigh `amount` each where a
    Gaussian's own rows weigh 1 together.
    """

    name: ClassVar[str] = "density"
    amounts: ClassVar[tuple[float, ...]] = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

    def __init__(self, points: FloatArray, rng: np.random.Generator) -> None:
        self.points, self.seed = points.astype(np.float64), int(rng.integers(2**31))

    def fit(self, rows: IntArray) -> _Mixture:
        """Find the components, and the Gaussians by k-means."""
        from sklearn.cluster import KMeans

        x = self.points[rows]
        middle = x.mean(axis=0)
        values, axes = np.linalg.eigh((x - middle).T @ (x - middle))
        axes = axes[:, np.argsort(-values)[:_COMPONENTS]]
        z = (x - middle) @ axes
        distinct = len(np.unique(x, axis=0))
        number = max(1, min(_GAUSSIANS, len(rows) // _ROWS_EACH, distinct))
        made = KMeans(number, n_init=1, max_iter=20, random_state=self.seed).fit(z)
        share = np.bincount(made.labels_, minlength=number) / len(rows)
        width = float(np.square(z - made.cluster_centers_[made.labels_]).mean())
        floor = 1e-3 * float(np.square(z).mean()) or 1e-12
        return _Mixture(middle, axes, made.cluster_centers_, share, max(width, floor))

    def further(self, model: _Mixture, rows: IntArray, amount: float) -> _Mixture:
        """Move the Gaussians towards the rows that are likely theirs."""
        logs, z = self._logs(model, rows)
        part = np.exp(logs - _log_sum(logs)[:, None])
        weight = amount * part.sum(axis=0)
        means = (model.means + amount * part.T @ z) / (1 + weight)[:, None]
        share = len(model.share) * model.share + weight
        return model._replace(means=means, share=share / share.sum())

    def loss(self, model: _Mixture, rows: IntArray) -> FloatArray:
        """Return -log of the density."""
        constant = model.means.shape[1] / 2 * np.log(2 * np.pi * model.variance)
        return np.asarray(constant - _log_sum(self._logs(model, rows)[0]))

    def _logs(self, model: _Mixture, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        z = (self.points[rows] - model.middle) @ model.axes
        square = np.square(z).sum(axis=1)[:, None] + np.square(model.means).sum(axis=1)
        square = np.maximum(square - 2 * z @ model.means.T, 0)
        return np.log(np.maximum(model.share, 1e-300)) - square / (2 * model.variance), z


def _log_sum(logs: FloatArray) -> FloatArray:
    from scipy.special import logsumexp

    return np.asarray(logsumexp(logs, axis=1))
