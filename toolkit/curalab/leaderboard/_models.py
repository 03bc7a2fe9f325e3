"""What is trained on the picks of selectors: always in the same way, nothing tuned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from curalab import _networks
from curalab._check import FloatArray, IntArray
from curalab.effect._train import PENALTY
from curalab.heads import fit_head
from curalab.neighbors import nearest

__all__ = ["MODELS", "Answers", "trained"]

_BATCH = 64
_HIDDEN = 256
_RATE = 3e-3  # ten times that without a hidden layer
_OWN_PASSES, _FEWEST_STEPS = 30, 300  # of a network that may train as long as it likes

Answers = Callable[[FloatArray], IntArray]


def _linear(points: FloatArray, codes: IntArray, n_classes: int, n_seen: int | None) -> Answers:
    if n_seen is not None:
        return _network(points, codes, n_classes, n_seen, hidden=())
    head = fit_head(points, codes, n_classes, penalty=PENALTY)
    return lambda asked: head.predict_proba(asked).argmax(axis=1)


def _mlp(points: FloatArray, codes: IntArray, n_classes: int, n_seen: int | None) -> Answers:
    if n_seen is None:
        n_seen = max(_OWN_PASSES * len(points), _FEWEST_STEPS * min(_BATCH, len(points)))
    return _network(points, codes, n_classes, n_seen, hidden=(_HIDDEN,))


def _knn(points: FloatArray, codes: IntArray, n_classes: int, n_seen: int | None) -> Answers:
    """Let the five nearest rows vote, each with one over its distance."""

    def answers(asked: FloatArray) -> IntArray:
        found = nearest(points, min(5, len(points)), metric="euclidean", queries=asked)
        votes = np.zeros((len(asked), n_classes))
        weight = 1 / np.maximum(found.distance, 1e-9)
        np.add.at(votes, (np.arange(len(asked))[:, None], codes[found.indices]), weight)
        return np.asarray(votes.argmax(axis=1))

    return answers


MODELS = {"linear": _linear, "mlp": _mlp, "knn": _knn}


def trained(
    model: str, points: FloatArray, codes: IntArray, n_classes: int, n_seen: int | None
) -> Answers:
    """Return a function from vectors to classes, trained on `points` (n, d).

    Parameters
    ----------
    model : str
        One of `MODELS`.
    points, codes : ndarray of shape (n, d), and of shape (n,)
        The picked rows and their classes as numbers from 0.
    n_classes : int
        Classes there are.
    n_seen : int, default=None
        Rows seen in training, repetitions counted. None trains as long as the model likes.
    """
    return MODELS[model](points, codes, n_classes, n_seen)


def _network(
    points: FloatArray,
    codes: IntArray,
    n_classes: int,
    n_seen: int,
    *,
    hidden: tuple[int, ...],
) -> Answers:
    """Train by AdamW on `n_seen` rows; the seed is fixed, so that equal picks answer alike."""
    import torch

    rng = np.random.default_rng(0)
    device = _networks.pick_device("auto")
    centre = points.mean(axis=0)
    scale = float(np.sqrt(np.square(points - centre).mean())) or 1.0
    sizes = (points.shape[1], *hidden, n_classes)
    network = _networks.begun(lambda: _networks.layers(*sizes), _networks.generator_of(rng))
    torch.nn.init.zeros_(network[-1].weight)  # no class is likelier before anything is seen
    network.to(device)
    x = torch.from_numpy(np.asarray((points - centre) / scale, dtype=np.float32)).to(device)
    y = torch.from_numpy(np.asarray(codes, dtype=np.int64)).to(device)

    def loss_of(rows: IntArray) -> torch.Tensor:
        some = torch.from_numpy(rows).to(device)
        return torch.nn.functional.cross_entropy(network(x[some]), y[some])

    size = min(_BATCH, len(points))
    n_steps = max(1, round(n_seen / size))
    batches = _networks.shuffled(len(points), size, rng)
    rate = _RATE if hidden else 10 * _RATE
    _networks.train([network], loss_of, batches, n_steps, rate=rate, name="a model of the bench")

    def answers(asked: FloatArray) -> IntArray:
        with torch.no_grad():
            new = torch.from_numpy(np.asarray((asked - centre) / scale, dtype=np.float32))
            return np.asarray(network(new.to(device)).argmax(dim=1).cpu().numpy())

    return answers
