"""Pseudo-labels: labels for rows that have none, with their confidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import AnyArray, BoolArray, FloatArray
from curalab.pool import Array, Stage, as_pool, resolve, run
from curalab.pseudo_labels._accept import accepted
from curalab.pseudo_labels._curve import Honesty, over_rounds
from curalab.pseudo_labels._fuse import Fused, fuse
from curalab.pseudo_labels._honesty import honesty
from curalab.pseudo_labels._spectral_regression import PseudoTargets, spectral_regression
from curalab.pseudo_labels._verb import predicting, with_classes
from curalab.pseudo_labels.category_discovery import CategoryDiscovery
from curalab.pseudo_labels.descriptions import Descriptions
from curalab.pseudo_labels.ensemble import Ensemble
from curalab.pseudo_labels.hidden_class_discovery import HiddenClassDiscovery
from curalab.pseudo_labels.keywords import Keywords
from curalab.pseudo_labels.label_model import LabelModel
from curalab.pseudo_labels.low_shot_probe import LowShotProbe
from curalab.pseudo_labels.propagation import Propagation
from curalab.pseudo_labels.rules import RuleVotes, apply_rules, labeling_function
from curalab.pseudo_labels.screen import Screened, screen_unlabelled
from curalab.pseudo_labels.self_training import SelfTraining
from curalab.pseudo_labels.spectral_kernel import SpectralKernel
from curalab.pseudo_labels.staged_self_training import StagedSelfTraining
from curalab.pseudo_labels.text_propagation import TextPropagation
from curalab.pseudo_labels.topic_zero_shot import TopicZeroShot
from curalab.pseudo_labels.transductive import Transductive
from curalab.pseudo_labels.zero_shot import ZeroShot
from curalab.results import StageResult

if TYPE_CHECKING:
    from curalab.ledger import Ledger

__all__ = [
    "STAGE",
    "CategoryDiscovery",
    "Descriptions",
    "Ensemble",
    "Fused",
    "HiddenClassDiscovery",
    "Honesty",
    "Keywords",
    "LabelModel",
    "LowShotProbe",
    "Propagation",
    "PseudoLabels",
    "PseudoTargets",
    "RuleVotes",
    "Screened",
    "SelfTraining",
    "SpectralKernel",
    "StagedSelfTraining",
    "TextPropagation",
    "TopicZeroShot",
    "Transductive",
    "ZeroShot",
    "apply_rules",
    "fuse",
    "honesty",
    "labeling_function",
    "over_rounds",
    "pseudo_label",
    "screen_unlabelled",
    "spectral_regression",
]

STAGE = Stage(
    name="pseudo_labels",
    verb="pseudo_label",
    contract=(
        "A method gets (pool, *, rng) and returns the probability of each class, (n, n_classes), "
        "with a column more for each class that it discovers. One that names classes itself has "
        "them as `classes`; the pool then has these, whether or not a row has a label."
    ),
    returns=(Array(name="proba", columns="classes", low=0, high=1 + 1e-6),),
    methods={
        "propagation": Propagation,
        "ensemble": Ensemble,
        "spectral_kernel": SpectralKernel,
        "self_training": SelfTraining,
        "transductive": Transductive,
        "staged_self_training": StagedSelfTraining,
        "low_shot_probe": LowShotProbe,
        "descriptions": Descriptions,
        "text_propagation": TextPropagation,
        "keywords": Keywords,
        "topic_zero_shot": TopicZeroShot,
        "zero_shot": ZeroShot,
        "label_model": LabelModel,
        "category_discovery": CategoryDiscovery,
        "hidden_class_discovery": HiddenClassDiscovery,
    },
    functions={
        "spectral_regression": spectral_regression,
        "honesty": honesty,
        "over_rounds": over_rounds,
        "screen_unlabelled": screen_unlabelled,
        "apply_rules": apply_rules,
        "fuse": fuse,
    },
    start_here="propagation",
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PseudoLabels(StageResult):
    """A label for each row, given or proposed.

    Attributes
    ----------
    labels : ndarray of shape (n_items,)
        The given label where there is one, else the likeliest class.
    confidence : ndarray of shape (n_items,), float
        Probability of that label, from 0 to 1; 1 for given ones.
    proba : ndarray of shape (n_items, n_classes), float
        What the method says of every row; rows sum to 1.
    classes : ndarray of shape (n_classes,)
        What the columns of `proba` are; discovered ones are `new_0`, `new_1`, … at the end, without
        names that a class has already.
    given : ndarray of shape (n_items,), bool
        Whether the row came with its label.
    is_new : ndarray of shape (n_items,), bool
        Whether the label is a discovered class.
    """

    prefix: ClassVar[str] = "pseudo"
    columns: ClassVar[dict[str, str]] = {"labels": "pseudo_label"}

    labels: AnyArray
    confidence: FloatArray
    proba: FloatArray
    classes: AnyArray
    given: BoolArray
    is_new: BoolArray

    @property
    def summary(self) -> str:  # noqa: D102
        return f"{int((~self.given).sum()):,} proposed"

    def to_frame(self) -> pd.DataFrame:
        """Return label, confidence, given and is_new of each row."""
        names = ("labels", "confidence", "given", "is_new")
        columns = {self.columns.get(n, f"{self.prefix}_{n}"): getattr(self, n) for n in names}
        return pd.DataFrame(columns, index=self.ids)

    def accept(
        self,
        ledger: Ledger,
        *,
        actor: str,
        threshold: float = 0.0,
        ids: Any = None,
        field: str = "label",
        reason: str | None = None,
        new_classes: bool = False,
    ) -> pd.RangeIndex:
        """Write proposed labels into a ledger: all of them in one transaction, or none.

        Proposals that the ledger has decided about, accepted ones too, are left out, unless `ids`
        names them.

        Parameters
        ----------
        ledger : Ledger
            Gets a relabel for each row, which says that the label was missing.
        actor : str
            Who decides.
        threshold : float, default=0
            Confidence from which proposals are accepted; ``honesty(…).threshold(0.95)`` finds
            one for calibrated labels.
        ids : id or sequence of ids, default=None
            The rows, of those only the ones past the threshold. A row named is written whatever
            stands in the ledger, and its label then replaces that. None means all proposals that
            are open: no label of the field is decided, the one proposed is not rejected, and the
            row is neither kept nor dropped.
        field : str, default="label"
            The column of the labels.
        reason : str, default=None
            Why, in words; the confidence is added.
        new_classes : bool, default=False
            Whether to accept discovered classes (`new_0`, …), too.

        Returns
        -------
        RangeIndex
            The numbers of the ledger's events.

        Raises
        ------
        ValueError
            `ids` names a row whose label was given, or is of a discovered class.
        KeyError
            `ids` names a row that is not here.
        """
        return accepted(
            self,
            ledger,
            actor=actor,
            threshold=threshold,
            ids=ids,
            field=field,
            reason=reason,
            new_classes=new_classes,
        )


def pseudo_label(
    embedding: Any,
    labels: Any = None,
    *,
    method: str | Callable[..., Any] = "propagation",
    random_state: int | None = None,
) -> PseudoLabels:
    """Propose labels for the rows that have none, each with its confidence.

    Parameters
    ----------
    embedding : Embedding, Pool or array-like of shape (n_items, d)
        The rows.
    labels : array-like of shape (n_items,), default=None
        Their labels; None or NaN is missing. May be left out where a Pool brings them.
    method : str or callable, default="propagation"
        A name in ``cl.methods("pseudo_labels")``, a method with settings, or a function
        ``(pool, *, rng)`` that returns the probability of each class.
    random_state : int, default=None
        Seed. None draws one and records it.

    Returns
    -------
    PseudoLabels
        Given labels come back as they are; where every row has one, all do.
        ``result.predict(new)`` labels new rows where the method can: a DataFrame of
        `pseudo_label` and `pseudo_confidence`.

    Raises
    ------
    ValueError
        No row has a label, or all labels are of one class, and the method does not name classes.

    Examples
    --------
    >>> import numpy as np, curalab as cl
    >>> x = np.random.default_rng(0).normal(size=(40, 3)) + np.repeat([[0], [9]], 20, axis=0)
    >>> labels = ["a"] + [None] * 19 + ["b"] + [None] * 19
    >>> soft = cl.pseudo_label(cl.Embedding(vectors=x, metric="euclidean"), labels)
    >>> soft.labels[[1, 39]].tolist()
    ['a', 'b']
    """
    pool = with_classes(as_pool(embedding, labels=labels), resolve(STAGE, method)[1])
    answer = run(STAGE, method, pool, random_state=random_state)
    proba = answer.arrays["proba"]
    if (np.abs(proba.sum(axis=1) - 1) > 1e-3).any():
        raise ValueError(
            f"The method {answer.params['method']!r} must return 'proba' as rows that sum to 1. "
            f"Got sums from {proba.sum(axis=1).min():.3g} to {proba.sum(axis=1).max():.3g} instead."
        )
    n_new = proba.shape[1] - len(pool.classes)
    taken = set(pool.classes)
    new = islice((name for i in count() if (name := f"new_{i}") not in taken), n_new)
    classes = np.array([*pool.classes, *new], dtype=object)
    given = pool.is_labelled
    best = np.where(given, pool.codes, proba.argmax(axis=1))
    confidence = np.where(given, 1.0, proba[np.arange(len(pool)), best])
    details = dict(answer.details)
    if "predict" in details:
        details["predict"] = predicting(details["predict"], pool, classes)
    return PseudoLabels(
        ids=pool.ids,
        labels=classes[best],
        confidence=confidence,
        proba=proba,
        classes=classes,
        given=given,
        is_new=~given & (best >= len(pool.classes)),
        params=answer.params,
        details=details,
    )
