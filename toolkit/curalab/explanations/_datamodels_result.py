"""What datamodels say of predictions: who helps, who harms, and what removals would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, FloatArray, IntArray, check_integer, check_real, rows_of
from curalab.embedding import Embedding
from curalab.explanations._subsets import Rows, margins_of
from curalab.results import StageResult

__all__ = ["Datamodels"]

_DOMINATES = 3.0


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Datamodels(StageResult):
    """How each target's margin depends on which rows were trained on.

    The margin is the score of the target's own class minus the highest other one; below 0 the
    prediction is wrong. Row i belongs to the target `ids[i]`, column j to `train_ids[j]`.

    Attributes
    ----------
    weights : ndarray of shape (n_targets, n_train), float
        What a training row adds to the margin when it is among the rows trained on, most of them
        0. Of a target that is itself a training row, the own weight says how much of its margin
        is memorised.
    offset : ndarray of shape (n_targets,), float
        Margin predicted with no row at all: the predicted margin of a subset is `offset` plus the
        weights of its rows.
    margin : ndarray of shape (n_targets,), float
        Margin of the head trained on all rows.
    fit : ndarray of shape (n_targets,), float
        Correlation, -1 to 1, of predicted and true margins over subsets that were not learned
        from; NaN where the margin never moves. Trust no weights of a target where it is low.
    train_ids : ndarray of shape (n_train,)
        Ids of the training rows.
    share : float
        Share of the training rows in each subset.
    """

    prefix: ClassVar[str] = "datamodel"

    weights: FloatArray
    offset: FloatArray
    margin: FloatArray
    fit: FloatArray
    train_ids: AnyArray
    share: float
    rows: Rows | None = field(default=None, metadata={"unsaved": True})

    def __repr__(self) -> str:
        return (
            f"Datamodels({len(self):,} targets of {len(self.train_ids):,} training rows, "
            f"fit {np.nanmedian(self.fit) if np.isfinite(self.fit).any() else np.nan:.2f}, "
            f"{(self.weights != 0).sum(axis=1).mean():.0f} weights a target)"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row a target: margin, fit, number of weights, and the row that helps most."""
        others = self._others()
        best = others.argmax(axis=1)
        top = others[np.arange(len(self)), best]
        return pd.DataFrame(
            {
                "datamodel_margin": self.margin,
                "datamodel_fit": self.fit,
                "datamodel_n_weights": (self.weights != 0).sum(axis=1),
                "datamodel_helped_by": np.where(top > 0, self.train_ids[best], None),
                "datamodel_weight": top,
            },
            index=self.ids,
        )

    def influence(self, id: Any, *, n: int = 5) -> pd.DataFrame:
        """Return the `n` training rows that help a target most, and the `n` that harm it most.

        Parameters
        ----------
        id : hashable
            Id of the target.
        n : int, default=5
            Rows of each kind; fewer where fewer have a weight.

        Returns
        -------
        pandas.DataFrame
            Indexed by training id: `weight`, the largest first, and `effect` ("helps", "harms").
        """
        check_integer("n", n, low=1)
        row = self._row(id)
        weight, order = self.weights[row], self._helpers(row)
        helps, harms = order[weight[order] > 0][:n], order[weight[order] < 0][-n:]
        chosen = np.concatenate([helps, harms])
        effect = ["helps"] * len(helps) + ["harms"] * len(harms)
        index = pd.Index(self.train_ids[chosen], name="train_id")
        return pd.DataFrame({"weight": weight[chosen], "effect": effect}, index=index)

    def value(self) -> pd.Series:
        """Return what each training row adds to the margin of a target on average, least first.

        Below 0 a row harms more than it helps: labels that are wrong come first. The weight of a
        row on itself does not count.
        """
        means = pd.Series(self._others().mean(axis=0), index=self.train_ids, name="value")
        return means.rename_axis("train_id").sort_values(kind="stable")

    def counterfactual(self, id: Any, n: int) -> dict[str, Any]:
        """Return what becomes of a target's margin without the `n` rows that help it most.

        Parameters
        ----------
        id : hashable
            Id of the target.
        n : int
            Training rows to remove, the target itself not among them.

        Returns
        -------
        dict
            `removed`, their ids; `margin`, trained on all rows; `predicted`, the margin that the
            weights foretell without these rows; `measured`, the margin of a head trained without
            them (None for a result opened from disk, which keeps no vectors).
        """
        check_integer("n", n, low=1, high=len(self.train_ids) - 1)
        row = self._row(id)
        removed = self._helpers(row)[:n]
        measured = None
        if self.rows is not None:
            left = np.ones(len(self.train_ids), dtype=bool)
            left[removed] = False
            measured = float(margins_of(self.rows, left[None], targets=np.array([row]))[0, 0])
        return {
            "removed": pd.Index(self.train_ids[removed], name="train_id"),
            "margin": float(self.margin[row]),
            "predicted": float(self.margin[row] - self.share * self.weights[row, removed].sum()),
            "measured": measured,
        }

    def brittle(self) -> pd.DataFrame:
        """Return the right predictions that few removals would make wrong, the fewest first.

        Returns
        -------
        pandas.DataFrame
            Indexed by target id: `margin`, and `n_removals`, the smallest number of helpful
            training rows whose removal is predicted to flip it. Predictions that the weights
            cannot flip are left out.
        """
        weight = -np.sort(-np.maximum(self._others(), 0), axis=1)
        lost = self.share * np.cumsum(weight, axis=1)
        flips = lost > np.maximum(self.margin, 0)[:, None]
        able = np.flatnonzero((self.margin > 0) & flips[:, -1])
        frame = pd.DataFrame(
            {"margin": self.margin[able], "n_removals": flips[able].argmax(axis=1) + 1},
            index=self.ids[able],
        )
        return frame.sort_values(["n_removals", "margin"], kind="stable")

    def similar(self, id: Any, *, n: int = 5) -> pd.Series:
        """Return the targets that owe their margin to the same rows, by cosine, nearest first."""
        check_integer("n", n, low=1)
        row = self._row(id)
        length = np.linalg.norm(self.weights, axis=1)
        cosine = self.weights @ self.weights[row]
        cosine /= np.maximum(length * length[row], 1e-30)
        order = np.argsort(-cosine, kind="stable")
        order = order[order != row][:n]
        return pd.Series(cosine[order], index=self.ids[order], name="similarity")

    def leakage(self, *, dominates: float = _DOMINATES) -> pd.DataFrame:
        """Return targets tied to one training row: near copies that the heads lean on.

        Where many rows are alike a copy weighs little more than the others. To find every near
        copy, compare the vectors: ``cl.find_leakage``.

        Parameters
        ----------
        dominates : float, default=3.0
            Least dominance to list.

        Returns
        -------
        pandas.DataFrame
            Indexed by target id, the most dominated first: `train_id`, `weight` and `dominance`,
            the weight over the geometric mean of two runners-up: the largest weight of another
            training row on the target, and of the training row on another target.
        """
        check_real("dominates", dominates, low=1, high=np.inf)
        weight = np.maximum(self._others(), 0)
        best, top = weight.argmax(axis=1), weight.max(axis=1)
        at = np.arange(len(self))
        two = -np.partition(-weight, min(1, len(weight) - 1), axis=0)[:2]  # of each training row
        column = np.where(two[0] > weight[at, best][:, None], two[0], two[-1])[at, best]
        weight[at, best] = 0
        rival = np.sqrt(np.maximum(weight.max(axis=1), 1e-9) * np.maximum(column, 1e-9))
        rows = np.flatnonzero((top > 0) & (top >= dominates * rival))
        rows = rows[np.argsort(-(top / rival)[rows], kind="stable")]
        return pd.DataFrame(
            {
                "train_id": self.train_ids[best[rows]],
                "weight": top[rows],
                "dominance": (top / rival)[rows],
            },
            index=self.ids[rows],
        )

    def embedding(self) -> Embedding:
        """Return the weights as vectors: near targets owe their margin to the same rows.

        A target without any weight has no direction and is left out.
        """
        has = (self.weights != 0).any(axis=1)
        return Embedding(vectors=self.weights[has], ids=self.ids[has], params=self.params)

    def _row(self, id: Any) -> int:
        return int(rows_of(self.ids, [id], name="id")[0])

    def _helpers(self, row: int) -> IntArray:
        """Return the training rows by their weight on a target, without the target itself."""
        order = np.argsort(-self.weights[row], kind="stable")
        return order if self.params["targets"] == "test rows" else order[order != row]

    def _others(self) -> FloatArray:
        """Return the weights, 0 of a row on itself."""
        weights = np.array(self.weights)
        if self.params["targets"] == "training rows":
            np.fill_diagonal(weights, 0)
        return weights
