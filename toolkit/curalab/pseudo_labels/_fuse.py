"""Several opinions on the same rows, made one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from curalab._check import (
    AnyArray,
    BoolArray,
    FloatArray,
    align,
    carried_ids,
    check_choice,
    check_classes,
    check_real,
    complain,
    first_few,
    invented_ids,
)
from curalab.results import StageResult

__all__ = ["Fused", "fuse"]

_WAYS = ("auto", "agreement", "entropy")
_FORM = "two or more arrays, DataFrames or PseudoLabels"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Fused(StageResult):
    """One label a row, out of several opinions.

    Attributes
    ----------
    labels : ndarray of shape (n_items,)
        The likeliest class; None where nobody has an opinion.
    confidence : ndarray of shape (n_items,), float
        Its probability in `proba`, from 0 to 1.
    proba : ndarray of shape (n_items, n_classes), float
        The opinions' mean; rows sum to 1. Equal shares where nobody has an opinion.
    classes : ndarray of shape (n_classes,)
        What the columns of `proba` are.
    keep : ndarray of shape (n_items,), bool
        Whether the label is fit to train on.
    source : ndarray of shape (n_items,)
        The opinions whose likeliest class is the label, as "text, image"; "given" for given ones.
    """

    prefix: ClassVar[str] = "fused"
    columns: ClassVar[dict[str, str]] = {"labels": "fused_label"}

    labels: AnyArray
    confidence: FloatArray
    proba: FloatArray
    classes: AnyArray
    keep: BoolArray
    source: AnyArray

    @property
    def summary(self) -> str:
        return f"{int(self.keep.sum()):,} kept, by {self.details['how']}"

    def to_frame(self) -> pd.DataFrame:
        """Return label, confidence, keep and source of each row."""
        names = ("labels", "confidence", "keep", "source")
        columns = {self.columns.get(n, f"fused_{n}"): getattr(self, n) for n in names}
        return pd.DataFrame(columns, index=self.ids)


def fuse(
    opinions: Any, *, how: str = "auto", least: float = 0.0, classes: Any = None
) -> Fused:  # fmt: skip
    """Make one label of what several models, modalities or methods say of the same rows.

    By "agreement" the opinions count alike, and rows are kept on which two or more have one, and
    all name the same class. By "entropy" opinions weigh the more the surer they are, row by row,
    and all rows are kept. "auto" filters by agreement where the opinions have no right to be as
    sure as they are, as models have that are far from the data they learned from.

    Parameters
    ----------
    opinions : sequence, or mapping of names
        Two or more of: probabilities of shape (n_items, n_classes), as an array or a DataFrame
        whose columns are the classes; PseudoLabels; Fused. A row of NaN is no opinion.
    how : {"auto", "agreement", "entropy"}, default="auto"
        The way.
    least : float, default=0
        Confidence from which rows are kept, from 0 to 1.
    classes : sequence, default=None
        What the columns of arrays are. None takes the classes of the other opinions, or 0, 1, ….

    Returns
    -------
    Fused
        ``details`` has `how`, and `gap`: by how much the opinions overrate themselves at least.

    Raises
    ------
    AlignmentError
        The opinions carry ids of different rows.
    ValueError
        Two opinions discovered classes: `new_0` of one is not `new_0` of the other.

    Notes
    -----
    Ours: the gap, and all formulas; the paper's abstract fixes the two ways and that a domain gap
    chooses. If two models were right as often as they say, c and d on average, both were right on
    at least c + d - 1 of the rows, and agreed there. The gap is the largest shortfall of a pair's
    agreement below that, and counts from two standard errors on. A weight is 1 - H / log c, H the
    entropy of the opinion and c the number of classes. Given labels (of PseudoLabels) are kept as
    they are; where two differ, the first.

    References
    ----------
    .. [1] Simons, Raychaudhuri, Ahmed, You, Karydis, Roy-Chowdhury (2023), "SUMMIT: Source-Free
       Adaptation of Uni-Modal Models to Multi-Modal Targets", ICCV. arXiv:2308.11880.

    Examples
    --------
    >>> import pandas as pd
    >>> from curalab.pseudo_labels import fuse
    >>> text = pd.DataFrame({"cat": [0.9, 0.6, 0.5], "dog": [0.1, 0.4, 0.5]}, index=list("abc"))
    >>> image = pd.DataFrame({"cat": [0.8, 0.1, 0.9], "dog": [0.2, 0.9, 0.1]}, index=list("abc"))
    >>> fused = fuse({"text": text, "image": image}, how="entropy")
    >>> fused.labels.tolist(), fused.source.tolist()
    (['cat', 'dog', 'cat'], ['text, image', 'image', 'text, image'])
    >>> fuse({"text": text, "image": image}, how="agreement").keep.tolist()
    [True, False, True]
    """
    check_choice("how", how, _WAYS)
    check_real("least", least, low=0, high=1)
    names, parts = _listed(opinions)
    _refuse_two_discoveries(names, parts)
    ids = next((own for p in parts if (own := carried_ids(p)) is not None), None)
    ids = invented_ids(len(parts[0])) if ids is None else ids
    columns = _classes(parts, classes)
    stack = np.stack([_proba(p, columns, ids) for p in parts])
    there = np.asarray(~np.isnan(stack).any(axis=2))
    gap, error = _gap(stack, there)
    way = how if how != "auto" else "agreement" if gap > 2 * error else "entropy"
    filled = np.where(there[:, :, None], stack, 0)
    weight = there * (1.0 if way == "agreement" else np.maximum(_sureness(filled), 1e-9))
    proba = np.einsum("on,onc->nc", weight, filled)
    heard = there.any(axis=0)
    proba[~heard] = 1
    proba /= proba.sum(axis=1, keepdims=True)
    names_it = there & (filled.argmax(axis=2) == proba.argmax(axis=1))
    agree = (there.sum(axis=0) >= 2) & (names_it == there).all(axis=0)
    given = _given(parts, columns, ids)
    is_given = given >= 0
    proba[is_given] = np.eye(len(columns))[given[is_given]]
    best, confidence = proba.argmax(axis=1), proba.max(axis=1)
    keep = (agree if way == "agreement" else heard) & (confidence >= least)
    source = np.array([", ".join(np.array(names)[row]) for row in names_it.T], dtype=object)
    labels = columns.to_numpy(dtype=object)[best]
    labels[~heard & ~is_given] = None
    return Fused(
        ids=ids,
        labels=labels,
        confidence=confidence,
        proba=proba,
        classes=columns.to_numpy(dtype=object),
        keep=keep | is_given,
        source=np.where(is_given, "given", source),
        params={"verb": "fuse", "method": way, "settings": {"how": how, "least": least}},
        details={"how": way, "gap": float(max(gap, 0.0))},
    )


def _sureness(proba: FloatArray) -> FloatArray:
    """Return 1 - entropy / log(classes) of each opinion, from 0 to 1."""
    entropy = -(proba * np.log(np.maximum(proba, 1e-300))).sum(axis=2)
    return np.asarray(1 - entropy / np.log(max(proba.shape[2], 2)))


def _gap(stack: FloatArray, there: BoolArray) -> tuple[float, float]:
    """Return how far agreement falls short of what confidence promises, and its standard error.

    The promise of a row is c + d - 1, its answer 1 where the two agree.
    """
    found = [(-np.inf, 0.0)]
    for i in range(len(stack)):
        for j in range(i):
            both = there[i] & there[j]
            one, two = stack[i, both], stack[j, both]
            if both.any():
                agreed = one.argmax(axis=1) == two.argmax(axis=1)
                short = one.max(axis=1) + two.max(axis=1) - 1 - agreed
                found.append((float(short.mean()), float(short.std() / np.sqrt(len(short)))))
    return max(found)


# ---- input ---------------------------------------------------------------------------------------


def _listed(opinions: Any) -> tuple[list[str], list[Any]]:
    if isinstance(opinions, Mapping):
        names, parts = [str(name) for name in opinions], list(opinions.values())
    elif isinstance(opinions, list | tuple):
        names, parts = [str(i) for i in range(len(opinions))], list(opinions)
    else:
        raise TypeError(complain("opinions", f"a list of {_FORM}", what=type(opinions).__name__))
    if len(parts) < 2:
        raise ValueError(complain("opinions", f"a list of {_FORM}", what=f"{len(parts)}"))
    return names, [p if _has_names(p) else _numbers(p) for p in parts]


def _has_names(part: Any) -> bool:
    return isinstance(part, pd.DataFrame) or hasattr(part, "proba")


def _numbers(part: Any) -> FloatArray:
    """Return an opinion as an array of two dimensions."""
    try:
        numbers = np.asarray(part, dtype=np.float64)
    except (TypeError, ValueError) as error:
        got = first_few([part])
        raise TypeError(complain("opinions", f"a list of {_FORM}", what=got)) from error
    if numbers.ndim != 2:
        rule = "of two dimensions each, rows by classes"
        raise ValueError(complain("opinions", rule, what=f"shape {numbers.shape}"))
    return numbers


def _refuse_two_discoveries(names: list[str], parts: list[Any]) -> None:
    """Refuse discovered classes of several opinions, which share names but nothing else."""
    found = [n for n, p in zip(names, parts, strict=True) if np.any(getattr(p, "is_new", False))]
    if len(found) > 1:
        rule = "such that at most one of them discovered classes"
        hint = "Name the classes: pass DataFrames of `proba` whose columns are the same classes."
        got = f"discovered classes of {first_few(found)}"
        raise ValueError(complain("opinions", rule, what=got, hint=hint))


def _classes(parts: list[Any], classes: Any) -> pd.Index:
    named = [_own_classes(p) for p in parts]
    told = None if classes is None else check_classes(pd.Index(list(classes), dtype=object))
    first = next((c for c in [told, *named] if c is not None), None)
    if first is None:
        return pd.RangeIndex(parts[0].shape[1])
    for own in named:
        if own is not None and set(own) != set(first):
            rule = f"of the same classes: {first_few(first, 20)}"
            raise ValueError(complain("opinions", rule, what=first_few(own, 20)))
    return first


def _own_classes(part: Any) -> pd.Index | None:
    named = part.columns if isinstance(part, pd.DataFrame) else getattr(part, "classes", None)
    own = None if named is None else pd.Index(list(named), dtype="object")
    return own if own is None else check_classes(own, name="opinions")


def _proba(part: Any, columns: pd.Index, ids: pd.Index) -> FloatArray:
    """Return probabilities in the order of ids and classes, NaN without an opinion."""
    own = _own_classes(part)
    given = part
    if isinstance(part, StageResult):
        given = pd.DataFrame(part.proba, index=part.ids)  # type: ignore[attr-defined]
    aligned = align("opinions", given, ids)
    proba = _numbers(aligned)
    if proba.shape[1] != len(columns):
        rule = f"of shape ({len(ids):,}, {len(columns)}), rows by classes"
        raise ValueError(complain("opinions", rule, what=f"shape {proba.shape}"))
    bad = ~((proba >= -1e-6).all(axis=1) & (np.abs(proba.sum(axis=1) - 1) <= 1e-3))
    bad &= ~np.isnan(proba).all(axis=1)
    if bad.any():
        got = f"{int(bad.sum()):,} rows that do not (ids {first_few(ids[bad])})"
        raise ValueError(complain("opinions", "probabilities that sum to 1 in a row", what=got))
    return proba if own is None else proba[:, own.get_indexer(columns)]


def _given(parts: list[Any], columns: pd.Index, ids: pd.Index) -> AnyArray:
    """Return the class of each row that came with its label, else -1."""
    given = np.full(len(ids), -1)
    for part in parts[::-1]:
        if hasattr(part, "given"):
            labels = pd.Series(part.labels, index=part.ids).where(part.given)
            codes = columns.get_indexer(pd.Index(align("opinions", labels, ids)))
            given = np.where(codes >= 0, codes, given)
    return given
