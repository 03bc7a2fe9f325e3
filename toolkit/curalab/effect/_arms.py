"""What changed between two tables, and the same kind of change on as many rows at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from curalab._check import BoolArray, FloatArray, IntArray, check_labels, complain, first_few

__all__ = ["Arm", "Change", "arms_of"]


class Arm(NamedTuple):
    """A training set over the rows of `before`: codes (-1 leaves a row out) and weights."""

    codes: IntArray
    weight: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Change:
    """Which rows of `before` train differently afterwards, as masks.

    `dropped` had a label and is gone or has lost it, `labelled` had none, `relabelled` has
    another, `reweighted` weighs differently, `edited` holds other contents.
    """

    dropped: BoolArray
    labelled: BoolArray
    relabelled: BoolArray
    reweighted: BoolArray
    edited: BoolArray

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each kind, the kinds that occur."""
        found = {name: int(mask.sum()) for name, mask in vars(self).items()}
        return {name: n for name, n in found.items() if n}

    @classmethod
    def between(cls, before: Arm, after: Arm, is_edited: BoolArray) -> Change:
        """Compare two arms, and note which rows hold other contents."""
        had, has = before.codes >= 0, after.codes >= 0
        return cls(
            dropped=had & ~has,
            labelled=~had & has,
            relabelled=had & has & (before.codes != after.codes),
            reweighted=had & has & (before.weight != after.weight),
            edited=had & has & is_edited,
        )

    def at_random(self, before: Arm, after: Arm, *, rng: np.random.Generator) -> Arm:
        """Do as much of each to random rows: the control.

        As many labelled rows are dropped, relabelled (with the new labels of the true change,
        never their own) and reweighted (with its new weights); as many unlabelled rows get its
        new labels in random order.
        """
        codes, weight = before.codes.copy(), before.weight.copy()
        mixed = rng.permutation(np.flatnonzero(before.codes >= 0))
        n_dropped, n_relabelled = int(self.dropped.sum()), int(self.relabelled.sum())
        codes[mixed[:n_dropped]] = -1
        stay = mixed[n_dropped:]
        codes[stay[:n_relabelled]] = _other_codes(
            before.codes[stay[:n_relabelled]], after.codes[self.relabelled], rng
        )
        weight[rng.permutation(stay)[: self.reweighted.sum()]] = rng.permutation(
            after.weight[self.reweighted]
        )
        bare = rng.permutation(np.flatnonzero(before.codes < 0))
        codes[bare[: self.labelled.sum()]] = rng.permutation(after.codes[self.labelled])
        return Arm(codes, weight)


def _other_codes(own: IntArray, new: IntArray, rng: np.random.Generator) -> IntArray:
    """Draw from `new` as often as each occurs there, but never a row's own code."""
    if not len(own):
        return own
    n_classes = int(max(own.max(), new.max())) + 1
    odds = np.tile(np.bincount(new, minlength=n_classes).astype(float), (len(own), 1))
    odds[np.arange(len(own)), own] = 0
    stuck = ~odds.any(axis=1)  # every new label is this row's own: any other class will do
    odds[stuck] = 1
    odds[stuck, own[stuck]] = 0
    reached = odds.cumsum(axis=1)
    drawn = rng.random((len(own), 1)) * reached[:, -1:]
    return np.asarray((reached <= drawn).sum(axis=1))


def arms_of(tables: dict[str, pd.DataFrame], labels: str) -> tuple[Arm, Arm, IntArray, pd.Index]:
    """Return both training sets over the rows of `before`, the test codes, and the classes."""
    before, after = tables["before"], tables["after"]
    for name, table in tables.items():
        _refuse_measurements(name, table[labels])
    joined = pd.concat([t[labels].astype(object) for t in tables.values()], ignore_index=True)
    _, codes, classes = check_labels(joined, name=labels)
    ends = np.cumsum([len(before), len(after)])
    own, new, of_test = np.split(codes, ends)
    at = after.index.get_indexer(before.index)
    stays = at >= 0
    sides = {
        "before": Arm(own, _weight("before", before)),
        "after": Arm(
            np.where(stays, new[at], -1), np.where(stays, _weight("after", after)[at], 0.0)
        ),
    }
    for name, side in sides.items():
        _refuse_one_class(name, side)
    return sides["before"], sides["after"], of_test, pd.Index(classes)


def _refuse_measurements(name: str, column: pd.Series) -> None:
    numbers = column.dropna()
    if column.dtype.kind == "f" and (numbers % 1 != 0).any():
        rule = f"a table whose column {column.name!r} holds classes"
        raise ValueError(
            complain(name, rule, what=f"measurements such as {first_few(numbers[:1])}")
        )


def _weight(name: str, table: pd.DataFrame) -> FloatArray:
    if "weight" not in table.columns:
        return np.ones(len(table))
    weight = pd.to_numeric(table["weight"], errors="coerce").to_numpy(dtype=float)
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        rule = "a table whose column 'weight' holds finite numbers of 0 or more"
        raise ValueError(
            complain(name, rule, what=f"others for the ids {first_few(table.index[bad])}")
        )
    return weight


def _refuse_one_class(name: str, arm: Arm) -> None:
    n_classes = len(np.unique(arm.codes[(arm.codes >= 0) & (arm.weight > 0)]))
    if n_classes < 2:
        got = "1 class" if n_classes else "no labelled row"
        raise ValueError(
            complain(name, "a table with labelled rows of 2 classes or more", what=got)
        )
