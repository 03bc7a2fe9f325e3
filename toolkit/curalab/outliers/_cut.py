"""From oddness to outliers: how far out a row must lie."""

from __future__ import annotations

from typing import Any

import numpy as np

from curalab._check import BoolArray, FloatArray, IntArray, complain
from curalab.pool import Pool, Stage, run

__all__ = ["FALSE_ALARMS", "cut_by_false_alarms", "cut_by_share", "cut_by_spread", "held_out"]

FALSE_ALARMS = 0.02
_SPREADS = 2.0  # on a normal upper half, 2.3 % lie beyond
_FOLDS = 5
_ROUNDING = 1e-9  # of a cut: as odd as a clean row, but for the order in which numbers were added

Cut = tuple[BoolArray, dict[str, Any]]


def cut_by_share(oddness: FloatArray, share: float) -> Cut:
    """Mark a share of the rows, the oddest."""
    wanted = round(share * len(oddness))
    is_outlier = np.zeros(len(oddness), dtype=bool)
    is_outlier[np.argsort(-oddness, kind="stable")[:wanted]] = True
    return is_outlier, {"rule": "expected_share", "marked": wanted}


def cut_by_spread(oddness: FloatArray) -> Cut:
    """Mark rows far above the median, in units of the spread of the rows just above it.

    The upper half alone: oddness leans to the right in tables, to the left in embeddings.
    """
    middle, upper = np.quantile(oddness, [0.5, 0.75])
    value = float(middle + _SPREADS * (upper - middle) / 0.6745)  # the normal upper quartile
    rule = f"median + {_SPREADS:g} robust standard deviations of the upper half"
    return oddness > value, {"rule": rule, "value": value}


def cut_by_false_alarms(oddness: FloatArray, clean: FloatArray, share: float) -> Cut:
    """Mark rows odder than all but a share of clean rows that were judged as unseen ones.

    The cut of split conformal prediction: of m clean rows the ⌈(m + 1)(1 - share)⌉-th, so that a
    new clean row is marked with a probability of at most the share.
    """
    rank = int(np.ceil((len(clean) + 1) * (1 - share)))
    if rank > len(clean):
        least = 1 / (len(clean) + 1)
        rule = f"at least {least:.3g} with {len(clean):,} reference rows"
        raise ValueError(complain("false_alarms", rule, share))
    last = float(np.sort(clean)[rank - 1])
    value = last + _ROUNDING * abs(last) if rank else -np.inf
    rule = f"odder than all but {share:.3g} of the reference rows, each judged as an unseen one"
    return oddness > value, {"rule": rule, "value": value}


def held_out(stage: Stage, method: Any, pool: Pool, *, seed: int) -> FloatArray:
    """Return the oddness of the reference rows, a fifth at a time against the others."""
    clean: Any = pool.reference
    dealt = np.random.default_rng(seed).permutation(len(clean)) % _FOLDS
    oddness = np.empty(len(clean))
    for fold in range(min(_FOLDS, len(clean))):
        left, rest = np.flatnonzero(dealt == fold), np.flatnonzero(dealt != fold)
        part = Pool(embedding=_rows(clean, left).embedding, reference=_rows(clean, rest))
        oddness[left] = run(stage, method, part, random_state=seed).arrays["oddness"]
    return oddness


def _rows(pool: Pool, rows: IntArray) -> Pool:
    parts = {name: getattr(pool, name) for name in ("labels", "proba")}
    some = {name: part[rows] for name, part in parts.items() if part is not None}
    classes = pool.classes if some else None
    return Pool(embedding=pool.embedding.take(pool.ids[rows]), classes=classes, **some)
