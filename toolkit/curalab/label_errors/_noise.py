"""How often labels are wrong, and which are taken for which."""

from __future__ import annotations

from typing import Any

import numpy as np

from curalab._check import FloatArray, IntArray

__all__ = ["estimated_errors", "is_learnable", "likeness", "sharpened", "transition"]

_CLEAR = 0.2  # share of the rows predicted as a class that are predicted most clearly
_FEWEST = 3
_SHRINK = 5.0  # rows of the mean rate, for each class, that the counts are mixed with
_EACH = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # rows, of each other class
_LEAST = 1e-3  # share of wrong labels below which none can be told from none at all
_LIKENESS = np.linspace(0, 1, 11)
_FLOOR = 1e-9
_POWERS = (0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.4, 2.8)


def transition(belief: FloatArray, codes: IntArray) -> FloatArray:
    """Return the chance that a row of class i is labelled j, (n_classes, n_classes); rows sum to 1.

    Counted over the clear rows. How often a class is mislabelled is shrunk towards the mean rate,
    and as what towards all other classes alike, so far as the counts are likeliest if the shares
    of the classes are drawn from one Dirichlet distribution (empirical Bayes).

    Parameters
    ----------
    belief : ndarray of shape (n, n_classes)
        Probability of each class, as if the row had no label.
    codes : ndarray of shape (n,), int
        The labels given.
    """
    n_classes, clear = belief.shape[1], _clear(belief)
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (belief[clear].argmax(axis=1), codes[clear]), 1)
    rate = min(max(1 - np.trace(counts) / counts.sum(), _LEAST), 0.9)
    weight, right = _SHRINK * n_classes, np.diag(counts).copy()
    rates = 1 - (right + weight * (1 - rate)) / (counts.sum(axis=1) + weight)
    chance = _pattern(counts) * rates[:, None]
    np.fill_diagonal(chance, 1 - rates)
    return np.asarray(chance)


def _pattern(counts: FloatArray) -> FloatArray:
    """Return as what a mislabelled row of each class is labelled; rows sum to 1, but of one class.

    The likelihood that chooses how far to shrink is the Dirichlet-multinomial one.
    """
    from scipy.special import gammaln

    wrong = counts * (1 - np.eye(len(counts)))
    total, n_others = wrong.sum(axis=1), max(len(counts) - 1, 1)

    def likelihood(each: float) -> float:
        whole = each * n_others
        drawn = (gammaln(wrong + each) - gammaln(each)).sum()
        return float(drawn + (gammaln(whole) - gammaln(whole + total)).sum())

    each = max(_EACH, key=likelihood)
    shares = (wrong + each) / (total + each * n_others)[:, None]
    np.fill_diagonal(shares, 0)
    return np.asarray(shares)


def likeness(belief: FloatArray, codes: IntArray) -> float:
    """Return how far wrong labels fall on rows that look like them, from 0 (not at all) to 1.

    If the odds that a row of class i is labelled j are a(i, j) · (r(j) / r(i))^κ, this is the mean
    of κ, all values from 0 to 1 being as likely beforehand, given which of the clear rows
    predicted as i are labelled j. How many of them are, the a(i, j), has no say in it.
    """
    log, predicted = np.log(np.maximum(belief, _FLOOR)), belief.argmax(axis=1)
    clear = _clear(belief)
    fit = np.zeros(len(_LIKENESS))
    for i in np.unique(predicted[clear]):
        rows = clear[predicted[clear] == i]
        odds = log[rows] - log[rows, i][:, None]
        wrong = codes[rows] != i
        label = codes[rows][wrong]
        for at, k in enumerate(_LIKENESS if len(label) else ()):
            total = np.log(np.exp(k * odds).sum(axis=0))
            fit[at] += (k * odds[wrong, label] - total[label]).sum()
    weight = np.exp(fit - fit.max())
    return float(weight @ _LIKENESS / weight.sum())


def sharpened(
    belief: FloatArray, clear: FloatArray, codes: IntArray, chance: FloatArray
) -> FloatArray:
    """Return beliefs raised to the power under which the labels given are likeliest."""

    def likelihood(power: float) -> float:
        raised = _raised(clear, power)
        return float(np.log((raised * chance[:, codes].T).sum(axis=1)).sum())

    best = max(_POWERS, key=likelihood)
    return _raised(belief, best)


def _raised(belief: FloatArray, power: float) -> FloatArray:
    raised = belief**power
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def estimated_errors(belief: FloatArray, codes: IntArray) -> dict[str, Any]:
    """Return how many labels are wrong, and an interval of 95 %, from the share of clear rows.

    The interval is Wilson's for a share: it covers chance, not that doubtful rows may differ.
    """
    from scipy.stats import binomtest

    clear = _clear(belief)
    wrong = int((belief[clear].argmax(axis=1) != codes[clear]).sum())
    found = binomtest(wrong, len(clear)).proportion_ci(method="wilson")
    shares = {"n": wrong / len(clear), "low": found.low, "high": found.high}
    return {name: round(len(codes) * share) for name, share in shares.items()}


def is_learnable(belief: FloatArray, codes: IntArray) -> bool:
    """Whether predictions agree with the labels more often than predictions drawn at random would.

    By more than three standard errors of the agreement expected from the frequencies of both.
    """
    n_classes, predicted = belief.shape[1], belief.argmax(axis=1)
    shares = [np.bincount(c, minlength=n_classes) / len(codes) for c in (predicted, codes)]
    expected = float(shares[0] @ shares[1])
    agreed = float((predicted == codes).mean())
    return bool(agreed > expected + 3 * np.sqrt(expected * (1 - expected) / len(codes)))


def _clear(belief: FloatArray) -> IntArray:
    """Return the rows predicted most clearly, out of those predicted as each class."""
    predicted, most = belief.argmax(axis=1), belief.max(axis=1)
    order = np.lexsort((-most, predicted))
    size = np.bincount(predicted, minlength=belief.shape[1])
    place = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    wanted = np.maximum(_FEWEST, np.floor(_CLEAR * size)).astype(int)
    return np.sort(order[place < np.repeat(wanted, size)])
