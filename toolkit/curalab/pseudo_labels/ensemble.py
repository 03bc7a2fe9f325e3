"""Several methods heard together, and one head that has learned what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from curalab._check import FloatArray, IntArray, check_choice, check_integer, complain
from curalab.heads import Head, fit_head, folds_of
from curalab.pool import Pool, resolve, run
from curalab.pseudo_labels.spectral_kernel import SpectralKernel
from curalab.pseudo_labels.staged_self_training import StagedSelfTraining

__all__ = ["Ensemble"]

_FAINT = 0.05  # a class less likely than this is not taught to the head
_LESSONS, _FEWEST = 200_000, 100  # what the head learns from, a row and a class each
_PENALTY = 1e-3
_POWERS, _HALVINGS = (0.01, 100.0), 20
_LEAST = 1e-3  # weight of a module no better than chance


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """The mean of several methods' probabilities, distilled into one head.

    Each module labels the pool alone; the weighted mean of their probabilities is the answer. A
    linear head learns it from all rows, labels given included, and answers for new rows.

    ``details["modules"]`` has one row a module: its `weight`; `agreement`, the share of rows
    without a label on which it says what the ensemble says; `ablation`, the share of them whose
    label changes when it is left out; and, with `folds`, `accuracy` on labels that were hidden
    from it, and `without`, that of the ensemble without it. ``details["accuracy"]`` is that of
    the whole. ``details["source"]`` names for each row the module that is surest of its label, or
    says "given".

    Parameters
    ----------
    modules : sequence of str or callable
        Methods of this stage: names, methods with settings, functions.
    weights : {"equal", "agreement", "accuracy"}, default="equal"
        All alike, as in [1]_; or in proportion to how often a module says what the others'
        mean says; or to the log odds of its accuracy on hidden labels against chance [2]_, which
        needs `folds`.
    level : bool, default=True
        Whether to raise the probabilities of each module to a power (and scale rows to sum to 1)
        such that all are equally sure on average, as sure as their mean: else the module that
        overrates itself most decides. Ours; False is the paper's.
    folds : int, default=0
        Parts into which labels are dealt, each hidden in turn from all modules; at least one
        label of each class stays. 0 hides none; else 2 or more, each one more run.

    Notes
    -----
    [1]_ also finds auxiliary data by a graph of concepts and trains networks on it; that is left
    out: modules see the pool. Its end model is a network trained on the soft labels; here it is
    a linear head, which each row teaches those classes that have at least 0.05, as much as they
    have. Of more than 200,000 such pairs of row and class a share is drawn, the same of each class
    but 100 at least, and weighs as much as all. The rows of the pool get the mean rather than the
    head's answer, since modules may follow shapes that no plane parts.

    References
    ----------
    .. [1] Piriyakulkij, Menghini, Briden, Nayak, Zhu, Raisi, Bach (2022), "TAGLETS: A System for
       Automatic Semi-Supervised Learning with Auxiliary Data", MLSys. arXiv:2111.04798.
    .. [2] Nitzan, Paroush (1982), "Optimal Decision Rules in Uncertain Dichotomous Choice
       Situations", International Economic Review 23.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(60, 3)) + np.repeat([[0], [9]], 30, axis=0)
    >>> labels = ["a"] + [None] * 29 + ["b"] + [None] * 29
    >>> emb = cl.Embedding(vectors=x, metric="euclidean")
    >>> soft = cl.pseudo_label(emb, labels, method="ensemble")
    >>> soft.details["modules"].index.tolist()
    ['propagation', 'self_training', 'spectral_kernel', 'staged_self_training']
    """

    cost: ClassVar[str] = "its modules, once more for each fold, and a fit on all rows"
    needs: ClassVar[str] = "labels"

    modules: Sequence[str | Callable[..., Any]] = (
        "propagation",
        "self_training",
        SpectralKernel(probe=False),
        StagedSelfTraining(teacher="propagation"),
    )
    weights: str = "equal"
    level: bool = True
    folds: int = 0

    def __call__(
        self, pool: Pool, *, rng: np.random.Generator
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Return the probability of each class, shape (n_items, n_classes)."""
        modules, new = self._named(), ~pool.is_labelled
        told = _heard(modules, pool, rng, level=self.level)
        hidden = _hidden(modules, pool, self.folds, rng, level=self.level) if self.folds else None
        weight = self._weighed(told[:, new], hidden)
        proba = np.tensordot(weight, told, axes=1)
        surest = told[:, np.arange(len(pool)), proba.argmax(axis=1)].argmax(axis=0)
        source = np.array(list(modules), dtype=object)[surest]
        source[~new] = "given"
        return proba, {
            "predict": _distilled(pool, proba, rng).predict_proba,
            "modules": _table(list(modules), weight, told[:, new], hidden),
            "accuracy": None if hidden is None else _accuracy(weight, hidden),
            "source": source,
        }

    def _named(self) -> dict[str, Callable[..., Any]]:
        """Return the modules by their names, numbered where two have the same."""
        from curalab.pseudo_labels import STAGE

        check_choice("weights", self.weights, ["equal", "agreement", "accuracy"])
        check_integer("folds", self.folds, low=0)
        if self.folds == 1 or (self.weights == "accuracy" and not self.folds):
            rule = "2 or more" if self.weights == "accuracy" else "0, or 2 or more"
            raise ValueError(complain("folds", rule, self.folds))
        several = isinstance(self.modules, Iterable) and not isinstance(self.modules, str)
        listed: list[Any] = list(self.modules) if several else [self.modules]
        resolved = [resolve(STAGE, module) for module in listed]  # an unknown name is told first
        if len(resolved) < 2:
            raise ValueError(complain("modules", "a list of 2 methods or more", self.modules))
        found: dict[str, Callable[..., Any]] = {}
        for module, (name, function) in zip(listed, resolved, strict=True):
            if module == "ensemble":
                raise ValueError(complain("modules", "methods other than itself", module))
            same = sum(other.partition(" #")[0] == name for other in found)
            found[f"{name} #{same + 1}" if same else name] = function
        return found

    def _weighed(self, told: FloatArray, hidden: Hidden | None) -> FloatArray:
        """Return the weight of each module, (n_modules,); they sum to 1."""
        weight = np.ones(len(told))
        if self.weights == "agreement" and told.shape[1]:
            rest = (told.sum(axis=0) - told).argmax(axis=2)
            weight = (told.argmax(axis=2) == rest).mean(axis=1)
        elif self.weights == "accuracy" and hidden is not None:
            right = (hidden.told.argmax(axis=2) == hidden.codes).sum(axis=1)
            odds = (right + 1) / (len(hidden.codes) - right + 1) * (told.shape[2] - 1)
            weight = np.log(odds)
        weight = np.maximum(weight, _LEAST)
        return np.asarray(weight / weight.sum())


class Hidden(NamedTuple):
    """What modules say of rows whose label they did not see, (n_modules, m, c); the labels (m,)."""

    told: FloatArray
    codes: IntArray


def _heard(
    modules: dict[str, Callable[..., Any]], pool: Pool, rng: np.random.Generator, *, level: bool
) -> FloatArray:
    """Return the probabilities that each module gives, (n_modules, n_items, n_classes)."""
    from curalab.pseudo_labels import STAGE

    told = []
    for name, module in modules.items():
        proba = run(STAGE, module, pool, random_state=int(rng.integers(2**31))).arrays["proba"]
        if proba.shape[1] != len(pool.classes):
            rule = "methods that find no classes of their own"
            raise ValueError(complain("modules", rule, what=repr(name)))
        told.append(proba)
    if level:
        middle = float(np.mean([proba.max(axis=1).mean() for proba in told]))
        told = [_levelled(proba, middle) for proba in told]
    return np.stack(told)


def _levelled(proba: FloatArray, wanted: float) -> FloatArray:
    """Return proba^b, rows summing to 1, with the b that makes it `wanted` sure on average."""
    from scipy.special import softmax

    log_proba = np.log(np.maximum(proba, 1e-12))
    low, high = _POWERS
    for _ in range(_HALVINGS):
        middle = np.sqrt(low * high)
        sure = float(softmax(middle * log_proba, axis=1).max(axis=1).mean())
        low, high = (low, middle) if sure > wanted else (middle, high)
    return np.asarray(softmax(middle * log_proba, axis=1))


def _hidden(
    modules: dict[str, Callable[..., Any]],
    pool: Pool,
    folds: int,
    rng: np.random.Generator,
    *,
    level: bool,
) -> Hidden:
    """Hide the labels part by part, and hear what the modules then say of these rows."""
    several = np.bincount(pool.codes[pool.is_labelled], minlength=len(pool.classes)) > 1
    rows = np.flatnonzero(pool.is_labelled & several[pool.codes])
    if not len(rows):
        raise ValueError(complain("folds", "0 where no class has two labels", folds))
    fold = folds_of(pool.codes[rows], folds, rng=rng)  # parts a class of two, too
    told: list[FloatArray] = []
    for part in np.unique(fold):
        labels = np.array(pool.labels, dtype=object)
        labels[rows[fold == part]] = None
        left = pool.replace(labels=labels, classes=pool.classes)
        told.append(_heard(modules, left, rng, level=level)[:, rows[fold == part]])
    return Hidden(np.concatenate(told, axis=1), pool.codes[rows[np.argsort(fold, kind="stable")]])


def _accuracy(weight: FloatArray, hidden: Hidden) -> float:
    said = np.tensordot(weight, hidden.told, axes=1).argmax(axis=1)
    return float((said == hidden.codes).mean())


def _table(
    names: list[str], weight: FloatArray, told: FloatArray, hidden: Hidden | None
) -> pd.DataFrame:
    best = np.tensordot(weight, told, axes=1).argmax(axis=1)
    rows = []
    for i in range(len(names)):
        without = np.where(np.arange(len(names)) == i, 0, weight)
        changed = np.tensordot(without, told, axes=1).argmax(axis=1) != best
        row = {"weight": weight[i], "agreement": np.nan, "ablation": np.nan}
        if len(best):
            row["agreement"] = (told[i].argmax(axis=1) == best).mean()
            row["ablation"] = changed.mean()
        if hidden is not None:
            alone = np.eye(len(names))[i]
            row["accuracy"], row["without"] = _accuracy(alone, hidden), _accuracy(without, hidden)
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index(names, name="module"))


def _distilled(pool: Pool, proba: FloatArray, rng: np.random.Generator) -> Head:
    """Fit a head to the soft labels; to the given ones where there are."""
    soft = np.where(proba >= np.minimum(_FAINT, proba.max(axis=1, keepdims=True)), proba, 0)
    given = np.flatnonzero(pool.is_labelled)
    soft[given] = np.eye(proba.shape[1])[pool.codes[given]]
    rows, codes = np.nonzero(soft)
    weight = soft[rows, codes]
    if len(rows) > _LESSONS:
        some, stands_for = _some_of_each(codes, rng)
        rows, codes, weight = rows[some], codes[some], weight[some] * stands_for
    points = pool.embedding.points[rows]
    return fit_head(points, codes, proba.shape[1], penalty=_PENALTY, sample_weight=weight)


def _some_of_each(codes: IntArray, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Draw the same share of each class, more of small ones; and how many each drawn stands for."""
    count = np.bincount(codes)
    drawn = np.minimum(count, np.maximum(count * _LESSONS // len(codes), _FEWEST))
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    place = np.arange(len(codes)) - np.repeat(np.cumsum(count) - count, count)
    some = np.sort(order[place < np.repeat(drawn, count)])
    return some, count[codes[some]] / drawn[codes[some]]
