"""Learning curves of groups: measured on a pool, and fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from curalab._check import FloatArray, complain
from curalab.heads import fit_head
from curalab.pool import Pool, group_codes

__all__ = ["fitted", "measured"]

_EXPONENTS = np.geomspace(0.1, 2.5, 81)
_USUAL, _SPREAD = 0.5, 0.5  # the exponent that is likely, and the deviation of its logarithm
_PARTS = (0.125, 0.25, 0.5, 1.0)  # of a group's training rows
_ROUNDS = 3
_FEWEST = 8  # labelled rows of a group
_NOISE = 1e-3  # least deviation of a measured error


def fitted(n: FloatArray, error: FloatArray) -> tuple[float, float, float]:
    """Return a, b and c of error = a + b n^-c, with a and b from 0, and c likely near 1/2."""
    from scipy.optimize import nnls

    if len(np.unique(n)) < 2:
        return 0.0, float(np.mean(error) * n[0] ** _USUAL), _USUAL
    best = (np.inf, 0.0, 0.0, _USUAL)
    for c in _EXPONENTS:
        (a, b), rest = nnls(np.c_[np.ones(len(n)), n**-c], error)
        misfit = len(n) / 2 * np.log(rest**2 / len(n) + _NOISE**2)
        misfit += (np.log(c / _USUAL) / _SPREAD) ** 2 / 2
        best = min(best, (misfit, float(a), float(b), float(c)))
    return best[1:]


def measured(pool: Pool, rng: np.random.Generator) -> tuple[pd.DataFrame, dict[object, int]]:
    """Return the error of each group by the rows of it trained on, and its labelled rows.

    Of each of a few halvings of the rows into training and test rows, a head is trained with a
    part of the group's training rows and all training rows of the other groups.
    """
    if pool.labels is None or pool.groups is None:
        lacking = "labels" if pool.labels is None else "groups"
        raise ValueError(complain("curves", "a Pool with labels and groups", what=f"no {lacking}"))
    groups, names = group_codes(pool)
    rows = np.flatnonzero(pool.is_labelled)
    size = np.bincount(groups[rows], minlength=len(names))
    if size.min() < _FEWEST:
        got = f"{size.min():,} of the group {names[int(size.argmin())]!r}"
        rule = f"a Pool with at least {_FEWEST} labelled rows of each group"
        raise ValueError(complain("curves", rule, what=got))
    points, n_classes, found = pool.embedding.points, len(pool.classes), []
    for _ in range(_ROUNDS):
        order = rng.permutation(rows)
        rank = pd.Series(groups[order]).groupby(groups[order]).cumcount().to_numpy()
        train, test = order[rank % 2 == 0], order[rank % 2 == 1]
        for g, name in enumerate(names):
            own, others = train[groups[train] == g], train[groups[train] != g]
            held = test[groups[test] == g]
            for n in sorted({max(int(part * len(own)), 1) for part in _PARTS}):
                used = np.r_[others, own[:n]]
                head = fit_head(points[used], pool.codes[used], n_classes)
                wrong = head.predict_proba(points[held]).argmax(axis=1) != pool.codes[held]
                found.append((name, n, float(wrong.mean())))
    return pd.DataFrame(found, columns=["group", "n", "error"]), dict(
        zip(names.tolist(), size.tolist(), strict=True)
    )
