"""The same head, trained on each side under each seed, and asked about each test row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np

from curalab._check import BoolArray, FloatArray, IntArray
from curalab.effect._arms import Arm, Change
from curalab.effect._points import Points
from curalab.heads import fit_head

__all__ = ["PENALTY", "Right", "find_copies", "side_by_side", "train_and_test"]

T = TypeVar("T")
R = TypeVar("R")

PENALTY = 0.03  # of heads.fit_head; fixed, so that no side is tuned better than another


class Right(NamedTuple):
    """Whether each test row is classified rightly.

    Attributes
    ----------
    sides : ndarray of shape (n_test, 3, n_seeds), bool
        Before, after and the control, each under the same bootstraps.
    whole : ndarray of shape (n_test, n_seeds), bool
        The controls trained on all their rows: what differs between them is the choice of rows.
    """

    sides: BoolArray
    whole: BoolArray


def train_and_test(
    points: Points,
    sides: tuple[Arm, Arm],
    change: Change,
    test_codes: IntArray,
    *,
    n_seeds: int,
    seed: int,
) -> Right:
    """Train every side under every seed and ask about the test rows.

    A side that trains on the same as another is not trained again.
    """
    before, after = sides
    n_classes = int(max(before.codes.max(), after.codes.max(), test_codes.max())) + 1

    def under(i: int) -> BoolArray:
        # Two generators: the bootstrap, and so `before`, is the same whatever the change was.
        control = _control(change, before, after, np.random.default_rng([seed, i, 1]))
        counts = _bootstrap([before, after, control], np.random.default_rng([seed, i, 0]))
        known: list[tuple[Arm, FloatArray, BoolArray]] = []
        arms = ((before, points.before), (after, points.after), (control, points.before))
        for arm, vectors in arms:
            right = next((r for a, v, r in known if v is vectors and _train_alike(a, arm)), None)
            if right is None:
                right = asked(arm, vectors, counts)
            known.append((arm, vectors, right))
        if _train_alike(before, control):
            whole = known[0][2]  # there is no choice to be lucky with
        else:
            whole = asked(control, points.before, np.ones_like(counts))
        return np.stack([*(right for _, _, right in known), whole], axis=1)

    def asked(arm: Arm, vectors: FloatArray, counts: IntArray) -> BoolArray:
        head = _fit(arm, vectors, counts, n_classes)
        return np.asarray(head.predict_proba(points.test).argmax(axis=1) == test_codes)

    found = np.stack(side_by_side(under, range(n_seeds), "measuring the effect"), axis=2)
    return Right(found[:, :3], found[:, 3])


def side_by_side(function: Callable[[T], R], tasks: Sequence[T], name: str) -> list[R]:
    """Return the function's answers, in order; one task a core, each on one thread.

    Small matrix products gain nothing from a second thread, and on a busy machine lose much.
    """
    import torch
    from tqdm.auto import tqdm

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            answers = pool.map(function, tasks)
            return list(tqdm(answers, desc=name, total=len(tasks), delay=2, disable=None))
    finally:
        torch.set_num_threads(threads)


def _control(change: Change, before: Arm, after: Arm, rng: np.random.Generator) -> Arm:
    """Draw a control; drawn again where all that weighs anything was dropped."""
    while True:
        control = change.at_random(before, after, rng=rng)
        if control.weight[control.codes >= 0].any():
            return control


def _train_alike(a: Arm, b: Arm) -> bool:
    used = a.codes >= 0
    same_rows = np.array_equal(a.codes, b.codes)
    return same_rows and np.array_equal(a.weight[used], b.weight[used])


def _bootstrap(arms: list[Arm], rng: np.random.Generator) -> IntArray:
    """Draw how often each row of `before` trains; drawn again where an arm is left with none."""
    n = len(arms[0].codes)
    while True:
        counts = rng.multinomial(n, np.full(n, 1 / n))
        if all((counts * arm.weight)[arm.codes >= 0].any() for arm in arms):
            return counts


def _fit(arm: Arm, points: FloatArray, counts: IntArray, n_classes: int) -> Any:
    weight = np.where(arm.codes >= 0, counts * arm.weight, 0.0)
    rows = np.flatnonzero(weight)
    return fit_head(
        points[rows], arm.codes[rows], n_classes, penalty=PENALTY, sample_weight=weight[rows]
    )


def find_copies(train: FloatArray, test: FloatArray, metric: str) -> BoolArray:
    """Mark the rows of `test` whose vector is that of a row of `train`."""
    from curalab.neighbors import nearest

    found = nearest(train, 1, metric=metric, queries=test).distance[:, 0]
    # Rounding moves equal items apart by about 1e-6 of their length; cosine squares that.
    near = 1e-10 if metric == "cosine" else 1e-5 * float(np.sqrt(train.var(axis=0).sum()))
    return np.asarray(found <= near)
