"""What a head thinks of each row while it learns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from curalab._check import FloatArray, IntArray

__all__ = ["training_dynamics"]

_BATCH = 64
_FEWEST_STEPS = 8  # an epoch, of small sets
_MOMENTUM = 0.9
_DECAY = 1e-4


def training_dynamics(
    points: FloatArray,
    codes: IntArray,
    n_classes: int,
    *,
    n_epochs: int,
    rate: float = 1.0,
    rng: np.random.Generator,
) -> Iterator[FloatArray]:
    """Train a linear head by mini-batch SGD and yield every row's logits after each epoch.

    Momentum .9, weight decay 1e-4, batches of 64 rows (an eighth of the rows where there are fewer
    than 512) and a rate that is held, as in [1]_. The points are centred and scaled to a mean
    square length of 1, so that one rate serves any width. On `kernel_features` the head can bend;
    it then told planted errors from clean rows better than it did on the vectors, and as well as
    a layer of 256 hidden units.

    Only one epoch is held at a time: what is wanted of the logits is added up by the caller.

    Parameters
    ----------
    points : ndarray of shape (n, d)
        Vectors of all rows.
    codes : ndarray of shape (n,), int
        Class numbers; -1 where a row has no label: it gets logits, but is not trained on.
    n_classes : int
        Columns of the logits.
    n_epochs : int
        Passes over the rows.
    rate : float, default=1.0
        Size of the steps. The head must learn what the classes share before it learns single
        rows by heart: large rates and many epochs do the second.
    rng : numpy.random.Generator
        Draws the order of the rows in each epoch.

    Yields
    ------
    ndarray of shape (n, n_classes), float32
        The logits of an epoch, a new array each.

    References
    ----------
    .. [1] Pleiss, Zhang, Elenberg, Weinberger (2020), "Identifying Mislabeled Data using the Area
       Under the Margin Ranking", NeurIPS. arXiv:2001.10528.

    Examples
    --------
    >>> import numpy as np
    >>> points, codes = np.eye(2)[[0, 0, 1, 1]], np.array([0, 0, 1, 1])
    >>> epochs = training_dynamics(points, codes, 2, n_epochs=3, rng=np.random.default_rng(0))
    >>> [int((logits.argmax(axis=1) == codes).sum()) for logits in epochs]
    [4, 4, 4]
    """
    x = np.asarray(points - points.mean(axis=0), dtype=np.float32)
    x /= float(np.sqrt(np.square(x).sum(axis=1).mean())) or 1.0
    x = np.concatenate([x, np.ones((len(x), 1), dtype=np.float32)], axis=1)  # its weight: the bias
    weight = np.zeros((x.shape[1], n_classes), dtype=np.float32)
    speed = np.zeros_like(weight)
    labelled = np.flatnonzero(codes >= 0)
    size = max(1, min(_BATCH, len(labelled) // _FEWEST_STEPS))
    for _ in range(n_epochs):
        order = rng.permutation(labelled)
        for at in range(0, len(order), size):
            rows = order[at : at + size]
            batch = x[rows]
            gap = _softmax(batch @ weight)  # of the cross-entropy: p - one_hot(y)
            gap[np.arange(len(rows)), codes[rows]] -= 1
            speed *= _MOMENTUM
            speed += batch.T @ (gap / size) + _DECAY * weight
            weight -= rate * speed
        yield x @ weight


def _softmax(logits: FloatArray) -> FloatArray:
    logits = logits - logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
